//! The rules about tag definitions, one by one.

use super::groups::{disputes, undisputed};
use super::*;

impl World {
    /// Both sides of the definitions; descriptions live in the file alone.
    #[track_caller]
    fn check_tags(&mut self, db: &str, file: &str) -> Merged {
        let merged = self.settle();
        self.look_at_tags(db, file);
        merged
    }

    #[track_caller]
    fn look_at_tags(&self, db: &str, file: &str) {
        let plain = |tags: &Tags| -> Vec<String> {
            tags.iter().map(|(slug, tag)| format!("{slug} {} {}", tag.name, tag.color)).collect()
        };
        assert_eq!(plain(&self.db.tags), plain(&tags(db)), "in the database");
        assert_eq!(self.file.tags, tags(file), "in the file");
    }

    fn assign(&mut self, slugs: &[&str]) {
        self.db.assigned = slugs.iter().map(|slug| (*slug).to_owned()).collect();
    }
}

const A: &str = "a A #aa0000 about_a";
const B: &str = "b B - -";

fn agreed(definitions: &str) -> World {
    World::agreed_with("", definitions)
}

#[test]
fn what_files_cannot_bring_back_goes_into_the_active_file() {
    let definitions = "coloured Coloured #00ff00\nplain Plain\nloose Loose\nml-custom Machine_Learning";
    let mut world = World::new();
    world.db.tags = tags(definitions);
    world.assign(&["coloured", "plain", "ml-custom"]);
    undisputed(
        &world.check_tags(definitions, "coloured Coloured #00ff00\nloose Loose\nml-custom Machine_Learning"),
    );

    let mut other = World { is_active: false, ..World::new() };
    other.db.tags = tags(definitions);
    other.check_tags(definitions, "");
}

#[test]
fn a_definition_stays_when_the_tag_is_assigned() {
    let mut world = agreed(B);
    world.assign(&["b"]);
    assert!(world.settle().is_quiet());
}

#[test]
fn a_colour_given_on_the_web_goes_into_the_file_and_the_description_stays() {
    let mut world = agreed(A);
    world.db.tags = tags("a A #bb0000");
    undisputed(&world.check_tags("a A #bb0000", "a A #bb0000 about_a"));
}

#[test]
fn an_edit_of_the_file_goes_into_the_database() {
    let mut world = agreed(&format!("{A}\n{B}"));
    world.file.tags = tags("a AA #00AA00 text\nb B #0000bb\nc C");
    undisputed(&world.check_tags("a AA #00AA00\nb B #0000bb\nc C", "a AA #00AA00 text\nb B #0000bb\nc C"));
}

#[test]
fn of_two_colours_the_databases_stands() {
    let mut world = agreed(A);
    world.db.tags = tags("a A #bb0000");
    world.file.tags = tags("a A #cc0000 about_a");
    let merged = world.check_tags("a A #bb0000", "a A #bb0000 about_a");
    assert_eq!(disputes(&merged), ["tag `a` color: \"#bb0000\" over \"#cc0000\""]);
    let resolved = resolve(&world.input(), &[&merged.conflicts[0]]);
    world.apply(&resolved);
    world.look_at_tags("a A #cc0000", "a A #cc0000 about_a");
    assert!(world.merge().is_quiet());
}

#[test]
fn a_stale_copy_of_the_section_is_put_right_again() {
    let mut world = agreed(A);
    let old = world.file.clone();
    world.db.tags = tags("a A #bb0000\nb B");
    world.settle();
    world.file = old;
    undisputed(&world.check_tags("a A #bb0000\nb B", "a A #bb0000 about_a\nb B"));
}

#[test]
fn descriptions_that_skillmeat_erased_come_back() {
    let mut world = agreed(A);
    world.db.tags = tags("a A #bb0000\nb B");
    world.assign(&["b"]);
    world.file.tags = tags("a A #bb0000\nb B");
    undisputed(&world.check_tags("a A #bb0000\nb B", "a A #bb0000 about_a\nb B"));

    world.file.tags = tags("a A #bb0000\nb B");
    world.by_hand = true;
    world.check_tags("a A #bb0000\nb B", "a A #bb0000\nb B");
}

