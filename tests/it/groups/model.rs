//! Two writers at random, and kills: one writes whole manifests from copies it read a while ago, as SkillMeat's commands
//! do; the other changes groups and tags in the database, as its web page does. The daemon is killed and started again
//! in between. Once all is quiet, both sides are what the two writers meant.
//!
//! The file's writer never changes groups, so what the database's writer did last is right; the database's writer never
//! adds artifacts, so what the file's writer added is.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::web::Web;
use crate::daemon::Daemon;
use crate::faults::scene::{SEEN, Scene, entry, read, save, write_skill};
use crate::home::eventually;
use crate::interop::groups::stage::groups_in;
use crate::lists;

/// Steps of each run.
const STEPS: usize = 200;

/// Numbers that look random and are the same for the same seed (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).expect("31 bits") % bound
    }
}

/// What a group is meant to be: colour, position, members.
type Meant = (&'static str, i64, Vec<String>);

/// The world as the two writers mean it.
struct Model {
    random: Random,
    scene: Scene,
    web: Web,
    is_up: bool,
    groups: BTreeMap<String, Meant>,
    tags: BTreeMap<String, String>,
    artifacts: BTreeSet<String>,
    /// A copy of the manifest that somebody holds.
    held: Option<String>,
    made: usize,
    log: Vec<String>,
}

impl Model {
    fn new(seed: u64) -> Self {
        let scene = Scene::of(&["a", "b", "c", "d"], "");
        let web = Web::at(&scene.home);
        let artifacts = ["a", "b", "c", "d"].map(str::to_owned).into();
        Self {
            random: Random(seed),
            scene,
            web,
            is_up: true,
            groups: BTreeMap::new(),
            tags: BTreeMap::new(),
            artifacts,
            held: None,
            made: 0,
            log: Vec::new(),
        }
    }

    fn say(&mut self, what: String) {
        self.log.push(what);
    }

    fn name(&mut self) -> Option<String> {
        let count = self.groups.len();
        if count == 0 {
            return None;
        }
        let at = self.random.below(count);
        self.groups.keys().nth(at).cloned()
    }

    fn members(&mut self) -> Vec<String> {
        let mut members: Vec<String> = ["a", "b", "c", "d"].map(|name| format!("skill:{name}")).into();
        for at in (1..members.len()).rev() {
            let other = self.random.below(at + 1);
            members.swap(at, other);
        }
        members.truncate(self.random.below(5));
        members
    }

    /// One step of one of the writers, or a kill.
    fn step(&mut self) {
        self.made += 1;
        match self.random.below(24) {
            0..=3 => self.make_group(),
            4..=6 => {
                let Some(name) = self.name() else { return };
                let members = self.members();
                self.say(format!("members of {name}: {members:?}"));
                self.web.set_members(&name, &members.iter().map(String::as_str).collect::<Vec<_>>());
                self.groups.get_mut(&name).expect("a group").2 = members;
            }
            7..=8 => {
                let Some(name) = self.name() else { return };
                let color = ["slate", "rose", "blue", "#22cc55"][self.random.below(4)];
                self.say(format!("{name} becomes {color}"));
                self.web.run(&format!("UPDATE groups SET color = '{color}' WHERE name = '{name}'"));
                self.groups.get_mut(&name).expect("a group").0 = color;
            }
            9 => {
                let Some(name) = self.name() else { return };
                let position = i64::try_from(self.random.below(4)).expect("a small number");
                self.say(format!("{name} goes to {position}"));
                self.web.run(&format!("UPDATE groups SET position = {position} WHERE name = '{name}'"));
                self.groups.get_mut(&name).expect("a group").1 = position;
            }
            10..=11 => {
                let Some(name) = self.name() else { return };
                self.say(format!("no more {name}"));
                self.web.run(&format!("DELETE FROM groups WHERE name = '{name}'"));
                self.groups.remove(&name);
            }
            12..=13 => self.color_tag(),
            14..=16 => {
                self.say("read".to_owned());
                self.held = Some(read(&self.scene.home.manifest("default")));
            }
            17..=19 => self.write_back(),
            20..=21 if self.is_up => {
                self.say("kill".to_owned());
                self.scene.daemon.process().signal(Signal::KILL);
                self.scene.daemon.process().ended().expect("its end");
                self.is_up = false;
            }
            20..=22 => self.start(),
            // Time for the daemon to get further or less far, on purpose.
            _ => thread::sleep(Duration::from_millis(
                u64::try_from(self.random.below(30)).expect("a small number"),
            )),
        }
    }

    fn make_group(&mut self) {
        let (name, members) = (format!("G{}", self.made), self.members());
        self.say(format!("make {name} of {members:?}"));
        self.web.make_group("default", &name, &members.iter().map(String::as_str).collect::<Vec<_>>());
        self.groups.insert(name, ("slate", 0, members));
    }

    fn color_tag(&mut self) {
        let number = self.random.below(4);
        let (slug, color) = (format!("t{number}"), format!("#0000{:02x}", self.made % 256));
        self.say(format!("tag {slug} becomes {color}"));
        self.web.run(&format!(
            "INSERT INTO tags (id, name, slug, color, created_at, updated_at) VALUES \
             ('id-{slug}', 'T{number}', '{slug}', '{color}', '{now}', '{now}') \
             ON CONFLICT (slug) DO UPDATE SET color = excluded.color",
            now = super::web::NOW
        ));
        self.tags.insert(slug, color);
    }

    /// The copy goes back, with one more artifact, in the form it was read in or another.
    fn write_back(&mut self) {
        let Some(text) = self.held.take() else { return };
        let name = format!("n{}", self.made);
        self.say(format!("write back with {name}"));
        write_skill(&self.scene.home.collection("default"), &name, "added");
        let text = format!("{text}{}", entry(&name, "added"));
        let mut document: toml_edit::DocumentMut = text.parse().expect("TOML");
        let stamp = format!("2027-01-01T00:00:00.{:06}", self.made);
        document["collection"]["updated"] = toml_edit::value(stamp);
        if self.random.below(2) == 0 {
            for key in ["groups", "tag_definitions"] {
                let Some(Ok(tables)) = document.remove(key).map(toml_edit::Item::into_array_of_tables) else {
                    continue;
                };
                document.insert(key, toml_edit::Item::ArrayOfTables(tables));
            }
        }
        let text = document.to_string();
        save(&self.scene.home.manifest("default"), &text);
        self.artifacts.insert(name);
    }

    fn start(&mut self) {
        if !self.is_up {
            self.say("start".to_owned());
            self.scene.daemon = Daemon::start(&self.scene.home);
            self.is_up = true;
        }
    }

    /// Both sides are what the writers meant.
    fn quiet(&mut self) {
        self.start();
        let what = format!("both sides are as meant after\n{}", self.log.join("\n"));
        eventually(SEEN, &what, || self.difference());
        self.log.push("--- quiet".to_owned());
    }

    fn difference(&self) -> Result<(), String> {
        let text = read(&self.scene.home.manifest("default"));
        let document: toml::Table = text.parse().map_err(|e| format!("{e}\n{text}"))?;
        let (file, db) = (lists::groups(&document), groups_in(&self.scene.home, "default")?);
        let meant: BTreeMap<String, Meant> = self.groups.clone();
        let found: BTreeMap<String, (&str, i64, Vec<String>)> =
            db.iter().map(|g| (g.0.clone(), (g.2.as_str(), g.4, g.5.clone()))).collect();
        let names = document["artifacts"].as_array().into_iter().flatten();
        let names: BTreeSet<String> = names.map(|a| a["name"].as_str().expect("a name").to_owned()).collect();
        let tags = lists::tags(&document);
        let colors: BTreeMap<String, String> = tags.into_iter().map(|(slug, tag)| (slug, tag.1)).collect();
        let tags_differ = self.tags.iter().any(|(slug, color)| colors.get(slug) != Some(color));
        if file != db {
            Err(format!("file {file:?}\ndb   {db:?}"))
        } else if found != meant {
            Err(format!("found {found:?}\nmeant {meant:?}"))
        } else if names != self.artifacts {
            Err(format!("artifacts {names:?}\nmeant {:?}", self.artifacts))
        } else if tags_differ {
            Err(format!("tags {colors:?}\nmeant {:?}", self.tags))
        } else {
            Ok(())
        }
    }
}

fn run(seed: u64) {
    println!("seed {seed}");
    let mut model = Model::new(seed);
    for step in 1..=STEPS {
        model.step();
        if step % 40 == 0 {
            model.quiet();
        }
    }
    assert_eq!(model.scene.status()["conflicts"], 0, "nobody disagreed:\n{}", model.log.join("\n"));
}

#[test]
fn two_writers_and_kills() {
    // Another seed may be named, to see it again or to try more.
    let named = std::env::var("SKILLMEATD_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    named.map_or_else(|| vec![1, 19, 23, 24], |seed| vec![seed]).into_iter().for_each(run);
}
