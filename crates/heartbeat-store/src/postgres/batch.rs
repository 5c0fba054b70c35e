//! Many rows in one statement, in sizes that are prepared once and kept.
//!
//! Differs: SQLite does not number the values.

use std::fmt::Write as _;
use std::sync::OnceLock;

use sqlx::postgres::PgRow;

use super::tx::{Statement, Tx, sql};
use crate::verbs::Result;

/// Rows of one statement, from the largest.
const SIZES: [usize; 4] = [128, 32, 8, 1];

/// A statement over rows of values.
pub(super) struct Batch {
    /// Up to and with `VALUES`.
    head: &'static str,
    /// How many values make a row.
    width: usize,
    /// After the rows.
    tail: &'static str,
    /// Its texts, one for each size.
    texts: OnceLock<[String; 4]>,
}

impl Batch {
    /// `head (…), (…) tail` with rows of `width` values.
    pub(super) const fn new(head: &'static str, width: usize, tail: &'static str) -> Self {
        Self {
            head,
            width,
            tail,
            texts: OnceLock::new(),
        }
    }

    /// Writes all rows; answers how many the database says it wrote.
    pub(super) async fn write<T>(
        &'static self,
        tx: &mut Tx,
        mut rows: &[T],
        bind: impl Fn(Statement<'static>, &T) -> Statement<'static>,
    ) -> Result<u64> {
        let mut written = 0;
        while let Some((statement, rest)) = self.next(rows, &bind) {
            written += tx.write(statement).await?;
            rows = rest;
        }
        Ok(written)
    }

    /// Reads what belongs to all rows.
    pub(super) async fn rows<T>(
        &'static self,
        tx: &mut Tx,
        mut rows: &[T],
        bind: impl Fn(Statement<'static>, &T) -> Statement<'static>,
    ) -> Result<Vec<PgRow>> {
        let mut found = Vec::with_capacity(rows.len());
        while let Some((statement, rest)) = self.next(rows, &bind) {
            found.extend(tx.rows(statement).await?);
            rows = rest;
        }
        Ok(found)
    }

    fn next<'r, T>(
        &'static self,
        rows: &'r [T],
        bind: &impl Fn(Statement<'static>, &T) -> Statement<'static>,
    ) -> Option<(Statement<'static>, &'r [T])> {
        let place = SIZES.iter().position(|size| *size <= rows.len())?;
        let (now, rest) = rows.split_at(SIZES[place]);
        let texts = self.texts.get_or_init(|| SIZES.map(|size| self.text(size)));
        Some((now.iter().fold(sql(texts[place].as_str()), bind), rest))
    }

    fn text(&self, rows: usize) -> String {
        let mut text = String::from(self.head);
        for row in 0..rows {
            text.push_str(if row == 0 { " (" } else { ", (" });
            for column in 1..=self.width {
                let comma = if column == 1 { "" } else { ", " };
                let _infallible = write!(text, "{comma}${}", row * self.width + column);
            }
            text.push(')');
        }
        text.push(' ');
        text.push_str(self.tail);
        text
    }
}
