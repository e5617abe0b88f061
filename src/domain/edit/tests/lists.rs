//! `groups` and `tag_definitions`, case by case.

use super::*;
use crate::domain::manifest;
use crate::domain::owned::{GroupValue, Groups, SectionEdits, TagValue, Tags};

fn group(position: i64, members: &[&str]) -> GroupValue {
    GroupValue {
        color: "slate".into(),
        icon: "layers".into(),
        position,
        members: members.iter().map(|&m| m.to_owned()).collect(),
        ..GroupValue::default()
    }
}

fn groups(list: &[(&str, GroupValue)]) -> SectionEdits {
    let groups = Groups {
        by_name: list.iter().map(|(name, group)| ((*name).to_owned(), group.clone())).collect(),
        order: list.iter().map(|(name, _)| (*name).to_owned()).collect(),
    };
    SectionEdits { groups: Some(groups), ..SectionEdits::default() }
}

fn tags(list: &[(&str, &str, &str)]) -> SectionEdits {
    let value = |name: &str, color: &str| TagValue {
        name: name.to_owned(),
        color: color.to_owned(),
        description: None,
    };
    let tags: Tags =
        list.iter().map(|(slug, name, color)| ((*slug).to_owned(), value(name, color))).collect();
    SectionEdits { tags: Some(tags), ..SectionEdits::default() }
}

const HEAD: &str = "[collection]\nname = \"c\"\nupdated = \"2025-01-01T00:00:00\"\n";
const STAMPED: &str = "[collection]\nname = \"c\"\nupdated = \"2026-01-01T00:00:00.123456\"\n";

/// The edit turns `before` into `after` (both with the stamp where the head is), and does nothing when made again.
#[track_caller]
fn check(before: &str, edits: &SectionEdits, after: &str) {
    let once = edit_sections(before, edits, now()).unwrap();
    assert_eq!(once, after.replace(HEAD, STAMPED), "\n{once}");
    assert_eq!(edit_sections(&once, edits, NaiveDateTime::default()).unwrap(), once, "made a second time");
    once.parse::<toml::Table>().unwrap();
}

fn a(members: &str) -> String {
    table("A", "slate", 0, members)
}

/// A table as SkillMeat writes it.
fn table(name: &str, color: &str, position: i64, members: &str) -> String {
    format!(
        "[[groups]]\nname = \"{name}\"\ndescription = \"\"\ncolor = \"{color}\"\nicon = \"layers\"\n\
         position = {position}\nmembers = {members}\n"
    )
}

#[test]
fn a_first_group_goes_where_skillmeat_writes_it() {
    let artifact = "\n[[artifacts]]\nname = \"pdf\"\ntype = \"skill\"\n";
    let wanted = groups(&[("A", group(0, &["skill:pdf", "skill:x"]))]);
    let new = a("[\n    \"skill:pdf\",\n    \"skill:x\",\n]");
    check(&format!("{HEAD}{artifact}"), &wanted, &format!("{HEAD}{artifact}\n{new}"));
    // Behind what SkillMeat writes before it, before what it does not know, and with the comment that belongs there.
    check(
        &format!("{HEAD}{artifact}# end\n\n# mine\n[my_tool]\nx = 1\n"),
        &wanted,
        &format!("{HEAD}{artifact}# end\n\n{new}\n# mine\n[my_tool]\nx = 1\n"),
    );
    check(HEAD.trim_end(), &wanted, &format!("{HEAD}\n{new}"));
    let crlf = |text: String| text.replace('\n', "\r\n");
    let once = edit_sections(&crlf(format!("{HEAD}{artifact}")), &wanted, now()).unwrap();
    assert_eq!(once, crlf(format!("{STAMPED}{artifact}\n{new}")));
}

