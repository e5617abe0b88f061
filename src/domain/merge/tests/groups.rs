//! The rules about groups, one by one.

use super::*;

pub(super) fn disputes(merged: &Merged) -> Vec<String> {
    let text = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), ToString::to_string);
    merged
        .conflicts
        .iter()
        .map(|c| format!("{} {}: {} over {}", c.subject, c.field, text(&c.ours), text(&c.theirs)))
        .collect()
}

#[track_caller]
pub(super) fn undisputed(merged: &Merged) {
    assert_eq!(disputes(merged), Vec::<String>::new());
}

// The table.

#[test]
fn what_changed_in_the_database_goes_into_the_file() {
    let mut world = World::agreed("A color=blue : a b\nB : c");
    world.set_db("A color=rose icon=shield position=2 description=d : b a d\nC : a");
    undisputed(&world.check(
        "A color=rose icon=shield position=2 description=d : b a d\nC : a",
        "A color=rose icon=shield position=2 description=d : b a d\nC : a",
    ));
}

#[test]
fn what_changed_in_the_file_goes_into_the_database() {
    let mut world = World::agreed("A color=blue tags=x+y visibility=team : a b\nB : c");
    world.set_file("A color=#ABC description=d position=1 : b a d\nC : a");
    undisputed(&world.check(
        "A color=#aabbcc description=d position=1 tags=x+y visibility=team : b a d\nC : a",
        "A color=#ABC description=d position=1 : b a d\nC : a",
    ));
}

#[test]
fn a_stale_copy_of_the_section_is_put_right_again() {
    let mut world = World::agreed("A : a");
    let old = world.file.clone();
    world.set_db("A color=rose : a b\nB : c");
    world.settle();
    world.file = old;
    undisputed(&world.check("A color=rose : a b\nB : c", "A color=rose : a b\nB : c"));
}

#[test]
fn a_stale_copy_does_not_hide_what_the_database_did_meanwhile() {
    let mut world = World::agreed("A : a");
    let old = world.file.clone();
    world.set_db("A : a b");
    world.settle();
    world.file = old;
    world.set_db("A : b\nB");
    undisputed(&world.check("A : b\nB", "A : b\nB"));
}

#[test]
fn an_old_state_that_somebody_restored_by_hand_is_an_edit() {
    let mut world = World::agreed("A : a");
    let old = world.file.clone();
    world.set_file("A : a\nB : b");
    world.settle();
    world.file = old;
    world.by_hand = true;
    undisputed(&world.check("A : a", "A : a"));
}

#[test]
fn changes_of_different_fields_meet() {
    let mut world = World::agreed("A color=blue position=1 : a b c");
    world.set_db("A color=rose position=1 : a b c d");
    world.set_file("A color=blue position=4 description=d : c b");
    undisputed(&world.check(
        "A color=rose position=4 description=d : c d b",
        "A color=rose position=4 description=d : c d b",
    ));
}

#[test]
fn of_changes_of_one_field_the_databases_stands_and_the_files_is_kept() {
    let mut world = World::agreed("A color=blue icon=i description=d : a b c");
    world.set_db("A color=rose icon=j description=e position=1 : c b a");
    world.set_file("A color=green icon=k description=f position=2 : b c a");
    let merged = world.check(
        "A color=rose icon=j description=e position=1 : c b a",
        "A color=rose icon=j description=e position=1 : c b a",
    );
    assert_eq!(
        disputes(&merged),
        [
            "group `A` members: [skill:c, skill:b, skill:a] over [skill:b, skill:c, skill:a]",
            "group `A` description: \"e\" over \"f\"",
            "group `A` color: \"rose\" over \"green\"",
            "group `A` icon: \"j\" over \"k\"",
            "group `A` position: 1 over 2",
        ]
    );
}

#[test]
fn a_group_deleted_on_one_side_and_changed_on_the_other_follows_the_database() {
    let mut world = World::agreed("A : a\nB : b");
    world.set_db("B : b c");
    world.set_file("A color=rose : a");
    let merged = world.check("B : b c", "B : b c");
    assert_eq!(
        disputes(&merged),
        [
            "group `A` whole: nothing over rose, layers, position 0, members [skill:a]",
            "group `B` whole: slate, layers, position 0, members [skill:b, skill:c] over nothing",
        ]
    );
}

