//! Tool servers of an agent.

use axum::http::StatusCode;
use heartbeat_domain::tool::Annotations;
use heartbeat_store::verbs::KeyScope;
use heartbeat_testkit::scripted_hands::tool;
use serde_json::{Value, json};

use crate::world::{Answer, World};

const CANARY: &str = "canary-in-a-cage";

async fn put(world: &World, path: &str, fields: Value) -> Answer {
    let mut body = json!({ "project_id": world.project, "bot_id": world.bot });
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    world.send("PUT", path, &body.to_string()).await
}

/// As the published client sends it: everything in the query, and no body.
async fn post_query(world: &World, path: &str) -> Answer {
    let ids = format!("project_id={}&bot_id={}", world.project, world.bot);
    world.send("POST", &format!("{path}?{ids}"), "").await
}

/// The path of a server that lists `read` and `send`.
async fn made(world: &World, fields: Value) -> String {
    let tools = vec![tool("read", "Reads."), tool("send", "Sends.")];
    world.hands.list_of(tools);
    let mut all = json!({
        "server_label": "Desk", "server_url": "https://desk.example/mcp", "transport": "http"
    });
    let fields = fields.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(fields);
    let answer = world.post("/v1/bot/tool", all).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let id = answer.json()["tool"]["id"].as_str().unwrap().to_owned();
    format!("/v1/bot/tool/{id}")
}

#[tokio::test]
async fn a_tool_server_answers_byte_for_byte() {
    let world = World::new().await;
    world.hands.list_of(vec![tool("read", "Reads.")]);
    let answer = world
        .post(
            "/v1/bot/tool",
            json!({
                "server_label": "Desk", "server_url": "https://desk.example/mcp",
                "transport": "http", "headers": { "Authorization": CANARY }
            }),
        )
        .await;
    let id = answer.json()["tool"]["id"].as_str().unwrap().to_owned();
    let schema = r#"{"type":"object","properties":{"id":{"type":"string"}}}"#;
    let expected = format!(
        concat!(
            r#"{{"tool":{{"id":"<id>","server_label":"Desk","#,
            r#""server_url":"https://desk.example/mcp","transport":"http","#,
            r#""require_approval":"never","headers":{{"Authorization":"********"}},"#,
            r#""is_enabled":true,"type":"mcp","tools":[{{"name":"read","#,
            r#""description":"Reads.","is_active":true,"schema":{},"#,
            r#""permission":"allowed","repeat":null,"repeat_effective":"never","#,
            r#""changed":false}}],"created_at":"2026-05-04T07:12:00Z","#,
            r#""updated_at":"2026-05-04T07:12:00Z","server_name":null,"trusted":false,"#,
            r#""trouble":null}}}}"#,
        ),
        schema
    );
    assert_eq!(answer.named(&[(&id, "<id>")]), expected);
    let path = format!("/v1/bot/tool/{id}");
    assert_eq!(world.get(&path, "").await.text, answer.text);
    let list = world.get("/v1/bot/tool", "").await.json();
    let one = answer.json()["tool"].clone();
    assert_eq!(list["tools"][0]["tool"], one);
    assert_eq!(list["tools"][0]["server_label"], "Desk");
    assert_eq!(
        list["pagination"].to_string(),
        r#"{"page":1,"per_page":10,"total":1,"total_pages":1}"#
    );
}

