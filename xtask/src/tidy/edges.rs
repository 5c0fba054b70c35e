//! Who may know whom: the doors between the crates, as their `Cargo.toml`s have them.
//!
//! Only what ends up in the product counts; tests may look anywhere.

use super::{Finding, Tree};

/// What one crate may and may not name.
struct Room {
    name: &'static str,
    /// Rooms that it may know.
    may_know: &'static [&'static str],
    /// Libraries that it must not name.
    never: &'static [&'static str],
}

const ROOMS: [Room; 9] = [
    Room {
        name: "domain",
        may_know: &[],
        never: &["tokio", "sqlx", "axum", "reqwest"],
    },
    Room {
        name: "store",
        may_know: &["domain"],
        never: &[],
    },
    Room {
        name: "agent",
        may_know: &["domain"],
        never: &[],
    },
    Room {
        name: "tools",
        may_know: &["domain"],
        never: &[],
    },
    Room {
        name: "engine",
        may_know: &["domain", "store", "agent", "tools"],
        never: &["axum"],
    },
    Room {
        name: "api",
        may_know: &["domain", "store", "engine"],
        never: &[],
    },
    Room {
        name: "web",
        may_know: &["domain", "store", "engine"],
        never: &[],
    },
    Room {
        name: "cli",
        may_know: &["domain", "store", "agent", "tools", "engine", "api", "web"],
        never: &[],
    },
    Room {
        name: "testkit",
        may_know: &["domain", "store", "agent", "tools", "engine"],
        never: &[],
    },
];

/// Libraries that only one room may name.
const ONLY_IN: [(&str, &str); 2] = [("sqlx", "store"), ("askama", "web")];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.texts("/Cargo.toml").filter_map(|(path, text)| {
        let crate_name = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
        Some((path, crate_name, text))
    });
    manifests
        .flat_map(|(path, name, text)| {
            let wrong = wrong_edges(name, text);
            wrong
                .into_iter()
                .map(|what| Finding::file(path, what))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn wrong_edges(crate_name: &str, manifest: &str) -> Vec<String> {
    let short = crate_name.strip_prefix("heartbeat-");
    let Some(room) = ROOMS.iter().find(|room| Some(room.name) == short) else {
        return vec![format!(
            "{crate_name} has no rule yet; write down what it may know"
        )];
    };
    match toml::from_str::<toml::Table>(manifest) {
        Err(error) => vec![format!("cannot be read: {}", error.message())],
        Ok(manifest) => dependencies(&manifest)
            .iter()
            .filter_map(|name| objection(room, name))
            .collect(),
    }
}

fn objection(room: &Room, dependency: &str) -> Option<String> {
    if let Some(other) = dependency.strip_prefix("heartbeat-") {
        let allowed = room.may_know.contains(&other);
        return (!allowed).then(|| match other {
            "testkit" => "testkit is for tests only; make it a dev-dependency".to_owned(),
            other => format!("{} must not know {other}", room.name),
        });
    }
    if room.never.contains(&dependency) {
        return Some(format!("{} must not name {dependency}", room.name));
    }
    let only = ONLY_IN.iter().find(|(library, _)| *library == dependency)?;
    (only.1 != room.name).then(|| format!("only {} may name {dependency}", only.1))
}

/// Names of dependencies and build dependencies, also those of a target.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables = targets
        .into_iter()
        .flat_map(toml::Table::values)
        .filter_map(toml::Value::as_table);
    let mut names = Vec::new();
    for table in std::iter::once(manifest).chain(tables) {
        for kind in ["dependencies", "build-dependencies"] {
            let listed = table.get(kind).and_then(toml::Value::as_table);
            names.extend(listed.into_iter().flatten().map(|(key, value)| {
                // A renamed dependency is what its `package` says.
                let package = value.get("package").and_then(toml::Value::as_str);
                package.unwrap_or(key).to_owned()
            }));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(crate_name: &str, dependency: &str) -> Vec<String> {
        wrong_edges(
            crate_name,
            &format!("[dependencies]\n{dependency} = \"1\"\n"),
        )
    }

    #[test]
    fn every_forbidden_door_is_found() {
        for (name, dependency) in [
            ("heartbeat-domain", "tokio"),
            ("heartbeat-domain", "sqlx"),
            ("heartbeat-domain", "axum"),
            ("heartbeat-domain", "reqwest"),
            ("heartbeat-domain", "heartbeat-store"),
            ("heartbeat-store", "heartbeat-engine"),
            ("heartbeat-agent", "heartbeat-store"),
            ("heartbeat-agent", "sqlx"),
            ("heartbeat-tools", "heartbeat-agent"),
            ("heartbeat-tools", "heartbeat-store"),
            ("heartbeat-engine", "sqlx"),
            ("heartbeat-engine", "axum"),
            ("heartbeat-engine", "heartbeat-cli"),
            ("heartbeat-api", "heartbeat-web"),
            ("heartbeat-web", "heartbeat-api"),
            ("heartbeat-api", "askama"),
            ("heartbeat-cli", "sqlx"),
            ("heartbeat-engine", "heartbeat-testkit"),
            ("heartbeat-testkit", "heartbeat-cli"),
        ] {
            assert_eq!(
                wrong(name, dependency).len(),
                1,
                "{name} names {dependency}"
            );
        }
    }

    #[test]
    fn open_doors_are_open_and_tests_may_look_anywhere() {
        assert!(wrong("heartbeat-store", "sqlx").is_empty());
        assert!(wrong("heartbeat-web", "askama").is_empty());
        assert!(wrong("heartbeat-cli", "heartbeat-api").is_empty());
        let dev = "[dev-dependencies]\nheartbeat-testkit = \"1\"\n";
        assert!(wrong_edges("heartbeat-agent", dev).is_empty());
    }

    #[test]
    fn neither_another_name_nor_a_target_nor_a_new_crate_is_a_way_round() {
        let renamed = "[dependencies]\ndb = { package = \"sqlx\", version = \"1\" }\n";
        assert_eq!(wrong_edges("heartbeat-engine", renamed).len(), 1);
        let target = "[target.'cfg(unix)'.dependencies]\nsqlx = \"1\"\n";
        assert_eq!(wrong_edges("heartbeat-engine", target).len(), 1);
        assert_eq!(wrong("heartbeat-extra", "serde").len(), 1);
        assert_eq!(wrong_edges("heartbeat-api", "not toml").len(), 1);
    }
}
