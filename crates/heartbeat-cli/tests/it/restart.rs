//! The power goes in the middle of the work, and comes back.

use std::sync::Arc;

use heartbeat_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::api::{Api, texts};
use crate::support::dialect::{Dialect, Work};
use crate::support::home::Home;
use crate::support::wait::{until, within};

/// A session of two turns; the second is never answered the first time.
fn script() -> [Reply; 3] {
    let message = json!({ "title": "Disk is filling", "message": "Two weeks left" });
    let never = Arc::new(Notify::new());
    [
        Reply::call("notify_user", message),
        Reply::hold_until(&never, Reply::say("lost")),
        Reply::say("One thing needs attention."),
    ]
}

#[tokio::test]
async fn an_execution_goes_on_from_its_journal_after_a_kill() {
    let Work {
        home,
        model,
        api,
        bot,
        heartbeat,
    } = Dialect::OpenAi.work(script()).await;
    let execution = api.begin(&heartbeat).await;
    within("the second turn", model.wait_for_requests(2)).await;
    let (project_id, key) = (api.project_id, api.key);
    api.server.kill().await;

    let api = Api::new(home.serve(&[]).await, &project_id, &key);
    let log = api.ended(&bot, &execution).await;
    assert_eq!(log["log"]["status"], "success", "{log:#}");
    assert_eq!(log["log"]["response"], "One thing needs attention.");
    let steps = log["steps"].as_array().unwrap();
    assert_eq!(
        texts(steps, "kind"),
        ["request", "turn", "call", "turn", "turn"]
    );
    assert_eq!(
        texts(steps, "state"),
        ["done", "done", "done", "lost_turn", "done"]
    );
    assert_eq!(
        (&steps[3]["seq"], &steps[3]["attempt"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(
        (&steps[4]["seq"], &steps[4]["attempt"]),
        (&json!(3), &json!(1))
    );

    let asked = model.requests();
    assert_eq!(asked.len(), 3, "the first turn is not asked again");
    assert_eq!(
        asked[1].text, asked[2].text,
        "the lost turn is asked again as it was"
    );
    assert_eq!(
        texts(&api.inbox().await, "title"),
        ["Disk is filling"],
        "told once"
    );
    assert_eq!(api.logs(&bot, "").await.len(), 1);
    api.server.stop().await;
}

/// The values of a field of rows that ended, oldest first.
async fn rows(api: &Api, bot: &str) -> Vec<Value> {
    let mut rows = api.logs(bot, "per_page=100").await;
    rows.reverse();
    rows
}

#[tokio::test]
async fn moments_missed_while_down_melt_into_one_row_and_the_last_is_caught_up_with() {
    let home = Home::new();
    let model = ModelServer::answering(|_| Reply::say("HEARTBEAT_OK")).await;
    let home = home.with_openai(&model);
    let api = home.api().await;
    let bot = api.bot("Scout", "openai/scripted-model").await;
    let fields = json!({ "prompt": "Look.", "interval_minutes": 10, "enabled": true });
    let heartbeat = api.configure(&bot, fields).await;
    let due = heartbeat["next_run_at"].as_str().unwrap().to_owned();
    let (project_id, key) = (api.project_id, api.key);
    api.server.kill().await;

    // The next server lives 57 minutes later: five moments have passed, and the last of them,
    // seven minutes ago, is recent enough to be caught up with.
    let due: jiff::Timestamp = due.parse().unwrap();
    let after = |minutes: i64| due + jiff::SignedDuration::from_mins(minutes);
    let home = home.with_clock_showing(1, after(47));
    let api = Api::new(home.serve(&[]).await, &project_id, &key);
    let rows = until("the missed moments", || async {
        let rows = rows(&api, &bot).await;
        (rows.len() >= 2).then_some(rows)
    })
    .await;
    let [missed, caught_up] = rows.as_slice() else {
        panic!("{rows:#?}")
    };
    let (missed, caught_up) = match missed["status"] == "skipped" {
        true => (missed, caught_up),
        false => (caught_up, missed),
    };
    assert_eq!(
        (&missed["reason"], &missed["missed_count"]),
        (&json!("downtime"), &json!(4))
    );
    assert_eq!(missed["first_due_at"], after(0).to_string());
    assert_eq!(missed["last_due_at"], after(30).to_string());
    assert_eq!(
        (&caught_up["status"], &caught_up["trigger"]),
        (&json!("success"), &json!("catch_up"))
    );
    assert_eq!(caught_up["due_at"], after(40).to_string());
    let asked = &model.requests()[0];
    assert!(
        asked.text.contains("Missed since: 4 runs"),
        "the agent knows: {}",
        asked.text
    );
    assert_eq!(
        api.read(&heartbeat).await["next_run_at"],
        after(50).to_string()
    );
    api.server.stop().await;
}
