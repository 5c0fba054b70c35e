//! The database goes away under two nodes at work: restarted in order and out of order, and killed
//! and replaced by its standby. Afterwards every due moment has its row, nothing was asked or told
//! twice, and what a person was told is on its way has come to its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heartbeat_domain::clock::Clock as _;
use heartbeat_engine::system_clock::SystemClock;
use heartbeat_testkit::postgres::{Cluster, End};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::kill::ledger::Ledger;
use crate::kill::mind::Mind;
use crate::kill::{Toll, heartbeats, is_triggered, with_mind};
use crate::support::api::Api;
use crate::support::client::{Answer, Ask, send};
use crate::support::home::Home;
use crate::support::wait::{beside, pause, until};

/// How much faster time passes, so that there are enough due moments: a minute in six seconds.
const RATE: u32 = 10;

/// Longest time from the end of a primary to an execution that began after it and has ended well.
const FAILOVER: SignedDuration = SignedDuration::from_secs(30);

/// Two nodes at work on a cluster of their own.
struct Town {
    cluster: Arc<Cluster>,
    url: String,
    mind: Mind,
    nodes: Arc<[Api; 2]>,
    bot: String,
    errands: Arc<Errands>,
}

/// What people ask for all the while, and what they were told is on its way.
#[derive(Default)]
struct Errands {
    accepted: Mutex<Vec<String>>,
    enough: AtomicBool,
    done: tokio::sync::Notify,
}

impl Town {
    async fn founded(cluster: Arc<Cluster>, url: String) -> (Self, Home) {
        let mind = Mind::start().await;
        let home = with_mind(Home::alone().with_clock(RATE), &mind)
            .with("HEARTBEAT_DATABASE_URL", &url)
            .with("HEARTBEAT_ENGINE_DRAIN_SECONDS", "600");
        let one = home.api().await;
        let two = Api::new(home.serve(&[]).await, &one.project_id, &one.key);
        let bot = one.bot("Scout", "scripted").await;
        heartbeats(&one, &bot).await;
        let mut runners = Vec::new();
        for number in 0..4 {
            let fields = json!({ "prompt": "never", "label": format!("Runner {number}") });
            runners.push(one.configure(&bot, fields).await);
        }
        let (nodes, errands) = (Arc::new([one, two]), Arc::<Errands>::default());
        beside(run_errands(
            Arc::clone(&nodes),
            runners,
            Arc::clone(&errands),
        ));
        let town = Self {
            cluster,
            url,
            mind,
            nodes,
            bot,
            errands,
        };
        town.next_errand_ends().await;
        (town, home)
    }

    /// Does something to the cluster, which takes a while.
    async fn to_cluster(&self, what: impl FnOnce(&Cluster) + Send + 'static) {
        let cluster = Arc::clone(&self.cluster);
        let done = tokio::task::spawn_blocking(move || what(&cluster)).await;
        done.expect("the cluster does what it is told");
    }

    /// Returns once an errand that is accepted from now on has ended well.
    async fn next_errand_ends(&self) {
        let before = self.errands.accepted.lock().unwrap().len();
        until("the end of a new errand", || async {
            let prompts = self.errands.accepted.lock().unwrap()[before..].to_vec();
            let path = format!(
                "/v1/bot/heartbeat/logs?project_id={}&bot_id={}&status=success&per_page=100",
                self.nodes[0].project_id, self.bot
            );
            let answer = ask(&self.nodes[0], "GET", &path).await?;
            if answer.status != 200 {
                return None;
            }
            let logs = answer.json();
            let ended = |prompt: &String| {
                let logs = logs["logs"].as_array().unwrap();
                logs.iter().any(|log| log["prompt"] == prompt.as_str())
            };
            prompts.iter().any(ended).then_some(())
        })
        .await;
    }

    /// Returns once so many due moments have reached the model.
    async fn has_beaten(&self, wanted: u64) {
        until("enough beats", || async {
            let asked = self.mind.asked();
            let first = |(who, turn): &&(String, usize)| *turn == 1 && who.starts_with("Round");
            let beats = asked.iter().filter(first).count();
            (u64::try_from(beats).unwrap() >= wanted).then_some(())
        })
        .await;
    }

