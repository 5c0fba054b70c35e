//! Twenty executions in parallel against one budget, a hundred times: not one credit too many.
//!
//! The same storm against turns that reserve next to nothing must overspend, or it would prove nothing.

use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::budget::{Ask, Rates, Scope};
use heartbeat_domain::claim::Claim;
use heartbeat_domain::execution::{Ending, Outcome};
use heartbeat_domain::heartbeat::{Patch, billing_period};
use heartbeat_domain::ids::{CreditId, MemberId};
use heartbeat_domain::plan::Spending;
use heartbeat_store::verbs::{
    BotRef, CreditEntry, Intent, LogFilter, TurnIntent, UsageAsk, UsageBy, UsageSummary,
};
use jiff::Timestamp;
use std::sync::Arc;

use crate::world::{PAGE, World, answer, minute, turn};

const EXECUTIONS: usize = 20;

/// Numbers that look random and repeat with the seed.
struct Dice(u64);

impl Dice {
    fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        least + self.0 % (most - least + 1)
    }
}

/// One budget, and the project that it is all about.
#[derive(Clone)]
struct Storm {
    bot: Bot,
    scope: Scope,
    limit: u64,
    spending: Spending,
    /// Whether turns reserve what they may cost; otherwise the storm is there to be caught.
    reserves: bool,
}

/// What a storm came to.
#[derive(Debug, Default)]
struct Outcomes {
    charged: u64,
    busy: u64,
    exhausted: u64,
}

const SCOPES: [Scope; 4] = [
    Scope::Member,
    Scope::Bot,
    Scope::ProjectDay,
    Scope::ProjectMonth,
];

async fn set(w: &World, (seed, reserves): (u64, bool), now: Timestamp) -> Storm {
    let mut dice = Dice(seed * 7_919 + 1);
    let scope = SCOPES[usize::try_from(seed % 4).unwrap()];
    let limit = dice.between(5, 60);
    let bot = w.neighbour(&format!("storm {seed} {reserves}")).await;
    let project = bot.project_id;
    let member = MemberId::new(&w.ids, now);
    let mut spending = Spending::default();
    match scope {
        Scope::Member => {
            let limited = w.store.limit_member(project, member, Some(limit), now);
            limited.await.unwrap();
        }
        Scope::Bot => {
            let change = BotChange {
                credit_limit: Patch::Set(limit),
                ..BotChange::default()
            };
            let updated = w.store.update_bot(project, BotRef::Id(bot.id), change, now);
            updated.await.unwrap();
        }
        Scope::ProjectDay => spending.daily = Some(limit),
        _ => {
            // A part of it is the plan's, the rest lies on the balance.
            let of_plan = dice.between(0, limit - 1);
            spending.monthly = Some(of_plan);
            let entry = CreditEntry {
                id: CreditId::new(&w.ids, now),
                credits: i64::try_from(limit - of_plan).unwrap(),
                note: String::new(),
                drawn: false,
                created_at: now,
            };
            w.store.add_credit(project, &entry, now).await.unwrap();
        }
    }
    for _ in 0..EXECUTIONS {
        let member = |change: &mut heartbeat_domain::heartbeat::HeartbeatChange| {
            change.member_id = Some(member);
        };
        w.made_by(&bot, member, now).await.unwrap();
    }
    Storm {
        bot,
        scope,
        limit,
        spending,
        reserves,
    }
}

impl Storm {
    fn intent(&self, seq: u32, ask: Ask) -> TurnIntent {
        let mut intent = turn(seq, ask.input_tokens_max, ask.max_tokens);
        intent.spending = self.spending;
        if !self.reserves {
            intent.rates = Rates {
                input: 1,
                cached_input: 1,
                output: 1,
            };
        }
        intent
    }

