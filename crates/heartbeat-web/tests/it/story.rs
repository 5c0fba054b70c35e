//! Things that happened: agents, heartbeats and executions, written through the store's own verbs.

use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::budget::{Ask, Rates};
use heartbeat_domain::claim::{Claim, LEASE, Node, NodeWork};
use heartbeat_domain::execution::{BreakerEffect, Ending, Outcome};
use heartbeat_domain::heartbeat::{Heartbeat, HeartbeatChange, Patch};
use heartbeat_domain::ids::NodeId;
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::plan::Spending;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::tool::Repeat;
use heartbeat_store::verbs::{
    BotRef, CallIntent, CallRecord, ClaimAsk, HeartbeatKey, TurnIntent, TurnRecord,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::world::World;

impl World {
    pub(crate) async fn bot(&self, name: &str, model: &str) -> Bot {
        let ask = BotChange {
            name: Some(name.into()),
            model: Some(model.into()),
            instruction: Some("You are brief.".into()),
            heartbeat: Some(true),
            ..BotChange::default()
        };
        self.control
            .for_demo()
            .create_bot(self.project.id, ask)
            .await
            .unwrap()
    }

    pub(crate) async fn heartbeat(&self, bot: &Bot, label: &str, prompt: &str) -> Heartbeat {
        let change = HeartbeatChange {
            label: Patch::Set(label.into()),
            prompt: Patch::Set(prompt.into()),
            timezone: Patch::Set("Europe/Berlin".into()),
            interval_minutes: Patch::Set(15),
            enabled: Some(true),
            ..HeartbeatChange::default()
        };
        let bot = BotRef::Id(bot.id);
        self.control
            .configure(self.project.id, bot, None, change)
            .await
            .unwrap()
    }

    /// Triggers a heartbeat and takes it, as a node does.
    pub(crate) async fn claim(&self, heartbeat: &Heartbeat) -> Claim {
        self.control
            .trigger(key(heartbeat), SignedDuration::ZERO)
            .await
            .unwrap();
        self.take(heartbeat).await
    }

    /// Takes what is due of a heartbeat.
    pub(crate) async fn take(&self, heartbeat: &Heartbeat) -> Claim {
        let now = self.control.now();
        let node = Node {
            id: NodeId::new(&self.ids, now),
            name: "node".into(),
            version: "1.2.3".into(),
            started_at: now,
            awake_since: now,
            lease_until: now + LEASE,
            ended_at: None,
            work: NodeWork::default(),
        };
        self.store.register_node(&node, now).await.unwrap();
        let ask = ClaimAsk {
            node_id: node.id,
            want: 10,
        };
        let claims = self.store.claim_due(ask, now).await.unwrap();
        let ours = |claim: &Claim| claim.execution.heartbeat_id == Some(heartbeat.id);
        claims.into_iter().find(ours).unwrap()
    }

    /// One turn that calls `host_status`, its result, and one turn that answers.
    pub(crate) async fn steps(&self, claim: &Claim, answer: &str) {
        let hold = &claim.hold;
        let now = || self.control.now();
        let request = json!({ "request": {
            "model": "demo", "tools": [], "max_tokens": 4096,
            "messages": [
                { "role": "system", "text": "You are brief." },
                { "role": "user", "text": claim.execution.prompt },
            ],
        }});
        self.store
            .open_journal(hold, &request, now())
            .await
            .unwrap();
        let call = json!({ "id": "a", "name": "host_status", "arguments": {} });
        self.turn(
            claim,
            1,
            json!({ "text": "", "calls": [call], "usage": usage() }),
        )
        .await;
        let intent = CallIntent {
            seq: 2,
            tool: "host_status".into(),
            call,
            effect_id: "e".into(),
            repeat: Repeat::Safe,
            within: SignedDuration::ZERO,
        };
        self.store
            .begin_calls(hold, &[intent], now())
            .await
            .unwrap();
        self.clock.advance(SignedDuration::from_millis(180));
        let record = CallRecord {
            seq: 2,
            result: json!({ "text": "{\"disk\":{\"free_percent\":61.2}}" }),
            unknown: false,
        };
        self.store
            .record_call(hold, &record, (&[], &[]), now())
            .await
            .unwrap();
        self.turn(claim, 3, json!({ "text": answer, "usage": usage() }))
            .await;
    }

    /// One call whose outcome nobody knows.
    pub(crate) async fn unknown_call(&self, claim: &Claim) {
        let (hold, now) = (&claim.hold, self.control.now());
        let intent = CallIntent {
            seq: 2,
            tool: "mail__send".into(),
            call: json!({ "id": "a", "name": "mail__send", "arguments": { "to": "ann" } }),
            effect_id: "e".into(),
            repeat: Repeat::Never,
            within: SignedDuration::from_secs(60),
        };
        self.store.begin_calls(hold, &[intent], now).await.unwrap();
        let record = CallRecord {
            seq: 2,
            result: json!({ "text": "outcome_unknown: verify", "is_error": true }),
            unknown: true,
        };
        let recorded = self.store.record_call(hold, &record, (&[], &[]), now);
        recorded.await.unwrap();
        self.store.late_send(hold, 2, now).await.unwrap();
    }

    async fn turn(&self, claim: &Claim, seq: u32, result: Value) {
        let intent = TurnIntent {
            seq,
            model: "demo".into(),
            request: json!({ "messages": 2, "max_tokens": 4096 }),
            ask: Ask {
                input_tokens_max: 900,
                max_tokens: 256,
            },
            rates: Rates::default(),
            spending: Spending::default(),
        };
        self.store
            .begin_turn(&claim.hold, &intent, self.control.now())
            .await
            .unwrap();
        self.clock.advance(SignedDuration::from_millis(1_400));
        let record = TurnRecord {
            seq,
            result,
            failed: false,
            tokens: 412,
            micro: 412_000,
            channels: Vec::new(),
        };
        self.store
            .record_turn(&claim.hold, &record, self.control.now())
            .await
            .unwrap();
    }

    pub(crate) async fn succeed(&self, claim: &Claim, response: &str, notices: Vec<NoticeDraft>) {
        let ending = Ending {
            response: response.into(),
            notices,
            ..Ending::plain(Outcome::Success)
        };
        self.finish(claim, &ending).await;
    }

    pub(crate) async fn fail(&self, claim: &Claim, message: &str) {
        let ending = Ending::plain(Outcome::Error {
            reason: Reason::ModelError,
            message: message.into(),
            breaker: BreakerEffect::OpensAtOnce,
        });
        self.finish(claim, &ending).await;
    }

    async fn finish(&self, claim: &Claim, ending: &Ending) {
        let now = self.control.now();
        self.store
            .finish(&claim.hold, ending, &[], now)
            .await
            .unwrap();
    }
}

pub(crate) fn key(heartbeat: &Heartbeat) -> HeartbeatKey {
    HeartbeatKey {
        project_id: heartbeat.project_id,
        bot_id: heartbeat.bot_id,
        id: heartbeat.id,
    }
}

pub(crate) fn notice(title: &str, message: &str) -> NoticeDraft {
    NoticeDraft {
        title: title.into(),
        message: message.into(),
        ..NoticeDraft::default()
    }
}

fn usage() -> Value {
    json!({ "input_tokens": 380, "output_tokens": 32 })
}
