use sea_orm_migration::sea_orm::{ConnectionTrait, Database, DatabaseConnection, TransactionTrait};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager};

use super::{ALEMBIC_HEAD, APPLICATION_ID, StandaloneCache, TABLES};

async fn empty() -> DatabaseConnection {
    Database::connect("sqlite::memory:").await.unwrap()
}

async fn texts(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db.query_all_raw(sea_orm_migration::sea_orm::Statement::from_string(
        sea_orm_migration::sea_orm::DbBackend::Sqlite,
        sql,
    ));
    rows.await.unwrap().iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    StandaloneCache.up(&SchemaManager::new(&txn)).await?;
    txn.commit().await
}

#[tokio::test]
async fn up_makes_the_tables_and_the_stamp_and_nothing_else() {
    let db = empty().await;
    up(&db).await.unwrap();
    let mut expected: Vec<_> = TABLES.iter().map(ToString::to_string).collect();
    expected.sort();
    assert_eq!(
        texts(&db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").await,
        expected
    );
    assert_eq!(texts(&db, "SELECT version_num FROM alembic_version").await, [ALEMBIC_HEAD]);
    assert_eq!(
        texts(&db, "SELECT CAST(application_id AS TEXT) FROM pragma_application_id").await,
        [APPLICATION_ID.to_string()]
    );
    assert!(
        texts(&db, "SELECT name FROM sqlite_schema WHERE type NOT IN ('table', 'index')").await.is_empty()
    );
}

#[tokio::test]
async fn down_takes_everything_away_with_rows_in_it() {
    let db = empty().await;
    up(&db).await.unwrap();
    db.execute_unprepared(
        "INSERT INTO projects (id, name, path, created_at, updated_at) VALUES ('p', 'p', '/p', 't', 't');
         INSERT INTO collections (id, name, created_at, updated_at, enforce_override) VALUES ('c', 'c', 't', 't', 0);
         INSERT INTO artifacts (id, uuid, project_id, name, type, created_at, updated_at, enforce_override)
             VALUES ('skill:a', 'u', 'p', 'a', 'skill', 't', 't', 0);
         INSERT INTO collection_artifacts (collection_id, artifact_uuid, added_at) VALUES ('c', 'u', 't');",
    )
    .await
    .unwrap();
    let txn = db.begin().await.unwrap();
    StandaloneCache.down(&SchemaManager::new(&txn)).await.unwrap();
    txn.commit().await.unwrap();
    assert!(texts(&db, "SELECT name FROM sqlite_schema").await.is_empty());
    assert_eq!(texts(&db, "SELECT CAST(application_id AS TEXT) FROM pragma_application_id").await, ["0"]);
    up(&db).await.unwrap();
}

#[tokio::test]
async fn a_failed_up_leaves_the_file_empty() {
    let db = empty().await;
    db.execute_unprepared("CREATE TABLE tags (id)").await.unwrap();
    up(&db).await.unwrap_err();
    assert_eq!(texts(&db, "SELECT name FROM sqlite_schema").await, ["tags"]);
}

#[tokio::test]
async fn constraints_bite() {
    let db = empty().await;
    up(&db).await.unwrap();
    for bad in [
        "INSERT INTO tags (id, name, slug, color, created_at, updated_at) VALUES ('t', 'n', 's', '', 't', 't')",
        "INSERT INTO artifacts (id, uuid, name, type, created_at, updated_at, enforce_override)
             VALUES ('nose:a', 'u', 'a', 'nose', 't', 't', 0)",
        "INSERT INTO collection_artifacts (collection_id, artifact_uuid, added_at) VALUES ('no', 'no', 't')",
    ] {
        db.execute_unprepared(bad).await.unwrap_err();
    }
}
