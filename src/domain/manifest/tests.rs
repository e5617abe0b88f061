use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::domain::compact::PackedEntry;
use crate::domain::model::ArtifactId;
use crate::domain::model::{Entry, Group, Kind, Origin, TagDefinition};

const HEAD: &str = r#"[collection]
name = "default"
version = "1.0.0"
created = "2026-01-01T00:00:00"
updated = "2026-01-01T01:00:00.000001"
"#;

fn read(text: &str) -> Manifest {
    let parsed = parse(text.as_bytes(), None).unwrap_or_else(|problem| panic!("{problem}\n{text}"));
    Arc::unwrap_or_clone(parsed.manifest)
}

/// A manifest with these lines in its only artifact, beside what an artifact needs.
fn artifact(lines: &str) -> Manifest {
    read(&format!(
        "{HEAD}\n[[artifacts]]\nname = \"a\"\ntype = \"skill\"\npath = \"skills/a\"\norigin = \"local\"\n\
         added = \"2026-01-01\"\n{lines}\n"
    ))
}

fn told(manifest: &Manifest) -> Vec<String> {
    manifest.problems.iter().map(ToString::to_string).collect()
}

fn id(name: &str) -> ArtifactId {
    ArtifactId::new(Kind::Skill, name)
}

#[test]
fn everything_skillmeat_writes_is_read() {
    let text = format!(
        r##"tag_definitions = [
    {{ name = "Data", slug = "data", color = "#ff0000", description = "" }},
]

{HEAD}
[[artifacts]]
name = "pdf tools"
type = "skill"
path = "skills/pdf tools"
origin = "github"
added = "2026-01-01T00:00:00.000123"
upstream = "https://github.com/o/r/tree/main/skills/pdf"
version_spec = "latest"
resolved_sha = "0123456789abcdef"
resolved_version = "v1.2.3"
last_updated = "2026-02-01T00:00:00"
tags = [
    "pdf",
    "ünï",
]
uuid = "0123456789abcdef0123456789abcdef"

[artifacts.metadata]
title = "PDF"
description = "Reads \"PDF\" files\nand more"
author = "someone"
license = "MIT"
version = ""
tools = [
    "Bash",
    "bash",
    "Read",
    "Bash",
]

[artifacts.metadata.extra.frontmatter]
name = "pdf"

[[artifacts]]
name = "m"
type = "command"
path = "commands/m.md"
origin = "marketplace"
added = "2026-01-01T00:00:00"
origin_source = "gitlab"

[[groups]]
name = "WG"
description = "d"
color = "#22cc55"
icon = "shield"
position = 5
members = [
    "skill:pdf tools",
    "command:m",
]
"##
    );
    let expected = Manifest {
        name: "default".into(),
        updated: Some("2026-01-01T01:00:00.000001".into()),
        entries: vec![
            Arc::new(PackedEntry::new(&Entry {
                id: id("pdf tools"),
                path: "skills/pdf tools".into(),
                origin: Origin::Github,
                origin_source: None,
                upstream: Some("https://github.com/o/r/tree/main/skills/pdf".into()),
                resolved_sha: Some("0123456789abcdef".into()),
                resolved_version: Some("v1.2.3".into()),
                metadata: crate::domain::model::Metadata {
                    title: Some("PDF".into()),
                    description: Some("Reads \"PDF\" files\nand more".into()),
                    author: Some("someone".into()),
                    license: Some("MIT".into()),
                    version: Some(String::new()),
                    tags: vec!["pdf".into(), "ünï".into()],
                    tools: vec!["Bash".into(), "Read".into(), "Bash".into()],
                },
            })),
            Arc::new(PackedEntry::new(&Entry {
                id: ArtifactId::new(Kind::Command, "m"),
                path: "commands/m.md".into(),
                origin: Origin::Marketplace,
                origin_source: Some("gitlab".into()),
                upstream: None,
                resolved_sha: None,
                resolved_version: None,
                metadata: crate::domain::model::Metadata::default(),
            })),
        ],
        groups: vec![Group {
            name: "WG".into(),
            description: "d".into(),
            color: "#22cc55".into(),
            icon: "shield".into(),
            position: 5,
            members: vec!["skill:pdf tools".into(), "command:m".into()],
        }],
        tag_definitions: vec![TagDefinition {
            name: "Data".into(),
            slug: "data".into(),
            color: "#ff0000".into(),
            description: String::new(),
        }],
        ..Manifest::default()
    };
    assert_eq!(read(&text), expected);
    assert_eq!(read(&text.replace('\n', "\r\n")), expected, "line ends make no difference");
}

