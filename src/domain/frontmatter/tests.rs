//! The rules of SkillMeat's extraction as data, hostile input, and laws.

use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};

use super::*;

/// One rule: `expect` and `sound` are what SkillMeat 0.74.0 says of the file, with absent fields empty.
#[derive(serde::Deserialize)]
struct Case {
    rule: String,
    kind: Kind,
    file: String,
    expect: Expected,
    sound: bool,
}

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Expected {
    title: Option<String>,
    description: Option<String>,
    author: Option<String>,
    license: Option<String>,
    version: Option<String>,
    tags: Vec<String>,
    tools: Vec<String>,
}

impl From<Expected> for Metadata {
    fn from(e: Expected) -> Self {
        let Expected { title, description, author, license, version, tags, tools } = e;
        Self { title, description, author, license, version, tags, tools }
    }
}

#[test]
fn every_rule_as_skillmeat_has_it() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("cases.json")).unwrap();
    let mut wrong = Vec::new();
    for Case { rule, kind, file, expect, sound } in cases {
        let found = extract(kind, file.as_bytes());
        let expected = Metadata::from(expect);
        if found.metadata != expected || found.sound != sound {
            wrong.push(format!(
                "{rule}\n  file     {file:?}\n  expected {expected:?} sound {sound}\n  found    {found:?}"
            ));
        }
        assert!(found.sound || !found.problems.is_empty(), "{rule}: unsound without a reason");
    }
    assert!(wrong.is_empty(), "{} rules broken:\n{}", wrong.len(), wrong.join("\n"));
}

