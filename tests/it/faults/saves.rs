//! Editors and programs that save in ways of their own, and files that are wrong for a while.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::oracle::{self, Onlooker};
use super::scene::{self, Scene, entry_file, read, save};
use crate::home::{Home, eventually};
use crate::interop::cache;

/// A way to save a file.
type Save = fn(&Path, &str);

/// A name beside the file, as the editor makes it.
fn beside(path: &Path, name: &str) -> std::path::PathBuf {
    path.with_file_name(name)
}

/// vim with `backupcopy=no`: tries whether it may create files here, moves the file to its backup, writes a new one.
fn vim(path: &Path, text: &str) {
    let (probe, backup) = (beside(path, "4913"), beside(path, "backup~"));
    fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)).expect("the probe");
    fs::rename(path, &backup).expect("the backup");
    fs::write(path, text).expect("the new file");
    fs::remove_file(&backup).expect("the end of the backup");
}

/// vim with `backupcopy=yes`: copies to the backup and writes into the file itself.
fn vim_in_place(path: &Path, text: &str) {
    let backup = beside(path, "backup~");
    fs::copy(path, &backup).expect("the backup");
    fs::write(path, text).expect("the file");
    fs::remove_file(&backup).expect("the end of the backup");
}

/// Helix, VS Code and most programs: a new file moved over the old one.
fn by_rename(path: &Path, text: &str) {
    let new = beside(path, "new~");
    let mut file = File::create(&new).expect("a file");
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).expect("its text");
    fs::rename(&new, path).expect("the rename");
}

/// JetBrains' "safe write": the old one moved aside, the new one moved in, the old one deleted.
fn safe_write(path: &Path, text: &str) {
    let (new, old) = (beside(path, "file___jb_tmp___"), beside(path, "file___jb_old___"));
    fs::write(&new, text).expect("a file");
    fs::rename(path, &old).and_then(|()| fs::rename(&new, path)).expect("two renames");
    fs::remove_file(&old).expect("the end of the old file");
}

/// The program itself; its temporary files are called `sedXXXXXX`.
#[cfg(target_os = "linux")] // elsewhere `-i` takes an argument
fn sed(path: &Path, text: &str) {
    // Everything goes, then the text comes, in one in-place edit.
    let quoted = text.replace('\\', "\\\\").replace('\n', "\\n");
    let ran =
        std::process::Command::new("sed").args(["-i", "-n", &format!("$s|.*|{quoted}|p")]).arg(path).status();
    assert!(ran.expect("sed").success());
}

/// Deleted, and then made anew a little later.
fn delete_then_write(path: &Path, text: &str) {
    fs::remove_file(path).expect("the removal");
    thread::sleep(Duration::from_millis(30)); // the saver's own gap, within the debounce window
    fs::write(path, text).expect("the new file");
}

/// Deleted, and made anew after the debounce window has closed.
fn delete_then_write_later(path: &Path, text: &str) {
    fs::remove_file(path).expect("the removal");
    thread::sleep(Duration::from_millis(300)); // the saver's own gap, beyond the debounce window
    fs::write(path, text).expect("the new file");
}

const SAVES: &[(&str, Save)] = &[
    ("vim", vim),
    ("vim, in place", vim_in_place),
    ("rename", by_rename),
    ("SkillMeat", |path, text| save(path, text)),
    ("safe write", safe_write),
    #[cfg(target_os = "linux")]
    ("sed", sed),
    ("delete, write", delete_then_write),
    ("delete, write later", delete_then_write_later),
];

#[test]
fn s05_every_way_to_save_an_entry_file_is_seen_twice_in_a_row() {
    let scene = Scene::of(&["pdf", "other"], "");
    let path = scene.home.collection("default").join("skills/pdf/SKILL.md");
    let onlooker = Onlooker::of_row(&scene.home, "skill:pdf");
    for (name, save) in SAVES {
        for time in ["once", "twice"] {
            let text = format!("saved by {name} {time}");
            save(&path, &entry_file("pdf", &text));
            scene.described("pdf", &text);
        }
        // Two saves with nobody waiting between them.
        save(&path, &entry_file("pdf", "overtaken"));
        let text = format!("saved by {name} at once");
        save(&path, &entry_file("pdf", &text));
        scene.described("pdf", &text);
        scene.settled(name);
    }
    onlooker.saw_no_wrong();
}

