//! What stands in the database in the end, held against what the model was asked and what people
//! were told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use heartbeat_domain::ids::IdSource;
use heartbeat_domain::schedule::Schedule;
use heartbeat_domain::window::ActiveWindow;
use heartbeat_store::postgres::{self, PostgresStore};
use heartbeat_store::sqlite::{OpenOptions, SqliteStore};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::mind::{Mind, Who, title};
use super::{HEARTBEATS, Toll};
use crate::support::home::Home;
use crate::support::receiver::{Received, Receiver};

pub(super) type Row = Map<String, Value>;

/// All rows that matter.
pub(crate) struct Ledger {
    heartbeats: Vec<Row>,
    executions: Vec<Row>,
    pub(super) steps: Vec<Row>,
    notices: Vec<Row>,
    deliveries: Vec<Row>,
}

/// What became of the due moments, for people.
#[derive(Debug, Default)]
pub(crate) struct Moments {
    pub(crate) due: u64,
    rows: usize,
    succeeded: u64,
    /// The others, by status and reason.
    missed: BTreeMap<String, u64>,
}

/// What was done, for people.
#[derive(Debug, Default)]
pub(crate) struct Work {
    asked: usize,
    lost_turns: usize,
    notices: usize,
    handed_over: usize,
    handed_over_again: usize,
}

impl Ledger {
    pub(super) async fn read(home: &Home) -> Self {
        let ids = Arc::new(IdSource::from_seed(1));
        let options = OpenOptions {
            create: false,
            ..OpenOptions::default()
        };
        let store = SqliteStore::open(&home.path("heartbeat.db"), ids, options)
            .await
            .unwrap();
        let ledger = Self::from_rows(async |sql| store.query_json(sql).await.unwrap()).await;
        store.close().await;
        ledger
    }

    /// The same of a database of a server.
    pub(crate) async fn read_server(url: &str) -> Self {
        let ids = Arc::new(IdSource::from_seed(1));
        let store = PostgresStore::open(url, ids, postgres::OpenOptions::default());
        let store = store.await.unwrap();
        let ledger = Self::from_rows(async |sql| store.query_json(sql).await.unwrap()).await;
        store.close().await;
        ledger
    }

    async fn from_rows(rows: impl AsyncFn(String) -> Vec<Row>) -> Self {
        let all = async |table: &str, order: &str| {
            rows(format!("SELECT * FROM {table} ORDER BY {order}")).await
        };
        Self {
            heartbeats: all("heartbeats", "id").await,
            executions: all("executions", "due_at, id").await,
            steps: all("steps", "execution_id, seq, attempt").await,
            notices: all("notices", "id").await,
            deliveries: all("deliveries", "id").await,
        }
    }

