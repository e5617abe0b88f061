//! Rows against manifests and files, read by means that share no code with the daemon.
//!
//! What this module does not do: change anything.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::home::Home;
use crate::interop::cache;
use crate::interop::judge::{self, Said};

/// Nothing if the default collection's rows are equal to manifests and files, fingerprints included; else what differs.
pub(super) fn difference(home: &Home) -> Result<(), String> {
    let mut expected = judge::expected_rows(home);
    for (id, path) in paths(home) {
        if let Some(said) = expected.get_mut(&id) {
            said["files"] = fingerprint(&path);
        }
    }
    judge::compare(&expected, &found(home)?)
}

/// What the rows say, with the fingerprint columns under `files`.
pub(super) fn found(home: &Home) -> Result<Said, String> {
    let mut found = judge::rows(home)?;
    let members =
        cache::open(&home.cache_db()).and_then(|c| cache::members(&c)).map_err(|e| e.to_string())?;
    for (id, said) in &mut found {
        let member = members.get(id).ok_or("a row went between two reads")?;
        said["files"] = json!([
            member["artifact_content_hash"],
            member["artifact_structure_hash"],
            member["artifact_file_count"],
            member["artifact_total_size"],
        ]);
    }
    Ok(found)
}

/// Every column of a member of the default collection.
pub(super) fn row(home: &Home, id: &str) -> Result<Option<cache::Row>, String> {
    let mut members =
        cache::open(&home.cache_db()).and_then(|c| cache::members(&c)).map_err(|e| e.to_string())?;
    Ok(members.remove(id))
}

/// The ids of the default collection's members.
pub(super) fn ids(home: &Home) -> Vec<String> {
    judge::rows(home).unwrap_or_default().into_keys().collect()
}

/// Where each artifact's files are; the collection `default` is the active one and wins.
fn paths(home: &Home) -> BTreeMap<String, PathBuf> {
    let collections = fs::read_dir(home.skillmeat().join("collections")).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        collections.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect();
    names.sort_by(|a, b| ((a == "default"), b).cmp(&((b == "default"), a)));
    let mut paths = BTreeMap::new();
    for name in names {
        let text = fs::read_to_string(home.manifest(&name)).unwrap_or_default();
        let manifest: toml::Table = text.parse().expect("a manifest is TOML");
        for entry in manifest.get("artifacts").and_then(toml::Value::as_array).into_iter().flatten() {
            let part = |key: &str| entry[key].as_str().expect("a string");
            let path = home.collection(&name).join(part("path"));
            paths.insert(format!("{}:{}", part("type"), part("name")), path);
        }
    }
    paths
}

/// Content hash, structure hash, number of files, bytes; after `skillmeat.core.hashing` and
/// `skillmeat.api.services.artifact_cache_service`.
fn fingerprint(path: &Path) -> Value {
    let mut files = Vec::new();
    collect(path, path, &mut files);
    if files.is_empty() && !path.exists() {
        return json!([null, null, 0, 0]);
    }
    files.sort();
    let mut content = Sha256::new();
    let mut size = 0;
    for (relative, bytes) in &files {
        content.update(relative.to_str().expect("UTF-8"));
        content.update(bytes);
        size += bytes.len();
    }
    let mut names: Vec<&str> = files.iter().map(|(name, _)| name.to_str().expect("UTF-8")).collect();
    names.sort_unstable();
    let structure = Sha256::digest(names.concat());
    json!([hex(&content.finalize()), hex(&structure), files.len(), size])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn collect(root: &Path, at: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    // What goes while we look is looked at again: the comparison is repeated until both sides agree.
    if let Ok(bytes) = fs::read(at) {
        let relative = if at == root { at.file_name().map(PathBuf::from) } else { None };
        let relative = relative.or_else(|| at.strip_prefix(root).ok().map(PathBuf::from));
        files.push((relative.expect("below the root"), bytes));
    }
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        collect(root, &entry.path(), files);
    }
}

/// Somebody else's connection to the cache that looks at it all the time.
pub(super) struct Onlooker {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Vec<String>)>,
}

impl Onlooker {
    /// Looks about once a millisecond; what `look` objects to is kept for the end.
    pub(super) fn start(
        home: &Home,
        mut look: impl FnMut(&Connection) -> Result<(), String> + Send + 'static,
    ) -> Self {
        let connection = cache::open(&home.cache_db()).expect("the cache");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (looking, first_look) = mpsc::channel();
        let thread = thread::spawn(move || {
            let (mut looks, mut objections) = (0, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                looks += 1;
                objections.extend(look(&connection).err());
                let _ = looking.send(());
                thread::sleep(Duration::from_millis(1));
            }
            (looks, objections)
        });
        first_look.recv().expect("the onlooker's first look"); // what follows happens under its eyes
        Self { stop, thread }
    }

    /// Objects whenever the row of `id` is missing or has another uuid or `added_at` than when this began.
    pub(super) fn of_row(home: &Home, id: &str) -> Self {
        let id = id.to_owned();
        let mut first: Option<(String, String)> = None;
        Self::start(home, move |connection| {
            let now: (String, String) = connection
                .query_row(
                    "SELECT a.uuid, c.added_at FROM collection_artifacts c JOIN artifacts a ON \
                     a.uuid = c.artifact_uuid WHERE c.collection_id = 'default' AND a.id = ?1",
                    [&id],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .map_err(|e| format!("{id}: {e}"))?;
            let first = first.get_or_insert_with(|| now.clone());
            if *first == now { Ok(()) } else { Err(format!("{id}: {first:?} became {now:?}")) }
        })
    }

    /// Ends it. Panics with the objections, if there are any.
    pub(super) fn saw_no_wrong(self) {
        self.stop.store(true, Ordering::Relaxed);
        let (looks, objections) = self.thread.join().expect("the onlooker's thread");
        assert!(looks > 0, "it never looked");
        let first = &objections[..objections.len().min(5)];
        assert!(objections.is_empty(), "{} of {looks} looks: {first:?}", objections.len());
    }
}

/// A number from `/proc/<pid>/status`, as `VmRSS` in kB.
#[cfg(target_os = "linux")]
pub(crate) fn proc_status(pid: u32, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = text.lines().find(|line| line.starts_with(field)).expect("the field");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

/// How often the threads of a process have given up the processor by themselves.
#[cfg(target_os = "linux")]
pub(super) fn wakeups(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    let of = |task: std::io::Result<fs::DirEntry>| {
        let status = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    tasks.filter_map(of).sum()
}

/// Processor time of a process so far, in clock ticks (hundredths of a second; proc_pid_stat(5)).
#[cfg(target_os = "linux")]
pub(super) fn ticks(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    let after_name = text.rsplit_once(')').expect("a name in parentheses").1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum()
}