#[test]
fn s05_every_way_to_save_a_manifest_is_seen_twice_in_a_row() {
    let scene = Scene::of(&["pdf", "other"], "");
    let path = scene.home.manifest("default");
    let original = read(&path);
    let onlooker = Onlooker::of_row(&scene.home, "skill:pdf");
    for (name, save) in SAVES {
        for time in ["once", "twice"] {
            let text = format!("saved by {name} {time}");
            save(&path, &original.replace("Use when pdf is new", &text));
            scene.described("pdf", &text);
        }
        save(&path, &original.replace("Use when pdf is new", "overtaken"));
        let text = format!("saved by {name} at once");
        save(&path, &original.replace("Use when pdf is new", &text));
        scene.described("pdf", &text);
        scene.settled(name);
    }
    onlooker.saw_no_wrong();
}

/// Empties the file, leaves it so for a while, writes it up to `cut`, waits again, writes the rest.
fn truncate_hold_write(path: &Path, hold: Duration, text: &str, cut: usize) {
    let mut file = File::create(path).expect("the file, emptied");
    thread::sleep(hold); // the writer's own slowness
    let (first, second) = text.split_at(cut);
    file.write_all(first.as_bytes()).expect("the first part");
    thread::sleep(hold);
    file.write_all(second.as_bytes()).expect("the rest");
}

#[test]
fn s06_truncate_hold_write() {
    let scene = Scene::of(&["pdf", "other"], "");
    let manifest = scene.home.manifest("default");
    let entry = scene.home.collection("default").join("skills/pdf/SKILL.md");
    let tags = |home: &Arc<Home>| {
        oracle::row(home, "skill:pdf").ok().flatten().map(|row| row["slugs"].clone()).unwrap_or_default()
    };
    let tags_before = tags(&scene.home);
    assert_eq!(tags_before, serde_json::json!(["first", "pdf"]));
    let onlookers = [
        Onlooker::of_row(&scene.home, "skill:pdf"),
        Onlooker::of_row(&scene.home, "skill:other"),
        Onlooker::start(&scene.home, |connection| {
            let count: i64 = connection
                .query_row("SELECT count(*) FROM artifact_tags", [], |row| row.get(0))
                .map_err(|e| e.to_string())?;
            if count == 4 { Ok(()) } else { Err(format!("{count} assignments of tags")) }
        }),
        Onlooker::start(&scene.home, |connection| {
            let sql = "SELECT a.id, c.version FROM collection_artifacts c JOIN artifacts a ON \
                       a.uuid = c.artifact_uuid WHERE coalesce(c.description, '') = ''";
            let bare = cache::rows(connection, sql).map_err(|e| e.to_string())?;
            if bare.is_empty() { Ok(()) } else { Err(format!("without a description: {bare:?}")) }
        }),
    ];
    for hold in [0, 20, 120, 600].map(Duration::from_millis) {
        // Cut within a word, which is no TOML, and before the last entry, which is: that entry is only absent then, and
        // not for long enough to count.
        for cut in ["ersion = \"1.0.0\"\n\n[[artifacts]]", "\n[[artifacts]]\nname = \"other\""] {
            let text = format!("manifest held for {hold:?} before {cut:?}").replace(['"', '\n', '\\'], "");
            let whole = read(&manifest).replace(&scene.description("pdf"), &text);
            truncate_hold_write(&manifest, hold, &whole, whole.find(cut).expect("the place to cut"));
            scene.described("pdf", &text);
            scene.settled(&text);
        }
        let text = format!("entry file held for {hold:?}");
        let whole = entry_file("pdf", &text);
        truncate_hold_write(&entry, hold, &whole, whole.len() / 2);
        scene.described("pdf", &text);
        scene.settled(&text);
        assert_eq!(tags(&scene.home), tags_before);
    }
    onlookers.into_iter().for_each(Onlooker::saw_no_wrong);
}

