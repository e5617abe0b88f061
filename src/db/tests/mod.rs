//! On real files, with a second SQLite (rusqlite) as the neighbour.

mod applying;
mod aside;
mod loading;
mod neighbours;
mod opening;
mod owned;

use std::path::{Path, PathBuf};

use chrono::{NaiveDate, NaiveDateTime};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::domain::model::{ArtifactId, Kind, Row};
use crate::domain::plan::{Assignment, NewArtifact, NewTag, Plan, Removal, Upsert};

/// A home directory with a cache in it.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    pub(crate) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join(".skillmeat/cache")).unwrap();
        Self { dir }
    }

    pub(crate) async fn standalone() -> Self {
        let home = Self::empty();
        let opened = Cache::create_standalone(&home.db(), home.path()).await.unwrap();
        assert!(matches!(opened.identity, Identity::Standalone(_)), "{:?}", opened.identity);
        opened.usable().unwrap().close().await.unwrap();
        home
    }

    /// What SkillMeat makes, as far as it matters here: the same tables and more, and no mark of ours.
    pub(crate) async fn guest() -> Self {
        let home = Self::standalone().await;
        home.peer()
            .execute_batch(
                "PRAGMA application_id = 0;
                 CREATE TABLE composite_artifacts (id VARCHAR NOT NULL PRIMARY KEY, collection_id VARCHAR NOT NULL,
                     artifact_uuid VARCHAR UNIQUE REFERENCES artifacts (uuid) ON DELETE SET NULL);
                 CREATE TABLE marketplace_sources (id VARCHAR NOT NULL PRIMARY KEY);",
            )
            .unwrap();
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.dir.path().join(".skillmeat/cache/cache.db")
    }

    /// A neighbour with SkillMeat's connection settings, except that it does not wait for locks.
    pub(crate) fn peer(&self) -> Connection {
        let peer = Connection::open(self.db()).unwrap();
        peer.execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 0;")
            .unwrap();
        peer
    }

    pub(crate) async fn cache(&self) -> Cache {
        Cache::open(&self.db(), self.path()).await.unwrap().usable().unwrap()
    }
}

/// A point in time whose microseconds are 0, where SQLAlchemy still writes six digits.
pub(crate) fn noon() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 11, 21).unwrap().and_hms_opt(12, 0, 0).unwrap()
}

pub(crate) fn id(name: &str) -> ArtifactId {
    ArtifactId::new(Kind::Skill, name)
}

pub(crate) fn row(description: &str) -> Row {
    Row {
        description: Some(description.to_owned()),
        source: Some("local".to_owned()),
        origin: Some("local".to_owned()),
        ..Row::default()
    }
}

/// Everything a first mirror of these artifacts needs, each tagged with `tags`.
pub(crate) fn first_plan(names: &[&str], tags: &[&str]) -> Plan {
    Plan {
        sentinel: true,
        default_collection: true,
        new_artifacts: names
            .iter()
            .map(|name| NewArtifact { id: id(name), source: None, deployed_version: Some("1.0".to_owned()) })
            .collect(),
        new_tags: tags
            .iter()
            .map(|tag| NewTag { name: (*tag).to_owned(), slug: tag.to_lowercase() })
            .collect(),
        upserts: names
            .iter()
            .map(|name| Upsert {
                collection: "default".to_owned(),
                artifact: id(name),
                row: row(name).into(),
            })
            .collect(),
        tag: names
            .iter()
            .flat_map(|name| {
                tags.iter().map(|tag| Assignment { artifact: id(name), slug: tag.to_lowercase() })
            })
            .collect(),
        verified: vec![],
        untag: vec![],
        removals: vec![],
    }
}

/// Applies one plan once, and then nothing.
pub(crate) async fn apply(cache: &mut Cache, plan: Plan) -> Applied {
    cache.sync(&crate::domain::rows::Scope::All, noon(), |_, _| plan.clone()).await.unwrap()
}

pub(crate) fn texts(peer: &Connection, sql: &str) -> Vec<String> {
    let mut statement = peer.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
    rows.map(|text| text.unwrap().unwrap_or_else(|| "NULL".to_owned())).collect()
}

/// Whether so many rows are a number of whole transactions: the first is small, because somebody might be there, and the
/// others large, because nobody is.
pub(crate) fn is_whole(rows: usize) -> bool {
    let small = sync::COMPANY_BATCH;
    let large = if cfg!(target_os = "linux") { BATCH } else { small };
    rows == 0 || (rows >= small && (rows - small).is_multiple_of(large))
}

pub(crate) fn number(peer: &Connection, sql: &str) -> i64 {
    peer.query_row(sql, [], |row| row.get(0)).unwrap()
}

pub(crate) fn remove(name: &str) -> Removal {
    Removal { collection: "default".to_owned(), artifact: id(name) }
}
