//! Which model servers answer on this machine, found without a word of configuration.
//!
//! All three are asked at once, each for 200 ms, on loopback unless the settings name another place.
//! A server counts only if it answers as the product that it should be: port 8080 is anybody's.

use std::time::Duration;

use serde_json::{Value, json};

use crate::model::http::{Clients, Met, Server, get_json, meet, post_json};
use crate::settings::ModelSettings;

const LOOK_AROUND: Duration = Duration::from_millis(200);
/// How many of Ollama's models are asked what they can do.
const CANDIDATES_MAX: usize = 8;

/// What was seen where a model server might be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Which server was looked for.
    pub product: &'static str,
    /// What was found, as the end of a sentence that begins with the product.
    pub finding: String,
    /// `provider/name` of its model that can call tools.
    pub model: Option<String>,
}

/// A server to look for.
struct Place {
    product: &'static str,
    provider: &'static str,
    url: String,
}

/// Looks for Ollama, LM Studio and llama-server, in this order.
pub(crate) async fn look_around(settings: &ModelSettings, clients: &Clients) -> Vec<Sight> {
    let place = |product, provider, url| Place {
        product,
        provider,
        url,
    };
    let places = [
        place("Ollama", "ollama", settings.ollama_url()),
        place("LM Studio", "lmstudio", settings.lm_studio_url()),
        place("llama-server", "llamacpp", settings.llama_server_url()),
    ];
    let looks = places.iter().map(|place| look(place, clients));
    futures::future::join_all(looks).await
}

async fn look(place: &Place, clients: &Clients) -> Sight {
    let sight = |finding: String, model: Option<String>| Sight {
        product: place.product,
        finding,
        model,
    };
    let server = match Server::new(clients, &place.url, None) {
        Ok(server) => server,
        Err(error) => return sight(format!("was not looked for: {error}"), None),
    };
    let host = server.host();
    let seen = match place.provider {
        "ollama" => ollama(&server).await,
        "lmstudio" => lm_studio(&server).await,
        _ => llama_server(&server).await,
    };
    match seen {
        Seen::Nobody => sight(format!("does not answer at {host}"), None),
        Seen::Stranger => {
            let finding = format!("is not what answers at {host}");
            sight(finding, None)
        }
        Seen::WithoutTools => {
            let finding =
                format!("answers at {host}, but no model of it says that it can call tools");
            sight(finding, None)
        }
        Seen::Model(name) => {
            let finding = format!("answers at {host} and says that this model can call tools");
            sight(finding, Some(format!("{}/{name}", place.provider)))
        }
    }
}

/// What one server turned out to be.
enum Seen {
    Nobody,
    Stranger,
    WithoutTools,
    Model(String),
}

impl Seen {
    fn of(name: Option<&str>) -> Self {
        name.map_or(Self::WithoutTools, |name| Self::Model(name.to_owned()))
    }
}

async fn ollama(server: &Server) -> Seen {
    let tags = match meet(server, "/api/tags", LOOK_AROUND).await {
        Met::Json(tags) if tags["models"].is_array() => tags,
        Met::Nobody => return Seen::Nobody,
        Met::Stranger | Met::Json(_) => return Seen::Stranger,
    };
    let names = entries(&tags, "models").filter_map(|model| model["name"].as_str());
    for name in names.take(CANDIDATES_MAX) {
        let shown = post_json(server, "/api/show", &json!({ "model": name }), LOOK_AROUND).await;
        let shown = shown.unwrap_or_default();
        if lists(&shown["capabilities"], "tools") {
            return Seen::of(Some(name));
        }
    }
    Seen::of(None)
}

/// Its own API says what a model can do, in the present form or in the older one; the list that
/// every compatible server has does not.
async fn lm_studio(server: &Server) -> Seen {
    let (v1, v0) = futures::join!(
        meet(server, "/api/v1/models", LOOK_AROUND),
        get_json(server, "/api/v0/models", LOOK_AROUND),
    );
    let (v1, v0) = match (v1, v0) {
        (Met::Nobody, None) => return Seen::Nobody,
        (Met::Json(v1), v0) if v1["models"].is_array() => (v1, v0.unwrap_or_default()),
        (_, Some(v0)) if entries(&v0, "data").any(|model| model["type"].is_string()) => {
            (Value::Null, v0)
        }
        _ => return Seen::Stranger,
    };
    let current = entries(&v1, "models")
        .filter(|model| model["capabilities"]["trained_for_tool_use"] == true)
        .find_map(|model| model["key"].as_str());
    let older = entries(&v0, "data")
        .filter(|model| lists(&model["capabilities"], "tool_use"))
        .find_map(|model| model["id"].as_str());
    Seen::of(current.or(older))
}

/// llama-server says of its models that they are its own; its chat template says whether they know
/// tools.
async fn llama_server(server: &Server) -> Seen {
    let (models, props) = futures::join!(
        meet(server, "/v1/models", LOOK_AROUND),
        get_json(server, "/props", LOOK_AROUND),
    );
    let models = match models {
        Met::Json(models) => models,
        Met::Nobody => return Seen::Nobody,
        Met::Stranger => return Seen::Stranger,
    };
    let own = entries(&models, "data").find(|model| model["owned_by"] == "llamacpp");
    let (Some(own), Some(props)) = (own, props) else {
        return Seen::Stranger;
    };
    let template = props["chat_template"].as_str().unwrap_or_default();
    let knows_tools = match &props["chat_template_caps"]["supports_tool_calls"] {
        Value::Bool(knows) => *knows,
        _ => template.contains("tools") || props["chat_template_tool_use"].is_string(),
    };
    Seen::of(own["id"].as_str().filter(|_| knows_tools))
}

/// The entries of a list, none where there is no list.
pub(crate) fn entries<'v>(value: &'v Value, list: &str) -> impl Iterator<Item = &'v Value> {
    value[list].as_array().into_iter().flatten()
}

fn lists(list: &Value, wanted: &str) -> bool {
    list.as_array()
        .is_some_and(|list| list.iter().any(|entry| entry == wanted))
}
