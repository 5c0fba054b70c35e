//! A hundred deaths, and what is left afterwards.
//!
//! Half of them happen at named points: before and after a commit, between intent and call, between
//! answer and record, around the end; half by SIGKILL at a random moment. Heartbeats fire every minute
//! on a clock that runs twenty times as fast, on a model that counts what it is asked, with tool
//! servers that count what arrives; people trigger others, and every message also goes to a webhook.

mod effects;
mod hands;
pub(crate) mod ledger;
pub(crate) mod mind;

use std::time::Duration;

use heartbeat_domain::ids::IdSource;
use serde_json::{Value, json};

use self::hands::Hands;
use self::ledger::Ledger;
use self::mind::Mind;
use crate::support::api::Api;
use crate::support::client::{Ask, send};
use crate::support::home::Home;
use crate::support::receiver::Receiver;
use crate::support::server::Server;
use crate::support::wait::{pause, until};

const DEATHS: u64 = 100;
pub(crate) const HEARTBEATS: usize = 16;
/// How much faster time passes: a minute in three seconds.
const RATE: u32 = 20;

/// Where the process is ended, and the latest passing of the point at which it is.
const POINTS: [(&str, u64); 13] = [
    ("store:before_commit", 60),
    ("store:after_commit", 60),
    ("engine:claimed", 6),
    ("engine:turn_begun", 12),
    ("engine:turn_answered", 12),
    ("engine:turn_recorded", 12),
    ("engine:calls_begun", 8),
    ("engine:call_sending", 6),
    ("engine:call_made", 12),
    ("engine:call_recorded", 12),
    ("engine:before_finish", 6),
    ("engine:after_finish", 6),
    ("engine:handed_over", 8),
];

/// Dice of this test; what is random beside them is the moment at which a signal arrives.
struct Dice(IdSource);

impl Dice {
    fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end
    }
}