    /// Every due moment has one row; there are so many of them, and of a hundred so many are
    /// successes.
    pub(crate) fn check_moments(&self, at_least: u64, percent: u64) -> Moments {
        let (mut moments, mut faults) = (Moments::default(), Vec::new());
        let is_enabled = |row: &&Row| row["enabled"] == 1 || row["enabled"] == true;
        for heartbeat in self.heartbeats.iter().filter(is_enabled) {
            self.partition(heartbeat, &mut moments, &mut faults);
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert!(
            moments.due >= at_least,
            "too few moments to say anything: {moments:#?}"
        );
        assert!(
            moments.succeeded * 100 >= moments.due * percent,
            "less than {percent} %: {moments:#?}"
        );
        moments
    }

    /// Nothing was asked or told twice, and nothing was forgotten.
    pub(super) fn check_work(&self, mind: &Mind, receiver: &Receiver, toll: &Toll) -> Work {
        let mut work = self.check_turns(mind, toll);
        let mut faults = Vec::new();
        self.handed_over(receiver, toll, &mut work, &mut faults);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        work
    }

    /// The same, but for what left the house.
    pub(crate) fn check_turns(&self, mind: &Mind, toll: &Toll) -> Work {
        let (mut work, mut faults) = (Work::default(), Vec::new());
        self.triggers(toll, &mut faults);
        self.turns(mind, toll, &mut work, &mut faults);
        self.messages(&mut work, &mut faults);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        work
    }

    /// The rows of a heartbeat cover the values of its schedule from its start to its next moment,
    /// each once.
    fn partition(&self, heartbeat: &Row, counts: &mut Moments, faults: &mut Vec<String>) {
        let window = ActiveWindow::default();
        let schedule = Schedule::interval(1, window, TimeZone::UTC).unwrap();
        let next = moment(&heartbeat["next_due_at"]);
        let mut expected = schedule
            .first_due(moment(&heartbeat["grid_since"]))
            .unwrap();
        let mut covered = BTreeMap::<Timestamp, u32>::new();
        for row in self.of(heartbeat) {
            let first = row["first_due_at"]
                .as_i64()
                .map_or(row["due_at"].as_i64(), Some);
            let last = row["last_due_at"]
                .as_i64()
                .map_or(row["due_at"].as_i64(), Some);
            let (first, last) = (first.unwrap(), last.unwrap());
            let moments = row["missed_count"].as_u64().unwrap_or(1);
            let span = u64::try_from((last - first) / 60_000).unwrap() + 1;
            if span != moments {
                faults.push(format!("{row:?} says {moments} moments and spans {span}"));
            }
            for at in (first..=last).step_by(60_000) {
                *covered
                    .entry(Timestamp::from_millisecond(at).unwrap())
                    .or_default() += 1;
            }
            counts.rows += 1;
            count(row, moments, counts);
        }
        while expected.at < next {
            counts.due += 1;
            match covered.remove(&expected.at) {
                Some(1) => {}
                Some(times) => faults.push(format!("{} has {times} rows", expected.at)),
                None => faults.push(format!("{} has no row", expected.at)),
            }
            expected = schedule.next_due(&expected).unwrap();
        }
        if expected.at != next || !covered.is_empty() {
            faults.push(format!(
                "next is {next}, not {}; beyond: {covered:?}",
                expected.at
            ));
        }
    }

    /// Rows of its schedule.
    fn of<'a>(&'a self, heartbeat: &'a Row) -> impl Iterator<Item = &'a Row> {
        let own = |row: &&Row| row["heartbeat_id"] == heartbeat["id"];
        self.executions
            .iter()
            .filter(own)
            .filter(|row| row["triggered_by"] != "manual")
    }

    /// What a person was told is on its way has one row, which ended.
    fn triggers(&self, toll: &Toll, faults: &mut Vec<String>) {
        for prompt in &toll.triggered {
            let rows = self
                .executions
                .iter()
                .filter(|row| row["prompt"] == prompt.as_str());
            let ends: Vec<_> = rows.map(|row| (&row["phase"], &row["status"])).collect();
            if !matches!(ends.as_slice(), [(phase, status)] if *phase == "ended" && *status == "success")
            {
                faults.push(format!("{prompt} ended as {ends:?}"));
            }
        }
    }

    /// No turn on record was asked again; what was in flight at a death is shown as lost.
    fn turns(&self, mind: &Mind, toll: &Toll, work: &mut Work, faults: &mut Vec<String>) {
        let asked = mind.asked();
        work.asked = asked.len();
        let mut latest = BTreeMap::<&Who, usize>::new();
        let mut times = BTreeMap::<(&Who, usize), usize>::new();
        for (who, turn) in &asked {
            let before = latest.insert(who, *turn).unwrap_or(0);
            if *turn < before {
                faults.push(format!("{who} asks turn {turn} after turn {before}"));
            }
            *times.entry((who, *turn)).or_default() += 1;
        }
        let recorded = self.recorded();
        for ((who, turn), times) in times {
            let Some(attempts) = recorded.get(&(who.clone(), turn)) else {
                faults.push(format!("{who} asked turn {turn} without an intent"));
                continue;
            };
            let again: usize = attempts.iter().map(|row| notes(row)).sum();
            if times > attempts.len() + again {
                let states: Vec<_> = attempts.iter().map(|row| &row["state"]).collect();
                faults.push(format!("{who} asked turn {turn} {times} times: {states:?}"));
            }
        }
        let lost = |row: &&Row| row["state"] == "lost_turn";
        work.lost_turns = self.steps.iter().filter(lost).count();
        let deaths = usize::try_from(toll.at_points + toll.at_random).unwrap();
        for ((who, turn), attempts) in &recorded {
            let done = attempts.iter().filter(|row| row["state"] == "done").count();
            if done > 1 || attempts.len() > deaths + 1 {
                faults.push(format!("{who} has turn {turn} {done} times on record"));
            }
        }
    }

    /// Every execution as its agent is told it, by its id.
    pub(super) fn names(&self) -> BTreeMap<&str, Who> {
        let rows = self.executions.iter();
        rows.map(|row| (row["id"].as_str().unwrap(), who(row)))
            .collect()
    }

    /// Every execution with the name by which its agent knows it.
    pub(super) fn by_name(&self) -> impl Iterator<Item = (Who, &Row)> {
        self.executions.iter().map(|row| (who(row), row))
    }

    /// The attempts at every turn of every execution.
    fn recorded(&self) -> BTreeMap<(Who, usize), Vec<&Row>> {
        let names = self.names();
        let mut turns = BTreeMap::<(&str, i64), Vec<&Row>>::new();
        for row in self.steps.iter().filter(|row| row["kind"] == "turn") {
            let execution = row["execution_id"].as_str().unwrap();
            turns
                .entry((execution, row["seq"].as_i64().unwrap()))
                .or_default()
                .push(row);
        }
        let (mut found, mut number, mut former) = (BTreeMap::new(), 0, "");
        for ((execution, _), attempts) in turns {
            number = if execution == former { number + 1 } else { 1 };
            former = execution;
            found.insert((names[execution].clone(), number), attempts);
        }
        found
    }

    /// Each message of each execution once, and all of those that succeeded.
    fn messages(&self, work: &mut Work, faults: &mut Vec<String>) {
        let mut told = BTreeMap::<&str, u32>::new();
        for row in &self.notices {
            *told.entry(row["title"].as_str().unwrap()).or_default() += 1;
        }
        work.notices = self.notices.len();
        for (title, times) in told.iter().filter(|(_, times)| **times > 1) {
            faults.push(format!("{title} was told {times} times"));
        }
        for row in &self.executions {
            if row["phase"] != "ended" {
                faults.push(format!("{} has not ended", who(row)));
            }
            if row["status"] != "success" {
                continue;
            }
            for turn in [1, 2] {
                if !told.contains_key(title(&who(row), turn).as_str()) {
                    faults.push(format!("{} never told turn {turn}", who(row)));
                }
            }
        }
    }

    /// Every message reached the webhook, under one id; again only where a death came between.
    fn handed_over(
        &self,
        receiver: &Receiver,
        toll: &Toll,
        work: &mut Work,
        faults: &mut Vec<String>,
    ) {
        let received = receiver.received();
        let distinct = ids(&received);
        work.handed_over = distinct.len();
        work.handed_over_again = received.len() - distinct.len();
        if distinct.len() != self.notices.len() || self.deliveries.len() != self.notices.len() {
            faults.push(format!(
                "{} of {} handed over",
                distinct.len(),
                self.notices.len()
            ));
        }
        let open = self
            .deliveries
            .iter()
            .filter(|row| row["state"] != "delivered")
            .count();
        if open > 0 {
            faults.push(format!("{open} deliveries have not ended"));
        }
        // A death may catch several on their way at once.
        let deaths = usize::try_from(toll.at_points + toll.at_random).unwrap();
        if work.handed_over_again > deaths * HEARTBEATS {
            faults.push(format!("{} handed over again", work.handed_over_again));
        }
    }
}

/// The ids under which messages were handed over.
pub(super) fn ids(received: &[Received]) -> BTreeSet<&str> {
    received.iter().map(|one| one.id.as_str()).collect()
}

fn count(row: &Row, moments: u64, counts: &mut Moments) {
    match row["status"].as_str() {
        Some("success") => counts.succeeded += 1,
        status => {
            let reason = row["reason"].as_str().unwrap_or("no reason");
            let why = format!("{}: {reason}", status.unwrap_or("open"));
            *counts.missed.entry(why).or_default() += moments;
        }
    }
}

fn moment(millis: &Value) -> Timestamp {
    Timestamp::from_millisecond(millis.as_i64().unwrap()).unwrap()
}

/// An execution as its agent is told it.
fn who(row: &Row) -> Who {
    let due_at = moment(&row["due_at"]).to_zoned(TimeZone::UTC);
    format!(
        "{} {}",
        row["prompt"].as_str().unwrap(),
        due_at.strftime("%Y-%m-%d %H:%M")
    )
}

/// How often an attempt was made again by the same holder.
fn notes(row: &Row) -> usize {
    let text = row["notes"].as_str().unwrap_or_default();
    text.matches("asked again after").count()
}
