//! The world: it lets one thing happen at a time, and everything that can go wrong go wrong.

use std::future::Future;

use heartbeat_domain::bot::Bot;
use heartbeat_domain::ids::ProjectId;
use heartbeat_engine::beat::Node;
use heartbeat_engine::control::Control;
use heartbeat_store::verbs::HeartbeatKey;
use jiff::SignedDuration;
use tokio::task::JoinHandle;

use super::checks::whole;
use super::choose::Choice;
use super::clock::ProcessClock;
use super::db::Db;
use super::faults::Faults;
use super::gate::{Door, Gate, Order, What};
use super::hint::Hint;
use super::kit::Kit;
use super::people;
use super::process::{Slot, SlotState, Up};
use super::scene::Pace;
use super::stage::Stage;

/// Steps after which a world is said not to come to rest.
const STEPS_MAX: u32 = 150_000;

/// Steps between two checks of the whole record.
const CHECK_EVERY: u32 = 1_500;

/// A world.
pub(crate) struct World {
    pub(super) stage: Stage,
    pub(super) db: Db,
    pub(super) kit: Kit,
    pub(super) slots: Vec<Slot>,
    pub(super) control: Control,
    pub(super) bots: Vec<(ProjectId, Bot)>,
    pub(super) pace: Pace,
    /// What people are doing.
    pub(super) deeds: Vec<JoinHandle<()>>,
    pub(super) deeds_begun: u64,
    pub(super) person_at: i64,
    pub(super) weather_at: i64,
    pub(super) ends_at: i64,
    pub(super) lasts: i64,
    /// Whether everything is to come to rest.
    pub(super) is_ending: bool,
    pub(super) processes: usize,
    pub(super) hint: Option<Hint>,
    /// How far clocks were ahead of one another at most, in milliseconds.
    pub(super) ahead: i64,
}

impl World {
    /// Lives until its end and comes to rest.
    pub(crate) async fn live(&mut self) {
        self.stage.lock().open = false;
        for step in 0..STEPS_MAX {
            self.settle().await;
            self.stage
                .lock()
                .gates
                .retain(|_, gate| !gate.is_deserted());
            self.reap().await;
            if !self.stage.lock().findings.is_empty() {
                return self.stop().await;
            }
            if !self.is_ending && self.stage.time.real() >= self.ends_at {
                self.begin_to_end().await;
            }
            match self.choose().await {
                Some(choice) => self.perform(choice).await,
                None if self.is_ending && self.is_at_rest() => return self.rest().await,
                None => self.advance(),
            }
            if step % CHECK_EVERY == CHECK_EVERY - 1 {
                whole::check(&self.stage, &self.db, self.tolerance()).await;
            }
        }
        self.stage
            .find("leftover", "the world does not come to rest");
        self.stop().await;
    }

    /// Lets everything run that can until it waits at a gate.
    pub(super) async fn settle(&self) {
        let mut calm = 0;
        let mut seen = self.stage.lock().next_gate;
        while calm < 3 {
            tokio::task::yield_now().await;
            let now = self.stage.lock().next_gate;
            calm = if now == seen { calm + 1 } else { 0 };
            seen = now;
        }
    }

    fn tolerance(&self) -> SignedDuration {
        SignedDuration::from_millis(self.ahead)
    }

