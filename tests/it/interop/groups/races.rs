//! Other writers of the same file at the same moment, and kills. SkillMeat's own reader and writer are the others: what
//! its command line does between the two takes half a second to minutes.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::stage::{SOON, Web, skill_files};
use crate::home::{Home, eventually};
use crate::interop::skillmeat::environment;
use crate::interop::venv;

/// SkillMeat's own reader and writer, one step at a time, as its command line has them: read, take time, write.
const WRITER: &str = r#"
import copy, sys
from pathlib import Path
import skillmeat.core.collection  # first, or its imports go round in a circle
from skillmeat.storage.manifest import ManifestManager

manager, directory, held = ManifestManager(), Path(sys.argv[1]), None
print("ready", flush=True)
for line in sys.stdin:
    word, name = line.split()
    if word == "load":
        held = manager.read(directory)
    else:
        artifact = copy.deepcopy(held.artifacts[0])
        artifact.name, artifact.path, artifact.uuid = name, f"skills/{name}", None
        held.artifacts.append(artifact)
        manager.write(directory, held)
    print("done", flush=True)
"#;

/// A process that holds a collection as a command of SkillMeat's does.
struct Writer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Writer {
    fn start(home: &Home, directory: &Path) -> Self {
        let mut command: Command = home.command(venv::bin().join("python"));
        environment(&mut command, None);
        command.args(["-c", WRITER]).arg(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a Python process");
        let to = child.stdin.take().expect("its input");
        let from = BufReader::new(child.stdout.take().expect("its output"));
        let mut writer = Self { child, to, from };
        writer.answer("ready");
        writer
    }

    fn answer(&mut self, wanted: &str) {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("an answer");
        assert_eq!(line.trim(), wanted);
    }

    /// Reads the collection.
    fn load(&mut self) {
        writeln!(self.to, "load -").expect("a command");
        self.answer("done");
    }

    /// Writes what was read, with one more artifact.
    fn save_with(&mut self, name: &str) {
        writeln!(self.to, "save {name}").expect("a command");
        self.answer("done");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The names in the manifest, without the three it began with.
fn added(web: &Web) -> Vec<String> {
    let document = web.document("default");
    let entries = document["artifacts"].as_array().expect("a list");
    let name = |entry: &toml::Value| entry["name"].as_str().expect("a name").to_owned();
    let mut names: Vec<String> = entries.iter().map(name).collect();
    names.retain(|name| !["alpha", "beta", "gamma"].contains(&name.as_str()));
    names.sort();
    names
}

/// Waits until manifest and database have the same groups, `count` of them, and the manifest these artifacts.
fn nothing_is_lost(web: &Web, count: usize, artifacts: &[String], after: &str) {
    let mut wanted = artifacts.to_vec();
    wanted.sort();
    eventually(SOON * 5, &format!("nothing is lost after {after}"), || {
        let (file, db, found) = (web.file("default"), web.db("default")?, added(web));
        if file == db && file.len() == count && found == wanted {
            Ok(())
        } else {
            Err(format!("artifacts {found:?}\nfile {file:?}\ndb   {db:?}"))
        }
    });
}

#[test]
fn s10_a_stale_copy_is_written_over_ours() {
    let web = Web::open();
    let mut writer = Writer::start(&web.home, &web.home.collection("default"));
    let mut artifacts = Vec::new();
    let mut repaired = Vec::new();
    for round in 0..20 {
        let name = format!("new{round:02}");
        skill_files(&web.home, "default", &name);
        writer.load();
        web.group("default", &format!("Group {round}"), &["skill:alpha", "skill:gamma"]);
        nothing_is_lost(&web, round + 1, &artifacts, "a group in the writer's window");
        writer.save_with(&name);
        let saved = Instant::now();
        artifacts.push(name);
        nothing_is_lost(&web, round + 1, &artifacts, "the writer's stale copy");
        repaired.push(saved.elapsed());
    }
    repaired.sort();
    println!("stale copy to repaired: median {:?}, longest {:?}", repaired[10], repaired[19]);
}

#[test]
fn s10_the_command_line_adds_while_groups_are_made() {
    let web = Web::open();
    let mut artifacts = Vec::new();
    let mut groups = 0;
    for round in 0..2 {
        let name = format!("cli{round}");
        let source =
            web.home.write(&format!("sources/{name}/SKILL.md"), "---\ndescription: one\n---\n# One\n");
        thread::scope(|scope| {
            let add = scope.spawn(|| web.cli().add("skill", source.parent().expect("a directory"), &[]));
            while !add.is_finished() {
                web.group("default", &format!("Group {groups}"), &["skill:beta"]);
                groups += 1;
            }
            add.join().expect("an add");
        });
        artifacts.push(name);
        nothing_is_lost(&web, groups, &artifacts, "an add while groups were made");
    }
    assert!(groups > 4, "{groups} groups are no race");
}

#[test]
fn s11_somebody_writes_while_the_daemon_is_about_to() {
    let mut web = Web::open();
    let group = web.group("default", "Auth", &["skill:alpha"]);
    web.agree("default", "default", "a group");
    let mut writer = Writer::start(&web.home, &web.home.collection("default"));
    let mut artifacts = Vec::new();
    for round in 0..20_u32 {
        let name = format!("new{round:02}");
        skill_files(&web.home, "default", &name);
        let changed = format!("UPDATE groups SET description = '{name}' WHERE id = '{group}'");
        assert_eq!(web.sql().execute(&changed, []).expect("a change"), 1);
        // The moment is spread over what the daemon does from here on, on purpose.
        thread::sleep(Duration::from_micros(u64::from(round) * 600));
        web.daemon().process().pause();
        writer.load();
        writer.save_with(&name);
        web.daemon().process().signal(Signal::CONT);
        artifacts.push(name.clone());
        nothing_is_lost(&web, 1, &artifacts, "a write beside ours");
        assert_eq!(web.file("default")[0].1, name);
    }
}

#[test]
fn s12_two_changes_on_the_web_and_an_add_at_once() {
    let web = Web::open();
    let group = web.group("default", "Auth", &["skill:alpha"]);
    let mut writer = Writer::start(&web.home, &web.home.collection("default"));
    let mut artifacts = Vec::new();
    for round in 0..50 {
        let name = format!("new{round:02}");
        skill_files(&web.home, "default", &name);
        thread::scope(|scope| {
            scope.spawn(|| {
                writer.load();
                writer.save_with(&name);
            });
            web.put(&group, &json!({ "description": format!("{round}") }));
            let member = if round % 2 == 0 { "POST" } else { "DELETE" };
            match member {
                "POST" => web.add(&group, &["skill:beta"]),
                _ => drop(web.api().change("DELETE", &format!("/groups/{group}/artifacts/skill:beta"), None)),
            }
        });
        artifacts.push(name);
    }
    nothing_is_lost(&web, 1, &artifacts, "fifty rounds");
    assert_eq!(web.file("default")[0].1, "49");
}

/// After a kill the manifest is the old one or the new one, and the next start goes on from there.
fn whole_after_a_kill(web: &mut Web, description: &str) {
    let document = web.document("default");
    assert_eq!(document["artifacts"].as_array().map(Vec::len), Some(3));
    web.stop_daemon();
    web.start_daemon();
    eventually(SOON * 5, "the manifest catches up", || {
        let (file, db) = (web.file("default"), web.db("default")?);
        if file == db && file[0].1 == description { Ok(()) } else { Err(format!("{file:?}\n{db:?}")) }
    });
}

#[test]
fn s27_killed_while_it_writes() {
    let mut web = Web::open();
    let group = web.group("default", "Auth", &["skill:alpha"]);
    web.agree("default", "default", "a group");
    web.stop_api();
    for round in 0..20_u32 {
        let text = format!("round {round}");
        let change = format!("UPDATE groups SET description = '{text}' WHERE id = '{group}'");
        assert_eq!(web.sql().execute(&change, []).expect("a change"), 1);
        // The moment is spread over the write on purpose.
        thread::sleep(Duration::from_micros(u64::from(round) * 900));
        web.daemon().process().signal(Signal::KILL);
        web.daemon().process().ended().expect("its end");
        whole_after_a_kill(&mut web, &text);
    }
    // What a kill may leave is a new file that never came into place, and a start sweeps it once nobody can be writing
    // it any more; never anything under the manifest's own name.
    let entries = fs::read_dir(web.home.collection("default")).expect("the collection");
    for name in entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")) {
        let known = ["collection.toml", "skills", ".collection.toml.skillmeat-lock"].contains(&name.as_str());
        let stray = name.starts_with(".collection.toml.") && name.ends_with(".tmp");
        assert!(known || stray, "{name}");
    }
}
