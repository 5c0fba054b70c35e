//! A store whose caller does what every caller does when an answer was lost: it asks again, with
//! the same key. The way to the server loses the answer of every verb that writes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::future::BoxFuture;
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
use heartbeat_store::verbs::{
    Access, Attempt, BotRef, Bots, CallIntent, CallRecord, Channel, ClaimAsk, Configure,
    CreditEntry, Credits, Delivery, Executions, Fires, HeartbeatKey, Heartbeats, HistoryKept,
    Intent, Journal, Key, Listed, LogFilter, NewToolServer, Notice, NoticeFilter, Outbox, Page,
    PastRuns, PauseRecord, Reach, Reachable, Result, ReviewAsk, SecretHash, SettleAsk, Settled,
    Stats, StatsSummary, StopRequest, Tended, ToolServerKey, ToolServers, TriggerAsk, TurnIntent,
    TurnRecord, UsageAsk, UsageSummary, Visit,
};
use heartbeat_store::{Store, StoreError};
use heartbeat_testkit::losing_way::LosingWay;
use jiff::Timestamp;
use serde_json::Value;

/// How often a verb is asked again at most; verbs that run at once may lose each other's answers.
const REPEATS: usize = 20;

/// How often each verb was asked, and how often its answer was lost.
pub(crate) type Tally = Arc<Mutex<BTreeMap<&'static str, (u64, u64)>>>;

/// A store over a way that loses answers.
pub(crate) struct Repeating {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) way: LosingWay,
    pub(crate) tally: Tally,
    /// How often the answer of one verb is lost at most.
    pub(crate) most: u64,
    /// How often it was here.
    pub(crate) lost: Mutex<BTreeMap<&'static str, u64>>,
}

impl Repeating {
    /// Asks, loses the answer, and asks again.
    async fn ask<'v, T>(
        &self,
        verb: &'static str,
        mut call: impl FnMut() -> BoxFuture<'v, Result<T>> + Send,
    ) -> Result<T> {
        let before = self.way.lost();
        if self.lost_of(verb) < self.most {
            self.way.lose_next();
        }
        let mut answer = call().await;
        for _ in 0..REPEATS {
            if !matches!(answer, Err(StoreError::Unavailable(_))) {
                break;
            }
            answer = call().await;
        }
        // The store may have asked again by itself.
        let lost = u64::from(self.way.lost() > before);
        *locked(&self.lost).entry(verb).or_default() += lost;
        let mut tally = locked(&self.tally);
        let counts = tally.entry(verb).or_default();
        counts.0 += 1;
        counts.1 += lost;
        answer
    }

    fn lost_of(&self, verb: &'static str) -> u64 {
        locked(&self.lost).get(verb).copied().unwrap_or(0)
    }
}

