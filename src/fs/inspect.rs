//! One artifact or manifest, read as the daemon reads it, for a person or a script to see.
//!
//! What is hashed is exactly the path that was given: for `SKILL.md` that file, for its directory the whole skill.
//!
//! What this module does not do: print, or look at anything but that path (and, to guess a type, its parents' names).

use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType};
use rustix::io::Errno;
use serde::Serialize;

use super::artifact::Reader;
use super::open::{kind_of, read_below, stat_below};
use crate::domain::manifest;
use crate::domain::model::{
    ArtifactId, Entry, Fingerprint, Group, Kind, Manifest, Metadata, Problem, TagDefinition,
};

/// What was found at a path. As JSON, an absent value is `null` or an empty list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Inspection {
    /// An artifact: one file, or a directory.
    Artifact {
        /// Given or guessed.
        #[serde(rename = "type")]
        kind: Kind,
        /// From the frontmatter; empty for the types that have none.
        metadata: Metadata,
        /// `None` when the files could not be read; a problem says why.
        hashes: Option<Fingerprint>,
        /// Paths begin with the path that was given.
        problems: Vec<Problem>,
    },
    /// A `collection.toml`. One that is no manifest at all has no name, no entries, and a problem.
    Manifest {
        /// Always `manifest`.
        #[serde(rename = "type")]
        kind: ManifestWord,
        /// `[collection].name`.
        name: Option<String>,
        /// The readable entries in file order.
        entries: Vec<EntryView>,
        /// Ids of the entries that could not be read.
        unreadable: Vec<String>,
        /// How many entries could not even be named.
        unnamed: usize,
        /// In file order.
        groups: Vec<GroupView>,
        /// In file order.
        tag_definitions: Vec<TagView>,
        /// Their path is the path that was given.
        problems: Vec<Problem>,
    },
}

/// The word `manifest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ManifestWord {
    /// It.
    Manifest,
}

/// An entry of a manifest.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the keys of collection.toml")]
pub struct EntryView {
    /// `type:name`
    pub id: String,
    pub path: String,
    pub origin: &'static str,
    pub origin_source: Option<String>,
    pub upstream: Option<String>,
    pub resolved_sha: Option<String>,
    pub resolved_version: Option<String>,
    pub metadata: Metadata,
}

/// A group of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the keys of collection.toml")]
pub struct GroupView {
    pub name: String,
    pub description: String,
    pub color: String,
    pub icon: String,
    pub position: i64,
    pub members: Vec<String>,
}

/// A tag definition of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the keys of collection.toml")]
pub struct TagView {
    pub name: String,
    pub slug: String,
    pub color: String,
    pub description: String,
}

/// Nothing could be inspected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// There is nothing there.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// The path is not text.
    #[error("{} is not valid UTF-8", .0.display())]
    NotUtf8(PathBuf),
    /// It could be anything.
    #[error("{} could be any type of artifact: say which with --type, for example --type command", .0.display())]
    UnknownKind(PathBuf),
    /// The system refused.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: Errno,
    },
}

