//! For each rule, sources that break it and sources that only look as if they did.

use super::*;

fn source(path: &str, text: &str) -> [Source; 1] {
    [Source { path: path.into(), text: text.to_owned() }]
}

/// Complaints of `imports` about one line in one file.
fn imported(path: &str, line: &str) -> usize {
    imports(&source(path, line)).len()
}

#[test]
fn imports_across_layers() {
    for (path, line) in [
        ("src/domain/plan.rs", "use crate::db::load;"),
        ("src/domain.rs", "use crate::{domain::model, config::Config};"),
        ("src/fs/scan.rs", "fn f() { crate::db::load::all() }"),
        ("src/db/mod.rs", "use crate::fs;"),
        ("src/db/load.rs", "use super::super::fs::scan;"),
        ("src/control/server.rs", "pub(crate) use crate :: daemon :: Shared as S;"),
        ("src/daemon/mod.rs", "use super::cli::Exit;"),
        ("src/paths.rs", "type T = Vec<crate::config::Key>;"),
        ("src/brandnew.rs", "fn f() {}"),
    ] {
        assert_eq!(imported(path, line), 1, "{path}: {line}");
    }
    for (path, line) in [
        ("src/domain/plan.rs", "use super::model::Row; use crate::domain::dirty;"),
        ("src/domain/plan.rs", "// use crate::db;\n/* crate::db::x /* */ crate::fs::y */ fn f() {}"),
        ("src/domain/plan.rs", "const A: &str = \"crate::db::x\"; const B: &str = r#\"\"crate::db::x\"#;"),
        ("src/domain/plan.rs", "fn f<'a>(c: &'a char) -> bool { *c == '\"' || *c == '\\'' }"),
        ("src/domain/plan.rs", "#[cfg(test)]\nmod tests {\n    use crate::db;\n}\n"),
        ("src/domain/plan/tests.rs", "use crate::db;"),
        ("src/fs/watch/event.rs", "use super::super::scan::Tree;"),
        ("src/cli/run.rs", "use crate::{daemon, db::{self, load}, fs::*};"),
        ("src/main.rs", "fn main() { skillmeatd::cli::main() }"),
        ("tests/it/cli.rs", "use crate::db;"),
    ] {
        assert_eq!(imports(&source(path, line)), [""; 0], "{path}: {line}");
    }
}

#[test]
fn code_after_a_test_module_counts() {
    let text = "#[cfg(test)]\nmod tests {\n    use crate::db;\n}\nuse crate::db;\n";
    assert_eq!(imported("src/fs/scan.rs", text), 1);
    let text = "#[cfg(test)]\nmod tests;\nuse crate::db;\n";
    assert_eq!(imported("src/fs/scan.rs", text), 1);
}

#[test]
fn crates_out_of_their_layers() {
    for (path, line) in [
        ("src/daemon/mod.rs", "use sea_orm::DatabaseConnection;"),
        ("src/daemon/mod.rs", "use sea_orm as orm;"),
        ("src/control/server.rs", "#[derive(sea_orm::DeriveEntityModel)] struct S;"),
        ("src/cli/run.rs", "migration::Migrator::up()"),
        ("src/db/mod.rs", "fn f() -> anyhow::Result<()> { Ok(()) }"),
        ("src/daemon/mod.rs", "use notify::Watcher;"),
        ("src/config.rs", "use ::clap::Parser;"),
        ("src/domain/dirty.rs", "use tokio::sync::mpsc;"),
        ("src/domain/dirty.rs", "use std::{collections::BTreeMap, fs};"),
        ("src/domain/dirty.rs", "use std::{io, fs::{self, File}};"),
        ("src/domain/dirty.rs", "fn f() { std::env::var(\"HOME\"); }"),
        ("src/domain/dirty.rs", "#[tokio::test] fn f() {}"),
        ("src/domain/dirty.rs", "fn f() -> rustix::io::Result<()> { Ok(()) }"),
    ] {
        assert!(imported(path, line) >= 1, "{path}: {line}");
    }
    for (path, line) in [
        ("src/db/mod.rs", "use sea_orm::{DatabaseConnection, EntityTrait};"),
        ("src/state/mod.rs", "use migration::Migrator;"),
        ("src/domain/dirty.rs", "use std::time::Instant; use std::collections::{BTreeMap as M, BTreeSet};"),
        ("src/domain/dirty.rs", "fn f(fs: &str, tokio: u8) -> u8 { tokio }"),
    ] {
        assert_eq!(imports(&source(path, line)), [""; 0], "{path}: {line}");
    }
}

