//! What is large is made, not committed.

use super::{Finding, Tree};

const BYTES_MAX: u64 = 1024 * 1024;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let heavy = tree.0.iter().filter(|file| file.bytes > BYTES_MAX);
    heavy
        .map(|file| {
            Finding::file(
                &file.path,
                format!("{} bytes; at most {BYTES_MAX}", file.bytes),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heavy_file_is_found() {
        let mut tree = Tree::of(&[("picture.png", "x")]);
        assert!(check(&tree).is_empty());
        tree.0[0].bytes = BYTES_MAX + 1;
        assert_eq!(check(&tree).len(), 1);
    }
}
