//! How many statements a write takes.

use std::sync::atomic::{AtomicUsize, Ordering};

use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{DatabaseConnection, DbErr, ExecResult, QueryResult};

use super::*;
use crate::db::apply::CHUNK;
use crate::db::tests::{Home, apply, first_plan};
use crate::domain::owned::{GroupEdit, GroupValue, TagEdit, TagValue};

struct Counting<'a> {
    db: &'a DatabaseConnection,
    statements: AtomicUsize,
}

#[async_trait]
impl ConnectionTrait for Counting<'_> {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> std::result::Result<ExecResult, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.db.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> std::result::Result<ExecResult, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.db.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> std::result::Result<Option<QueryResult>, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.db.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> std::result::Result<Vec<QueryResult>, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.db.query_all_raw(statement).await
    }
}

fn named<T>(count: usize, of: impl Fn(usize) -> T) -> impl Iterator<Item = (String, T)> {
    (0..count).map(move |n| (format!("x{n:03}"), of(n)))
}

/// Makes, changes, renames and deletes so many groups and tags; how many statements each of the three steps takes.
async fn statements(count: usize) -> [usize; 3] {
    let home = Home::guest().await;
    let mut cache = home.cache().await;
    apply(&mut cache, first_plan(&["a", "b", "c"], &[])).await;
    let counting = Counting { db: cache.connection().unwrap().db(), statements: AtomicUsize::new(0) };
    let writer = Writer { db: &counting, capabilities: cache.capabilities(), now: "now" };
    let members = |names: &[&str]| names.iter().map(|name| format!("skill:{name}")).collect::<Vec<_>>();
    let group = |_| GroupValue { members: members(&["a", "b"]), ..GroupValue::default() };
    let tag = |n: usize| TagValue { name: format!("X {n}"), color: "#000000".into(), description: None };
    let edit = |n: usize| GroupEdit {
        color: Some("rose".into()),
        position: Some(i64::try_from(n).unwrap()),
        members: Some(members(&["c", "a"])),
        ..GroupEdit::default()
    };
    let steps = [
        DbEdits {
            create_groups: named(count, group).collect(),
            create_tags: named(count, tag).collect(),
            ..DbEdits::default()
        },
        DbEdits {
            rename_groups: named(count, |n| format!("y{n:03}")).collect(),
            update_groups: named(count, edit).map(|(name, edit)| (name.replace('x', "y"), edit)).collect(),
            update_tags: named(count, |n| TagEdit { name: Some(format!("Y {n}")), ..TagEdit::default() })
                .collect(),
            ..DbEdits::default()
        },
        DbEdits {
            delete_groups: named(count, |_| ()).map(|(name, ())| name.replace('x', "y")).collect(),
            delete_tags: named(count, |_| ()).map(|(slug, ())| slug).collect(),
            ..DbEdits::default()
        },
    ];
    let mut taken = Vec::new();
    for edits in &steps {
        writer.apply(Some("default"), edits).await.unwrap();
        taken.push(counting.statements.swap(0, Ordering::Relaxed));
    }
    taken.try_into().unwrap()
}

#[tokio::test]
async fn changes_share_their_statements() {
    let few = statements(2).await;
    assert!(few.iter().all(|count| (1..=14).contains(count)), "{few:?}");
    let many = statements(100).await;
    // Rows go in chunks. Made: groups, tags, and 200 members. Changed: groups renamed twice and changed once, tags renamed
    // twice, and 200 members.
    let chunks = |rows: usize| rows.div_ceil(CHUNK) - 1;
    let more = [2 * chunks(100) + chunks(200), 5 * chunks(100) + chunks(200), 0];
    assert_eq!(many, [0, 1, 2].map(|step| few[step] + more[step]));
}
