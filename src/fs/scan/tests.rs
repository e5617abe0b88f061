use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;

use super::*;
use crate::domain::model::{Doubt, Kind};

/// A home with one collection, `default`.
struct Home {
    directory: tempfile::TempDir,
    scanner: Scanner,
}

const HEAD: &str = "[collection]\nname = \"default\"\nversion = \"1.0.0\"\ncreated = \"2026-01-01\"\nupdated = \"2026-01-01\"\n";

fn entry(kind: &str, name: &str, path: &str) -> String {
    format!(
        "\n[[artifacts]]\nname = \"{name}\"\ntype = \"{kind}\"\npath = \"{path}\"\norigin = \"local\"\nadded = \"2026-01-01\"\n"
    )
}

fn skill(name: &str) -> String {
    entry("skill", name, &format!("skills/{name}"))
}

fn id(name: &str) -> ArtifactId {
    ArtifactId::new(Kind::Skill, name)
}

impl Home {
    fn new(manifest: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let scanner = Scanner::new(directory.path().to_path_buf(), Vec::new());
        let home = Self { directory, scanner };
        home.write("collection.toml", &format!("{HEAD}{manifest}"));
        home
    }

    fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join("collections/default").join(below)
    }

    fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn scan(&mut self, scope: &ScanScope) -> Scanned {
        self.scanner.scan(scope, SystemTime::now()).unwrap()
    }

    fn scan_all(&mut self) -> Scanned {
        self.scan(&ScanScope::All)
    }

    fn scan_parts(&mut self, manifest: bool, paths: &[&str]) -> Scanned {
        let dirt = Dirt::Parts { manifest, paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        self.scan(&ScanScope::Collections(BTreeMap::from([("default".to_owned(), dirt)])))
    }

    /// Scan until every reading is old enough to be trusted.
    fn settle(&mut self) {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while self.scan_all().stats.read > 0 {
            assert!(std::time::Instant::now() < deadline, "the readings do not settle");
            thread::yield_now();
        }
        self.scanner.confirm();
    }
}

fn hash(scanned: &Scanned, name: &str) -> Option<String> {
    let artifact = scanned.desired.collections["default"].artifacts.get(&id(name))?;
    artifact.fingerprint.as_ref().map(|fingerprint| fingerprint.artifact_fingerprint.to_string())
}

