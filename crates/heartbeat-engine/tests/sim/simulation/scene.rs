//! The scene of a world: when it begins, who lives in it, and heartbeats of every kind.

use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::heartbeat::{HeartbeatChange, Patch};
use heartbeat_domain::ids::ProjectId;
use heartbeat_domain::plan::{Plan, Plans};
use heartbeat_domain::watch::{Condition, Probe, Selector, Watch};
use heartbeat_engine::control::Control;
use heartbeat_store::verbs::BotRef;
use serde_json::json;

use super::dice::Dice;

/// How fast things happen in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Every few minutes, for an hour.
    Fast,
    /// Every half hour or so, for most of a day.
    Daily,
    /// Every few hours, for a week or two.
    Slow,
}

impl Pace {
    /// One of them.
    pub(crate) fn thrown(dice: &mut Dice) -> Self {
        *dice.pick(&[Self::Fast, Self::Fast, Self::Daily, Self::Daily, Self::Slow])
    }

    /// How long a world of this pace lasts, in milliseconds.
    pub(crate) fn lasts(self, dice: &mut Dice) -> i64 {
        let minutes = match self {
            Self::Fast => dice.between(15, 60),
            Self::Daily => dice.between(4 * 60, 14 * 60),
            Self::Slow => dice.between(2 * 1_440, 9 * 1_440),
        };
        minutes * 60_000
    }
}

const BEGINNINGS: [&str; 9] = [
    "2026-03-28T21:30:00Z",
    "2026-03-08T03:00:00Z",
    "2026-10-24T20:00:00Z",
    "2026-11-01T02:10:00Z",
    "2026-01-31T16:00:00Z",
    "2026-04-04T10:00:00Z",
    "2026-06-15T05:55:00Z",
    "2026-08-31T20:00:00Z",
    "2026-12-31T18:00:00Z",
];

const ZONES: [&str; 9] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "America/Santiago",
    "Africa/Cairo",
    "America/St_Johns",
];

/// When a world begins, in milliseconds: near a clock change, a month's end, or anywhere.
pub(crate) fn beginning(dice: &mut Dice) -> i64 {
    let begin: jiff::Timestamp = dice.pick(&BEGINNINGS).parse().expect("a time");
    begin.as_millisecond() + dice.between(0, 4 * 3_600_000)
}

/// Plans with limits small enough to be hit.
pub(crate) fn plans(dice: &mut Dice) -> Plans {
    // Retention is left out: a row that was pruned can no longer be held against anything.
    let kept = Plan {
        steps_kept_days: None,
        rows_kept_days: None,
        ..Plan::default()
    };
    let roomy = Plan {
        daily_credit_limit: Some(dice.between(40, 900).unsigned_abs()),
        ..kept.clone()
    };
    let tight = Plan {
        monthly_credits: Some(dice.between(30, 400).unsigned_abs()),
        name: "tight".to_owned(),
        heartbeats_per_agent: Some(1),
        minimum_minutes: 15,
        daily_credit_limit: Some(dice.between(20, 90).unsigned_abs()),
        ..kept.clone()
    };
    let endless = Plan {
        name: "endless".to_owned(),
        daily_credit_limit: None,
        ..kept.clone()
    };
    let free = Plan {
        name: "free".to_owned(),
        heartbeats_per_agent: Some(0),
        ..kept
    };
    Plans::with(vec![roomy, tight, endless, free])
}

/// Names of the plans that people move projects between.
pub(crate) const PLANS: [&str; 4] = ["self_hosted", "endless", "tight", "free"];

/// Makes projects, agents and heartbeats.
pub(crate) async fn set(control: &Control, dice: &mut Dice, pace: Pace) -> Vec<(ProjectId, Bot)> {
    let mut bots = Vec::new();
    for project in 0..dice.between(1, 3) {
        let plan = *dice.pick(&["self_hosted", "self_hosted", "endless"]);
        let made = control
            .create_project(&format!("project {project}"), plan)
            .await;
        let project = made.expect("the scene can be set").project.id;
        for bot in 0..dice.between(1, 2) {
            let ask = BotChange {
                name: Some(format!("bot {bot}")),
                model: Some("sim/model".to_owned()),
                instruction: Some("Be brief.".to_owned()),
                heartbeat: Some(true),
                ..BotChange::default()
            };
            let bot = control.create_bot(project, ask).await;
            bots.push((project, bot.expect("the scene can be set")));
        }
    }
    let heartbeats = dice.between(2, 6);
    for number in 0..heartbeats {
        let (project, bot) = dice.pick(&bots).clone();
        let change = heartbeat(dice, pace, &format!("s{number}"));
        // A spread wider than the distance between two fires is refused: then there is one less.
        let _ = control
            .configure(project, BotRef::Id(bot.id), None, change)
            .await;
    }
    bots
}

