//! Writing groups and tag definitions, inside a transaction that the caller holds.
//!
//! SkillMeat's backend stands still while the lock is held, and a recovery may bring hundreds of groups, so rows share
//! their statements: what differs from row to row comes as a list of values.
//!
//! Rows look as SkillMeat's API makes them (`skillmeat.core.repositories.local_group`, `…local_tag`), except that a new
//! group gets no identity row in `artifacts`: SkillMeat's own recovery makes none either, and nothing reads it.
//!
//! What this module does not do: decide, begin or commit.

mod groups;
mod tags;

use std::collections::BTreeMap;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, DbBackend, Set, Statement, Value};

use super::super::apply::{CHUNK, insert, optional};
use super::super::entity::{collections, custom_colors};
use super::super::error::Result;
use super::super::format::new_uuid;
use super::super::schema::Capabilities;
use super::Colors;
use crate::domain::owned::DbEdits;

/// One transaction's worth of writing.
pub(super) struct Writer<'a, C> {
    pub(super) db: &'a C,
    pub(super) capabilities: &'a Capabilities,
    /// As SkillMeat spells times.
    pub(super) now: &'a str,
}

/// Columns of one row, by the row's id.
struct Change {
    id: String,
    set: Vec<(&'static str, Value)>,
}

impl<C: ConnectionTrait> Writer<'_, C> {
    /// A DB collection whose id, name and slug are the directory's name: the one form with which every path of
    /// SkillMeat 0.74.0 finds the directory.
    pub(super) async fn make_collection(&self, directory: &str) -> Result<()> {
        let row = collections::ActiveModel {
            id: Set(directory.to_owned()),
            name: Set(directory.to_owned()),
            slug: self.optional("collections", "slug", || Some(directory.to_owned())),
            description: Set(None),
            collection_type: Set(None),
            created_at: Set(self.now.to_owned()),
            updated_at: Set(self.now.to_owned()),
            owner_type: self.optional("collections", "owner_type", || Some("user".to_owned())),
            visibility: self.optional("collections", "visibility", || Some("private".to_owned())),
            enforce_override: self.optional("collections", "enforce_override", || 0),
        };
        insert(self.db, vec![row], Some(OnConflict::new().do_nothing().to_owned())).await
    }

    /// Writes what a merge made of one directory. `collection` is the DB collection that stands for it.
    pub(super) async fn apply(&self, collection: Option<&str>, edits: &DbEdits) -> Result<()> {
        if let Some(collection) = collection {
            self.groups(collection, edits).await?;
        }
        self.tags(edits).await
    }

    /// One that is there already stays as it is.
    pub(super) async fn add_colors(&self, colors: &Colors) -> Result<()> {
        let row = |(hex, name): (&String, &Option<String>)| custom_colors::ActiveModel {
            id: Set(new_uuid()),
            hex: Set(hex.clone()),
            name: Set(name.clone()),
            created_at: Set(self.now.to_owned()),
        };
        let rows: Vec<_> = colors.iter().map(row).collect();
        insert(self.db, rows, Some(OnConflict::new().do_nothing().to_owned())).await
    }

    /// Sets columns of rows, those of which the same columns change together. The new values of a unique
    /// column must not be those of any row before.
    async fn update(&self, table: &str, changes: Vec<Change>) -> Result<()> {
        let mut alike: BTreeMap<Vec<&'static str>, Vec<Change>> = BTreeMap::new();
        for change in changes.into_iter().filter(|change| !change.set.is_empty()) {
            alike.entry(change.set.iter().map(|(column, _)| *column).collect()).or_default().push(change);
        }
        for (columns, changes) in alike {
            let set: String =
                columns.iter().zip(2..).map(|(column, n)| format!("{column} = new.column{n}, ")).collect();
            let row = format!("(?{})", ", ?".repeat(columns.len()));
            let mut changes = changes.into_iter().peekable();
            while changes.peek().is_some() {
                let mut values: Vec<Value> = vec![self.now.into()];
                let mut rows = Vec::new();
                for Change { id, set } in changes.by_ref().take(CHUNK) {
                    values.push(id.into());
                    values.extend(set.into_iter().map(|(_, value)| value));
                    rows.push(row.as_str());
                }
                let sql = format!(
                    "UPDATE {table} SET {set}updated_at = ? FROM (VALUES {}) AS new WHERE {table}.id = new.column1",
                    rows.join(", ")
                );
                self.execute(&sql, values).await?;
            }
        }
        Ok(())
    }

    async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<()> {
        let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
        self.db.execute_raw(statement).await?;
        Ok(())
    }

    fn optional<V: Into<Value>>(
        &self,
        table: &str,
        column: &str,
        value: impl FnOnce() -> V,
    ) -> sea_orm::ActiveValue<V> {
        optional(self.capabilities, table, column, value)
    }
}

/// NULL for none, as SkillMeat has it.
fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
