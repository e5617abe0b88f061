//! What database is this?
//!
//! Decided by the tables and columns that are there, never by a version number: SkillMeat stamps revisions that other
//! releases do not know, and some databases carry no stamp at all. What one release lacks (0.37 to 0.74 differ) is a
//! capability; what every usable release has is required.
//!
//! What this module does not do: change anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use migration::cache::{APPLICATION_ID, TABLES};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::error::{DbError, Result};
use crate::domain::model::Kind;

/// What was found at the cache's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// No file.
    Absent,
    /// A file without any table.
    Empty,
    /// SkillMeat's own database: rows only, no DDL.
    Guest(Capabilities),
    /// A database made by [`super::Cache::create_standalone`] that SkillMeat has not taken over yet.
    Standalone(Capabilities),
    /// What SkillMeat's web backend leaves when it is the first to open an absent cache: its migrations replayed from
    /// the beginning, failing in the middle. Nothing but deleting the file heals it.
    HalfSchema {
        /// By what it was recognised.
        reason: String,
    },
    /// Tables or columns that every usable release has are missing, as `table` or `table.column`.
    Incomplete {
        /// In order of table and column.
        missing: Vec<String>,
    },
    /// Not a database, or one damaged beyond reading.
    NotADatabase {
        /// What SQLite said.
        reason: String,
    },
}

impl Identity {
    /// The capabilities, if the database can be worked with.
    #[must_use]
    pub fn capabilities(&self) -> Option<&Capabilities> {
        match self {
            Self::Guest(capabilities) | Self::Standalone(capabilities) => Some(capabilities),
            _ => None,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no database yet"),
            Self::Empty => f.write_str("the database has no tables yet"),
            Self::Guest(_) => f.write_str("made by SkillMeat"),
            Self::Standalone(_) => f.write_str("made by skillmeatd"),
            Self::HalfSchema { reason } => {
                write!(f, "left half made by a SkillMeat backend that was started first ({reason})")
            }
            Self::Incomplete { missing } => write!(f, "missing {}", missing.join(", ")),
            Self::NotADatabase { reason } => write!(f, "not a usable SQLite file: {reason}"),
        }
    }
}

/// What a usable database can hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Columns by table, of the tables the daemon knows.
    columns: BTreeMap<String, BTreeSet<String>>,
    /// Artifact types that the CHECK on `artifacts.type` lets through.
    kinds: BTreeSet<Kind>,
    /// `alembic_version`, in order; empty in databases that were never stamped.
    pub revisions: Vec<String>,
    /// `PRAGMA schema_version` at the time of looking: moves with every DDL statement of anybody.
    pub(crate) schema_version: i64,
}

impl Capabilities {
    /// Whether `table` has `column`.
    #[must_use]
    pub fn has(&self, table: &str, column: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| columns.contains(column))
    }

    /// Whether an artifact of this type can have a row.
    #[must_use]
    pub fn accepts(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }
}

/// Columns without which nothing can be done. Every release since 0.37 has them.
const REQUIRED: &[(&str, &[&str])] = &[
    (
        "artifacts",
        &[
            "id",
            "uuid",
            "project_id",
            "name",
            "type",
            "source",
            "deployed_version",
            "is_outdated",
            "local_modified",
            "auto_load",
            "created_at",
            "updated_at",
        ],
    ),
    ("artifact_tags", &["artifact_uuid", "tag_id", "created_at"]),
    (
        "collection_artifacts",
        &[
            "collection_id",
            "artifact_uuid",
            "added_at",
            "description",
            "author",
            "license",
            "tags_json",
            "tools_json",
            "version",
            "artifact_content_hash",
            "artifact_structure_hash",
            "artifact_file_count",
            "artifact_total_size",
            "source",
            "origin",
            "origin_source",
            "resolved_sha",
            "resolved_version",
            "synced_at",
        ],
    ),
    ("collections", &["id", "name", "description", "collection_type", "created_at", "updated_at"]),
    ("group_artifacts", &["group_id", "artifact_uuid", "position", "added_at"]),
    (
        "groups",
        &[
            "id",
            "collection_id",
            "name",
            "description",
            "color",
            "icon",
            "position",
            "created_at",
            "updated_at",
        ],
    ),
    ("projects", &["id", "name", "path", "description", "status", "created_at", "updated_at"]),
    ("tags", &["id", "name", "slug", "color", "created_at", "updated_at"]),
];