/// Read what is at `path`: a manifest if it is a file called `collection.toml` and no `kind` is given, else an artifact
/// of this kind. Without a kind it is guessed: `SKILL.md` or a directory that has one is a skill, and what lies in
/// `skills`, `commands`, `agents` or `souls` is what those hold.
///
/// # Errors
/// There is nothing at the path, it cannot be looked at, or its type cannot be guessed. What is wrong *in* it is not an
/// error but a problem in the result.
pub fn inspect(path: &Path, kind: Option<Kind>) -> Result<Inspection, InspectError> {
    let text = path.to_str().ok_or_else(|| InspectError::NotUtf8(path.to_owned()))?;
    let stat = stat_below(CWD, text).map_err(|errno| match errno {
        Errno::NOENT | Errno::NOTDIR => InspectError::Missing(path.to_owned()),
        source => InspectError::Unreadable { path: path.to_owned(), source },
    })?;
    let is_directory = kind_of(&stat) == FileType::Directory;
    if kind.is_none() && !is_directory && path.file_name().is_some_and(|name| name == "collection.toml") {
        return Ok(inspect_manifest(text));
    }
    let kind = kind
        .or_else(|| guess(path, is_directory))
        .ok_or_else(|| InspectError::UnknownKind(path.to_owned()))?;
    // `skills/pdf/` is the same path as `skills/pdf`, but `/` is not the empty one.
    let trimmed = text.trim_end_matches('/');
    let artifact = if trimmed.is_empty() { text } else { trimmed };
    let reading = Reader::of_given_files().read(CWD, artifact, kind);
    let place = |problem: Problem| {
        let path = if problem.path.is_empty() {
            artifact.to_owned()
        } else {
            format!("{artifact}/{}", problem.path)
        };
        Problem { path, ..problem }
    };
    Ok(Inspection::Artifact {
        kind,
        metadata: reading.frontmatter.map(|frontmatter| frontmatter.extracted.metadata).unwrap_or_default(),
        hashes: reading.fingerprint,
        problems: reading.problems.into_iter().map(place).collect(),
    })
}

fn guess(path: &Path, is_directory: bool) -> Option<Kind> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_skill = if is_directory {
        path.join("SKILL.md").is_file()
    } else {
        path.file_name().is_some_and(|name| name == "SKILL.md")
    };
    if is_skill {
        return Some(Kind::Skill);
    }
    match path.parent()?.file_name()?.to_str()? {
        "skills" => Some(Kind::Skill),
        "commands" => Some(Kind::Command),
        "agents" => Some(Kind::Agent),
        "souls" => Some(Kind::Soul),
        _ => None,
    }
}

fn inspect_manifest(path: &str) -> Inspection {
    let parsed = match read_below(CWD, path, manifest::MAX_BYTES) {
        Ok((bytes, _)) => manifest::parse(&bytes, None),
        Err(Errno::INVAL) => Err(Problem::new("", "it is not a regular file")),
        Err(errno) => Err(Problem::new("", format!("it cannot be read: {errno}"))),
    };
    let (manifest, readable) = match parsed {
        Ok(parsed) => (Manifest::clone(&parsed.manifest), true),
        Err(problem) => (Manifest { problems: vec![problem], ..Manifest::default() }, false),
    };
    let place = |problem: Problem| Problem { path: path.to_owned(), ..problem };
    Inspection::Manifest {
        kind: ManifestWord::Manifest,
        name: readable.then_some(manifest.name),
        entries: manifest.entries.iter().map(|entry| EntryView::from(entry.unpack())).collect(),
        unreadable: manifest.unreadable.iter().map(ArtifactId::to_string).collect(),
        unnamed: manifest.unnamed,
        groups: manifest.groups.into_iter().map(GroupView::from).collect(),
        tag_definitions: manifest.tag_definitions.into_iter().map(TagView::from).collect(),
        problems: manifest.problems.into_iter().map(place).collect(),
    }
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let Entry { id, path, origin, origin_source, upstream, resolved_sha, resolved_version, metadata } =
            entry;
        let (id, origin) = (id.to_string(), origin.as_str());
        Self { id, path, origin, origin_source, upstream, resolved_sha, resolved_version, metadata }
    }
}

impl From<Group> for GroupView {
    fn from(Group { name, description, color, icon, position, members }: Group) -> Self {
        Self { name, description, color, icon, position, members }
    }
}