#[test]
fn a_first_short_list_is_an_array_at_the_top() {
    check(
        &format!("# mine\n{HEAD}"),
        &tags(&[("b", "B", ""), ("a", "a", "#aabbcc")]),
        &format!(
            "tag_definitions = [\n    {{ name = \"B\", slug = \"b\", color = \"\", description = \"\" }},\n    \
             {{ name = \"a\", slug = \"a\", color = \"#aabbcc\", description = \"\" }},\n]\n\n# mine\n{HEAD}"
        ),
    );
    check(
        &format!("artifacts = []\ngroups = [\n    {{ name = \"A\" }},\n]\n\n{HEAD}"),
        &tags(&[("b", "B", "")]),
        &format!(
            "artifacts = []\ntag_definitions = [\n    {{ name = \"B\", slug = \"b\", color = \"\", description = \"\" }},\n]\n\
             groups = [\n    {{ name = \"A\" }},\n]\n\n{HEAD}"
        ),
    );
    // Ten characters more than an array may have in a line.
    let long = "n".repeat(50);
    check(
        HEAD,
        &tags(&[("b", &long, "")]),
        &format!(
            "{HEAD}\n[[tag_definitions]]\nname = \"{long}\"\nslug = \"b\"\ncolor = \"\"\ndescription = \"\"\n"
        ),
    );
    check(
        &format!("{HEAD}\n{}", a("[]")),
        &tags(&[("b", &long, "")]),
        &format!(
            "{HEAD}\n[[tag_definitions]]\nname = \"{long}\"\nslug = \"b\"\ncolor = \"\"\ndescription = \"\"\n\n{}",
            a("[]")
        ),
    );
}

#[test]
fn what_does_not_change_keeps_its_bytes() {
    let before = format!(
        "{HEAD}\n# about A\n[[groups]] # A\nposition = 0 # first\nname = 'A'\nx-mine = {{ y = 1 }}\nmembers = ['skill:a',\n  \
         'group:1f', 'skill:b'] # all\n\n[groups.more]\nz = 1\n\n# about B\n[[groups]]\nname = \"B\"\ncolor = \"rose\" # red\n\
         position = 1\n\n[my_tool]\nx = 1\n"
    );
    let mut b = group(1, &[]);
    b.color = "blue".into();
    check(
        &before,
        &groups(&[("A", group(0, &["skill:a", "skill:b"])), ("B", b)]),
        &before.replace("\"rose\"", "\"blue\""),
    );
}

#[test]
fn nothing_to_do_is_no_change() {
    let spelled = format!(
        "groups = [ {{ name = 'A', members = [ 'skill:a', 'skill:a', 'group:x' ] }} ] # mine\n{HEAD}"
    );
    for wanted in [groups(&[("A", group(0, &["skill:a"]))]), SectionEdits::default()] {
        assert_eq!(edit_sections(&spelled, &wanted, now()).unwrap(), spelled);
    }
    let empty = format!("groups = []\ntag_definitions = [ # none\n]\n{HEAD}");
    assert_eq!(edit_sections(&empty, &groups(&[]), now()).unwrap(), empty);
    assert_eq!(edit_sections(&empty, &tags(&[]), now()).unwrap(), empty);
}

#[test]
fn members_change_in_place() {
    let before = format!(
        "{HEAD}\n{}",
        a("[\n    'skill:a', # one\n    \"group:1f\", # nested\n    # two\n    \"skill:b\",\n]")
    );
    let after = format!(
        "{HEAD}\n{}",
        a(
            "[\n    \"skill:new\",\n    # two\n    \"skill:b\",\n    'skill:a', # one\n    \"group:1f\", # nested\n]"
        )
    );
    check(&before, &groups(&[("A", group(0, &["skill:new", "skill:b", "skill:a"]))]), &after);
    // The last member goes; the group within stays.
    let after = format!("{HEAD}\n{}", a("[\n    # one\n    \"group:1f\", # nested\n    # two\n]"));
    check(&before, &groups(&[("A", group(0, &[]))]), &after);
}

#[test]
fn a_group_goes_with_its_own_comments() {
    let (one, three) =
        ("# about A\n[[groups]]\nname = \"A\"\n# end of A\n\n", "\n# about C\n[[groups]]\nname = \"C\"\n");
    let two = "\n# about B\n# more\n[[groups]]\n# in B\nname = \"B\" # b\nmembers = [\n] # m\n\n[groups.x]\ny = 1\n";
    let c = groups(&[("A", group(0, &[])), ("C", group(0, &[]))]);
    check(
        &format!("{HEAD}\n{one}# between\n{two}# below\n{three}"),
        &c,
        &format!("{HEAD}\n{one}# between\n\n# below\n{three}"),
    );
    let all = format!("{HEAD}\n# own\n[[groups]]\nname = \"A\"\n\n[[groups]]\nname = \"B\"\n");
    check(&all, &groups(&[]), HEAD);
    check(&format!("{all}\n[my_tool]\n"), &groups(&[]), &format!("{HEAD}\n[my_tool]\n"));
    check(&format!("[[groups]]\nname = \"A\"\n\n{HEAD}"), &groups(&[]), HEAD);
}