#[test]
fn inline_lists_are_read_like_the_others() {
    let inline = format!(
        "artifacts = [\n    {{ name = \"a\", type = \"skill\", path = \"s/a\", origin = \"local\", added = \"2026-01-01\" }},\n]\n\
         groups = [{{ name = \"g\" }}]\n\n{HEAD}"
    );
    let manifest = read(&inline);
    assert_eq!(manifest.entries.len(), 1);
    assert_eq!(manifest.groups, [Group { name: "g".into(), ..Group::default() }]);
    assert_eq!(
        read(&format!("artifacts = []\n\n{HEAD}")),
        Manifest {
            name: "default".into(),
            updated: Some("2026-01-01T01:00:00.000001".into()),
            ..Manifest::default()
        }
    );
    assert_eq!(read(HEAD).entries, [], "no `artifacts` key is an empty list to SkillMeat");
}

#[test]
fn older_tags_are_merged_and_only_then_doubles_go() {
    let tags = |lines: &str| artifact(lines).entries[0].unpack().metadata.tags.clone();
    assert_eq!(tags("tags = [\"x\", \"x\"]"), ["x", "x"]);
    assert_eq!(tags("tags = [\"x\", \"x\"]\n[artifacts.metadata]\ntags = []"), ["x", "x"]);
    assert_eq!(tags("tags = [\"x\", \"x\"]\n[artifacts.metadata]\ntags = [\"y\", \"x\"]"), ["x", "y"]);
    assert_eq!(tags("[artifacts.metadata]\ntags = [\"y\", \"y\"]"), ["y"]);
}

#[test]
fn a_bad_entry_is_held_and_the_rest_is_read() {
    let good = "[[artifacts]]\nname = \"good\"\ntype = \"skill\"\npath = \"skills/good\"\norigin = \"local\"\nadded = \"2026-01-01\"\n";
    for (bad, place) in [
        ("path = 7\norigin = \"local\"", None),
        ("origin = \"local\"", Some((8, 1))),
        ("path = [\"skills/bad\"]\norigin = \"local\"", Some((11, 8))),
        ("path = \"skills/bad\"", Some((8, 1))),
        ("path = \"skills/bad\"\norigin = \"elsewhere\"", Some((12, 10))),
        ("path = \"skills/bad\"\norigin = \"local\"\nmetadata = 5", Some((13, 12))),
        ("path = \"skills/bad\"\norigin = \"local\"\ntags = \"one\"", Some((13, 8))),
        ("path = \"skills/bad\"\norigin = \"local\"\n[artifacts.metadata]\ndescription = []", Some((14, 15))),
    ] {
        let text = format!(
            "{HEAD}\n\n[[artifacts]]\nname = \"bad\"\ntype = \"skill\"\n{bad}\n\n{good}added_by = 1\n[[groups]]\nname = \"g\"\n"
        );
        let manifest = read(&text.replace("path = 7", "path = [7]"));
        assert_eq!(manifest.unreadable, BTreeSet::from([id("bad")]), "{bad}");
        assert_eq!(
            manifest.entries.iter().map(|entry| entry.id()).collect::<Vec<_>>(),
            [id("good")],
            "{bad}"
        );
        assert_eq!(manifest.groups.len(), 1, "{bad}");
        assert_eq!(manifest.unnamed, 0, "{bad}");
        if let Some((line, column)) = place {
            let at = |problem: &&Problem| problem.line == Some(line) && problem.column == Some(column);
            assert!(manifest.problems.iter().any(|problem| at(&problem)), "{bad}: {:?}", told(&manifest));
        }
    }
}