impl From<TagDefinition> for TagView {
    fn from(TagDefinition { name, slug, color, description }: TagDefinition) -> Self {
        Self { name, slug, color, description }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for (path, text) in [
            (
                "skills/pdf/SKILL.md",
                "---\nname: pdf\ndescription: Reads\ntags: [a, b]\nallowed-tools: Read, bash\n---\n# pdf\n",
            ),
            ("skills/pdf/scripts/x.py", "pass\n"),
            ("commands/hello.md", "# hello\n"),
            ("loose/hello.md", "# hello\n"),
        ] {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        home
    }

    fn json_of(path: &Path, kind: Option<Kind>) -> Value {
        serde_json::to_value(inspect(path, kind).unwrap()).unwrap()
    }

    #[test]
    fn an_artifact_shows_metadata_hashes_and_problems() {
        let home = home();
        // The hashes are SkillMeat's own for this file.
        let expected = json!({
            "type": "command",
            "metadata": {
                "title": null, "description": null, "author": null, "license": null, "version": null, "tags": [], "tools": []
            },
            "hashes": {
                "lock_content_hash": "9e8b62f81ea5c66fa06ee53da032751386b37702153070c0e14dd1d316282fa7",
                "artifact_fingerprint": "4ea172f9b30607854ec8ebcbc1c2f683b936e52b5537daaabf58963c18964867",
                "structure_hash": "f9daf5f32a5233100725ea26c3fe9af440fc00c23f36636f4f6d008b2074954c",
                "file_count": 1,
                "total_size": 8
            },
            "problems": []
        });
        assert_eq!(json_of(&home.path().join("commands/hello.md"), None), expected);
        let skill = json_of(&home.path().join("skills/pdf/"), None);
        assert_eq!(skill["type"], "skill");
        assert_eq!(skill["metadata"]["tags"], json!(["a", "b"]));
        assert_eq!(skill["metadata"]["tools"], json!(["Read", "Bash"]));
        assert_eq!(skill["hashes"]["file_count"], 2);
        let file = json_of(&home.path().join("skills/pdf/SKILL.md"), None);
        assert_eq!((&file["metadata"], &file["hashes"]["file_count"]), (&skill["metadata"], &json!(1)));
    }

    #[test]
    fn a_type_that_cannot_be_guessed_must_be_given() {
        let home = home();
        let loose = home.path().join("loose/hello.md");
        assert_eq!(inspect(&loose, None), Err(InspectError::UnknownKind(loose.clone())));
        assert_eq!(json_of(&loose, Some(Kind::Agent))["type"], "agent");
        let missing = home.path().join("nothing");
        assert_eq!(inspect(&missing, Some(Kind::Skill)), Err(InspectError::Missing(missing.clone())));
    }

    #[test]
    fn problems_name_the_path_that_was_given() {
        let home = home();
        let skill = home.path().join("skills/pdf");
        std::fs::write(skill.join("SKILL.md"), b"---\ndescription: \xff\n---\n").unwrap();
        let found = json_of(&skill, None);
        assert_eq!(found["problems"][0]["path"], json!(skill.join("SKILL.md")));
        assert_eq!(found["problems"][0]["line"], 2);
    }

    #[test]
    fn a_manifest_shows_what_would_be_mirrored() {
        let home = home();
        let path = home.path().join("collection.toml");
        std::fs::write(
            &path,
            "[collection]\nname = \"default\"\nversion = \"1\"\ncreated = \"2026-01-01\"\nupdated = \"2026-01-01\"\n\
             [[artifacts]]\nname = \"a\"\ntype = \"skill\"\npath = \"skills/a\"\norigin = \"local\"\nadded = \"2026-01-01\"\n\
             [[artifacts]]\nname = \"b\"\ntype = \"skill\"\n[[groups]]\nname = \"g\"\n",
        )
        .unwrap();
        let found = json_of(&path, None);
        assert_eq!(found["type"], "manifest");
        assert_eq!(found["name"], "default");
        assert_eq!(found["entries"][0]["id"], "skill:a");
        assert_eq!(found["entries"][0]["origin"], "local");
        assert_eq!(found["unreadable"], json!(["skill:b"]));
        assert_eq!(found["groups"][0]["name"], "g");
        assert_eq!(found["problems"][0]["path"], json!(path));
        std::fs::write(&path, "[collection\n").unwrap();
        let found = json_of(&path, None);
        assert_eq!((&found["name"], &found["entries"]), (&Value::Null, &json!([])));
        assert_eq!(found["problems"][0]["line"], 1);
    }
}
