//! What nodes over one PostgreSQL tell each other: what one makes due another starts without waiting
//! for its next look, what one stops another cuts, and each shows what happens on the others.
//!
//! The regular look of these nodes is an hour away. A node also looks when a lease may have ended,
//! ten seconds later at most: what is done thirty times within a minute was not found so.

use std::sync::Arc;

use heartbeat_testkit::losing_way::LosingWay;
use heartbeat_testkit::model_server::{ModelServer, Reply};
use heartbeat_testkit::postgres::cluster;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::api::Api;
use crate::support::home::Home;
use crate::support::visitor::Visitor;
use crate::support::wait::{until, within};

/// How often what could wait ten seconds each time is done within the one time-out.
const ROUNDS: usize = 30;

const SAYS: &str = "All is well in here.";

/// Two nodes: the first has one slot, and that is taken. What is triggered there the other does.
struct Two {
    home: Home,
    model: ModelServer,
    busy: Api,
    free: Api,
    bot: String,
}

impl Two {
    /// The first request to the model is that of the busy node, and is not answered; then comes what
    /// `answer` says.
    async fn start(answer: impl Fn() -> Reply + Send + Sync + 'static) -> Self {
        let never = Arc::new(Notify::new());
        let model = ModelServer::answering(move |request| {
            match request.to_string().contains("Never ends.") {
                true => Reply::hold_until(&never, Reply::say("never")),
                false => answer(),
            }
        })
        .await;
        let mut home = Home::new()
            .with("HEARTBEAT_DATABASE_URL", &cluster().database())
            .with("HEARTBEAT_LOOK_AGAIN_SECONDS", "3600")
            .with("HEARTBEAT_ENGINE_SLOTS", "1")
            .with("HEARTBEAT_ENGINE_DRAIN_SECONDS", "0")
            .with_openai(&model);
        let busy = home.api().await;
        let bot = busy.bot("Scout", "openai/scripted-model").await;
        let endless = json!({ "prompt": "Never ends.", "label": "Endless" });
        let endless = busy.configure(&bot, endless).await;
        busy.begin(&endless).await;
        within("the turn of the busy node", model.wait_for_requests(1)).await;
        home.set("HEARTBEAT_ENGINE_SLOTS", "10");
        let free = Api::new(home.serve(&[]).await, &busy.project_id, &busy.key);
        Self {
            home,
            model,
            busy,
            free,
            bot,
        }
    }

    async fn heartbeat(&self, label: &str) -> Value {
        let fields = json!({ "prompt": "Look at the machine.", "label": label });
        self.busy.configure(&self.bot, fields).await
    }

    async fn stop(self) {
        self.free.server.stop().await;
        self.busy.server.stop().await;
    }
}

#[tokio::test]
async fn what_is_triggered_on_a_node_without_a_free_slot_another_starts_at_once() {
    let two = Two::start(|| Reply::say(SAYS)).await;
    let heartbeat = two.heartbeat("Round").await;
    within("thirty triggers, one after another", async {
        for _ in 0..ROUNDS {
            let result = two.busy.trigger(&heartbeat).await;
            assert_eq!(result["status"], "success", "{result}");
        }
    })
    .await;
    let logs = two.free.logs(&two.bot, "status=success&per_page=100").await;
    assert_eq!(logs.len(), ROUNDS);
    assert_eq!(
        two.model.requests().len(),
        ROUNDS + 1,
        "nothing is asked twice"
    );
    two.stop().await;
}

#[tokio::test]
async fn what_a_command_triggers_beside_the_nodes_starts_at_once() {
    let model = ModelServer::answering(|_| Reply::say(SAYS)).await;
    let home = Home::new()
        .with("HEARTBEAT_DATABASE_URL", &cluster().database())
        .with("HEARTBEAT_LOOK_AGAIN_SECONDS", "3600")
        .with_openai(&model);
    let api = home.api().await;
    let bot = api.bot("Scout", "openai/scripted-model").await;
    let fields = json!({ "prompt": "Look at the machine.", "label": "Round" });
    api.configure(&bot, fields).await;
    // Nothing else has the node look: without hearing of it, it would wait for an hour.
    for round in 1..=3 {
        let ran = home.run(&["trigger", "Round", "--json"]).await.json();
        assert_eq!(ran["result"]["status"], "success", "{round}: {ran}");
    }
    let ran = home.run(&["trigger", "Round", "--wait-seconds", "0"]).await;
    ran.ok();
    until("what nobody waits for", || async {
        let logs = api.logs(&bot, "status=success").await;
        (logs.len() == 4).then_some(())
    })
    .await;
    api.server.stop().await;
}

