//! What a pattern may say, and what is refused with which advice.

use heartbeat_domain::schedule::{CronPattern, Schedule};
use heartbeat_domain::violation::Rule;

use crate::support::{always, at, cron, fires, window, zone};

/// A Monday on which a month begins.
const FROM: &str = "2026-05-31 23:59Z";

#[track_caller]
fn assert_same(pattern: &str, plain: &str) {
    let fires = |pattern| fires(&cron(pattern, always(), "UTC"), FROM, 60);
    assert_eq!(fires(pattern), fires(plain), "{pattern} is not {plain}");
}

#[test]
fn names_lists_ranges_and_steps_are_read() {
    let cases = [
        ("0 9 * * 1-5", "0 9 * * mon,tue,wed,thu,fri"),
        ("0 9 * * MON-Fri", "0 9 * * 1,2,3,4,5"),
        ("0 9 * * 0", "0 9 * * 7"),
        ("0 9 * * sun", "0 9 * * 7"),
        ("0 9 * * fri-sun", "0 9 * * 5-7"),
        ("0 9 * * 5-7", "0 9 * * 0,5,6"),
        ("0 9 * * sat-sun", "0 9 * * 6-7"),
        ("0 9 * * sun-tue", "0 9 * * 0-2"),
        ("0 9 * * sun-sun", "0 9 * * 0"),
        ("0 9 * * 0-7", "0 9 * * 0-6"),
        ("0 9 * * */2", "0 9 * * 0,2,4,6"),
        ("0 9 * * 1/2", "0 9 * * 1,3,5,7"),
        ("10/20 * * * *", "10,30,50 * * * *"),
        ("5-20/5 * * * *", "5,10,15,20 * * * *"),
        ("*/15 8/6 * * *", "0,15,30,45 8,14,20 * * *"),
        ("0 0 28/2 * *", "0 0 28,30 * *"),
        ("0 0 1 jan,Jul *", "0 0 1 1,7 *"),
        ("0 0 1 mar-may *", "0 0 1 3,4,5 *"),
        ("0 0 1 */4 *", "0 0 1 1,5,9 *"),
        ("  0\t9  *   * 1 ", "0 9 * * 1"),
        ("05 09 * * *", "5 9 * * *"),
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@Annually", "0 0 1 1 *"),
    ];
    for (pattern, plain) in cases {
        assert_same(pattern, plain);
    }
}

#[test]
fn one_to_five_is_monday_to_friday() {
    let fires = fires(&cron("0 9 * * 1-5", always(), "UTC"), FROM, 6);
    let days: Vec<&str> = fires.iter().map(|fire| &fire[8..10]).collect();
    assert_eq!(
        days,
        ["01", "02", "03", "04", "05", "08"],
        "1 June 2026 is a Monday"
    );
}

#[test]
fn days_of_month_and_week_are_either_or_unless_one_begins_with_a_star() {
    let days = |pattern| -> Vec<String> {
        let fires = fires(&cron(pattern, always(), "UTC"), FROM, 5);
        fires.iter().map(|fire| fire[8..10].to_owned()).collect()
    };
    assert_eq!(days("0 0 13 * 5"), ["05", "12", "13", "19", "26"], "either");
    assert_eq!(
        days("0 0 */2 * 1"),
        ["01", "15", "29", "13", "27"],
        "odd and a Monday"
    );
    assert_eq!(
        days("0 0 1-7 * */7"),
        ["07", "05", "02", "06", "04"],
        "first Sunday"
    );
    assert_eq!(
        days("0 0 *,5 * 1"),
        ["01", "08", "15", "22", "29"],
        "begins with a star"
    );
    assert_eq!(
        days("0 0 1-31 * 1"),
        ["01", "02", "03", "04", "05"],
        "a full range is no star"
    );
}

#[test]
fn a_pattern_keeps_its_text() {
    assert_eq!(
        CronPattern::parse(" 0 9 * * Mon ").unwrap().as_str(),
        "0 9 * * Mon"
    );
    assert_eq!(CronPattern::parse("@daily").unwrap().as_str(), "@daily");
}

