//! Where the repository is, and which files belong to it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// Folders that are never part of the repository; read only where git cannot be asked.
const NOT_OURS: [&str; 4] = [".git", "target", ".cache", "node_modules"];

/// The root of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Repo {
    root: PathBuf,
}

impl Repo {
    /// The workspace that this program belongs to: as cargo says, or as it was built.
    pub(crate) fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .context("xtask lies in a folder of the workspace")?;
        Ok(Self::at(root))
    }

    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Paths of all files that are committed or would be, relative and with `/`, in order.
    ///
    /// A copy without git is walked instead.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let mut files = match self.files_of_git() {
            Some(files) => files,
            None => {
                let mut files = Vec::new();
                walk(&self.root, "", &mut files)?;
                files
            }
        };
        files.retain(|path| self.path(path).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }

    fn files_of_git(&self) -> Option<Vec<String>> {
        if !self.path(".git").exists() {
            return None;
        }
        let output = Command::new("git")
            .args([
                "-c",
                "safe.directory=*",
                "ls-files",
                "-z",
                "--cached",
                "--others",
            ])
            .arg("--exclude-standard")
            .current_dir(&self.root)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let listed = String::from_utf8(output.stdout).ok()?;
        Some(listed.split_terminator('\0').map(str::to_owned).collect())
    }
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if !entry.file_type()?.is_dir() {
            files.push(path);
        } else if !NOT_OURS.contains(&name.as_str()) {
            walk(&entry.path(), &format!("{path}/"), files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_without_git_is_walked_without_what_was_built() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["src/main.rs", "target/debug/xtask", "README.md"] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let files = Repo::at(folder.path()).files().unwrap();
        assert_eq!(files, ["README.md", "src/main.rs"]);
    }
}
