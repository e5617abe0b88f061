//! Trees as SkillMeat lays them out, for the benchmarks. The same count gives the same tree.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const WORDS: [&str; 16] = [
    "parse", "render", "deploy", "audit", "lint", "build", "trace", "index", "merge", "fetch", "stream",
    "plan", "review", "format", "convert", "export",
];

fn word(n: usize) -> &'static str {
    // Any fixed scattering will do.
    WORDS[n.wrapping_mul(2_654_435_761) / 7 % WORDS.len()]
}

fn sentence(seed: usize, length: usize) -> String {
    (0..length).map(|n| word(seed * 31 + n)).collect::<Vec<_>>().join(" ")
}

/// The name of skill `n`.
pub(crate) fn name(n: usize) -> String {
    format!("{}-{}-{n:05}", word(n), word(n + 1))
}

/// `SKILL.md` of skill `n`.
pub(crate) fn skill(n: usize) -> String {
    format!(
        "---\nname: {}\ndescription: Use this skill to {}\nauthor: author{}\nlicense: MIT\nversion: 1.{}.0\ntags:\n  - {}\n  - \
         {}\nallowed-tools: Read, Bash\n---\n# {}\n\n{}\n",
        name(n),
        sentence(n, 14),
        n % 40,
        n % 9,
        word(n),
        word(n + 3),
        name(n),
        (0..40).map(|line| sentence(n + line, 12)).collect::<Vec<_>>().join("\n"),
    )
}

/// A manifest of `count` skills with four groups, as tomli_w writes it.
pub(crate) fn manifest(count: usize) -> String {
    let mut text = String::from(
        "[collection]\nname = \"default\"\nversion = \"1.0.0\"\ncreated = \"2026-01-01T00:00:00\"\n\
         updated = \"2026-01-01T01:00:00.000001\"\n",
    );
    for n in 0..count {
        let name = name(n);
        let description = format!("Use this skill to {}", sentence(n, 14));
        let _ = write!(
            text,
            "\n[[artifacts]]\nname = \"{name}\"\ntype = \"skill\"\npath = \"skills/{name}\"\norigin = \"github\"\n\
             added = \"2026-01-01T00:00:00.000123\"\nupstream = \"https://github.com/org/repo/tree/main/skills/{name}\"\n\
             version_spec = \"latest\"\nresolved_sha = \"0123456789abcdef0123456789abcdef01234567\"\n\
             resolved_version = \"v1.{v}.0\"\ntags = [\n    \"{t}\",\n    \"{u}\",\n]\n\n[artifacts.metadata]\n\
             description = \"{description}\"\nauthor = \"author{a}\"\nlicense = \"MIT\"\nversion = \"1.{v}.0\"\n\
             tools = [\n    \"Read\",\n    \"Bash\",\n]\n\n[artifacts.metadata.extra]\nfrontmatter_tools = [\n    \"Read\",\n    \
             \"Bash\",\n]\nname = \"{name}\"\n\n[artifacts.metadata.extra.frontmatter]\nname = \"{name}\"\n\
             description = \"{description}\"\nauthor = \"author{a}\"\nversion = \"1.{v}.0\"\n",
            v = n % 9,
            t = word(n),
            u = word(n + 3),
            a = n % 40,
        );
    }
    for group in 0..4.min(count) {
        let _ = write!(
            text,
            "\n[[groups]]\nname = \"group-{group}\"\ndescription = \"\"\ncolor = \"slate\"\nicon = \"layers\"\n\
             position = {group}\nmembers = [\n    \"skill:{}\",\n]\n",
            name(group)
        );
    }
    text
}

/// `~/.skillmeat` at `root`, with `count` skills of three files each in the default collection.
pub(crate) fn write(root: &Path, count: usize) {
    let collection = root.join("collections/default");
    for n in 0..count {
        let skill_directory = collection.join("skills").join(name(n));
        fs::create_dir_all(skill_directory.join("scripts")).unwrap();
        fs::write(skill_directory.join("SKILL.md"), skill(n)).unwrap();
        for script in 0..2 {
            let text = format!("# {} {script}\n{}", name(n), "x = 1\n".repeat(10 + n % 40));
            fs::write(skill_directory.join(format!("scripts/s{script}.py")), text).unwrap();
        }
    }
    fs::write(collection.join("collection.toml"), manifest(count)).unwrap();
}