    /// Whether every node says that it waits for the database.
    async fn all_wait(&self) {
        for node in self.nodes.iter() {
            let answer = until("a node that says it waits", || async {
                let answer = ask(node, "GET", "/readyz").await?;
                (answer.status == 503).then_some(answer)
            })
            .await;
            assert!(answer.text.contains("the database"), "{}", answer.text);
        }
    }

    async fn all_are_ready(&self) {
        for node in self.nodes.iter() {
            until("a node that is ready", || async {
                let answer = ask(node, "GET", "/readyz").await?;
                (answer.status == 200).then_some(())
            })
            .await;
        }
    }

    /// Lets everything come to its end, and looks at what is left; answers it in figures.
    async fn judged(self, outages: u64, moments: u64) -> String {
        self.has_beaten(moments).await;
        self.errands.enough.store(true, Ordering::SeqCst);
        self.errands.done.notified().await;
        let [one, two] = Arc::into_inner(self.nodes).expect("nobody else asks any more");
        tokio::join!(one.server.stop(), two.server.stop());
        let triggered = std::mem::take(&mut *self.errands.accepted.lock().unwrap());
        assert!(triggered.len() > 15, "too few errands: {triggered:?}");
        let toll = Toll {
            // Each node may have let go of what it had under way, and taken it up again.
            at_random: 4 * outages,
            triggered,
            ..Toll::default()
        };
        let ledger = Ledger::read_server(&self.url).await;
        let moments = ledger.check_moments(moments, 40);
        let work = ledger.check_turns(&self.mind, &toll);
        format!("{} errands\n{moments:#?}\n{work:#?}", toll.triggered.len())
    }
}

/// One errand after another by each of four runners, now on this node and now on that, until there
/// are enough.
async fn run_errands(nodes: Arc<[Api; 2]>, runners: Vec<Value>, errands: Arc<Errands>) {
    let run = async |runner: usize| {
        let mut number = 0;
        while !errands.enough.load(Ordering::SeqCst) {
            let prompt = format!("Errand {number} of runner {runner}.");
            let node = &nodes[(number + runner) % 2];
            if is_triggered(node, &runners[runner], &prompt).await {
                errands.accepted.lock().unwrap().push(prompt);
            }
            number += 1;
            pause(Duration::from_millis(50)).await;
        }
    };
    tokio::join!(run(0), run(1), run(2), run(3));
    drop(nodes);
    errands.done.notify_one();
}

/// A request that may fail with the server.
async fn ask(node: &Api, method: &str, path: &str) -> Option<Answer> {
    let bearer = format!("Bearer {}", node.key);
    let ask = Ask {
        method,
        path,
        headers: &[("Authorization", &bearer)],
        body: b"",
    };
    send(&node.server.address, &ask).await.ok()
}

fn now() -> Timestamp {
    SystemClock::default().now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_restarted_under_two_nodes_costs_time_and_nothing_else() {
    let cluster = Arc::new(Cluster::start());
    let url = cluster.database();
    let (town, _home) = Town::founded(cluster, url).await;
    for how in [End::Fast, End::Immediate] {
        town.to_cluster(move |cluster| cluster.stop(how)).await;
        town.all_wait().await;
        town.to_cluster(Cluster::start_again).await;
        town.all_are_ready().await;
        town.next_errand_ends().await;
        // In one go too, as an upgrade of the server does it.
        town.to_cluster(move |cluster| {
            cluster.stop(how);
            cluster.start_again();
        })
        .await;
        town.next_errand_ends().await;
    }
    println!("{}", town.judged(4, 48).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_takes_over_under_two_nodes_loses_nothing_that_was_said() {
    let cluster = Arc::new(Cluster::start());
    let url = cluster.database_with_standby();
    let (town, _home) = Town::founded(cluster, url).await;
    town.to_cluster(Cluster::add_standby).await;
    town.next_errand_ends().await;
    let killed_at = now();
    town.to_cluster(Cluster::kill).await;
    town.to_cluster(Cluster::promote).await;
    town.next_errand_ends().await;
    let took = now().duration_since(killed_at);
    println!("an errand of the new primary ended {took:#} after the old one was killed");
    assert!(took < FAILOVER, "it took {took:#}");
    town.all_are_ready().await;
    println!("{}", town.judged(1, 48).await);
}
