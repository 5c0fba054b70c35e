//! Levels of budget, what they used, and the balance of a project.

use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::budget::{MICRO, Scope};
use heartbeat_domain::claim::Claim;
use heartbeat_domain::execution::{BreakerEffect, Ending, Outcome};
use heartbeat_domain::heartbeat::{Patch, billing_period};
use heartbeat_domain::ids::{CreditId, HeartbeatId, MemberId, ProjectId};
use heartbeat_domain::plan::{Plan, Spending};
use heartbeat_domain::reason::Reason;
use heartbeat_store::StoreError;
use heartbeat_store::verbs::{
    BotRef, Channel, CreditEntry, Intent, LogFilter, NoticeFilter, UsageAsk, UsageBy, UsageSummary,
};
use jiff::Timestamp;

use crate::world::{PAGE, World, answer, minute, second, turn};

const LEVELS: &[Scope] = Scope::ALL;

/// A project of its own for a level, in which only that level has a limit.
struct Case<'w> {
    w: &'w World,
    scope: Scope,
    bot: Bot,
    member: MemberId,
    spending: Spending,
}

async fn case(w: &World, scope: Scope, limit: u64) -> Case<'_> {
    let bot = w.neighbour(scope.as_str()).await;
    let case = Case {
        member: MemberId::new(&w.ids, minute(0)),
        spending: Spending {
            daily: (scope == Scope::ProjectDay).then_some(limit),
            monthly: (scope == Scope::ProjectMonth).then_some(limit),
        },
        w,
        scope,
        bot,
    };
    case.limit(Some(limit), minute(0)).await;
    case
}

impl Case<'_> {
    fn project(&self) -> ProjectId {
        self.bot.project_id
    }

    /// Gives the level another limit, where a verb can.
    async fn limit(&self, limit: Option<u64>, now: Timestamp) {
        let (store, project) = (&self.w.store, self.project());
        match self.scope {
            Scope::Member => {
                store
                    .limit_member(project, self.member, limit, now)
                    .await
                    .unwrap();
            }
            Scope::Bot => {
                let change = BotChange {
                    credit_limit: limit.map_or(Patch::Clear, Patch::Set),
                    ..BotChange::default()
                };
                let bot = BotRef::Id(self.bot.id);
                store.update_bot(project, bot, change, now).await.unwrap();
            }
            _ => {}
        }
    }

    async fn heartbeat(&self, limit: u64) -> HeartbeatId {
        let made = self.w.made_by(
            &self.bot,
            |change| {
                change.member_id = Some(self.member);
                if self.scope == Scope::Heartbeat {
                    change.credit_budget = Patch::Set(limit);
                }
            },
            minute(0),
        );
        made.await.unwrap().id
    }

    async fn begin(&self, claim: &Claim, seq: u32, bounds: (u64, u32), now: Timestamp) -> Intent {
        let mut intent = turn(seq, bounds.0, bounds.1);
        intent.spending = self.spending;
        let begun = self.w.store.begin_turn(&claim.hold, &intent, now).await;
        begun.unwrap()
    }

    async fn record(&self, claim: &Claim, seq: u32, credits: u64, now: Timestamp) {
        let mut record = answer(seq, credits * 1_000, credits * MICRO);
        record.channels = vec![Channel::Webhook];
        let recorded = self.w.store.record_turn(&claim.hold, &record, now).await;
        recorded.unwrap();
    }

    async fn paused(&self, id: HeartbeatId, now: Timestamp) -> Option<(Reason, Option<Timestamp>)> {
        let key = heartbeat_store::verbs::HeartbeatKey {
            project_id: self.project(),
            bot_id: self.bot.id,
            id,
        };
        let heartbeat = self.w.store.heartbeat(key, now).await.unwrap();
        heartbeat
            .paused
            .map(|pause| (pause.reason, pause.resumes_at))
    }

    async fn usage(&self, by: UsageBy, now: Timestamp) -> UsageSummary {
        usage(self.w, self.project(), (by, self.spending), now).await
    }

    /// What the level itself has drawn and holds.
    async fn drawn(&self, now: Timestamp) -> (u64, u64) {
        let by = match self.scope {
            Scope::Member => UsageBy::Member(Some(self.member)),
            Scope::Heartbeat => UsageBy::Heartbeat(None),
            _ => UsageBy::Bot(None),
        };
        let usage = self.usage(by, now).await;
        let level = match self.scope {
            Scope::ProjectDay => usage.today.unwrap(),
            Scope::ProjectMonth => usage.month,
            _ => usage.levels.rows.into_iter().next().unwrap(),
        };
        assert_eq!(level.scope, self.scope);
        (level.used, level.held)
    }
}