fn told(scanned: &Scanned) -> Vec<String> {
    scanned.problems.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_told(scanned: &Scanned, beginning: &str) {
    assert!(
        scanned.problems.iter().any(|problem| problem.to_string().starts_with(beginning)),
        "{beginning}: {:?}",
        told(scanned)
    );
}

#[test]
fn a_scan_gives_entries_fingerprints_and_frontmatter() {
    let mut home = Home::new(&format!("{}{}", skill("a"), entry("command", "go", "commands/go.md")));
    home.write("skills/a/SKILL.md", "# one\n");
    home.write("commands/go.md", "---\ndescription: goes\n---\n");
    home.write("commands/unlisted.md", "not an artifact: no manifest names it");
    let scanned = home.scan_all();
    assert_eq!(told(&scanned), Vec::<String>::new());
    let collection = &scanned.desired.collections["default"];
    assert_eq!(collection.artifacts.len(), 2);
    assert_eq!(collection.doubt, None);
    // SkillMeat's own value for this file in a directory.
    let expected = "5616fcf4c7452f812ec68cc56eb97cf0e59adda7e3235482dd6bc8318c1c4b8d";
    assert_eq!(hash(&scanned, "a").as_deref(), Some(expected));
    let command = ArtifactId::new(Kind::Command, "go");
    let seen = scanned.frontmatter.iter().find(|seen| seen.id == command).unwrap();
    assert_eq!(seen.frontmatter.extracted.metadata.description.as_deref(), Some("goes"));
    assert_eq!(seen.frontmatter.file, "");
    assert_eq!((scanned.stats.artifacts, scanned.stats.read), (2, 2));
    assert_eq!(scanned.touched, Scope::All);
}

#[test]
fn nothing_is_read_twice_and_everything_that_changed_is() {
    let mut home = Home::new(&format!("{}{}", skill("a"), skill("b")));
    home.write("skills/a/SKILL.md", "one");
    home.write("skills/a/scripts/x.py", "pass");
    home.write("skills/b/SKILL.md", "two");
    home.settle();
    let before = home.scan_all();
    let edits: [&dyn Fn(&Home); 7] = [
        &|home| home.write("skills/a/SKILL.md", "ONE"),
        &|home| home.write("skills/a/scripts/new.py", ""),
        &|home| fs::remove_file(home.path("skills/a/scripts/x.py")).unwrap(),
        &|home| fs::rename(home.path("skills/a/scripts"), home.path("skills/a/tools")).unwrap(),
        &|home| fs::create_dir(home.path("skills/a/empty")).unwrap(),
        // Another directory at the same path, as a swap or a fresh checkout leaves it.
        &|home| {
            home.write("aside/SKILL.md", "swapped");
            fs::rename(home.path("skills/a"), home.path("old")).unwrap();
            fs::rename(home.path("aside"), home.path("skills/a")).unwrap();
        },
        &|home| {
            // Same size, and the modification time put back: only the change time tells.
            let path = home.path("skills/a/SKILL.md");
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            fs::write(&path, "SWAPPED").unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        },
    ];
    let mut hashes = BTreeSet::from([hash(&before, "a")]);
    for (index, edit) in edits.iter().enumerate() {
        home.settle();
        edit(&home);
        let scanned = home.scan_parts(false, &["skills/a"]);
        assert_eq!((scanned.stats.artifacts, scanned.stats.read), (1, 1), "edit {index}");
        assert_eq!(scanned.touched, Scope::Artifacts(BTreeSet::from([id("a")])));
        assert_eq!(hash(&scanned, "b"), hash(&before, "b"), "what is not in scope comes from memory");
        // An empty directory is no file.
        assert_eq!(hashes.insert(hash(&scanned, "a")), index != 4, "edit {index}");
    }
}

#[test]
fn frontmatter_is_remembered_until_it_is_acted_on_and_written_down() {
    let mut home = Home::new(&skill("a"));
    home.write("skills/a/SKILL.md", "---\ndescription: one\n---\n");
    let description = |scanned: &Scanned| -> Vec<Option<String>> {
        scanned
            .frontmatter
            .iter()
            .map(|seen| seen.frontmatter.extracted.metadata.description.clone())
            .collect()
    };
    let one = [Some("one".to_owned())];
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while home.scan_all().stats.read > 0 {
        assert!(std::time::Instant::now() < deadline, "the reading does not settle");
    }
    assert_eq!(description(&home.scan_all()), one);
    let (rows, _) = home.scanner.take_dirty();
    assert_eq!(rows.len(), 1);
    // Written down, and not acted on.
    assert_eq!(description(&home.scan_all()), one);
    home.scanner.confirm();
    let _ = home.scanner.take_dirty();
    // The manifest touches the artifact, the file is as it was.
    home.write("collection.toml", &format!("{HEAD}{}", skill("a").replace("local", "github")));
    let scanned = home.scan_all();
    assert_eq!((scanned.touched, scanned.stats.read), (Scope::Artifacts([id("a")].into()), 0));
    assert_eq!(description(&home.scan_all()), []);
    // News are told, and so is everything about an artifact that has another name now.
    home.write("skills/a/SKILL.md", "---\ndescription: two\n---\n");
    assert_eq!(description(&home.scan_all()), [Some("two".to_owned())]);
    home.settle();
    let _ = home.scanner.take_dirty();
    home.write(
        "collection.toml",
        &format!("{HEAD}{}", skill("a").replacen("name = \"a\"", "name = \"b\"", 1)),
    );
    assert_eq!(description(&home.scan_all()), [Some("two".to_owned())]);
}

#[test]
fn a_change_within_the_clock_tick_is_not_missed() {
    let mut home = Home::new(&skill("a"));
    let mut seen = BTreeSet::new();
    for round in 0..200 {
        home.write("skills/a/SKILL.md", &format!("{round:03}"));
        let scanned = home.scan_parts(false, &["skills/a"]);
        assert!(seen.insert(hash(&scanned, "a")), "round {round} looks like an earlier one");
    }
}

#[test]
fn readings_survive_a_restart_and_stale_ones_do_not() {
    let mut home = Home::new(&format!("{}{}", skill("a"), entry("agent", "x", "agents/x.md")));
    home.write("skills/a/SKILL.md", "---\nname: a\ndescription: d\n---\n");
    home.write("agents/x.md", "---\ndescription: [1\n---\n");
    home.settle();
    home.scanner = Scanner::new(home.directory.path().to_path_buf(), Vec::new());
    let before = home.scan_all();
    let (rows, gone) = home.scanner.take_dirty();
    assert_eq!((rows.len(), gone.len()), (2, 0));
    assert_eq!(home.scanner.take_dirty(), (Vec::new(), Vec::new()), "told once");
    let stored = |row: CachedArtifact| {
        let reading = serde_json::to_string(&row.reading).unwrap();
        CachedArtifact { reading: serde_json::from_str(&reading).unwrap(), ..row }
    };
    let rows: Vec<CachedArtifact> = rows.into_iter().map(stored).collect();

    home.scanner = Scanner::new(home.directory.path().to_path_buf(), rows.clone());
    let after = home.scan_all();
    assert_eq!(after.stats.read, 0);
    assert_eq!(after.desired, before.desired);
    assert_eq!(after.problems, before.problems);
    assert_eq!(after.frontmatter, before.frontmatter);
    assert!(!after.problems.is_empty(), "the broken frontmatter is still told");

    home.write("agents/x.md", "fine");
    home.write("collection.toml", &format!("{HEAD}{}", entry("agent", "x", "agents/x.md")));
    home.scanner = Scanner::new(home.directory.path().to_path_buf(), rows);
    let after = home.scan_all();
    assert_eq!((after.stats.artifacts, after.stats.read), (1, 1));
    assert_eq!(told(&after), Vec::<String>::new());
    let (_, gone) = home.scanner.take_dirty();
    assert_eq!(gone.iter().map(|key| key.path.as_str()).collect::<Vec<_>>(), ["skills/a"]);
}

#[test]
fn what_was_acted_on_is_not_told_again_after_a_restart() {
    let mut home = Home::new(&skill("a"));
    home.write("skills/a/SKILL.md", "---\ndescription: one\n---\n");
    home.settle();
    home.scanner = Scanner::new(home.directory.path().to_path_buf(), Vec::new());
    let before = home.scan_all();
    home.scanner.confirm();
    let (rows, _) = home.scanner.take_dirty();
    assert!(rows[0].reading.told.is_some() && rows[0].reading.frontmatter.is_none());

    home.scanner = Scanner::new(home.directory.path().to_path_buf(), rows.clone());
    let after = home.scan_all();
    assert_eq!((after.stats.read, after.frontmatter.len()), (0, 0));
    assert_eq!(after.desired, before.desired);
    // Under another name it is another artifact, about which nothing was told.
    let renamed = skill("a").replacen("name = \"a\"", "name = \"b\"", 1);
    home.write("collection.toml", &format!("{HEAD}{renamed}"));
    home.scanner = Scanner::new(home.directory.path().to_path_buf(), rows);
    assert_eq!(home.scan_all().frontmatter.len(), 1);
}

#[test]
fn a_manifest_change_touches_what_it_changed() {
    let mut home = Home::new(&format!("{}{}{}", skill("a"), skill("b"), skill("c")));
    for name in ["a", "b", "c", "d"] {
        home.write(&format!("skills/{name}/SKILL.md"), name);
    }
    home.settle();
    let changed = skill("b").replace("[[artifacts]]", "[[artifacts]]\nupstream = \"u\"");
    home.write("collection.toml", &format!("{HEAD}{}{changed}{}", skill("d"), skill("a")));
    let scanned = home.scan_parts(true, &[]);
    assert_eq!(scanned.touched, Scope::Artifacts(BTreeSet::from([id("b"), id("c"), id("d")])));
    assert_eq!(scanned.stats.read, 1, "only the new one");
    let names: Vec<_> = scanned.desired.collections["default"].artifacts.keys().map(|id| &*id.name).collect();
    assert_eq!(names, ["a", "b", "d"]);

    // The result was not confirmed, so it is still owed; then it is.
    let again = home.scan_parts(false, &[]);
    assert_eq!(again.touched, scanned.touched);
    assert!(again.frontmatter.iter().any(|seen| seen.id == id("d")), "with what goes with it");
    home.scanner.confirm();
    assert_eq!(home.scan_parts(true, &[]).touched, Scope::Artifacts(BTreeSet::new()));
}

#[test]
fn a_bad_manifest_keeps_the_last_good_state() {
    let mut home = Home::new(&skill("a"));
    home.write("skills/a/SKILL.md", "one");
    home.settle();
    let good = home.scan_all();
    home.scanner.confirm();
    for (text, doubt, place) in [
        (Some(""), Doubt::Empty, "collections/default/collection.toml: the file is empty"),
        (
            Some("[collection]\nname = \n"),
            Doubt::Unreadable,
            "collections/default/collection.toml:2:8: not valid TOML",
        ),
        (None, Doubt::Missing, "collections/default/collection.toml: there is no collection.toml"),
    ] {
        match text {
            Some(text) => home.write("collection.toml", text),
            None => fs::remove_file(home.path("collection.toml")).unwrap(),
        }
        let scanned = home.scan_parts(true, &[]);
        let collection = &scanned.desired.collections["default"];
        assert_eq!(collection.doubt, Some(doubt));
        assert_eq!(collection.artifacts, good.desired.collections["default"].artifacts, "{doubt:?}");
        assert_eq!(scanned.manifests, good.manifests);
        assert_told(&scanned, place);
        assert_eq!(scanned.touched, Scope::All, "what an absence means has changed");
        home.scanner.confirm();
        drop(scanned);
    }
    // Files keep being followed meanwhile.
    home.write("skills/a/SKILL.md", "two");
    let scanned = home.scan_parts(false, &["skills"]);
    assert_ne!(hash(&scanned, "a"), hash(&good, "a"));
    home.write("collection.toml", &format!("{HEAD}{}", skill("a")));
    let healed = home.scan_parts(true, &[]);
    assert_eq!(healed.desired.collections["default"].doubt, None);
    assert_eq!(told(&healed), Vec::<String>::new());
}

#[test]
fn an_unreadable_entry_is_held_and_an_unnamed_one_is_a_doubt() {
    let bad = skill("bad").replace("origin = \"local\"", "origin = \"nowhere\"");
    let mut home = Home::new(&format!("{}{bad}", skill("a")));
    home.write("skills/a/SKILL.md", "one");
    let scanned = home.scan_all();
    let collection = &scanned.desired.collections["default"];
    assert_eq!(collection.held, BTreeSet::from([id("bad")]));
    assert_eq!(collection.doubt, None);
    home.write("collection.toml", &format!("{HEAD}{}\n[[artifacts]]\nname = \"x\"\n", skill("a")));
    let scanned = home.scan_all();
    let collection = &scanned.desired.collections["default"];
    assert_eq!((collection.held.len(), collection.doubt), (0, Some(Doubt::Unnamed)));
    assert_eq!(collection.artifacts.len(), 1);
}

#[test]
fn no_tree_is_not_an_empty_tree() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("skillmeat");
    let mut scanner = Scanner::new(root.clone(), Vec::new());
    let scan = |scanner: &mut Scanner| scanner.scan(&ScanScope::All, SystemTime::now()).map(|_| ());
    assert_eq!(scan(&mut scanner), Err(ScanError::NoRoot(root.clone())));
    fs::create_dir(&root).unwrap();
    assert_eq!(scan(&mut scanner), Err(ScanError::NoCollections(root.clone())));
    fs::write(root.join("collections"), "").unwrap();
    assert!(matches!(scan(&mut scanner), Err(ScanError::Unreadable { .. })));
    fs::remove_file(root.join("collections")).unwrap();
    fs::create_dir(root.join("collections")).unwrap();
    assert_eq!(scan(&mut scanner), Ok(()));
}

