//! Numbers and texts as people read them.

use heartbeat_domain::budget::MICRO;

/// A whole number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut words = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            words.push(',');
        }
        words.push(digit);
    }
    words
}

/// A whole number that may be less than nothing.
pub(crate) fn signed(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", count(number.unsigned_abs()))
}

/// A number with its noun, which takes an `s` where there is not one of it.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(number))
}

/// Milliseconds, in the largest unit that keeps two digits.
pub(crate) fn duration(milliseconds: i64) -> String {
    let ms = milliseconds.max(0);
    let (seconds, minutes) = (ms / 1_000, ms / 60_000);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{seconds}.{} s", ms % 1_000 / 100),
        10_000..60_000 => format!("{seconds} s"),
        60_000..3_600_000 => format!("{minutes} min {} s", seconds % 60),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// Micro-credits as credits, with as many decimals as say something.
pub(crate) fn credits_of_micro(micro: u64) -> String {
    let whole = count(micro / MICRO);
    let decimals = format!("{:06}", micro % MICRO);
    let decimals = decimals[..3].trim_end_matches('0');
    match (decimals, micro % MICRO) {
        ("", 1..) if micro < MICRO => "< 0.001".to_owned(),
        ("", _) => whole,
        (decimals, _) => format!("{whole}.{decimals}"),
    }
}

/// The beginning of a text on one line, at most `most` characters.
pub(crate) fn excerpt(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(signed(-12_500), "-12,500");
        assert_eq!(signed(3), "3");
        assert_eq!(plural(1, "token"), "1 token");
        assert_eq!(plural(4_310, "token"), "4,310 tokens");
        assert_eq!(duration(-5), "0 ms");
        assert_eq!(duration(850), "850 ms");
        assert_eq!(duration(2_340), "2.3 s");
        assert_eq!(duration(61_000), "1 min 1 s");
        assert_eq!(duration(7_260_000), "2 h 1 min");
        assert_eq!(credits_of_micro(0), "0");
        assert_eq!(credits_of_micro(1_250_000), "1.25");
        assert_eq!(credits_of_micro(412_000), "0.412");
        assert_eq!(credits_of_micro(12), "< 0.001");
    }

    #[test]
    fn an_excerpt_is_one_line_and_never_cuts_a_character() {
        assert_eq!(excerpt("one\n two", 20), "one two");
        assert_eq!(excerpt("ääääää", 3), "äää…");
    }
}
