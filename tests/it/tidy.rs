//! Rules about the source that the compiler does not check: who may import whom, sizes, names, left-overs.
//!
//! Every rule is a function from files to complaints, and every one has a test with files that break it: a
//! rule that cannot fail is not a rule.

mod source;
mod the_rules_can_fail;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use source::{Source, tokens};

/// What each layer may import of ours. The same table, in words, is in `src/lib.rs`.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("paths", &[]),
    ("config", &["domain"]),
    ("observe", &["config"]),
    ("fs", &["domain"]),
    ("db", &["domain"]),
    ("state", &["domain"]),
    ("control", &["domain", "paths"]),
    ("daemon", &["domain", "paths", "config", "observe", "fs", "db", "state", "control"]),
    ("service", &["domain", "paths", "config"]),
    ("doctor", &["domain", "paths", "config", "fs", "db", "state", "control", "service"]),
    (
        "cli",
        &[
            "domain", "paths", "config", "observe", "fs", "db", "state", "control", "daemon", "service",
            "doctor",
        ],
    ),
];

/// Crates that may be named in these layers only.
const CONFINED: &[(&str, &[&str])] = &[
    ("sea_orm", &["db", "state"]),
    ("sea_orm_migration", &["db", "state"]),
    ("migration", &["db", "state"]),
    ("notify", &["fs"]),
    ("sd_notify", &["daemon"]),
    ("landlock", &["daemon"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("anyhow", &["cli"]),
];

/// What the core must not name: anything that does I/O, waits, or asks the surroundings.
const NOT_IN_DOMAIN: &[&str] = &[
    "tokio",
    "sea_orm",
    "sea_orm_migration",
    "migration",
    "notify",
    "rustix",
    "hyper",
    "hyper_util",
    "axum",
    "directories",
    "signal_hook",
    "tracing_subscriber",
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "std::os",
];

const HARD_LIMIT: usize = 600;
const SOFT_LIMIT: usize = 400;
const FORBIDDEN_NAMES: [&str; 8] =
    ["util", "utils", "helper", "helpers", "manager", "managers", "common", "commons"];

fn imports(files: &[Source]) -> Vec<String> {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let Some(layer) = file.module().and_then(|module| module.first().cloned()) else { continue };
        let Some(allowed) = layers.get(layer.as_str()) else {
            complaints.push(format!("{}: the layer `{layer}` is not in the table", file.path.display()));
            continue;
        };
        for path in file.paths() {
            let said = format!("{}: `{}`", file.path.display(), path.join("::"));
            match path.first().map(String::as_str) {
                Some("crate") => {
                    let other = path.get(1).map_or("", String::as_str);
                    if layers.contains_key(other) && other != layer && !allowed.contains(&other) {
                        complaints.push(format!("{said}: {layer} must not import {other}"));
                    }
                }
                Some(name) => {
                    let confined = CONFINED.iter().find(|(confined, _)| *confined == name);
                    if confined.is_some_and(|(_, homes)| !homes.contains(&layer.as_str())) {
                        complaints.push(format!("{said}: {name} must not be named in {layer}"));
                    }
                    let forbidden = |path: &[String]| NOT_IN_DOMAIN.contains(&path.join("::").as_str());
                    if layer == "domain" && (forbidden(&path[..1]) || path.len() > 1 && forbidden(&path[..2]))
                    {
                        complaints.push(format!("{said}: the core must not name it"));
                    }
                }
                None => {}
            }
        }
    }
    complaints
}

/// Files over `limit` lines, tests not counted.
fn too_long(files: &[Source], limit: usize) -> Vec<String> {
    let rust = files.iter().filter(|file| file.is_rust());
    rust.map(|file| (file, file.production().lines().count()))
        .filter(|(_, lines)| *lines > limit)
        .map(|(file, lines)| format!("{}: {lines} lines without tests", file.path.display()))
        .collect()
}

fn names(files: &[Source]) -> Vec<String> {
    let forbidden = |file: &&Source| {
        let mut parts = file.path.iter().map(|part| Path::new(part).file_stem().unwrap_or_default());
        file.is_rust() && parts.any(|part| FORBIDDEN_NAMES.iter().any(|name| part == *name))
    };
    files.iter().filter(forbidden).map(|file| format!("{}: says nothing", file.path.display())).collect()
}

/// Every file says what it is for. `x/tests.rs` is the exception: its place says it.
fn module_docs(files: &[Source]) -> Vec<String> {
    let bare =
        |file: &&Source| file.is_rust() && !file.path.ends_with("tests.rs") && !file.text.starts_with("//! ");
    files.iter().filter(bare).map(|file| format!("{}: no `//!` at its start", file.path.display())).collect()
}

/// Tests that do not run, and code that is not written.
fn left_overs(files: &[Source]) -> Vec<String> {
    const PATTERNS: [(&[&str], &str); 4] = [
        (&["#", "[", "ignore"], "an ignored test"),
        (&["todo", "!"], "todo!"),
        (&["unimplemented", "!"], "unimplemented!"),
        (&["dbg", "!"], "dbg!"),
    ];
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let tokens = tokens(&file.text);
        for (pattern, name) in PATTERNS {
            if tokens.windows(pattern.len()).any(|window| window == pattern) {
                complaints.push(format!("{}: {name}", file.path.display()));
            }
        }
    }
    complaints
}

