//! One turn against a real server of each dialect.

use heartbeat_agent::model::{ModelError, Provider};
use heartbeat_agent::settings::Secret;
use heartbeat_agent::{ModelSettings, Models};
use heartbeat_domain::conversation::{Message, ToolSpec, Turn, TurnRequest};
use heartbeat_testkit::model_server::{ModelServer, Reply};
use serde_json::json;

pub(crate) const ALL: [&str; 3] = ["openai/m-1", "anthropic/m-1", "gemini/m-1"];

pub(crate) fn models(server: &ModelServer) -> Models {
    Models::new(settings(&server.url)).unwrap()
}

pub(crate) fn settings(url: &str) -> ModelSettings {
    ModelSettings {
        openai_api_key: Secret::new("key-of-openai"),
        openai_base_url: Some(format!("{url}/v1")),
        anthropic_api_key: Secret::new("key-of-anthropic"),
        anthropic_base_url: Some(url.to_owned()),
        gemini_api_key: Secret::new("key-of-gemini"),
        gemini_base_url: Some(url.to_owned()),
        ..ModelSettings::default()
    }
}

pub(crate) fn request(text: &str) -> TurnRequest {
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } } });
    let look = ToolSpec {
        name: "look".to_owned(),
        description: "Looks.".to_owned(),
        schema,
    };
    TurnRequest {
        model: String::new(),
        messages: vec![
            Message::System {
                text: "Be terse.".to_owned(),
            },
            Message::User {
                text: text.to_owned(),
            },
        ],
        tools: vec![look],
        max_tokens: 300,
    }
}

/// Asks once in each dialect and gives the answers with what was streamed.
pub(crate) async fn ask_all(reply: Reply) -> Vec<(Result<Turn, ModelError>, String)> {
    let mut answers = Vec::new();
    for model in ALL {
        let server = ModelServer::start([reply.clone()]).await;
        let provider = models(&server).provider(model).unwrap();
        answers.push(ask(provider.as_ref()).await);
    }
    answers
}

pub(crate) async fn ask(provider: &dyn Provider) -> (Result<Turn, ModelError>, String) {
    let streamed = std::sync::Mutex::new(String::new());
    let on_text = |text: &str| streamed.lock().unwrap().push_str(text);
    let answer = provider.turn(&request("Anything new?"), &on_text).await;
    let streamed = streamed.lock().unwrap().clone();
    (answer, streamed)
}