#[test]
fn collections_are_the_directories_there() {
    let mut home = Home::new("");
    let collections = home.directory.path().join("collections");
    let manifest = |name: &str| HEAD.replace("default", name);
    for name in ["work", ".hidden"] {
        fs::create_dir(collections.join(name)).unwrap();
        fs::write(collections.join(name).join("collection.toml"), manifest(name)).unwrap();
    }
    fs::create_dir(collections.join("bare")).unwrap();
    fs::create_dir(collections.join(".git")).unwrap();
    fs::write(collections.join(".env"), "").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("collection.toml"), manifest("other")).unwrap();
    symlink(elsewhere.path(), collections.join("linked")).unwrap();
    fs::write(home.directory.path().join("config.toml"), "[settings]\ndefault-collection = \"work\"\n")
        .unwrap();
    let scanned = home.scan_all();
    assert_eq!(scanned.desired.active, "work");
    let names: Vec<_> = scanned.desired.collections.keys().map(String::as_str).collect();
    assert_eq!(names, [".hidden", "bare", "default", "linked", "work"]);
    assert_eq!(scanned.desired.collections["bare"].doubt, Some(Doubt::Missing));
    assert_told(&scanned, "collections/linked/collection.toml: the collection calls itself `other`");

    fs::remove_dir_all(collections.join("work")).unwrap();
    home.scanner.confirm();
    let whole = ScanScope::Collections(BTreeMap::from([("work".to_owned(), Dirt::Whole)]));
    let scanned = home.scan(&whole);
    assert!(!scanned.desired.collections.contains_key("work"));
    assert_eq!(scanned.touched, Scope::All);
    assert_eq!(scanned.desired.active, "work", "the setting is what it is");
}