#[test]
fn an_emptied_array_loses_its_key() {
    let list = "groups = [\n  # about A\n  { name = \"A\" }, # a\n]\n";
    check(&format!("{list}\n{HEAD}"), &groups(&[]), HEAD);
    check(&format!("# top\n{list}\n{HEAD}"), &groups(&[]), &format!("# top\n\n{HEAD}"));
    check(
        &format!("x = 1\ngroups = [ # mine\n  {{ name = \"A\" }},\n\n  # end\n] # all\ny = 2\n{HEAD}"),
        &groups(&[]),
        &format!("x = 1\n# mine\n# end\n# all\ny = 2\n{HEAD}"),
    );
    check(&format!("groups = [{{name=\"A\"}},{{name=\"B\"}}]\n{HEAD}"), &groups(&[]), HEAD);
    // And a list that was empty already gets tables of its own when it cannot be short.
    check(
        &format!("groups = []\n\n{HEAD}"),
        &groups(&[("A", group(0, &["skill:a"]))]),
        &format!("{HEAD}\n{}", a("[\n    \"skill:a\",\n]")),
    );
}

#[test]
fn an_array_keeps_its_form() {
    let before = "groups = [\n  # about A\n  { name = 'A', x = { y = [1, 2] }, members = ['skill:a'] }, # a\n  # about B\n  \
                  { name = 'B', position = 1 } # b\n]\n";
    check(
        &format!("{before}{HEAD}"),
        &groups(&[
            ("A", group(0, &["skill:a", "skill:b"])),
            ("N", group(0, &["skill:n"])),
            ("B", group(1, &["skill:b"])),
            ("Z", group(1, &[])),
        ]),
        &format!(
            "groups = [\n  # about A\n  {{ name = 'A', x = {{ y = [1, 2] }}, members = ['skill:a', \"skill:b\"] }}, # a\n  \
             {{ name = \"N\", description = \"\", color = \"slate\", icon = \"layers\", position = 0, members = [\"skill:n\"] }},\n  \
             # about B\n  {{ name = 'B', position = 1, members = [\"skill:b\"] }}, # b\n  \
             {{ name = \"Z\", description = \"\", color = \"slate\", icon = \"layers\", position = 1, members = [] }},\n]\n{HEAD}"
        ),
    );
    check(
        &format!("{before}{HEAD}"),
        &groups(&[("A", group(0, &["skill:a"]))]),
        &format!(
            "groups = [\n  # about A\n  {{ name = 'A', x = {{ y = [1, 2] }}, members = ['skill:a'] }}, # a\n]\n{HEAD}"
        ),
    );
    let short = |list: &str| format!("tag_definitions = {list} # t\n{HEAD}");
    let (a, b, c) = (
        "{ name = \"a\", slug = \"a\" }",
        "{ name = \"b\", slug = \"b\" }",
        "{ name = \"c\", slug = \"c\", color = \"\", description = \"\" }",
    );
    check(
        &short(&format!("[ {a}, {b} ]")),
        &tags(&[("a", "a", ""), ("c", "c", "")]),
        &short(&format!("[ {a}, {c} ]")),
    );
    check(
        &short(&format!("[{a}, {b},]")),
        &tags(&[("b", "b", ""), ("c", "c", "")]),
        &short(&format!("[{b}, {c},]")),
    );
    check(&short(&format!("[{a},{b}]")), &tags(&[("c", "c", "")]), &short(&format!("[{c}]")));
}

