//! Which model answers when nobody configured one.

use axum::routing::{get, post};
use axum::{Json, Router};
use heartbeat_agent::settings::Secret;
use heartbeat_agent::{ModelSettings, Models};
use heartbeat_testkit::model_server::ModelServer;
use serde_json::{Value, json};

/// Settings that find no model server of this machine, whatever runs here.
fn nobody_at_home() -> ModelSettings {
    ModelSettings {
        ollama_host: Some("127.0.0.1:1".to_owned()),
        lm_studio_url: Some("127.0.0.1:1".to_owned()),
        llama_server_url: Some("127.0.0.1:1".to_owned()),
        ..ModelSettings::default()
    }
}

async fn chosen(settings: ModelSettings) -> (String, String) {
    let chosen = Models::new(settings).unwrap().choose_default().await;
    assert_eq!(chosen.is_demo, chosen.model == "demo");
    (chosen.model, chosen.why)
}

#[tokio::test]
async fn configuration_comes_before_keys_and_keys_before_the_demo() {
    let mut settings = nobody_at_home();
    assert_eq!(chosen(settings.clone()).await.0, "demo");
    settings.gemini_api_key = Secret::new("k");
    let (model, why) = chosen(settings.clone()).await;
    assert!(model.starts_with("gemini/") && why.contains("GEMINI_API_KEY"));
    settings.openai_api_key = Secret::new("k");
    let (model, why) = chosen(settings.clone()).await;
    assert!(model.starts_with("openai/") && why.contains("OPENAI_API_KEY"));
    settings.anthropic_api_key = Secret::new("k");
    assert!(chosen(settings.clone()).await.0.starts_with("anthropic/"));
    settings.default_model = Some("mine".to_owned());
    assert_eq!(chosen(settings).await.0, "mine");
}

#[tokio::test]
async fn another_base_url_is_asked_which_models_it_has() {
    let server = ModelServer::start([]).await;
    let settings = ModelSettings {
        openai_base_url: Some(format!("{}/v1", server.url)),
        ..nobody_at_home()
    };
    assert_eq!(chosen(settings).await.0, "openai/scripted-model");
}

/// Serves JSON at fixed paths and gives its address.
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    address.to_string()
}

async fn shown(Json(asked): Json<Value>) -> Json<Value> {
    let tools = asked["model"] == "qwen3:8b";
    let capabilities = if tools {
        json!(["completion", "tools"])
    } else {
        json!(["completion"])
    };
    Json(json!({ "capabilities": capabilities }))
}

#[tokio::test]
async fn ollama_is_taken_with_the_first_model_that_says_it_can_call_tools() {
    let tags = json!({ "models": [{ "name": "smol" }, { "name": "qwen3:8b" }] });
    let router = Router::new()
        .route("/api/tags", get(|| async { Json(tags) }))
        .route("/api/show", post(shown));
    let settings = ModelSettings {
        ollama_host: Some(serve(router).await),
        ..nobody_at_home()
    };
    let (model, why) = chosen(settings).await;
    assert_eq!(model, "ollama/qwen3:8b");
    assert!(why.contains("Ollama") && why.contains("tools"), "{why}");
}

#[tokio::test]
async fn lm_studio_and_llama_server_are_found_too() {
    let listed = json!({ "models": [
        { "key": "small", "capabilities": { "trained_for_tool_use": false } },
        { "key": "qwen/qwen3-8b", "capabilities": { "trained_for_tool_use": true } },
    ] });
    let router = Router::new().route("/api/v1/models", get(|| async { Json(listed) }));
    let settings = ModelSettings {
        lm_studio_url: Some(serve(router).await),
        ..nobody_at_home()
    };
    assert_eq!(chosen(settings).await.0, "lmstudio/qwen/qwen3-8b");

    for (template, expected) in [
        ("{% if tools %}", "llamacpp/qwen"),
        ("{{ messages }}", "demo"),
    ] {
        let settings = ModelSettings {
            llama_server_url: Some(llama_server(template, "llamacpp").await),
            ..nobody_at_home()
        };
        assert_eq!(chosen(settings).await.0, expected);
    }
}

/// A server with llama-server's paths, whose one model is somebody's.
async fn llama_server(template: &str, owner: &str) -> String {
    let props = json!({ "chat_template": template });
    let models = json!({ "object": "list", "data": [{ "id": "qwen", "owned_by": owner }] });
    let router = Router::new()
        .route("/props", get(|| async { Json(props) }))
        .route("/v1/models", get(|| async { Json(models) }));
    serve(router).await
}

#[tokio::test]
async fn what_is_found_is_said_in_the_order_in_which_it_is_preferred() {
    let tags = json!({ "models": [{ "name": "smol" }] });
    let ollama = Router::new()
        .route("/api/tags", get(|| async { Json(tags) }))
        .route("/api/show", post(shown));
    let page = Router::new().fallback(|| async { "<!doctype html><h1>Somebody's page</h1>" });
    let settings = ModelSettings {
        ollama_host: Some(serve(ollama).await),
        lm_studio_url: Some(serve(page).await),
        llama_server_url: Some(llama_server("{% if tools %}", "llamacpp").await),
        ..ModelSettings::default()
    };
    let models = Models::new(settings).unwrap();
    let seen = models.look_around().await;
    let said: Vec<_> = seen
        .iter()
        .map(|sight| format!("{} {}", sight.product, sight.finding))
        .collect();
    assert!(
        said[0].starts_with("Ollama answers at 127.0.0.1"),
        "{said:?}"
    );
    assert!(said[0].contains("no model of it says"), "{said:?}");
    assert!(
        said[1].starts_with("LM Studio is not what answers"),
        "{said:?}"
    );
    assert!(said[2].starts_with("llama-server answers at"), "{said:?}");
    assert_eq!(seen[2].model.as_deref(), Some("llamacpp/qwen"));
    let provider = models.provider("llamacpp/qwen").unwrap();
    let lane = provider.lane().unwrap();
    assert_eq!(
        lane.available_permits(),
        1,
        "a local server is asked one by one"
    );
}

#[tokio::test]
async fn any_other_server_on_a_usual_port_is_not_taken_for_a_model_server() {
    let elsewhere = llama_server("{% if tools %}", "somebody-else").await;
    let silent = serve(Router::new()).await;
    let settings = ModelSettings {
        ollama_host: Some(silent.clone()),
        lm_studio_url: Some(silent),
        llama_server_url: Some(elsewhere),
        ..ModelSettings::default()
    };
    assert_eq!(chosen(settings.clone()).await.0, "demo");
    let seen = Models::new(settings).unwrap().look_around().await;
    let strangers = seen
        .iter()
        .filter(|sight| sight.finding.starts_with("is not what answers"));
    assert_eq!(strangers.count(), 3, "{seen:?}");
}
