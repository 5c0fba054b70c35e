//! Receipts of verbs that have no key of their own.
//!
//! A receipt is written in the transaction of its verb. Whoever lost the answer asks with the same
//! one again: where it is there, the verb has happened; where its transaction is still under way,
//! the question waits for that. A receipt is of no use once its verb was answered, and goes with one
//! of the next; those of a process that dies stay, a row for each verb it had under way. Verbs that
//! are asked all the time write theirs within their own first statement.

use std::sync::{Mutex, PoisonError};

use heartbeat_domain::ids::IdSource;
use uuid::Uuid;

use super::tx::{Statement, Tx, sql};
use crate::verbs::Result;

const ENTER: &str = "INSERT INTO receipts (id) VALUES ($1) ON CONFLICT (id) DO NOTHING";

const CLEAR: &str = "DELETE FROM receipts WHERE id = ANY($1)";

/// What a statement begins with that writes a receipt and clears others away; of the placeholders for
/// the two.
macro_rules! with_receipt {
    ($receipt:literal, $spent:literal) => {
        concat!(
            "WITH entered AS (INSERT INTO receipts (id) VALUES (",
            $receipt,
            ")), cleared AS (DELETE FROM receipts WHERE id = ANY(",
            $spent,
            ")) "
        )
    };
}
pub(super) use with_receipt;

/// Receipts whose verbs were answered.
#[derive(Debug, Default)]
pub(super) struct Receipts(Mutex<Vec<Uuid>>);

/// The receipt of one verb, and those that it clears away.
#[derive(Clone)]
pub(super) struct Receipt {
    id: Uuid,
    spent: Vec<Uuid>,
}

impl Receipts {
    pub(super) fn fresh(&self, ids: &IdSource) -> Receipt {
        let mut bytes = [0; 16];
        ids.fill(&mut bytes);
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Receipt {
            id: Uuid::from_bytes(bytes),
            spent: std::mem::take(&mut *spent),
        }
    }

    /// Its verb was answered. What it was to clear away may still be there, after an error.
    pub(super) fn spend(&self, receipt: Receipt) {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spent.push(receipt.id);
    }
}

impl Receipt {
    /// Whether its verb has not happened yet, and does with this transaction.
    pub(super) async fn enter(&self, tx: &mut Tx) -> Result<bool> {
        if !self.spent.is_empty() {
            tx.write(sql(CLEAR).bind(self.spent.clone())).await?;
        }
        Ok(tx.write(sql(ENTER).bind(self.id)).await? > 0)
    }

    /// Binds it to a statement that begins with [`with_receipt`].
    pub(super) fn bind(self, statement: Statement<'_>) -> Statement<'_> {
        statement.bind(self.id).bind(self.spent)
    }
}
