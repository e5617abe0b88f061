//! Reads SkillMeat's cache database as any other SQLite program would.
//!
//! What this module does not do: write, or know the schema beyond the tables it names.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value, json};

/// A row: column name to value. Blobs do not occur in this schema.
pub(crate) type Row = Map<String, Value>;

/// A read-only connection. The file may be missing, being made or locked: all of that is an `Err`.
pub(crate) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(2))?;
    Ok(connection)
}

/// Every row that `sql` gives.
pub(crate) fn rows(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare(sql)?;
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut rows = Vec::new();
    let mut cursor = statement.query([])?;
    while let Some(row) = cursor.next()? {
        let mut values = Map::new();
        for (index, name) in names.iter().enumerate() {
            let value = match row.get_ref(index)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => json!(number),
                ValueRef::Real(number) => json!(number),
                ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
                ValueRef::Blob(bytes) => json!(format!("{bytes:?}")),
            };
            values.insert(name.clone(), value);
        }
        rows.push(values);
    }
    Ok(rows)
}

/// The members of the default collection by artifact id: every column of `collection_artifacts`, and under `slugs` the
/// slugs of the tags that `artifact_tags` assigns, sorted.
pub(crate) fn members(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Row>> {
    let members = rows(
        connection,
        "SELECT a.id AS id, c.* FROM collection_artifacts c JOIN artifacts a ON a.uuid = c.artifact_uuid \
         WHERE c.collection_id = 'default'",
    )?;
    let mut by_id = BTreeMap::new();
    for mut member in members {
        let Some(Value::String(id)) = member.remove("id") else { continue };
        member.insert("slugs".to_owned(), json!([]));
        by_id.insert(id, member);
    }
    let assignments = rows(
        connection,
        "SELECT a.id AS id, t.slug AS slug FROM artifact_tags x JOIN artifacts a ON a.uuid = x.artifact_uuid \
         JOIN tags t ON t.id = x.tag_id ORDER BY t.slug",
    )?;
    for assignment in assignments {
        if let Some(member) = assignment["id"].as_str().and_then(|id| by_id.get_mut(id))
            && let Some(slugs) = member["slugs"].as_array_mut()
        {
            slugs.push(assignment["slug"].clone());
        }
    }
    Ok(by_id)
}