#[test]
fn without_an_agreement_a_database_with_groups_wins() {
    let mut world = World::new();
    world.set_db("A color=blue description=d : a b\nB : a b");
    world.set_file("A color=rose : b c\nB : b\nC : c");
    let merged =
        world.check("A color=blue description=d : a b\nB : a b", "A color=blue description=d : a b\nB : a b");
    assert_eq!(
        disputes(&merged),
        [
            "group `A` color: \"blue\" over \"rose\"",
            "group `A` members: [skill:a, skill:b] over [skill:b, skill:c]",
            "group `C` whole: nothing over slate, layers, position 0, members [skill:c]",
        ]
    );
}

#[test]
fn without_an_agreement_a_database_without_groups_takes_the_files() {
    let mut world = World::new();
    world.set_file("A color=blue : b a\nB");
    undisputed(&world.check("A color=blue : b a\nB", "A color=blue : b a\nB"));
}

#[test]
fn all_groups_deleted_in_the_database_are_deleted_in_the_file() {
    let mut world = World::agreed("A : a\nB");
    world.set_db("");
    undisputed(&world.check("", ""));
}

// A new database, and what else is no deletion.

#[test]
fn a_new_database_gets_everything_back_and_what_no_file_holds() {
    let text = "A color=blue icon=i description=d position=1 tags=x visibility=team : b a\nB position=1";
    let mut world = World::agreed(text);
    world.reset();
    let created = world.merge().db.create_groups;
    assert_eq!(created.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    undisputed(&world.check(text, "A color=blue icon=i description=d position=1 : b a\nB position=1"));
}

#[test]
fn what_was_changed_by_hand_meanwhile_is_recovered_and_what_was_lost_too() {
    let mut world = World::agreed("A tags=x : a b\nB : c");
    world.reset();
    world.set_file("A color=rose : b d\nC");
    undisputed(&world.check("A color=rose tags=x : b d\nB : c\nC", "A color=rose : b d\nB : c\nC"));
}

#[test]
fn a_new_database_keeps_what_it_has_of_its_own() {
    let mut world =
        World::agreed("A color=blue description=d tags=x visibility=team position=3 : a b\nB : c");
    world.reset();
    world.set_db("A color=rose tags=y : d\nC : e");
    let merged = world.check(
        "A color=rose description=d tags=y visibility=team position=3 : a b d\nB : c\nC : e",
        "A color=rose description=d position=3 : a b d\nB : c\nC : e",
    );
    assert_eq!(disputes(&merged), ["group `A` color: \"rose\" over \"blue\""]);
}

#[test]
fn what_skillmeat_recovered_itself_is_not_disputed() {
    let mut world = World::agreed("A color=blue tags=x visibility=team : b a");
    world.reset();
    world.set_db("A color=blue tags= visibility=private : b a");
    world.db.groups.as_mut().unwrap().by_name.get_mut("A").unwrap().tags = Some(Vec::new());
    undisputed(&world.check("A color=blue tags=x visibility=team : b a", "A color=blue : b a"));
}

#[test]
fn a_directory_no_row_maps_to_is_left_alone() {
    let mut world = World::agreed("A : a");
    world.db.groups = None;
    world.db.epoch.collection = None;
    let merged = world.settle();
    assert!(merged.is_quiet());
    assert_eq!(merged.agreed.groups, groups("A : a"));

    // An old copy comes back meanwhile.
    let current = world.file.clone();
    world.file.groups = Groups::default();
    assert!(world.settle().is_quiet());
    world.db.groups = Some(groups("A : a"));
    world.db.epoch = epoch("first");
    undisputed(&world.check("A : a", "A : a"));
    assert_eq!(world.file, current);

    // The collection is made anew, as another row with the same name.
    world.set_db("");
    world.db.epoch.collection = Some("another".into());
    undisputed(&world.check("A : a", "A : a"));
}

#[test]
fn a_directory_that_gets_its_first_row_is_seen_for_the_first_time() {
    let mut world = World::new();
    world.set_file("A color=blue : a\nB");
    world.db.groups = None;
    world.db.epoch.collection = None;
    assert!(world.settle().is_quiet());
    world.set_db("A color=rose : b");
    world.db.epoch.collection = Some("a row".into());
    let merged = world.check("A color=rose : b", "A color=rose : b");
    assert_eq!(disputes(&merged).len(), 3);
}

#[test]
fn a_membership_that_went_with_its_row_is_put_back() {
    let mut world = World::agreed("A : a b c\nB : b");
    world.db.uuids.remove("skill:b");
    world.set_db("A : a c\nB");
    undisputed(&world.check("A : a c\nB", "A : a b c\nB : b"));

    world.db.uuids.insert("skill:b".into(), "another".into());
    undisputed(&world.check("A : a b c\nB : b", "A : a b c\nB : b"));

    world.set_db("A : a c\nB : b");
    undisputed(&world.check("A : a c\nB : b", "A : a c\nB : b"));
}

#[test]
fn a_cleared_cache_gets_its_memberships_back() {
    let mut world = World::agreed("A : b a c");
    world.db.epoch.sentinel = Some("another".into());
    for uuid in world.db.uuids.values_mut() {
        uuid.push_str(" anew");
    }
    world.set_db("A");
    undisputed(&world.check("A : b a c", "A : b a c"));
}

#[test]
fn what_skillmeat_left_out_of_the_file_because_its_row_was_gone_is_put_back_too() {
    let mut world = World::agreed("A : a b c");
    world.db.uuids.remove("skill:b");
    world.set_db("A : a c d");
    world.set_file("A : a c d");
    undisputed(&world.check("A : a c d", "A : a b c d"));
    // But whoever takes it out of the file means it.
    world.set_file("A : a c d");
    world.by_hand = true;
    undisputed(&world.check("A : a c d", "A : a c d"));
}

#[test]
fn a_group_renamed_in_the_database_keeps_what_only_the_file_knows_of_it() {
    let mut world = World::agreed("A : a b");
    world.db.uuids.remove("skill:b");
    world.set_db("Z : a");
    world.db.group_ids = BTreeMap::from([("Z".into(), "id of A".into())]);
    world.set_file("A description=d : a b c");
    undisputed(&world.check("Z description=d : a c", "Z description=d : a b c"));
}

#[test]
fn a_group_renamed_in_the_database_stays_the_same_entry() {
    let mut world = World::agreed("A color=#AABBCC : a b\nB : a");
    world.set_file("A color=#ABC : a b\nB : a");
    world.settle();
    world.set_db("Z color=#aabbcc : b a\nB : a");
    world.db.group_ids = [("Z", "id of A"), ("B", "id of B")].map(|(k, v)| (k.into(), v.into())).into();
    let merged = world.merge();
    assert_eq!(merged.file.renamed_groups, BTreeMap::from([("A".into(), "Z".into())]));
    undisputed(&world.check("Z color=#aabbcc : b a\nB : a", "Z color=#ABC : b a\nB : a"));
    // Where SkillMeat has written the new name itself there is nothing left to rename.
    let mut world = World::agreed("A : a\nB : a");
    world.set_db("Z : a b\nB : a");
    world.db.group_ids = [("Z", "id of A"), ("B", "id of B")].map(|(k, v)| (k.into(), v.into())).into();
    world.set_file("Z : a\nB : a");
    assert_eq!(world.merge().file.renamed_groups, BTreeMap::new());
    // One that goes while another comes is no other.
    let mut world = World::agreed("A : a");
    world.set_db("Z : a");
    assert_eq!(world.merge().file.renamed_groups, BTreeMap::new());
    undisputed(&world.check("Z : a", "Z : a"));
}

#[test]
fn a_group_renamed_in_the_file_stays_the_same_row() {
    let mut world = World::agreed("A tags=x : a b\nB : a b");
    world.set_file("Z : a b\nB : a b");
    let merged = world.merge();
    assert_eq!(merged.db.rename_groups, BTreeMap::from([("A".into(), "Z".into())]));
    assert!(merged.db.delete_groups.is_empty() && merged.db.create_groups.is_empty());
    undisputed(&world.check("Z tags=x : a b\nB : a b", "Z : a b\nB : a b"));
}

#[test]
fn two_groups_that_went_at_once_are_no_renaming() {
    let mut world = World::agreed("A tags=x : a\nB tags=y : a\nC");
    world.set_file("Z : a\nD");
    assert!(world.merge().db.rename_groups.is_empty());
    undisputed(&world.check("Z : a\nD", "Z : a\nD"));
}

// What a file may hold that a database may not.

#[test]
fn equal_meanings_are_not_rewritten() {
    let mut world = World::agreed("A : a");
    world.file.groups.by_name.get_mut("A").unwrap().color = String::new();
    world.file.groups.by_name.get_mut("A").unwrap().icon = String::new();
    assert!(world.merge().is_quiet());
    world.set_db("A color=#aabbcc");
    world.set_file("A color=#ABC");
    let merged = world.settle();
    assert!(merged.is_quiet(), "{merged:?}");
}

#[test]
fn a_spelling_stays_beside_a_change() {
    let mut world = World::agreed("A color=#AABBCC : a b");
    world.set_file("A color=#ABC : a skill:b");
    world.file.groups.by_name.get_mut("A").unwrap().members = vec!["a".into(), "skill:b".into()];
    world.settle();
    world.set_db("A color=#aabbcc position=2 : a b c");
    world.settle();
    let value = &world.file.groups.by_name["A"];
    assert_eq!((value.color.as_str(), value.position), ("#ABC", 2));
    assert_eq!(value.members, ["a", "skill:b", "skill:c"]);
}

#[test]
fn odd_entries_are_recovered_as_far_as_they_can_be() {
    let mut world = World::new();
    world.db.uuids.insert("command:a".into(), "u".into());
    let long = "x".repeat(256);
    let text = format!("A position=-3 color=odd : zzz\n{long} : a\nB : command:a skill:nobody");
    world.set_file(&text);
    world.file.groups.push("", plain());
    let members = ["b", "a", "Skill:c", "skill:d"].map(String::from).to_vec();
    world.file.groups.by_name.get_mut("A").unwrap().members = members.clone();
    let before = world.file.clone();
    let merged = world.settle();
    assert_eq!(world.file, before, "the file is as it was");
    assert_eq!(world.db.groups.as_ref().unwrap().by_name, groups("A color=odd : b d\nB : command:a").by_name);
    let problems: Vec<String> = merged.problems.iter().map(ToString::to_string).collect();
    let expected = [
        "group `A`: position -3 is negative and counts as 0",
        "group `A`: SkillMeat knows no colour `odd`",
        "group `A`, member `a`: several artifacts are called that: write it as type:name",
        "group `A`, member `Skill:c`: there is no such artifact; it stays in the file, and joins the group when there is one",
        &format!(
            "a group's name must have 1 to 255 characters, which `{long}` has not; the group stays in the file alone"
        ),
        "group `B`, member `skill:nobody`: there is no such artifact; it stays in the file, and joins the group when there is one",
        "a group's name must have 1 to 255 characters, which `` has not; the group stays in the file alone",
    ];
    assert_eq!(problems, expected.map(|problem| format!("collections/default/collection.toml: {problem}")));

    // The section is rewritten for another reason: what the database cannot take is still there.
    world.set_db("A color=odd : b d\nB : command:a\nC : a");
    world.settle();
    assert_eq!(world.file.groups.by_name[long.as_str()], groups("X : a").by_name["X"]);
    assert!(world.file.groups.by_name.contains_key(""));
    assert_eq!(world.file.groups.by_name["A"].members, members);
    assert_eq!(world.file.groups.by_name["A"].position, -3);

    world.db.uuids.insert("skill:nobody".into(), "u2".into());
    world.settle();
    assert_eq!(world.db.groups.as_ref().unwrap().by_name["B"].members, ["command:a", "skill:nobody"]);
}

#[test]
fn of_groups_of_one_name_the_first_counts_and_the_second_is_kept() {
    let mut world = World::new();
    world.set_file("A : a\nB");
    world.file.repeated = lines("A : b");
    let merged = world.check("A : a\nB", "A : a\nB");
    undisputed(&merged);
    assert_eq!(merged.problems.len(), 1);
    assert_eq!(world.file.repeated.len(), 1, "nothing is rewritten for its sake");

    world.set_db("A : a\nB\nC");
    let merged = world.settle();
    assert_eq!(disputes(&merged).len(), 1, "{:?}", disputes(&merged));
    assert!(world.file.repeated.is_empty());
}

#[test]
fn a_section_that_cannot_be_read_whole_deletes_nothing_and_is_not_written() {
    let mut world = World::agreed("A : a\nB : b\nC : c");
    world.file.groups_incomplete = true;
    world.set_file("A color=rose : a\nD : d");
    world.set_db("A : a e\nC : c\nE");
    let merged = world.settle();
    assert_eq!(merged.file.groups, None);
    assert_eq!(merged.problems.len(), 1);
    world.look("A color=rose : a e\nC : c\nD : d\nE", "A color=rose : a\nD : d");

    // It is mended: what waited is done, in both directions.
    world.file.groups_incomplete = false;
    world.set_file("A color=rose : a\nB : b\nC : c h\nD : d");
    undisputed(
        &world.check("A color=rose : a e\nC : c h\nD : d\nE", "A color=rose : a e\nC : c h\nD : d\nE"),
    );
}

#[test]
fn a_group_renamed_while_the_section_cannot_be_written_is_renamed_later() {
    let mut world = World::agreed("A : a\nB");
    world.file.groups_incomplete = true;
    world.set_db("Z : a\nB");
    world.db.group_ids = BTreeMap::from([("Z".into(), "id of A".into()), ("B".into(), "id of B".into())]);
    world.check("Z : a\nB", "A : a\nB");
    world.file.groups_incomplete = false;
    world.set_file("A description=d : a\nB");
    undisputed(&world.check("Z description=d : a\nB", "Z description=d : a\nB"));
}

#[test]
fn groups_are_ordered_by_position_then_as_the_database_has_them() {
    let mut world = World::agreed("");
    world.set_db("D position=1\nC\nB\nA position=1");
    world.settle();
    assert_eq!(world.file.groups.order, ["C", "B", "D", "A"]);
}

// A person decides.

#[test]
fn what_gave_way_can_be_put_in_force() {
    let mut world = World::agreed("A color=blue tags=x : a b c\nB tags=y : b\nC");
    world.set_db("A color=rose position=1 tags=x : c b a\nC description=e");
    world.set_file("A color=green position=2 : b c a\nB color=green : b");
    let merged = world.settle();
    let conflicts = merged.conflicts;
    assert_eq!(conflicts.len(), 5, "{conflicts:?}");
    let ids: BTreeSet<&String> = conflicts.iter().map(|conflict| &conflict.id).collect();
    assert_eq!(ids.len(), 5);

    let theirs: Vec<&Conflict> = conflicts.iter().collect();
    let resolved = resolve(&world.input(), &theirs);
    world.apply(&resolved);
    world.look(
        "A color=green position=2 tags=x : b c a\nB color=green : b",
        "A color=green position=2 : b c a\nB color=green : b",
    );
    assert!(world.merge().is_quiet());
}

#[test]
fn a_conflict_about_a_group_that_is_gone_has_no_effect() {
    let mut world = World::agreed("A color=blue");
    world.set_db("A color=rose");
    world.set_file("A color=green");
    let conflicts = world.settle().conflicts;
    world.set_db("");
    world.settle();
    assert!(resolve(&world.input(), &[&conflicts[0]]).is_quiet());
}

#[test]
fn a_conflict_reads_back_with_its_id() {
    let mut world = World::agreed("A color=blue");
    world.set_db("");
    world.set_file("A color=green : a");
    let conflicts = world.merge().conflicts;
    assert_eq!(world.merge().conflicts, conflicts);
    let text = serde_json::to_string(&conflicts).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Conflict>>(&text).unwrap(), conflicts);
    assert_eq!(conflicts[0].id.len(), 12);
}

#[test]
fn digests_do_not_see_spelling_and_order() {
    let one = groups("A color=#abc : a b\nB");
    let other = groups("B color= icon=\nA color=#AABBCC : a b");
    assert_eq!(digest_groups(&one), digest_groups(&other));
    for different in
        ["A color=#abc : b a\nB", "A color=#abc : a b", "A color=#abd : a b\nB", "AB color=#abc : a b\nB"]
    {
        assert_ne!(digest_groups(&one), digest_groups(&groups(different)), "{different}");
    }
    assert_eq!(digest_tags(&tags("a A #ABCDEF")), digest_tags(&tags("a A #ABCDEF")));
    for different in ["a A #abcdef", "a A #ABCDEF text"] {
        assert_ne!(digest_tags(&tags("a A #ABCDEF")), digest_tags(&tags(different)), "{different}");
    }
}
