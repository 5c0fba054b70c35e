//! Which provider answers for `provider/name`, and whether it is up.
//!
//! One [`Models`] per process: it holds the HTTP clients, and per server and key the queue and the
//! health that everybody who asks there shares.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use heartbeat_domain::budget::Rates;
use heartbeat_domain::conversation::{Message, TurnRequest};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::around::{Sight, look_around};
use crate::default_model::{self, DefaultModel};
use crate::health::{Gated, Health};
use crate::model::anthropic::Anthropic;
use crate::model::demo::{self, Demo};
use crate::model::gemini::Gemini;
use crate::model::habits::Habits;
use crate::model::http::{Clients, Server};
use crate::model::openai::OpenAi;
use crate::model::{ModelError, ModelErrorKind, Provider};
use crate::settings::{Dialect, ModelSettings, NamedModel, STALL, Secret};

const IN_FLIGHT_LOCAL: usize = 1;
const IN_FLIGHT: usize = 64;
/// A hung connection must not hold up whoever probes.
const PROBE_PATIENCE: Duration = Duration::from_secs(20);

/// Nobody answers for a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnknownProvider {
    /// What is missing and what there is.
    pub message: String,
}

/// The models of this process.
pub struct Models {
    settings: ModelSettings,
    clients: Clients,
    /// By server and key, and by model name; both only ever grow to what was asked for.
    desks: Mutex<BTreeMap<String, Desk>>,
    model_health: Mutex<BTreeMap<String, Arc<Health>>>,
    /// What servers turned out to want otherwise, by model name.
    habits: Mutex<BTreeMap<String, Arc<Habits>>>,
}

/// What those who ask one server with one key share.
#[derive(Clone)]
struct Desk {
    lane: Arc<Semaphore>,
    health: Arc<Health>,
}

