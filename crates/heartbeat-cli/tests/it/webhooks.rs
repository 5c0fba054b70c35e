//! Messages that leave the house: a receiver checks what Standard Webhooks says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::api::{Api, texts};
use crate::support::home::Home;
use crate::support::receiver::{Received, Receiver};
use crate::support::wait::until;
use heartbeat_testkit::model_server::{ModelServer, Reply};

const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A home whose messages also go to the receiver, where a minute passes in a second.
fn home(model: &ModelServer, receiver: &Receiver) -> Home {
    let home = Home::new().with_openai(model).with_clock(60);
    home.with("HEARTBEAT_WEBHOOK_URL", &receiver.url)
        .with("HEARTBEAT_WEBHOOK_SECRET", &format!("whsec_{SECRET}"))
}

/// A model that tells people something in every run.
async fn teller() -> ModelServer {
    ModelServer::answering(|body| {
        let called = body["messages"].as_array().unwrap().last().unwrap()["role"] == "tool";
        match called {
            true => Reply::say("told"),
            false => Reply::call("notify_user", json!({ "title": "Disk", "message": "m" })),
        }
    })
    .await
}

async fn heartbeat(api: &Api) -> Value {
    let bot = api.bot("Scout", "openai/scripted-model").await;
    api.configure(&bot, json!({ "prompt": "Look." })).await
}

/// What a receiver is told to check.
fn is_signed(message: &Received) -> bool {
    let key = STANDARD.decode(SECRET).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.{}", message.id, message.timestamp, message.body).as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    message
        .signature
        .split(' ')
        .any(|signature| signature == expected)
}

#[tokio::test]
async fn each_message_is_handed_over_once_signed_and_under_an_id_of_its_own() {
    let (model, receiver) = (teller().await, Receiver::start(&[]).await);
    let home = home(&model, &receiver);
    let api = home.api().await;
    let heartbeat = heartbeat(&api).await;
    for _ in 0..3 {
        assert_eq!(api.trigger(&heartbeat).await["status"], "success");
    }
    let received = until("three messages", || async {
        let received = receiver.received();
        (received.len() >= 3).then_some(received)
    })
    .await;
    assert!(received.iter().all(is_signed), "{received:#?}");
    let bodies = received
        .iter()
        .map(|one| serde_json::from_str(&one.body).unwrap());
    let bodies: Vec<Value> = bodies.collect();
    assert_eq!(texts(&bodies, "type"), ["notification.created"; 3]);
    let of = |field: &str| {
        let mut all: Vec<_> = bodies
            .iter()
            .map(|body| body["data"][field].to_string())
            .collect();
        all.sort();
        all.dedup();
        all.len()
    };
    assert_eq!(
        (
            of("uuid"),
            of("execution_id"),
            of("heartbeat_id"),
            of("project_id")
        ),
        (3, 3, 1, 1)
    );
    let mut ids: Vec<_> = received.iter().map(|one| one.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);

    api.server.stop().await;
    let server = home.serve(&[]).await;
    // Whatever were left to deliver would be due at once, and go out before this message does.
    let api = Api::new(server, &api.project_id, &api.key);
    assert_eq!(api.trigger(&heartbeat).await["status"], "success");
    let received = until("the fourth message", || async {
        let received = receiver.received();
        (received.len() >= 4).then_some(received)
    })
    .await;
    assert_eq!(received.len(), 4);
}

#[tokio::test]
async fn a_receiver_that_fails_gets_the_message_again_under_the_same_id() {
    let (model, receiver) = (teller().await, Receiver::start(&[500, 302, 503]).await);
    let home = home(&model, &receiver);
    let api = home.api().await;
    let heartbeat = heartbeat(&api).await;
    assert_eq!(api.trigger(&heartbeat).await["status"], "success");
    let received = until("the message to be taken", || async {
        let received = receiver.received();
        (received.len() >= 4).then_some(received)
    })
    .await;
    assert!(
        received
            .iter()
            .all(|one| one.id == received[0].id && is_signed(one))
    );
    assert!(received.iter().all(|one| one.body == received[0].body));
    let at: Vec<i64> = received
        .iter()
        .map(|one| one.timestamp.parse().unwrap())
        .collect();
    let waits: Vec<i64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        waits[0] >= 5 && waits[1] >= 15 && waits[2] >= 45,
        "{waits:?}"
    );
    assert_eq!(texts(&api.inbox().await, "status"), ["unread"]);
}

#[tokio::test]
async fn a_message_that_nobody_takes_is_shown_as_failed() {
    let (model, receiver) = (teller().await, Receiver::start(&[410]).await);
    let home = home(&model, &receiver);
    let api = home.api().await;
    let heartbeat = heartbeat(&api).await;
    assert_eq!(api.trigger(&heartbeat).await["status"], "success");
    until("the message to be given up", || async {
        let inbox = api.inbox().await;
        (inbox[0]["status"] == "failed").then_some(())
    })
    .await;
    assert_eq!(
        receiver.received().len(),
        1,
        "410 says that nobody is there any more"
    );
    let listed = home.run(&["inbox", "--json"]).await.json();
    assert_eq!(listed["notifications"][0]["status"], "failed");
}