#[tokio::test]
async fn headers_reach_the_server_and_no_answer() {
    let world = World::new().await;
    let path = made(&world, json!({ "headers": { "Authorization": CANARY } })).await;
    let asked = world.hands.asked();
    let sent = [("Authorization".to_owned(), CANARY.to_owned())];
    assert_eq!(asked[0].headers, sent);
    for answer in [
        world.get(&path, "").await,
        world.get("/v1/bot/tool", "").await,
        put(&world, &path, json!({ "server_label": "Front desk" })).await,
        post_query(&world, &format!("{path}/refresh")).await,
        post_query(&world, &format!("{path}/test")).await,
        put(&world, &path, json!({ "headers": { "Authorization": 7 } })).await,
        put(
            &world,
            &path,
            json!({ "headers": { "Author ization": CANARY } }),
        )
        .await,
        put(
            &world,
            &path,
            json!({ "server_url": "https://other.example/mcp" }),
        )
        .await,
    ] {
        assert!(!answer.text.contains(CANARY), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_masked_value_keeps_what_is_there_and_another_address_does_not_get_it() {
    let world = World::new().await;
    let path = made(&world, json!({ "headers": { "Authorization": CANARY } })).await;
    let read = world.get(&path, "").await.json()["tool"].clone();
    let answer = put(&world, &path, read).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(world.hands.asked().last().unwrap().headers[0].1, CANARY);
    for headers in [
        json!({}),
        json!({ "headers": { "Authorization": "********" } }),
    ] {
        let mut fields = headers;
        fields["server_url"] = json!("https://thief.example/mcp");
        let refused = put(&world, &path, fields).await;
        assert_eq!(
            refused.refused(400, "INVALID_PARAMETER")["field"],
            "headers"
        );
    }
    let moved = json!({ "server_url": "https://thief.example/mcp", "headers": {} });
    let answer = put(&world, &path, moved).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let asked = world.hands.asked();
    assert!(asked.last().unwrap().headers.is_empty());
    let thief = |server: &heartbeat_tools::Server| format!("{server:?}").contains("thief");
    let told = asked.iter().filter(|server| thief(server));
    assert!(told.flat_map(|server| &server.headers).next().is_none());
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_kept_with_its_trouble() {
    let world = World::new().await;
    world
        .hands
        .fail("TOOL_SERVER_UNREACHABLE", "nobody answers");
    let fields = json!({
        "server_label": "Desk", "server_url": "https://desk.example/mcp", "transport": "http"
    });
    let answer = world.post("/v1/bot/tool", fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["tool"]["trouble"], "nobody answers");
    let path = format!(
        "/v1/bot/tool/{}",
        answer.json()["tool"]["id"].as_str().unwrap()
    );
    let test = post_query(&world, &format!("{path}/test")).await;
    assert_eq!(
        test.text,
        concat!(
            r#"{"success":false,"message":"nobody answers","tools_count":0,"#,
            r#""code":"TOOL_SERVER_UNREACHABLE"}"#
        )
    );
    let refreshed = post_query(&world, &format!("{path}/refresh")).await.json();
    assert_eq!(refreshed["success"], false);
    world.hands.list_of(vec![tool("read", "Reads.")]);
    let test = post_query(&world, &format!("{path}/test")).await;
    assert_eq!(
        test.text,
        r#"{"success":true,"message":"The tool server answers","tools_count":1}"#
    );
    let read = world.get(&path, "").await.json();
    assert_eq!(read["tool"]["trouble"], Value::Null);
}

#[tokio::test]
async fn tools_are_toggled_and_configured_as_both_clients_say_it() {
    let world = World::new().await;
    let path = made(&world, json!({})).await;
    let state = async || {
        let tools = world.get(&path, "").await.json()["tool"]["tools"].clone();
        let tools = tools.as_array().unwrap().clone();
        let all: Vec<(String, bool)> = tools
            .iter()
            .map(|tool| {
                let permission = tool["permission"].as_str().unwrap().to_owned();
                (permission, tool["is_active"].as_bool().unwrap())
            })
            .collect();
        all
    };
    let (allowed, off) = (("allowed".to_owned(), true), ("off".to_owned(), false));
    let toggle = format!("{path}/toggle");
    for fields in [
        json!({ "tool_name": "send", "is_active": false }),
        json!({ "tool_name": "send", "active": false }),
    ] {
        let done = world.post(&toggle, fields).await.json();
        assert_eq!(
            (&done["success"], &done["message"]),
            (&json!(true), &json!("Tool toggled"))
        );
        assert_eq!(state().await, [allowed.clone(), off.clone()]);
        let on = json!({ "tool_name": "send", "is_active": true });
        world.post(&toggle, on).await;
        assert_eq!(state().await, [allowed.clone(), allowed.clone()]);
    }
    let configure = format!("{path}/configure");
    for field in ["tools", "settings"] {
        let both = json!([
            { "name": "read", "is_active": false, "repeat": "safe" },
            { "name": "send", "is_active": false }
        ]);
        let done = put(&world, &configure, json!({ field: both })).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text);
        assert_eq!(done.json()["tool"]["tools"][0]["repeat_effective"], "safe");
        assert_eq!(state().await, [off.clone(), off.clone()]);
        let both = json!([{ "name": "read", "is_active": true, "repeat": null },
            { "name": "send", "permission": "allowed" }]);
        let done = put(&world, &configure, json!({ field: both })).await.json();
        assert_eq!(done["tool"]["tools"][0]["repeat"], Value::Null);
        assert_eq!(state().await, [allowed.clone(), allowed.clone()]);
    }
}

#[tokio::test]
async fn a_tool_that_changed_asks_and_says_that_it_is_off() {
    let world = World::new().await;
    let path = made(&world, json!({ "trusted": true })).await;
    let changed = tool("send", "Sends, and tells me.");
    let same = tool("read", "Reads.");
    let mut harmless = tool("new", "New.");
    harmless.annotations = Annotations::default();
    world.hands.list_of(vec![same, changed, harmless]);
    let done = post_query(&world, &format!("{path}/refresh")).await.json();
    assert_eq!(done["message"], "Tools refreshed: 3 listed");
    let tools = &done["tool"]["tools"];
    assert_eq!(tools[0]["repeat_effective"], "safe", "a trusted hint");
    assert_eq!(tools[2]["repeat_effective"], "never", "no hint");
    let send = &tools[1];
    assert_eq!(
        (&send["permission"], &send["is_active"]),
        (&json!("asks"), &json!(false))
    );
    assert_eq!(send["changed"], true);
    assert!(send["note"].as_str().unwrap().contains("off"));
    let on = json!({ "tool_name": "send", "is_active": true });
    let done = world.post(&format!("{path}/toggle"), on).await.json();
    assert_eq!(done["tool"]["tools"][1]["changed"], false);
}

#[tokio::test]
async fn approval_is_what_new_tools_start_as() {
    for (approval, permission) in [
        ("never", "allowed"),
        ("always", "asks"),
        ("tool-specific", "off"),
    ] {
        let world = World::new().await;
        let path = made(&world, json!({ "require_approval": approval })).await;
        let read = world.get(&path, "").await.json();
        assert_eq!(read["tool"]["require_approval"], approval);
        assert_eq!(read["tool"]["tools"][0]["permission"], permission);
    }
}

#[tokio::test]
async fn a_declared_server_is_named_and_needs_a_plan_with_local_access() {
    let fields = json!({
        "server_label": "Git", "transport": "declared", "server_name": "git"
    });
    let world = World::new().await;
    let answer = world.post("/v1/bot/tool", fields.clone()).await.json();
    let tool = &answer["tool"];
    assert_eq!(
        (
            &tool["transport"],
            &tool["server_name"],
            &tool["server_url"]
        ),
        (&json!("declared"), &json!("git"), &Value::Null)
    );
    let mut other = fields.clone();
    other["server_name"] = json!("nobody-declared-it");
    other["server_label"] = json!("Other");
    let refused = world.post("/v1/bot/tool", other).await;
    let refused = refused.refused(400, "INVALID_PARAMETER");
    assert_eq!(refused["field"], "server_name");
    let pro = World::on("pro").await;
    let refused = pro.post("/v1/bot/tool", fields).await;
    refused.refused(403, "LOCAL_ACCESS_OFF");
    assert!(pro.hands.asked().is_empty());
}

#[tokio::test]
async fn a_plan_caps_tool_servers_and_says_so_with_numbers() {
    let world = World::on("free").await;
    made(&world, json!({})).await;
    let fields = json!({
        "server_label": "Second", "server_url": "https://two.example/mcp", "transport": "http"
    });
    let refused = world.post("/v1/bot/tool", fields).await;
    let refused = refused.refused(403, "PLAN_LIMIT_REACHED");
    assert_eq!(
        (&refused["limit"], &refused["used"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_wrong_field_is_named_with_what_to_do() {
    let world = World::new().await;
    made(&world, json!({})).await;
    let ok = json!({
        "server_label": "Two", "server_url": "https://two.example/mcp", "transport": "http"
    });
    for (field, value) in [
        ("server_label", json!("")),
        ("server_label", json!("x".repeat(256))),
        ("server_label", json!("Desk")),
        ("server_label", Value::Null),
        ("server_url", json!("")),
        ("server_url", json!("two.example")),
        (
            "server_url",
            json!("https://".to_owned() + &"x".repeat(500)),
        ),
        ("server_url", Value::Null),
        ("transport", json!("sse")),
        ("transport", json!("carrier pigeon")),
        ("require_approval", json!("sometimes")),
        ("headers", json!("Authorization: x")),
        ("headers", json!({ "A": ["b"] })),
        ("headers", json!({ "A": "********" })),
        ("headers", json!({ "Host": "x" })),
        ("type", json!("function")),
        ("server_name", json!("git")),
        ("trusted", json!("yes")),
        ("is_enabled", json!("on")),
    ] {
        let mut fields = ok.clone();
        fields[field] = value;
        let answer = world.post("/v1/bot/tool", fields).await;
        assert_eq!(answer.refused(400, "INVALID_PARAMETER")["field"], field);
    }
}

#[tokio::test]
async fn a_wrong_decision_is_named_with_what_to_do() {
    let world = World::new().await;
    let path = made(&world, json!({})).await;
    for (at, fields, field) in [
        ("toggle", json!({ "is_active": true }), "tool_name"),
        ("toggle", json!({ "tool_name": "read" }), "is_active"),
        (
            "toggle",
            json!({ "tool_name": "gone", "is_active": true }),
            "tool_name",
        ),
        (
            "toggle",
            json!({ "tool_name": "read", "permission": "maybe" }),
            "permission",
        ),
        (
            "toggle",
            json!({ "tool_name": "read", "permission": "off", "is_active": true }),
            "permission",
        ),
        (
            "toggle",
            json!({ "tool_name": "read", "repeat": "twice" }),
            "repeat",
        ),
        ("configure", json!({}), "tools"),
        ("configure", json!({ "tools": {} }), "tools"),
        ("configure", json!({ "tools": [7] }), "tools"),
        (
            "configure",
            json!({ "tools": [{ "is_active": true }] }),
            "name",
        ),
    ] {
        let at_path = format!("{path}/{at}");
        let answer = match at {
            "toggle" => world.post(&at_path, fields).await,
            _ => put(&world, &at_path, fields).await,
        };
        assert_eq!(answer.refused(400, "INVALID_PARAMETER")["field"], field);
    }
}

#[tokio::test]
async fn an_unknown_or_foreign_tool_server_is_not_found_whatever_is_asked() {
    let world = World::new().await;
    let path = made(&world, json!({})).await;
    let other = world.control.create_project("other", "pro").await.unwrap();
    let theirs = World::new().await;
    let nobody = "/v1/bot/tool/0199b0aa-0000-7000-8000-000000000000".to_owned();
    for path in [nobody, "/v1/bot/tool/null".to_owned()] {
        let fields = json!({ "tool_name": "x", "is_active": true, "tools": [] });
        for (method, end) in [
            ("GET", ""),
            ("PUT", ""),
            ("DELETE", ""),
            ("PUT", "/configure"),
            ("POST", "/refresh"),
            ("POST", "/toggle"),
            ("POST", "/test"),
        ] {
            let answer = match method {
                "PUT" => put(&world, &format!("{path}{end}"), fields.clone()).await,
                "POST" => world.post(&format!("{path}{end}"), fields.clone()).await,
                _ => {
                    let ids = format!("project_id={}&bot_id={}", world.project, world.bot);
                    world.send(method, &format!("{path}{end}?{ids}"), "").await
                }
            };
            let body = answer.refused(404, "TOOL_NOT_FOUND");
            assert_eq!(body["message"], "Tool not found");
        }
    }
    let ids = format!("project_id={}&bot_id={}", world.project, world.bot);
    let foreign = world
        .send_as(&other.api_key, "GET", &format!("{path}?{ids}"), "")
        .await;
    foreign.refused(404, "PROJECT_NOT_FOUND");
    theirs.get(&path, "").await.refused(404, "TOOL_NOT_FOUND");
}

#[tokio::test]
async fn a_deleted_tool_server_is_gone_and_a_reader_changes_nothing() {
    let world = World::new().await;
    let path = made(&world, json!({})).await;
    let ids = format!("project_id={}&bot_id={}", world.project, world.bot);
    let reader = world.another_key(KeyScope::ReadOnly).await;
    let at = format!("{path}?{ids}");
    let refused = world.send_as(&reader, "DELETE", &at, "").await;
    refused.refused(403, "READ_ONLY_KEY");
    assert_eq!(world.send_as(&reader, "GET", &at, "").await.status, 200);
    let done = world.send("DELETE", &at, "").await;
    assert_eq!(done.text, r#"{"success":true,"message":"Tool deleted"}"#);
    world
        .send("DELETE", &at, "")
        .await
        .refused(404, "TOOL_NOT_FOUND");
}

#[tokio::test]
async fn no_request_names_a_program_an_argument_a_variable_or_a_file() {
    let world = World::on("pro").await;
    let path = made(&world, json!({})).await;
    let asked = world.hands.asked().len();
    let ok = json!({
        "server_label": "Two", "server_url": "https://two.example/mcp", "transport": "http",
        "tool_name": "read", "is_active": true, "tools": [{ "name": "read", "is_active": true }]
    });
    for (field, value) in [
        ("command", json!("sh")),
        ("command", json!(["sh", "-c", "id"])),
        ("args", json!(["-c", "id"])),
        ("env", json!({ "PATH": "/tmp" })),
        ("cwd", json!("/")),
        ("path", json!("/etc/passwd")),
        ("file", json!("/etc/passwd")),
        ("transport", json!("stdio")),
        ("server_url", json!("file:///etc/passwd")),
        ("server_url", json!("/etc/passwd")),
        ("server_url", json!("../../etc/passwd")),
        ("server_url", json!("stdio:///bin/sh")),
    ] {
        let mut fields = ok.clone();
        fields[field] = value.clone();
        let mut nested = ok.clone();
        nested["config"] = json!({ field: value });
        let is_place = matches!(field, "transport" | "server_url");
        let mut answers = vec![
            world.post("/v1/bot/tool", fields.clone()).await,
            put(&world, &path, fields.clone()).await,
        ];
        if !is_place {
            answers.push(put(&world, &format!("{path}/configure"), fields.clone()).await);
            answers.push(world.post(&format!("{path}/toggle"), fields).await);
            answers.push(world.post("/v1/bot/tool", nested.clone()).await);
            answers.push(put(&world, &path, nested).await);
        }
        for answer in answers {
            let body = answer.refused(400, "INVALID_PARAMETER");
            assert_eq!(body["field"], field);
        }
    }
    for name in ["/bin/sh", "../git", "sh -c id", "git\u{0}"] {
        let fields = json!({
            "server_label": "Two", "transport": "declared", "server_name": name
        });
        let refused = world.post("/v1/bot/tool", fields).await;
        assert_eq!(
            refused.refused(400, "INVALID_PARAMETER")["field"],
            "server_name"
        );
    }
    let refused = json!({
        "server_label": "Two", "server_url": "https://refused.example/", "transport": "http"
    });
    let answer = world.post("/v1/bot/tool", refused.clone()).await;
    answer.refused(403, "ADDRESS_REFUSED");
    put(&world, &path, refused)
        .await
        .refused(403, "ADDRESS_REFUSED");
    assert_eq!(world.hands.asked().len(), asked, "a server was asked");
}
