//! What simulations need to look into the database, and to break it on purpose.

use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Row as _};

use super::failure::failure;
use super::rows::Cursor;
use super::servers::Servers;
use super::tx::sql;
use super::{OpenOptions, PostgresStore, url};
use crate::StoreError;
use crate::verbs::Result;

const TABLES: &str = "SELECT COUNT(*) FROM pg_catalog.pg_tables \
    WHERE schemaname = current_schema()";

impl PostgresStore {
    /// How many tables a database holds, whoever made them. Nothing is changed.
    ///
    /// # Errors
    /// The server is not there, or refuses the user.
    pub async fn count_tables(url: &str) -> Result<u64> {
        let options = OpenOptions::default();
        let (_, mut conn) = Servers::open(url::connect_options(url, options)?, options).await?;
        let row = sql(TABLES).fetch_one(&mut conn).await;
        Cursor::new(&row.map_err(|error| failure(&error))?).count()
    }

    /// Runs any statement; answers how many rows it wrote.
    ///
    /// # Errors
    /// The statement is wrong or refused.
    pub async fn execute_unchecked(&self, sql: String) -> Result<u64> {
        self.write(move |tx| {
            let sql = sql.clone();
            Box::pin(async move { tx.write(sqlx::query(AssertSqlSafe(sql))).await })
        })
        .await
    }

    /// Rows of any query. Ids and other bytes are answered as lower-case hex without dashes.
    ///
    /// # Errors
    /// The query is wrong.
    pub async fn query_json(&self, sql: String) -> Result<Vec<Map<String, Value>>> {
        let mut conn = self.read().await?;
        let text = format!("SELECT row_to_json(q)::TEXT FROM ({sql}) AS q");
        let rows = sqlx::query(AssertSqlSafe(text))
            .fetch_all(&mut *conn)
            .await
            .map_err(|error| failure(&error))?;
        rows.iter()
            .map(|row| {
                let text: String = row.try_get(0).map_err(|error| failure(&error))?;
                let object: Map<String, Value> = serde_json::from_str(&text)
                    .map_err(|error| StoreError::Corrupt(error.to_string()))?;
                Ok(object
                    .into_iter()
                    .map(|(name, value)| (name, hex(value)))
                    .collect())
            })
            .collect()
    }
}

/// A UUID or bytes as the other database shows them; anything else as it is.
fn hex(value: Value) -> Value {
    let Value::String(text) = &value else {
        return value;
    };
    if let Some(bytes) = text.strip_prefix("\\x") {
        return Value::from(bytes);
    }
    match uuid::Uuid::try_parse(text) {
        Ok(id) => Value::from(id.simple().to_string()),
        Err(_) => value,
    }
}