#[test]
fn an_entry_that_cannot_be_named_is_counted() {
    for bad in [
        "[[artifacts]]\ntype = \"skill\"\n",
        "[[artifacts]]\nname = \"x\"\n",
        "[[artifacts]]\nname = \"x\"\ntype = \"SKILL\"\n",
        "[[artifacts]]\nname = \"\"\ntype = \"skill\"\n",
        "[[artifacts]]\nname = 5\ntype = \"skill\"\n",
        "[[artifacts]]\nname = \"x\"\ntype = 5\n",
    ] {
        let manifest = read(&format!("{HEAD}{bad}"));
        assert_eq!((manifest.unnamed, manifest.problems.is_empty()), (1, false), "{bad}");
    }
    let manifest = read(&format!("artifacts = [1, {{}}]\n{HEAD}"));
    assert_eq!(manifest.unnamed, 2);
    let manifest = read(&format!("artifacts = 1\n{HEAD}"));
    assert_eq!(manifest.unnamed, 1, "the list itself is unknown");
}

#[test]
fn a_name_that_leads_elsewhere_is_held() {
    for name in ["../x", "a/b", "a\\\\b", ".hidden", "a..b"] {
        let text = format!(
            "{HEAD}[[artifacts]]\nname = \"{name}\"\ntype = \"skill\"\npath = \"skills/x\"\norigin = \"local\"\nadded = \"2026-01-01\"\n"
        );
        let manifest = read(&text);
        assert_eq!((manifest.entries.len(), manifest.unreadable.len()), (0, 1), "{name}");
    }
}

#[test]
fn scalars_of_the_wrong_type_are_read_as_written() {
    let manifest = artifact("[artifacts.metadata]\nversion = 1.10\ntitle = 2026-01-01\ndescription = true");
    let metadata = manifest.entries[0].unpack().metadata;
    assert_eq!(metadata.version.as_deref(), Some("1.10"));
    assert_eq!(metadata.title.as_deref(), Some("2026-01-01"));
    assert_eq!(metadata.description.as_deref(), Some("true"));
    assert_eq!(manifest.problems.len(), 3);
}

#[test]
fn what_skillmeat_refuses_is_told_and_mirrored() {
    for lines in [
        "last_updated = 2026-01-01T00:00:00",
        "discovered_at = \"yesterday\"",
        "origin_source = \"github\"",
        "target_platforms = []",
        "target_platforms = [\"vim\"]",
        "[artifacts.metadata]\nlinked_artifacts = [{ link_type = \"requires\" }]",
        "[artifacts.metadata]\nlinked_artifacts = [{ artifact_name = \"x\", link_type = \"likes\" }]",
        "[artifacts.metadata]\naos_run_uuid = \"nope\"",
        "[artifacts.metadata]\nlinked_artifacts = 5",
        "[artifacts.metadata]\ntools = 5",
        "[artifacts.metadata]\neffort = [\"low\"]",
        "[artifacts.metadata]\nnative_aliases = { x = \"\" }",
        "extra = { a = 1, }",
        "extra = \"\\e\"",
    ] {
        let manifest = artifact(lines);
        assert_eq!(manifest.entries.len(), 1, "{lines}");
        assert_eq!(manifest.entries[0].unpack().origin_source, None, "{lines}");
        let refused =
            manifest.problems.iter().filter(|p| p.message.starts_with("SkillMeat will refuse")).count();
        assert_eq!(refused, 1, "{lines}: {:?}", told(&manifest));
    }
    for lines in [
        "target_platforms = [\"codex\", \"other\"]",
        "[artifacts.metadata]\naos_run_uuid = \"urn:aos:run:12345678-1234-1234-1234-123456789abc\"",
        "[artifacts.metadata]\nlinked_artifacts = [{ artifact_name = \"x\", created_at = \"2026-01-01T00:00:00Z\" }, 7]",
        "[artifacts.metadata]\neffort = \"extreme\"\nnative_aliases = {}",
    ] {
        assert_eq!(told(&artifact(lines)), Vec::<String>::new(), "{lines}");
    }
}

