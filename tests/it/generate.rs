//! Collections of any size in the format SkillMeat 0.74.0 writes, the same for the same seed.
//!
//! What this module does not do: make a cache database, or run SkillMeat. That its output is what SkillMeat itself
//! would write is a test of `interop::differential`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// What to make.
#[derive(Clone, Copy)]
pub(crate) struct Recipe<'a> {
    /// The collection's name and directory.
    pub(crate) collection: &'a str,
    /// How many artifacts.
    pub(crate) artifacts: usize,
    /// Equal seeds make equal bytes.
    pub(crate) seed: u64,
    /// Of what kind.
    pub(crate) mix: Mix,
}

/// The kinds of artifacts and how odd they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Skills of three files with every field filled and plain names: what a measurement needs.
    Skills,
    /// Every kind SkillMeat knows, names and texts with anything it accepts, any field missing.
    Everything,
}

const WORDS: [&str; 30] = [
    "parse", "render", "deploy", "audit", "lint", "build", "trace", "index", "merge", "fetch", "stream",
    "crawl", "plan", "review", "format", "convert", "export", "import", "sketch", "model", "query", "cache",
    "graph", "table", "report", "chart", "mail", "calendar", "invoice", "budget",
];
const TOOLS: [&str; 8] = ["Read", "Write", "Edit", "Bash", "Grep", "Glob", "WebFetch", "TodoWrite"];
const LICENSES: [&str; 3] = ["MIT", "Apache-2.0", "BSD-3-Clause"];

/// Kind, path below the collection, and whether that is a directory. `{}` is the name. `group` is left out: rows of
/// that type are the identities of groups made on the web.
const KINDS: [(&str, &str, bool); 21] = [
    ("skill", "skills/{}", true),
    ("command", "commands/{}.md", false),
    ("agent", "agents/{}.md", false),
    ("soul", "souls/{}.md", false),
    ("workflow", "workflows/{}", true),
    ("orchestration", "workflows/{}.js", false),
    ("composite", "composites/{}", true),
    ("hook", "hooks/{}.json", false),
    ("mcp", "mcp/{}.json", false),
    ("context_module", "context-modules/{}", true),
    ("template", "templates/{}", true),
    ("deployment_set", "deployment-sets/{}", true),
    ("context_pack", "context-packs/{}", true),
    ("bundle", "bundles/{}", true),
    ("reviewer_role", "artifacts/{}", true),
    ("council", "artifacts/{}", true),
    ("project_config", "artifacts/{}.toml", false),
    ("spec_file", "specs/{}.md", false),
    ("rule_file", "rules/{}.md", false),
    ("context_file", "context/{}.md", false),
    ("progress_template", "artifacts/{}.md", false),
];

/// Decorations for names: everything SkillMeat's name check lets through that has bitten somebody.
const ODD_NAMES: [&str; 10] =
    ["with space", "Ünïcode", "日本", "a:b", "dotted.name", "quo\"te", "#hash%20", "e\u{301}", "-dash", "🦀"];
const ODD_TEXTS: [&str; 7] =
    ["", "Ünï — ✓", "say \"hi\"\\now", "two\nlines", "tab\there", "Use when: anything", "x\u{7f}\u{1}y"];
const ODD_TAGS: [&str; 8] =
    ["two words", "C++", "日本", "node.js", "snake_case", "Ünïcode", "a/b", "--edge--"];

/// Writes the collection below `skillmeat` (a `~/.skillmeat`), and SkillMeat's configuration if there is none.
/// Returns the artifact ids in manifest order.
pub(crate) fn generate(skillmeat: &Path, recipe: Recipe<'_>) -> Vec<String> {
    let root = skillmeat.join("collections").join(recipe.collection);
    for directory in ["skills", "commands", "agents", "workflows"] {
        fs::create_dir_all(root.join(directory)).expect("a collection's directory");
    }
    let config = skillmeat.join("config.toml");
    if !config.exists() {
        let text = "[settings]\ndefault-collection = \"default\"\nupdate-strategy = \"prompt\"\n\n[analytics]\n\
                    enabled = true\nretention-days = 90\n\n[artifact_search]\nindexing_mode = \"opt_in\"\n";
        fs::write(config, text).expect("SkillMeat's configuration");
    }
    let mut random = Random(recipe.seed);
    let mut manifest = format!(
        "[collection]\nname = {}\nversion = \"1.0.0\"\ncreated = \"2026-01-01T00:00:00\"\n\
         updated = \"2026-01-01T01:00:00.000001\"\n",
        quote(recipe.collection)
    );
    let mut lock = "[lock]\nversion = \"1.0.0\"\n".to_owned();
    let mut ids = Vec::new();
    for number in 0..recipe.artifacts {
        let artifact = Artifact::draw(&mut random, recipe.mix, number);
        let hash = artifact.write_files(&root, &mut random);
        artifact.write_entry(&mut manifest);
        artifact.write_lock(&mut lock, &hash);
        ids.push(format!("{}:{}", artifact.kind, artifact.name));
    }
    if ids.is_empty() {
        manifest.insert_str(0, "artifacts = []\n\n");
    }
    fs::write(root.join("collection.toml"), manifest).expect("the manifest");
    fs::write(root.join("collection.lock"), lock).expect("the lock file");
    ids
}

