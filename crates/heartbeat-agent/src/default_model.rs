//! Which model answers when an agent names none, and why.
//!
//! In order: what the configuration says; a key in the settings; a model server of this machine
//! that answers within 200 ms and says of a model that it can call tools; the demo.

use std::time::Duration;

use serde_json::{Value, json};

use crate::model::demo;
use crate::model::http::{Clients, Server, get_json, post_json};
use crate::settings::ModelSettings;

const ANTHROPIC_MODEL: &str = "claude-sonnet-4-5";
const OPENAI_MODEL: &str = "gpt-5-mini";
const LOOK_AROUND: Duration = Duration::from_millis(200);
const ASK_FOR_NAMES: Duration = Duration::from_secs(2);
/// How many of Ollama's models are asked what they can do.
const CANDIDATES_MAX: usize = 8;

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
    match look_around(settings, clients).await {
        Some(found) => found,
        None => DefaultModel {
            model: demo::NAME.to_owned(),
            why:
                "no model is configured, no key is set and no model server answers on this machine"
                    .to_owned(),
            is_demo: true,
        },
    }
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

/// Asks the three usual servers at once; the first of the list that has something wins.
async fn look_around(settings: &ModelSettings, clients: &Clients) -> Option<DefaultModel> {
    let (ollama, lm_studio, llama_server) = futures::join!(
        ollama(settings.ollama_url(), clients),
        lm_studio(settings.lm_studio_url(), clients),
        llama_server(settings.llama_server_url(), clients),
    );
    ollama.or(lm_studio).or(llama_server)
}

async fn ollama(url: String, clients: &Clients) -> Option<DefaultModel> {
    let server = Server::new(clients, &url, None).ok()?;
    let tags = get_json(&server, "/api/tags", LOOK_AROUND).await?;
    let names: Vec<_> = entries(&tags, "models")
        .filter_map(|model| model["name"].as_str())
        .collect();
    for name in names.into_iter().take(CANDIDATES_MAX) {
        let shown = post_json(&server, "/api/show", &json!({ "model": name }), LOOK_AROUND).await;
        let shown = shown.unwrap_or_default();
        if lists(&shown["capabilities"], "tools") {
            return Some(found("ollama", name, "Ollama", &server));
        }
    }
    None
}

async fn lm_studio(url: String, clients: &Clients) -> Option<DefaultModel> {
    let server = Server::new(clients, &url, None).ok()?;
    let (v1, v0) = futures::join!(
        get_json(&server, "/api/v1/models", LOOK_AROUND),
        get_json(&server, "/api/v0/models", LOOK_AROUND),
    );
    let (v1, v0) = (v1.unwrap_or_default(), v0.unwrap_or_default());
    let current = entries(&v1, "models")
        .filter(|model| model["capabilities"]["trained_for_tool_use"] == true)
        .find_map(|model| model["key"].as_str());
    let older = entries(&v0, "data")
        .filter(|model| lists(&model["capabilities"], "tool_use"))
        .find_map(|model| model["id"].as_str());
    current
        .or(older)
        .map(|name| found("lmstudio", name, "LM Studio", &server))
}

/// llama-server serves one model; its chat template says whether it knows tools.
async fn llama_server(url: String, clients: &Clients) -> Option<DefaultModel> {
    let server = Server::new(clients, &url, None).ok()?;
    let (props, models) = futures::join!(
        get_json(&server, "/props", LOOK_AROUND),
        get_json(&server, "/v1/models", LOOK_AROUND),
    );
    let (props, models) = (props?, models?);
    let template = props["chat_template"].as_str().unwrap_or_default();
    let knows_tools = match &props["chat_template_caps"]["supports_tool_calls"] {
        Value::Bool(knows) => *knows,
        _ => template.contains("tools") || props["chat_template_tool_use"].is_string(),
    };
    let name = entries(&models, "data").find_map(|model| model["id"].as_str());
    name.filter(|_| knows_tools)
        .map(|name| found("llamacpp", name, "llama-server", &server))
}

fn found(provider: &str, name: &str, product: &str, server: &Server) -> DefaultModel {
    let why = format!(
        "{product} answers at {} and says that this model can call tools",
        server.host()
    );
    DefaultModel::new(format!("{provider}/{name}"), why)
}

fn entries<'v>(value: &'v Value, list: &str) -> impl Iterator<Item = &'v Value> {
    value[list].as_array().into_iter().flatten()
}

fn lists(list: &Value, wanted: &str) -> bool {
    list.as_array()
        .is_some_and(|list| list.iter().any(|entry| entry == wanted))
}