    /// One execution to its end: a few turns, each of which costs at most what it may.
    async fn run(self, w: Arc<World>, claim: Claim, seed: u64, now: Timestamp) -> Outcomes {
        let mut dice = Dice(seed);
        let mut outcomes = Outcomes::default();
        let mut ending = Ending::plain(Outcome::Success);
        let turns = u32::try_from(dice.between(1, 4)).unwrap();
        'turns: for seq in 1..=turns {
            let ask = Ask {
                input_tokens_max: dice.between(100, 4_000),
                max_tokens: 1_024,
            };
            for attempt in 0.. {
                let intent = self.intent(seq, ask);
                match w.store.begin_turn(&claim.hold, &intent, now).await.unwrap() {
                    Intent::Go { max_tokens } => {
                        let most = Rates::default().worst_case(ask.input_tokens_max, max_tokens);
                        let micro = dice.between(0, most);
                        let record = answer(seq, micro / 1_000, micro);
                        w.store
                            .record_turn(&claim.hold, &record, now)
                            .await
                            .unwrap();
                        break;
                    }
                    Intent::Busy(_) if attempt < 5 => {
                        outcomes.busy += 1;
                        tokio::task::yield_now().await;
                    }
                    Intent::Busy(scope) | Intent::Exhausted(scope) => {
                        outcomes.exhausted += 1;
                        ending.level = Some(scope);
                        ending.outcome = Outcome::Skipped {
                            reason: scope.reason(),
                        };
                        break 'turns;
                    }
                    Intent::Cancelled(reason) => panic!("nobody cancelled it: {reason}"),
                }
            }
        }
        let settled = w
            .store
            .finish(&claim.hold, &ending, &[], now)
            .await
            .unwrap();
        outcomes.charged = settled.execution.credits_charged;
        outcomes
    }

    async fn usage(&self, w: &World, by: UsageBy, now: Timestamp) -> UsageSummary {
        let ask = UsageAsk {
            month: billing_period(now),
            by,
            spending: self.spending,
            page: PAGE,
        };
        w.store.usage(self.bot.project_id, ask, now).await.unwrap()
    }

    /// That rows, periods and usage say the same, nothing is held, and what was drawn altogether.
    async fn agreed(&self, w: &World, charged: u64, now: Timestamp) {
        let page = w
            .store
            .logs(self.bot.project_id, &LogFilter::default(), PAGE)
            .await;
        let rows = page.unwrap().rows;
        assert_eq!(rows.len(), EXECUTIONS);
        let of_rows: u64 = rows.iter().map(|row| row.credits_charged).sum();
        let tokens: u64 = rows.iter().map(|row| row.tokens_used).sum();
        assert_eq!(of_rows, charged);
        for by in [
            UsageBy::Bot(None),
            UsageBy::Member(None),
            UsageBy::Heartbeat(None),
        ] {
            let usage = self.usage(w, by, now).await;
            let levels = &usage.levels.rows;
            let sum = |of: fn(&heartbeat_store::verbs::LevelUsage) -> u64| -> u64 {
                levels.iter().map(of).sum()
            };
            let sums = (sum(|l| l.used), sum(|l| l.tokens), sum(|l| l.held));
            assert_eq!(sums, (charged, tokens, 0), "{by:?}");
            let today = usage.today.unwrap();
            assert_eq!((today.used, today.tokens, today.held), (charged, tokens, 0));
            let month = &usage.month;
            assert_eq!((month.used, month.tokens, month.held), (charged, tokens, 0));
            let of_days: u64 = usage.days.iter().map(|(_, used, _)| used).sum();
            assert_eq!(of_days, charged);
            let ledger = w
                .store
                .credit_entries(self.bot.project_id, PAGE)
                .await
                .unwrap();
            let balance: i64 = ledger.rows.iter().map(|entry| entry.credits).sum();
            assert_eq!(usage.allowance.balance(), balance);
            let drawn = self
                .spending
                .monthly
                .map_or(0, |plan| charged.saturating_sub(plan));
            assert_eq!(usage.allowance.drawn, drawn);
        }
    }
}

/// Runs storms on one store; answers what they came to and the credits that were spent too many.
async fn storms(seeds: std::ops::Range<u64>, reserves: bool) -> (Outcomes, u64) {
    let w = Arc::new(World::sqlite().await);
    let now = minute(30);
    let node = w.node(minute(0)).await;
    let (mut all, mut overspent) = (Outcomes::default(), 0);
    for seed in seeds {
        let storm = set(&w, (seed, reserves), minute(0)).await;
        w.renew(node, now).await;
        let claims = w.claim(node, EXECUTIONS, now).await;
        assert_eq!(claims.len(), EXECUTIONS, "seed {seed}");
        let mut runs = tokio::task::JoinSet::new();
        for (number, claim) in (1..).zip(claims) {
            let seed = seed * 1_000 + number;
            runs.spawn(storm.clone().run(Arc::clone(&w), claim, seed, now));
        }
        let mut charged = 0;
        for outcomes in runs.join_all().await {
            charged += outcomes.charged;
            all.busy += outcomes.busy;
            all.exhausted += outcomes.exhausted;
        }
        storm.agreed(&w, charged, now).await;
        let too_many = charged.saturating_sub(storm.limit);
        assert!(
            !reserves || too_many == 0,
            "seed {seed}: {:?} of {} credits has drawn {charged}",
            storm.scope,
            storm.limit
        );
        all.charged += charged;
        overspent += too_many;
    }
    (all, overspent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_executions_at_once_never_overspend_a_credit_on_a_hundred_seeds() {
    let (all, overspent) = storms(1..101, true).await;
    assert_eq!(overspent, 0);
    // The budget was really fought over, and much of it really spent.
    assert!(all.busy > 100, "{all:?}");
    assert!(all.exhausted > 100, "{all:?}");
    assert!(all.charged > 1_000, "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_storm_overspends_where_next_to_nothing_is_reserved() {
    let (all, overspent) = storms(1..9, false).await;
    assert!(overspent > 0, "the storm proves nothing: {all:?}");
}
