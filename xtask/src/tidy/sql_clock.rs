//! SQL never asks what time it is: `now` is an argument, or a simulation could not move it.

use super::{Finding, Tree, literals, numbered};

const STORE: &str = "crates/heartbeat-store/";

/// What asks the clock of a database, in lower case.
const CLOCKS: [&str; 10] = [
    "now()",
    "current_timestamp",
    "current_time",
    "current_date",
    "clock_timestamp",
    "datetime(",
    "strftime",
    "julianday",
    "unixepoch",
    "localtimestamp",
];

/// The probe of how far a node's clock is off, and the only file that may hold it.
const PROBE: (&str, &str) = (
    "crates/heartbeat-store/src/postgres/nodes.rs",
    "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT",
);

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let statements = tree.texts(".sql").flat_map(|(path, text)| {
        numbered(text).filter_map(move |(line, sql)| {
            let code = sql.split("--").next().unwrap_or_default();
            Some(found(path, line, clock_in(code)?))
        })
    });
    let literals = tree
        .texts(".rs")
        .filter(|(path, _)| path.starts_with(STORE))
        .flat_map(|(path, text)| {
            let strings = literals::strings(text).into_iter();
            strings
                .filter(move |(_, string)| (path, string.as_str()) != PROBE)
                .filter_map(move |(line, string)| Some(found(path, line, clock_in(&string)?)))
        });
    statements.chain(literals).collect()
}

fn found(path: &str, line: usize, clock: &str) -> Finding {
    Finding::line(
        path,
        line,
        format!("`{clock}` asks the database's clock; bind `now` instead"),
    )
}

fn clock_in(sql: &str) -> Option<&'static str> {
    let sql = sql.to_ascii_lowercase();
    CLOCKS.into_iter().find(|clock| {
        sql.match_indices(clock).any(|(at, _)| {
            let before = sql[..at].chars().next_back();
            !before.is_some_and(|char| char.is_ascii_alphanumeric() || char == '_')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_in_sql_is_found_wherever_sql_is_written() {
        let tree = Tree::of(&[
            (
                "crates/heartbeat-store/src/sqlite/migrations/0001_a.sql",
                "-- now()\ncreate_at INTEGER DEFAULT CURRENT_TIMESTAMP\n",
            ),
            (
                "crates/heartbeat-store/src/sqlite/fires.rs",
                "// now()\nlet x = clock.now();\nq(\"WHERE at <= Now()\");\n",
            ),
            (
                "crates/heartbeat-engine/src/pulse.rs",
                "let x = \"now()\";\n",
            ),
        ]);
        let found: Vec<(String, usize)> = check(&tree)
            .into_iter()
            .map(|finding| (finding.path, finding.line))
            .collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].0.ends_with("0001_a.sql") && found[0].1 == 2);
        assert!(found[1].0.ends_with("fires.rs") && found[1].1 == 3);
    }

    #[test]
    fn the_probe_of_the_offset_is_allowed_where_it_stands_and_nowhere_else() {
        let probe = format!("const CLOCK: &str = \"{}\";\n", PROBE.1);
        assert!(check(&Tree::of(&[(PROBE.0, &probe)])).is_empty());
        let elsewhere = "crates/heartbeat-store/src/postgres/fires.rs";
        assert_eq!(check(&Tree::of(&[(elsewhere, &probe)])).len(), 1);
    }

    #[test]
    fn words_that_only_contain_a_clock_are_none() {
        assert_eq!(clock_in("SELECT is_unknown(), mydatetime(at)"), None);
        assert_eq!(clock_in("select datetime('now')"), Some("datetime("));
    }
}
