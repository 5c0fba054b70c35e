//! How much goes wrong in a world, in so many of a thousand.

use super::dice::Dice;

/// How much goes wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// A process dies before a verb.
    pub(crate) die_before: u64,
    /// A process dies after a verb, before it sees the answer.
    pub(crate) die_after: u64,
    /// A verb is refused.
    pub(crate) refuse: u64,
    /// A verb happens and its answer is lost.
    pub(crate) lose: u64,
    /// A process freezes.
    pub(crate) freeze: u64,
    /// Time passes although somebody could act.
    pub(crate) linger: u64,
    /// The store is unavailable for a while, each hour.
    pub(crate) outages: u64,
    /// The wall clock is turned, each hour.
    pub(crate) turns: u64,
    /// A model does not answer as it should.
    pub(crate) model: u64,
    /// A channel, or a look, fails.
    pub(crate) outside: u64,
    /// Milliseconds that clocks are off at most.
    pub(crate) skew_ms: i64,
}

impl Faults {
    /// Of a world: some are calm, most are rough, some are a storm. A broken engine is looked for in
    /// a storm.
    pub(crate) fn of(dice: &mut Dice, is_broken: bool) -> Self {
        let throw = dice.between(0, 9);
        match if is_broken { 9 } else { throw } {
            0 => Self::default(),
            1 | 2 => Self {
                model: 100,
                outside: 100,
                linger: 5,
                skew_ms: 50,
                ..Self::default()
            },
            3..=7 => Self {
                die_before: 3,
                die_after: 3,
                refuse: 6,
                lose: 4,
                freeze: 4,
                linger: 10,
                outages: 30,
                turns: 10,
                model: 150,
                outside: 150,
                skew_ms: 250,
            },
            _ => Self {
                die_before: 12,
                die_after: 12,
                refuse: 25,
                lose: 15,
                freeze: 20,
                linger: 25,
                outages: 120,
                turns: 60,
                model: 300,
                outside: 300,
                skew_ms: 4_000,
            },
        }
    }
}
