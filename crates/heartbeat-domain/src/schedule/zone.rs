//! Time zones by their IANA names: an unknown one is refused, never replaced.

use jiff::tz::TimeZone;

use crate::violation::Violation;

/// Entries of a zone database that are not names of places or of UTC.
const NOT_ZONES: [&str; 5] = [
    "factory",
    "localtime",
    "posixrules",
    "etc/unknown",
    "leapseconds",
];
const NAME_LENGTH_MAX: usize = 64;

/// Finds a zone by its IANA name, such as `Europe/Berlin` or `UTC`. Case does not matter.
pub fn parse_zone(name: &str) -> Result<TimeZone, Violation> {
    let plausible =
        name.len() <= NAME_LENGTH_MAX && !NOT_ZONES.contains(&name.to_ascii_lowercase().as_str());
    match TimeZone::get(name) {
        Ok(zone) if plausible => Ok(zone),
        _ => Err(Violation::input("timezone", unknown(name))),
    }
}

fn unknown(name: &str) -> String {
    let shown = name.chars().take(NAME_LENGTH_MAX).collect::<String>();
    let near = if name.len() <= NAME_LENGTH_MAX {
        near_names(name)
    } else {
        Vec::new()
    };
    if near.is_empty() {
        format!(
            "\"{shown}\" is not a time zone; expected an IANA name such as Europe/Berlin or UTC \
             (an offset or an abbreviation does not know when clocks change)"
        )
    } else {
        format!(
            "\"{shown}\" is not a time zone; did you mean {}?",
            near.join(" or ")
        )
    }
}

/// Up to three names whose whole or whose city is what was meant, nearest first.
fn near_names(name: &str) -> Vec<String> {
    let wanted = name.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    if wanted.len() < 4 {
        return Vec::new();
    }
    let mut near: Vec<(usize, String)> = jiff::tz::db()
        .available()
        .map(|known| known.as_str().to_owned())
        .filter(|known| !NOT_ZONES.contains(&known.to_ascii_lowercase().as_str()))
        .filter_map(|known| Some((nearness(&wanted, &known)?, known)))
        .collect();
    near.sort();
    near.truncate(3);
    near.into_iter().map(|(_, known)| known).collect()
}

/// How far a known name is from the wanted one; nothing if it is another word altogether.
fn nearness(wanted: &str, known: &str) -> Option<usize> {
    let known = known.to_ascii_lowercase();
    let city_of = |name: &str| name.rsplit('/').next().map(str::to_owned);
    let whole = distance(wanted, &known);
    let city = distance(&city_of(wanted)?, &city_of(&known)?);
    let allowed = if wanted.len() < 6 { 1 } else { 2 };
    // The right city on the wrong continent is nearer than another city.
    (city.min(whole) <= allowed).then_some(city * 100 + whole)
}

/// Levenshtein's distance, by rows.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
