use sea_orm_migration::MigratorTrait;
use sea_orm_migration::sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

use super::StateMigrator;

async fn texts(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

const ROWS: &str = "
    INSERT INTO scans VALUES ('default', 'skill', 'skills/a', '{}');
    INSERT INTO bases VALUES ('default', 'skill:a', '{}');
    INSERT INTO seen_collections VALUES ('default', 1);
    INSERT INTO seen_artifacts VALUES ('default', 'skill:a');
    INSERT INTO confirmed_collections VALUES ('default', 1);
    INSERT INTO confirmed_artifacts VALUES ('default', 'skill:a');
    INSERT INTO manifest_history (collection, sha256, text, written_at_ms) VALUES ('default', 'h', x'00', 1);
    INSERT INTO meta VALUES ('k', 'v');
    INSERT INTO agreements VALUES ('default', '{}');
    INSERT INTO sections_seen (collection, section, digest) VALUES ('default', 'groups', 'd');
    INSERT INTO agreed_tags VALUES ('default', 'skill:a', 1, '[]');
    INSERT INTO conflicts VALUES ('c1', 'default', '{}', 1);";

#[tokio::test]
async fn up_and_down_and_up_again_with_rows_in_every_table() {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    for _ in 0..2 {
        StateMigrator::up(&db, None).await.unwrap();
        let tables = texts(
            &db,
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
        )
        .await;
        assert_eq!(
            tables,
            [
                "agreed_tags",
                "agreements",
                "bases",
                "confirmed_artifacts",
                "confirmed_collections",
                "conflicts",
                "manifest_history",
                "meta",
                "scans",
                "seaql_migrations",
                "sections_seen",
                "seen_artifacts",
                "seen_collections"
            ]
        );
        db.execute_unprepared(ROWS).await.unwrap();
        // A second `up` is a no-op and keeps the rows.
        StateMigrator::up(&db, None).await.unwrap();
        assert_eq!(texts(&db, "SELECT value FROM meta").await, ["v"]);
        StateMigrator::down(&db, None).await.unwrap();
        let left = texts(
            &db,
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'seaql_migrations'",
        )
        .await;
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test]
async fn the_agreements_come_and_go_beside_the_rows_of_the_first_schema() {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    StateMigrator::up(&db, Some(1)).await.unwrap();
    db.execute_unprepared("INSERT INTO meta VALUES ('k', 'v')").await.unwrap();
    StateMigrator::up(&db, None).await.unwrap();
    db.execute_unprepared("INSERT INTO agreements VALUES ('default', '{}')").await.unwrap();
    StateMigrator::down(&db, Some(1)).await.unwrap();
    assert_eq!(texts(&db, "SELECT value FROM meta").await, ["v"]);
    StateMigrator::up(&db, None).await.unwrap();
    assert!(texts(&db, "SELECT payload FROM agreements").await.is_empty());
    assert_eq!(texts(&db, "SELECT value FROM meta").await, ["v"]);
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_refused() {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    StateMigrator::up(&db, None).await.unwrap();
    db.execute_unprepared("INSERT INTO seen_collections VALUES ('default', 'yesterday')").await.unwrap_err();
}
