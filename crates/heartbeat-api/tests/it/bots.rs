//! Agents.

use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn an_agent_answers_byte_for_byte() {
    let world = World::new().await;
    let body = json!({
        "project_id": world.project, "name": "Ada", "model": "openai/gpt-5.5",
        "instruction": "Be brief.", "status": 1, "heartbeat": true
    });
    let answer = world
        .send("POST", "/v1/bot/create", &body.to_string())
        .await;
    let uuid = answer.json()["bot"]["uuid"].as_str().unwrap().to_owned();
    assert_eq!(
        answer.named(&[(&uuid, "<bot>")]),
        concat!(
            r#"{"bot":{"id":"2","uuid":"<bot>","name":"Ada","model":"openai/gpt-5.5","#,
            r#""instruction":"Be brief.","status":1,"heartbeat":1,"memory":0,"#,
            r#""reasoning_type":"agent","created_at":"2026-05-04T07:12:00Z","#,
            r#""updated_at":"2026-05-04T07:12:00Z","credit_limit":null,"web_hosts":null}}"#,
        )
    );
    let path = format!("/v1/bot/read?project_id={}&bot_id=2", world.project);
    assert_eq!(world.send("GET", &path, "").await.text, answer.text);
}

#[tokio::test]
async fn the_hosts_of_an_agent_are_listed_changed_and_taken_away() {
    let world = World::new().await;
    let update = async |hosts: Value| {
        let body = json!({ "project_id": world.project, "bot_id": world.bot, "web_hosts": hosts });
        world.send("PUT", "/v1/bot/update", &body.to_string()).await
    };
    let path = format!("/v1/bot/read?project_id={}&bot_id=1", world.project);
    for hosts in [
        json!(["docs.example.org", "[::1]:8080"]),
        json!([]),
        json!(null),
    ] {
        assert_eq!(update(hosts.clone()).await.json()["web_hosts"], hosts);
        let read = world.send("GET", &path, "").await.json();
        assert_eq!(read["bot"]["web_hosts"], hosts);
    }
    for (wrong, said) in [
        (
            json!(["https://docs.example.org"]),
            "`https://docs.example.org` is no host",
        ),
        (json!(["docs.example.org/a"]), "without a path"),
        (json!(["*.example.org"]), "is no host"),
        (json!(["a:0"]), "is no host"),
        (json!([""]), "is no host"),
        (
            json!("docs.example.org"),
            "must be a list of texts, not this text",
        ),
        (json!([7]), "must be a list of texts"),
    ] {
        let answer = update(wrong.clone()).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(
            answer.text.contains("web_hosts") && answer.text.contains(said),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn an_update_answers_only_what_it_named() {
    let world = World::new().await;
    let update = async |fields: Value| {
        let mut body = json!({ "project_id": world.project, "bot_id": world.bot });
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        world.send("PUT", "/v1/bot/update", &body.to_string()).await
    };
    for (given, want) in [
        (json!(0), 0),
        (json!(true), 1),
        (json!(false), 0),
        (json!(1), 1),
    ] {
        let answer = update(json!({ "heartbeat": given })).await;
        let want =
            format!(r#"{{"id":"1","updated_at":"2026-05-04T07:12:00Z","heartbeat":{want}}}"#);
        assert_eq!(answer.text, want);
    }
    for (given, want) in [
        (json!("inactive"), 0),
        (json!(1), 1),
        (json!(false), 0),
        (json!("active"), 1),
    ] {
        let answer = update(json!({ "status": given, "nobody_knows": 1, "name": null })).await;
        let want = format!(r#"{{"id":"1","updated_at":"2026-05-04T07:12:00Z","status":{want}}}"#);
        assert_eq!(answer.text, want);
    }
    for (field, wrong) in [
        ("heartbeat", json!("on")),
        ("status", json!(2)),
        ("name", json!("")),
    ] {
        let answer = update(json!({ field: wrong })).await;
        assert_eq!(answer.refused(400, "INVALID_PARAMETER")["field"], field);
    }
}

#[tokio::test]
async fn agents_come_in_pages_of_ten() {
    let world = World::new().await;
    for number in 0..10 {
        let body =
            json!({ "project_id": world.project, "name": format!("b{number}"), "model": "m" });
        assert_eq!(
            world
                .send("POST", "/v1/bot/create", &body.to_string())
                .await
                .status,
            200
        );
    }
    let read = async |query: &str| {
        let path = format!("/v1/bot/readall?project_id={}{query}", world.project);
        world.send("GET", &path, "").await.json()
    };
    let first = read("").await;
    assert_eq!(first["bots"].as_array().unwrap().len(), 10);
    assert_eq!(
        first["pagination"].to_string(),
        r#"{"page":1,"per_page":10,"total":11,"total_pages":2}"#
    );
    assert_eq!(read("&page=2").await["bots"][0]["name"], "b9");
    assert_eq!(read("&page=3").await["bots"], json!([]));
}

#[tokio::test]
async fn a_new_agent_needs_a_name_and_a_model_and_is_off() {
    let world = World::new().await;
    for (field, fields) in [
        ("name", json!({ "model": "m" })),
        ("model", json!({ "name": "n" })),
    ] {
        let mut body = fields.clone();
        body["project_id"] = json!(world.project);
        let answer = world
            .send("POST", "/v1/bot/create", &body.to_string())
            .await;
        assert_eq!(answer.refused(400, "INVALID_PARAMETER")["field"], field);
    }
    let body = json!({ "project_id": world.project, "name": "n", "model": "m" });
    let made = world
        .send("POST", "/v1/bot/create", &body.to_string())
        .await
        .json();
    assert_eq!(
        (&made["bot"]["heartbeat"], &made["bot"]["status"]),
        (&json!(0), &json!(1))
    );
}

#[tokio::test]
async fn a_deleted_agent_is_gone() {
    let world = World::new().await;
    let path = format!(
        "/v1/bot/delete?project_id={}&bot_id={}",
        world.project, world.bot
    );
    let answer = world.send("DELETE", &path, "").await;
    assert_eq!(answer.text, r#"{"success":true,"message":"Bot deleted"}"#);
    let body = world
        .send("DELETE", &path, "")
        .await
        .refused(404, "BOT_NOT_FOUND");
    assert_eq!(body["message"], "Bot not found");
}

#[tokio::test]
async fn the_list_of_subscribers_is_an_honest_empty_one() {
    let world = World::new().await;
    let path = format!("/v1/bot/subscriber/readall?project_id={}", world.project);
    assert_eq!(
        world.send("GET", &path, "").await.text,
        r#"{"subscribers":[],"pagination":{"page":1,"per_page":10,"total":0,"total_pages":0}}"#
    );
}