#[test]
fn collection_keys_and_lists_that_skillmeat_refuses_are_told() {
    let bare = read("[collection]\n");
    assert_eq!(bare.problems.len(), 4, "name, version, created, updated: {:?}", told(&bare));
    assert_eq!(bare.name, "");
    for lists in [
        "[[groups]]\ncolor = \"red\"\n",
        "[groups]\nname = \"x\"\n",
        "[[groups]]\nname = \"x\"\nmembers = \"skill:a\"\n",
        "[[groups]]\nname = \"x\"\nposition = \"first\"\n",
    ] {
        let manifest = read(&format!("{HEAD}{lists}\n[[tag_definitions]]\nname = \"t\"\nslug = \"t\"\n"));
        assert_eq!((manifest.groups.len(), manifest.groups_incomplete), (0, true), "{lists}");
        assert_eq!(
            (manifest.tag_definitions.len(), manifest.tag_definitions_incomplete),
            (1, false),
            "{lists}"
        );
        assert_eq!(manifest.problems.len(), 1, "{lists}: {:?}", told(&manifest));
    }
    let manifest = read(&format!(
        "{HEAD}[[tag_definitions]]\nname = \"t\"\n[[tag_definitions]]\nname = \"u\"\nslug = \"u\"\n"
    ));
    assert_eq!((manifest.tag_definitions.len(), manifest.tag_definitions_incomplete), (1, true));
    for server in
        ["name = \"a b\"\nrepo = \"u/r\"", "name = \"a\"", "name = \"a\"\nrepo = \"https://gitlab.com/u/r\""]
    {
        let manifest = read(&format!("{HEAD}[[mcp_servers]]\n{server}\n"));
        assert_eq!(manifest.problems.len(), 1, "{server}");
    }
}

#[test]
fn an_id_listed_twice_is_told_at_the_later_place() {
    let entry = "[[artifacts]]\nname = \"a\"\ntype = \"skill\"\npath = \"skills/a\"\norigin = \"local\"\nadded = \"2026-01-01\"\n";
    let manifest = read(&format!("{HEAD}{entry}{entry}"));
    assert_eq!(manifest.entries.len(), 2);
    assert_eq!(told(&manifest), [":12:1: skill:a is listed twice; the later entry counts"]);
}

#[test]
fn only_text_that_is_no_manifest_is_an_error() {
    for (bytes, place) in [
        (&b""[..], (None, None)),
        (b"\n# nothing\n", (None, None)),
        (b"collection = 1\n", (None, None)),
        (b"\xef\xbb\xbf[collection]\n", (Some(1), Some(1))),
        (b"[collection]\nname = \"\xff\"\n", (Some(2), Some(9))),
        (b"[collection]\nname = \"a\"\nname = \"b\"\n", (Some(3), Some(1))),
        (b"[collection]\n\0\n", (Some(2), Some(2))),
        (b"[collection]\nname = \"\xc3\xbc\" x\n", (Some(2), Some(12))),
    ] {
        let problem = parse(bytes, None).map(|_| ()).unwrap_err();
        assert_eq!((problem.line, problem.column), place, "{problem}");
    }
    let long = vec![b'#'; MAX_BYTES + 1];
    assert!(parse(&long, None).is_err());
}

