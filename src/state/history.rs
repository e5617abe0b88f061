//! The previous texts of manifests we changed, so that a person can have one back.
//!
//! Kept by content: a text that comes back moves to the front and takes no second place.

use sha2::{Digest, Sha256};

use super::State;
use super::error::Result;

/// How many texts a collection keeps.
pub const KEPT_PER_COLLECTION: usize = 50;

/// A kept text, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The collection directory's name.
    pub collection: String,
    /// Of the text, lower-case hexadecimal.
    pub sha256: String,
    /// Length of the text in bytes.
    pub bytes: u64,
    /// When it was kept, milliseconds since 1970.
    pub written_at_ms: i64,
}

impl State {
    /// Keeps the bytes of a manifest as the newest of its collection, drops the oldest beyond
    /// [`KEPT_PER_COLLECTION`], and returns the SHA-256.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn keep_manifest(&self, collection: &str, text: &[u8], at_ms: i64) -> Result<String> {
        let sha256 = hex(&Sha256::digest(text));
        let limit = i64::try_from(KEPT_PER_COLLECTION).unwrap_or(i64::MAX);
        self.write(vec![
            (
                "INSERT OR REPLACE INTO manifest_history (collection, sha256, text, written_at_ms)
                    VALUES (?, ?, ?, ?)",
                vec![collection.into(), sha256.clone().into(), text.to_vec().into(), at_ms.into()],
            ),
            (
                "DELETE FROM manifest_history WHERE collection = ? AND seq NOT IN
                    (SELECT seq FROM manifest_history WHERE collection = ? ORDER BY seq DESC LIMIT ?)",
                vec![collection.into(), collection.into(), limit.into()],
            ),
        ])
        .await?;
        Ok(sha256)
    }

    /// What is kept of one collection or of all, the newest first within each.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn kept_manifests(&self, collection: Option<&str>) -> Result<Vec<Kept>> {
        let sql = "SELECT collection, sha256, length(text), written_at_ms FROM manifest_history
            WHERE ? IS NULL OR collection = ? ORDER BY collection, seq DESC";
        let rows = self.rows(sql, vec![collection.into(), collection.into()]).await?;
        rows.iter()
            .map(|row| {
                Ok(Kept {
                    collection: row.try_get_by_index(0)?,
                    sha256: row.try_get_by_index(1)?,
                    bytes: u64::try_from(row.try_get_by_index::<i64>(2)?).unwrap_or(0),
                    written_at_ms: row.try_get_by_index(3)?,
                })
            })
            .collect()
    }

    /// The bytes of a kept text.
    ///
    /// # Errors
    /// See [`super::StateError`].
    pub async fn kept_manifest(&self, collection: &str, sha256: &str) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT text FROM manifest_history WHERE collection = ? AND sha256 = ?";
        let rows = self.rows(sql, vec![collection.into(), sha256.into()]).await?;
        Ok(rows.first().map(|row| row.try_get_by_index(0)).transpose()?)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}