/// Tables that are only looked into when they are there.
const OPTIONAL_TABLES: &[&str] = &["composite_artifacts", "custom_colors", "deployment_set_tags"];

/// Looks at the open database. Reads only.
///
/// # Errors
/// Lock and I/O errors; "not a database" is an answer, not an error.
pub(crate) async fn identify(db: &impl ConnectionTrait) -> Result<Identity> {
    let looked = look(db).await.map_err(DbError::from);
    match looked {
        Err(DbError::Damaged(source)) => Ok(Identity::NotADatabase { reason: source.to_string() }),
        looked => Ok(judge(looked?)),
    }
}

/// Everything the decision needs.
#[derive(Debug, Default)]
struct Found {
    /// Every table with its DDL.
    tables: BTreeMap<String, String>,
    columns: BTreeMap<String, BTreeSet<String>>,
    application_id: i64,
    schema_version: i64,
    revisions: Vec<String>,
}

async fn look(db: &impl ConnectionTrait) -> std::result::Result<Found, DbErr> {
    let rows = |sql: &'static str| db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql));
    let mut found = Found::default();
    for row in rows(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )
    .await?
    {
        let sql: Option<String> = row.try_get_by_index(1)?;
        found.tables.insert(row.try_get_by_index(0)?, sql.unwrap_or_default());
    }
    for row in
        rows("SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'")
            .await?
    {
        let (table, column): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        if REQUIRED.iter().any(|(name, _)| *name == table) || OPTIONAL_TABLES.contains(&table.as_str()) {
            found.columns.entry(table).or_default().insert(column);
        }
    }
    for row in rows(
        "SELECT a.application_id, s.schema_version FROM pragma_application_id a, pragma_schema_version s",
    )
    .await?
    {
        (found.application_id, found.schema_version) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    }
    if found.tables.contains_key("alembic_version") {
        for row in rows("SELECT version_num FROM alembic_version ORDER BY 1").await? {
            found.revisions.push(row.try_get_by_index(0)?);
        }
    }
    Ok(found)
}

fn judge(found: Found) -> Identity {
    if found.tables.is_empty() {
        return Identity::Empty;
    }
    let has = |table: &str, column: &str| found.columns.get(table).is_some_and(|c| c.contains(column));
    if let Some(table) = found.tables.keys().find(|table| table.starts_with("_alembic_tmp_")) {
        return Identity::HalfSchema { reason: format!("table {table} was left behind") };
    }
    // Releases up to 0.53 have no `collections.slug` either, but only the replayed migrations make the search table.
    if !has("collections", "slug") && found.tables.contains_key("artifact_fts") {
        return Identity::HalfSchema { reason: "collections.slug is missing".to_owned() };
    }
    let missing: Vec<String> = REQUIRED
        .iter()
        .flat_map(|(table, columns)| {
            if found.columns.contains_key(*table) {
                columns.iter().filter(|c| !has(table, c)).map(|c| format!("{table}.{c}")).collect()
            } else {
                vec![(*table).to_owned()]
            }
        })
        .collect();
    if !missing.is_empty() {
        return Identity::Incomplete { missing };
    }
    let ours = found.application_id == i64::from(APPLICATION_ID)
        && found.tables.keys().all(|table| TABLES.contains(&table.as_str()));
    let kinds = accepted_kinds(found.tables.get("artifacts").map_or("", String::as_str));
    let capabilities = Capabilities {
        columns: found.columns,
        kinds,
        revisions: found.revisions,
        schema_version: found.schema_version,
    };
    if ours { Identity::Standalone(capabilities) } else { Identity::Guest(capabilities) }
}

/// The types named in `CHECK (type IN (…))`. A table without that CHECK takes any.
fn accepted_kinds(ddl: &str) -> BTreeSet<Kind> {
    let list = ddl.split_once("type IN (").and_then(|(_, rest)| rest.split_once(')'));
    match list {
        Some((list, _)) => {
            list.split(',').filter_map(|word| word.trim().trim_matches('\'').parse().ok()).collect()
        }
        None => Kind::ALL.into_iter().collect(),
    }
}
