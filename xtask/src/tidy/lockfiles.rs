//! `Cargo.lock`: one TLS stack (rustls with ring), and nothing but the public registry.

use super::{Finding, Tree, numbered};

const BANNED: [&str; 5] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "openssl",
    "openssl-sys",
    "native-tls",
];
const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let locks = tree.texts("Cargo.lock");
    locks
        .flat_map(|(path, text)| {
            numbered(text).filter_map(move |(line, entry)| {
                objection(entry).map(|what| Finding::line(path, line, what))
            })
        })
        .collect()
}

fn objection(entry: &str) -> Option<String> {
    let (key, value) = entry.split_once(" = ")?;
    let value = value.trim_matches('"');
    match key {
        "name" if BANNED.contains(&value) => Some(format!(
            "{value} is a second TLS stack; ours is rustls with ring"
        )),
        "source" if value != SOURCE => Some(format!("{value} is not the public registry")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_tls_stack_and_a_foreign_source_are_found() {
        let lock = format!(
            "[[package]]\nname = \"ring\"\nsource = \"{SOURCE}\"\n\n[[package]]\n\
             name = \"openssl-probe\"\n\n[[package]]\nname = \"aws-lc-sys\"\n\
             source = \"git+https://example.com/aws-lc\"\n"
        );
        let found = check(&Tree::of(&[("Cargo.lock", &lock)]));
        assert_eq!(
            found.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            [9, 10]
        );
    }
}
