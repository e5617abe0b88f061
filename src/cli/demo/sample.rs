//! The sample collection of the demo, in the format SkillMeat writes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// `(type, name, description, tags, tools)`
type Sample = (&'static str, &'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const SAMPLES: [Sample; 4] = [
    ("skill", "pdf-forms", "Read and fill in PDF forms", &["pdf", "office"], &["Read", "Bash"]),
    ("skill", "changelog", "Turn a commit range into release notes", &["git", "writing"], &["Bash", "Write"]),
    ("command", "standup", "Sum up what happened since yesterday", &["git"], &[]),
    ("agent", "reviewer", "Review a change for correctness", &["review"], &["Read", "Grep"]),
];

/// One more, for the demo to add.
const EXTRA: Sample =
    ("command", "tidy", "Find dead code and say why it is dead", &["review", "cleanup"], &["Grep"]);

/// The collection `default` below a home.
pub(super) struct Collection {
    directory: PathBuf,
}

impl Collection {
    /// Write the sample collection, its manifest last.
    pub(super) fn write(home: &Path) -> io::Result<Self> {
        let directory = home.join(".skillmeat/collections/default");
        let collection = Self { directory };
        for sample in &SAMPLES {
            collection.write_entry_file(sample)?;
        }
        collection.save(&SAMPLES)?;
        Ok(collection)
    }

    pub(super) fn manifest(&self) -> PathBuf {
        self.directory.join("collection.toml")
    }

    pub(super) fn entry_file(&self, kind: &str, name: &str) -> PathBuf {
        match kind {
            "skill" => self.directory.join("skills").join(name).join("SKILL.md"),
            _ => self.directory.join(format!("{kind}s/{name}.md")),
        }
    }

    /// As `skillmeat add` does: first the files, then the manifest.
    pub(super) fn add_one(&self) -> io::Result<()> {
        self.write_entry_file(&EXTRA)?;
        let all: Vec<Sample> = SAMPLES.into_iter().chain([EXTRA]).collect();
        self.save(&all)
    }

    /// As `skillmeat remove` does: the files go, then the entry.
    pub(super) fn remove_one(&self) -> io::Result<()> {
        fs::remove_file(self.entry_file("agent", "reviewer"))?;
        let manifest = fs::read_to_string(self.manifest())?;
        let entries: Vec<&str> =
            manifest.split("[[artifacts]]").filter(|e| !e.contains("\"reviewer\"")).collect();
        self.replace(&entries.join("[[artifacts]]"))
    }

    fn write_entry_file(&self, (kind, name, description, tags, tools): &Sample) -> io::Result<()> {
        let path = self.entry_file(kind, name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut text =
            format!("---\nname: {name}\ndescription: {description}\ntags: [{}]\n", tags.join(", "));
        if !tools.is_empty() {
            text += &format!("allowed-tools: {}\n", tools.join(", "));
        }
        text += &format!("---\n\n# {name}\n\n{description}.\n");
        fs::write(path, text)
    }

    fn save(&self, samples: &[Sample]) -> io::Result<()> {
        let list = |items: &[&str]| items.iter().map(|item| format!("    \"{item}\",\n")).collect::<String>();
        let mut text =
            "[collection]\nname = \"default\"\nversion = \"1.0.0\"\ncreated = \"2026-01-01T00:00:00\"\n\
                        updated = \"2026-01-01T00:00:00\"\n"
                .to_owned();
        for (kind, name, description, tags, tools) in samples {
            let path = if *kind == "skill" { format!("skills/{name}") } else { format!("{kind}s/{name}.md") };
            text += &format!(
                "\n[[artifacts]]\nname = \"{name}\"\ntype = \"{kind}\"\npath = \"{path}\"\norigin = \"local\"\n\
                 added = \"2026-01-01T00:00:00\"\ntags = [\n{}]\n\n[artifacts.metadata]\n\
                 description = \"{description}\"\n",
                list(tags)
            );
            if !tools.is_empty() {
                text += &format!("tools = [\n{}]\n", list(tools));
            }
        }
        self.replace(&text)
    }

    /// Replace the manifest by rename, as SkillMeat does.
    fn replace(&self, text: &str) -> io::Result<()> {
        let temporary = self.directory.join(".collection.toml.demo0000.tmp");
        fs::write(&temporary, text)?;
        fs::rename(temporary, self.manifest())
    }
}
