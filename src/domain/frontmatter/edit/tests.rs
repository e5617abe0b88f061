use proptest::prelude::*;

use super::*;
use crate::domain::model::Metadata;

fn text(field: TextField, value: &str) -> FieldEdit {
    FieldEdit::Text(field, Some(value.to_owned()))
}

fn tags(tags: &[&str]) -> FieldEdit {
    FieldEdit::List(ListField::Tags, tags.iter().map(|&tag| tag.to_owned()).collect())
}

fn tools(tools: &[&str]) -> FieldEdit {
    FieldEdit::List(ListField::Tools, tools.iter().map(|&tool| tool.to_owned()).collect())
}

fn edited(before: &str, edit_of: FieldEdit) -> String {
    edited_as(Kind::Skill, before, edit_of)
}

fn edited_as(kind: Kind, before: &str, edit_of: FieldEdit) -> String {
    String::from_utf8(edit(kind, before.as_bytes(), &[edit_of]).unwrap()).unwrap()
}

#[test]
fn a_text_is_changed_in_its_place_and_its_own_quotes() {
    use TextField::{Author, Description, License, Version};
    for (line, change, after) in [
        ("author: Ann  # who", text(Author, "Bob"), "author: Bob  # who"),
        ("author: 'Ann' # who", text(Author, "O'Hara"), "author: 'O''Hara' # who"),
        ("author: \"Ann\"", text(Author, "a \"b\" \\ c"), "author: \"a \\\"b\\\" \\\\ c\""),
        ("author:", text(Author, "Bob"), "author: Bob"),
        ("author: ~", text(Author, "Bob"), "author: Bob"),
        ("author: &who Ann", text(Author, "Bob"), "author: Bob"),
        ("author: [Ann, Eve] # both", text(Author, "Bob"), "author: Bob # both"),
        ("author: Ann\n  Lee", text(Author, "Bob"), "author: Bob"),
        ("author: Ann", text(Author, "Bob: it's # he"), "author: \"Bob: it's # he\""),
        ("author: Ann", text(Author, "- x"), "author: \"- x\""),
        ("version: 1.0", text(Version, "1.10"), "version: \"1.10\""), // else it would read 1.1
        ("version: 1.0", text(Version, "1.2.3"), "version: 1.2.3"),
        ("license: MIT", text(License, "no"), "license: \"no\""),
        ("description: a", text(Description, "one\ntwo"), "description: |-\n  one\n  two"),
        ("description: |\n  one\n\n  two", text(Description, "three\n"), "description: |\n  three"),
        ("description: >-\n  one\n  two", text(Description, "three: 3"), "description: >-\n  three: 3"),
        ("description: 'a'", text(Description, " \tx\u{1} "), "description: \" \\tx\\x01 \""),
    ] {
        let before = format!("---\nname: x\n{line}\n# after\nlast: 1\n---\nbody\n---\n");
        let after = format!("---\nname: x\n{after}\n# after\nlast: 1\n---\nbody\n---\n");
        assert_eq!(edited(&before, change), after);
    }
}

#[test]
fn of_a_key_that_stands_twice_the_one_that_counts_is_changed_and_both_are_removed() {
    let before = "---\nauthor: Ann\ntitle: t\nauthor: Eve\n---\n";
    assert_eq!(
        edited(before, text(TextField::Author, "Bob")),
        "---\nauthor: Ann\ntitle: t\nauthor: Bob\n---\n"
    );
    assert_eq!(edited(before, FieldEdit::Text(TextField::Author, None)), "---\ntitle: t\n---\n");
}

#[test]
fn a_new_key_goes_after_the_last_one_and_a_removed_one_leaves_its_neighbours() {
    let before = "---\n# top\nname: x\nlist:\n  - a\n  # deeper\n# the end\n---\nbody";
    let after = "---\n# top\nname: x\nlist:\n  - a\n  # deeper\nlicense: MIT\n# the end\n---\nbody";
    assert_eq!(edited(before, text(TextField::License, "MIT")), after);
    assert_eq!(edited(after, FieldEdit::Text(TextField::License, None)), before);
}

