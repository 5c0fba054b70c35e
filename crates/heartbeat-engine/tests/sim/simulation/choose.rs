//! What the world lets happen next, and how far time moves when nothing can.

use super::gate::{Gate, What};
use super::hint::Hint;
use super::process::SlotState;
use super::world::World;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Somebody passes a gate.
    Open(u64),
    /// Time passes although somebody could act.
    Linger,
    /// A process starts.
    Start(usize),
    /// A process thaws.
    Thaw(usize),
    /// A process beats.
    Beat(usize),
    /// Processes renew their leases.
    Renew,
    /// Somebody acts.
    Person,
    /// Something befalls the whole machine.
    Weather,
}

impl World {
    /// What happens next; nothing until time moves.
    pub(super) async fn choose(&mut self) -> Option<Choice> {
        let real = self.stage.time.real();
        if let Some(thaw) = self.thawing(real) {
            return Some(thaw);
        }
        if let Some(asking) = self.asking() {
            return Some(Choice::Open(asking));
        }
        let mut choices = self.duties(real);
        choices.extend(self.open_gates(real));
        let may_beat = choices.is_empty() || self.stage.lock().dice.in_thousand(120);
        if may_beat {
            choices.extend(self.beats(real).await);
        }
        if choices.is_empty() {
            return None;
        }
        let mut state = self.stage.lock();
        let linger = state.faults.linger;
        if state.dice.in_thousand(linger) {
            return Some(Choice::Linger);
        }
        Some(*state.dice.pick(&choices))
    }

    fn thawing(&self, real: i64) -> Option<Choice> {
        self.slots.iter().enumerate().find_map(|(slot, at)| {
            let until = at.up()?.frozen_until?;
            (until <= real).then_some(Choice::Thaw(slot))
        })
    }

    pub(super) fn is_frozen(&self, process: usize) -> bool {
        self.slots.iter().any(|slot| {
            slot.process() == Some(process) && slot.up().is_some_and(|up| up.frozen_until.is_some())
        })
    }

    /// Between the look at the fence and the first byte of a request nothing comes but a freeze.
    fn asking(&self) -> Option<u64> {
        let state = self.stage.lock();
        let mut gates = state.gates.iter();
        gates.find_map(|(number, gate)| {
            let asks = matches!(gate.what, What::Outside("ask", _));
            (asks && !self.is_frozen(gate.process)).then_some(*number)
        })
    }

    /// When somebody acts next.
    fn acts_at(&self) -> i64 {
        let impatient = self.stage.lock().memory.impatient;
        impatient.map_or(self.person_at, |(at, _)| at.min(self.person_at))
    }

    fn open_gates(&self, real: i64) -> Vec<Choice> {
        let state = self.stage.lock();
        let ready = state
            .gates
            .iter()
            .filter(|(_, gate)| real >= ready_at(gate) && !self.is_frozen(gate.process));
        ready.map(|(number, _)| Choice::Open(*number)).collect()
    }

    fn duties(&self, real: i64) -> Vec<Choice> {
        let mut duties = Vec::new();
        for (number, slot) in self.slots.iter().enumerate() {
            match &slot.state {
                SlotState::Down(until) if *until <= real => duties.push(Choice::Start(number)),
                _ => {}
            }
        }
        let mut up = self.slots.iter().filter_map(|slot| slot.up());
        if up.any(|up| up.must_renew(real)) {
            duties.push(Choice::Renew);
        }
        if !self.is_ending && self.acts_at() <= real && self.deeds.len() < 3 {
            duties.push(Choice::Person);
        }
        if !self.is_ending && self.weather_at <= real {
            duties.push(Choice::Weather);
        }
        duties
    }

    async fn beats(&mut self, real: i64) -> Vec<Choice> {
        let wall = self.stage.time.wall();
        if self.hint.is_none() {
            self.hint = Some(Hint::look(&self.db, wall).await);
        }
        let due = self.hint.as_ref().and_then(|hint| hint.at);
        let due = due.is_some_and(|at| at <= wall) || self.is_stranded();
        if !due {
            return Vec::new();
        }
        let able = self.slots.iter().enumerate().filter(|(_, slot)| {
            slot.up().is_some_and(|up| {
                let free = up.frozen_until.is_none() && up.beat.is_none();
                free && up.renews_at > real && up.beaten_at < real
            })
        });
        able.map(|(number, _)| Choice::Beat(number)).collect()
    }

    /// Whether something is open although nobody is at work: the next beat has to see to it.
    fn is_stranded(&self) -> bool {
        let running = self.hint.as_ref().is_some_and(Hint::is_running);
        running && self.stage.lock().gates.is_empty()
    }

    /// Moves time to when something can happen.
    pub(super) fn advance(&mut self) {
        let real = self.stage.time.real();
        let mut next = if self.is_ending {
            real + 3_600_000
        } else {
            self.ends_at
        };
        for at in self.moments(real) {
            next = next.min(at);
        }
        let renewal = self
            .slots
            .iter()
            .filter_map(|slot| slot.up())
            .filter(|up| up.frozen_until.is_none())
            .map(|up| up.renews_at);
        let idle =
            !self.hint.as_ref().is_some_and(Hint::is_running) && self.stage.lock().gates.is_empty();
        let mut target = next;
        if idle && next - real > 9_000 {
            // The machine sleeps until shortly before; then all renew before anybody looks.
            target = next - self.stage.lock().dice.between(300, 2_500);
            for slot in &mut self.slots {
                if let Some(up) = slot.up_mut() {
                    up.renews_at = up.renews_at.min(target);
                }
            }
        } else if let Some(renewal) = renewal.min() {
            target = target.min(renewal);
        }
        self.stage.time.move_to(target.max(real + 1));
    }

    fn moments(&self, real: i64) -> Vec<i64> {
        let stranded = self.is_stranded();
        let mut state = self.stage.lock();
        let mut moments: Vec<i64> = state
            .gates
            .values()
            .filter(|gate| !self.is_frozen(gate.process))
            .map(ready_at)
            .collect();
        for slot in &self.slots {
            match &slot.state {
                SlotState::Down(until) => moments.push(*until),
                SlotState::Up(up) => moments.extend(up.frozen_until),
                _ => {}
            }
        }
        if !self.is_ending {
            let impatient = state.memory.impatient;
            let acts_at = impatient.map_or(self.person_at, |(at, _)| at.min(self.person_at));
            moments.extend([acts_at, self.weather_at]);
        }
        let hint = self.hint.as_ref().and_then(|hint| hint.at);
        let some_work = self.slots.iter().any(|slot| slot.up().is_some());
        if stranded && some_work {
            moments.push(real + 1_000);
        }
        if let (Some(at), true) = (hint, some_work) {
            let at = at - self.stage.time.turned();
            let later = real + state.dice.between(200, 1_000);
            let at = if at <= real { later } else { at };
            moments.push(at);
        }
        moments
    }
}

/// True time from which a gate can be passed.
fn ready_at(gate: &Gate) -> i64 {
    match gate.what {
        What::Verb(_) => i64::MIN,
        What::Wait(until) if gate.clock.now_ms() >= until => i64::MIN,
        What::Wait(until) => gate.clock.real_of(until),
        What::Outside(_, ready) => ready,
    }
}