async fn usage(
    w: &World,
    project: ProjectId,
    (by, spending): (UsageBy, Spending),
    now: Timestamp,
) -> UsageSummary {
    let ask = UsageAsk {
        month: billing_period(now),
        by,
        spending,
        page: PAGE,
    };
    w.store.usage(project, ask, now).await.unwrap()
}

fn stopped(scope: Scope) -> Ending {
    Ending {
        level: Some(scope),
        ..Ending::plain(Outcome::Error {
            reason: scope.reason(),
            message: "no room".into(),
            breaker: BreakerEffect::Ignored,
        })
    }
}

fn resumes_at(scope: Scope) -> Option<Timestamp> {
    let text = match scope {
        Scope::ProjectDay => "2026-11-24T00:00:00Z",
        _ => "2026-12-01T00:00:00Z",
    };
    Some(text.parse().unwrap())
}

pub(crate) async fn every_level_lowers_max_tokens_then_refuses_and_pauses(w: &World) {
    let node = w.node(minute(0)).await;
    for &scope in LEVELS {
        let case = case(w, scope, 3).await;
        let id = case.heartbeat(3).await;
        w.renew(node, minute(30)).await;
        let claim = w.claim_one(node, minute(30)).await;
        let lowered = case.begin(&claim, 1, (1_000, 4_096), minute(30)).await;
        assert_eq!(lowered, Intent::Go { max_tokens: 1_024 }, "{scope:?}");
        case.record(&claim, 1, 2, minute(30)).await;
        let refused = case.begin(&claim, 2, (1_000, 4_096), minute(30)).await;
        assert_eq!(refused, Intent::Exhausted(scope));
        assert_eq!(case.drawn(minute(30)).await, (0, 2), "{scope:?}");
        let settled = w
            .store
            .finish(&claim.hold, &stopped(scope), &[], minute(31))
            .await
            .unwrap();
        assert_eq!(settled.execution.credits_charged, 2);
        assert_eq!(case.drawn(minute(31)).await, (2, 0), "{scope:?}");
        let paused = case.paused(id, minute(31)).await;
        assert_eq!(paused, Some((scope.reason(), resumes_at(scope))));
    }
}

pub(crate) async fn holds_of_others_make_every_level_busy_and_not_exhausted(w: &World) {
    let node = w.node(minute(0)).await;
    for &scope in LEVELS.iter().filter(|scope| **scope != Scope::Heartbeat) {
        let case = case(w, scope, 2).await;
        for _ in 0..2 {
            case.heartbeat(2).await;
        }
        w.renew(node, minute(30)).await;
        let claims = w.claim(node, 10, minute(30)).await;
        assert_eq!(claims.len(), 2);
        let first = case.begin(&claims[0], 1, (1_000, 1_000), minute(30)).await;
        assert_eq!(first, Intent::Go { max_tokens: 1_000 });
        let second = case.begin(&claims[1], 1, (1_000, 1_000), minute(30)).await;
        assert_eq!(second, Intent::Busy(scope));
        case.record(&claims[0], 1, 0, minute(30)).await;
        let second = case.begin(&claims[1], 1, (1_000, 1_000), minute(30)).await;
        assert_eq!(second, Intent::Go { max_tokens: 1_000 }, "{scope:?}");
        for claim in &claims {
            w.finish(&claim.hold, Outcome::Success, minute(31))
                .await
                .unwrap();
        }
        assert_eq!(case.drawn(minute(31)).await, (0, 0), "{scope:?}");
    }
}

pub(crate) async fn a_lost_turn_costs_its_input_bound_on_every_level(w: &World) {
    let mut node = w.node(minute(0)).await;
    let mut now = 1_800;
    for &scope in LEVELS {
        let case = case(w, scope, 50).await;
        let id = case.heartbeat(50).await;
        w.renew(node, second(now)).await;
        let claim = w.claim_one(node, second(now)).await;
        case.begin(&claim, 1, (3_000, 5_000), second(now)).await;
        assert_eq!(case.drawn(second(now)).await, (0, 8), "{scope:?}");
        now += 11;
        node = w.node(second(now)).await;
        let next = w.claim_one(node, second(now)).await;
        w.store.take_over(&next.hold, second(now)).await.unwrap();
        assert_eq!(case.drawn(second(now)).await, (0, 3), "{scope:?}");
        w.finish(&next.hold, Outcome::Success, second(now))
            .await
            .unwrap();
        assert_eq!(case.drawn(second(now)).await, (3, 0), "{scope:?}");
        assert_eq!(case.paused(id, second(now)).await, None);
    }
}

