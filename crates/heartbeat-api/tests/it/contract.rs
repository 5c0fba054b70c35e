//! The document: complete, valid in itself, and true of what is answered.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::world::World;

const ENDPOINTS: &str = "\
DELETE /v1/bot/delete
DELETE /v1/bot/heartbeat/delete
DELETE /v1/bot/tool/{id}
GET /healthz
GET /openapi.json
GET /readyz
GET /v1/bot/heartbeat/log
GET /v1/bot/heartbeat/logs
GET /v1/bot/heartbeat/preview
GET /v1/bot/heartbeat/read
GET /v1/bot/heartbeat/readall
GET /v1/bot/heartbeat/stats
GET /v1/bot/notification/readall
GET /v1/bot/read
GET /v1/bot/readall
GET /v1/bot/subscriber/readall
GET /v1/bot/tool
GET /v1/bot/tool/{id}
GET /v1/node/readall
GET /v1/project/credit
GET /v1/project/readall
GET /v1/usage
POST /v1/bot/create
POST /v1/bot/heartbeat/cancel
POST /v1/bot/heartbeat/configure
POST /v1/bot/heartbeat/disable
POST /v1/bot/heartbeat/enable
POST /v1/bot/heartbeat/review
POST /v1/bot/heartbeat/trigger
POST /v1/bot/notification/ack
POST /v1/bot/tool
POST /v1/bot/tool/{id}/refresh
POST /v1/bot/tool/{id}/test
POST /v1/bot/tool/{id}/toggle
POST /v1/project/create
POST /v1/project/credit
POST /v1/project/key
POST /v1/project/pause
POST /v1/project/resume
PUT /v1/bot/tool/{id}
PUT /v1/bot/tool/{id}/configure
PUT /v1/bot/update
PUT /v1/project/update";

/// Method, path and description of every endpoint.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            found.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    found
}

async fn document(world: &World) -> Value {
    world.send("GET", "/openapi.json", "").await.json()
}

#[tokio::test]
async fn the_document_lists_every_endpoint_and_each_is_there() {
    let world = World::new().await;
    let document = document(&world).await;
    let operations = operations(&document);
    let listed: Vec<String> = operations
        .iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    assert_eq!(listed.join("\n"), ENDPOINTS);
    for (method, path, _) in operations {
        let answer = world.send(&method, &path, "").await;
        assert_ne!(answer.status, 405, "{method} {path}");
        assert_ne!(answer.json()["code"], "NOT_FOUND", "{method} {path}");
    }
}

#[tokio::test]
async fn the_document_is_openapi_31_with_a_bearer_and_no_loose_ends() {
    let world = World::new().await;
    let document = document(&world).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    assert_eq!(document["info"]["version"], "1.2.3");
    let scheme = &document["components"]["securitySchemes"]["api_key"];
    assert_eq!(
        (&scheme["type"], &scheme["scheme"]),
        (&json!("http"), &json!("bearer"))
    );
    assert_eq!(document["security"], json!([{ "api_key": [] }]));
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let mut ids: Vec<Value> = operations(&document)
        .iter()
        .map(|(_, _, it)| it["operationId"].clone())
        .collect();
    ids.sort_by_key(ToString::to_string);
    ids.dedup();
    assert_eq!(ids.len(), ENDPOINTS.lines().count());
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value.as_str()) {
                    ("$ref", Some(reference)) => found.push(reference.to_owned()),
                    _ => collect_references(value, found),
                }
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_endpoint_with_a_key_documents_its_errors() {
    let world = World::new().await;
    for (method, path, operation) in operations(&document(&world).await) {
        if !path.starts_with("/v1/") {
            assert_eq!(operation["security"], json!([{}]), "{path}");
            continue;
        }
        assert!(operation["summary"].is_string(), "{method} {path}");
        assert!(operation["responses"]["200"].is_object(), "{method} {path}");
        for status in ["400", "401", "403", "404", "429", "500", "503"] {
            let schema = &operation["responses"][status]["content"]["application/json"]["schema"];
            assert_eq!(
                schema["$ref"], "#/components/schemas/Error",
                "{method} {path} {status}"
            );
        }
        // These are published with everything in the query.
        let asks = path.ends_with("/refresh") || path.ends_with("/test");
        let wants_body = matches!(&*method, "POST" | "PUT") && !asks;
        assert_eq!(
            operation["requestBody"].is_object(),
            wants_body,
            "{method} {path}"
        );
    }
}

/// Every field of an answer is one of its schema, and the other way round.
#[tokio::test]
async fn answers_have_exactly_the_fields_of_their_schemas() {
    let world = World::new().await;
    let document = document(&world).await;
    let id = world
        .heartbeat(json!({ "prompt": "p", "enabled": true }))
        .await;
    let heartbeat = world
        .get("/v1/bot/heartbeat/read", &format!("&heartbeat_id={id}"))
        .await
        .json();
    same_fields(&document, "Heartbeat", &heartbeat["heartbeat"]);
    let ask = json!({ "heartbeat_id": id, "wait_seconds": 0 });
    let run = world.post("/v1/bot/heartbeat/trigger", ask).await.json();
    same_fields(&document, "RunResult", &run["result"]);
    let logs = world
        .get("/v1/bot/heartbeat/logs", "&status=running")
        .await
        .json();
    same_fields(&document, "Log", &logs["logs"][0]);
    same_fields(&document, "Pagination", &logs["pagination"]);
    let stats = world.get("/v1/bot/heartbeat/stats", "").await.json();
    same_fields(&document, "Stats", &stats["stats"]);
    let bot = world.get("/v1/bot/read", "").await.json();
    same_fields(&document, "Bot", &bot["bot"]);
}

#[track_caller]
fn same_fields(document: &Value, schema: &str, answer: &Value) {
    let properties = &document["components"]["schemas"][schema]["properties"];
    let names = |value: &Value| -> Vec<String> {
        let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(answer), names(properties), "{schema}");
}

#[tokio::test]
async fn health_needs_no_key_and_readiness_says_what_it_waits_for() {
    let world = World::new().await;
    let up = world.send_as("none", "GET", "/healthz", "").await;
    assert_eq!(up.text, r#"{"status":"ok","version":"1.2.3"}"#);
    let ready = world.send_as("none", "GET", "/readyz", "").await;
    assert_eq!(ready.text, r#"{"status":"ready","version":"1.2.3"}"#);

    let waits = || Some("the first beat".to_owned());
    let world = world.with(|api| api.readiness = Arc::new(waits));
    let answer = world.send("GET", "/readyz", "").await;
    let body = answer.refused(503, "UNAVAILABLE");
    assert!(body["message"].as_str().unwrap().contains("the first beat"));
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn without_its_database_it_is_up_and_says_that_it_is_not_ready() {
    let world = World::new().await;
    world.close().await;
    assert_eq!(world.send("GET", "/healthz", "").await.status, 200);
    let answer = world.send("GET", "/readyz", "").await;
    let body = answer.refused(503, "UNAVAILABLE");
    assert_eq!(body["message"], "Not ready; waiting for the database");
    let answer = world.get("/v1/bot/read", "").await;
    let body = answer.refused(503, "UNAVAILABLE");
    assert_eq!(
        body["message"],
        "The database is unavailable; repeating the request is safe"
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[test]
fn every_code_stands_in_the_reference() {
    let page = include_str!("../../../../docs/reference/errors.md");
    for code in heartbeat_api::problem::CODES {
        let row = format!("| {} | `{}` | {} |", code.status, code.name, code.meaning);
        assert!(
            page.contains(&row),
            "docs/reference/errors.md lacks this row: {row}"
        );
    }
}
