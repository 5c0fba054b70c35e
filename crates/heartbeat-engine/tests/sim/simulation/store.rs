//! The store of one process: every verb passes a gate, and what the store confirms is written down.

use std::sync::Mutex;

use async_trait::async_trait;
use heartbeat_domain::bot::{Bot, BotChange, Project};
use heartbeat_domain::claim::{Claim, Hold, Node, Renewal};
use heartbeat_domain::execution::{Ending, Execution};
use heartbeat_domain::heartbeat::Heartbeat;
use heartbeat_domain::ids::{
    BotId, ExecutionId, HeartbeatId, MemberId, NodeId, NoticeId, ProjectId,
};
use heartbeat_domain::notice::NoticeDraft;
use heartbeat_domain::plan::Plan;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::settlement::Settlement;
use heartbeat_domain::step::Step;
use heartbeat_domain::tool::{ListedTool, ToolServer};
use heartbeat_domain::tool_server::{ToolDecision, ToolServerChange};
use heartbeat_store::StoreError;
use heartbeat_store::verbs::{
    Access, Attempt, BotRef, Bots, CallIntent, CallRecord, Channel, ClaimAsk, Configure,
    CreditEntry, Credits, Delivery, Executions, Fires, HeartbeatKey, Heartbeats, HistoryKept,
    Intent, Journal, Key, Listed, LogFilter, NewToolServer, Notice, NoticeFilter, Outbox, Page,
    PastRuns, PauseRecord, Reach, Reachable, Result, ReviewAsk, SecretHash, SettleAsk, Settled,
    Stats, StatsSummary, StopRequest, Tended, ToolServerKey, ToolServers, TriggerAsk, TurnIntent,
    TurnRecord, UsageAsk, UsageSummary, Visit,
};
use jiff::Timestamp;
use serde_json::Value;

use super::checks::{seen, stopped};
use super::db::Db;
use super::gate::{Door, Order, Pass, What, unavailable};
use super::memory::Admitted;
use super::sabotage::{self, Sabotage};

/// The store of one process.
pub(crate) struct SimStore {
    /// Its door.
    pub(crate) door: Door,
    /// The one database of the world.
    pub(crate) db: Db,
    /// How the engine is broken, if it is.
    pub(crate) broken: Option<Sabotage>,
    /// Calls that a broken engine has not written down yet.
    pub(crate) unwritten: Mutex<Vec<CallIntent>>,
}

impl SimStore {
    /// Waits at the gate of a verb; the refusal if it is not let through.
    async fn enter(&self, verb: &'static str) -> Result<Pass> {
        let pass = self.door.wait(What::Verb(verb)).await;
        if pass.order == Order::Refuse {
            self.door.answer(pass, Err(unavailable())).await
        } else {
            Ok(pass)
        }
    }

    /// Hands an answer on.
    async fn leave<T>(&self, verb: &'static str, pass: Pass, answer: Result<T>) -> Result<T> {
        let end = match &answer {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.to_string(),
        };
        let (process, order) = (self.door.process, pass.order);
        self.door
            .stage
            .say(&format!("p{process} {verb} {order:?}: {end}"));
        self.door.answer(pass, answer).await
    }

    fn is(&self, sabotage: Sabotage) -> bool {
        self.broken == Some(sabotage)
    }

    fn changed(&self, answer: &Result<Heartbeat>, now: Timestamp) {
        if let Ok(heartbeat) = answer {
            let whole = heartbeat_whole(now);
            self.door.stage.lock().ledger.changed(heartbeat, whole);
        }
    }
}