#[test]
fn every_tag_that_skillmeat_writes_into_the_file_may_stay() {
    let mut world = World::new();
    world.db.tags = tags("a A #aa0000\nb B");
    world.assign(&["a", "b"]);
    world.settle();
    world.file.tags = tags("a A #aa0000\nb B");
    assert!(world.settle().is_quiet());
}

#[test]
fn a_definition_taken_out_of_the_file_takes_its_tag_along_if_nothing_has_it() {
    let mut world = agreed(&format!("{A}\n{B}"));
    world.file.tags = Tags::new();
    world.by_hand = true;
    world.assign(&["b"]);
    undisputed(&world.check_tags("b B", ""));
}

#[test]
fn a_definition_taken_out_of_the_file_takes_its_colour_along() {
    let mut world = agreed("a A #aa0000\nmy-c C++ #00aa00 text");
    world.file.tags = Tags::new();
    world.by_hand = true;
    world.assign(&["a", "my-c"]);
    undisputed(&world.check_tags("a A\nmy-c C++", "my-c C++"));
}

#[test]
fn a_definition_taken_out_of_another_directorys_file_is_only_that() {
    let mut world = agreed(A);
    world.is_active = false;
    world.file.tags = Tags::new();
    world.by_hand = true;
    undisputed(&world.check_tags(A, ""));
}

#[test]
fn a_definition_changed_here_and_taken_out_there_stays() {
    let mut world = agreed(A);
    world.db.tags = tags("a A #bb0000");
    world.file.tags = Tags::new();
    world.by_hand = true;
    let merged = world.check_tags("a A #bb0000", "a A #bb0000 about_a");
    assert_eq!(disputes(&merged), ["tag `a` whole: \"A\", #bb0000 over nothing"]);
}

#[test]
fn a_tag_deleted_in_the_database_loses_its_definition() {
    let mut world = agreed(&format!("{A}\n{B}"));
    world.db.tags = Tags::new();
    world.file.tags = tags("a A #cc0000 about_a\nb B");
    let merged = world.check_tags("", "");
    assert_eq!(disputes(&merged), ["tag `a` whole: nothing over \"A\", #cc0000, \"about a\""]);
    let resolved = resolve(&world.input(), &[&merged.conflicts[0]]);
    world.apply(&resolved);
    world.look_at_tags("a A #cc0000", "a A #cc0000 about_a");
}

#[test]
fn without_an_agreement_both_are_united_and_the_file_fills_colours() {
    let mut world = World::new();
    world.db.tags = tags("a A #aa0000\nb B\nd D\ne E #ee0000");
    world.file.tags = tags("a A #bb0000 text\nb B #0000bb\nc C");
    world.assign(&["d"]);
    let merged = world.check_tags(
        "a A #aa0000\nb B #0000bb\nc C\nd D\ne E #ee0000",
        "a A #aa0000 text\nb B #0000bb\nc C\ne E #ee0000",
    );
    assert_eq!(disputes(&merged), ["tag `a` color: \"#aa0000\" over \"#bb0000\""]);
}

#[test]
fn a_new_database_gets_colours_and_loose_tags_back() {
    let mut world = agreed(&format!("{A}\n{B}\nc C #cc0000"));
    world.reset();
    world.db.tags = tags("a A\nc C #dddddd");
    world.file.tags = tags(&format!("{A}\nc C #cc0000"));
    let merged = world.check_tags("a A #aa0000\nb B\nc C #dddddd", &format!("{A}\n{B}\nc C #dddddd"));
    assert_eq!(disputes(&merged), ["tag `c` color: \"#dddddd\" over \"#cc0000\""]);
}