#[test]
fn paths_that_lead_out_are_not_followed() {
    let mut home = Home::new(&format!(
        "{}{}{}",
        entry("skill", "up", "../other/skills/x"),
        entry("skill", "root", "/etc"),
        entry("skill", "none", "")
    ));
    fs::create_dir_all(home.directory.path().join("collections/other/skills/x")).unwrap();
    let scanned = home.scan_all();
    let collection = &scanned.desired.collections["default"];
    assert_eq!(collection.artifacts.len(), 3, "the entries are mirrored");
    assert!(collection.artifacts.values().all(|artifact| artifact.fingerprint.is_none()));
    assert_eq!(scanned.stats.read, 0);
    for place in
        ["collections/default/collection.toml:10:8: skill:up: ", "collections/default/collection.toml:17:8: "]
    {
        assert_told(&scanned, place);
    }
}

#[test]
fn links_count_as_skillmeat_counts_them() {
    let plain = {
        let mut home = Home::new(&skill("a"));
        home.write("skills/a/SKILL.md", "text");
        home.write("skills/a/also.md", "linked");
        hash(&home.scan_all(), "a")
    };
    let mut home = Home::new(&skill("a"));
    home.write("elsewhere/SKILL.md", "text");
    home.write("target.md", "linked");
    home.write("tools/inner.md", "not entered");
    fs::create_dir_all(home.path("skills")).unwrap();
    symlink(home.path("elsewhere"), home.path("skills/a")).unwrap();
    symlink(home.path("target.md"), home.path("elsewhere/also.md")).unwrap();
    symlink(home.path("tools"), home.path("elsewhere/tools")).unwrap();
    symlink("nowhere", home.path("elsewhere/broken.md")).unwrap();
    symlink("loop", home.path("elsewhere/loop")).unwrap();
    symlink(home.path("elsewhere"), home.path("elsewhere/self")).unwrap();
    home.settle();
    let scanned = home.scan_all();
    assert_eq!(hash(&scanned, "a"), plain);
    assert_eq!(told(&scanned), Vec::<String>::new());
    // The link's target changes without a change in the artifact's own directory; a broken link is mended.
    home.write("target.md", "LINKED");
    let scanned = home.scan_all();
    assert_ne!(hash(&scanned, "a"), plain);
    home.settle();
    let before = hash(&home.scan_all(), "a");
    home.write("elsewhere/nowhere", "");
    fs::remove_file(home.path("elsewhere/nowhere")).unwrap();
    home.settle();
    fs::remove_file(home.path("elsewhere/broken.md")).unwrap();
    symlink(home.path("late.md"), home.path("elsewhere/broken.md")).unwrap();
    home.settle();
    assert_eq!(hash(&home.scan_all(), "a"), before);
    home.write("late.md", "");
    assert_ne!(hash(&home.scan_all(), "a"), before);
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, 0o600.into(), 0).unwrap();
}

