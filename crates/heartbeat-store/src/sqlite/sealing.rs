//! The sealing key of this database, and its fingerprint, which refuses another key.

use super::SqliteStore;
use super::failure::failure;
use super::rows::Cursor;
use super::tx::{Tx, sql};
use crate::StoreError;
use crate::sealing::SealingKey;
use crate::verbs::Result;

const KEEP: &str = "INSERT INTO facts (name, value) VALUES ('sealing_key', $1) \
    ON CONFLICT (name) DO NOTHING";

const KEPT: &str = "SELECT value FROM facts WHERE name = 'sealing_key'";

impl SqliteStore {
    /// Takes the key that seals and opens secrets from now on. The database remembers the
    /// fingerprint of the first key it sees and refuses every other one.
    ///
    /// # Errors
    /// `Conflict`: what this database keeps sealed was sealed with another key.
    pub async fn unlock(&self, key: &SealingKey) -> Result<()> {
        let fingerprint = key.fingerprint();
        self.write(move |tx| Box::pin(check(tx, fingerprint)))
            .await?;
        self.vault.take(key);
        Ok(())
    }

    /// Whether it has seen a key.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn has_key(&self) -> Result<bool> {
        let mut conn = self.read().await?;
        let kept = sql(KEPT).fetch_optional(&mut *conn).await;
        Ok(kept.map_err(|error| failure(&error))?.is_some())
    }

    /// Where random bytes of this store come from.
    #[must_use]
    pub fn id_source(&self) -> &heartbeat_domain::ids::IdSource {
        &self.ids
    }
}

async fn check(tx: &mut Tx, fingerprint: String) -> Result<()> {
    if let Some(row) = tx.find(sql(KEPT)).await? {
        let kept: String = Cursor::new(&row).take()?;
        if kept == fingerprint {
            return Ok(());
        }
        return Err(StoreError::Conflict(format!(
            "the secrets in this database were sealed with another key (fingerprint {kept}, this \
             one is {fingerprint}); start with the key file that was made beside the database"
        )));
    }
    tx.write(sql(KEEP).bind(fingerprint)).await?;
    Ok(())
}