/// The places and texts of the problems of a skill.
fn problems(file: &str) -> Vec<String> {
    extract(Kind::Skill, file.as_bytes()).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn problems_name_their_place() {
    for (file, expected) in [
        (
            "---\r\nname: x\r\ndescription: Use when: y\r\n---\r\n",
            ":3:22: the frontmatter is not YAML: mapping values are not allowed in this context; \
             like SkillMeat, only its description and tools are read",
        ),
        (
            "---\nname: x\ndescription: d\nmodel:\n---\n",
            ":4:6: `model` holds a value that is empty (null), which SkillMeat's add cannot store",
        ),
        (
            "---\nname: x\ntags: 5\n---\n",
            ":3:7: `tags` is neither a list nor text, which SkillMeat's add does not survive",
        ),
        (
            "\n---\ntitle: é\tx\n---\n",
            ":3:9: the frontmatter is not YAML: a tab is not allowed here; \
             like SkillMeat, only its description and tools are read",
        ),
        (
            "---\ntitle: \"a\nb\"\nmade: 2024-13-45\n---\n",
            ":4:7: none of the frontmatter is read: not a possible timestamp, and SkillMeat's extraction fails on it",
        ),
        (
            "---\ntitle: t\n",
            ":1:1: the frontmatter is opened here and never closed: SkillMeat reads none of it",
        ),
        (
            "---\njust text\n---\n",
            ":2:1: the frontmatter is not a mapping of keys to values: SkillMeat reads none of it",
        ),
    ] {
        assert_eq!(problems(file), [expected], "{file:?}");
    }
}

#[test]
fn a_sound_file_has_no_problems() {
    assert_eq!(problems("---\nname: x\ndescription: d\ntags: [a]\ntools: Bash, nope\n---\nbody\n"), [""; 0]);
}

#[test]
fn bytes_that_are_not_utf8_have_a_place_and_no_metadata() {
    let found = extract(Kind::Agent, b"---\r\ndescription: a\xff\n---\n");
    assert_eq!((found.metadata, found.sound), (Metadata::default(), false));
    assert_eq!((found.problems[0].line, found.problems[0].column), (Some(2), Some(15)));

    let found = extract(Kind::Agent, &[vec![b'a'; text::WINDOW + 1], vec![0xff]].concat());
    assert_eq!((found.metadata, found.sound), (Metadata::default(), false));
    assert!(found.problems[0].message.ends_with("(byte 524289)"), "{:?}", found.problems);
}

#[test]
fn too_long_frontmatter_is_read_line_by_line() {
    let filler = "x".repeat(text::FRONTMATTER_LIMIT);
    let found =
        extract(Kind::Skill, format!("---\ndescription: d\ntags: [a]\nfoo: {filler}\n---\n").as_bytes());
    assert_eq!(found.metadata, Metadata { description: Some("d".to_owned()), ..Metadata::default() });
    assert!(!found.sound);
    assert_eq!((found.problems[0].line, found.problems[0].column), (Some(2), Some(1)));
}

#[test]
fn frontmatter_up_to_the_limit_is_read() {
    let rest = "description: d\ntags: [a]\nfoo: ";
    let filler = "x".repeat(text::FRONTMATTER_LIMIT - rest.len());
    let found = extract(Kind::Skill, format!("---\n{rest}{filler}\n---\n").as_bytes());
    assert_eq!(found.metadata.tags, ["a"]);
    assert!(found.sound);
}

fn frontmatter(yaml: &str) -> Vec<u8> {
    format!("---\n{yaml}\n---\nbody\n").into_bytes()
}

/// `k0: &k0 [x, …]`, `k1: &k1 [*k0, …]` and so on, with `link` around the aliases.
fn bomb(levels: usize, link: impl Fn(String) -> String) -> String {
    let mut yaml = "description: d\nk0: &k0 {x: 1}\n".to_owned();
    for level in 1..levels {
        let aliases = vec![format!("*k{}", level - 1); 9].join(", ");
        yaml += &format!("k{level}: &k{level} {}\n", link(aliases));
    }
    yaml
}

/// Input, the description that must come out, and whether it is sound. On a stack of 2 MiB, as a runtime's worker has.
#[test]
fn hostile_input_costs_little() {
    let alias_bomb = bomb(9, |aliases| format!("[{aliases}]"));
    let merge_bomb = bomb(9, |aliases| format!("{{<<: [{aliases}]}}"));
    let big = 16 * 1024 * 1024;
    let cases: Vec<(&str, Vec<u8>, Option<&str>, bool)> = vec![
        ("alias bomb that nobody prints", frontmatter(&alias_bomb), Some("d"), true),
        ("alias bomb that is printed", frontmatter(&format!("{alias_bomb}title: *k8\n")), Some("d"), false),
        ("merge bomb", frontmatter(&merge_bomb), Some("body"), false),
        ("brackets", frontmatter(&format!("description: d\na: {}", "[".repeat(60_000))), Some("body"), false),
        ("closed brackets", frontmatter(&("[".repeat(30_000) + &"]".repeat(30_000))), Some("body"), false),
        ("more brackets than the limit", frontmatter(&"[".repeat(100_000)), Some("body"), false),
        ("braces", frontmatter(&"{a: ".repeat(15_000)), Some("body"), false),
        ("dashes", frontmatter(&"- ".repeat(30_000)), Some("body"), false),
        ("question marks", frontmatter(&"? ".repeat(30_000)), Some("body"), false),
        (
            "levels",
            frontmatter(&(0..200).map(|i| " ".repeat(i) + "a:\n").collect::<String>()),
            Some("body"),
            false,
        ),
        (
            "a long chain of aliases",
            {
                let links: String = (1..900).map(|i| format!("k{i}: &k{i} [*k{}]\n", i - 1)).collect();
                frontmatter(&format!("k0: &k0 x\n{links}title: *k899"))
            },
            Some("body"),
            false,
        ),
        (
            "keys",
            frontmatter(&(0..6000).map(|i| format!("k{i}: v\n")).collect::<String>()),
            Some("body"),
            false,
        ),
        (
            "anchors",
            frontmatter(&(0..4000).map(|i| format!("k{i}: &a{i} v\n")).collect::<String>()),
            Some("body"),
            false,
        ),
        (
            "many aliases of one anchor",
            frontmatter(&format!("description: d\na: &a x\nb: [{}]", ["*a"; 100].join(", "))),
            Some("body"),
            false,
        ),
        (
            "fewer aliases of it",
            frontmatter(&format!("description: d\na: &a x\nb: [{}]", ["*a"; 99].join(", "))),
            Some("d"),
            true,
        ),
        ("digits", frontmatter(&("version: ".to_owned() + &"9".repeat(60_000))), Some("body"), false),
        (
            "hexadecimal digits",
            frontmatter(&("version: 0x".to_owned() + &"f".repeat(60_000))),
            Some("body"),
            false,
        ),
        ("minutes", frontmatter(&("version: 1".to_owned() + &":59".repeat(20_000))), Some("body"), false),
        (
            "a wrapped value",
            frontmatter(&format!("title: \"{}\"\ndescription: d", "a\n".repeat(30_000))),
            Some("d"),
            true,
        ),
        (
            "wrapped values",
            frontmatter(&("description: d\n".to_owned() + &"k: \"a\nb\"\n".repeat(5_000))),
            Some("d"),
            false,
        ),
        ("tabs", frontmatter(&("description: d\n".to_owned() + &"\t".repeat(60_000))), Some("d"), false),
        ("NUL", frontmatter("description: d\na: \0"), Some("d"), false),
        ("a key of 60 kB", frontmatter(&("a".repeat(60_000) + ": b")), Some("body"), false),
        ("comments", frontmatter(&("# x\n".repeat(15_000) + "description: d")), Some("d"), true),
        ("nothing but opening lines", "---\n".repeat(300_000).into_bytes(), Some("---"), true),
        ("near misses", ("---\nx\n".to_owned() + &"---x\n".repeat(200_000)).into_bytes(), Some("---"), false),
        ("a long scalar", frontmatter(&("foo: ".to_owned() + &"x".repeat(big))), Some("---"), false),
        (
            "a long body",
            frontmatter("description: d").into_iter().chain(vec![b'x'; big]).collect(),
            Some("d"),
            true,
        ),
        ("line ends", vec![b'\r'; big], None, true),
    ];
    let run = move || {
        for (name, bytes, description, sound) in cases {
            // The processor's time of this thread: other work on the machine does not lengthen it much.
            let start = clock_gettime(ClockId::ThreadCPUTime).tv_sec;
            let found = extract(Kind::Agent, &bytes);
            let took = clock_gettime(ClockId::ThreadCPUTime).tv_sec - start;
            assert_eq!((found.metadata.description.as_deref(), found.sound), (description, sound), "{name}");
            assert!(sound || found.problems[0].line.is_some(), "{name}: no place");
            // Far above what even an unoptimised build takes, far below what anything quadratic would.
            assert!(took < 10, "{name}: {took} s");
        }
    };
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run).unwrap().join().unwrap();
}

