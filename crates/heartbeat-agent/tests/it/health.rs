//! A key that went bad is asked once, then only by probes.

use heartbeat_agent::model::ModelErrorKind;
use heartbeat_testkit::model_server::{ModelServer, Reply};
use jiff::{SignedDuration, Timestamp};

use crate::answers::{ask, models};

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

#[tokio::test]
async fn after_a_key_went_bad_one_request_is_made_and_a_probe_every_thirty_seconds_ends_it() {
    let denied = || Reply::status(401, &[], "{\"error\":\"no such key\"}");
    let server =
        ModelServer::start([denied(), denied(), Reply::say("pong"), Reply::say("hi")]).await;
    let models = models(&server);
    let ask_one = |name: &'static str| {
        let provider = models.provider(name).unwrap();
        async move { ask(provider.as_ref()).await.0 }
    };
    for name in ["openai/a", "openai/a", "openai/b"] {
        let error = ask_one(name).await.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Denied);
        assert!(error.message.contains("no such key"), "{error}");
    }
    assert_eq!(server.requests().len(), 1);
    assert!(models.down_reason("openai/b").is_some());
    assert!(
        models.down_reason("anthropic/a").is_none(),
        "another key is not touched"
    );

    assert!(
        models.probes_due(at(0)).is_empty(),
        "the first look starts the clock"
    );
    assert!(models.probes_due(at(29)).is_empty());
    assert_eq!(models.probes_due(at(30)), ["openai/a"]);
    assert!(models.probes_due(at(31)).is_empty());
    assert!(models.probe("openai/a").await.is_err());
    assert_eq!(models.probes_due(at(60)), ["openai/a"]);
    assert!(models.probe("openai/a").await.is_ok());
    assert!(models.down_reason("openai/b").is_none());
    assert_eq!(ask_one("openai/b").await.unwrap().text, "hi");
}

#[tokio::test]
async fn an_unknown_model_is_down_alone() {
    let unknown = Reply::status(404, &[], r#"{"error":{"message":"model 'a' not found"}}"#);
    let server = ModelServer::start([unknown, Reply::say("hi")]).await;
    let models = models(&server);
    for _ in 0..2 {
        let error = ask(models.provider("openai/a").unwrap().as_ref())
            .await
            .0
            .unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::UnknownModel);
    }
    assert!(
        ask(models.provider("openai/b").unwrap().as_ref())
            .await
            .0
            .is_ok()
    );
    assert_eq!(server.requests().len(), 2);
    models.mark_down("openai/a", "an unknown model", at(0));
    assert!(
        models.down_reason("openai/b").is_none(),
        "the key is not doubted"
    );
    assert_eq!(
        models.probes_due(at(30)),
        ["openai/a"],
        "the mark started the clock"
    );
    models.mark_up("openai/a");
    models.mark_down("openai/a", "switched off", at(0));
    assert_eq!(
        models.down_reason("openai/b").as_deref(),
        Some("switched off")
    );
}

#[test]
fn a_model_that_nobody_serves_is_refused_with_what_there_is() {
    let models = heartbeat_agent::Models::new(heartbeat_agent::ModelSettings::default()).unwrap();
    for (name, said) in [
        ("gpt", "no provider for the model \"gpt\""),
        ("mistral/large", "ollama/…"),
        ("openai/x", "OPENAI_API_KEY is not set"),
        ("anthropic/x", "ANTHROPIC_API_KEY is not set"),
        ("openai/", "no provider"),
    ] {
        let Err(error) = models.provider(name) else {
            panic!("{name} has no provider")
        };
        assert!(error.message.contains(said), "{name}: {error}");
    }
    assert!(models.provider("demo").is_ok());
    assert!(models.provider("ollama/qwen3:8b").is_ok());
}
