use proptest::prelude::*;

use super::*;

fn text(field: TextField, value: &str) -> FieldEdit {
    FieldEdit::Text(field, Some(value.to_owned()))
}

fn list(field: ListField, items: &[&str]) -> FieldEdit {
    FieldEdit::List(field, items.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn check(before: &str, edits: &[FieldEdit], after: &str) {
    match splice(Kind::Skill, before, edits) {
        Ok(new) => assert_eq!(new, after),
        Err(error) => panic!("{error}\n{before}"),
    }
    // What is so already is left alone.
    assert_eq!(splice(Kind::Skill, after, edits).as_deref(), Ok(after));
}

#[test]
fn a_text_keeps_its_style_and_everything_around_it() {
    let description = |value| [text(TextField::Description, value)];
    check(
        "---\nname: a\ndescription: old # why\n---\nBody\n",
        &description("new"),
        "---\nname: a\ndescription: new # why\n---\nBody\n",
    );
    check(
        "---\ndescription: 'old'\nx: 1\n---\n",
        &description("it's"),
        "---\ndescription: 'it''s'\nx: 1\n---\n",
    );
    check(
        "---\ndescription: \"old\"\n---\n",
        &description("a \"b\" \\"),
        "---\ndescription: \"a \\\"b\\\" \\\\\"\n---\n",
    );
    check("---\ndescription: old\n---\n", &description("a: b"), "---\ndescription: \"a: b\"\n---\n");
    check("---\nversion: 1.0\n---\n", &[text(TextField::Version, "2.0")], "---\nversion: \"2.0\"\n---\n");
    check("---\nversion: '1.0'\n---\n", &[text(TextField::Version, "2.0")], "---\nversion: '2.0'\n---\n");
    check("---\ndescription:\n---\nB\n", &description("new"), "---\ndescription: new\n---\nB\n");
    check(
        "---\ndescription: # later\nx: 1\n---\nB\n",
        &description("new"),
        "---\ndescription: new # later\nx: 1\n---\nB\n",
    );
    check(
        "---\ndescription: one\n  two\n# note\nx: 1\n---\n",
        &description("new"),
        "---\ndescription: new\n# note\nx: 1\n---\n",
    );
    check(
        "---\ndescription: |\n  one\n\n  two\n\n# note\nx: 1\n---\n",
        &description("new"),
        "---\ndescription: new\n\n# note\nx: 1\n---\n",
    );
    check(
        "---\ndescription: >-\n  one\n  two\n---\n",
        &description("a\nb"),
        "---\ndescription: |-\n  a\n  b\n---\n",
    );
    check(
        "---\ndescription:\n  old\nx: 1\n---\n",
        &description("a\nb"),
        "---\ndescription:\n  \"a\\nb\"\nx: 1\n---\n",
    );
    check(
        "---\n  description: old\n  x: 1\n---\n",
        &description("a\n\nb\n"),
        "---\n  description: |\n    a\n\n    b\n  x: 1\n---\n",
    );
    check("---\n\"description\" : old\n---\n", &description("yes"), "---\n\"description\" : \"yes\"\n---\n");
    check(
        "---\ndescription: a\ndescription: b\n---\n",
        &description("c"),
        "---\ndescription: a\ndescription: c\n---\n",
    );
}

#[test]
fn line_endings_and_a_byte_order_mark_stay() {
    check(
        "\u{feff}---\r\nname: a\r\ndescription: old\r\nx: |\r\n  y\r\n---\r\nBody\r\n",
        &[text(TextField::Description, "new"), text(TextField::Author, "Ann")],
        "\u{feff}---\r\nname: a\r\ndescription: new\r\nx: |\r\n  y\r\nauthor: Ann\r\n---\r\nBody\r\n",
    );
    check(
        "---\r\nname: ü\ndescription: old\r\n---\n",
        &[text(TextField::Description, "new")],
        "---\r\nname: ü\ndescription: new\r\n---\n",
    );
}

#[test]
fn a_key_that_is_not_there_comes_last_and_a_file_without_frontmatter_gets_one() {
    let edits = [text(TextField::Author, "Ann"), list(ListField::Tags, &["a", "b c"])];
    check("---\nname: a # x\n---\n", &edits, "---\nname: a # x\nauthor: Ann\ntags: [a, b c]\n---\n");
    check("---\nname: a\n# end\n---\n", &edits, "---\nname: a\n# end\nauthor: Ann\ntags: [a, b c]\n---\n");
    check("---\n\n---\nB\n", &edits, "---\nauthor: Ann\ntags: [a, b c]\n---\nB\n");
    check("---\n# only this\n---\nB\n", &edits, "---\n# only this\nauthor: Ann\ntags: [a, b c]\n---\nB\n");
    check("# Title\n\nText\n", &edits, "---\nauthor: Ann\ntags: [a, b c]\n---\n# Title\n\nText\n");
    check("\u{feff}Text\r\n", &edits[..1], "\u{feff}---\r\nauthor: Ann\r\n---\r\nText\r\n");
    check("", &edits[..1], "---\nauthor: Ann\n---\n");
}

#[test]
fn a_removed_key_takes_its_lines_along() {
    let none = |field| FieldEdit::Text(field, None);
    check("---\nauthor: Ann\nx: 1\n---\n", &[none(TextField::Author)], "---\nx: 1\n---\n");
    check("---\nx: 1\nauthor: |\n  Ann\n  Bob\n---\n", &[none(TextField::Author)], "---\nx: 1\n---\n");
    check(
        "---\nx: 1\nauthor: A\nlicense: L\n---\n",
        &[none(TextField::Author), none(TextField::License)],
        "---\nx: 1\n---\n",
    );
    check("---\nauthor: A\n---\n", &[none(TextField::Author)], "---\n\n---\n");
    check(
        "---\nx: 1\nauthor: A\n---\n",
        &[none(TextField::Author), text(TextField::License, "L")],
        "---\nx: 1\nlicense: L\n---\n",
    );
    check(
        "---\ndescription: d\nx: 1\n---\n# T\nFrom the body\n",
        &[none(TextField::Description)],
        "---\nx: 1\n---\n# T\nFrom the body\n",
    );
    check("---\ntags:\n  - a\n  - b\nx: 1\n---\n", &[list(ListField::Tags, &[])], "---\nx: 1\n---\n");
    check("---\ntools: Read\nallowed-tools: [Bash]\n---\n", &[list(ListField::Tools, &[])], "---\n\n---\n");
}

#[test]
fn lists_keep_their_form_and_what_stays_in_them() {
    let tags = |items: &[&str]| [list(ListField::Tags, items)];
    check(
        "---\ntags: [ 'a', \"b\", c ] # x\n---\n",
        &tags(&["b", "a", "d,e"]),
        "---\ntags: [ \"b\", 'a', \"d,e\" ] # x\n---\n",
    );
    check("---\ntags: []\n---\n", &tags(&["a"]), "---\ntags: [a]\n---\n");
    check("---\ntags: a, b\n---\n", &tags(&["b", "c"]), "---\ntags: b, c\n---\n");
    check("---\ntags: 'a, b'\n---\n", &tags(&["x,y"]), "---\ntags: [\"x,y\"]\n---\n");
    check(
        "---\ntags:\n  # first\n  - a # one\n  - 'b'\n\n  # third\n  - c\nx: 1\n---\n",
        &tags(&["c", "a", "new"]),
        "---\ntags:\n  # first\n\n  # third\n  - c\n  - a # one\n  - new\nx: 1\n---\n",
    );
    check("---\ntags:\n- a\n- b\n---\n", &tags(&["b"]), "---\ntags:\n- b\n---\n");
    check("---\ntags:\n---\n", &tags(&["on"]), "---\ntags: [\"on\"]\n---\n");
    let tools = |items: &[&str]| [list(ListField::Tools, items)];
    check(
        "---\nallowed-tools: Read, Bash(git:*), grep\n---\n",
        &tools(&["Grep", "Write"]),
        "---\nallowed-tools: Bash(git:*), grep, Write\n---\n",
    );
    check(
        "---\ntools:\n  - mcp__x\n  - Read\n---\n",
        &tools(&["Read", "Bash"]),
        "---\ntools:\n  - mcp__x\n  - Read\n  - Bash\n---\n",
    );
}

#[test]
fn what_cannot_be_edited_safely_is_refused_with_the_reason() {
    let edits = [text(TextField::Author, "Ann"), list(ListField::Tags, &["a"])];
    for (before, why) in [
        ("---\nx: [\n---\n", "mended first"),
        ("---\nx: 1\n", "mended first"),
        ("---\n{author: Bob}\n---\n", "one key a line"),
        ("---\nauthor: &a Bob\nx: *a\n---\n", "`author` cannot"),
        ("---\nauthor: {a: b}\n---\n", "`author` cannot"),
        ("---\nauthor: Bob\ntags: [a, # why\n  b]\n---\n", "`tags` cannot"),
        ("---\n- a\n---\n", "one key a line"),
    ] {
        let error = splice(Kind::Skill, before, &edits).unwrap_err();
        assert!(error.to_string().contains(why), "{before}{error}");
    }
    assert_eq!(splice(Kind::Hook, "{}", &edits), Err(SpliceError::NoFrontmatter(Kind::Hook)));
    // A value that comes by a merge cannot be taken away here.
    let merged = "---\nbase: &b {author: Bob}\n<<: *b\n---\n";
    let removal = [FieldEdit::Text(TextField::Author, None)];
    assert_eq!(splice(Kind::Skill, merged, &removal), Err(SpliceError::NotKept("author")));
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 :#'\"\\\\,\\[\\]{}&*!|>%@`~?=<.\n\t-]{1,24}",
        "\\PC{1,12}",
        prop_oneof![
            Just("yes"),
            Just("null"),
            Just("1.0"),
            Just("2026-01-01"),
            Just("~"),
            Just("---"),
            Just("- a"),
            Just("a\n---\nb"),
            Just("é\u{2028}x"),
            Just("😀")
        ]
        .prop_map(str::to_owned),
    ]
    .prop_filter("an empty text is no value", |text| !text.is_empty())
}

fn items() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(value().prop_map(|text| text.trim().to_owned()), 0..4).prop_map(|mut items| {
        let mut seen = std::collections::BTreeSet::new();
        items.retain(|item| !item.is_empty() && seen.insert(item.clone()));
        items
    })
}

