//! Model servers of this machine are found where they usually listen, and what was looked for is said.

use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use crate::support::api::texts;
use crate::support::home::Home;
use crate::support::wait::beside;

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    beside(async move { axum::serve(listener, router).await.unwrap() });
    url
}

async fn llama_server() -> String {
    let props = json!({ "chat_template_caps": { "supports_tool_calls": true } });
    let models = json!({ "data": [{ "id": "qwen3", "owned_by": "llamacpp" }] });
    let router = Router::new()
        .route("/props", get(|| async { Json(props) }))
        .route("/v1/models", get(|| async { Json(models) }));
    serve(router).await
}

async fn lm_studio() -> String {
    let capabilities = json!({ "trained_for_tool_use": true });
    let models = json!({ "models": [{ "key": "qwen/qwen3-8b", "capabilities": capabilities }] });
    serve(Router::new().route("/api/v1/models", get(|| async { Json(models) }))).await
}

async fn ollama() -> String {
    let tags = json!({ "models": [{ "name": "qwen3:8b" }] });
    let shown = json!({ "capabilities": ["completion", "tools"] });
    let router = Router::new()
        .route("/api/tags", get(|| async { Json(tags) }))
        .route("/api/show", post(|| async { Json(shown) }));
    serve(router).await
}

/// What `doctor` says of models, and the model that `serve` says it will use.
async fn said(home: &Home) -> (Vec<String>, String) {
    let server = home.serve(&[]).await;
    let line = server.stdout.wait_for("Model: ").await;
    let found = home.run(&["doctor", "--json"]).await;
    let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    let lines = texts(found["findings"].as_array().unwrap(), "what");
    let lines = lines.iter().filter(|line| line.starts_with("model"));
    let lines = lines.map(|line| (*line).to_owned()).collect();
    server.stop().await;
    (lines, line)
}

#[tokio::test]
async fn local_servers_are_found_in_their_order_and_doctor_says_what_it_looked_for() {
    let mut home = Home::new();
    let (lines, line) = said(&home).await;
    assert!(line.contains("none by default"), "{line}");
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert!(lines[1].contains("none is set") && lines[1].contains("GEMINI_API_KEY"));
    for (line, product) in lines[2..]
        .iter()
        .zip(["Ollama", "LM Studio", "llama-server"])
    {
        assert!(
            line.contains(&format!("{product} does not answer")),
            "{line}"
        );
    }
    home.set("HEARTBEAT_MODELS_LLAMA_SERVER", &llama_server().await);
    let (lines, line) = said(&home).await;
    assert!(
        line.contains("llamacpp/qwen3 (llama-server answers"),
        "{line}"
    );
    assert!(lines[4].contains(": llamacpp/qwen3"), "{lines:#?}");
    home.set("HEARTBEAT_MODELS_LM_STUDIO", &lm_studio().await);
    assert!(said(&home).await.1.contains("lmstudio/qwen/qwen3-8b"));
    home.set("OLLAMA_HOST", &ollama().await);
    assert!(said(&home).await.1.contains("ollama/qwen3:8b"));
    home.set("GEMINI_API_KEY", "AIza-nothing-is-asked");
    let (lines, line) = said(&home).await;
    assert!(line.contains("gemini/") && lines[1].contains("GEMINI_API_KEY set"));
    assert!(
        lines[2].contains("ollama/qwen3:8b"),
        "a key does not end the search: {lines:#?}"
    );
}

#[tokio::test]
async fn another_web_server_on_a_usual_port_is_no_model_server() {
    let page = Router::new().fallback(|| async { Json(json!({ "data": [{ "id": "x" }] })) });
    let page = serve(page).await;
    let mut home = Home::new();
    for name in [
        "HEARTBEAT_MODELS_LLAMA_SERVER",
        "HEARTBEAT_MODELS_LM_STUDIO",
        "OLLAMA_HOST",
    ] {
        home.set(name, &page);
    }
    let (lines, line) = said(&home).await;
    assert!(line.contains("none by default"), "{line}");
    let strangers = lines
        .iter()
        .filter(|line| line.contains("is not what answers"));
    assert_eq!(strangers.count(), 3, "{lines:#?}");
}
