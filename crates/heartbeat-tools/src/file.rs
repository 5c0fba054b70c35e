//! Reading a file below the operator's `local_roots`, and nothing else.
//!
//! Links are resolved before anything is compared, so neither `..` nor a link leads out. The
//! database, its key and the configuration are never read.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::probe::ProbeError;

/// Most bytes of a file that a watch reads.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Which files may be read.
#[derive(Clone, Debug, Default)]
pub struct LocalFiles {
    roots: Vec<PathBuf>,
    never: Vec<PathBuf>,
}

impl LocalFiles {
    /// Files below `roots`, but none of `never`.
    #[must_use]
    pub fn new(roots: Vec<PathBuf>, never: Vec<PathBuf>) -> Self {
        Self { roots, never }
    }

    /// Checks that a path may be read, without opening it.
    ///
    /// # Errors
    /// It is not below a root, is one of those that are never read, or does not exist.
    pub fn check(&self, path: &str) -> Result<PathBuf, ProbeError> {
        if self.roots.is_empty() {
            return Err(ProbeError::new(
                "no file may be read: the operator has set no `local_roots`",
            ));
        }
        let outside = || {
            ProbeError::new(
                "the file is not below one of the operator's `local_roots`, or does not exist",
            )
        };
        let path = Path::new(path);
        if !path.is_absolute() {
            return Err(ProbeError::new("`path` must be absolute"));
        }
        let real = path.canonicalize().map_err(|_| outside())?;
        let below = |root: &PathBuf| root.canonicalize().is_ok_and(|root| real.starts_with(root));
        if !self.roots.iter().any(below) || self.is_never_read(&real) {
            return Err(outside());
        }
        Ok(real)
    }

    /// Reads a text file.
    ///
    /// # Errors
    /// [`LocalFiles::check`] refuses it, it is no regular file, too large, or not UTF-8.
    pub fn read(&self, path: &str) -> Result<String, ProbeError> {
        let real = self.check(path)?;
        let failed =
            |error: std::io::Error| ProbeError::new(format!("the file cannot be read: {error}"));
        let kind = std::fs::symlink_metadata(&real).map_err(failed)?;
        if !kind.is_file() {
            return Err(ProbeError::new("the path is not a regular file"));
        }
        let mut text = String::new();
        let mut file = File::open(&real).map_err(failed)?.take(FILE_BYTES_MAX + 1);
        file.read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(ProbeError::new(format!(
                "the file has more than {FILE_BYTES_MAX} bytes"
            )));
        }
        Ok(text)
    }

    /// Also shuts out what is kept beside the database under longer names.
    fn is_never_read(&self, real: &Path) -> bool {
        self.never
            .iter()
            .filter_map(|never| never.canonicalize().ok())
            .any(|never| {
                let begins = |name: &std::ffi::OsStr| {
                    let never = never.file_name().unwrap_or_default().as_encoded_bytes();
                    name.as_encoded_bytes().starts_with(never)
                };
                real.parent() == never.parent() && real.file_name().is_some_and(begins)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> (tempfile::TempDir, LocalFiles) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        std::fs::write(dir.path().join("in/a.txt"), "12\n").unwrap();
        std::fs::write(dir.path().join("out.txt"), "secret").unwrap();
        std::fs::write(dir.path().join("in/heartbeat.db"), "db").unwrap();
        std::fs::write(dir.path().join("in/heartbeat.db-wal"), "wal").unwrap();
        let files = LocalFiles::new(
            vec![dir.path().join("in")],
            vec![dir.path().join("in/heartbeat.db")],
        );
        (dir, files)
    }

    fn path(dir: &tempfile::TempDir, name: &str) -> String {
        dir.path().join(name).display().to_string()
    }

    #[test]
    fn a_file_below_a_root_is_read() {
        let (dir, files) = setup();
        assert_eq!(files.read(&path(&dir, "in/a.txt")).unwrap(), "12\n");
    }

    #[test]
    fn neither_dots_nor_links_lead_out_of_a_root() {
        let (dir, files) = setup();
        std::os::unix::fs::symlink(dir.path().join("out.txt"), dir.path().join("in/link")).unwrap();
        for name in [
            "out.txt",
            "in/../out.txt",
            "in/link",
            "/etc/passwd",
            "in/missing",
        ] {
            let text = if name.starts_with('/') {
                name.into()
            } else {
                path(&dir, name)
            };
            assert!(files.read(&text).is_err(), "{name} was read");
        }
    }

    #[test]
    fn the_database_and_what_stands_beside_it_are_never_read() {
        let (dir, files) = setup();
        assert!(files.read(&path(&dir, "in/heartbeat.db")).is_err());
        assert!(files.read(&path(&dir, "in/heartbeat.db-wal")).is_err());
    }

    #[test]
    fn without_roots_nothing_is_read_and_the_reason_is_said() {
        let error = LocalFiles::default().read("/etc/hostname").unwrap_err();
        assert!(error.message.contains("local_roots"), "{error}");
    }

    #[test]
    fn a_directory_is_not_a_file() {
        let (dir, files) = setup();
        assert!(files.read(&path(&dir, "in")).is_err());
    }
}