/// Each of these made some TOML reader take minutes or all memory. What counts is the processor's time of this thread,
/// which other work on the machine does not lengthen much; a debug build gets a generous limit.
#[test]
fn hostile_text_costs_bounded_time() {
    let entry =
        "[[artifacts]]\nname = \"a\"\ntype = \"skill\"\npath = \"s\"\norigin = \"local\"\nadded = 1\n";
    for text in [
        "[".repeat(100_000),
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(50_000)),
        format!("{} = 1\n", vec!["a"; 100_000].join(".")),
        (0..20_000).map(|n| format!("a.b.c.d.e.f.k{n} = 1\n")).collect(),
        (0..20_000).map(|n| format!("[t{n}.a.b.c]\n")).collect(),
        format!("{HEAD}{}", "[[artifacts]]\n".repeat(50_000)),
        format!("{HEAD}{}", entry.repeat(5_000)),
        format!("artifacts = [{}]\n{HEAD}", "1,".repeat(100_000)),
        format!("{HEAD}x = \"{}\"\n", "\\u0041".repeat(50_000)),
        format!("{HEAD}{}", "[[artifacts]]\nx = \"\"\"\n".repeat(5_000)),
    ] {
        let start = processor_seconds();
        let outcome = parse(text.as_bytes(), None);
        assert!(
            outcome.is_err()
                || outcome.is_ok_and(|parsed| parsed.manifest.problems.len() <= MAX_PROBLEMS + 1)
        );
        let took = processor_seconds() - start;
        assert!(took < 30, "{took} s: {text:.60}");
    }
}

fn processor_seconds() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec
}

#[test]
fn paths_are_normalised_or_refused() {
    assert_eq!(artifact_path("skills/a").as_deref(), Ok("skills/a"));
    assert_eq!(artifact_path("./skills//a/").as_deref(), Ok("skills/a"));
    assert_eq!(artifact_path("skills/..a/b..").as_deref(), Ok("skills/..a/b.."));
    for (path, fault) in [
        ("", BadPath::Empty),
        ("./", BadPath::Empty),
        ("/etc", BadPath::Absolute),
        ("../../etc", BadPath::Parent),
        ("skills/..", BadPath::Parent),
        ("a\0b", BadPath::Nul),
    ] {
        assert_eq!(artifact_path(path), Err(fault), "{path:?}");
    }
    let manifest = artifact("");
    assert_eq!(told(&manifest), Vec::<String>::new());
    let outside = read(&format!(
        "{HEAD}[[artifacts]]\nname = \"a\"\ntype = \"skill\"\npath = \"../a\"\norigin = \"local\"\nadded = \"2026-01-01\"\n"
    ));
    assert_eq!(outside.entries.len(), 1);
    assert_eq!(told(&outside), [":9:8: skill:a: its path holds `..`; its files are not looked at"]);
}

#[test]
fn what_did_not_change_is_not_parsed_again() {
    let entry = |name: &str| {
        format!(
            "[[artifacts]]\nname = \"{name}\"\ntype = \"skill\"\npath = \"skills/{name}\"\norigin = \"local\"\nadded = \"2026-01-01\"\n\n"
        )
    };
    let before = format!("{HEAD}\n{}{}{}", entry("a"), entry("b"), entry("c"));
    let after = format!(
        "{}\n{}{}{}{}",
        HEAD.replace("01:00", "02:00"),
        entry("c"),
        entry("a"),
        entry("new"),
        entry("b")
    );
    let first = parse(before.as_bytes(), None).unwrap();
    let second = parse(after.as_bytes(), Some(&first)).unwrap();
    let names: Vec<_> = second.manifest.entries.iter().map(|entry| entry.key().1).collect();
    assert_eq!(names, ["c", "a", "new", "b"]);
    for (old, new) in [(0, 1), (1, 3), (2, 0)] {
        assert!(Arc::ptr_eq(&first.manifest.entries[old], &second.manifest.entries[new]), "{old} -> {new}");
    }
    let third = parse(after.as_bytes(), Some(&second)).unwrap();
    assert!(Arc::ptr_eq(&second.manifest, &third.manifest), "the same text is the same manifest");
}

/// The same stretches of artifacts and the same of the rest make another text when they stand in another order.
#[test]
fn a_section_that_has_only_moved_is_told_where_it_is_now() {
    let entry = |name: &str| {
        format!(
            "[[artifacts]]\nname = \"{name}\"\ntype = \"skill\"\npath = \"skills/{name}\"\norigin = \"local\"\nadded = \"2026-01-01\"\n"
        )
    };
    let (a, b, bad) = (entry("a"), entry("b"), "[[groups]]\nname = 1\n");
    let line = |text: &str, previous: Option<&Parsed>| {
        let parsed = parse(text.as_bytes(), previous).unwrap();
        let lines: Vec<_> = parsed.manifest.problems.iter().map(|problem| problem.line).collect();
        let expected = text.lines().position(|line| line == "name = 1").map(|index| Some(index as u32 + 1));
        assert_eq!(lines, Vec::from_iter(expected), "{text}");
        parsed
    };
    let before = line(&format!("{HEAD}\n{a}{bad}{b}"), None);
    line(&format!("{HEAD}\n{a}{b}{bad}"), Some(&before));
}