#[test]
fn groups_stand_in_the_order_they_are_shown_in() {
    let three = |one: &str, two: &str, three: &str| format!("{HEAD}\n{one}\n{two}\n{three}");
    let (a, b, c) =
        (table("A", "slate", 0, "[]"), table("B", "slate", 0, "[]"), table("C", "slate", 0, "[]"));
    // A new one of the same position goes last, whatever its name.
    check(
        &format!("{HEAD}\n{b}\n{c}"),
        &groups(&[("B", group(0, &[])), ("C", group(0, &[])), ("A", group(0, &[]))]),
        &three(&b, &c, &a),
    );
    check(
        &format!("{HEAD}\n{b}\n{c}"),
        &groups(&[("A", group(0, &[])), ("B", group(0, &[])), ("C", group(0, &[]))]),
        &three(&a, &b, &c),
    );
    // One that is moved takes its place with its comments.
    let moved = |position: i64| format!("# about B\n{}", table("B", "slate", position, "[]"));
    check(
        &three(&a, &moved(0), &c),
        &groups(&[("A", group(0, &[])), ("C", group(0, &[])), ("B", group(5, &[]))]),
        &three(&a, &c, &moved(5)),
    );
    // A hand-made order that says the same is left alone.
    let by_hand = three(&table("A", "slate", 2, "[]"), &table("B", "slate", 1, "[]"), &c);
    check(
        &by_hand,
        &groups(&[("C", group(0, &[])), ("B", group(1, &[])), ("A", group(2, &["skill:x"]))]),
        &by_hand.replacen("members = []", "members = [\n    \"skill:x\",\n]", 1),
    );
    // Ties that are shown otherwise cannot be.
    check(
        &three(&a, &b, &c),
        &groups(&[("C", group(0, &[])), ("B", group(0, &[])), ("A", group(0, &[]))]),
        &three(&c, &b, &a),
    );
    check(
        &format!("groups = [\n  {{ name = 'A' }}, # a\n  # on B\n  {{ name = 'B' }} # b\n]\n{HEAD}"),
        &groups(&[("B", group(0, &[])), ("A", group(0, &[]))]),
        &format!("groups = [\n  # on B\n  {{ name = 'B' }}, # b\n  {{ name = 'A' }}, # a\n]\n{HEAD}"),
    );
    check(
        &format!("groups = [{{ name = 'A' }}, {{ name = 'B' }}]\n{HEAD}"),
        &groups(&[("B", group(0, &[])), ("A", group(0, &[]))]),
        &format!("groups = [{{ name = 'B' }}, {{ name = 'A' }}]\n{HEAD}"),
    );
}

#[test]
fn a_renamed_entry_stays_where_and_what_it_is() {
    let renamed = |mut edits: SectionEdits, old: &str, new: &str| {
        let names = BTreeMap::from([(old.to_owned(), new.to_owned())]);
        if edits.groups.is_some() {
            edits.renamed_groups = names;
        } else {
            edits.renamed_tags = names;
        }
        edits
    };
    let before = format!(
        "{HEAD}\n# on A\n[[groups]] # a\nname = 'A' # named\nx-mine = 1\nmembers = ['skill:a'] # m\n\n[groups.x]\ny = 1\n\n{}",
        table("B", "slate", 1, "[]")
    );
    let wanted = groups(&[("Z", group(0, &["skill:a", "skill:b"])), ("B", group(1, &[]))]);
    let after = before.replace("'A'", "\"Z\"").replace("['skill:a']", "['skill:a', \"skill:b\"]");
    check(&before, &renamed(wanted, "A", "Z"), &after);
    // Its old name may be another's by now, and then that is a new entry.
    let wanted = groups(&[("Z", group(0, &["skill:a"])), ("B", group(1, &[])), ("A", group(2, &[]))]);
    let after = format!("{}\n{}", before.replace("'A'", "\"Z\""), table("A", "slate", 2, "[]"));
    check(&before, &renamed(wanted, "A", "Z"), &after);
    // A name that another entry has stays that one's.
    let wanted = groups(&[("B", group(1, &["skill:a"]))]);
    let after = format!("{HEAD}\n{}", table("B", "slate", 1, "[\n    \"skill:a\",\n]"));
    check(&before, &renamed(wanted, "A", "B"), &after);

    check(
        &format!("groups = [\n  # on A\n  {{ name = 'A', x = 1 }}, # a\n]\n{HEAD}"),
        &renamed(groups(&[("Z", group(0, &[]))]), "A", "Z"),
        &format!("groups = [\n  # on A\n  {{ name = \"Z\", x = 1 }}, # a\n]\n{HEAD}"),
    );
    let before = format!(
        "{HEAD}\n# on ml\n[[tag_definitions]]\nname = \"ML\"\nslug = \"ml\" # s\ncolor = \"\"\ndescription = \"by hand\"\n"
    );
    check(
        &before,
        &renamed(tags(&[("m-l", "ML", "#112233")]), "ml", "m-l"),
        &before.replace("\"ml\"", "\"m-l\"").replace("color = \"\"", "color = \"#112233\""),
    );
}