    /// From now on nothing goes wrong any more, and what waits for its next attempt is tried.
    async fn begin_to_end(&mut self) {
        self.stage.say("the end begins");
        let wall = self.stage.time.wall();
        let sql = format!("UPDATE deliveries SET due_at = {wall} WHERE due_at > {wall}");
        self.db.execute(sql).await;
        self.hint = None;
        self.is_ending = true;
        let real = self.stage.time.real();
        let mut state = self.stage.lock();
        state.faults = Faults::default();
        state.outage_until = i64::MIN;
        drop(state);
        for slot in &mut self.slots {
            match &mut slot.state {
                SlotState::Down(until) => *until = real,
                SlotState::Up(up) => up.frozen_until = up.frozen_until.map(|_| real),
                _ => {}
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        let busy = self.hint.as_ref().is_none_or(Hint::is_busy);
        let all_up = self.slots.iter().all(|slot| slot.up().is_some());
        let open = self.stage.lock().gates.is_empty();
        !busy && all_up && open && self.deeds.is_empty()
    }

    async fn rest(&mut self) {
        self.stage.say("at rest");
        whole::at_rest(&self.stage, &self.db, self.tolerance()).await;
        self.stop().await;
    }

    async fn stop(&mut self) {
        for slot in &mut self.slots {
            slot.crash(i64::MAX).await;
        }
        for deed in self.deeds.drain(..) {
            deed.abort();
        }
        self.stage.lock().gates.clear();
    }

    async fn perform(&mut self, choice: Choice) {
        match choice {
            Choice::Open(number) => self.open(number).await,
            Choice::Linger => {
                let by = self.stage.lock().dice.between(1, 2_500);
                let real = self.stage.time.real();
                self.stage.time.move_to(real + by);
                self.stage.lock().excuse(None, (real, by));
            }
            Choice::Start(slot) => self.start(slot),
            Choice::Thaw(slot) => self.thaw(slot),
            Choice::Beat(slot) => self.beat(slot),
            Choice::Renew => self.renew(),
            Choice::Person => self.act(),
            Choice::Weather => self.weather().await,
        }
    }

    /// Opens a gate, in one way or another.
    async fn open(&mut self, number: u64) {
        let Some((process, is_verb)) = self.stage.lock().gates.get(&number).map(|gate| {
            let is_verb = matches!(gate.what, What::Verb(_));
            (gate.process, is_verb)
        }) else {
            return;
        };
        let slot = self
            .slots
            .iter()
            .position(|slot| slot.process() == Some(process));
        let fate = self.fate(is_verb, slot.is_some());
        match (fate, slot) {
            (Fate::DieBefore, Some(slot)) => return self.crash(slot).await,
            (Fate::FreezeBefore, Some(slot)) => return self.freeze(slot),
            _ => {}
        }
        let order = match fate {
            Fate::Pass(order) => order,
            _ => Order::Go,
        };
        if is_verb {
            self.hint = None;
        }
        self.open_together(number, order).await;
        match (order, slot) {
            (Order::Die, Some(slot)) => self.crash(slot).await,
            (Order::GoThenFreeze, Some(slot)) => self.freeze(slot),
            _ => {}
        }
    }

    /// Opens a gate, and now and then those of other verbs that write with it: they share one
    /// transaction.
    async fn open_together(&mut self, number: u64, order: Order) {
        let mut passing = Vec::new();
        {
            let mut state = self.stage.lock();
            let Some(gate) = state.gates.remove(&number) else {
                return;
            };
            let together = order == Order::Go && gate.writes() && state.dice.in_thousand(700);
            let others = state
                .gates
                .iter()
                .filter(|(_, other)| together && other.writes() && !self.is_frozen(other.process));
            let others: Vec<u64> = others.map(|(number, _)| *number).take(7).collect();
            let others = others.iter().filter_map(|other| state.gates.remove(other));
            let mut gates: Vec<Gate> = others.collect();
            gates.push(gate);
            gates.sort_by_key(Gate::place);
            passing.extend(gates.into_iter().map(|gate| gate.open(order)));
        }
        for one in &mut passing {
            one.happened().await;
        }
        for one in passing {
            one.seen().await;
        }
    }

    fn fate(&self, is_verb: bool, is_node: bool) -> Fate {
        let real = self.stage.time.real();
        let mut state = self.stage.lock();
        let faults = state.faults.clone();
        if is_verb && state.outage_until > real {
            return Fate::Pass(Order::Refuse);
        }
        let mut left = state.dice.between(0, 999).unsigned_abs();
        let mut fits = |times: u64| {
            let hit = left < times;
            left = if hit { u64::MAX } else { left - times };
            hit
        };
        if is_node && fits(faults.die_before) {
            return Fate::DieBefore;
        }
        if is_node && fits(faults.freeze) {
            return Fate::FreezeBefore;
        }
        if !is_verb {
            return Fate::Pass(Order::Go);
        }
        if fits(faults.refuse) {
            return Fate::Pass(Order::Refuse);
        }
        if fits(faults.lose) {
            return Fate::Pass(Order::LoseAnswer);
        }
        if is_node && fits(faults.die_after) {
            return Fate::Pass(Order::Die);
        }
        if is_node && fits(faults.freeze) {
            return Fate::Pass(Order::GoThenFreeze);
        }
        Fate::Pass(Order::Go)
    }

    async fn crash(&mut self, slot: usize) {
        let real = self.stage.time.real();
        let down = {
            let dice = &mut self.stage.lock().dice;
            match dice.between(0, 3) {
                0 => dice.between(60_000, 3_600_000),
                _ => dice.between(100, 20_000),
            }
        };
        let process = self.slots[slot].process();
        self.stage.say(&format!("{process:?} dies for {down} ms"));
        self.slots[slot].crash(real + down).await;
        self.forget_gates(process);
    }

    fn forget_gates(&mut self, process: Option<usize>) {
        self.hint = None;
        let mut state = self.stage.lock();
        state.gates.retain(|_, gate| Some(gate.process) != process);
    }

    fn freeze(&mut self, slot: usize) {
        let real = self.stage.time.real();
        let Some(up) = self.slots[slot].up_mut() else {
            return;
        };
        let mut state = self.stage.lock();
        let lasts = state.dice.between(500, 45_000);
        state.memory.frozen.insert(up.process);
        state.excuse(Some(up.process), (real, lasts));
        up.frozen_until = Some(real + lasts);
        let line = format!("p{} freezes for {lasts} ms", up.process);
        drop(state);
        self.stage.say(&line);
    }

    fn thaw(&mut self, slot: usize) {
        if let Some(up) = self.slots[slot].up_mut() {
            up.frozen_until = None;
            let real = self.stage.time.real();
            up.renews_at = up.renews_at.max(real);
            self.stage.say(&format!("p{} thaws", up.process));
        }
    }

    /// A door for a new process.
    fn door(&mut self, off_by: i64) -> Door {
        let process = self.processes;
        self.processes += 1;
        Door {
            stage: self.stage.clone(),
            process,
            clock: self.stage.clock(off_by),
        }
    }

    fn start(&mut self, slot: usize) {
        let off_by = self.slots[slot].off_by;
        let door = self.door(off_by);
        let (process, name) = (door.process, self.slots[slot].name.clone());
        self.stage.say(&format!("p{process} starts as {name}"));
        let parts = self.kit.parts(&door);
        let task = spawn(async move { Node::start(parts, &name).await });
        self.slots[slot].state = SlotState::Starting(process, task);
    }

    fn beat(&mut self, slot: usize) {
        let real = self.stage.time.real();
        if let Some(up) = self.slots[slot].up_mut() {
            up.beaten_at = real;
            let node = up.node.clone();
            up.beat = Some(spawn(async move { node.beat().await }));
        }
    }

    /// All renew whose time it is.
    fn renew(&mut self) {
        let real = self.stage.time.real();
        let able = self.slots.iter_mut().filter_map(Slot::up_mut);
        // Whose time is near renews along with those whose time has come.
        for up in able.filter(|up| up.must_renew(real + 2_500)) {
            // Every 3 s by the book; a busy machine makes that up to 8.
            up.renews_at = real + self.stage.lock().dice.between(4_000, 9_000);
            let keeper = up.node.keeper().clone();
            up.renewal = Some(spawn(async move { keeper.renew().await }));
        }
    }

    fn act(&mut self) {
        let real = self.stage.time.real();
        self.deeds_begun += 1;
        let deed = {
            let mut state = self.stage.lock();
            let impatient = state.memory.impatient.take();
            let entries = state.ledger.entries.values().filter(|entry| !entry.deleted);
            let keys: Vec<HeartbeatKey> = entries.map(|entry| entry.key).collect();
            let pace = (self.pace, self.deeds_begun);
            let pause = state.dice.between(1, self.lasts / 12);
            self.person_at = real + pause;
            match impatient {
                Some((_, project)) => people::impatience(&mut state.dice, &self.bots, project),
                None => people::deed(&mut state.dice, pace, &self.bots, &keys),
            }
        };
        let (stage, control) = (self.stage.clone(), self.control.clone());
        stage.say(&format!("somebody: {deed:?}"));
        self.deeds.push(spawn(async move {
            let end = people::carry_through(control, deed).await;
            stage.say(&format!("somebody was told: {end}"));
        }));
    }

    /// Outages, clocks that are turned, processes that are stopped in an orderly way.
    async fn weather(&mut self) {
        let real = self.stage.time.real();
        self.weather_at = real + (self.lasts / 20).max(60_000);
        let (faults, outage, turn, stop) = {
            let mut state = self.stage.lock();
            let faults = state.faults.clone();
            let dice = &mut state.dice;
            let outage = dice
                .in_thousand(faults.outages)
                .then(|| dice.between(200, 30_000));
            let turn = dice
                .in_thousand(faults.turns)
                .then(|| match dice.between(0, 3) {
                    0 => dice.between(60_000, 5_400_000),
                    1 => dice.between(-1_200_000, -1_000),
                    _ => dice.between(-20_000, 20_000),
                });
            let stop = (faults.die_before > 0 && dice.in_thousand(60)).then(|| dice.place(4));
            (faults, outage, turn, stop)
        };
        if let Some(lasts) = outage {
            self.stage
                .say(&format!("the store is unavailable for {lasts} ms"));
            let mut state = self.stage.lock();
            state.outage_until = real + lasts;
            state.excuse(None, (real, lasts));
        }
        if let Some(by) = turn {
            self.stage.say(&format!("the clock is turned by {by} ms"));
            self.stage.time.turn(by);
            // Clocks of processes stand still until the wall clock has caught up with them.
            self.stage.lock().excuse(None, (real, (-by).max(0)));
            self.ahead += by.abs();
            self.hint = None;
        }
        for slot in &mut self.slots {
            let off_by = self
                .stage
                .lock()
                .dice
                .between(-faults.skew_ms, faults.skew_ms);
            slot.off_by = off_by;
        }
        if let Some(slot) = stop.filter(|slot| *slot < self.slots.len()) {
            self.stop_orderly(slot).await;
        }
    }

    async fn stop_orderly(&mut self, slot: usize) {
        let Some(up) = self.slots[slot].up() else {
            return;
        };
        let (process, keeper) = (up.process, up.node.keeper().clone());
        if up.frozen_until.is_some() {
            return;
        }
        self.stage.say(&format!("p{process} stops"));
        self.slots[slot].crash(i64::MAX).await;
        self.forget_gates(Some(process));
        let task = spawn(async move { keeper.end().await });
        self.slots[slot].state = SlotState::Stopping(process, task);
    }

    /// Looks after tasks that have ended.
    async fn reap(&mut self) {
        let real = self.stage.time.real();
        let retry = real + 1_000;
        for slot in 0..self.slots.len() {
            let is_lost = match &mut self.slots[slot].state {
                SlotState::Up(up) => {
                    if let Some(beat) = up.beat.take_if(|beat| beat.is_finished()) {
                        self.hint = None;
                        if let Ok(Err(error)) = beat.await {
                            self.stage.say(&format!("p{} beat: {error}", up.process));
                        }
                    }
                    up.renewal.take_if(|renewal| renewal.is_finished());
                    up.node.keeper().lost().is_cancelled()
                }
                _ => false,
            };
            if is_lost {
                let process = self.slots[slot].process();
                self.stage.say(&format!("{process:?} was taken over"));
                self.slots[slot].crash(real).await;
                self.forget_gates(process);
            }
            self.reap_start(slot, retry).await;
        }
        self.deeds.retain(|deed| !deed.is_finished());
    }

    async fn reap_start(&mut self, slot: usize, retry: i64) {
        let state = &mut self.slots[slot].state;
        if let SlotState::Stopping(_, task) = state
            && task.is_finished()
        {
            *state = SlotState::Down(retry + 2_000);
        }
        let SlotState::Starting(process, task) = state else {
            return;
        };
        if !task.is_finished() {
            return;
        }
        let process = *process;
        *state = match task.await {
            Ok(Ok(node)) => SlotState::Up(Box::new(Up {
                process,
                node,
                beat: None,
                renewal: None,
                renews_at: retry + 2_000,
                beaten_at: i64::MIN,
                frozen_until: None,
            })),
            _ => SlotState::Down(retry),
        };
    }

    /// The clock of people.
    pub(crate) fn people_clock(stage: &Stage) -> std::sync::Arc<ProcessClock> {
        stage.clock(0)
    }
}

/// What becomes of somebody at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass(Order),
    DieBefore,
    FreezeBefore,
}

/// Runs a task of this world; it never outlives it.
pub(super) fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the world ends its tasks, and lets them run one at a time"
    )]
    tokio::spawn(work)
}
