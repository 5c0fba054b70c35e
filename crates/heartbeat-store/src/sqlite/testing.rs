//! What simulations need to look into the database, and to break it on purpose.

use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Column as _, Row as _, TypeInfo as _, ValueRef as _};

use super::SqliteStore;
use super::failure::failure;
use crate::verbs::Result;

impl SqliteStore {
    /// Runs any statement through the writer; answers how many rows it wrote.
    ///
    /// # Errors
    /// The statement is wrong or refused.
    pub async fn execute_unchecked(&self, sql: String) -> Result<u64> {
        self.write(move |tx| {
            Box::pin(async move { tx.write(sqlx::query(AssertSqlSafe(sql))).await })
        })
        .await
    }

    /// Rows of any query. Blobs are answered as lower-case hex.
    ///
    /// # Errors
    /// The query is wrong.
    pub async fn query_json(&self, sql: String) -> Result<Vec<Map<String, Value>>> {
        let mut conn = self.read().await?;
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *conn).await;
        rows.map_err(|error| failure(&error))?
            .iter()
            .map(object)
            .collect()
    }
}

fn object(row: &sqlx::sqlite::SqliteRow) -> Result<Map<String, Value>> {
    let mut object = Map::new();
    for column in row.columns() {
        let at = column.ordinal();
        let raw = row.try_get_raw(at).map_err(|error| failure(&error))?;
        let kind = if raw.is_null() {
            "NULL".to_owned()
        } else {
            raw.type_info().name().to_owned()
        };
        let value = match kind.as_str() {
            "NULL" => Ok(Value::Null),
            "INTEGER" | "BOOLEAN" | "BIGINT" => {
                row.try_get_unchecked::<i64, _>(at).map(Value::from)
            }
            "REAL" => row.try_get_unchecked::<f64, _>(at).map(Value::from),
            "BLOB" => row
                .try_get_unchecked::<Vec<u8>, _>(at)
                .map(|bytes| Value::from(hex(&bytes))),
            _ => row.try_get_unchecked::<String, _>(at).map(Value::from),
        };
        object.insert(
            column.name().to_owned(),
            value.map_err(|error| failure(&error))?,
        );
    }
    Ok(object)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