fn locked<T>(held: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A verb group: those that write and whose answers are lost, and those that are passed on.
macro_rules! group {
    ($trait:ident, $names:ident
        writes [$($write:ident ($($arg:ident: $kind:ty),*) -> $out:ty),* $(,)?]
        passes [$($read:ident ($($its:ident: $sort:ty),*) -> $back:ty),* $(,)?]
    ) => {
        pub(crate) const $names: &[&str] = &[$(stringify!($write)),*];

        #[async_trait]
        impl $trait for Repeating {
            $(async fn $write(&self, $($arg: $kind),*) -> Result<$out> {
                let call = || self.store.$write($(Clone::clone(&$arg)),*);
                self.ask(stringify!($write), call).await
            })*
            $(async fn $read(&self, $($its: $sort),*) -> Result<$back> {
                self.store.$read($($its),*).await
            })*
        }
    };
}

group!(Access, ACCESS
    writes [
        create_project(project: &Project) -> Project,
        set_plan(id: ProjectId, plan: &Plan, now: Timestamp) -> Project,
        create_key(key: &Key, hash: &SecretHash, now: Timestamp) -> (),
        create_sign_in(hash: &SecretHash, visit: Visit, expires_at: Timestamp) -> (),
        redeem_sign_in(code: &SecretHash, session: &SecretHash, expires_at: Timestamp,
            now: Timestamp) -> Option<Visit>,
        end_session(hash: &SecretHash) -> (),
    ]
    passes [
        project(id: ProjectId) -> Project,
        projects() -> Vec<Project>,
        find_key(hash: &SecretHash) -> Option<Key>,
        find_session(hash: &SecretHash, now: Timestamp) -> Option<Visit>,
    ]
);

group!(Bots, BOTS
    writes [
        create_bot(bot: &Bot) -> Bot,
        update_bot(project_id: ProjectId, bot: BotRef, change: BotChange, now: Timestamp) -> Bot,
        delete_bot(project_id: ProjectId, bot: BotRef, now: Timestamp) -> (),
    ]
    passes [
        bot(project_id: ProjectId, bot: BotRef) -> Bot,
        bots(project_id: ProjectId, page: Page) -> Listed<Bot>,
    ]
);

group!(Heartbeats, HEARTBEATS
    writes [
        configure(ask: Configure, now: Timestamp) -> Heartbeat,
        enable(key: HeartbeatKey, plan: &Plan, now: Timestamp) -> Heartbeat,
        disable(key: HeartbeatKey, now: Timestamp) -> Heartbeat,
        delete(key: HeartbeatKey, now: Timestamp) -> (),
        cancel(key: HeartbeatKey, reason: Reason, now: Timestamp) -> ExecutionId,
        pause(reach: Reach, most: usize, now: Timestamp) -> Settled,
        resume(reach: Reach, most: usize, now: Timestamp) -> Settled,
        settle(ask: SettleAsk, now: Timestamp) -> Settled,
    ]
    passes [
        heartbeat(key: HeartbeatKey, now: Timestamp) -> Heartbeat,
        heartbeats(project_id: ProjectId, bot_id: BotId, member_id: Option<MemberId>,
            now: Timestamp) -> Vec<Heartbeat>,
    ]
);

group!(Fires, FIRES
    writes [
        claim_due(ask: ClaimAsk, now: Timestamp) -> Vec<Claim>,
        register_node(node: &Node, now: Timestamp) -> (),
        renew_node(renewal: &Renewal, now: Timestamp) -> (),
        end_node(id: NodeId, now: Timestamp) -> (),
        trigger(ask: TriggerAsk, now: Timestamp) -> Execution,
        finish(hold: &Hold, ending: &Ending, channels: &[Channel], now: Timestamp) -> Settlement,
        release(hold: &Hold, now: Timestamp) -> (),
    ]
    passes [
        nodes(now: Timestamp) -> Vec<Node>,
        next_claimable_at(now: Timestamp) -> Option<Timestamp>,
        held_by(node_id: NodeId) -> Vec<Hold>,
        cancel_requests(node_id: NodeId) -> Vec<StopRequest>,
    ]
);

group!(Journal, JOURNAL
    writes [
        open_journal(hold: &Hold, request: &Value, now: Timestamp) -> Value,
        take_over(hold: &Hold, now: Timestamp) -> Vec<Step>,
        begin_turn(hold: &Hold, intent: &TurnIntent, now: Timestamp) -> Intent,
        record_turn(hold: &Hold, record: &TurnRecord, now: Timestamp) -> (),
        lose_turn(hold: &Hold, seq: u32, now: Timestamp) -> (),
        begin_calls(hold: &Hold, calls: &[CallIntent], now: Timestamp) -> Intent,
        record_call(hold: &Hold, record: &CallRecord, told: (&[NoticeDraft], &[Channel]),
            now: Timestamp) -> (),
        note_step(hold: &Hold, seq: u32, note: &str) -> (),
        late_send(hold: &Hold, seq: u32, sent_at: Timestamp) -> (),
        review(project_id: ProjectId, ask: &ReviewAsk, now: Timestamp) -> Step,
    ]
    passes [
        steps(project_id: ProjectId, id: ExecutionId) -> Vec<Step>,
    ]
);

group!(Executions, EXECUTIONS
    writes [
        prune(project_id: ProjectId, before: (Option<Timestamp>, Option<Timestamp>), most: u32)
            -> u64,
        tend_history(kept: HistoryKept, now: Timestamp) -> Tended,
    ]
    passes [
        execution(project_id: ProjectId, id: ExecutionId) -> Execution,
        logs(project_id: ProjectId, filter: &LogFilter, page: Page) -> Listed<Execution>,
        past_runs(project_id: ProjectId, heartbeat_id: HeartbeatId,
            within: (Timestamp, Timestamp), most: u32) -> PastRuns,
        pauses(project_id: ProjectId, heartbeat_id: HeartbeatId, within: (Timestamp, Timestamp))
            -> Vec<PauseRecord>,
    ]
);

group!(Outbox, OUTBOX
    writes [
        tell(project_id: ProjectId, notice: &NoticeDraft, channels: &[Channel], now: Timestamp)
            -> bool,
        due_deliveries(want: usize, hold_until: Timestamp, now: Timestamp) -> Vec<Delivery>,
        record_attempt(delivery: &Delivery, attempt: &Attempt, now: Timestamp) -> (),
        acknowledge(project_id: ProjectId, id: NoticeId, now: Timestamp) -> Notice,
    ]
    passes [
        next_delivery_at() -> Option<Timestamp>,
        notices(project_id: ProjectId, filter: &NoticeFilter, page: Page) -> Listed<Notice>,
    ]
);

group!(ToolServers, TOOL_SERVERS
    writes [
        create_tool_server(ask: &NewToolServer) -> ToolServer,
        update_tool_server(key: ToolServerKey, change: ToolServerChange, now: Timestamp)
            -> ToolServer,
        refresh_tools(key: ToolServerKey, listed: Vec<ListedTool>, now: Timestamp) -> ToolServer,
        record_trouble(key: ToolServerKey, trouble: &str, now: Timestamp) -> ToolServer,
        decide_tools(key: ToolServerKey, decisions: Vec<ToolDecision>, now: Timestamp)
            -> ToolServer,
        delete_tool_server(key: ToolServerKey) -> (),
    ]
    passes [
        tool_server(key: ToolServerKey) -> ToolServer,
        tool_servers(project_id: ProjectId, bot_id: BotId, page: Page) -> Listed<ToolServer>,
        reach_one(key: ToolServerKey) -> Reachable,
        reach(project_id: ProjectId, bot_id: BotId) -> Vec<Reachable>,
    ]
);

group!(Credits, CREDITS
    writes [
        add_credit(project_id: ProjectId, entry: &CreditEntry, now: Timestamp) -> i64,
        limit_member(project_id: ProjectId, member_id: MemberId, limit: Option<u64>,
            now: Timestamp) -> (),
    ]
    passes [
        usage(project_id: ProjectId, ask: UsageAsk, now: Timestamp) -> UsageSummary,
        credit_entries(project_id: ProjectId, page: Page) -> Listed<CreditEntry>,
    ]
);

group!(Stats, STATS
    writes []
    passes [
        stats(project_id: ProjectId, bot_id: BotId, days: u32, now: Timestamp) -> StatsSummary,
        take_stock() -> Vec<String>,
    ]
);

/// Every verb whose answers are lost here.
pub(crate) fn verbs() -> impl Iterator<Item = &'static str> {
    let groups = [
        ACCESS,
        BOTS,
        HEARTBEATS,
        FIRES,
        JOURNAL,
        EXECUTIONS,
        OUTBOX,
        TOOL_SERVERS,
        CREDITS,
        STATS,
    ];
    groups.into_iter().flatten().copied()
}