/// Text that is dense in what YAML and the extraction care about.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z]{1,3}",
        2 => "[-:,?\\[\\]{}#&*!|>'\"%@`~=<. ]",
        2 => Just("\n".to_owned()),
        1 => Just("\n---\n".to_owned()),
        1 => Just(": ".to_owned()),
        1 => Just("\n- ".to_owned()),
        1 => prop::sample::select(vec!["\t", "\r", "\r\n", "\u{feff}", "\u{85}", "\u{2028}", "\0", "é", "\u{1f600}"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["tags: ", "tools: ", "description: ", "title: ", "&a ", "*a", "<<: ", "!!int ", "!!set ", "1:30", "0x", "2024-01-02"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| format!("---\n{}\n---\nbody\n", pieces.concat()))
}

fn check_laws(bytes: &[u8]) -> Result<(), TestCaseError> {
    let found = extract(Kind::Skill, bytes);
    prop_assert_eq!(&found, &extract(Kind::Skill, bytes));
    prop_assert!(found.sound || !found.problems.is_empty());
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.split('\n').collect();
    for problem in &found.problems {
        let (line, column) = (problem.line.unwrap_or(0) as usize, problem.column.unwrap_or(0) as usize);
        prop_assert!((1..=lines.len()).contains(&line), "{}", problem);
        // One past the end is where something is missing.
        prop_assert!((1..=lines[line - 1].chars().count() + 1).contains(&column), "{}", problem);
    }
    for tool in &found.metadata.tools {
        prop_assert_eq!(tools::canonical(tool), Some(tool.as_str()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn soup_keeps_the_laws(text in soup()) {
        check_laws(text.as_bytes())?;
    }

    #[test]
    fn bytes_keep_the_laws(bytes in prop::collection::vec(any::<u8>(), 0..200), opened in any::<bool>()) {
        let bytes = if opened { [b"---\n".as_slice(), &bytes, b"\n---\n"].concat() } else { bytes };
        check_laws(&bytes)?;
    }

    /// A frontmatter of quoted values comes back as it was written.
    #[test]
    fn quoted_values_come_back(title in "[a-z\"\\\\ é]{1,20}", tags in prop::collection::vec("[a-z:#'\\[]{1,8}", 0..4)) {
        let quoted = |s: &str| format!("\"{}\"", s.replace('\\', "\\\\").replace('"', "\\\""));
        let list: Vec<String> = tags.iter().map(|tag| quoted(tag)).collect();
        let file = format!("---\ntitle: {}\ntags: [{}]\n---\n", quoted(&title), list.join(", "));
        let found = extract(Kind::Command, file.as_bytes());
        prop_assert_eq!((found.metadata.title, found.metadata.tags, found.sound), (Some(title), tags, true));
    }
}
