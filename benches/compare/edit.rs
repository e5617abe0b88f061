//! One changed entry: from the rename of the manifest to the row as another process reads it.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::daemon::Daemon;
use crate::home::{Home, eventually};
use crate::interop::cache;
use crate::report::{Report, percentile, time};
use crate::{PATIENCE, Sizes, home_of};

/// Pause between two looks at the row: well below what is measured.
const LOOK: Duration = Duration::from_micros(200);

pub(crate) fn measure(sizes: Sizes, report: &mut Report) {
    let home = home_of(sizes.page);
    for (debounce, config) in [("default debounce", ""), ("debounce 0", "[debounce]\nquiet = 0\n")] {
        home.configure(config);
        let mut times = edits(&home, sizes);
        let [p50, p99, worst] = [50, 99, 100].map(|percent| time(percentile(&mut times, percent)));
        report.tell(
            format!(
                "edit of one of {} entries → row, {} edits, {debounce}: p50 / p99 / max",
                sizes.page, sizes.edits
            ),
            Some("never without a restart".to_owned()),
            format!("{p50} / {p99} / {worst}"),
        );
    }
}

fn edits(home: &Arc<Home>, sizes: Sizes) -> Vec<Duration> {
    let _daemon = Daemon::start(home);
    let connection = cache::open(&home.cache_db()).expect("the cache");
    eventually(PATIENCE, "the first rows are there", || match rows(&connection) {
        count if count == sizes.page => Ok(()),
        count => Err(format!("{count} rows")),
    });
    let text = fs::read_to_string(home.manifest("default")).expect("the manifest");
    (0..sizes.edits)
        .map(|number| {
            // Another entry each time, in no order.
            let entry = number * 7919 % sizes.page;
            let words = format!("edit {number} of {:?}", Instant::now());
            let (name, edited) = with_description(&text, entry, &words);
            timed(home, &connection, &name, &edited, &words)
        })
        .collect()
}

/// Renames `text` over the manifest as SkillMeat does, and waits for `description` in the row of `name`.
fn timed(home: &Home, connection: &Connection, name: &str, text: &str, description: &str) -> Duration {
    let manifest = home.manifest("default");
    let fresh = manifest.with_file_name(".collection.toml.abcdefgh.tmp");
    fs::write(&fresh, text).expect("a fresh manifest");
    let sql = "SELECT c.description FROM collection_artifacts c JOIN artifacts a ON a.uuid = c.artifact_uuid \
               WHERE a.id = ?1 AND c.collection_id = 'default'";
    let mut statement = connection.prepare(sql).expect("a statement");
    let id = format!("skill:{name}");
    let start = Instant::now();
    fs::rename(&fresh, &manifest).expect("the manifest in place");
    loop {
        let found: Option<String> = statement.query_row([&id], |row| row.get(0)).expect("the row");
        if found.as_deref() == Some(description) {
            return start.elapsed();
        }
        assert!(start.elapsed() < PATIENCE, "{name} was never seen: {found:?}");
        thread::sleep(LOOK);
    }
}

/// The name of the entry with this number, and the manifest with another description in that entry.
fn with_description(text: &str, entry: usize, words: &str) -> (String, String) {
    let start = text.match_indices("[[artifacts]]").nth(entry).expect("an entry").0;
    let between = |from: usize, key: &str| {
        let value = text[from..].find(key).expect("the key") + from + key.len();
        (value, text[value..].find('"').expect("the end of a value") + value)
    };
    let (from, to) = between(start, "\nname = \"");
    let name = text[from..to].to_owned();
    let (from, to) = between(start, "\ndescription = \"");
    (name, format!("{}{words}{}", &text[..from], &text[to..]))
}

/// How many rows the default collection has.
pub(crate) fn rows(connection: &Connection) -> usize {
    let sql =
        "SELECT count(*) FROM collection_artifacts WHERE collection_id = 'default' AND synced_at IS NOT NULL";
    let count: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap_or_default();
    usize::try_from(count).expect("a count is not negative")
}