impl Models {
    /// Models as the operator configured them.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn new(settings: ModelSettings) -> Result<Self, reqwest::Error> {
        let clients = Clients::new(settings.stall.unwrap_or(STALL))?;
        Ok(Self {
            settings,
            clients,
            desks: Mutex::default(),
            model_health: Mutex::default(),
            habits: Mutex::default(),
        })
    }

    /// The provider of a model. It is asked only while its key is believed to be good.
    ///
    /// # Errors
    /// Says what is missing: an unknown name, a key that is not set, a bad URL.
    pub fn provider(&self, model: &str) -> Result<Arc<dyn Provider>, UnknownProvider> {
        if model == demo::NAME {
            return Ok(Arc::new(Demo));
        }
        let (inner, desk) = self.open(model)?;
        Ok(Arc::new(Gated {
            model: model.to_owned(),
            inner,
            key_health: desk.health,
            model_health: self.health_of(model),
        }))
    }

    /// What a model costs.
    #[must_use]
    pub fn rates(&self, model: &str) -> Rates {
        self.settings.rates.get(model).copied().unwrap_or_default()
    }

    /// The model of agents that name none, and why it is that one.
    pub async fn choose_default(&self) -> DefaultModel {
        default_model::choose(&self.settings, &self.clients).await
    }

    /// Which model servers answer on this machine, in the order in which they are preferred.
    pub async fn look_around(&self) -> Vec<Sight> {
        look_around(&self.settings, &self.clients).await
    }

    /// Which vendors' keys are set, by the variables that hold them.
    #[must_use]
    pub fn keys_set(&self) -> Vec<&'static str> {
        let settings = &self.settings;
        let keys = [
            ("ANTHROPIC_API_KEY", &settings.anthropic_api_key),
            ("OPENAI_API_KEY", &settings.openai_api_key),
            ("GEMINI_API_KEY", &settings.gemini_api_key),
        ];
        let set = keys.into_iter().filter(|(_, key)| key.is_some());
        set.map(|(name, _)| name).collect()
    }

    /// Why a model is not asked at present, if its key or name went bad.
    #[must_use]
    pub fn down_reason(&self, model: &str) -> Option<String> {
        let reason = self
            .healths(model)
            .into_iter()
            .find_map(|health| health.reason());
        reason.map(|reason| reason.message)
    }

    /// Marks a model's key down from outside, unless key or model is known to be down already:
    /// turns that are denied do so by themselves, and a model that does not exist is no reason to
    /// doubt its key. Starts the clock of the probes.
    pub fn mark_down(&self, model: &str, reason: &str, now: Timestamp) {
        let healths = self.healths(model);
        let down = healths.iter().find(|health| health.reason().is_some());
        if let Some(health) = down.or(healths.first()) {
            let reason = ModelError::new(ModelErrorKind::Denied, reason);
            health.mark_down(model, reason, Some(now));
        }
    }

    /// Marks a model and its key up.
    pub fn mark_up(&self, model: &str) {
        self.healths(model)
            .iter()
            .for_each(|health| health.mark_up());
    }

    /// Models whose probe is due at `now`; each is handed out once in 30 s. Call it at least that
    /// often, and [`Models::probe`] what it returns.
    #[must_use]
    pub fn probes_due(&self, now: Timestamp) -> Vec<String> {
        let desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        let models = self
            .model_health
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let healths = desks
            .values()
            .map(|desk| &desk.health)
            .chain(models.values());
        let mut due: Vec<_> = healths.filter_map(|health| health.probe_due(now)).collect();
        due.sort();
        due.dedup();
        due
    }

    /// Asks for one token, past the gate. Any answer but a refusal of key or model marks it up.
    ///
    /// # Errors
    /// What is still wrong, or that no answer came in 20 s.
    pub async fn probe(&self, model: &str) -> Result<(), ModelError> {
        let (provider, _) = self
            .open(model)
            .map_err(|error| ModelError::new(ModelErrorKind::Denied, error.message))?;
        let request = probe_request(model);
        let answer = tokio::time::timeout(PROBE_PATIENCE, provider.turn(&request, &|_| {})).await;
        let silent = |_| ModelError::new(ModelErrorKind::Unreachable, "no answer in 20 s");
        match answer.map_err(silent).flatten() {
            Err(error) if error.kind != ModelErrorKind::Rejected => Err(error),
            Ok(_) | Err(_) => {
                self.mark_up(model);
                Ok(())
            }
        }
    }

    fn open(&self, model: &str) -> Result<(Arc<dyn Provider>, Desk), UnknownProvider> {
        let found = self.find(model)?;
        let server = Server::new(&self.clients, &found.base_url, found.api_key.clone());
        let server = server.map_err(|error| UnknownProvider {
            message: format!("{model}: {error}"),
        })?;
        let desk = self.desk(&found, &server);
        let (name, lane) = (found.model, desk.lane.clone());
        let provider: Arc<dyn Provider> = match found.dialect {
            Dialect::OpenAi => {
                let shared = (lane, self.habits_of(model));
                Arc::new(OpenAi::new(model, name, server, shared))
            }
            Dialect::Anthropic => Arc::new(Anthropic::new(model, name, server, lane)),
            Dialect::Gemini => {
                let gemini = Gemini::new(model, &name, server, lane);
                Arc::new(gemini.map_err(|message| UnknownProvider { message })?)
            }
        };
        Ok((provider, desk))
    }

    fn find(&self, model: &str) -> Result<NamedModel, UnknownProvider> {
        if let Some(named) = self.settings.named.get(model) {
            return Ok(named.clone());
        }
        let (provider, name) = model.split_once('/').unwrap_or((model, ""));
        let found = well_known(&self.settings, provider, name);
        found
            .filter(|_| !name.is_empty())
            .unwrap_or_else(|| Err(self.nobody(model)))
    }

    fn nobody(&self, model: &str) -> UnknownProvider {
        let named = self.settings.named.keys().map(String::as_str);
        let known = [
            "anthropic/…",
            "openai/…",
            "gemini/…",
            "ollama/…",
            "lmstudio/…",
            "llamacpp/…",
            demo::NAME,
        ];
        let known = known
            .into_iter()
            .chain(named)
            .collect::<Vec<_>>()
            .join(", ");
        UnknownProvider {
            message: format!("no provider for the model {model:?}; there are {known}"),
        }
    }

    fn desk(&self, found: &NamedModel, server: &Server) -> Desk {
        let key = found.api_key.as_ref().map_or("", Secret::expose);
        let name = format!("{}\n{key}", found.base_url);
        let places = if server.is_local() {
            IN_FLIGHT_LOCAL
        } else {
            IN_FLIGHT
        };
        let places = found
            .max_in_flight
            .unwrap_or(places)
            .clamp(1, Semaphore::MAX_PERMITS);
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        let desk = desks.entry(name).or_insert_with(|| Desk {
            lane: Arc::new(Semaphore::new(places)),
            health: Arc::default(),
        });
        desk.clone()
    }

    fn habits_of(&self, model: &str) -> Arc<Habits> {
        let mut habits = self.habits.lock().unwrap_or_else(PoisonError::into_inner);
        habits.entry(model.to_owned()).or_default().clone()
    }

    fn health_of(&self, model: &str) -> Arc<Health> {
        let mut healths = self
            .model_health
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        healths.entry(model.to_owned()).or_default().clone()
    }

    /// The key's health first, then the model's; none for what needs no server.
    fn healths(&self, model: &str) -> Vec<Arc<Health>> {
        match self.open(model) {
            Ok((_, desk)) => vec![desk.health, self.health_of(model)],
            Err(_) => Vec::new(),
        }
    }
}

