//! The write service: files first, both or neither, then the rows.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::client::Answer;
use super::{DEAF, Scene};
use crate::child::finish;
use crate::daemon::{Daemon, binary, call};
use crate::home::{Home, eventually};
use crate::interop::cache;
use crate::web::Web;

const ENTRY_FILE: &str = "\u{feff}---\r\nname: pdf # the name\r\ntags: [ 'office', pdf ]\r\n\r\n# what it is\r\ndescription: \"Reads forms\"\r\nx-extra: {a: 1}\r\n---\r\n# PDF\r\n\r\nBody.\r\n";
const MANIFEST: &str = "# mine\n[collection]\nname = \"default\"\nversion = \"1.0.0\"\ncreated = \"2026-01-01T00:00:00\"\nupdated = \"2026-01-01T00:00:00\"\n\n[[artifacts]]\nname = \"pdf\" # first\ntype = \"skill\"\npath = \"skills/pdf\"\norigin = \"local\"\nadded = \"2026-01-01T00:00:00\"\ntags = ['office', \"pdf\"]\nunknown = 1\n\n[artifacts.metadata]\ndescription = 'Reads forms'\n\n[[groups]]\nname = \"g\"\ndescription = \"\"\ncolor = \"slate\"\nicon = \"layers\"\nposition = 0\nmembers = [\"skill:pdf\"]\n";
const ENTRY_PATH: &str = ".skillmeat/collections/default/skills/pdf/SKILL.md";
const MANIFEST_PATH: &str = ".skillmeat/collections/default/collection.toml";
const METADATA: &str = "/api/v1/artifacts/skill:pdf/metadata";

/// One skill that a person has written by hand.
fn scene(settings: &str) -> Scene {
    let home = Home::new();
    home.configure(settings);
    home.write(ENTRY_PATH, ENTRY_FILE);
    home.write(".skillmeat/collections/default/skills/pdf/notes.txt", "kept");
    home.write(MANIFEST_PATH, MANIFEST);
    let home = Arc::new(home);
    let daemon = Daemon::start(&home);
    call(&home, &["sync"]).succeeded();
    let web = Web::of(&home);
    Scene { home, daemon, web }
}

impl Scene {
    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.home.path().join(path)).expect("a file")
    }

    fn row(&self, id: &str) -> Option<Value> {
        let connection = cache::open(&self.home.cache_db()).expect("the cache");
        cache::members(&connection).expect("its rows").remove(id).map(Value::Object)
    }
}

fn etag(answer: &Answer) -> String {
    let line =
        answer.head.lines().find(|line| line.to_ascii_lowercase().starts_with("etag:")).expect("an ETag");
    line.split_once(' ').expect("a value").1.to_owned()
}

