//! One `serve` at a time on a file: a lock beside the database, given up by the operating system
//! when the process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::verbs::Result;

/// Held as long as this process serves.
#[derive(Debug)]
pub struct ServeLock {
    _file: File,
}

/// Locks `<database>.lock`.
///
/// # Errors
/// `Conflict` if another process serves this database; `Unavailable` if the lock file cannot be
/// written.
pub fn lock_for_serving(db_path: &Path) -> Result<ServeLock> {
    let path = lock_path(db_path);
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let mut file = opened.map_err(|error| unavailable(&path, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(taken(db_path, &mut file)),
        Err(TryLockError::Error(error)) => return Err(unavailable(&path, &error)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{}", std::process::id()));
    written.map_err(|error| unavailable(&path, &error))?;
    Ok(ServeLock { _file: file })
}

fn lock_path(db_path: &Path) -> PathBuf {
    let mut path = db_path.as_os_str().to_owned();
    path.push(".lock");
    PathBuf::from(path)
}

fn taken(db_path: &Path, file: &mut File) -> StoreError {
    let mut pid = String::new();
    let known = file.read_to_string(&mut pid).is_ok() && pid.trim().parse::<u32>().is_ok();
    let who = if known {
        format!(" (process {})", pid.trim())
    } else {
        String::new()
    };
    StoreError::Conflict(format!(
        "another `heartbeat serve`{who} is running on {}; stop it first, or use another database",
        db_path.display()
    ))
}

fn unavailable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}