/// Absolute paths of the machine somebody worked on. `/var/tmp` is a place of every Unix and may be named.
fn machine_paths(files: &[Source]) -> Vec<String> {
    // Not written out, for this file is checked too.
    let roots = ["work", "tmp", "root"].map(|dir| format!("/{dir}/"));
    let mut complaints = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            let named = |root: &&String| {
                let before = line.match_indices(root.as_str()).map(|(at, _)| line[..at].chars().next_back());
                // Inside a longer path it is no root: `/var/tmp/`, `my/work/`, `https://host/work/`.
                before.into_iter().any(|c| !c.is_some_and(|c| c.is_alphanumeric() || "._-~}".contains(c)))
            };
            if let Some(root) = roots.iter().find(named) {
                complaints.push(format!("{}:{}: {root}", file.path.display(), number + 1));
            }
        }
    }
    complaints
}

/// Where the crates come from: the public index and nowhere else.
fn registries(files: &[Source]) -> Vec<String> {
    const INDEX: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let lock = files.iter().filter(|file| file.path == Path::new("Cargo.lock"));
    lock.flat_map(|file| file.text.lines())
        .filter(|line| line.starts_with("source = ") && *line != INDEX)
        .map(|line| format!("Cargo.lock: {line}"))
        .collect()
}

/// The map in `src/lib.rs` names every module it declares.
fn codemap(files: &[Source]) -> Vec<String> {
    let Some(lib) = files.iter().find(|file| file.path == Path::new("src/lib.rs")) else {
        return vec!["src/lib.rs: missing".to_owned()];
    };
    let (docs, code): (Vec<&str>, Vec<&str>) = lib.text.lines().partition(|line| line.starts_with("//!"));
    let docs = docs.join("\n");
    let modules = code.iter().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    modules
        .filter(|module| !docs.contains(&format!("[`{module}`]")))
        .map(|module| format!("src/lib.rs: the map does not name `{module}`"))
        .collect()
}

/// Every text file of the repository, without what git ignores.
fn repository() -> Vec<Source> {
    const SKIPPED: [&str; 3] = ["target", ".git", ".venv"];
    fn collect(root: &Path, dir: &Path, files: &mut Vec<Source>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|name| SKIPPED.iter().any(|skipped| name == *skipped)) {
                continue;
            }
            if path.is_dir() {
                collect(root, &path, files);
            } else if let Ok(text) = fs::read_to_string(&path) {
                files.push(Source { path: path.strip_prefix(root).unwrap().to_owned(), text });
            }
        }
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

#[track_caller]
fn clean(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn layers_import_only_what_they_may() {
    clean(&imports(&repository()));
}

#[test]
fn files_stay_readable() {
    let files = repository();
    for complaint in too_long(&files, SOFT_LIMIT) {
        println!("over the soft limit of {SOFT_LIMIT}: {complaint}");
    }
    clean(&too_long(&files, HARD_LIMIT));
}

#[test]
fn file_names_say_what_is_inside() {
    clean(&names(&repository()));
}

#[test]
fn every_file_explains_itself() {
    clean(&module_docs(&repository()));
}

#[test]
fn nothing_is_left_over() {
    clean(&left_overs(&repository()));
}

#[test]
fn no_machine_is_named() {
    clean(&machine_paths(&repository()));
}

#[test]
fn crates_come_from_the_public_index() {
    let files = repository();
    assert!(files.iter().any(|file| file.path == Path::new("Cargo.lock")));
    clean(&registries(&files));
}

#[test]
fn the_codemap_is_complete() {
    clean(&codemap(&repository()));
}