/// An open of any of these for reading would wait for ever.
#[test]
fn fifos_are_never_waited_for() {
    let mut home = Home::new(&format!("{}{}", skill("a"), entry("command", "pipe", "commands/pipe.md")));
    home.write("skills/a/SKILL.md", "text");
    fifo(&home.path("skills/a/pipe"));
    fs::create_dir_all(home.path("commands")).unwrap();
    fifo(&home.path("commands/pipe.md"));
    fifo(&home.directory.path().join("config.toml"));
    let scanned = home.scan_all();
    assert!(hash(&scanned, "a").is_some());
    assert_told(&scanned, "config.toml: it is not a regular file");
    assert_told(
        &scanned,
        "collections/default/commands/pipe.md: command:pipe: it is neither a file nor a directory",
    );
    fs::remove_file(home.path("collection.toml")).unwrap();
    fifo(&home.path("collection.toml"));
    let scanned = home.scan_parts(true, &[]);
    assert_eq!(scanned.desired.collections["default"].doubt, Some(Doubt::Unreadable));
    assert_told(&scanned, "collections/default/collection.toml: it is not a regular file");
}

#[test]
fn missing_files_leave_the_row_and_are_noticed_when_they_come() {
    let mut home = Home::new(&skill("a"));
    let scanned = home.scan_all();
    assert_eq!(told(&scanned), ["collections/default/skills/a: skill:a: its files are missing"]);
    assert_eq!(scanned.desired.collections["default"].artifacts.len(), 1);
    assert_eq!(hash(&scanned, "a"), None);
    assert_eq!(home.scan_all().stats.read, 0, "there is nothing to read");
    home.write("skills/a/SKILL.md", "here");
    let scanned = home.scan_parts(false, &["skills/a/SKILL.md"]);
    assert!(hash(&scanned, "a").is_some());
    assert_eq!(told(&scanned), Vec::<String>::new());
    fs::remove_dir_all(home.path("skills")).unwrap();
    let scanned = home.scan_parts(false, &["skills"]);
    assert_eq!(hash(&scanned, "a"), None);
}

