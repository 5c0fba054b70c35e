//! What has to hold in every dialect; `openai`, `anthropic` and `gemini` run each of these.

use std::sync::Arc;

use heartbeat_testkit::model_server::{ModelRequest, ModelServer, Reply};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::api::{Api, texts};
use super::home::Home;

/// A dialect: the model that an agent names, and how the binary learns where its server is.
#[derive(Clone, Copy)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
    Gemini,
}

/// An agent with one heartbeat on a scripted model.
pub(crate) struct Work {
    pub(crate) home: Home,
    pub(crate) model: ModelServer,
    pub(crate) api: Api,
    pub(crate) bot: String,
    pub(crate) heartbeat: Value,
}

impl Dialect {
    fn model(self) -> &'static str {
        match self {
            Self::OpenAi => "openai/scripted-model",
            Self::Anthropic => "anthropic/scripted-model",
            Self::Gemini => "gemini/scripted-model",
        }
    }

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::OpenAi => "sk-openai",
            Self::Anthropic => "sk-ant",
            Self::Gemini => "AIza-gemini",
        }
    }

    /// Whether a request asks for a stream.
    fn streams(self, request: &ModelRequest) -> bool {
        match self {
            Self::OpenAi | Self::Anthropic => request.body["stream"] == true,
            Self::Gemini => request.path.ends_with(":streamGenerateContent"),
        }
    }

    /// A provider that is busy for 20 seconds, said in its own way.
    fn busy(self) -> Reply {
        match self {
            Self::OpenAi | Self::Anthropic => Reply::status(
                429,
                &[("retry-after", "20")],
                r#"{"error":{"message":"slow down"}}"#,
            ),
            Self::Gemini => Reply::status(
                429,
                &[],
                r#"{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED",
                    "details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo",
                    "retryDelay":"20s"}]}}"#,
            ),
        }
    }

    /// A provider that does not know the key.
    fn bad_key(self) -> Reply {
        match self {
            Self::OpenAi | Self::Anthropic => {
                Reply::status(401, &[], r#"{"error":{"message":"key revoked"}}"#)
            }
            Self::Gemini => Reply::status(
                400,
                &[],
                r#"{"error":{"code":400,"message":"key revoked","status":"INVALID_ARGUMENT",
                    "details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",
                    "reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#,
            ),
        }
    }

    /// An agent with a heartbeat that is off, so that only triggers carry it out.
    pub(crate) async fn work(self, script: impl IntoIterator<Item = Reply>) -> Work {
        self.work_in(Home::new(), script).await
    }

    /// The same where a minute passes in two seconds.
    pub(crate) async fn fast_work(self, script: impl IntoIterator<Item = Reply>) -> Work {
        self.work_in(Home::new().with_clock(30), script).await
    }

    async fn work_in(self, home: Home, script: impl IntoIterator<Item = Reply>) -> Work {
        let model = ModelServer::start(script).await;
        let home = match self {
            Self::OpenAi => home.with_openai(&model),
            Self::Anthropic => home.with_anthropic(&model),
            Self::Gemini => home.with_gemini(&model),
        };
        let api = home.api().await;
        let bot = api.bot("Scout", self.model()).await;
        let fields = json!({ "prompt": "Look at the machine.", "label": "Round" });
        let heartbeat = api.configure(&bot, fields).await;
        Work {
            home,
            model,
            api,
            bot,
            heartbeat,
        }
    }
}

impl Work {
    /// Triggers the heartbeat; answers its row in the log and its steps.
    async fn carry_out(&self) -> (Value, Vec<Value>) {
        let result = self.api.trigger(&self.heartbeat).await;
        let id = result["execution_id"].as_str().unwrap();
        let log = self.api.log(&self.bot, id).await;
        let steps = log["steps"].as_array().unwrap().clone();
        (log["log"].clone(), steps)
    }
}

fn notes(steps: &[Value]) -> String {
    steps.iter().map(|step| step["notes"].to_string()).collect()
}

/// A round with a look, a message and an answer.
pub(crate) async fn uses_its_tools(dialect: Dialect) {
    let message = json!({ "title": "Disk is filling", "message": "Two weeks left" });
    let script = [
        Reply::call("host_status", json!({})),
        Reply::call("notify_user", message),
        Reply::say("One thing needs attention."),
    ];
    let work = dialect.work(script).await;
    let (log, steps) = work.carry_out().await;
    assert_eq!(log["status"], "success", "{log}");
    assert_eq!(log["response"], "One thing needs attention.");
    assert_eq!(log["trigger"], "manual");
    assert_eq!(log["tokens_used"], 330, "three turns of 100 in and 10 out");
    assert_eq!(log["credits_charged"], 1, "0.33 credits, rounded up once");
    assert!(log["duration_ms"].as_i64().unwrap() > 0, "{log}");
    assert_eq!(
        texts(&steps, "kind"),
        ["request", "turn", "call", "turn", "call", "turn"]
    );
    let looked = steps[2]["result"]["text"].as_str().unwrap();
    assert!(
        looked.contains("free_percent"),
        "figures of this machine: {looked}"
    );
    let inbox = work.api.inbox().await;
    assert_eq!(texts(&inbox, "title"), ["Disk is filling"]);
    assert_eq!(inbox[0]["execution_id"], log["uuid"]);

    let asked = work.model.requests();
    assert_eq!(asked.len(), 3);
    assert!(
        asked
            .iter()
            .all(|request| request.key.as_deref() == Some(dialect.key()))
    );
    assert!(asked.iter().all(|request| dialect.streams(request)));
    assert!(asked[0].text.contains("Look at the machine."));
    assert!(
        asked[1].text.contains("free_percent"),
        "the model sees what the tool saw"
    );
    assert!(
        steps
            .iter()
            .all(|step| step["result"].get("echo").is_none())
    );
    work.api.server.stop().await;
}