fn edit() -> impl Strategy<Value = FieldEdit> {
    prop_oneof![
        (0..5usize, proptest::option::weighted(0.8, value()))
            .prop_map(|(n, v)| FieldEdit::Text(TextField::ALL[n], v)),
        items().prop_map(|items| FieldEdit::List(ListField::Tags, items)),
        proptest::sample::subsequence(vec!["Read", "Write", "Bash", "Grep"], 0..4)
            .prop_map(|tools| FieldEdit::List(ListField::Tools, tools.into_iter().map(Into::into).collect())),
    ]
}

/// A frontmatter of lines that are sound in any order, keys once each.
fn before() -> impl Strategy<Value = String> {
    let lines = vec![
        "name: a # n",
        "title: 'T''s'",
        "description: |\n  one\n\n  two",
        "author: \"A\\tB\"",
        "license: MIT",
        "version: 1.0",
        "tags: [a, 'b c']",
        "tools: Read, mcp__x",
        "x:\n  y: [1, {z: 2}]\n  # inner",
        "# comment",
        "",
        "q: &anchor v",
        "r: *anchor",
    ];
    (
        proptest::sample::subsequence(lines.clone(), 0..lines.len()),
        prop_oneof![Just("\n"), Just("\r\n")],
        any::<bool>(),
    )
        .prop_map(|(lines, newline, mark)| {
            let sound = !lines.contains(&"r: *anchor") || lines.contains(&"q: &anchor v");
            let lines: Vec<_> = lines.into_iter().filter(|line| sound || *line != "r: *anchor").collect();
            let text = format!("---\n{}\n---\n# Body\n\nText: x\n", lines.join("\n")).replace('\n', newline);
            if mark { format!("\u{feff}{text}") } else { text }
        })
}

