//! Many rows in one value, the other way: rows to write as one JSON text.
//!
//! The driver clones, binds and frees each value of a statement by itself, and a statement of many rows has hundreds. One
//! text of the same rows is written in a fraction of that, SQLite takes it apart on its own thread, and the statement is
//! the same whatever the number of rows, so it is prepared once. [`super::packed`] does the same for reading.
//!
//! `jsonb_each` came with SQLite 3.51; the one we are linked with is our own. What it gives for a row need not be read
//! anew for each cell, as it must be with `json_each`. Texts arrive as they are, U+0000 included, where older releases
//! ended them.
//!
//! What this module does not do: check the rows. What a row has beyond its columns is ignored, what it lacks is NULL.

use sea_orm::sea_query::{Expr, Func, InsertStatement, OnConflict, Query};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, Value};
use serde::Serialize;

use super::error::Result;

/// Rows a statement: less than a tenth of a megabyte of memberships. With more, less is done at the same time.
const ROWS: usize = 125;

/// An INSERT into the table of `E`.
pub(super) struct Bulk<E: EntityTrait> {
    /// What is the same in each row.
    pub(super) same: Vec<(E::Column, Value)>,
    /// What a row is made of beside that, in this order.
    pub(super) columns: Vec<E::Column>,
    pub(super) conflict: OnConflict,
}

impl<E: EntityTrait> Bulk<E> {
    /// Inserts a row for each item, a sequence of texts, integers and nothings; how many were inserted or changed.
    pub(super) async fn insert<'i, T, R: Serialize>(
        &self,
        db: &impl ConnectionTrait,
        items: &'i [T],
        row: impl Fn(&'i T) -> Result<R>,
    ) -> Result<u64> {
        let mut chunks = items.chunks(ROWS);
        let mut statement = || {
            let rows = chunks.next()?.iter().map(&row).collect::<Result<Vec<R>>>();
            Some(rows.and_then(|rows| self.statement(&rows)))
        };
        let mut next = statement();
        let mut affected = 0;
        while let Some(insert) = next {
            let insert = insert?;
            // SQLite works on a thread of its own; meanwhile the next statement is put together on this one.
            let (done, built) = tokio::join!(db.execute(&insert), async { statement() });
            affected += done?.rows_affected();
            next = built;
        }
        Ok(affected)
    }

    fn statement<R: Serialize>(&self, rows: &[R]) -> Result<InsertStatement> {
        let mut select = Query::select();
        select
            .exprs(self.same.iter().map(|(_, value)| Expr::val(value.clone())))
            .exprs((0..self.columns.len()).map(|column| Expr::cust(format!("value ->> {column}"))))
            .from_function(Func::cust("jsonb_each").arg(serde_json::to_string(rows)?), "row")
            // Without it ON CONFLICT would be taken for a join's ON (SQLite's documentation of UPSERT, "Parsing
            // Ambiguity").
            .and_where(Expr::cust("TRUE"));
        let same = self.same.iter().map(|(column, _)| *column);
        let mut insert = Query::insert();
        insert
            .into_table(E::default().table_ref())
            .columns(same.chain(self.columns.iter().copied()))
            .select_from(select)
            .map_err(|error| DbErr::Custom(error.to_string()))?
            .on_conflict(self.conflict.clone());
        Ok(insert)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sea_orm::{Database, DatabaseConnection, DbBackend, Statement};
    use tokio::runtime::Runtime;

    use super::*;
    use crate::db::entity::artifact_tags::{Column, Entity};

    type Row = (String, Option<String>);

    /// A table of the entity's columns where any value may stand.
    async fn table() -> DatabaseConnection {
        let mut options = sea_orm::ConnectOptions::new("sqlite::memory:");
        let db = Database::connect(options.max_connections(1).to_owned()).await.unwrap();
        db.execute_unprepared("CREATE TABLE artifact_tags (artifact_uuid PRIMARY KEY, tag_id, created_at)")
            .await
            .unwrap();
        db
    }

    async fn insert(db: &DatabaseConnection, rows: &[Row], same: &str) -> u64 {
        let bulk = Bulk::<Entity> {
            same: vec![(Column::CreatedAt, same.into())],
            columns: vec![Column::ArtifactUuid, Column::TagId],
            conflict: OnConflict::column(Column::ArtifactUuid).update_column(Column::TagId).to_owned(),
        };
        bulk.insert(db, rows, Ok).await.unwrap()
    }

    async fn all(db: &DatabaseConnection) -> Vec<(Row, String)> {
        let sql = "SELECT artifact_uuid, tag_id, created_at FROM artifact_tags ORDER BY rowid";
        let rows = db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
        let get = |row: &sea_orm::QueryResult| {
            let row = (row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            Ok::<_, DbErr>(((row.0, row.1), row.2))
        };
        rows.iter().map(|row| get(row).unwrap()).collect()
    }

    #[tokio::test]
    async fn rows_that_are_there_are_changed_and_the_others_come_after_them_in_order() {
        let db = table().await;
        let rows = |from: usize, to: usize, tag: Option<&str>| -> Vec<Row> {
            (from..to).map(|n| (format!("{n:05}"), tag.map(str::to_owned))).collect()
        };
        assert_eq!(insert(&db, &[], "then").await, 0);
        assert_eq!(insert(&db, &rows(0, 2 * ROWS + 1, Some("a")), "then").await, 2 * ROWS as u64 + 1);
        assert_eq!(insert(&db, &rows(2 * ROWS, 3 * ROWS, None), "now").await, ROWS as u64);
        let old = rows(0, 2 * ROWS, Some("a")).into_iter().map(|row| (row, "then".to_owned()));
        let changed = rows(2 * ROWS, 2 * ROWS + 1, None).into_iter().map(|row| (row, "then".to_owned()));
        let new = rows(2 * ROWS + 1, 3 * ROWS, None).into_iter().map(|row| (row, "now".to_owned()));
        assert_eq!(all(&db).await, old.chain(changed).chain(new).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn every_text_arrives_as_it_is(
            texts in proptest::collection::btree_set("(\\PC|[\u{0}\t\n01\\\\u\"])*", 1..8),
            other in proptest::option::of("[\u{0}01\\\\u]*"),
        ) {
            let rows: Vec<Row> = texts.into_iter().map(|text| (text, other.clone())).collect();
            let arrived = Runtime::new().unwrap().block_on(async {
                let db = table().await;
                insert(&db, &rows, "now").await;
                all(&db).await
            });
            prop_assert_eq!(arrived.into_iter().map(|(row, _)| row).collect::<Vec<_>>(), rows);
        }
    }
}