/// Providers that need no entry in the configuration.
fn well_known(
    settings: &ModelSettings,
    provider: &str,
    name: &str,
) -> Option<Result<NamedModel, UnknownProvider>> {
    let open_ai = |base_url: String, api_key: Option<Secret>| NamedModel {
        dialect: Dialect::OpenAi,
        base_url,
        api_key,
        model: name.to_owned(),
        max_in_flight: None,
    };
    let found = match provider {
        "openai" => openai(settings, open_ai),
        "anthropic" => anthropic(settings, name),
        "gemini" => gemini(settings, name),
        "ollama" => Ok(open_ai(format!("{}/v1", settings.ollama_url()), None)),
        "lmstudio" => Ok(open_ai(format!("{}/v1", settings.lm_studio_url()), None)),
        "llamacpp" => Ok(open_ai(format!("{}/v1", settings.llama_server_url()), None)),
        _ => return None,
    };
    Some(found)
}

fn openai(
    settings: &ModelSettings,
    open_ai: impl FnOnce(String, Option<Secret>) -> NamedModel,
) -> Result<NamedModel, UnknownProvider> {
    let key = settings.openai_api_key.clone();
    match (&settings.openai_base_url, key) {
        (Some(base_url), key) => Ok(open_ai(base_url.clone(), key)),
        (None, Some(key)) => Ok(open_ai("https://api.openai.com/v1".to_owned(), Some(key))),
        (None, None) => Err(UnknownProvider {
            message: "OPENAI_API_KEY is not set".to_owned(),
        }),
    }
}

fn anthropic(settings: &ModelSettings, name: &str) -> Result<NamedModel, UnknownProvider> {
    let key = settings.anthropic_api_key.clone();
    if key.is_none() && settings.anthropic_base_url.is_none() {
        return Err(UnknownProvider {
            message: "ANTHROPIC_API_KEY is not set".to_owned(),
        });
    }
    let base_url = settings.anthropic_base_url.clone();
    Ok(NamedModel {
        dialect: Dialect::Anthropic,
        base_url: base_url.unwrap_or_else(|| "https://api.anthropic.com".to_owned()),
        api_key: key,
        model: name.to_owned(),
        max_in_flight: None,
    })
}

fn gemini(settings: &ModelSettings, name: &str) -> Result<NamedModel, UnknownProvider> {
    let key = settings.gemini_api_key.clone();
    if key.is_none() && settings.gemini_base_url.is_none() {
        return Err(UnknownProvider {
            message: "GEMINI_API_KEY is not set".to_owned(),
        });
    }
    let base_url = settings.gemini_base_url.clone();
    Ok(NamedModel {
        dialect: Dialect::Gemini,
        base_url: base_url
            .unwrap_or_else(|| "https://generativelanguage.googleapis.com".to_owned()),
        api_key: key,
        model: name.to_owned(),
        max_in_flight: None,
    })
}

fn probe_request(model: &str) -> TurnRequest {
    TurnRequest {
        model: model.to_owned(),
        messages: vec![Message::User {
            text: "ping".to_owned(),
        }],
        tools: Vec::new(),
        max_tokens: 1,
    }
}
