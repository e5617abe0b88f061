//! How long others have to wait: the times for which the daemon holds the database's write lock, and the cost of carrying
//! 50 groups and 100 tags at 1,000 and 5,000 artifacts. Measured and printed, not asserted:
//! `cargo test --release --test it measure -- --nocapture`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use serde_json::Value;

use super::web::{NOW, Web};
use crate::control::wire::Wire;
use crate::faults::scene::{SEEN, Scene, home, read, save};
use crate::home::eventually;
use crate::interop::groups::stage::groups_in;
use crate::lists;

const GROUPS: usize = 50;
const MEMBERS: usize = 10;
const TAGS: usize = 100;

/// What the histogram of write transactions has counted, by purpose: how many, their sum in seconds, and by upper bound
/// how many were within it.
type Holds = BTreeMap<String, (u64, f64, Vec<(f64, u64)>)>;

fn holds(scene: &Scene) -> Holds {
    let text = String::from_utf8(Wire::open(&scene.home).get("/v1/metrics").body).expect("UTF-8");
    let mut holds = Holds::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("skillmeatd_write_transaction_seconds_")) {
        let (key, value) = line.rsplit_once(' ').expect("a value");
        let label = |name: &str| {
            let (_, rest) = key.split_once(&format!("{name}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let hold = holds.entry(label("purpose").expect("a purpose")).or_default();
        match (key.split('{').next(), label("le")) {
            (Some("count"), _) => hold.0 = value.parse().expect("a number"),
            (Some("sum"), _) => hold.1 = value.parse().expect("a number"),
            (_, Some(bound)) => {
                hold.2.push((bound.parse().unwrap_or(f64::INFINITY), value.parse().expect("a number")));
            }
            _ => {}
        }
    }
    holds
}

/// The longest that `trace` has kept (10 ms and more), in milliseconds.
fn longest(scene: &Scene, since: usize) -> Option<f64> {
    let trace: Value =
        serde_json::from_str(&scene.call(&["trace", "--json", "--last", "2000"]).stdout).expect("JSON");
    let held = trace["entries"].as_array().expect("a list").iter().filter(|entry| entry["kind"] == "held");
    let times = held.skip(since).filter_map(|entry| {
        let (_, time) = entry["what"].as_str()?.split_once("time: ")?;
        let time = time.trim_end_matches([' ', '}']);
        let number = |unit: &str| time.strip_suffix(unit)?.parse::<f64>().ok();
        number("ms").or_else(|| Some(number("s")? * 1e3))
    });
    times.fold(None, |longest, time| Some(longest.map_or(time, |longest: f64| longest.max(time))))
}

fn long_ones(scene: &Scene) -> usize {
    let trace: Value =
        serde_json::from_str(&scene.call(&["trace", "--json", "--last", "2000"]).stdout).expect("JSON");
    trace["entries"].as_array().expect("a list").iter().filter(|entry| entry["kind"] == "held").count()
}

/// Does something, and prints how long the lock was held for it.
fn during<T>(scene: &Scene, what: &str, act: impl FnOnce() -> T) -> T {
    let (before, long_before) = (holds(scene), long_ones(scene));
    let began = Instant::now();
    let done = act();
    let took = began.elapsed();
    scene.call(&["sync", "--wait"]).succeeded();
    let mut text = format!("{what}: {:.0} ms", took.as_secs_f64() * 1e3);
    for (purpose, (count, sum, within)) in holds(scene) {
        let (count_before, sum_before, within_before) = before.get(&purpose).cloned().unwrap_or_default();
        let count = count - count_before;
        if count == 0 {
            continue;
        }
        let within = within
            .iter()
            .enumerate()
            .map(|(n, (bound, sum))| (*bound, *sum - within_before.get(n).map_or(0, |(_, before)| *before)));
        let bound = within
            .filter(|(_, sum)| *sum == count)
            .map(|(bound, _)| bound * 1e3)
            .fold(f64::INFINITY, f64::min);
        let mean = (sum - sum_before) * 1e3 / f64::from(u32::try_from(count).expect("few"));
        write!(text, "; {purpose}: {count} transactions, {mean:.2} ms each, none over {bound} ms")
            .expect("a text");
    }
    if let Some(longest) = longest(scene, long_before) {
        write!(text, ", the longest {longest:.1} ms").expect("a text");
    }
    println!("{text}");
    done
}

fn in_manifest(scene: &Scene, what: &str, is_there: impl Fn(&toml::Table) -> bool) {
    eventually(SEEN * 4, what, || {
        let document: toml::Table =
            read(&scene.home.manifest("default")).parse().map_err(|e| format!("{e}"))?;
        if is_there(&document) { Ok(()) } else { Err("not yet".to_owned()) }
    });
}

fn in_database(scene: &Scene, what: &str, sql: &str, wanted: &[&str]) {
    eventually(SEEN * 4, what, || {
        let found = Web::at(&scene.home).texts(sql);
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

fn equal(scene: &Scene) {
    eventually(SEEN * 4, "both sides have the same groups", || {
        let document: toml::Table =
            read(&scene.home.manifest("default")).parse().map_err(|e| format!("{e}"))?;
        let (file, db) = (lists::groups(&document), groups_in(&scene.home, "default")?);
        if file == db && file.len() == GROUPS {
            Ok(())
        } else {
            Err(format!("{} and {}", file.len(), db.len()))
        }
    });
}

fn measure(artifacts: usize) {
    println!(
        "--- {artifacts} artifacts, {GROUPS} groups of {MEMBERS}, {TAGS} tags; somebody else has the database open"
    );
    let names: Vec<String> = (0..artifacts).map(|n| format!("s{n:04}")).collect();
    let home = home(&names.iter().map(String::as_str).collect::<Vec<_>>(), "");
    let scene = Scene::open(home);
    let web = Web::at(&scene.home);
    assert_eq!(web.texts("SELECT CAST(COUNT(*) AS TEXT) FROM artifacts"), [artifacts.to_string()]);

    during(&scene, "all of it made in the database, to the manifest in place", || {
        let mut sql = "BEGIN IMMEDIATE;".to_owned();
        for n in 0..GROUPS {
            write!(
                sql,
                "INSERT INTO groups (id, collection_id, name, position, created_at, updated_at)
                     VALUES ('g{n}', 'default', 'Group {n}', {n}, '{NOW}', '{NOW}');
                 INSERT INTO group_artifacts SELECT 'g{n}', uuid, CAST(substr(id, 8) AS INTEGER) - {first}, '{NOW}'
                     FROM artifacts WHERE id BETWEEN 'skill:s{first:04}' AND 'skill:s{last:04}';",
                first = n * MEMBERS,
                last = n * MEMBERS + MEMBERS - 1,
            )
            .expect("a text");
        }
        for n in 0..TAGS {
            write!(
                sql,
                "INSERT INTO tags (id, name, slug, color, created_at, updated_at)
                     VALUES ('t{n}', 'Tag {n}', 'tag-{n}', '#0000{n:02x}', '{NOW}', '{NOW}');"
            )
            .expect("a text");
        }
        web.run(&format!("{sql}COMMIT"));
        let last = format!("tag-{}", TAGS - 1);
        in_manifest(&scene, "the manifest has all", |document| {
            lists::groups(document).len() == GROUPS && lists::tags(document).contains_key(&last)
        });
    });
    equal(&scene);

    let manifest = scene.home.manifest("default");
    during(&scene, "every group, its members and every colour edited by hand, to the rows", || {
        let text =
            read(&manifest).replace("color = \"#0000", "color = \"#1100").replace("\"slate\"", "\"rose\"");
        let mut edited = String::new();
        for line in text.lines() {
            // The first member of each group goes.
            let first = (0..GROUPS).any(|n| line.trim() == format!("\"skill:s{:04}\",", n * MEMBERS));
            if !first {
                edited.push_str(line);
                edited.push('\n');
            }
        }
        fs::write(&manifest, edited).expect("the manifest");
        let sql = "SELECT CAST(COUNT(*) AS TEXT) FROM groups WHERE color = 'rose' UNION ALL
            SELECT CAST(COUNT(*) AS TEXT) FROM group_artifacts UNION ALL
            SELECT CAST(COUNT(*) AS TEXT) FROM tags WHERE color LIKE '#1100%'";
        let members = (GROUPS * (MEMBERS - 1)).to_string();
        in_database(&scene, "the rows have it", sql, &[&GROUPS.to_string(), &members, &TAGS.to_string()]);
    });

    during(&scene, "a tag that every artifact has renamed in the database, to quiet", || {
        web.run("UPDATE tags SET name = 'Renamed', color = '#123456' WHERE slug = 'first'");
        in_manifest(&scene, "its definition", |document| {
            lists::tags(document).get("first").is_some_and(|tag| tag.0 == "Renamed")
        });
    });
    during(&scene, "a tag that every artifact has renamed in every entry, to the rows", || {
        save(&manifest, &read(&manifest).replace("    \"first\",\n", "    \"second\",\n"));
        let sql = "SELECT CAST(COUNT(*) AS TEXT) FROM artifact_tags JOIN tags ON tags.id = tag_id WHERE slug = 'second'";
        in_database(&scene, "the rows have it", sql, &[&artifacts.to_string()]);
    });
    during(&scene, "a tag taken off every artifact in the database, to the entries", || {
        web.run(
            "BEGIN IMMEDIATE;
             DELETE FROM artifact_tags WHERE tag_id = (SELECT id FROM tags WHERE slug = 'second');
             UPDATE collection_artifacts SET tags_json = replace(tags_json, '\"second\", ', '');
             COMMIT",
        );
        eventually(SEEN * 4, "no entry has it", || {
            let left = read(&manifest).matches("    \"second\",\n").count();
            if left == 0 { Ok(()) } else { Err(left.to_string()) }
        });
    });
    drop(web);

    during(&scene, "the database deleted, to everything in another one", || {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(scene.home.cache_db().with_file_name(format!("cache.db{suffix}")));
        }
        eventually(SEEN * 4, "another one", || {
            if scene.home.cache_db().exists() { Ok(()) } else { Err("none yet".to_owned()) }
        });
        // A neighbour from the first moment on, as the backend would be.
        let neighbour = Web::at(&scene.home);
        scene.call(&["sync", "--wait"]).succeeded();
        equal(&scene);
        assert_eq!(
            neighbour.texts("SELECT CAST(COUNT(*) AS TEXT) FROM tags WHERE color LIKE '#1100%'"),
            [TAGS.to_string()]
        );
    });
}

#[test]
fn how_long_the_write_lock_is_held() {
    measure(1_000);
    measure(5_000);
}
