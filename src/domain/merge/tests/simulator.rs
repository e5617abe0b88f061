//! Everybody at once: the web page changes the database, a person edits the file, SkillMeat's commands write old copies of
//! it back, rows and whole databases vanish, and the daemon is killed between any two of its steps.
//!
//! Whatever somebody says is a *fact*. It ends when somebody who sees it says otherwise, when it goes down with the only
//! database that has it, or when a command overwrites an edit that the daemon has not carried yet. Once all is quiet
//! both sides are equal, and every other fact stands on both or is in a conflict.
//!
//! What the model takes for granted: a command's copy is of a section that the daemon has known, and nobody edits a file
//! in the instant between a command's rewrite and the daemon's look at it.

use super::*;
use facts::{Facts, Side};

mod facts;

/// Numbers from a seed (SplitMix64), so that every run can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get(self.roll(of.len())) }
    }
}

/// One thing said about groups or tags.
#[derive(Debug, Clone)]
enum Said {
    Made(String),
    Deleted(String),
    Renamed(String, String),
    Text(String, Field, String),
    Position(String, i64),
    Joined(String, String),
    Left(String, String),
    Moved(String, Vec<String>),
    Tag(String),
    Colour(String, String),
    Undefined(String),
}

fn say(groups: &mut Groups, tags: &mut Tags, said: &Said) {
    let group = |groups: &mut Groups, name: &String, change: &dyn Fn(&mut GroupValue)| {
        change(groups.by_name.get_mut(name).unwrap());
    };
    match said {
        Said::Made(name) => groups.push(name, plain()),
        Said::Deleted(name) => {
            groups.by_name.remove(name);
            groups.order.retain(|other| other != name);
        }
        Said::Renamed(old, new) => {
            let value = groups.by_name.remove(old).unwrap();
            groups.by_name.insert(new.clone(), value);
            groups.order.iter_mut().filter(|name| *name == old).for_each(|name| name.clone_from(new));
        }
        Said::Text(name, Field::Color, text) => group(groups, name, &|value| value.color.clone_from(text)),
        Said::Text(name, Field::Icon, text) => group(groups, name, &|value| value.icon.clone_from(text)),
        Said::Text(name, _, text) => group(groups, name, &|value| value.description.clone_from(text)),
        Said::Position(name, position) => group(groups, name, &|value| value.position = *position),
        Said::Joined(name, member) => group(groups, name, &|value| value.members.push(member.clone())),
        Said::Left(name, member) => group(groups, name, &|value| value.members.retain(|m| m != member)),
        Said::Moved(name, members) => group(groups, name, &|value| value.members.clone_from(members)),
        Said::Tag(slug) => {
            tags.insert(slug.clone(), TagValue { name: slug.to_uppercase(), ..TagValue::default() });
        }
        Said::Colour(slug, color) => tags.get_mut(slug).unwrap().color.clone_from(color),
        Said::Undefined(slug) => {
            tags.remove(slug);
        }
    }
}

/// The daemon: what it has written down, and what it has only in mind.
#[derive(Debug, Default)]
struct Daemon {
    base: Option<Agreed>,
    seen_groups: Vec<String>,
    seen_tags: Vec<String>,
    conflicts: Vec<Conflict>,
    // From here on a kill takes it.
    read: Option<(FileSide, u64)>,
    by_hand: bool,
    work: Option<Work>,
}

#[derive(Debug)]
struct Work {
    merged: Merged,
    db: DbSide,
    file: FileSide,
    step: usize,
}

struct Simulation {
    dice: Dice,
    world: World,
    /// `[collection].updated`
    updated: u64,
    /// What commands have read and will write.
    copies: Vec<(Groups, Tags)>,
    /// The entry that somebody has made unreadable.
    garbled: Option<(String, GroupValue)>,
    daemon: Daemon,
    facts: Facts,
    count: usize,
    /// Whether SkillMeat writes groups into the file itself.
    writes_through: bool,
    /// Whether something has happened after which a thing that was taken back may be there again.
    excused: bool,
    /// Whether a command has written an old copy that the daemon has yet to put right.
    clobbered: bool,
    traced: bool,
}

impl Simulation {
    fn new(seed: u64, traced: bool) -> Self {
        Self {
            dice: Dice(seed),
            world: World::new(),
            updated: 0,
            copies: Vec::new(),
            garbled: None,
            daemon: Daemon::default(),
            facts: Facts::default(),
            count: 0,
            writes_through: seed.is_multiple_of(3),
            excused: false,
            clobbered: false,
            traced,
        }
    }