#[tokio::test]
async fn what_is_cancelled_on_one_node_the_other_cuts_at_once() {
    let never = Arc::new(Notify::new());
    let two = Two::start(move || Reply::hold_until(&never, Reply::say(SAYS))).await;
    let heartbeat = two.heartbeat("Round").await;
    within("thirty cancellations, one after another", async {
        for round in 0..ROUNDS {
            let execution = two.busy.begin(&heartbeat).await;
            two.model.wait_for_requests(round + 2).await;
            two.busy.act("cancel", &heartbeat).await.ok();
            let log = two.busy.ended(&two.bot, &execution).await;
            assert_eq!(log["log"]["status"], "cancelled", "{log:#}");
        }
    })
    .await;
    two.stop().await;
}

/// What a live view has shown of an execution: kinds, and the text that was streamed.
fn shown(lines: &[String], execution: &str) -> (Vec<String>, String) {
    let (mut kinds, mut text) = (Vec::new(), String::new());
    for pair in lines.windows(2) {
        let (Some(kind), Some(data)) = (
            pair[0].strip_prefix("event: "),
            pair[1].strip_prefix("data: "),
        ) else {
            continue;
        };
        let data: Value = serde_json::from_str(data).unwrap();
        if data["execution"] == execution {
            kinds.push(kind.to_owned());
            text.push_str(data["text"].as_str().unwrap_or(""));
        }
    }
    (kinds, text)
}

#[tokio::test]
async fn the_live_view_of_a_node_shows_what_happens_on_another() {
    let two = Two::start(|| Reply::say(SAYS)).await;
    let heartbeat = two.heartbeat("Round").await;
    let link = two.home.run(&["login", "--json"]).await.json();
    let address = &two.busy.server.address;
    let visitor = Visitor::sign_in(address, link["url"].as_str().unwrap()).await;
    let view = visitor.follow("/live").await;
    // The nodes hear each other, and who looks at what, a moment after they started.
    let seen = until(
        "an execution that is shown from its start to its end",
        || async {
            let execution = two.busy.begin(&heartbeat).await;
            two.busy.ended(&two.bot, &execution).await;
            let (kinds, text) = shown(&view.all(), &execution);
            kinds
                .iter()
                .any(|kind| kind == "ended")
                .then_some((kinds, text))
        },
    )
    .await;
    let (kinds, text) = seen;
    assert_eq!(
        kinds.first().map(String::as_str),
        Some("started"),
        "{kinds:?}"
    );
    assert!(kinds.iter().any(|kind| kind == "step"), "{kinds:?}");
    assert_eq!(text, SAYS, "{kinds:?}");
    two.stop().await;
}

#[tokio::test]
async fn a_node_that_hears_nothing_says_so_once_and_goes_on_by_looking() {
    let (way, url) = LosingWay::to(&cluster().database()).await;
    way.deafen();
    let model = ModelServer::answering(|_| Reply::say(SAYS)).await;
    let home = Home::new()
        .with("HEARTBEAT_DATABASE_URL", &url)
        .with_openai(&model);
    let api = home.api().await;
    let bot = api.bot("Scout", "openai/scripted-model").await;
    let fields = json!({ "prompt": "Look at the machine.", "label": "Round" });
    api.configure(&bot, fields).await;
    let trigger = async || {
        let ran = home.run(&["trigger", "Round", "--json"]).await.json();
        assert_eq!(ran["result"]["status"], "success", "{ran}");
    };
    trigger().await;
    let said = "What other nodes say is not heard";
    api.server.stderr.wait_for(said).await;
    // Each connection that is made to listen says one thing, to hear itself.
    let before = way.unheard();
    until("two more connections that listen in vain", || async {
        (way.unheard() >= before + 2).then_some(())
    })
    .await;
    trigger().await;
    let lines = api.server.stderr.all();
    let count = lines.iter().filter(|line| line.contains(said)).count();
    assert_eq!(count, 1, "{lines:#?}");
    way.hear_again();
    let heard = "What other nodes say is heard again";
    api.server.stderr.wait_for(heard).await;
    api.server.stop().await;
}
