//! How long to wait before asking a model again.
//!
//! The jitter comes from the session's seed, so that a simulation repeats itself exactly.

use jiff::SignedDuration;

/// The wait after the given failed attempt (1 is the first).
///
/// `Retry-After` is obeyed and gets a little jitter on top, never less; without it the wait
/// doubles from one second and is jittered downward by up to half.
#[must_use]
pub fn wait_after(attempt: u32, asked_for: Option<SignedDuration>, seed: u64) -> SignedDuration {
    let roll = i64::try_from(mix(seed ^ u64::from(attempt)) % 1_000).unwrap_or(0);
    if let Some(asked_for) = asked_for {
        return asked_for.saturating_add(SignedDuration::from_millis(roll / 2));
    }
    let full = 1_000_i64 << attempt.saturating_sub(1).min(6);
    SignedDuration::from_millis(full - full / 2 * roll / 1_000)
}

/// One step of SplitMix64: spreads neighbouring seeds over the whole range.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_within_its_jitter_and_repeats_for_the_same_seed() {
        for seed in 0..200 {
            for (attempt, full) in [(1, 1_000), (2, 2_000), (3, 4_000)] {
                let wait = wait_after(attempt, None, seed);
                assert!(wait.as_millis() > full / 2 - 1 && wait.as_millis() <= full);
                assert_eq!(wait, wait_after(attempt, None, seed));
            }
        }
    }

    #[test]
    fn retry_after_is_never_undercut() {
        for seed in 0..200 {
            let asked_for = SignedDuration::from_secs(7);
            let wait = wait_after(1, Some(asked_for), seed);
            assert!(wait >= asked_for && wait < SignedDuration::from_millis(7_500));
        }
    }
}