#[test]
fn the_database_of_a_cleared_cache_is_the_same() {
    let mut world = agreed(A);
    world.db.epoch.sentinel = Some("another".into());
    world.db.tags = Tags::new();
    undisputed(&world.check_tags("", ""));
}

#[test]
fn a_slug_changed_on_the_web_is_the_same_tag() {
    let mut world = agreed("ml Machine_Learning #aa0000 text");
    world.db.tags = tags("ml-custom Machine_Learning #aa0000");
    assert_eq!(world.merge().file.renamed_tags, BTreeMap::from([("ml".into(), "ml-custom".into())]));
    undisputed(
        &world.check_tags("ml-custom Machine_Learning #aa0000", "ml-custom Machine_Learning #aa0000 text"),
    );
}

#[test]
fn the_slug_a_file_gives_is_given_to_the_row_that_was_made_from_the_name() {
    let mut world = World::new();
    world.db.tags = tags("machine-learning Machine_Learning");
    world.assign(&["machine-learning"]);
    world.file.tags = tags("ml-custom Machine_Learning #aa0000 text");
    undisputed(
        &world.check_tags("ml-custom Machine_Learning #aa0000", "ml-custom Machine_Learning #aa0000 text"),
    );
    world.file.tags = tags("ml Machine_Learning #aa0000 text");
    undisputed(&world.check_tags("ml Machine_Learning #aa0000", "ml Machine_Learning #aa0000 text"));
}

#[test]
fn what_the_table_does_not_take_stays_in_the_file() {
    let long = "x".repeat(101);
    let mut world = World::new();
    world.db.tags = tags("a A\nz Z #ff0000");
    let definitions = format!("a A red\nb {long} #00ff00\n{long} C\nd Z\ne E\nf E\nz Z #ff0000");
    world.file.tags = tags(&definitions);
    let merged = world.check_tags("a A\ne E\nz Z #ff0000", &definitions);
    let old = world.file.clone();
    let problems: Vec<String> = merged.problems.iter().map(|problem| problem.message.clone()).collect();
    assert_eq!(
        problems,
        [
            "tag `a`: `red` is not a colour of the form #rrggbb",
            "tag `b`: name and slug must have 1 to 100 characters",
            &format!("tag `{long}`: name and slug must have 1 to 100 characters"),
            "tag `d`: another tag is called `Z` already",
            "tag `f`: another tag is called `E` already",
        ]
    );

    // Not even when an old copy of it comes back.
    world.db.tags = tags("a A\ne E #0000ff\nz Z #ff0000");
    world.settle();
    world.file = old;
    world.check_tags("a A\ne E #0000ff\nz Z #ff0000", &definitions.replace("e E", "e E #0000ff"));
}

#[test]
fn a_name_that_is_taken_is_not_given() {
    let mut world = agreed(&format!("{A}\n{B}"));
    world.file.tags = tags("a B #aa0000 text\nb B");
    let merged = world.check_tags(&format!("{A}\n{B}"), "a A #aa0000 text\nb B");
    assert_eq!(merged.problems.len(), 1);
}

#[test]
fn a_section_that_cannot_be_read_whole_deletes_nothing_and_is_not_written() {
    let mut world = agreed(&format!("{A}\n{B}\nc C"));
    world.file.tags_incomplete = true;
    world.file.tags = tags("a A #cc0000 about_a\nd D");
    world.db.tags = tags("a A #aa0000\nc C\ne E");
    let merged = world.settle();
    assert_eq!(merged.file.tags, None);
    assert_eq!(merged.problems.len(), 1);
    world.look_at_tags("a A #cc0000\nc C\nd D\ne E", "a A #cc0000 about_a\nd D");

    world.file.tags_incomplete = false;
    world.file.tags = tags("a A #cc0000 about_a\nb B\nc C\nd D");
    let text = "a A #cc0000\nc C\nd D\ne E";
    undisputed(&world.check_tags(text, "a A #cc0000 about_a\nc C\nd D\ne E"));
}