/// Both halves of a long manifest are read, whoever reads them, and in order.
#[test]
fn a_long_manifest_is_read_in_two_halves() {
    struct Backwards;
    impl Join for Backwards {
        fn join<A: Send, B: Send>(
            &self,
            one: impl FnOnce() -> A + Send,
            other: impl FnOnce() -> B + Send,
        ) -> (A, B) {
            let other = other();
            (one(), other)
        }
    }
    let text = |count: usize, odd: usize| {
        let entry = |n: usize| {
            let origin = if n == odd { "nowhere" } else { "local" };
            format!(
                "[[artifacts]]\nname = \"n{n}\"\ntype = \"skill\"\npath = \"p\"\norigin = \"{origin}\"\nadded = \"2026-01-01\"\n"
            )
        };
        format!("{HEAD}\n{}", (0..count).map(entry).collect::<String>())
    };
    let mut previous: Option<Parsed> = None;
    for (count, odd) in [(127, 0), (128, 100), (129, 3), (500, 400), (500, 401), (300, 7)] {
        let text = text(count, odd);
        let joined = parse_joining(text.as_bytes(), previous.as_ref(), &Backwards).unwrap();
        assert_eq!(*joined.manifest, parse_whole(&text).unwrap());
        assert_eq!((joined.manifest.entries.len(), joined.manifest.unreadable.len()), (count - 1, 1));
        previous = Some(joined);
    }
}

/// Lines that make up manifests, whole ones and lines that break or confuse them.
fn line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "[[artifacts]]",
        "[[artifacts]] # comment",
        "  [[artifacts]]",
        "[artifacts.metadata]",
        "  [artifacts.metadata]",
        "[artifacts.metadata.extra.frontmatter]",
        "[[artifacts.metadata.linked_artifacts]]",
        "[artifacts]",
        "[[ artifacts ]]",
        "[\"artifacts\".metadata]",
        "[[groups]]",
        "[[tag_definitions]]",
        "[other]",
        "  [other]",
        "  [[groups]]",
        "\t[[tag_definitions]]",
        "name = \"a\"",
        "name = \"b\"",
        "name = \"ü/\"",
        "type = \"skill\"",
        "type = \"command\"",
        "type = \"nonsense\"",
        "path = \"skills/a\"",
        "path = \"../a\"",
        "origin = \"local\"",
        "origin = 7",
        "added = \"2026-01-01T00:00:00\"",
        "added = 2026-01-01T00:00:00",
        "tags = [\"x\", \"y\"]",
        "tags = [",
        "[1],",
        "    \"x\",",
        "]",
        "color = \"#ffffff\"",
        "slug = \"a\"",
        "members = [\"skill:a\"]",
        "members = 5",
        "extra = { a = 1, }",
        "text = \"\"\"",
        "\"\"\"",
        "text = '''one'''",
        "# [[artifacts]]",
        "",
        "x",
    ])
}

fn stretch() -> impl Strategy<Value = String> {
    let entry = "[[artifacts]]\nname = \"{}\"\ntype = \"skill\"\npath = \"skills/a\"\norigin = \"local\"\nadded = \"2026-01-01\"\n[artifacts.metadata]\ndescription = \"d\"\n";
    prop_oneof![
        6 => "[a-e]".prop_map(move |name| entry.replace("{}", &name)),
        2 => "[a-e]".prop_map(|name| format!("[[groups]]\nname = \"{name}\"\nmembers = [\n    \"skill:a\",\n]\n")),
        1 => "[a-e]".prop_map(|name| format!("[[tag_definitions]]\nname = \"{name}\"\nslug = \"{name}\"\n")),
        2 => prop::collection::vec(line(), 1..4).prop_map(|lines| lines.join("\n") + "\n"),
    ]
}

