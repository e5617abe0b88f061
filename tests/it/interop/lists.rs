//! Whatever we write into `groups` and `tag_definitions`, Python's TOML parser and SkillMeat's own reader read it as
//! meant; and what SkillMeat's writer then makes of it, we read.

use std::collections::BTreeMap;
use std::fs;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use skillmeatd::domain::edit::edit_sections;
use skillmeatd::domain::manifest;
use toml::Table;

use super::scenario::Seat;
use super::skillmeat::SkillMeat;
use crate::home::Home;
use crate::lists::generate::case;
use crate::lists::{groups, now, tags};

/// How many manifests.
const CASES: usize = 400;

/// Reads each directory's manifest with both readers, prints what they say, and has SkillMeat write it back.
const READ: &str = r#"
import json, sys, tomllib
from pathlib import Path
import skillmeat.core.collection  # first, or its imports go round in a circle
from skillmeat.storage.manifest import ManifestManager

manager = ManifestManager()
for directory in sorted(Path(sys.argv[1]).iterdir()):
    plain = tomllib.loads((directory / "collection.toml").read_bytes().decode())
    collection = manager.read(directory)
    own = {
        "groups": [group.to_dict() for group in collection.groups],
        "tag_definitions": [tag.to_dict() for tag in collection.tag_definitions],
    }
    print(json.dumps([{key: plain.get(key, []) for key in own}, own], default=str))
    manager.write(directory, collection)
"#;

#[test]
fn what_we_write_skillmeat_reads_and_what_it_writes_we_read() {
    let _seat = Seat::take();
    let home = Home::new();
    let root = home.path().join("manifests");
    let mut runner = TestRunner::deterministic();
    let strategy = case();
    let mut texts = Vec::new();
    for number in 0..CASES {
        let (file, edits) = strategy.new_tree(&mut runner).expect("a case").current();
        let text = file.text(&file.written());
        let edited = edit_sections(&text, &edits, now()).expect("an edit");
        home.write(&format!("manifests/{number:04}/collection.toml"), &edited);
        texts.push(edited);
    }
    let said = SkillMeat::new(&home).python(READ, &[root.to_str().expect("UTF-8")]);
    let said: Vec<[Table; 2]> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(said.len(), CASES);
    for (number, (text, [plain, own])) in texts.iter().zip(said).enumerate() {
        let ours: Table = text.parse().expect("TOML");
        let ours = (groups(&ours), tags(&ours));
        assert_eq!((groups(&plain), tags(&plain)), ours, "tomllib reads\n{text}");
        assert_eq!((groups(&own), tags(&own)), ours, "SkillMeat reads\n{text}");
        let rewritten = fs::read(root.join(format!("{number:04}/collection.toml"))).expect("a manifest");
        let text = String::from_utf8(rewritten).expect("UTF-8");
        let read = manifest::parse(text.as_bytes(), None).expect("a manifest").manifest;
        assert!(!read.groups_incomplete && !read.tag_definitions_incomplete, "{text}");
        let mut found = Vec::from_iter(read.groups.iter().map(|group| (group.position, &group.name)));
        found.sort_by_key(|(position, _)| *position);
        let wanted = Vec::from_iter(ours.0.iter().map(|group| (group.4, &group.0)));
        assert_eq!(found, wanted, "we read\n{text}");
        let found = Vec::from_iter(read.tag_definitions.iter().map(|tag| (&tag.slug, &tag.color)));
        let wanted = Vec::from_iter(ours.1.iter().map(|(slug, tag)| (slug, &tag.1)));
        assert_eq!(BTreeMap::from_iter(found), BTreeMap::from_iter(wanted), "we read\n{text}");
        assert!(!text.contains('§'), "SkillMeat's writer drops comments");
    }
}