#[cfg(target_os = "linux")] // macOS does not take such a name
#[test]
fn names_that_are_not_utf8_are_told() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let mut home = Home::new(&format!("{}{}", skill("a"), skill("b")));
    home.write("skills/a/SKILL.md", "a");
    home.write("skills/b/SKILL.md", "b");
    fs::write(home.path("skills/a").join(OsStr::from_bytes(b"\xff.md")), "x").unwrap();
    fs::create_dir(home.directory.path().join("collections").join(OsStr::from_bytes(b"\xfe"))).unwrap();
    let scanned = home.scan_all();
    assert_eq!((hash(&scanned, "a"), hash(&scanned, "b").is_some()), (None, true));
    assert_eq!(scanned.problems.len(), 2, "{:?}", told(&scanned));
}

#[cfg(target_os = "linux")] // macOS does not take such a name
#[test]
fn what_cannot_be_read_to_its_end_stays_as_it_was_read_before() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let mut home = Home::new(&skill("a"));
    home.write("skills/a/SKILL.md", "a");
    let before = hash(&home.scan_all(), "a");
    assert!(before.is_some());
    let odd = home.path("skills/a").join(OsStr::from_bytes(b"\xff.md"));
    fs::write(&odd, "x").unwrap();
    let scanned = home.scan_all();
    assert_eq!(hash(&scanned, "a"), before);
    assert_eq!(scanned.problems.len(), 1, "{:?}", told(&scanned));
    fs::remove_file(odd).unwrap();
    home.write("skills/a/SKILL.md", "b");
    let scanned = home.scan_all();
    assert!(hash(&scanned, "a").is_some_and(|now| Some(now) != before));
    assert!(scanned.problems.is_empty());
}

