//! What the database owns and manifests keep a copy of: groups and tag definitions.
//!
//! [`Cache::load_owned`] reads the sides of all directories as of one moment; [`Cache::write_owned`] brings rows to what
//! a merge made of them, unless somebody else has committed in between: then nothing is written and the caller merges
//! again.
//!
//! What this module does not do: merge, or retry a merge.

mod load;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;
use sea_orm::ConnectionTrait;
use tokio::time::{Instant, sleep};

use super::Cache;
use super::changes::Versions;
use super::connect::LOCK_RETRY;
use super::error::{DbError, Result};
use super::format::timestamp;
use super::hold::Purpose;
use crate::domain::mapping::Mapping;
use crate::domain::owned::{DbEdits, DbSide};
use crate::domain::rows::DbCollection;
use write::Writer;

/// `custom_colors`: the name, if it has one, by the hex text.
pub type Colors = BTreeMap<String, Option<String>>;

/// What to write into the database, for everything that [`Owned`] tells.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    /// Directories that get a DB collection of their name, first of all.
    pub new_collections: BTreeSet<String>,
    /// By directory.
    pub by_directory: BTreeMap<String, DbEdits>,
    /// Colours to be put on the palette.
    pub colors: Colors,
}

impl Edits {
    fn is_empty(&self) -> bool {
        self.new_collections.is_empty()
            && self.by_directory.values().all(DbEdits::is_empty)
            && self.colors.is_empty()
    }
}

/// The database's side of everything, as of one moment.
#[derive(Debug, Clone, Default)]
pub struct Owned {
    /// By collection directory.
    pub sides: BTreeMap<String, DbSide>,
    /// Directories whose rows hold values that are no groups or tags; they are left out of `sides`.
    pub odd: BTreeSet<String>,
    /// Which DB collection stands for which directory.
    pub mapping: Mapping,
    /// Every row of `collections`.
    pub collections: BTreeMap<String, DbCollection>,
    /// How many groups the DB collections have that stand for no directory; none is left out.
    pub unmapped_groups: BTreeMap<String, usize>,
    /// The colours that people have put on their palette, by their hex text; they belong to no collection. `None` where the
    /// database has no place for them.
    pub colors: Option<Colors>,
    /// Where the database stood.
    pub(crate) at: Option<Versions>,
}

impl Cache {
    /// Reads the sides of these directories. `named` are the members that manifests and bases name: the answer tells the
    /// uuids of these artifacts.
    ///
    /// # Errors
    /// See [`DbError`].
    pub async fn load_owned(
        &mut self,
        directories: &BTreeSet<String>,
        named: &BTreeSet<String>,
    ) -> Result<Owned> {
        let deadline = Instant::now() + self.patience;
        let loaded = loop {
            match self.load_owned_once(directories, named).await {
                Err(DbError::Busy) if Instant::now() < deadline => sleep(LOCK_RETRY).await,
                done => break done,
            }
        };
        self.settle(loaded).await
    }

    async fn load_owned_once(
        &self,
        directories: &BTreeSet<String>,
        named: &BTreeSet<String>,
    ) -> Result<Owned> {
        let pinned = self.connection()?;
        if pinned.replaced() {
            return Err(DbError::Replaced);
        }
        let txn = pinned.read().await?;
        let at = self.versions_in(&txn).await?;
        let mut owned = load::load(&txn, &self.capabilities, directories, named).await?;
        txn.rollback().await?;
        owned.at = Some(at);
        Ok(owned)
    }

    /// Writes what a merge made of the sides that `owned` tells, in one transaction. `false` if somebody else has
    /// committed since: then nothing is written, and the merge has to be made again. `now` (naive UTC) goes into the time
    /// columns.
    ///
    /// # Errors
    /// See [`DbError`]; nothing is written.
    pub async fn write_owned(&mut self, owned: &Owned, edits: &Edits, now: NaiveDateTime) -> Result<bool> {
        if edits.is_empty() {
            return Ok(true);
        }
        let written = self.write_owned_once(owned, edits, now).await;
        self.settle(written).await
    }

    async fn write_owned_once(&self, owned: &Owned, edits: &Edits, now: NaiveDateTime) -> Result<bool> {
        let deadline = Instant::now() + self.patience;
        let txn = self.begin_writing(Purpose::Groups, deadline, &mut 0).await?;
        if Some(self.versions_in(&*txn).await?) != owned.at {
            txn.rollback().await?;
            return Ok(false);
        }
        let now = timestamp(now);
        let writer = Writer { db: &*txn, capabilities: &self.capabilities, now: &now };
        let written = Self::write_all(&writer, owned, edits).await;
        match written {
            Ok(()) => {
                txn.commit().await?;
                Ok(true)
            }
            Err(error) => {
                let _ = txn.rollback().await; // fails only if SQLite has rolled back already
                Err(error)
            }
        }
    }

    async fn write_all<C: ConnectionTrait>(
        writer: &Writer<'_, C>,
        owned: &Owned,
        edits: &Edits,
    ) -> Result<()> {
        for directory in &edits.new_collections {
            writer.make_collection(directory).await?;
        }
        for (directory, changes) in &edits.by_directory {
            let collection = owned.mapping.by_directory.get(directory);
            let collection = collection.or_else(|| edits.new_collections.get(directory));
            writer.apply(collection.map(String::as_str), changes).await?;
        }
        writer.add_colors(&edits.colors).await
    }

    /// Whether nobody else has committed since `at`.
    ///
    /// # Errors
    /// See [`DbError`].
    pub(crate) async fn stands_at(&self, at: Versions) -> Result<bool> {
        if self.replaced() {
            return Ok(false);
        }
        Ok(super::changes::versions(self.connection()?.db()).await? == at)
    }
}