/// Nothing to report is a success that tells nobody.
pub(crate) async fn is_silent_about_nothing(dialect: Dialect) {
    let quiet = json!({ "reason": "all is well" });
    let script = [
        Reply::call("nothing_to_report", quiet),
        Reply::say("HEARTBEAT_OK"),
    ];
    let work = dialect.work(script).await;
    let (log, _) = work.carry_out().await;
    assert_eq!(
        (&log["status"], &log["response"]),
        (&json!("success"), &json!("all is well"))
    );
    let (log, _) = work.carry_out().await;
    assert_eq!(log["status"], "success", "{log}");
    assert_eq!(work.model.requests().len(), 2);
    assert!(work.api.inbox().await.is_empty());
}

/// 429 with Retry-After: asked again, not sooner.
pub(crate) async fn obeys_retry_after(dialect: Dialect) {
    let script = [dialect.busy(), Reply::say("done")];
    let work = dialect.fast_work(script).await;
    let (log, steps) = work.carry_out().await;
    assert_eq!(log["status"], "success", "{log}");
    assert_eq!(work.model.requests().len(), 2);
    assert!(log["duration_ms"].as_i64().unwrap() >= 20_000, "{log}");
    assert!(notes(&steps).contains("attempt 1 of 4"), "{steps:#?}");
}

