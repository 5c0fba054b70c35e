//! What the driver says, as the store says it: plain words, and what to do.

use sqlx::error::DatabaseError;

use crate::StoreError;

/// Two transactions stood in each other's way; the server gave this one up.
const GIVEN_UP: &str = "others changed the same rows at the same moment; try again";

/// What an error of a lost connection opens with.
const LOST: &str = "the connection is lost: ";

/// What a server that is a standby, or becomes one, answers to a write.
const ONLY_READS: &str =
    "it only lets read at the moment: a standby, or a server that is being replaced";

/// The refusal of a server that takes no writes.
pub(super) fn only_reads() -> StoreError {
    StoreError::Unavailable(ONLY_READS.into())
}

/// The server has not answered for longer than it may work on one statement.
pub(super) fn silent() -> StoreError {
    StoreError::Unavailable(format!("{LOST}the server does not answer"))
}

/// It has happened, and what it answered is not known any more.
pub(super) fn unanswered() -> StoreError {
    StoreError::Unavailable("it has happened, and its answer was lost; look what there is".into())
}

/// Whether an error says that connections may be of no use, or lead to the wrong server.
pub(super) fn casts_doubt(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(why) if why == ONLY_READS || why.starts_with(LOST))
}

/// A statement failed.
pub(super) fn failure(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(database) => database_failure(&**database),
        sqlx::Error::Io(error) => StoreError::Unavailable(format!("{LOST}{error}")),
        sqlx::Error::Tls(error) => StoreError::Unavailable(format!("TLS failed: {error}")),
        sqlx::Error::Protocol(error) => StoreError::Unavailable(format!("{LOST}{error}")),
        sqlx::Error::PoolTimedOut => StoreError::Unavailable(
            "no connection became free or could be made in time; check that the server runs and \
             that `database_connections` is large enough"
                .into(),
        ),
        sqlx::Error::PoolClosed => StoreError::Unavailable("it has been closed".into()),
        sqlx::Error::BeginFailed => StoreError::Unavailable(format!("{LOST}it did not begin")),
        sqlx::Error::Configuration(error) => StoreError::Unavailable(error.to_string()),
        error => StoreError::Corrupt(error.to_string()),
    }
}

/// Whether a verb that failed so, before its commit was asked for, is worth another try at once:
/// nothing of it has happened.
pub(super) fn is_worth_another_try(error: &StoreError) -> bool {
    casts_doubt(error) || matches!(error, StoreError::Unavailable(why) if why == GIVEN_UP)
}

fn database_failure(error: &dyn DatabaseError) -> StoreError {
    let code = error.code().unwrap_or_default();
    let message = error.message();
    match &*code {
        "40001" | "40P01" => StoreError::Unavailable(GIVEN_UP.into()),
        "55P03" | "57014" => StoreError::Unavailable(format!(
            "it took too long, or waited too long for others ({message}); try again"
        )),
        // The second is what a standby says of a transaction that means to write.
        "25006" | "0A000" => only_reads(),
        "57P01" | "57P02" | "57P03" | "25P03" | "57P05" => {
            StoreError::Unavailable(format!("{LOST}{message}"))
        }
        "53100" => StoreError::Unavailable("its disk is full; free some space".into()),
        "53300" => StoreError::Unavailable(format!(
            "it has no connection left ({message}); raise `max_connections` of the server or lower \
             `database_connections`"
        )),
        "28P01" | "28000" => StoreError::Unavailable(format!(
            "it does not let this user in ({message}); check user and password of the address"
        )),
        "3D000" => StoreError::Unavailable(format!("{message}; create it with `createdb`")),
        "42501" => StoreError::Unavailable(format!(
            "{message}; the user needs the right to create tables in its schema"
        )),
        "23514" | "22021" | "22P05" => StoreError::Corrupt(message.to_owned()),
        "XX001" | "XX002" => StoreError::Corrupt(format!("{message}; restore a backup")),
        class if class.starts_with("23") => {
            StoreError::Conflict(format!("it is there already: {message}"))
        }
        class if class.starts_with("08") => StoreError::Unavailable(format!("{LOST}{message}")),
        _ => StoreError::Unavailable(format!("{message} ({code})")),
    }
}