/// One artifact before it is written.
struct Artifact {
    kind: &'static str,
    name: String,
    path: String,
    directory: bool,
    added: String,
    description: Option<String>,
    author: Option<String>,
    license: Option<&'static str>,
    version: Option<String>,
    tags: Vec<String>,
    tools: Vec<&'static str>,
    origin: &'static str,
    /// Upstream address, commit and version of what was not made here.
    upstream: Option<(String, String, String)>,
}

impl Artifact {
    fn draw(random: &mut Random, mix: Mix, number: usize) -> Self {
        let odd = mix == Mix::Everything;
        // Each kind in turn, so that a small collection has them all.
        let (kind, path, directory) = if odd { KINDS[number % KINDS.len()] } else { KINDS[0] };
        let mut name = format!("{}-{}-{number:05}", random.word(), random.word());
        if odd && random.chance(50) {
            name = format!("{} {name}", random.pick(&ODD_NAMES));
        }
        let mut description = "Use this to".to_owned();
        for _ in 0..6 + random.below(18) {
            description.push(' ');
            description.push_str(random.word());
        }
        if odd && random.chance(40) {
            description = (*random.pick(&ODD_TEXTS)).to_owned();
        }
        let mut tags: Vec<String> = WORDS.map(str::to_owned).to_vec();
        if odd {
            tags.extend(ODD_TAGS.map(str::to_owned));
            tags.push("long ".repeat(30));
        }
        let count = if odd { random.below(5) } else { 1 + random.below(4) };
        let tags = random.sample(&tags, count);
        let count = if odd { random.below(4) } else { 1 + random.below(4) };
        let tools = random.sample(&TOOLS, count);
        let origin = match random.below(10) {
            0..3 => "github",
            3 if odd => "marketplace",
            _ => "local",
        };
        let version = format!("{}.{}.{}", random.below(4), random.below(10), random.below(10));
        let upstream = (origin != "local").then(|| {
            let address =
                format!("https://github.com/org{}/repo/tree/main/{kind}/{number}", random.below(20));
            (address, format!("{:040x}", u128::from(random.next())), format!("v{version}"))
        });
        let drop_some = |random: &mut Random| odd && random.chance(30);
        Self {
            kind,
            path: path.replace("{}", &name),
            directory,
            added: format!(
                "2026-01-{:02}T{:02}:{:02}:00.000123",
                1 + number / 1440 % 28,
                number / 60 % 24,
                number % 60
            ),
            description: (!drop_some(random)).then_some(description),
            author: (!drop_some(random)).then(|| format!("author{}", random.below(40))),
            license: (!drop_some(random)).then(|| *random.pick(&LICENSES)),
            version: (!drop_some(random)).then_some(version),
            name,
            tags,
            tools,
            origin,
            upstream,
        }
    }

