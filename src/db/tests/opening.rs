//! What is found at the path, and what a standalone cache is.

use super::*;
use crate::domain::rows::Scope;

async fn identity(home: &Home) -> Identity {
    Cache::open(&home.db(), home.path()).await.unwrap().identity
}

#[tokio::test]
async fn nothing_there_is_absent_and_opening_creates_nothing() {
    let home = Home::empty();
    assert_eq!(identity(&home).await, Identity::Absent);
    assert!(!home.db().exists());
}

#[tokio::test]
async fn a_file_without_tables_is_empty_and_stays_as_it_is() {
    let home = Home::empty();
    std::fs::write(home.db(), b"").unwrap();
    assert_eq!(identity(&home).await, Identity::Empty);
    assert_eq!(std::fs::metadata(home.db()).unwrap().len(), 0);
}

#[tokio::test]
async fn rubbish_and_directories_are_not_databases() {
    let home = Home::empty();
    std::fs::write(home.db(), b"this is not a database, whatever its name may say; not at all\n".repeat(20))
        .unwrap();
    assert!(matches!(identity(&home).await, Identity::NotADatabase { .. }));
    std::fs::remove_file(home.db()).unwrap();
    std::fs::create_dir(home.db()).unwrap();
    assert!(matches!(identity(&home).await, Identity::NotADatabase { .. }));
}

#[tokio::test]
async fn a_guest_is_opened_without_a_byte_changed_in_its_schema() {
    let home = Home::guest().await;
    let before = number(&home.peer(), "SELECT schema_version FROM pragma_schema_version");
    let opened = Cache::open(&home.db(), home.path()).await.unwrap();
    let Identity::Guest(capabilities) = &opened.identity else { panic!("{:?}", opened.identity) };
    assert!(capabilities.has("collections", "slug"));
    assert!(!capabilities.has("collections", "nonsense"));
    assert!(capabilities.accepts(Kind::Soul));
    assert_eq!(capabilities.revisions, [migration::cache::ALEMBIC_HEAD]);
    drop(opened);
    assert_eq!(number(&home.peer(), "SELECT schema_version FROM pragma_schema_version"), before);
    assert_eq!(texts(&home.peer(), "SELECT journal_mode FROM pragma_journal_mode"), ["wal"]);
}

#[tokio::test]
async fn a_standalone_cache_is_in_wal_mode_marked_and_free_of_foreign_tables() {
    let home = Home::standalone().await;
    assert!(matches!(identity(&home).await, Identity::Standalone(_)));
    let peer = home.peer();
    assert_eq!(texts(&peer, "SELECT journal_mode FROM pragma_journal_mode"), ["wal"]);
    assert_eq!(number(&peer, "SELECT COUNT(*) FROM sqlite_schema WHERE name LIKE 'seaql%'"), 0);
    // SkillMeat takes it over by adding its other tables; from then on it is its house.
    peer.execute_batch("CREATE TABLE marketplace_sources (id)").unwrap();
    assert!(matches!(identity(&home).await, Identity::Guest(_)));
}

#[tokio::test]
async fn creating_where_somebody_was_faster_leaves_their_database_alone() {
    let home = Home::guest().await;
    let before = number(&home.peer(), "SELECT schema_version FROM pragma_schema_version");
    let opened = Cache::create_standalone(&home.db(), home.path()).await.unwrap();
    assert!(matches!(opened.identity, Identity::Guest(_)));
    assert_eq!(number(&home.peer(), "SELECT schema_version FROM pragma_schema_version"), before);
    assert_eq!(number(&home.peer(), "SELECT application_id FROM pragma_application_id"), 0);
}

#[tokio::test]
async fn the_half_schema_of_a_backend_started_first_is_recognised() {
    for (marks, reason) in [
        ("CREATE TABLE _alembic_tmp_artifacts (id)", "_alembic_tmp_artifacts"),
        (
            "DROP INDEX ix_collections_slug_unique; ALTER TABLE collections DROP COLUMN slug;
             CREATE TABLE artifact_fts (name)",
            "collections.slug",
        ),
    ] {
        let home = Home::guest().await;
        home.peer().execute_batch(marks).unwrap();
        let found = identity(&home).await;
        assert!(matches!(&found, Identity::HalfSchema { reason: why } if why.contains(reason)), "{found:?}");
    }
}

#[tokio::test]
async fn missing_tables_and_columns_are_named() {
    let home = Home::guest().await;
    home.peer()
        .execute_batch("DROP TABLE artifact_tags; ALTER TABLE collection_artifacts DROP COLUMN resolved_sha")
        .unwrap();
    assert_eq!(
        identity(&home).await,
        Identity::Incomplete {
            missing: vec!["artifact_tags".into(), "collection_artifacts.resolved_sha".into()]
        }
    );
}

#[tokio::test]
async fn an_older_release_without_the_optional_columns_is_a_guest_with_fewer_capabilities() {
    let home = Home::guest().await;
    older(&home);
    let found = identity(&home).await;
    let capabilities = found.capabilities().unwrap();
    assert!(!capabilities.has("collections", "slug") && !capabilities.has("artifacts", "enforce_override"));
    assert!(capabilities.accepts(Kind::Skill) && !capabilities.accepts(Kind::Soul));
}

/// Takes away what releases before 0.55 do not have.
pub(super) fn older(home: &Home) {
    home.peer()
        .execute_batch(
            "DROP INDEX ix_collections_slug_unique;
             ALTER TABLE collections DROP COLUMN slug;
             ALTER TABLE collections DROP COLUMN enforce_override;
             ALTER TABLE artifacts DROP COLUMN enforce_override;
             DROP TABLE composite_artifacts;
             PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = replace(sql, ', ''soul'')', ')') WHERE name = 'artifacts';
             PRAGMA writable_schema = RESET;",
        )
        .unwrap();
}

#[tokio::test]
async fn an_exclusive_lock_is_busy_and_not_a_verdict() {
    let home = Home::guest().await;
    let peer = home.peer();
    peer.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;").unwrap();
    let error = Cache::open(&home.db(), home.path()).await.unwrap_err();
    assert!(matches!(error, DbError::Busy) && error.is_transient(), "{error:?}");
    peer.execute_batch("COMMIT; PRAGMA locking_mode = NORMAL; SELECT COUNT(*) FROM tags;").unwrap();
    drop(peer);
    assert!(matches!(identity(&home).await, Identity::Guest(_)));
}

#[tokio::test]
async fn two_who_create_at_once_get_one_database() {
    let home = Home::empty();
    let db = home.db();
    let (one, two) =
        tokio::join!(Cache::create_standalone(&db, home.path()), Cache::create_standalone(&db, home.path()));
    for opened in [one, two] {
        assert!(matches!(opened.unwrap().identity, Identity::Standalone(_)));
    }
    assert_eq!(
        texts(&home.peer(), "SELECT version_num FROM alembic_version"),
        [migration::cache::ALEMBIC_HEAD]
    );
}

/// The daemon may move a call to another thread.
#[tokio::test]
async fn every_call_can_be_spawned() {
    let home = Home::guest().await;
    let (db, dir) = (home.db(), home.path().to_owned());
    let calls = async move {
        let mut cache = Cache::open(&db, &dir).await?.usable()?;
        cache.sync(&Scope::All, noon(), |_, _| first_plan(&["a"], &[])).await?;
        cache.load(&Scope::All).await?;
        let changed = cache.changed().await?;
        cache.close().await?;
        Ok::<_, DbError>(changed)
    };
    assert!(!tokio::spawn(calls).await.unwrap().unwrap());
}