/// A new heartbeat whose prompt begins with that tag.
pub(crate) fn heartbeat(dice: &mut Dice, pace: Pace, tag: &str) -> HeartbeatChange {
    let mut change = HeartbeatChange {
        prompt: Patch::Set(format!("{tag}: see to it")),
        enabled: Some(!dice.in_thousand(100)),
        ..HeartbeatChange::default()
    };
    schedule(dice, pace, &mut change);
    if dice.in_thousand(250) {
        change.watch = Patch::Set(watch(dice));
        if dice.in_thousand(300) {
            change.prompt = Patch::Keep;
        }
    }
    if dice.in_thousand(400) {
        change.credit_budget = Patch::Set(dice.between(0, 60).unsigned_abs());
    }
    if dice.in_thousand(600) {
        change.max_consecutive_errors = Patch::Set(small(dice.between(1, 3)));
    }
    if dice.in_thousand(200) {
        change.catch_up_minutes = Patch::Set(small(dice.between(0, 90)));
    }
    if dice.in_thousand(150) {
        let most = if pace == Pace::Fast { 1 } else { 5 };
        change.spread_minutes = Patch::Set(small(dice.between(1, most)));
    }
    change
}

/// A schedule, and perhaps a window.
pub(crate) fn schedule(dice: &mut Dice, pace: Pace, change: &mut HeartbeatChange) {
    if dice.in_thousand(650) {
        let minutes: &[u32] = match pace {
            Pace::Fast => &[1, 1, 2, 3, 5, 7],
            Pace::Daily => &[15, 20, 30, 45, 60, 90],
            Pace::Slow => &[180, 240, 600, 1_440, 1_440, 2_880],
        };
        change.interval_minutes = Patch::Set(*dice.pick(minutes));
    } else {
        let patterns: &[&str] = match pace {
            Pace::Fast => &["*/2 * * * *", "*/5 * * * *", "1-59/3 * * * *", "* * * * *"],
            Pace::Daily => &[
                "*/30 * * * *",
                "0 * * * *",
                "15,45 8-18 * * *",
                "30 1 * * *",
                "@hourly",
            ],
            Pace::Slow => &[
                "30 2 * * *",
                "0 9 * * 1-5",
                "0,30 1 * * *",
                "0 */6 * * *",
                "@daily",
            ],
        };
        change.cron_pattern = Patch::Set((*dice.pick(patterns)).to_owned());
    }
    change.timezone = Patch::Set((*dice.pick(&ZONES)).to_owned());
    if pace != Pace::Fast && dice.in_thousand(450) {
        let (start, end) = *dice.pick(&[
            ("09:00", "17:00"),
            ("22:00", "06:00"),
            ("01:30", "03:15"),
            ("00:00", "12:00"),
        ]);
        change.active_hours_start = Patch::Set(start.to_owned());
        change.active_hours_end = Patch::Set(end.to_owned());
    }
    if pace == Pace::Slow && dice.in_thousand(300) {
        change.active_days = Patch::Set("1-5".to_owned());
    }
}

fn watch(dice: &mut Dice) -> Watch {
    let condition = match dice.between(0, 2) {
        0 => Condition::Changed,
        1 => Condition::Above(3.0),
        _ => Condition::Below(4.0),
    };
    Watch {
        tool: Probe::HttpGet,
        arguments: json!({ "url": "https://world.example/level" }),
        selector: Some(Selector::Jsonpath("$.level".to_owned())),
        condition,
        remind_minutes: dice.in_thousand(300).then_some(30),
    }
}

/// A number that is small and not negative.
pub(crate) fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}