#[test]
fn lists_stay_what_they_are() {
    for (list, change, after) in [
        ("tags: [ a,  b ] # c", tags(&["a", "x", "b"]), "tags: [ a,  x,  b ] # c"),
        ("tags: [a]", tags(&["b", "c, d", "yes"]), "tags: [b, \"c, d\", \"yes\"]"),
        (
            "tags:\n  - a # first\n  - 'b'\n",
            tags(&["b", "new", "a"]),
            "tags:\n  - 'b'\n  - new\n  - a # first\n",
        ),
        ("tags:\n- a\n- b", tags(&["b"]), "tags:\n- b"),
        ("tags: a, b # c", tags(&["a", "c"]), "tags: a, c # c"),
        ("tags: 'a, b'", tags(&["x"]), "tags: 'x'"),
        ("tags: a, b", tags(&["a", "b,c"]), "tags: [a, \"b,c\"]"),
        ("tags:", tags(&["a"]), "tags: [a]"),
        ("tags:\n  - [a]\n  - b", tags(&["b"]), "tags: [b]"),
        ("tags: [1.10, 0x1f]", tags(&["1.10", "1.1"]), "tags: [\"1.10\", 1.10]"),
    ] {
        let before = format!("---\n{list}\nlast: 1\n---\n");
        let after = format!("---\n{after}\nlast: 1\n---\n");
        let same = edited(&before, change.clone());
        // A list whose first spelling reads back otherwise is written anew.
        if list.contains("1.10") {
            let FieldEdit::List(_, wanted) = change else { unreachable!() };
            assert_eq!(extract(Kind::Skill, same.as_bytes()).metadata.tags, wanted);
        } else {
            assert_eq!(same, after);
        }
    }
    assert_eq!(edited("---\nname: x\ntags:\n  - a\n---\n", tags(&[])), "---\nname: x\n---\n");
}

#[test]
fn permission_rules_stay_among_the_tools() {
    let rules = "---\nallowed-tools: Read, Bash(git:*), grep\n---\n";
    assert_eq!(
        edited(rules, tools(&["Read", "Write"])),
        "---\nallowed-tools: Read, Bash(git:*), Write\n---\n"
    );
    assert_eq!(edited(rules, tools(&["Grep", "Read"])), "---\nallowed-tools: grep, Read, Bash(git:*)\n---\n");
    assert_eq!(edited(rules, tools(&[])), "---\nallowed-tools: Bash(git:*)\n---\n");
    let lines = "---\ntools:\n  - Read # always\n  - mcp__x\n---\n";
    assert_eq!(
        edited(lines, tools(&["Read", "Task"])),
        "---\ntools:\n  - Read # always\n  - mcp__x\n  - Task\n---\n"
    );
    let none = "---\nname: x\n---\n";
    assert_eq!(edited(none, tools(&["Read"])), "---\nname: x\nallowed-tools: [Read]\n---\n");
    assert_eq!(edited_as(Kind::Agent, none, tools(&["Read"])), "---\nname: x\ntools: [Read]\n---\n");
}

#[test]
fn a_file_without_frontmatter_gets_one() {
    let change = || text(TextField::License, "MIT");
    for (before, after) in [
        ("", "---\nlicense: MIT\n---\n"),
        ("# Title\nbody\n", "---\nlicense: MIT\n---\n\n# Title\nbody\n"),
        ("\r\nbody\r\n", "---\r\nlicense: MIT\r\n---\r\n\r\nbody\r\n"),
        ("---\n\n---\nbody\n", "---\nlicense: MIT\n---\nbody\n"),
        ("---\n# nothing yet\n---\n", "---\n# nothing yet\nlicense: MIT\n---\n"),
    ] {
        assert_eq!(edited(before, change()), after, "{before:?}");
    }
    assert_eq!(edited("no block\n", tags(&[])), "no block\n");
    // SkillMeat does not see past a mark: it would take the `---` under it for the body's first line.
    let marked = edit(Kind::Skill, "\u{feff}body\n".as_bytes(), &[change()]);
    assert_eq!(marked, Err(FrontmatterError::NotKept("license")));
}