#[test]
fn what_cannot_be_read_stays() {
    let before = format!(
        "{HEAD}\n[[groups]]\nname = \"bad\"\nposition = \"x\"\n\n[[groups]]\ncolor = \"rose\"\n\n{}\n# again\n{}",
        a("[]"),
        table("A", "rose", 3, "[]")
    );
    check(
        &before,
        &groups(&[("A", group(0, &["skill:a"])), ("bad", group(0, &["skill:b"]))]),
        &before.replacen("members = []", "members = [\n    \"skill:a\",\n]", 1),
    );
    let left =
        format!("{HEAD}\n[[groups]]\nname = \"bad\"\nposition = \"x\"\n\n[[groups]]\ncolor = \"rose\"\n");
    check(&before, &groups(&[]), &left);
}

#[test]
fn tag_definitions_keep_what_the_database_cannot_hold() {
    let before = format!(
        "{HEAD}\n[[tag_definitions]]\nname = \"Web\"\nslug = \"web\"\ncolor = \"\"\ndescription = \"by hand\"\n"
    );
    check(
        &before,
        &tags(&[("web", "Web!", "#112233"), ("x", "X", "")]),
        &format!(
            "{}\n[[tag_definitions]]\nname = \"X\"\nslug = \"x\"\ncolor = \"\"\ndescription = \"\"\n",
            before.replace("Web", "Web!").replace("color = \"\"", "color = \"#112233\"")
        ),
    );
    let mut described = tags(&[("web", "Web", "")]);
    for tag in described.tags.iter_mut().flat_map(Tags::values_mut) {
        tag.description = Some("told".into());
    }
    check(&before, &described, &before.replace("by hand", "told"));
}

#[test]
fn tags_of_artifacts_change_with_the_lists() {
    let before = format!("{HEAD}\n{ENTRY}");
    let mut wanted = groups(&[("A", group(0, &["skill:pdf"]))]);
    wanted.artifact_tags.insert(id("skill:pdf"), vec!["t".into()]);
    wanted.artifact_tags.insert(id("skill:gone"), vec!["t".into()]);
    check(&before, &wanted, &format!("{before}tags = [\n    \"t\",\n]\n\n{}", a("[\n    \"skill:pdf\",\n]")));
}

#[test]
fn what_is_no_list_is_told() {
    let wanted = groups(&[("A", group(0, &["skill:a"]))]);
    for odd in ["groups = 1\n", "[groups]\n", "groups.x = 1\n", "[groups.x]\n", "groups = []\n[[groups]]\n"] {
        let text = format!("{odd}{HEAD}");
        let refused = edit_sections(&text, &wanted, now());
        assert_eq!(refused, Err(EditError::Shape { path: "groups".into() }), "{odd}");
    }
    assert!(matches!(edit_sections("groups = [\n", &wanted, now()), Err(EditError::Syntax { .. })));
}

/// Sub-tables may stand behind other tables.
#[test]
fn a_table_in_pieces_goes_whole_and_is_not_split() {
    let before = format!(
        "{HEAD}\n[[groups]]\nname = \"A\"\n\n[other]\nx = 1\n\n# on A\n[groups.more]\ny = 1\n\n[last]\nz = 1\n"
    );
    check(&before, &groups(&[]), &format!("{HEAD}\n[other]\nx = 1\n\n\n[last]\nz = 1\n"));
    check(
        &before,
        &groups(&[("A", group(0, &[])), ("B", group(0, &[]))]),
        &before.replace("\n[last]", &format!("\n{}\n[last]", table("B", "slate", 0, "[]"))),
    );
}

#[test]
fn what_is_written_reads_back() {
    let odd = "q\" b\\ n\n t\t n\u{0} ü\u{85}😀 [[groups]]";
    let mut value = group(i64::MAX, &["skill:a\"b"]);
    value.description = odd.into();
    let text = edit_sections(HEAD, &groups(&[(odd, value.clone())]), now()).unwrap();
    let read = manifest::parse(text.as_bytes(), None).unwrap().manifest;
    assert_eq!((read.groups[0].name.as_str(), read.groups[0].description.as_str()), (odd, odd));
    assert_eq!((read.groups[0].position, &read.groups[0].members), (i64::MAX, &value.members));
}