fn manifest_text() -> impl Strategy<Value = String> {
    prop::collection::vec(stretch(), 0..8).prop_map(|stretches| format!("{HEAD}\n{}", stretches.join("\n")))
}

/// Replace some lines from `at` on by others.
fn edited(text: &str, at: usize, removed: usize, added: &[&str]) -> String {
    let mut lines: Vec<&str> = text.split('\n').collect();
    let at = at % (lines.len() + 1);
    let end = (at + removed).min(lines.len());
    lines.splice(at..end, added.iter().copied());
    lines.join("\n")
}

/// What stands in an artifact's stretch without being the artifact's is not overlooked where only the rest is read.
#[test]
fn the_rest_is_what_no_artifact_says_wherever_it_stands() {
    let artifact = "[[artifacts]]\nname = \"a\"\ntype = \"skill\"\npath = \"skills/a\"\norigin = \"local\"\nadded = \"2026-01-01\"\n";
    let group = "[[groups]]\nname = \"g\"\nmembers = []\n";
    for (behind, groups) in [
        (group.to_owned(), 1),
        (format!("  {group}"), 1),
        (format!("\n\t {group}"), 1),
        (format!("[artifacts.metadata]\ndescription = \"\"\"\n{group}\"\"\"\n"), 0),
        (format!("[artifacts.metadata]\ndescription = '''\n{group}'''\n"), 0),
        ("[artifacts.metadata]\ntags = [\n    \"[[groups]]\",\n]\n".to_owned(), 0),
    ] {
        let text = format!("{HEAD}\n{artifact}{behind}");
        let read = parse_sections(&text).unwrap();
        assert_eq!(read.groups.len(), groups, "{text}");
        assert_eq!(read.groups, parse_whole(&text).unwrap().groups, "{text}");
    }
}

/// Two stretches that are broken, with an artifact between them, would be whole when joined.
#[test]
fn what_is_broken_is_not_healed_by_reading_it_in_pieces() {
    let artifact = "[[artifacts]]\nname = \"a\"\ntype = \"skill\"\npath = \"skills/a\"\norigin = \"local\"\nadded = \"2026-01-01\"\n";
    let (begun, ended) = ("[[groups]]\ntags = [\n", "[1]\n]\n");
    let sound = parse(format!("{HEAD}\n{begun}{ended}{artifact}").as_bytes(), None).unwrap();
    let broken = format!("{HEAD}\n{begun}{artifact}{ended}");
    for previous in [None, Some(&sound)] {
        assert_eq!(
            parse(broken.as_bytes(), previous).unwrap_err().line,
            parse_whole(&broken).unwrap_err().line
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// However a text came about, parsing what is new of it gives what parsing all of it gives.
    #[test]
    fn incremental_is_the_same_as_whole(
        start in manifest_text(),
        edits in prop::collection::vec((any::<usize>(), 0usize..4, prop::collection::vec(line(), 0..3)), 0..6),
    ) {
        let mut text = start;
        let mut previous = None;
        for (at, removed, added) in std::iter::once((0, 0, Vec::new())).chain(edits) {
            text = edited(&text, at, removed, &added);
            let incremental = parse(text.as_bytes(), previous.as_ref());
            let whole = check(text.as_bytes()).and_then(parse_whole);
            prop_assert_eq!(incremental.as_ref().map(|parsed| parsed.manifest.as_ref()), whole.as_ref(), "{}", text);
            if let Ok(whole) = whole {
                let alone = parse_sections(&text).map(|sections| Manifest {
                    entries: whole.entries.clone(),
                    unreadable: whole.unreadable.clone(),
                    unnamed: whole.unnamed,
                    problems: whole.problems.clone(),
                    ..sections
                });
                prop_assert_eq!(alone, Ok(whole), "{}", text);
            }
            if let Ok(parsed) = incremental {
                previous = Some(parsed);
            }
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes, None);
    }
}