#[test]
fn removing_the_description_uncovers_the_body() {
    let after = edited(
        "---\nname: x\ndescription: d\n---\nfrom the body\n",
        FieldEdit::Text(TextField::Description, None),
    );
    assert_eq!(after, "---\nname: x\n---\nfrom the body\n");
    for body in ["---\nname: x\n---\nfrom the body\n", "from the body\n", "---\n\n---\n---\n"] {
        assert_eq!(edited(body, FieldEdit::Text(TextField::Description, None)), body);
    }
}

#[test]
fn line_ends_stay_as_they_are_even_when_they_are_mixed() {
    let before = "\u{feff}---\r\nname: x\nauthor: Ann\r\ntags:\r\n- a\r\n---\rbody\r\n";
    assert_eq!(
        edited(before, tags(&["a", "b"])),
        "\u{feff}---\r\nname: x\nauthor: Ann\r\ntags:\r\n- a\r\n- b\r\n---\rbody\r\n"
    );
    assert_eq!(edited(before, text(TextField::Author, "Bø")), before.replace("Ann", "Bø"));
}

#[test]
fn what_cannot_be_read_or_kept_is_left_alone() {
    let edit = |before: &str| edit(Kind::Skill, before.as_bytes(), &[text(TextField::Author, "Bob")]);
    let Err(FrontmatterError::Unsound { problem }) = edit("---\ndescription: Use when: x\n---\n") else {
        panic!("it is not YAML")
    };
    assert_eq!(problem.line, Some(2));
    assert!(matches!(edit("---\nauthor: Ann\n"), Err(FrontmatterError::Unsound { .. })));
    assert_eq!(edit("---\n{author: Ann}\n---\n"), Err(FrontmatterError::NotKept("author")));
    assert_eq!(edit("---\n- a\n---\n"), Err(FrontmatterError::NotKept("author")));
    // Somebody else refers to the value that would go.
    assert_eq!(edit("---\nauthor: &a Ann\ntitle: *a\n---\n"), Err(FrontmatterError::NotKept("author")));
    let hook = super::edit(Kind::Hook, b"", &[]);
    assert_eq!(hook, Err(FrontmatterError::NoFrontmatter(Kind::Hook)));
}

#[test]
fn all_edits_are_made_or_none() {
    let before = b"---\nauthor: &a Ann\ntitle: *a\n---\n";
    let edits = [text(TextField::License, "MIT"), text(TextField::Author, "Bob")];
    assert_eq!(edit(Kind::Skill, before, &edits), Err(FrontmatterError::NotKept("author")));
    let both = edit(Kind::Skill, b"", &[text(TextField::License, "MIT"), tags(&["a"])]).unwrap();
    assert_eq!(both, b"---\nlicense: MIT\ntags: [a]\n---\n");
}

/// Lines of a frontmatter that a person may have written. Each stands for itself.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "(title|author|license|version|description): ([a-z]{1,5}|'[a-z: #]{1,6}'|\"[a-z #:]{1,6}\"|[0-9]\\.[0-9]{1,2})( # c)?",
        "(title|author|description): [|>]-?\n  [a-z]{1,4}\n\n?  [a-z: ]{1,4}x",
        "(tags|tools|allowed-tools): \\[( ?(a|b|Read|'c d'|Bash\\(x\\)|1\\.10),){0,3} z\\]",
        "(tags|tools|allowed-tools):(\n( |  )?- (a|b|'c'|Read|mcp__x|bash)( # c)?){1,3}",
        "(tags|tools): [a-z]{1,3}(, (Read|Grep|x y)){0,2}",
        "# [a-z]{0,5}",
        Just(String::new()),
        "[k-m][a-z]{2}: (\\{a: 1\\}|\\[1, 2\\]|\n  deep: [x-z]|[a-z ]{1,5}x)",
    ]
    .prop_map(|line| line.replace("\n - ", "\n  - "))
}

fn file() -> impl Strategy<Value = String> {
    let lines = proptest::collection::vec(line(), 0..7);
    (lines, "(\r)?\n", "(body [a-z]*\n)?(---\n)?")
        .prop_map(|(lines, end, body)| format!("---\n{}\n---\n{body}", lines.join("\n")).replace('\n', &end))
}