pub(crate) async fn a_bill_beyond_the_reservation_is_charged_told_and_pauses_on_every_level(
    w: &World,
) {
    let node = w.node(minute(0)).await;
    for &scope in LEVELS {
        let case = case(w, scope, 3).await;
        let id = case.heartbeat(3).await;
        w.renew(node, minute(30)).await;
        let claim = w.claim_one(node, minute(30)).await;
        case.begin(&claim, 1, (1_000, 1_000), minute(30)).await;
        for _ in 0..2 {
            case.record(&claim, 1, 9, minute(30)).await;
        }
        let next = case.begin(&claim, 2, (1, 256), minute(30)).await;
        assert_eq!(next, Intent::Exhausted(scope), "it is stopped");
        let filter = NoticeFilter::default();
        let told = w
            .store
            .notices(case.project(), &filter, PAGE)
            .await
            .unwrap();
        assert_eq!(told.total, 1, "{scope:?}");
        let incident = &told.rows[0];
        assert!(incident.title.contains("billed more than it was allowed"));
        assert_eq!(incident.status, "unread");
        w.finish(&claim.hold, Outcome::Success, minute(31))
            .await
            .unwrap();
        assert_eq!(case.drawn(minute(31)).await, (9, 0), "{scope:?}");
        let paused = case.paused(id, minute(31)).await;
        assert_eq!(paused, Some((scope.reason(), resumes_at(scope))));
    }
}

pub(crate) async fn a_higher_limit_lets_what_it_paused_go_on(w: &World) {
    let node = w.node(minute(0)).await;
    for scope in [Scope::Member, Scope::Bot] {
        let case = case(w, scope, 1).await;
        let id = case.heartbeat(1).await;
        w.renew(node, minute(30)).await;
        let claim = w.claim_one(node, minute(30)).await;
        case.begin(&claim, 1, (500, 500), minute(30)).await;
        case.record(&claim, 1, 1, minute(30)).await;
        w.finish(&claim.hold, Outcome::Success, minute(31))
            .await
            .unwrap();
        assert!(case.paused(id, minute(31)).await.is_some(), "{scope:?}");
        case.limit(Some(0), minute(32)).await;
        assert!(case.paused(id, minute(32)).await.is_some(), "0 is nothing");
        case.limit(Some(5), minute(33)).await;
        assert_eq!(case.paused(id, minute(33)).await, None, "{scope:?}");
    }
}

fn entry(w: &World, credits: i64, now: Timestamp) -> CreditEntry {
    CreditEntry {
        id: CreditId::new(&w.ids, now),
        credits,
        note: "invoice 7".into(),
        drawn: false,
        created_at: now,
    }
}

pub(crate) async fn an_entry_is_put_on_the_balance_once_and_never_takes_more_than_is_there(
    w: &World,
) {
    let project = w.project.id;
    let first = entry(w, 30, minute(0));
    for _ in 0..2 {
        let added = w.store.add_credit(project, &first, minute(0)).await;
        assert_eq!(added, Ok(30));
    }
    let less = entry(w, -10, minute(1));
    let taken = w.store.add_credit(project, &less, minute(1)).await;
    assert_eq!(taken, Ok(20));
    for wrong in [0, -21, i64::MAX] {
        let wrong_one = entry(w, wrong, minute(2));
        let refused = w.store.add_credit(project, &wrong_one, minute(2)).await;
        let Err(StoreError::Violation(violation)) = refused else {
            panic!("{wrong}: {refused:?}");
        };
        assert_eq!(violation.field, "credits");
    }
    let ledger = w.store.credit_entries(project, PAGE).await.unwrap();
    let amounts: Vec<i64> = ledger.rows.iter().map(|entry| entry.credits).collect();
    assert_eq!((amounts, ledger.total), (vec![-10, 30], 2));
    let usage = usage(
        w,
        project,
        (UsageBy::Bot(None), Spending::default()),
        minute(3),
    )
    .await;
    assert_eq!(usage.allowance.balance(), 20);
    let stranger = ProjectId::new(&w.ids, minute(0));
    let unknown = w.store.add_credit(stranger, &first, minute(0)).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))));
}