    /// Writes the artifact's files and returns the content hash that `collection.lock` keeps.
    fn write_files(&self, root: &Path, random: &mut Random) -> String {
        let mut body = format!("# {}\n", self.name);
        for _ in 0..10 + random.below(20) {
            for _ in 0..12 {
                body.push_str(random.word());
                body.push(' ');
            }
            body.push('\n');
        }
        let entry = if self.has_frontmatter() { self.frontmatter() + &body } else { body };
        let path = root.join(&self.path);
        let mut files = Vec::new();
        if self.directory {
            let name = if self.kind == "skill" { "SKILL.md" } else { "content.md" };
            files.push((PathBuf::from(name), entry));
            for script in 0..2 {
                let text = format!("# {} {script}\n{}", self.name, "x = 1\n".repeat(5 + random.below(40)));
                files.push((PathBuf::from(format!("scripts/s{script}.py")), text));
            }
        } else {
            files.push((PathBuf::new(), entry));
        }
        files.sort();
        let mut hash = Sha256::new();
        for (relative, text) in &files {
            // Joining an empty path would end the file's name with a slash.
            let file = if self.directory { path.join(relative) } else { path.clone() };
            fs::create_dir_all(file.parent().expect("a directory")).expect("an artifact's directory");
            fs::write(file, text).expect("an artifact's file");
            hash.update(relative.to_str().expect("an ASCII path"));
            hash.update(text);
        }
        hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    fn has_frontmatter(&self) -> bool {
        matches!(self.kind, "skill" | "command" | "agent" | "soul")
    }

    /// YAML that says what the entry says. A JSON string is a YAML string, but for a DEL that JSON leaves as it is.
    fn frontmatter(&self) -> String {
        let json = |text: &str| {
            let json = serde_json::to_string(text).expect("a string");
            json.replace('\u{7f}', "\\u007f")
        };
        let mut yaml = format!("---\nname: {}\n", json(&self.name));
        for (key, value) in self.texts() {
            let _ = writeln!(yaml, "{key}: {}", json(value));
        }
        if !self.tags.is_empty() {
            yaml.push_str("tags:\n");
            for tag in &self.tags {
                let _ = writeln!(yaml, "  - {}", json(tag));
            }
        }
        if !self.tools.is_empty() {
            let _ = writeln!(yaml, "allowed-tools: {}", self.tools.join(", "));
        }
        yaml + "---\n"
    }

    /// The optional texts that are there, in SkillMeat's order.
    fn texts(&self) -> Vec<(&'static str, &str)> {
        let texts = [
            ("description", self.description.as_deref()),
            ("author", self.author.as_deref()),
            ("license", self.license),
            ("version", self.version.as_deref()),
        ];
        texts.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    fn write_entry(&self, out: &mut String) {
        let field = |out: &mut String, key: &str, value: &str| {
            let _ = writeln!(out, "{key} = {}", quote(value));
        };
        out.push_str("\n[[artifacts]]\n");
        field(out, "name", &self.name);
        field(out, "type", self.kind);
        field(out, "path", &self.path);
        field(out, "origin", self.origin);
        field(out, "added", &self.added);
        if let Some((address, commit, version)) = &self.upstream {
            field(out, "upstream", address);
            field(out, "version_spec", "latest");
            field(out, "resolved_sha", commit);
            field(out, "resolved_version", version);
        }
        if !self.tags.is_empty() {
            let _ = writeln!(out, "tags = {}", array(&self.tags));
        }
        if self.origin == "marketplace" {
            field(out, "origin_source", "github");
        }
        let texts = self.texts();
        if !texts.is_empty() || !self.tools.is_empty() {
            out.push_str("\n[artifacts.metadata]\n");
            texts.iter().for_each(|(key, value)| field(out, key, value));
            if !self.tools.is_empty() {
                let _ = writeln!(out, "tools = {}", array(&self.tools));
            }
        }
        if self.has_frontmatter() {
            out.push_str("\n[artifacts.metadata.extra]\n");
            field(out, "name", &self.name);
            out.push_str("\n[artifacts.metadata.extra.frontmatter]\n");
            field(out, "name", &self.name);
            texts.iter().for_each(|(key, value)| field(out, key, value));
        }
    }

    fn write_lock(&self, out: &mut String, hash: &str) {
        let key = quote(&format!("{}::{}", self.name, self.kind));
        let _ =
            write!(out, "\n[lock.entries.{key}]\ncontent_hash = \"{hash}\"\nfetched = \"{}\"\n", self.added);
        if let Some((address, commit, version)) = &self.upstream {
            let _ = writeln!(
                out,
                "upstream = {}\nresolved_sha = \"{commit}\"\nresolved_version = \"{version}\"",
                quote(address)
            );
        }
    }
}

/// A TOML basic string as `tomli_w` escapes it.
fn quote(text: &str) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push('\t'),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "\""
}

/// A TOML array as `tomli_w` lays it out.
fn array(items: &[impl AsRef<str>]) -> String {
    let lines: String = items.iter().map(|item| format!("    {},\n", quote(item.as_ref()))).collect();
    format!("[\n{lines}]")
}

/// `SplitMix64`: the same on every machine and in every version, which a crate would not promise.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("smaller than the bound")
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }

    /// `count` different items in random order.
    fn sample<T: Clone>(&mut self, from: &[T], count: usize) -> Vec<T> {
        let mut left = from.to_vec();
        (0..count.min(left.len()))
            .map(|_| {
                let index = self.below(left.len());
                left.swap_remove(index)
            })
            .collect()
    }
}

#[test]
fn equal_seeds_make_equal_bytes() {
    let make = |seed| {
        let home = tempfile::tempdir().expect("a directory");
        let recipe = Recipe { collection: "default", artifacts: 50, seed, mix: Mix::Everything };
        let ids = generate(home.path(), recipe);
        let read = |name: &str| fs::read(home.path().join("collections/default").join(name)).expect("a file");
        (ids, read("collection.toml"), read("collection.lock"))
    };
    let (ids, manifest, lock) = make(7);
    assert_eq!(ids.len(), 50);
    assert_eq!((ids, manifest.clone(), lock), make(7));
    assert_ne!(manifest, make(8).1);
}