fn change() -> impl Strategy<Value = FieldEdit> {
    let field = proptest::sample::select(TextField::ALL.to_vec());
    let value = prop_oneof![
        Just(None),
        "[a-zA-Z0-9 ':#\"\\\\\\-\\[\\]{},&*!|>%@`?.~\u{e9}\u{85}\t\n]{0,12}".prop_map(Some),
        proptest::sample::select(vec!["no", "1.10", "0x1f", "2024-01-01", "null", "~", "---", "1:30"])
            .prop_map(|word| Some(word.to_owned())),
    ];
    let tag = "[a-z0-9.,:#' -]{0,5}[a-z0-9]";
    let tool = proptest::sample::select(vec!["Read", "Grep", "Bash", "Task"]);
    prop_oneof![
        (field, value).prop_map(|(field, value)| FieldEdit::Text(field, value)),
        proptest::collection::vec(tag.prop_map(|t| t.trim().to_owned()), 0..4)
            .prop_map(|tags| FieldEdit::List(ListField::Tags, tags)),
        proptest::collection::hash_set(tool, 0..3).prop_map(|tools| FieldEdit::List(
            ListField::Tools,
            tools.into_iter().map(str::to_owned).collect()
        )),
    ]
}

fn unedited(metadata: &Metadata, change: &FieldEdit) -> Metadata {
    let mut metadata = metadata.clone();
    match change {
        FieldEdit::Text(field, _) => FieldEdit::Text(*field, None).apply(&mut metadata),
        FieldEdit::List(field, _) => FieldEdit::List(*field, Vec::new()).apply(&mut metadata),
    }
    metadata
}

proptest! {
    #[test]
    fn no_edit_no_change(file in file()) {
        if let Ok(same) = edit(Kind::Skill, file.as_bytes(), &[]) {
            prop_assert_eq!(same, file.as_bytes());
        }
    }

    /// What is written is what is read; nothing else is read differently; the body and the other keys keep their bytes.
    #[test]
    fn an_edit_is_read_back_and_touches_nothing_else(file in file(), change in change()) {
        let before = extract(Kind::Skill, file.as_bytes());
        prop_assume!(before.sound);
        let Ok(after) = edit(Kind::Skill, file.as_bytes(), std::slice::from_ref(&change)) else { return Ok(()) };
        let after = String::from_utf8(after).unwrap();
        let read = extract(Kind::Skill, after.as_bytes());
        prop_assert!(read.sound);
        prop_assert_eq!(unedited(&read.metadata, &change), unedited(&before.metadata, &change));
        match &change {
            FieldEdit::Text(TextField::Description, value) if value.as_deref().unwrap_or("").is_empty() => {}
            FieldEdit::Text(field, value) => prop_assert_eq!(field.of(&read.metadata), value),
            FieldEdit::List(field, value) => prop_assert_eq!(field.of(&read.metadata), value),
        }
        // Every comment that stands alone, every foreign key and the body are still there.
        for line in file.split_inclusive('\n').filter(|line| line.starts_with(['#', 'k', 'l', 'm', 'b']) && !line.starts_with("license")) {
            prop_assert!(after.contains(line), "{line:?} is gone from {after:?}");
        }
        // The edit is made once: again it changes nothing.
        prop_assert_eq!(edit(Kind::Skill, after.as_bytes(), std::slice::from_ref(&change)).unwrap(), after.as_bytes());
    }

    /// Edits of single fields hardly ever fail on what people write.
    #[test]
    fn common_frontmatter_can_be_edited(value in "[a-zA-Z0-9 ,.:'\"#-]{1,30}", body in "[a-z\n#-]{0,20}") {
        let file = format!("---\nname: x\ndescription: d\ntags: [a]\n---\n{body}");
        prop_assume!(extract(Kind::Skill, file.as_bytes()).sound);
        for field in TextField::ALL {
            let edits = [text(field, &value)];
            prop_assert!(edit(Kind::Skill, file.as_bytes(), &edits).is_ok());
        }
    }

    #[test]
    fn any_bytes_are_taken_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), change in change()) {
        let _ = edit(Kind::Skill, &bytes, std::slice::from_ref(&change));
        let framed = [b"---\n", bytes.as_slice(), b"\n---\n"].concat();
        let _ = edit(Kind::Skill, &framed, &[change]);
    }
}