pub(crate) async fn beyond_the_plans_credits_the_balance_pays_until_it_is_empty(w: &World) {
    let node = w.node(minute(0)).await;
    let mut case = case(w, Scope::ProjectMonth, 4).await;
    case.spending.monthly = Some(4);
    let project = case.project();
    w.store
        .add_credit(project, &entry(w, 3, minute(0)), minute(0))
        .await
        .unwrap();
    let id = case.heartbeat(0).await;
    for round in 1..=2 {
        let now = minute(30 * round);
        w.renew(node, now).await;
        let claim = w.claim_one(node, now).await;
        let begun = case.begin(&claim, 1, (2_000, 1_000), now).await;
        assert_eq!(begun, Intent::Go { max_tokens: 1_000 }, "round {round}");
        case.record(&claim, 1, 3, now).await;
        w.finish(&claim.hold, Outcome::Success, now).await.unwrap();
    }
    // 4 of the plan and 2 of the balance are gone; 1 is left.
    let usage = case.usage(UsageBy::Bot(None), minute(61)).await;
    assert_eq!((usage.month.used, usage.allowance.balance()), (6, 1));
    assert_eq!(usage.allowance.level().limit, Some(7));
    w.renew(node, minute(90)).await;
    let claim = w.claim_one(node, minute(90)).await;
    let refused = case.begin(&claim, 1, (2_000, 1_000), minute(90)).await;
    assert_eq!(refused, Intent::Exhausted(Scope::ProjectMonth));
    let ending = Ending {
        level: Some(Scope::ProjectMonth),
        ..Ending::plain(Outcome::Skipped {
            reason: Reason::CreditsExhausted,
        })
    };
    w.store
        .finish(&claim.hold, &ending, &[], minute(90))
        .await
        .unwrap();
    let reason = case.paused(id, minute(90)).await.map(|(reason, _)| reason);
    assert_eq!(reason, Some(Reason::CreditsExhausted));
    let more = entry(w, 10, minute(91));
    assert_eq!(w.store.add_credit(project, &more, minute(91)).await, Ok(11));
    assert_eq!(case.paused(id, minute(91)).await, None);
    let ledger = w.store.credit_entries(project, PAGE).await.unwrap();
    let drawn = ledger.rows.iter().filter(|entry| entry.drawn);
    assert_eq!(drawn.map(|entry| entry.credits).collect::<Vec<_>>(), [-2]);
    let sum: i64 = ledger.rows.iter().map(|entry| entry.credits).sum();
    assert_eq!(sum, 11);
}

pub(crate) async fn another_plan_lets_what_waited_for_credits_go_on(w: &World) {
    let node = w.node(minute(0)).await;
    let case = case(w, Scope::ProjectMonth, 1).await;
    let id = case.heartbeat(0).await;
    w.renew(node, minute(30)).await;
    let claim = w.claim_one(node, minute(30)).await;
    case.begin(&claim, 1, (500, 500), minute(30)).await;
    case.record(&claim, 1, 1, minute(30)).await;
    w.finish(&claim.hold, Outcome::Success, minute(31))
        .await
        .unwrap();
    assert!(case.paused(id, minute(31)).await.is_some());
    let roomy = Plan {
        monthly_credits: Some(100),
        ..Plan::default()
    };
    let project = case.project();
    w.store.set_plan(project, &roomy, minute(32)).await.unwrap();
    assert_eq!(case.paused(id, minute(32)).await, None);
}

pub(crate) async fn rows_periods_and_usage_agree_to_the_credit(w: &World) {
    let node = w.node(minute(0)).await;
    let case = case(w, Scope::Bot, 1_000).await;
    for _ in 0..3 {
        case.heartbeat(0).await;
    }
    for round in 1..=3_i64 {
        // The last round is a day later.
        let now = minute(if round == 3 { 30 * 49 } else { 30 * round });
        w.renew(node, now).await;
        for (number, claim) in (1..).zip(w.claim(node, 10, now).await) {
            case.begin(&claim, 1, (9_000, 256), now).await;
            case.record(&claim, 1, number, now).await;
            w.finish(&claim.hold, Outcome::Success, now).await.unwrap();
        }
    }
    let now = minute(30 * 49);
    let logs = w
        .store
        .logs(case.project(), &LogFilter::default(), PAGE)
        .await;
    let rows = logs.unwrap().rows;
    let charged: u64 = rows.iter().map(|row| row.credits_charged).sum();
    let tokens: u64 = rows.iter().map(|row| row.tokens_used).sum();
    assert_eq!((charged, tokens), (18, 18_000));
    let member = UsageBy::Member(Some(case.member));
    for by in [UsageBy::Bot(None), UsageBy::Heartbeat(None), member] {
        let usage = case.usage(by, now).await;
        let of_levels = usage.levels.rows.iter().map(|level| level.used);
        assert_eq!(of_levels.sum::<u64>(), charged, "{by:?}");
        let of_levels = usage.levels.rows.iter().map(|level| level.tokens);
        assert_eq!(of_levels.sum::<u64>(), tokens, "{by:?}");
        assert_eq!((usage.month.used, usage.month.tokens), (charged, tokens));
        let days: Vec<_> = usage.days.iter().map(|(_, used, _)| *used).collect();
        assert_eq!(days, [12, 6]);
    }
    let one = case.usage(UsageBy::Heartbeat(Some(case.bot.id)), now).await;
    assert_eq!(one.levels.total, 3);
    let other = UsageBy::Heartbeat(Some(w.bot.id));
    assert_eq!(case.usage(other, now).await.levels.total, 0);
    let before = UsageAsk {
        month: billing_period(now) - 1,
        by: UsageBy::Bot(None),
        spending: Spending::default(),
        page: PAGE,
    };
    let before = w.store.usage(case.project(), before, now).await.unwrap();
    assert_eq!((before.month.used, before.today), (0, None));
}