/// What the deaths leave behind for the checks.
#[derive(Default)]
pub(crate) struct Toll {
    pub(crate) at_points: u64,
    /// Deaths, or other times at which what was under way may have been let go.
    pub(crate) at_random: u64,
    /// Prompts of triggers that the API said yes to.
    pub(crate) triggered: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_deaths_lose_nothing_and_repeat_nothing() {
    let (mind, receiver) = (Mind::start().await, Receiver::start(&[]).await);
    let hands = Hands::start().await;
    let mut home = home(&mind, &receiver);
    let api = home.api().await;
    let bot = api.bot("Scout", "scripted").await;
    hands.give(&api, &bot).await;
    let heartbeats = heartbeats(&api, &bot).await;
    let manual = api
        .configure(&bot, json!({ "prompt": "never", "label": "Manual" }))
        .await;
    let (project_id, key) = (api.project_id, api.key);
    api.server.kill().await;

    let (dice, mut toll) = (Dice(IdSource::from_seed(7)), Toll::default());
    for death in 0..DEATHS {
        if death % 2 == 0 {
            let (point, latest) = POINTS[usize::try_from(death / 2).unwrap() % POINTS.len()];
            let passing = format!("{point}/{}", 1 + dice.below(latest));
            home.set("HEARTBEAT_KILL_POINT", &passing);
            if let Ok(server) = home.try_serve(&[]).await {
                let mut api = Api::new(server, &project_id, &key);
                let prompt = format!("Errand {death}.");
                if is_triggered(&api, &manual, &prompt).await {
                    toll.triggered.push(prompt);
                }
                let status = api.server.ended().await;
                assert_eq!(
                    status.code(),
                    None,
                    "{passing}: {:#?}",
                    api.server.stderr.all()
                );
            }
            toll.at_points += 1;
        } else {
            home.set("HEARTBEAT_KILL_POINT", "");
            die_at_random(&home, &dice).await;
            toll.at_random += 1;
            if death % 20 == 19 {
                // Long enough for moments to be missed one after another.
                pause(Duration::from_millis(4_500)).await;
            }
        }
    }
    home.set("HEARTBEAT_KILL_POINT", "");
    home.set("HEARTBEAT_ENGINE_DRAIN_SECONDS", "600");
    let api = Api::new(home.serve(&[]).await, &project_id, &key);
    until_nothing_is_open(&api, &bot).await;
    api.server.stop().await;
    let moments = Ledger::read(&home).await.check_moments(200, 70);
    let api = Api::new(home.serve(&[]).await, &project_id, &key);
    come_to_rest(&api, &bot, &heartbeats, &receiver).await;
    let decided = effects::decide_all(&api, &bot).await;
    api.server.stop().await;
    let ledger = Ledger::read(&home).await;
    let work = ledger.check_work(&mind, &receiver, &toll);
    let effects = ledger.check_effects(&hands, decided);
    println!(
        "{} deaths at named points, {} at random moments, {} errands accepted\n{moments:#?}\n\
         {work:#?}\n{effects:#?}",
        toll.at_points,
        toll.at_random,
        toll.triggered.len()
    );
}

fn home(mind: &Mind, receiver: &Receiver) -> Home {
    with_mind(Home::alone().with_clock(RATE), mind)
        .with("HEARTBEAT_WEBHOOK_URL", &receiver.url)
        .with(
            "HEARTBEAT_WEBHOOK_SECRET",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        )
}

/// With a model `scripted` that counts, and as many credits as it may want.
pub(crate) fn with_mind(home: Home, mind: &Mind) -> Home {
    let settings = format!(
        "[models.named.scripted]\ndialect = \"openai\"\nbase_url = \"{}/v1\"\n\
         model = \"scripted-model\"\nmax_in_flight = 64\n\
         [[plan]]\nname = \"self_hosted\"\ndaily_credit_limit = 1000000000\n",
        mind.server.url
    );
    std::fs::write(home.path("heartbeat.toml"), settings).unwrap();
    home.with("HEARTBEAT_CONFIG", "heartbeat.toml")
}

/// Heartbeats of one minute each, enabled at moments spread over a minute.
pub(crate) async fn heartbeats(api: &Api, bot: &str) -> Vec<Value> {
    let mut made = Vec::new();
    for number in 0..HEARTBEATS {
        let fields = json!({
            "prompt": format!("Round {number}."),
            "label": format!("Round {number}"),
            "interval_minutes": 1,
            "enabled": true,
        });
        made.push(api.configure(bot, fields).await);
        pause(Duration::from_millis(180)).await;
    }
    made
}

/// Gives the heartbeat that only people fire a prompt of its own and triggers it; whether the
/// server said yes before it died.
pub(crate) async fn is_triggered(api: &Api, manual: &Value, prompt: &str) -> bool {
    let ids = json!({
        "project_id": api.project_id,
        "bot_id": manual["bot_uuid"],
        "heartbeat_id": manual["uuid"],
        "uuid": manual["uuid"],
        "prompt": prompt,
        "wait_seconds": 0,
    });
    let (bearer, body) = (format!("Bearer {}", api.key), ids.to_string());
    for what in ["configure", "trigger"] {
        let ask = Ask {
            method: "POST",
            path: &format!("/v1/bot/heartbeat/{what}"),
            headers: &[("Authorization", &bearer)],
            body: body.as_bytes(),
        };
        match send(&api.server.address, &ask).await {
            Ok(answer) if answer.status == 200 && what == "trigger" => {
                return answer.json()["result"]["status"] == "running";
            }
            Ok(answer) if answer.status == 200 => {}
            _ => return false,
        }
    }
    false
}

/// Some of these die before they have begun, most in the middle of their work.
async fn die_at_random(home: &Home, dice: &Dice) {
    let mut command = home.command(env!("CARGO_BIN_EXE_heartbeat"));
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let mut child = command.spawn().unwrap();
    pause(Duration::from_millis(20 + dice.below(1_200))).await;
    child.kill().await.unwrap();
}

/// No more fires; what is open ends, and what is to be handed over is.
async fn come_to_rest(api: &Api, bot: &str, heartbeats: &[Value], receiver: &Receiver) {
    for heartbeat in heartbeats {
        api.act("disable", heartbeat).await.ok();
    }
    until_nothing_is_open(api, bot).await;
    let all = api.get("/v1/bot/notification/readall", "").await.ok();
    let told = usize::try_from(all["total"].as_u64().unwrap()).unwrap();
    until("the last deliveries", || async {
        (ledger::ids(&receiver.received()).len() >= told).then_some(())
    })
    .await;
}

async fn until_nothing_is_open(api: &Api, bot: &str) {
    until("the end of what is open", || async {
        let open = api.logs(bot, "status=running").await;
        open.is_empty().then_some(())
    })
    .await;
}

/// A server that was not told to die does not.
#[tokio::test]
async fn a_point_that_is_never_passed_ends_nobody() {
    let home = Home::new().with("HEARTBEAT_KILL_POINT", "engine:nowhere/1");
    let server: Server = home.serve(&["--demo"]).await;
    server.stop().await;
}

/// The rehearsal's points and clock are switched on by the tests alone.
#[tokio::test]
async fn a_released_binary_has_neither_points_nor_another_clock() {
    let tree = tokio::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "heartbeat-cli",
            "--edges",
            "no-dev,features",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .await
        .unwrap();
    let tree = String::from_utf8_lossy(&tree.stdout).into_owned();
    assert!(tree.contains("heartbeat-store"), "{tree}");
    assert!(
        !tree.contains("kill-points") && !tree.contains("testing"),
        "{tree}"
    );
}