/// `updated` is stamped with the time of the edit.
fn unstamped(manifest: &str) -> String {
    let stamp =
        |line: &str| if line.starts_with("updated = ") { "updated".to_owned() } else { line.to_owned() };
    manifest.lines().map(stamp).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_edit_changes_the_field_in_both_files_and_the_row_and_nothing_else() {
    let scene = scene(DEAF);
    let before = scene.web.send("GET", METADATA, None);
    assert_eq!(before.status, 200, "{before:?}");
    assert_eq!(before.body["metadata"]["description"], "Reads forms");
    assert_eq!(before.body["entry_file"], "skills/pdf/SKILL.md");
    assert_eq!(etag(&before), format!("\"{}\"", before.body["etag"].as_str().expect("a tag")));

    let ask = json!({ "description": "Fills in forms: all", "tags": ["pdf", "new"], "author": "Ann", "tools": ["Read"] });
    let after = scene.web.send("PUT", METADATA, Some(&ask.to_string()));
    assert_eq!(after.status, 200, "{after:?}");
    assert_ne!(etag(&after), etag(&before));
    assert_eq!(after.body["mirrored"], true);
    assert_eq!(
        scene.text(ENTRY_PATH),
        ENTRY_FILE
            .replace("Reads forms", "Fills in forms: all")
            .replace("[ 'office', pdf ]", "[ pdf, new ]")
            .replace("x-extra: {a: 1}\r\n", "x-extra: {a: 1}\r\nauthor: Ann\r\nallowed-tools: [Read]\r\n")
    );
    let manifest = MANIFEST
        .replace("'Reads forms'", "\"Fills in forms: all\"")
        .replace("tags = ['office', \"pdf\"]", "tags = [\"pdf\", \"new\"]");
    let manifest =
        manifest.replace("forms: all\"\n", "forms: all\"\nauthor = \"Ann\"\ntools = [\n    \"Read\",\n]\n");
    assert_eq!(unstamped(&scene.text(MANIFEST_PATH)), unstamped(&manifest));
    let row = scene.row("skill:pdf").expect("its row");
    assert_eq!((&row["description"], &row["author"]), (&json!("Fills in forms: all"), &json!("Ann")));
    assert_eq!(row["slugs"], json!(["new", "pdf"]));
    let page = scene.web.get("/api/v1/user-collections/default/artifacts");
    assert_eq!(page["items"][0]["tags"], json!(["pdf", "new"]));
    assert_eq!(
        scene.web.send("GET", METADATA, None).body["etag"],
        after.body["etag"],
        "what was told is what is there"
    );

    // The same again changes no byte, and what is taken away is gone from both.
    let (entry_file, manifest) = (scene.text(ENTRY_PATH), scene.text(MANIFEST_PATH));
    scene.web.send("PUT", METADATA, Some(&ask.to_string()));
    assert_eq!((scene.text(ENTRY_PATH), scene.text(MANIFEST_PATH)), (entry_file, manifest));
    let without = scene.web.send("PUT", METADATA, Some(r#"{"author": null, "tools": []}"#));
    assert_eq!(without.body["metadata"]["author"], Value::Null);
    assert!(!scene.text(ENTRY_PATH).contains("Ann") && !scene.text(MANIFEST_PATH).contains("author"));
    assert_eq!(scene.text(".skillmeat/collections/default/skills/pdf/notes.txt"), "kept");
    let left: Vec<_> = fs::read_dir(scene.home.path().join(".skillmeat/collections/default/skills/pdf"))
        .expect("the skill")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left.len(), 2, "no lock and no temporary file among them: {left:?}");
}

#[test]
fn a_change_that_was_not_seen_is_not_overwritten() {
    let scene = scene(DEAF);
    let seen = etag(&scene.web.send("GET", METADATA, None));
    scene.home.write(ENTRY_PATH, &ENTRY_FILE.replace("Body.", "Another body."));
    let put = |tag: &str| scene.web.send_if("PUT", METADATA, Some(r#"{"author": "Ann"}"#), tag);
    let refused = put(&seen);
    assert_eq!(refused.status, 412, "{refused:?}");
    assert!(refused.head.contains("application/problem+json"));
    let current = refused.body["current"]["etag"].as_str().expect("the tag of now").to_owned();
    assert_eq!(scene.text(MANIFEST_PATH), MANIFEST);
    assert_eq!(put(&format!("\"{current}\"")).status, 200);
    assert_eq!(put("*").status, 200);
    let gone = scene.web.send_if("DELETE", "/api/v1/artifacts/skill:pdf", None, &seen);
    assert_eq!(gone.status, 412, "{gone:?}");
    assert!(scene.text(ENTRY_PATH).contains("Another body."));
}

/// The entry is changed after the daemon has read it and before it writes: the lock of the manifest holds it there.
#[test]
fn a_change_at_the_same_moment_is_refused_with_what_is_there_now() {
    let scene = scene(DEAF);
    let before = scene.web.send("GET", METADATA, None).body;
    let lock = scene.home.path().join(".skillmeat/collections/default/.collection.toml.skillmeat-lock");
    let lock = fs::File::options().create(true).truncate(false).write(true).open(lock).expect("the lock");
    lock.lock().expect("it is ours");
    let asking = thread::spawn({
        let web = Web::of(&scene.home);
        move || web.send("PUT", METADATA, Some(r#"{"author": "Ann"}"#))
    });
    eventually(Duration::from_secs(60), "the first of the two files is written", || {
        let text = scene.text(ENTRY_PATH);
        if text.contains("author: Ann") { Ok(()) } else { Err(text) }
    });
    let changed = MANIFEST.replace("'Reads forms'", "'Reads anything'");
    scene.home.write(MANIFEST_PATH, &changed);
    drop(lock);
    let refused = asking.join().expect("an answer");
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.head.contains("application/problem+json"), "{refused:?}");
    let current = &refused.body["current"];
    assert_eq!(current["metadata"]["description"], "Reads anything", "{refused:?}");
    assert_eq!(current["metadata"]["author"], Value::Null);
    assert_ne!(current["etag"], before["etag"]);
    assert_eq!(
        (scene.text(ENTRY_PATH), scene.text(MANIFEST_PATH)),
        (ENTRY_FILE.to_owned(), changed),
        "neither"
    );
    // Who takes that in and asks again is served.
    let etag = format!("\"{}\"", scene.web.send("GET", METADATA, None).body["etag"].as_str().expect("a tag"));
    let again = scene.web.send_if("PUT", METADATA, Some(r#"{"author": "Ann"}"#), &etag);
    assert_eq!((again.status, &again.body["metadata"]["description"]), (200, &json!("Reads anything")));
}

/// The other file's turn: something else in the same manifest has changed meanwhile, which is no conflict.
#[test]
fn a_change_of_something_else_at_the_same_moment_is_kept() {
    let scene = scene(DEAF);
    let lock = scene.home.path().join(".skillmeat/collections/default/.collection.toml.skillmeat-lock");
    let lock = fs::File::options().create(true).truncate(false).write(true).open(lock).expect("the lock");
    lock.lock().expect("it is ours");
    let asking = thread::spawn({
        let web = Web::of(&scene.home);
        move || web.send("PUT", METADATA, Some(r#"{"author": "Ann"}"#))
    });
    eventually(Duration::from_secs(60), "the first of the two files is written", || {
        let text = scene.text(ENTRY_PATH);
        if text.contains("author: Ann") { Ok(()) } else { Err(text) }
    });
    scene.home.write(MANIFEST_PATH, &MANIFEST.replace("# mine", "# mine, and more"));
    drop(lock);
    assert_eq!(asking.join().expect("an answer").status, 200);
    let manifest = scene.text(MANIFEST_PATH);
    assert!(manifest.contains("# mine, and more") && manifest.contains("author = \"Ann\""), "{manifest}");
}

/// An editor saves the entry file all the time, as editors do: under another name, renamed.
#[test]
fn no_save_of_the_entry_file_at_the_same_moment_is_lost() {
    let scene = scene(DEAF);
    let path = scene.home.path().join(ENTRY_PATH);
    let (saved, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let editor = thread::spawn({
        let (path, saved, stop) = (path.clone(), Arc::clone(&saved), Arc::clone(&stop));
        move || {
            let other = path.with_file_name("SKILL.md~");
            for number in 1_usize.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                fs::write(&other, format!("{ENTRY_FILE}save {number}\n")).expect("a save");
                fs::rename(&other, &path).expect("a rename");
                saved.store(number, Ordering::SeqCst);
                let pause = u64::try_from(number % 64).expect("small");
                thread::sleep(Duration::from_millis(pause)); // its own rhythm
            }
        }
    });
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for round in 0..2_000 {
        if round >= 200 && statuses.len() > 1 {
            break;
        }
        let body = json!({ "author": format!("Ann {round}") }).to_string();
        let answer = scene.web.send("PUT", METADATA, Some(&body));
        *statuses.entry(answer.status).or_default() += 1;
        let newest = saved.load(Ordering::SeqCst);
        let text = fs::read_to_string(&path).expect("the entry file");
        let found = text.lines().last().and_then(|line| line.strip_prefix("save ")?.parse().ok());
        assert!(found >= Some(newest).filter(|newest| *newest > 0), "save {newest} is not in {text}");
    }
    stop.store(true, Ordering::SeqCst);
    editor.join().expect("the editor");
    eprintln!("{} saves, answers {statuses:?}", saved.load(Ordering::SeqCst));
    assert_eq!(statuses.keys().filter(|status| ![200, 409].contains(*status)).count(), 0, "{statuses:?}");
    assert_eq!(statuses.len(), 2, "both were met: {statuses:?}");
}

#[test]
fn what_cannot_be_done_is_refused_and_leaves_no_trace() {
    let scene = scene(DEAF);
    for (body, status) in [
        (r#"{"name": "x"}"#, 422),
        (r#"{"description": 7}"#, 422),
        (r#"{"author": "a\u0000b"}"#, 422),
        (r#"{"tools": ["Hammer"]}"#, 422),
        (r#"{"tags": [""]}"#, 422),
        ("{", 422),
        ("[]", 422),
    ] {
        scene.web.refused("PUT", METADATA, Some(body), status);
    }
    let fine = Some(r#"{"author": "Ann"}"#);
    scene.web.refused("PUT", "/api/v1/artifacts/skill:none/metadata", fine, 404);
    scene.web.refused("PUT", "/api/v1/artifacts/nonsense/metadata", fine, 422);
    scene.web.refused("PUT", &format!("{METADATA}?collection=none"), fine, 404);
    scene.web.refused("GET", "/api/v1/artifacts/skill:none/metadata", None, 404);
    scene.web.refused("DELETE", "/api/v1/artifacts/skill:none", None, 404);
    scene.web.refused("PATCH", METADATA, fine, 405);
    assert_eq!((scene.text(ENTRY_PATH).as_str(), scene.text(MANIFEST_PATH).as_str()), (ENTRY_FILE, MANIFEST));
    // What a person has left half done is theirs to finish.
    scene.home.write(ENTRY_PATH, "---\ntags: [\n---\n");
    let refused = scene.web.refused("PUT", METADATA, fine, 409);
    assert!(refused.body["detail"].as_str().is_some_and(|why| why.contains("mended first")), "{refused:?}");
    fs::remove_file(scene.home.path().join(ENTRY_PATH)).expect("the entry file");
    scene.web.refused("PUT", METADATA, fine, 409);
    assert_eq!(scene.text(MANIFEST_PATH), MANIFEST);
}

#[test]
fn an_artifact_is_made_and_removed_whole() {
    let scene = scene(DEAF);
    for (kind, path) in [
        ("skill", "skills/new one/SKILL.md"),
        ("command", "commands/new one.md"),
        ("agent", "agents/new one.md"),
        ("soul", "souls/new one.md"),
    ] {
        let ask = json!({
            "type": kind, "name": "new one", "content": "---\ndescription: Made\n---\nText\n",
            "metadata": { "tags": ["made"] },
        });
        let made = scene.web.send("POST", "/api/v1/artifacts", Some(&ask.to_string()));
        assert_eq!((made.status, &made.body["mirrored"]), (201, &json!(true)), "{made:?}");
        assert_eq!(made.body["metadata"]["description"], "Made");
        let file = format!(".skillmeat/collections/default/{path}");
        assert_eq!(scene.text(&file), "---\ndescription: Made\ntags: [made]\n---\nText\n");
        let id = format!("{kind}:new one");
        assert_eq!(scene.row(&id).expect("its row")["description"], "Made");
        scene.web.refused("POST", "/api/v1/artifacts", Some(&ask.to_string()), 409);
        let gone = scene.web.send("DELETE", &format!("/api/v1/artifacts/{kind}:new%20one"), None);
        assert_eq!(gone.status, 200, "{gone:?}");
        assert_eq!(scene.row(&id), None, "in the same request");
        assert!(!scene.home.path().join(&file).exists());
    }
    assert_eq!(unstamped(&scene.text(MANIFEST_PATH)), unstamped(MANIFEST));
    for ask in [
        json!({ "type": "hook", "name": "x", "content": "" }),
        json!({ "type": "skill", "name": "../x", "content": "" }),
        json!({ "type": "skill", "name": "x", "content": "---\ntags: [\n---\n" }),
        json!({ "type": "skill", "name": "x", "content": "", "metadata": { "tools": ["x"] } }),
        json!({ "type": "skill", "name": "x" }),
    ] {
        scene.web.refused("POST", "/api/v1/artifacts", Some(&ask.to_string()), 422);
    }
    let elsewhere = json!({ "type": "skill", "name": "x", "content": "", "collection": "none" });
    scene.web.refused("POST", "/api/v1/artifacts", Some(&elsewhere.to_string()), 404);
    scene.home.write(".skillmeat/collections/default/skills/orphan/SKILL.md", "somebody's");
    let taken = json!({ "type": "skill", "name": "orphan", "content": "" });
    scene.web.refused("POST", "/api/v1/artifacts", Some(&taken.to_string()), 409);
    assert_eq!(scene.text(".skillmeat/collections/default/skills/orphan/SKILL.md"), "somebody's");
}

#[test]
fn the_command_line_does_the_same() {
    let scene = scene(DEAF);
    let shown = call(&scene.home, &["artifact", "show", "skill:pdf"]).succeeded().stdout;
    assert!(
        shown.contains("description  Reads forms\n") && shown.contains("tags         office, pdf\n"),
        "{shown}"
    );
    let edited = ["artifact", "edit", "skill:pdf", "--author", "Ann", "--tags", "a, b", "--json"];
    let edited: Value = serde_json::from_str(&call(&scene.home, &edited).succeeded().stdout).expect("JSON");
    assert_eq!(
        (&edited["metadata"]["author"], &edited["metadata"]["tags"]),
        (&json!("Ann"), &json!(["a", "b"]))
    );
    let keys: Vec<&String> = edited.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["schema", "id", "collection", "path", "entry_file", "metadata", "etag", "mirrored"]);
    let keys: Vec<&String> = edited["metadata"].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["title", "description", "author", "license", "version", "tags", "tools"]);
    let stale = ["artifact", "edit", "skill:pdf", "--author", "Bob", "--if-match", "\"0\""];
    let stale = call(&scene.home, &stale);
    assert_eq!(stale.status.code(), Some(1));
    assert!(stale.stderr.contains("has changed since"), "{stale:?}");
    assert_eq!(call(&scene.home, &["artifact", "edit", "skill:pdf"]).status.code(), Some(2));
    // As it stands in the JSON, and as a shell leaves it.
    let tag = edited["etag"].as_str().expect("an ETag");
    let edit = ["artifact", "edit", "skill:pdf", "--author", "Eve", "--if-match", tag];
    call(&scene.home, &edit).succeeded();

    let mut create = scene.home.command(binary());
    create.args(["artifact", "create", "agent:me", "--description", "Who I am"]);
    finish(create, "I am.\n", Duration::from_secs(60)).succeeded();
    assert_eq!(
        scene.text(".skillmeat/collections/default/agents/me.md"),
        "---\ndescription: Who I am\n---\n\nI am.\n"
    );
    call(&scene.home, &["artifact", "remove", "agent:me", "--collection", "default"]).succeeded();
    assert_eq!(call(&scene.home, &["artifact", "show", "agent:me"]).status.code(), Some(1));
}

/// Killed at any moment, the next start leaves both files old or both new.
#[test]
fn a_kill_leaves_both_files_old_or_both_new() {
    let mut scene = scene(DEAF);
    let (mut old, mut new) = (0, 0);
    // Spread over twice the time a change takes on this machine, now.
    let start = Instant::now();
    assert_eq!(scene.web.send("PUT", METADATA, Some(r#"{"author": "nobody"}"#)).status, 200);
    let whole = start.elapsed();
    for round in 0..100u32 {
        if round >= 24 && old > 0 && new > 0 {
            break;
        }
        let author = format!("Ann {round}");
        let web = Web::of(&scene.home);
        let body = json!({ "author": author, "tags": [format!("t{round}")] }).to_string();
        // Who is killed does not answer.
        let asking = thread::spawn(move || drop(web.try_send("PUT", METADATA, Some(&body))));
        thread::sleep(whole * round / 12);
        scene.daemon.process().signal(Signal::KILL);
        scene.daemon.process().ended();
        asking.join().expect("the asking thread");
        scene.daemon = Daemon::start(&scene.home);
        call(&scene.home, &["sync"]).succeeded();
        let in_file = scene.text(ENTRY_PATH).contains(&format!("author: {author}"));
        let in_manifest = scene.text(MANIFEST_PATH).contains(&format!("author = \"{author}\""));
        assert_eq!(
            in_file,
            in_manifest,
            "round {round}: {}\n{}",
            scene.text(ENTRY_PATH),
            scene.text(MANIFEST_PATH)
        );
        let row = scene.row("skill:pdf").expect("its row");
        assert_eq!(row["author"] == author.as_str(), in_file, "{row}");
        if in_file {
            new += 1;
        } else {
            old += 1;
        }

        let web = Web::of(&scene.home);
        let name = format!("n{round}");
        let body =
            json!({ "type": "skill", "name": name, "content": "---\ndescription: d\n---\n" }).to_string();
        let asking = thread::spawn(move || drop(web.try_send("POST", "/api/v1/artifacts", Some(&body))));
        thread::sleep(whole * round / 12);
        scene.daemon.process().signal(Signal::KILL);
        scene.daemon.process().ended();
        asking.join().expect("the asking thread");
        scene.daemon = Daemon::start(&scene.home);
        call(&scene.home, &["sync"]).succeeded();
        let directory = scene.home.path().join(format!(".skillmeat/collections/default/skills/{name}"));
        let listed = scene.text(MANIFEST_PATH).contains(&format!("name = \"{name}\""));
        assert_eq!(directory.exists(), listed, "round {round}");
        assert_eq!(scene.row(&format!("skill:{name}")).is_some(), listed);
        if listed { new += 1 } else { old += 1 }
    }
    for place in ["skills", "skills/pdf"] {
        let there = scene.home.path().join(".skillmeat/collections/default").join(place);
        let hidden: Vec<_> = fs::read_dir(there)
            .expect("the skills")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .filter(|name| name.starts_with('.'))
            .collect();
        assert_eq!(hidden, Vec::<String>::new(), "in {place}");
    }
    assert!(old > 0 && new > 0, "kills came both before and after: {old} old, {new} new");
}
