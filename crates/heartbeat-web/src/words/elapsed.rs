//! How far a moment is from now. `assets/app.js` says the same in the same words; keep them equal.

use jiff::Timestamp;

/// `in 3 min`, `5 h ago`, `now`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second() - now.as_second();
    let far = distance(seconds.abs());
    match seconds {
        -4..=4 => "now".to_owned(),
        5.. => format!("in {far}"),
        _ => format!("{far} ago"),
    }
}

fn distance(seconds: i64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        172_800..5_184_000 => format!("{} days", seconds / 86_400),
        _ => format!("{} months", seconds / 2_592_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_to_now_read_well() {
        let now = Timestamp::from_second(1_000_000_000).unwrap();
        let at = |seconds: i64| {
            relative(
                Timestamp::from_second(1_000_000_000 + seconds).unwrap(),
                now,
            )
        };
        assert_eq!(at(0), "now");
        assert_eq!(at(-4), "now");
        assert_eq!(at(42), "in 42 s");
        assert_eq!(at(-60), "1 min ago");
        assert_eq!(at(3_599), "in 59 min");
        assert_eq!(at(-90_000), "25 h ago");
        assert_eq!(at(3 * 86_400), "in 3 days");
        assert_eq!(at(-90 * 86_400), "3 months ago");
    }
}
