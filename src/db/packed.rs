//! Many rows in one: a page of a table as one JSON text.
//!
//! The driver hands rows over one by one, from SQLite's thread to ours. Each costs a wake-up on either side and an
//! allocation a cell, several times what SQLite needs to find it. A page packed by `json_group_array` costs that once.
//!
//! What this module does not do: lose anything on the way. A cell that JSON cannot hold (a blob, a real number, a text
//! that is not UTF-8) comes out as [`Cell::Odd`].

use std::fmt;

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::error::Result;
use super::format::parse_list;

/// Rows in a page: about half a megabyte of memberships.
const PAGE: usize = 500;

/// Stands for bytes that are no UTF-8. Not a character: Unicode keeps it from ever becoming one, so it is in no text.
const MARK: char = '\u{10ffff}';

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    /// Something no column of ours should hold.
    Odd,
}

/// One row, left to right.
pub(super) type Packed = Vec<Cell>;

/// A query over a whole table, read page by page along the rowid, which all of SkillMeat's tables have; or over some
/// keys, read at once: there the index on the key must lead, and the result is as small as the scope.
pub(super) struct Pages<'a> {
    sql: String,
    /// Values of parameters in the columns.
    values: Vec<Value>,
    keys: Option<&'a str>,
    after: Option<i64>,
}

impl<'a> Pages<'a> {
    /// The `columns` (SQL expressions) of `table`; with `keys` (a JSON array) only of rows whose `key` is in it.
    pub(super) fn new(table: &str, columns: &[&str], key: &str, keys: Option<&'a str>) -> Self {
        let (named, packed) = (named(columns), pack(columns.len()));
        let sql = match keys {
            Some(_) => format!(
                "SELECT {packed}, NULL FROM
                    (SELECT {named} FROM {table} WHERE {key} IN (SELECT value FROM json_each(?)))"
            ),
            None => format!(
                "SELECT {packed}, CASE COUNT(*) WHEN {PAGE} THEN MAX(row) END FROM
                    (SELECT rowid AS row, {named} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {PAGE})"
            ),
        };
        Self { sql, values: Vec::new(), keys, after: Some(i64::MIN) }
    }

    /// With these values for the parameters in its columns.
    pub(super) fn with_values(self, values: Vec<Value>) -> Self {
        Self { values, ..self }
    }

    /// The next page; `None` after the last.
    pub(super) async fn next(&mut self, db: &impl ConnectionTrait) -> Result<Option<Vec<Packed>>> {
        let Some(after) = self.after.take() else { return Ok(None) };
        let parameter = self.keys.map_or_else(|| after.into(), Value::from);
        let values = self.values.iter().cloned().chain([parameter]);
        let statement = Statement::from_sql_and_values(DbBackend::Sqlite, &self.sql, values);
        let Some(page) = db.query_one_raw(statement).await? else { return Ok(None) };
        self.after = page.try_get_by_index(1)?;
        Ok(Some(unpack(page.try_get_by_index(0)?)?))
    }
}

/// The columns (SQL expressions) under the names that [`pack`] packs them by.
pub(super) fn named(columns: &[impl fmt::Display]) -> String {
    let named: Vec<String> =
        columns.iter().enumerate().map(|(n, column)| format!("{column} AS c{n}")).collect();
    named.join(", ")
}

/// All rows of so many [`named`] columns as one value, for [`unpack`].
pub(super) fn pack(columns: usize) -> String {
    let cells: Vec<String> = (0..columns).map(|n| cell(&format!("c{n}"))).collect();
    format!("CAST(json_group_array(json_array({})) AS BLOB)", cells.join(", "))
}

/// A column in a form that JSON can hold.
pub(super) fn cell(column: &str) -> String {
    format!("CASE WHEN typeof({column}) IN ('blob', 'real') THEN json('false') ELSE {column} END")
}

/// Read what `json_group_array` packed, as a BLOB so that nobody minds its bytes.
pub(super) fn unpack<T: for<'d> Deserialize<'d>>(packed: Vec<u8>) -> Result<Vec<T>> {
    let json = String::from_utf8(packed).unwrap_or_else(|error| {
        let mut json = String::new();
        for chunk in error.as_bytes().utf8_chunks() {
            json.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                json.push(MARK);
            }
        }
        json
    });
    Ok(serde_json::from_str(&json)?)
}

impl Cell {
    /// The text; `None` for anything else.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The cells of one packed row, left to right.
pub(super) struct PackedCells {
    cells: std::vec::IntoIter<Cell>,
    sound: bool,
}

impl PackedCells {
    pub(super) fn new(row: Packed) -> Self {
        Self { cells: row.into_iter(), sound: true }
    }

    pub(super) fn next(&mut self) -> Cell {
        self.cells.next().unwrap_or(Cell::Null)
    }

    /// Whether every cell so far could be taken as it is.
    pub(super) fn is_sound(&self) -> bool {
        self.sound
    }

    /// The next cell; a value that is no text is `None` and makes the row unsound.
    pub(super) fn text(&mut self) -> Option<String> {
        match self.next() {
            Cell::Text(text) => Some(text),
            Cell::Null => None,
            Cell::Integer(_) | Cell::Odd => {
                self.sound = false;
                None
            }
        }
    }

    pub(super) fn number(&mut self) -> i64 {
        match self.next() {
            Cell::Integer(number) => number,
            Cell::Null | Cell::Text(_) | Cell::Odd => {
                self.sound = false;
                0
            }
        }
    }

    pub(super) fn list(&mut self) -> Vec<String> {
        parse_list(self.text().as_deref()).unwrap_or_else(|| {
            self.sound = false;
            Vec::new()
        })
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl Visitor<'_> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cell")
    }

    fn visit_unit<E: Error>(self) -> std::result::Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> std::result::Result<Cell, E> {
        Ok(Cell::Odd)
    }

    fn visit_i64<E: Error>(self, number: i64) -> std::result::Result<Cell, E> {
        Ok(Cell::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> std::result::Result<Cell, E> {
        Ok(i64::try_from(number).map_or(Cell::Odd, Cell::Integer))
    }

    fn visit_str<E: Error>(self, text: &str) -> std::result::Result<Cell, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> std::result::Result<Cell, E> {
        Ok(if text.contains(MARK) { Cell::Odd } else { Cell::Text(text) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_cannot_hold_is_odd_and_the_rest_is_exact() {
        let peer = rusqlite::Connection::open_in_memory().unwrap();
        let values =
            "(NULL), ('a' || char(0) || '\"\\' || char(9)), (x'00ff'), (1.5), (9e999), (9223372036854775807),
            (-9223372036854775807 - 1), (CAST(x'61ff62' AS TEXT)), ('日本😀'), ('\u{fffd}'), ('[1]')";
        peer.execute_batch(&format!("CREATE TABLE t (x); INSERT INTO t VALUES {values};")).unwrap();
        let sql = format!("SELECT CAST(json_group_array({}) AS BLOB) FROM t", cell("x"));
        let packed: Vec<u8> = peer.query_row(&sql, [], |row| row.get(0)).unwrap();
        let text = |text: &str| Cell::Text(text.to_owned());
        assert_eq!(
            unpack::<Cell>(packed).unwrap(),
            [
                Cell::Null,
                text("a\0\"\\\t"),
                Cell::Odd,
                Cell::Odd,
                Cell::Odd,
                Cell::Integer(i64::MAX),
                Cell::Integer(i64::MIN),
                Cell::Odd,
                text("日本😀"),
                text("\u{fffd}"),
                text("[1]"),
            ]
        );
    }
}