#[test]
fn long_files() {
    let code = "fn f() {}\n".repeat(11);
    assert_eq!(too_long(&source("src/a.rs", &code), 10).len(), 1);
    assert_eq!(too_long(&source("src/a.rs", &code), 11).len(), 0);
    let tested = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "    fn f() {}\n".repeat(50));
    assert_eq!(too_long(&source("src/a.rs", &tested), 10).len(), 0);
    assert_eq!(too_long(&source("src/a/tests.rs", &code), 10).len(), 0);
    assert_eq!(too_long(&source("a.md", &code), 10).len(), 0);
}

#[test]
fn empty_names() {
    for path in ["src/util.rs", "src/fs/helpers.rs", "src/manager/mod.rs", "tests/it/common.rs"] {
        assert_eq!(names(&source(path, "")).len(), 1, "{path}");
    }
    assert_eq!(names(&source("src/fs/write.rs", "")).len(), 0);
    assert_eq!(names(&source("docs/common.md", "")).len(), 0);
}

#[test]
fn missing_docs() {
    assert_eq!(module_docs(&source("src/a.rs", "use std::fmt;\n")).len(), 1);
    assert_eq!(module_docs(&source("src/a_tests.rs", "use std::fmt;\n")).len(), 1);
    assert_eq!(module_docs(&source("src/a.rs", "//! Does a.\n")).len(), 0);
    assert_eq!(module_docs(&source("src/a/tests.rs", "use super::*;\n")).len(), 0);
    assert_eq!(module_docs(&source("a.toml", "x = 1\n")).len(), 0);
}

#[test]
fn leftovers() {
    for line in [
        "#[ignore]",
        "#[ignore = \"slow\"]",
        "#[test]\n#[ ignore ]",
        "todo!()",
        "unimplemented! {}",
        "dbg!(x)",
    ] {
        assert_eq!(left_overs(&source("tests/a.rs", line)).len(), 1, "{line}");
    }
    for line in ["// todo!()", "let s = \"todo!()\";", "let todo = 1; x != todo;", "fn ignore() {}"] {
        assert_eq!(left_overs(&source("tests/a.rs", line)).len(), 0, "{line}");
    }
}

#[test]
fn named_machines() {
    let [work, tmp] = ["work", "tmp"].map(|dir| format!("/{dir}/x"));
    for line in [work.clone(), format!("see {tmp}"), format!("\"{tmp}\""), format!("file://{work}")] {
        assert_eq!(machine_paths(&source("docs/a.md", &line)).len(), 1, "{line}");
    }
    for line in [
        format!("/var{tmp}"),
        format!("my{work}"),
        format!("https://host.org{work}"),
        format!("{{home}}{tmp}"),
    ] {
        assert_eq!(machine_paths(&source("docs/a.md", &line)).len(), 0, "{line}");
    }
}

#[test]
fn other_registries() {
    let line = "source = \"registry+https://mirror.example.org/index\"";
    assert_eq!(registries(&source("Cargo.lock", line)).len(), 1);
    assert_eq!(registries(&source("Cargo.lock", "source = \"git+https://github.com/a/b#c\"")).len(), 1);
    assert_eq!(registries(&source("other.lock", line)).len(), 0);
}

#[test]
fn an_incomplete_map() {
    assert_eq!(codemap(&source("src/lib.rs", "//! * [`a`]\npub mod a;\npub mod b;\n")).len(), 1);
    assert_eq!(codemap(&source("src/lib.rs", "//! * [`a`]\npub mod a;\n")).len(), 0);
    assert_eq!(codemap(&[]).len(), 1);
}
