//! What the driver says, as the store says it: plain words, and what to do.

use sqlx::error::DatabaseError;

use crate::StoreError;

const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const IO: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const CONSTRAINT: i32 = 19;
const NOT_A_DATABASE: i32 = 26;
const CHECK: i32 = 275;

/// A statement failed.
pub(super) fn failure(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(database) => database_failure(&**database),
        sqlx::Error::Io(error) => StoreError::Unavailable(error.to_string()),
        sqlx::Error::PoolTimedOut => StoreError::Unavailable("too many readers at once".into()),
        sqlx::Error::PoolClosed => StoreError::Unavailable("it has been closed".into()),
        sqlx::Error::WorkerCrashed => {
            StoreError::Unavailable("the connection broke; restart the process".into())
        }
        error => StoreError::Corrupt(error.to_string()),
    }
}

fn database_failure(error: &dyn DatabaseError) -> StoreError {
    let code: i32 = error.code().and_then(|code| code.parse().ok()).unwrap_or(0);
    match code & 0xff {
        BUSY | LOCKED => StoreError::Unavailable(
            "another process has been writing to it for too long; try again".into(),
        ),
        READ_ONLY => StoreError::Unavailable(
            "its file is read-only; make it and its directory writable for this user".into(),
        ),
        FULL => StoreError::Unavailable("the disk is full; free some space".into()),
        IO => StoreError::Unavailable(format!("the disk failed: {}", error.message())),
        CANNOT_OPEN => StoreError::Unavailable(
            "its file cannot be opened; check that its directory exists and is writable".into(),
        ),
        CORRUPT | NOT_A_DATABASE => StoreError::Corrupt(format!(
            "the file is damaged or is not a SQLite database ({}); restore a backup",
            error.message()
        )),
        CONSTRAINT if code == CHECK => StoreError::Corrupt(error.message().to_owned()),
        CONSTRAINT => StoreError::Conflict(format!("it is there already: {}", error.message())),
        _ => StoreError::Unavailable(error.message().to_owned()),
    }
}