#[test]
fn sizes_have_limits() {
    let mut home = Home::new(&format!("{}{}", skill("big"), skill("long")));
    home.write("skills/big/SKILL.md", "a");
    // Sparse: no byte of it is stored.
    let file = fs::File::create(home.path("skills/big/huge.bin")).unwrap();
    file.set_len(crate::fs::artifact::MAX_BYTES + 1).unwrap();
    home.write("skills/long/SKILL.md", &" ".repeat(crate::fs::artifact::MAX_ENTRY_BYTES + 1));
    let scanned = home.scan_all();
    assert_eq!((hash(&scanned, "big"), hash(&scanned, "long").is_some()), (None, true));
    assert_told(&scanned, "collections/default/skills/big: skill:big: its files have ");
    assert_told(&scanned, "collections/default/skills/long/SKILL.md: longer than ");
    assert!(scanned.frontmatter.is_empty());
}

/// Whatever a writer does meanwhile, a scan answers, and the one after it is right.
#[test]
fn swaps_during_a_scan_do_not_confuse_it() {
    let mut home = Home::new(&skill("a"));
    home.write("skills/a/SKILL.md", "one");
    home.write("skills/a/deep/er/file", "x");
    home.write("outside/secret", "never read");
    let target = home.path("skills/a/SKILL.md");
    let aside = home.path("aside");
    let deep = home.path("skills/a/deep");
    let outside = home.path("outside");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let writer = thread::spawn(move || {
        let mut round = 0u32;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            round += 1;
            let _ = fs::remove_file(&aside);
            match round % 4 {
                0 => fs::write(&aside, "one").unwrap(),
                1 => fs::write(&aside, "another").unwrap(),
                2 => fifo(&aside),
                _ => symlink(outside.join("secret"), &aside).unwrap(),
            }
            fs::rename(&aside, &target).unwrap();
            let moved = deep.with_extension("away");
            fs::rename(&deep, &moved).unwrap();
            symlink(&outside, &deep).unwrap();
            fs::remove_file(&deep).unwrap();
            fs::rename(&moved, &deep).unwrap();
        }
        let _ = fs::remove_file(&target);
        fs::write(&target, "one").unwrap();
    });
    for _ in 0..300 {
        let scanned = home.scan_parts(false, &["skills/a"]);
        assert_eq!(scanned.desired.collections["default"].artifacts.len(), 1);
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    let scanned = home.scan_parts(false, &["skills/a"]);
    let mut fresh = Scanner::new(home.directory.path().to_path_buf(), Vec::new());
    let expected = fresh.scan(&ScanScope::All, SystemTime::now()).unwrap();
    assert!(hash(&expected, "a").is_some());
    assert_eq!(hash(&scanned, "a"), hash(&expected, "a"));
    assert_eq!(told(&scanned), Vec::<String>::new());
}

#[test]
fn two_threads_read_what_one_reads() {
    let names: Vec<String> = (0..400).map(|n| format!("s{n}")).collect();
    let mut home = Home::new(&names.iter().map(|name| skill(name)).collect::<String>());
    for name in &names {
        home.write(&format!("skills/{name}/SKILL.md"), name);
    }
    let together = home.scan_all();
    let mut one_by_one = Scanner::new(home.directory.path().to_path_buf(), Vec::new());
    // The first sight of a collection is always whole, so start from an empty one.
    let manifest = fs::read_to_string(home.path("collection.toml")).unwrap();
    home.write("collection.toml", HEAD);
    one_by_one.scan(&ScanScope::All, SystemTime::now()).unwrap();
    home.scanner = one_by_one;
    for end in [100, 200, 300, 400] {
        let part: String = names[..end].iter().map(|name| skill(name)).collect();
        home.write("collection.toml", &format!("{HEAD}{part}"));
        assert_eq!(home.scan_parts(true, &[]).stats.read, 100);
    }
    assert_eq!(fs::read_to_string(home.path("collection.toml")).unwrap(), manifest);
    assert_eq!(home.scan_parts(true, &[]).desired, together.desired);
    assert!(together.desired.collections["default"].artifacts.values().all(|a| a.fingerprint.is_some()));
}