#[test]
fn s07_a_manifest_that_is_wrong_for_a_while() {
    let mut scene = Scene::of(&["pdf", "other"], "remove_grace = \"0ms\"\n");
    let path = scene.home.manifest("default");
    let good = read(&path);
    let rows = oracle::found(&scene.home).expect("the rows");
    let line = good.lines().position(|line| line == "[artifacts.metadata]").expect("a table") + 1;
    let bad = |typing: usize| {
        good.replacen("[artifacts.metadata]", &format!("[artifacts.meta{}", "d".repeat(typing)), 1)
    };

    save(&path, &bad(0));
    let place = eventually(scene::SEEN, "one problem", || match scene.problems().as_slice() {
        [problem] => Ok(problem.clone()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(place["path"], "collections/default/collection.toml");
    assert_eq!(place["line"], line, "{place}");
    assert!(place["column"].as_u64() > Some(1), "{place}");

    // Somebody who types on and saves every few words, for three seconds.
    let log = scene.daemon.process().log().len();
    let began = Instant::now();
    let mut typing = 0;
    while began.elapsed() < Duration::from_secs(3) {
        typing += 1;
        save(&path, &bad(typing));
        assert_eq!(oracle::found(&scene.home).expect("the rows"), rows, "after {typing} keys");
        thread::sleep(Duration::from_millis(30)); // the typist's own rhythm
    }
    assert_eq!(scene.problems().len(), 1);
    let status = scene.status();
    assert_eq!(status["problems"], 1, "{status}");
    assert_eq!(status["collections"][0]["doubt"], "unreadable", "{status}");
    let said = scene.daemon.process().log().split_off(log);
    let lines = said.lines().filter(|line| !line.contains("DEBUG")).count();
    assert!(lines <= 3, "{typing} bad saves, {lines} lines:\n{said}");

    save(&path, &good.replace("Use when pdf is new", "healed"));
    scene.described("pdf", "healed");
    scene.settled("the manifest was mended");
}

#[test]
fn s07_frontmatter_that_is_wrong_for_a_while() {
    let scene = Scene::of(&["pdf", "other"], "");
    let path = scene.home.collection("default").join("skills/pdf/SKILL.md");
    let before = read(&scene.home.manifest("default"));
    fs::write(&path, "---\nname: pdf\ndescription: [never closed\n---\n# pdf\n").expect("a file");
    let problems = eventually(scene::SEEN, "a problem", || match scene.problems() {
        problems if problems.is_empty() => Err("none".to_owned()),
        problems => Ok(problems),
    });
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0]["path"], "collections/default/skills/pdf/SKILL.md");
    assert!(problems[0]["line"].is_u64(), "{problems:?}");
    scene.equal("broken frontmatter");
    assert_eq!(read(&scene.home.manifest("default")), before);
    fs::write(&path, entry_file("pdf", "closed")).expect("a file");
    scene.described("pdf", "closed");
    scene.settled("the frontmatter was mended");
}

/// A person edits frontmatter while another program rewrites the manifest, without a lock and from what it read before:
/// as SkillMeat's own commands do.
#[test]
fn s16_two_writers_at_the_same_moment() {
    let scene = Scene::of(&["pdf", "other"], "");
    let manifest = scene.home.manifest("default");
    let root = scene.home.collection("default");
    for round in 0..20 {
        let (by_hand, by_program) = (format!("by hand {round}"), format!("by program {round}"));
        // Read and written in one go: what SkillMeat loses between its own read and write is not ours to save.
        let program = || {
            let text = read(&manifest);
            let entries: Vec<&str> = text.split("\n[[artifacts]]\n").collect();
            let other =
                entries.iter().position(|entry| entry.starts_with("name = \"other\"")).expect("the entry");
            let line =
                entries[other].lines().find(|line| line.starts_with("description = ")).expect("a line");
            let edited = entries[other].replace(line, &format!("description = \"{by_program}\""));
            let whole: Vec<&str> = entries
                .iter()
                .enumerate()
                .map(|(at, entry)| if at == other { &*edited } else { entry })
                .collect();
            save(&manifest, &whole.join("\n[[artifacts]]\n"));
        };
        let person =
            || fs::write(root.join("skills/pdf/SKILL.md"), entry_file("pdf", &by_hand)).expect("a file");
        if round % 2 == 0 {
            person();
            program();
        } else {
            program();
            person();
        }
        scene.described("pdf", &by_hand);
        scene.described("other", &by_program);
        scene.settled(&format!("round {round}"));
        let text = read(&manifest);
        assert!(text.contains(&by_hand) && text.contains(&by_program), "{text}");
    }
}

#[test]
fn an_entry_file_that_begins_empty_is_followed_when_it_is_filled() {
    let scene = Scene::of(&["pdf", "other"], "");
    let root = scene.home.collection("default");
    let text = read(&scene.home.manifest("default"));
    fs::create_dir_all(root.join("skills/late")).expect("a directory");
    fs::write(root.join("skills/late/SKILL.md"), "").expect("an empty file");
    let bare = "\n[[artifacts]]\nname = \"late\"\ntype = \"skill\"\npath = \"skills/late\"\norigin = \"local\"\n\
                added = \"2026-01-01T00:00:00\"\n";
    save(&scene.home.manifest("default"), &(text + bare));
    scene.settled("an entry with an empty file");
    fs::write(root.join("skills/late/SKILL.md"), entry_file("late", "said at last")).expect("its text");
    scene.described("late", "said at last");
    // Emptied and left so: the entry keeps what was said.
    fs::write(root.join("skills/late/SKILL.md"), " \n").expect("nothing");
    scene.settled("an emptied entry file");
    assert_eq!(scene.description("late"), "said at last");
    assert!(read(&scene.home.manifest("default")).contains("said at last"));
}
