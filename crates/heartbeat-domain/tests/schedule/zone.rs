//! Zones by name.

use heartbeat_domain::schedule::parse_zone;

#[test]
fn iana_names_are_found_in_any_case() {
    for name in [
        "UTC",
        "Europe/Berlin",
        "america/argentina/buenos_aires",
        "Asia/Calcutta",
    ] {
        let zone = parse_zone(name).expect(name);
        assert!(
            zone.iana_name()
                .is_some_and(|found| found.eq_ignore_ascii_case(name)),
            "{name}"
        );
    }
}

#[test]
fn anything_else_is_refused_with_near_names_where_there_are_any() {
    let cases = [
        ("", "Europe/Berlin"),
        ("Berlin", "did you mean Europe/Berlin?"),
        ("Europe/Berln", "Europe/Berlin"),
        ("Europe/New_York", "America/New_York"),
        ("new york", "America/New_York"),
        ("PST", "IANA"),
        ("+02:00", "IANA"),
        ("EST5EDT,M3.2.0,M11.1.0", "IANA"),
        ("posix/Europe/Berlin", "Europe/Berlin"),
        ("right/Europe/Berlin", "Europe/Berlin"),
        ("localtime", "IANA"),
        ("posixrules", "IANA"),
        ("Factory", "IANA"),
        ("Etc/Unknown", "IANA"),
        ("../../etc/passwd", "IANA"),
        ("/etc/localtime", "IANA"),
        ("Żółw", "IANA"),
    ];
    for (name, advice) in cases {
        let violation = parse_zone(name).expect_err(name);
        assert_eq!(violation.field, "timezone");
        assert!(violation.message.contains(advice), "{name}: {violation}");
    }
    assert!(parse_zone(&"x".repeat(100_000)).unwrap_err().message.len() < 400);
}