proptest! {
    /// An edit that is made is read back as it was meant, a second time nothing is left to do, the body stays, and so does
    /// every line of the frontmatter that is not of the edited key.
    #[test]
    fn laws(before in before(), edits in proptest::collection::vec(edit(), 1..4)) {
        let mut seen = std::collections::BTreeSet::new();
        let edits: Vec<FieldEdit> = edits.into_iter().rev().filter(|edit| seen.insert(keys(edit)[0])).collect();
        let Ok(after) = splice(Kind::Skill, &before, &edits) else { return Ok(()) };
        let found = extract(Kind::Skill, after.as_bytes());
        prop_assert!(found.sound, "{after}");
        for edit in &edits {
            if !matches!(edit, FieldEdit::Text(TextField::Description, None)) {
                prop_assert!(holds(&found.metadata, edit), "{edit:?}\n{after}");
            }
        }
        let again = splice(Kind::Skill, &after, &edits);
        prop_assert_eq!(again.as_deref(), Ok(after.as_str()));
        let newline = if before.contains("\r\n") { "\r\n" } else { "\n" };
        let body = format!("{newline}---{newline}# Body{newline}{newline}Text: x{newline}");
        prop_assert!(after.ends_with(&body));
        prop_assert_eq!(after.starts_with('\u{feff}'), before.starts_with('\u{feff}'));
        prop_assert!(newline == "\n" || !after.replace("\r\n", "").contains('\n'), "{:?}", after);
        for line in ["name: a # n", "# comment", "  y: [1, {z: 2}]", "  # inner", "q: &anchor v", "r: *anchor"] {
            let line = format!("{newline}{line}{newline}");
            prop_assert_eq!(before.contains(&line), after.contains(&line), "{}", after);
        }
    }

    /// Nearly everything can be set: what is refused is refused for a reason that lies in the frontmatter.
    #[test]
    fn a_plain_frontmatter_takes_every_printable_value(value in value()) {
        let printable = value.chars().all(|c| c == '\n' || !c.is_control());
        prop_assume!(printable && !value.contains(['\u{fffe}', '\u{ffff}']));
        let edits = [FieldEdit::Text(TextField::Author, Some(value))];
        for before in ["---\nauthor: A\nx: 1\n---\nB\n", "---\nauthor: 'A'\n---\nB\n", "---\nx: 1\n---\nB\n", "B\n"] {
            let after = splice(Kind::Skill, before, &edits);
            prop_assert!(after.is_ok(), "{after:?} {before}");
        }
    }

    #[test]
    fn any_text_at_all_is_edited_or_refused(text in "\\PC*", edits in proptest::collection::vec(edit(), 1..3)) {
        let _ = splice(Kind::Agent, &text, &edits);
        let _ = splice(Kind::Agent, &format!("---\n{text}\n---\n"), &edits);
    }
}