/// The store keeps whole milliseconds.
fn heartbeat_whole(now: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// A verb group whose verbs pass a gate each; those in braces are written out.
macro_rules! gated {
    ($trait:ident [$($name:ident ($($arg:ident: $kind:ty),*) -> $out:ty),* $(,)?] { $($special:tt)* }) => {
        #[async_trait]
        impl $trait for SimStore {
            $(async fn $name(&self, $($arg: $kind),*) -> Result<$out> {
                let mut pass = self.enter(stringify!($name)).await?;
                let answer = self.db.store.$name($($arg),*).await;
                pass.happened().await;
                self.leave(stringify!($name), pass, answer).await
            })*
            $($special)*
        }
    };
}

gated!(Access [
    create_project(project: &Project) -> Project,
    project(id: ProjectId) -> Project,
    projects() -> Vec<Project>,
    create_key(key: &Key, hash: &SecretHash, now: Timestamp) -> (),
    find_key(hash: &SecretHash) -> Option<Key>,
    create_sign_in(hash: &SecretHash, visit: Visit, expires_at: Timestamp) -> (),
    redeem_sign_in(code: &SecretHash, session: &SecretHash, expires_at: Timestamp, now: Timestamp)
        -> Option<Visit>,
    find_session(hash: &SecretHash, now: Timestamp) -> Option<Visit>,
    end_session(hash: &SecretHash) -> (),
] {
    async fn set_plan(&self, id: ProjectId, plan: &Plan, now: Timestamp) -> Result<Project> {
        let mut pass = self.enter("set_plan").await?;
        let answer = self.db.store.set_plan(id, plan, now).await;
        pass.happened().await;
        if answer.is_ok() {
            self.door.stage.lock().ledger.limited(id, plan.spending());
        }
        self.leave("set_plan", pass, answer).await
    }
});

gated!(Bots [
    create_bot(bot: &Bot) -> Bot,
    bot(project_id: ProjectId, bot: BotRef) -> Bot,
    bots(project_id: ProjectId, page: Page) -> Listed<Bot>,
] {
    async fn update_bot(
        &self,
        project_id: ProjectId,
        bot: BotRef,
        change: BotChange,
        now: Timestamp,
    ) -> Result<Bot> {
        let mut pass = self.enter("update_bot").await?;
        let answer = self.db.store.update_bot(project_id, bot, change, now).await;
        pass.happened().await;
        stopped::asked(&self.door, &self.db).await;
        self.leave("update_bot", pass, answer).await
    }

    async fn delete_bot(&self, project_id: ProjectId, bot: BotRef, now: Timestamp) -> Result<()> {
        let mut pass = self.enter("delete_bot").await?;
        let answer = self.db.store.delete_bot(project_id, bot, now).await;
        pass.happened().await;
        if let (Ok(()), BotRef::Id(id)) = (&answer, bot) {
            self.door.stage.lock().ledger.bot_deleted(id, heartbeat_whole(now));
        }
        stopped::asked(&self.door, &self.db).await;
        self.leave("delete_bot", pass, answer).await
    }
});

gated!(Heartbeats [
    heartbeat(key: HeartbeatKey, now: Timestamp) -> Heartbeat,
    heartbeats(project_id: ProjectId, bot_id: BotId, member_id: Option<MemberId>, now: Timestamp)
        -> Vec<Heartbeat>,
    resume(reach: Reach, most: usize, now: Timestamp) -> Settled,
] {
    async fn settle(&self, ask: SettleAsk, now: Timestamp) -> Result<Settled> {
        let mut pass = self.enter("settle").await?;
        let answer = match self.broken {
            Some(Sabotage::PauseNotSettled) => sabotage::leave_unsettled(&self.db).await,
            _ => self.db.store.settle(ask, now).await,
        };
        pass.happened().await;
        stopped::asked(&self.door, &self.db).await;
        self.leave("settle", pass, answer).await
    }

    async fn cancel(
        &self,
        key: HeartbeatKey,
        reason: Reason,
        now: Timestamp,
    ) -> Result<ExecutionId> {
        let mut pass = self.enter("cancel").await?;
        let answer = self.db.store.cancel(key, reason, now).await;
        pass.happened().await;
        stopped::asked(&self.door, &self.db).await;
        self.leave("cancel", pass, answer).await
    }

    async fn pause(&self, reach: Reach, most: usize, now: Timestamp) -> Result<Settled> {
        let mut pass = self.enter("pause").await?;
        let answer = self.db.store.pause(reach, most, now).await;
        pass.happened().await;
        stopped::asked(&self.door, &self.db).await;
        self.leave("pause", pass, answer).await
    }

    async fn configure(&self, ask: Configure, now: Timestamp) -> Result<Heartbeat> {
        let mut pass = self.enter("configure").await?;
        let enables = ask.change.enabled == Some(true);
        let answer = self.db.store.configure(ask, now).await;
        pass.happened().await;
        self.changed(&answer, now);
        if let (Ok(heartbeat), true) = (&answer, enables) {
            self.door.stage.lock().ledger.enabled(heartbeat.id);
        }
        self.leave("configure", pass, answer).await
    }

    async fn enable(&self, key: HeartbeatKey, plan: &Plan, now: Timestamp) -> Result<Heartbeat> {
        let mut pass = self.enter("enable").await?;
        let answer = self.db.store.enable(key, plan, now).await;
        pass.happened().await;
        self.changed(&answer, now);
        if answer.is_ok() {
            self.door.stage.lock().ledger.enabled(key.id);
        }
        self.leave("enable", pass, answer).await
    }

    async fn disable(&self, key: HeartbeatKey, now: Timestamp) -> Result<Heartbeat> {
        let mut pass = self.enter("disable").await?;
        let answer = self.db.store.disable(key, now).await;
        pass.happened().await;
        self.changed(&answer, now);
        self.leave("disable", pass, answer).await
    }

    async fn delete(&self, key: HeartbeatKey, now: Timestamp) -> Result<()> {
        let mut pass = self.enter("delete").await?;
        let answer = self.db.store.delete(key, now).await;
        pass.happened().await;
        if answer.is_ok() {
            self.door.stage.lock().ledger.deleted(key.id, heartbeat_whole(now));
        }
        stopped::asked(&self.door, &self.db).await;
        self.leave("delete", pass, answer).await
    }
});

gated!(Fires [
    register_node(node: &Node, now: Timestamp) -> (),
    renew_node(renewal: &Renewal, now: Timestamp) -> (),
    end_node(id: NodeId, now: Timestamp) -> (),
    nodes(now: Timestamp) -> Vec<Node>,
    next_claimable_at(now: Timestamp) -> Option<Timestamp>,
    release(hold: &Hold, now: Timestamp) -> (),
    held_by(node_id: NodeId) -> Vec<Hold>,
] {
    async fn cancel_requests(&self, node_id: NodeId) -> Result<Vec<StopRequest>> {
        let mut pass = self.enter("cancel_requests").await?;
        let mut answer = self.db.store.cancel_requests(node_id).await;
        if let (true, Ok(asked)) = (self.is(Sabotage::PauseNotPolled), &mut answer) {
            asked.clear();
        }
        pass.happened().await;
        self.leave("cancel_requests", pass, answer).await
    }

    async fn claim_due(&self, ask: ClaimAsk, now: Timestamp) -> Result<Vec<Claim>> {
        let mut pass = self.enter("claim_due").await?;
        let mut answer = self.db.store.claim_due(ask, now).await;
        pass.happened().await;
        if let Ok(claims) = &mut answer {
            self.break_claims(claims, (ask.node_id, now)).await;
            seen::claims(&self.door, &self.db, claims).await;
        }
        let answer = self.leave("claim_due", pass, answer).await?;
        for claim in &answer {
            self.admitted(claim.hold.execution_id, claim.execution.heartbeat_id);
        }
        Ok(answer)
    }

    async fn trigger(&self, ask: TriggerAsk, now: Timestamp) -> Result<Execution> {
        let mut pass = self.enter("trigger").await?;
        let answer = self.db.store.trigger(ask, now).await;
        pass.happened().await;
        seen::overlap(&self.door.stage, &self.db).await;
        self.leave("trigger", pass, answer).await
    }

    async fn finish(
        &self,
        hold: &Hold,
        ending: &Ending,
        channels: &[Channel],
        now: Timestamp,
    ) -> Result<Settlement> {
        let mut pass = self.enter("finish").await?;
        let mut answer = self.db.store.finish(hold, ending, channels, now).await;
        pass.happened().await;
        if self.is(Sabotage::FinishWithoutFence) && answer == Err(StoreError::Fenced) {
            answer = sabotage::finish_anyway(&self.db, hold, (ending, channels), now).await;
        }
        if let Ok(settlement) = &mut answer {
            if self.is(Sabotage::DueFromNow) {
                sabotage::due_from_now(&self.db, settlement, now).await;
            }
            if self.is(Sabotage::BaselineOnFailure) {
                sabotage::move_baseline(&self.db, hold, &ending.outcome).await;
            }
            seen::finish(&self.door, &self.db, (hold, ending), settlement, now).await;
        }
        self.leave("finish", pass, answer).await
    }
});

gated!(Journal [
    open_journal(hold: &Hold, request: &Value, now: Timestamp) -> Value,
    note_step(hold: &Hold, seq: u32, note: &str) -> (),
    lose_turn(hold: &Hold, seq: u32, now: Timestamp) -> (),
    late_send(hold: &Hold, seq: u32, sent_at: Timestamp) -> (),
    review(project_id: ProjectId, ask: &ReviewAsk, now: Timestamp) -> Step,
    steps(project_id: ProjectId, id: ExecutionId) -> Vec<Step>,
] {
    async fn take_over(&self, hold: &Hold, now: Timestamp) -> Result<Vec<Step>> {
        let mut pass = self.enter("take_over").await?;
        let mut answer = self.db.store.take_over(hold, now).await;
        pass.happened().await;
        if self.is(Sabotage::LeakedReservation) && answer.is_ok() {
            sabotage::leak(&self.db, hold).await;
        }
        if let (true, Ok(steps)) = (self.is(Sabotage::RecordedAskedAgain), &mut answer) {
            sabotage::forget(steps);
        }
        seen::held_credits(&self.door.stage, &self.db).await;
        let answer = self.leave("take_over", pass, answer).await?;
        self.admitted(hold.execution_id, None);
        Ok(answer)
    }

    async fn begin_turn(&self, hold: &Hold, intent: &TurnIntent, now: Timestamp) -> Result<Intent> {
        let mut pass = self.enter("begin_turn").await?;
        let answer = match self.broken {
            Some(Sabotage::NoReserve) => {
                sabotage::begin_without_reserve(&self.db, hold, intent, now).await
            }
            _ => self.db.store.begin_turn(hold, intent, now).await,
        };
        pass.happened().await;
        let answer = match answer {
            Err(StoreError::Conflict(_)) if self.is(Sabotage::RecordedAskedAgain) => {
                Ok(Intent::Go { max_tokens: intent.ask.max_tokens })
            }
            answer => answer,
        };
        seen::budgets(&self.door.stage, &self.db).await;
        self.leave("begin_turn", pass, answer).await
    }

    async fn record_turn(&self, hold: &Hold, record: &TurnRecord, now: Timestamp) -> Result<()> {
        let mut pass = self.enter("record_turn").await?;
        let answer = self.db.store.record_turn(hold, record, now).await;
        pass.happened().await;
        seen::budgets(&self.door.stage, &self.db).await;
        self.leave("record_turn", pass, answer).await
    }

    async fn begin_calls(
        &self,
        hold: &Hold,
        calls: &[CallIntent],
        now: Timestamp,
    ) -> Result<Intent> {
        let mut pass = self.enter("begin_calls").await?;
        let answer = match self.broken {
            Some(Sabotage::CallBeforeIntent) => {
                self.unwritten.lock().expect("nobody panics").extend_from_slice(calls);
                Ok(Intent::Go { max_tokens: 0 })
            }
            Some(Sabotage::UnknownRepeated) => {
                let calls = sabotage::all_safe(calls);
                self.db.store.begin_calls(hold, &calls, now).await
            }
            _ => self.db.store.begin_calls(hold, calls, now).await,
        };
        pass.happened().await;
        self.leave("begin_calls", pass, answer).await
    }

    async fn record_call(
        &self,
        hold: &Hold,
        record: &CallRecord,
        (notices, channels): (&[NoticeDraft], &[Channel]),
        now: Timestamp,
    ) -> Result<()> {
        let mut pass = self.enter("record_call").await?;
        if self.is(Sabotage::CallBeforeIntent) {
            let calls = std::mem::take(&mut *self.unwritten.lock().expect("nobody panics"));
            // A refusal only says that it is too late for these.
            let _ = self.db.store.begin_calls(hold, &calls, now).await;
        }
        let outside = self.is(Sabotage::OutboxOutside) && !notices.is_empty();
        let told = if outside { (&[][..], channels) } else { (notices, channels) };
        let answer = self.db.store.record_call(hold, record, told, now).await;
        pass.happened().await;
        let seq = record.seq;
        seen::call(&self.door.stage, &self.db, hold, (seq, notices)).await;
        let answer = self.leave("record_call", pass, answer).await;
        if let (true, Ok(()), Some(notice)) = (outside, &answer, notices.first()) {
            let pass = self.enter("tell_late").await?;
            sabotage::tell_late(&self.db, hold, seq, (&notice.title, now)).await;
            self.leave("tell_late", pass, Ok(())).await?;
        }
        answer
    }
});

gated!(Executions [
    execution(project_id: ProjectId, id: ExecutionId) -> Execution,
    logs(project_id: ProjectId, filter: &LogFilter, page: Page) -> Listed<Execution>,
    past_runs(
        project_id: ProjectId,
        heartbeat_id: HeartbeatId,
        within: (Timestamp, Timestamp),
        most: u32
    ) -> PastRuns,
    pauses(project_id: ProjectId, heartbeat_id: HeartbeatId, within: (Timestamp, Timestamp))
        -> Vec<PauseRecord>,
    prune(project_id: ProjectId, before: (Option<Timestamp>, Option<Timestamp>), most: u32) -> u64,
    tend_history(kept: HistoryKept, now: Timestamp) -> Tended,
] {});

gated!(Outbox [
    tell(project_id: ProjectId, notice: &NoticeDraft, channels: &[Channel], now: Timestamp) -> bool,
    due_deliveries(want: usize, hold_until: Timestamp, now: Timestamp) -> Vec<Delivery>,
    record_attempt(delivery: &Delivery, attempt: &Attempt, now: Timestamp) -> (),
    next_delivery_at() -> Option<Timestamp>,
    notices(project_id: ProjectId, filter: &NoticeFilter, page: Page) -> Listed<Notice>,
    acknowledge(project_id: ProjectId, id: NoticeId, now: Timestamp) -> Notice,
] {});

gated!(ToolServers [
    create_tool_server(ask: &NewToolServer) -> ToolServer,
    tool_server(key: ToolServerKey) -> ToolServer,
    tool_servers(project_id: ProjectId, bot_id: BotId, page: Page) -> Listed<ToolServer>,
    update_tool_server(key: ToolServerKey, change: ToolServerChange, now: Timestamp) -> ToolServer,
    refresh_tools(key: ToolServerKey, listed: Vec<ListedTool>, now: Timestamp) -> ToolServer,
    record_trouble(key: ToolServerKey, trouble: &str, now: Timestamp) -> ToolServer,
    decide_tools(key: ToolServerKey, decisions: Vec<ToolDecision>, now: Timestamp) -> ToolServer,
    delete_tool_server(key: ToolServerKey) -> (),
    reach_one(key: ToolServerKey) -> Reachable,
    reach(project_id: ProjectId, bot_id: BotId) -> Vec<Reachable>,
] {});

gated!(Credits [
    usage(project_id: ProjectId, ask: UsageAsk, now: Timestamp) -> UsageSummary,
    add_credit(project_id: ProjectId, entry: &CreditEntry, now: Timestamp) -> i64,
    credit_entries(project_id: ProjectId, page: Page) -> Listed<CreditEntry>,
    limit_member(project_id: ProjectId, member_id: MemberId, limit: Option<u64>, now: Timestamp) -> (),
] {});

gated!(Stats [
    stats(project_id: ProjectId, bot_id: BotId, days: u32, now: Timestamp) -> StatsSummary,
    take_stock() -> Vec<String>,
] {});

impl SimStore {
    async fn break_claims(&self, claims: &mut Vec<Claim>, (node, now): (NodeId, Timestamp)) {
        match self.broken {
            Some(Sabotage::WindowInUtc) => sabotage::in_utc(claims),
            Some(Sabotage::ClaimWithoutKey) => {
                let held = seen::held(&self.door, false);
                sabotage::claim_held_too(&self.db, (claims, &held), node, (false, now)).await;
            }
            Some(Sabotage::OverlapAllowed) => {
                let held = seen::held(&self.door, true);
                sabotage::claim_held_too(&self.db, (claims, &held), node, (true, now)).await;
            }
            _ => {}
        }
    }

    /// The engine decides now whether it starts.
    fn admitted(&self, id: ExecutionId, heartbeat: Option<HeartbeatId>) {
        let at = self.door.clock.now();
        let mut state = self.door.stage.lock();
        let fields = match heartbeat {
            Some(heartbeat) => state
                .ledger
                .entries
                .get(&heartbeat)
                .map(|entry| entry.fields.clone()),
            None => state
                .memory
                .admitted
                .get(&id)
                .and_then(|before| before.last()?.fields.clone()),
        };
        let moments = state.memory.admitted.entry(id).or_default();
        moments.push(Admitted { at, fields });
    }
}