/// A 429 that never ends is the model's error, after four attempts.
pub(crate) async fn gives_up_on_a_busy_model(dialect: Dialect) {
    let busy = Reply::status(429, &[], r#"{"error":{"message":"slow down"}}"#);
    let work = dialect.fast_work(vec![busy; 8]).await;
    let (log, _) = work.carry_out().await;
    assert_eq!(
        (&log["status"], &log["reason"]),
        (&json!("error"), &json!("model_error"))
    );
    assert!(
        log["error_message"].as_str().unwrap().contains("slow down"),
        "{log}"
    );
    assert_eq!(work.model.requests().len(), 4);
}

/// Streams that break off, are no JSON or no streams at all are errors that say so; the next run
/// is as good as new.
pub(crate) async fn says_what_was_wrong_with_an_answer(dialect: Dialect) {
    let html = "<!DOCTYPE html><html><body>Welcome</body></html>";
    let script = [
        Reply::Cut,
        Reply::Garbage,
        Reply::Raw("text/html".into(), html.into()),
        Reply::status(400, &[], r#"{"error":{"message":"context too long"}}"#),
        Reply::say("all is well"),
    ];
    let work = dialect.work(script).await;
    for said in ["cut", "JSON", "web page", "context too long"] {
        let (log, _) = work.carry_out().await;
        assert_eq!(
            (&log["status"], &log["reason"]),
            (&json!("error"), &json!("model_error"))
        );
        let message = log["error_message"].as_str().unwrap();
        assert!(message.contains(said), "{said}: {message}");
    }
    let (log, _) = work.carry_out().await;
    assert_eq!(log["status"], "success", "{log}");
    let heartbeat = work.api.read(&work.heartbeat).await;
    assert_eq!(
        heartbeat["error_count"], 0,
        "triggers do not move the breaker"
    );
}

/// Usage that the provider does not tell is estimated and charged.
pub(crate) async fn estimates_usage(dialect: Dialect) {
    let work = dialect
        .work([Reply::no_usage(Reply::say("all is well"))])
        .await;
    let (log, steps) = work.carry_out().await;
    assert_eq!(log["status"], "success", "{log}");
    assert!(log["tokens_used"].as_u64().unwrap() > 0, "{log}");
    assert!(log["credits_charged"].as_u64().unwrap() > 0, "{log}");
    assert_eq!(steps[1]["result"]["usage"]["estimated"], true, "{steps:#?}");
}

/// A tool that does not exist is the model's to mend.
pub(crate) async fn names_its_tools_to_a_model_that_errs(dialect: Dialect) {
    let script = [
        Reply::call("launch_rocket", json!({})),
        Reply::say("there is none"),
    ];
    let work = dialect.work(script).await;
    let (log, steps) = work.carry_out().await;
    assert_eq!(
        (&log["status"], &log["response"]),
        (&json!("success"), &json!("there is none"))
    );
    let told = steps[2]["result"]["text"].as_str().unwrap();
    assert!(
        told.contains("launch_rocket") && told.contains("notify_user"),
        "{told}"
    );
}

/// A first byte that takes too long is asked for again.
pub(crate) async fn asks_again_for_a_first_byte(dialect: Dialect) {
    let never = Arc::new(Notify::new());
    let script = [
        Reply::hold_until(&never, Reply::say("too late")),
        Reply::say("in time"),
    ];
    let work = dialect.fast_work(script).await;
    let (log, steps) = work.carry_out().await;
    assert_eq!(
        (&log["status"], &log["response"]),
        (&json!("success"), &json!("in time"))
    );
    assert!(notes(&steps).contains("no first byte"), "{steps:#?}");
}

/// A server that cannot be reached skips the run and costs nothing. The third time in a row people
/// are told, once.
pub(crate) async fn skips_what_it_cannot_reach(dialect: Dialect) {
    let work = dialect.fast_work([]).await;
    let Work {
        home,
        model,
        api,
        bot,
        heartbeat,
    } = work;
    drop(model);
    for told in [0, 0, 1, 1] {
        let result = api.trigger(&heartbeat).await;
        assert_eq!(result["status"], "skipped", "{result}");
        assert_eq!(result["reason"], "model_unavailable");
        assert_eq!(result["credits_charged"], 0);
        let inbox = api.inbox().await;
        assert_eq!(inbox.len(), told, "{inbox:#?}");
    }
    assert_eq!(api.logs(&bot, "status=skipped").await.len(), 4);
    let inbox = api.inbox().await;
    assert!(
        inbox[0]["title"]
            .as_str()
            .unwrap()
            .contains("cannot be reached"),
        "{inbox:#?}"
    );
    drop(home);
}

/// A server that fell silent and answers again: both are told, also if the process died in between.
pub(crate) async fn tells_the_end_of_an_outage(dialect: Dialect) {
    let never = Arc::new(Notify::new());
    let silence = Reply::hold_until(&never, Reply::say("never"));
    let mut script = vec![silence; 6];
    script.push(Reply::say("all is well"));
    let Work {
        home,
        model,
        api,
        heartbeat,
        ..
    } = dialect.fast_work(script).await;
    for _ in 0..3 {
        assert_eq!(api.trigger(&heartbeat).await["reason"], "model_unavailable");
    }
    assert_eq!(model.requests().len(), 6, "two attempts fit into 60 s");
    let (project_id, key) = (api.project_id, api.key);
    api.server.kill().await;
    let api = Api::new(home.serve(&[]).await, &project_id, &key);
    assert_eq!(api.trigger(&heartbeat).await["status"], "success");
    let inbox = api.inbox().await;
    let titles = texts(&inbox, "title");
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(titles[0].ends_with("answers again") && titles[1].ends_with("cannot be reached"));
}

/// A key that the provider refuses: one request, then the reason; no breaker moves; told once.
pub(crate) async fn stops_asking_with_a_bad_key(dialect: Dialect) {
    let work = dialect.work(vec![dialect.bad_key(); 8]).await;
    for _ in 0..3 {
        let (log, _) = work.carry_out().await;
        assert_eq!(
            (&log["status"], &log["reason"]),
            (&json!("error"), &json!("model_denied"))
        );
        assert!(
            log["error_message"]
                .as_str()
                .unwrap()
                .contains("key revoked"),
            "{log}"
        );
    }
    assert_eq!(work.model.requests().len(), 1, "one request learns of it");
    let heartbeat = work.api.read(&work.heartbeat).await;
    assert_eq!(
        (&heartbeat["error_count"], &heartbeat["paused_reason"]),
        (&json!(0), &Value::Null)
    );
    let inbox = work.api.inbox().await;
    let about = texts(&inbox, "title");
    assert!(
        about.len() == 1 && about[0].contains("refuses to work"),
        "{about:?}"
    );
    assert!(
        !work
            .api
            .server
            .stderr
            .all()
            .join("\n")
            .contains(dialect.key())
    );
}

/// A key that works again is found out by a probe, and nobody has to enable anything.
pub(crate) async fn finds_out_that_a_key_works_again(dialect: Dialect) {
    let denied = Reply::status(403, &[], r#"{"error":{"message":"no credit"}}"#);
    let script = [denied, Reply::say("pong"), Reply::say("all is well")];
    let work = dialect.fast_work(script).await;
    let (log, _) = work.carry_out().await;
    assert_eq!(log["reason"], "model_denied", "{log}");
    work.api.server.stderr.wait_for("answers again").await;
    let (log, _) = work.carry_out().await;
    assert_eq!(
        (&log["status"], &log["response"]),
        (&json!("success"), &json!("all is well"))
    );
}