    fn input(&self) -> Input<'_> {
        Input {
            directory: "default",
            is_active: true,
            base: self.daemon.base.as_ref(),
            db: &self.world.db,
            file: &self.world.file,
            seen_groups: &self.daemon.seen_groups,
            seen_tags: &self.daemon.seen_tags,
            by_hand: self.daemon.by_hand,
        }
    }

    fn act(&mut self, accidents: bool) {
        if self.traced {
            self.trace();
        }
        match self.dice.roll(100) {
            0..45 => self.daemon_step(),
            45..62 => self.web(),
            62..78 => self.person(),
            78..84 if self.garbled.is_none() && self.copies.len() < 4 => {
                self.copies.push((self.world.file.groups.clone(), self.world.file.tags.clone()));
            }
            84..91 => self.command_ends(),
            91..93 => self.row_vanishes(),
            93..95 => self.row_comes_back(),
            95..97 => self.garble_or_mend(),
            97..99 if accidents => self.kill(),
            99 if accidents && self.dice.roll(4) == 0 => self.reset(),
            _ => {}
        }
    }

    fn kill(&mut self) {
        self.excused = true;
        (self.daemon.read, self.daemon.by_hand, self.daemon.work) = (None, false, None);
    }

    fn daemon_step(&mut self) {
        let Some(mut work) = self.daemon.work.take() else {
            self.daemon_reads();
            let merged = merge(&self.input());
            self.daemon.work =
                Some(Work { merged, db: self.world.db.clone(), file: self.world.file.clone(), step: 0 });
            return;
        };
        match work.step {
            // What gives way must be kept before it is overwritten.
            0 => {
                for conflict in &work.merged.conflicts {
                    if !self.daemon.conflicts.contains(conflict) {
                        self.daemon.conflicts.push(conflict.clone());
                    }
                }
            }
            1 => {
                if self.world.file != work.file {
                    return;
                }
                self.world.apply_to_file(&work.merged);
                self.clobbered = false;
                if !work.merged.file.is_empty() {
                    self.updated += 1;
                    self.daemon.read = Some((self.world.file.clone(), self.updated));
                    self.daemon.by_hand = false;
                }
            }
            2 => {
                if !work.merged.db.is_empty() {
                    if self.world.db != work.db {
                        self.excused = true;
                        return;
                    }
                    apply_to_db(&work.merged.db, &mut self.world.db);
                }
            }
            _ => {
                self.daemon.base = Some(work.merged.agreed);
                for (section, digest) in work.merged.seen {
                    let seen = if section == GROUPS {
                        &mut self.daemon.seen_groups
                    } else {
                        &mut self.daemon.seen_tags
                    };
                    if !seen.contains(&digest) {
                        seen.push(digest);
                    }
                }
                self.daemon.by_hand &= self.daemon.read.as_ref().is_some_and(|(read, _)| *read != work.file);
                return;
            }
        }
        work.step += 1;
        self.daemon.work = Some(work);
    }

    fn daemon_reads(&mut self) {
        let now = (self.world.file.clone(), self.updated);
        match &self.daemon.read {
            Some((file, updated)) if *file == now.0 => self.daemon.by_hand &= *updated == now.1,
            Some((_, updated)) => self.daemon.by_hand = *updated == now.1,
            None => self.daemon.by_hand = false,
        }
        self.daemon.read = Some(now);
    }

    fn fresh(&mut self) -> String {
        self.count += 1;
        format!("{:06x}", self.count)
    }

    /// Something that can be said about what stands here.
    fn word(&mut self, groups: &Groups, tags: &Tags, on_web: bool) -> Option<Said> {
        let names: Vec<String> = groups.order.clone();
        let slugs: Vec<String> = tags.keys().cloned().collect();
        let fresh = self.fresh();
        let name = self.dice.pick(&names).cloned();
        let choice = self.dice.roll(20);
        if choice < 3 || name.is_none() && choice < 12 {
            return (names.len() < 5).then_some(Said::Made(format!("G{fresh}")));
        }
        if choice >= 15 {
            return match (self.dice.pick(&slugs).cloned(), choice) {
                (Some(slug), 18) if !on_web => Some(Said::Undefined(slug)),
                (Some(slug), 16..) => Some(Said::Colour(slug, format!("#{fresh}"))),
                _ => (slugs.len() < 4).then_some(Said::Tag(format!("t{fresh}"))),
            };
        }
        let name = name?;
        let members = &groups.by_name.get(&name)?.members;
        Some(match choice {
            3 => Said::Deleted(name),
            4 if on_web => Said::Renamed(name, format!("R{fresh}")),
            5 => Said::Position(name, i64::try_from(self.count).unwrap()),
            6 => Said::Text(name, Field::Color, format!("#{fresh}")),
            7 => Said::Text(name, Field::Icon, format!("i{fresh}")),
            8 => {
                let mut members = members.clone();
                let by = self.dice.roll(members.len().max(1));
                members.rotate_left(by);
                Said::Moved(name, members)
            }
            9 | 10 => Said::Left(name, self.dice.pick(members)?.clone()),
            11..14 => {
                let known: Vec<String> = self.world.db.uuids.keys().cloned().collect();
                let member = self.dice.pick(&known)?;
                if members.contains(member) {
                    return None;
                }
                Said::Joined(name, member.clone())
            }
            _ => Said::Text(name, Field::Description, fresh),
        })
    }

    fn web(&mut self) {
        let (groups, tags) = (self.world.db.groups.clone().unwrap(), self.world.db.tags.clone());
        let Some(said) = self.word(&groups, &tags, true) else { return };
        self.facts.hear(Side::Database, &said, &groups, &tags, self.daemon.base.as_ref());
        let db = &mut self.world.db;
        say(db.groups.as_mut().unwrap(), &mut db.tags, &said);
        match &said {
            Said::Made(name) => {
                db.group_ids.insert(name.clone(), format!("id of {name}"));
            }
            Said::Deleted(name) => {
                db.group_ids.remove(name);
            }
            Said::Renamed(old, new) => {
                let id = db.group_ids.remove(old).unwrap();
                db.group_ids.insert(new.clone(), id);
            }
            _ => {}
        }
        let of_group = !matches!(said, Said::Tag(_) | Said::Colour(..) | Said::Undefined(_));
        if self.writes_through && of_group && self.garbled.is_none() {
            let groups = as_written(self.world.db.groups.as_ref().unwrap());
            let tags = self.world.file.tags.clone();
            self.overwrite(groups, tags);
        }
    }

    fn person(&mut self) {
        let has_read = self.daemon.read.as_ref().is_none_or(|(_, updated)| *updated == self.updated);
        if self.clobbered || !has_read {
            return;
        }
        let (groups, tags) = (self.world.file.groups.clone(), self.world.file.tags.clone());
        let Some(said) = self.word(&groups, &tags, false) else { return };
        self.facts.hear(Side::File, &said, &groups, &tags, self.daemon.base.as_ref());
        say(&mut self.world.file.groups, &mut self.world.file.tags, &said);
        if let Said::Tag(slug) | Said::Colour(slug, _) = &said {
            self.world.file.tags.get_mut(slug).unwrap().description.get_or_insert_default();
        }
    }

    fn command_ends(&mut self) {
        if self.copies.is_empty() || self.garbled.is_some() {
            return;
        }
        let at = self.dice.roll(self.copies.len());
        let (groups, tags) = self.copies.swap_remove(at);
        let Some(base) = &self.daemon.base else { return };
        let (of_groups, of_tags) = (digest_groups(&groups), digest_tags(&tags));
        let knows = |digest: &String, base: &String, seen: &[String]| digest == base || seen.contains(digest);
        if knows(&of_groups, &base.groups_digest, &self.daemon.seen_groups)
            && knows(&of_tags, &base.tags_digest, &self.daemon.seen_tags)
        {
            self.overwrite(groups, tags);
        }
    }

    /// SkillMeat writes the file; what it has not read is gone from it.
    fn overwrite(&mut self, groups: Groups, tags: Tags) {
        let before = (self.world.file.groups.clone(), self.world.file.tags.clone());
        self.world.file.groups = groups;
        self.world.file.tags = tags;
        self.updated += 1;
        self.clobbered |= before.0 != self.world.file.groups || before.1 != self.world.file.tags;
        let after = (&self.world.file.groups, &self.world.file.tags);
        let db = (self.world.db.groups.as_ref().unwrap(), &self.world.db.tags);
        self.facts.overwritten((&before.0, &before.1), after, db, self.daemon.base.as_ref());
    }

    /// `DELETE FROM artifacts`: the memberships go with the row.
    fn row_vanishes(&mut self) {
        let known: Vec<String> = self.world.db.uuids.keys().cloned().collect();
        if let Some(member) = self.dice.pick(&known) {
            let file = (&self.world.file.groups, &self.world.file.tags);
            self.facts.row_lost(member, file, self.garbled.as_ref(), self.daemon.base.as_ref());
            self.world.db.uuids.remove(member);
            for value in self.world.db.groups.as_mut().unwrap().by_name.values_mut() {
                value.members.retain(|m| m != member);
            }
        }
    }

    fn row_comes_back(&mut self) {
        let uuid = self.fresh();
        for name in 'a'..='h' {
            self.world.db.uuids.entry(skill(&name.to_string())).or_insert_with(|| uuid.clone());
        }
    }

    fn garble_or_mend(&mut self) {
        match self.garbled.take() {
            None => {
                let names = self.world.file.groups.order.clone();
                if let Some(name) = self.dice.pick(&names)
                    && !self.clobbered
                {
                    let value = self.world.file.groups.by_name.remove(name).unwrap();
                    self.world.file.groups.order.retain(|other| other != name);
                    self.garbled = Some((name.clone(), value));
                    self.world.file.groups_incomplete = true;
                }
            }
            Some((name, value)) => {
                self.world.file.groups_incomplete = false;
                self.world.file.groups.push(&name, value);
            }
        }
    }

    /// Another database; SkillMeat may have recovered what it can from the file before anybody looks.
    fn reset(&mut self) {
        self.excused = true;
        let file = (&self.world.file.groups, &self.world.file.tags);
        self.facts.database_lost(file, self.garbled.as_ref(), self.daemon.base.as_ref());
        self.world.reset();
        if self.dice.roll(2) == 0 {
            let known = self.world.db.uuids.clone();
            let mut groups = self.world.file.groups.clone();
            for value in groups.by_name.values_mut() {
                *value = spelling::group(value);
                value.members.retain(|member| known.contains_key(member));
                (value.tags, value.visibility) = (Some(Vec::new()), Some("private".into()));
            }
            let ids = groups.by_name.keys().map(|name| (name.clone(), format!("new id of {name}")));
            self.world.db.group_ids = ids.collect();
            self.world.db.groups = Some(groups);
        }
    }

    fn trace(&self) {
        let short = |groups: &Groups| -> Vec<String> {
            let short = |(name, value): (&str, &GroupValue)| {
                format!(
                    "{name}/{}/{}/{}/{}/{:?}",
                    value.description, value.color, value.icon, value.position, value.members
                )
            };
            groups.iter().map(short).collect()
        };
        let tags =
            |tags: &Tags| tags.iter().map(|(slug, tag)| format!("{slug}{}", tag.color)).collect::<Vec<_>>();
        eprintln!(
            "db   {:?} {:?}\nfile {:?} {:?} of {} garbled {}\nbase {:?} step {:?}\n",
            short(self.world.db.groups.as_ref().unwrap()),
            tags(&self.world.db.tags),
            short(&self.world.file.groups),
            tags(&self.world.file.tags),
            self.updated,
            self.garbled.is_some(),
            self.daemon.base.as_ref().map(|base| (short(&base.groups), tags(&base.tags))),
            self.daemon.work.as_ref().map(|work| work.step),
        );
    }

    /// Everybody rests; the daemon does what is left to do.
    fn rest(&mut self) {
        if self.garbled.is_some() {
            self.garble_or_mend();
        }
        self.row_comes_back();
        for _ in 0..60 {
            self.daemon_step();
        }
        while self.daemon.work.is_some() {
            self.daemon_step();
        }
        self.daemon_reads();
        let last = merge(&self.input());
        assert!(last.is_quiet(), "it does not come to rest: {:#?} {:#?}", last.file, last.db);
        let db = self.world.db.groups.as_ref().unwrap();
        assert_eq!(as_written(db).by_name, as_written(&self.world.file.groups).by_name);
        let colours = |tags: &Tags| -> BTreeMap<String, String> {
            tags.iter().map(|(slug, tag)| (slug.clone(), tag.color.clone())).collect()
        };
        assert_eq!(colours(&self.world.db.tags), colours(&self.world.file.tags));
        let sides = (db, &self.world.db.tags);
        self.facts.check(sides, &self.daemon.conflicts, !self.excused);
    }
}

/// Groups as `ManifestSyncService` writes them.
fn as_written(groups: &Groups) -> Groups {
    let mut written = groups.clone();
    for value in written.by_name.values_mut() {
        *value = spelling::group(value);
        (value.tags, value.visibility) = (None, None);
    }
    written
}

fn run(seed: u64, steps: usize, accidents: bool, traced: bool) {
    let mut simulation = Simulation::new(seed, traced);
    for _ in 0..steps {
        simulation.act(accidents);
    }
    simulation.rest();
}

/// Runs many seeds; the first that fails is told step by step.
fn run_all(seeds: std::ops::Range<u64>, steps: usize, accidents: bool) {
    for seed in seeds {
        if std::panic::catch_unwind(|| run(seed, steps, accidents, false)).is_err() {
            eprintln!("seed {seed}, {steps} steps:");
            run(seed, steps, accidents, true);
        }
    }
}

#[test]
fn nothing_is_lost_and_nothing_comes_back() {
    run_all(0..500, 60, false);
    run_all(0..5, 1_500, false);
}

#[test]
fn nothing_is_lost_whatever_dies() {
    run_all(0..500, 60, true);
    run_all(0..5, 1_500, true);
}
