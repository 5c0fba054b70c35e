//! What a migration asks of programs, and whether a program may work on a database that a newer one
//! has brought up to date.
//!
//! A release only adds, and takes away what it no longer uses one release later. So an older program
//! goes on, and may be started again, until a migration says that it takes something away: with that
//! the database keeps the oldest schema that a program must know.

use crate::StoreError;
use crate::verbs::Result;

/// What a migration asks of the programs that work on the database after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// It only adds: programs that do not know it go on.
    Nothing,
    /// It takes away what programs use that know less than this schema.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "no migration takes anything away so far")
    )]
    Schema(i64),
}

impl Asks {
    /// What is kept in the database.
    pub(crate) fn needs(self) -> Option<i64> {
        match self {
            Self::Nothing => None,
            Self::Schema(number) => Some(number),
        }
    }
}

/// A migration: its number, its name, what it asks of programs, and its text.
pub(crate) type Migration = (i64, &'static str, Asks, &'static str);

/// What a database says of its own schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schema {
    /// Its newest migration.
    pub(crate) newest: i64,
    /// The oldest schema that a program must know to work on it, where it says so.
    pub(crate) needs: Option<i64>,
}

/// Whether a program that knows migrations up to `known` may work on such a database.
///
/// # Errors
/// `Conflict`, with what to do.
pub(crate) fn admit(schema: Schema, known: i64) -> Result<()> {
    let Schema { newest, needs } = schema;
    match needs {
        Some(needs) if newest > known && needs > known => Err(StoreError::Conflict(format!(
            "this database was written by a newer version of Heartbeat (schema {newest}), which took \
             away what this one uses: it must know schema {needs}, and knows {known}; upgrade the \
             program, or restore a backup made before the upgrade"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_admitted_until_something_is_taken_away_that_it_uses() {
        let schema = |newest, needs| Schema { newest, needs };
        for (schema, known) in [
            (schema(26, None), 26),
            (schema(0, None), 26),
            (schema(20, None), 26),
            (schema(30, None), 26),
            (schema(30, Some(25)), 26),
            (schema(30, Some(26)), 26),
            (schema(26, Some(26)), 26),
        ] {
            assert_eq!(admit(schema, known), Ok(()), "{schema:?}, {known}");
        }
        for (schema, known) in [(schema(30, Some(27)), 26), (schema(30, Some(30)), 29)] {
            let refused = admit(schema, known).unwrap_err().to_string();
            assert!(refused.contains("upgrade the program"), "{refused}");
        }
    }

    #[test]
    fn only_what_takes_away_says_what_it_needs() {
        assert_eq!(Asks::Nothing.needs(), None);
        assert_eq!(Asks::Schema(28).needs(), Some(28));
    }
}
