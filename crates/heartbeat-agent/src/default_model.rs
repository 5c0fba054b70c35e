//! Which model answers when an agent names none, and why.
//!
//! In order: what the configuration says; a key in the settings, Anthropic's, OpenAI's, Gemini's; a
//! model server of this machine, Ollama, LM Studio, llama-server, that says of a model that it can
//! call tools; the demo.

use std::time::Duration;

use crate::around::{entries, look_around};
use crate::model::demo;
use crate::model::http::{Clients, Server, get_json};
use crate::settings::ModelSettings;

/// Each vendor's model between the largest and the smallest, in November 2026.
const ANTHROPIC_MODEL: &str = "claude-sonnet-5-5";
const OPENAI_MODEL: &str = "gpt-6.1-terra";
const GEMINI_MODEL: &str = "gemini-3.8-flash";
const ASK_FOR_NAMES: Duration = Duration::from_secs(2);

/// The model of agents that name none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultModel {
    /// `provider/name`, or a name from the configuration.
    pub model: String,
    /// Why it is this one, for the first screen.
    pub why: String,
    /// Whether it is the demo, which is no model.
    pub is_demo: bool,
}

impl DefaultModel {
    fn new(model: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            why: why.into(),
            is_demo: false,
        }
    }
}

pub(crate) async fn choose(settings: &ModelSettings, clients: &Clients) -> DefaultModel {
    if let Some(model) = &settings.default_model {
        let mut chosen = DefaultModel::new(model.clone(), "the configuration names it");
        chosen.is_demo = model == demo::NAME;
        return chosen;
    }
    if settings.anthropic_api_key.is_some() {
        let model = format!("anthropic/{ANTHROPIC_MODEL}");
        return DefaultModel::new(model, "ANTHROPIC_API_KEY is set");
    }
    if settings.openai_api_key.is_some() || settings.openai_base_url.is_some() {
        return open_ai(settings, clients).await;
    }
    if settings.gemini_api_key.is_some() {
        let model = format!("gemini/{GEMINI_MODEL}");
        return DefaultModel::new(model, "GEMINI_API_KEY is set");
    }
    let around = look_around(settings, clients).await;
    let found = around.into_iter().find_map(|sight| {
        let why = format!("{} {}", sight.product, sight.finding);
        sight.model.map(|model| DefaultModel::new(model, why))
    });
    found.unwrap_or_else(|| DefaultModel {
        model: demo::NAME.to_owned(),
        why: "no model is configured, no key is set and no model server answers on this machine"
            .to_owned(),
        is_demo: true,
    })
}

async fn open_ai(settings: &ModelSettings, clients: &Clients) -> DefaultModel {
    let Some(base_url) = &settings.openai_base_url else {
        return DefaultModel::new(format!("openai/{OPENAI_MODEL}"), "OPENAI_API_KEY is set");
    };
    let server = Server::new(clients, base_url, settings.openai_api_key.clone()).ok();
    let listed = match &server {
        Some(server) => get_json(server, "/models", ASK_FOR_NAMES).await,
        None => None,
    };
    let listed = listed.unwrap_or_default();
    let ids: Vec<_> = entries(&listed, "data")
        .filter_map(|entry| entry["id"].as_str())
        .collect();
    match ids.first() {
        Some(_) if ids.contains(&OPENAI_MODEL) => {
            let why = "OPENAI_BASE_URL is set and its server has it";
            DefaultModel::new(format!("openai/{OPENAI_MODEL}"), why)
        }
        Some(first) => {
            let why = "OPENAI_BASE_URL is set and this is the first model its server lists";
            DefaultModel::new(format!("openai/{first}"), why)
        }
        None => {
            let why = "OPENAI_BASE_URL is set; its server did not say which models it has";
            DefaultModel::new(format!("openai/{OPENAI_MODEL}"), why)
        }
    }
}