#[test]
fn what_other_dialects_have_is_refused_with_what_to_write_instead() {
    let cases = [
        ("", "five fields"),
        ("* * *", "3 fields; expected five"),
        ("0 0 9 * * 1-5", "\"0 9 * * 1-5\""),
        ("0 30 9 ? * MON-FRI", "\"30 9 * * MON-FRI\""),
        ("0 0 12 1 1 ? 2027", "\"0 12 1 1 *\""),
        ("a b c d e f", "expected five fields"),
        ("0 9 L * *", "28"),
        ("0 9 LW * *", "28"),
        ("0 9 L-3 * *", "28"),
        ("0 9 15W * *", "active_days"),
        ("0 9 * * 5L", "22-28"),
        ("0 9 * * 1#2", "8-14"),
        ("0 9 ? * 1", "write `*`"),
        ("0 9 1 * +1", "active_days"),
        ("0 9 +1 * 1", "active_days"),
        ("@reboot", "@hourly"),
        ("@every 5m", "interval_minutes"),
        ("@every", "interval_minutes"),
        ("@fortnightly", "@weekly"),
        ("@", "@daily"),
        ("*/90 * * * *", "interval_minutes: 90"),
    ];
    assert_refused(&cases);
}

#[test]
fn mistakes_are_refused_with_what_was_expected() {
    let cases = [
        (
            "60 * * * *",
            "minute field: 60 is out of range; expected a number from 0 to 59",
        ),
        ("* 24 * * *", "hour field: 24 is out of range"),
        ("* * 0 * *", "from 1 to 31"),
        ("* * 32 * *", "from 1 to 31"),
        ("* * * 13 *", "or a name, jan to dec"),
        ("* * * * 8", "or a name, sun to sat"),
        ("* * * * monday", "or a name, sun to sat"),
        ("jan * * * *", "from 0 to 59"),
        ("0 22-2 * * *", "two ranges: 22-23,0-2"),
        ("50-10 * * * *", "two ranges: 50-59,0-10"),
        ("0 0 28-3 * *", "two ranges: 28-31,1-3"),
        ("0 0 * nov-feb *", "two ranges: 11-12,1-2"),
        ("0 0 * * fri-mon", "two ranges: 5-6,0-1"),
        ("0 0 * * 6-1", "two ranges: 6,0-1"),
        ("0 0 * * 5-0", "write 5-7"),
        ("0 0 * * 7-2", "write 0-2"),
        ("*/0 * * * *", "from 1 to 60"),
        ("*/x * * * *", "from 1 to 60"),
        ("0 */25 * * *", "from 1 to 24"),
        ("*/ * * * *", "from 1 to 60"),
        ("1,,2 * * * *", "a value is missing"),
        ("-5 * * * *", "a value is missing"),
        ("5- * * * *", "a value is missing"),
        ("1-5-7 * * * *", "not known"),
        ("*-5 * * * *", "not known"),
        ("1.5 * * * *", "not known"),
        ("H * * * *", "not known"),
        ("٣ * * * *", "not known"),
        ("999999999999 * * * *", "from 0 to 59"),
    ];
    assert_refused(&cases);
    let long = "1,".repeat(1_000);
    assert_refused(&[(long.as_str(), "longer than")]);
}

#[track_caller]
fn assert_refused(cases: &[(&str, &str)]) {
    for (pattern, advice) in cases {
        let violation = CronPattern::parse(pattern).expect_err(pattern);
        assert_eq!(violation.field, "cron_pattern");
        assert_eq!(violation.rule, Rule::Input);
        assert!(violation.message.contains(advice), "{pattern}: {violation}");
    }
}

#[test]
fn a_pattern_that_does_not_fire_within_eight_years_is_refused() {
    let refused = |pattern, window, from| {
        let from = at(from);
        let violation = Schedule::cron(pattern, window, zone("UTC"), from).expect_err(pattern);
        assert_eq!(
            (violation.field, violation.rule),
            ("cron_pattern", Rule::NeverFires)
        );
        assert!(violation.message.contains("never fires"), "{violation}");
        violation.message
    };
    let from = "2026-01-01T00:00:00Z";
    refused("0 0 30 2 *", always(), from);
    refused("0 0 31 4,6,9,11 *", always(), from);
    let message = refused("0 3 * * *", window("09:00-17:00", ""), from);
    assert!(message.contains("active window"), "{message}");
    refused("0 9 * * 6", window("", "1-5"), from);
    assert!(Schedule::cron("0 0 29 2 *", always(), zone("UTC"), at(from)).is_ok());
    let century = at("2096-02-29T00:00:00Z");
    assert!(
        Schedule::cron("0 0 29 2 *", always(), zone("UTC"), century).is_ok(),
        "to the day"
    );
    refused("* * * * *", always(), "9999-12-30T22:00:00Z");
}
