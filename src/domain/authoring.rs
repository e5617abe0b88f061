//! What may be written about an artifact, and what stands for the state it was written on.
//!
//! What this module does not do: write. [`crate::domain::edit`] and [`crate::domain::frontmatter::edit`] make the
//! texts.

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use super::compact::Sha256Hex;
use super::edit::{FieldEdit, ListField, TextField};
use super::manifest::TOOLS;
use super::model::{ArtifactId, Kind, Metadata};

/// Longest text field, characters.
const TEXT_MAX: usize = 10_000;
/// Most items of a list.
const LIST_MAX: usize = 100;
/// Longest tag, characters; the cache's column holds no more.
const TAG_MAX: usize = 100;
/// Longest name, bytes, so that its file's name fits any file system.
const NAME_MAX: usize = 200;

/// The fields to set. What is not there stays; `null` takes a field away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the field of that name in `Metadata`")]
pub struct Fields {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub title: Option<Option<String>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub author: Option<Option<String>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub license: Option<Option<String>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub version: Option<Option<String>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub tags: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub tools: Option<Option<Vec<String>>>,
}

/// A key that is there is `Some`, whatever its value.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// Why something is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A text field.
    #[error("{field} {why}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A name.
    #[error("the name {0}")]
    Name(&'static str),
    /// Only artifacts with frontmatter can be made from a text.
    #[error("a {0} cannot be made from a text; a skill, command, agent or soul can")]
    Kind(Kind),
}

impl Fields {
    /// The edits these ask for. Blanks at the ends of tags are taken off, of equal tags the first stays; an empty text
    /// takes the field away.
    ///
    /// # Errors
    /// See [`Invalid`].
    pub fn edits(&self) -> Result<Vec<FieldEdit>, Invalid> {
        let texts = [
            (TextField::Title, &self.title),
            (TextField::Description, &self.description),
            (TextField::Author, &self.author),
            (TextField::License, &self.license),
            (TextField::Version, &self.version),
        ];
        let mut edits = Vec::new();
        for (field, value) in texts {
            if let Some(value) = value {
                let value = value.as_deref().filter(|text| !text.is_empty());
                edits.push(FieldEdit::Text(field, value.map(|text| text_of(field, text)).transpose()?));
            }
        }
        if let Some(tags) = &self.tags {
            edits.push(FieldEdit::List(ListField::Tags, tags_of(tags.as_deref().unwrap_or_default())?));
        }
        if let Some(tools) = &self.tools {
            edits.push(FieldEdit::List(ListField::Tools, tools_of(tools.as_deref().unwrap_or_default())?));
        }
        Ok(edits)
    }
}

fn text_of(field: TextField, text: &str) -> Result<String, Invalid> {
    let invalid = |why: String| Invalid::Field { field: field.key(), why };
    if text.chars().count() > TEXT_MAX {
        return Err(invalid(format!("has more than {TEXT_MAX} characters")));
    }
    let lines = matches!(field, TextField::Description);
    if let Some(c) = text.chars().find(|c| !(is_writable(*c) || (lines && matches!(c, '\n' | '\t')))) {
        return Err(invalid(format!(
            "holds the character U+{:04X}, which cannot be written there",
            u32::from(c)
        )));
    }
    if text.trim().is_empty() {
        return Err(invalid("is nothing but blanks".to_owned()));
    }
    Ok(text.to_owned())
}

/// What YAML and TOML both take on one line.
fn is_writable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn tags_of(tags: &[String]) -> Result<Vec<String>, Invalid> {
    let invalid = |why: String| Invalid::Field { field: "tags", why };
    let mut found: Vec<String> = Vec::new();
    for tag in tags {
        let tag = tag.trim();
        if tag.is_empty() {
            return Err(invalid("holds an empty tag".to_owned()));
        }
        if tag.chars().count() > TAG_MAX {
            return Err(invalid(format!("holds a tag of more than {TAG_MAX} characters")));
        }
        if !tag.chars().all(is_writable) {
            return Err(invalid(format!("holds {tag:?}, which cannot be written there")));
        }
        if !found.iter().any(|known| known == tag) {
            found.push(tag.to_owned());
        }
    }
    if found.len() > LIST_MAX {
        return Err(invalid(format!("has more than {LIST_MAX} items")));
    }
    Ok(found)
}

fn tools_of(tools: &[String]) -> Result<Vec<String>, Invalid> {
    let mut found: Vec<String> = Vec::new();
    for tool in tools {
        let Some(known) = TOOLS.into_iter().find(|known| known == tool) else {
            let why = format!("holds {tool:?}, which is none of SkillMeat's tools: {}", TOOLS.join(", "));
            return Err(Invalid::Field { field: "tools", why });
        };
        if !found.iter().any(|there| there == known) {
            found.push(known.to_owned());
        }
    }
    Ok(found)
}

/// Where a new artifact's files go: its `path` in the manifest, and its entry file below that (empty when the artifact is
/// that one file), as `skillmeat add` places them (`skillmeat.core.artifact.ArtifactManager`).
///
/// # Errors
/// When it is of another kind, or SkillMeat does not take the name (`skillmeat.core.artifact.Artifact.__post_init__`).
pub fn place(id: &ArtifactId) -> Result<(String, &'static str), Invalid> {
    let name = &*id.name;
    let bad = match name {
        "" => Some("is empty"),
        _ if name.starts_with('.') => Some("starts with a dot"),
        _ if name.contains(['/', '\\']) => Some("holds a path separator"),
        _ if name.contains("..") => Some("holds `..`"),
        _ if !name.chars().all(is_writable) => Some("holds a character that cannot be written"),
        _ if name.trim() != name => Some("begins or ends with a blank"),
        _ if name.len() > NAME_MAX => Some("is longer than 200 bytes"),
        _ => None,
    };
    if let Some(why) = bad {
        return Err(Invalid::Name(why));
    }
    match id.kind {
        Kind::Skill => Ok((format!("skills/{name}"), "SKILL.md")),
        Kind::Command => Ok((format!("commands/{name}.md"), "")),
        Kind::Agent => Ok((format!("agents/{name}.md"), "")),
        Kind::Soul => Ok((format!("souls/{name}.md"), "")),
        kind => Err(Invalid::Kind(kind)),
    }
}

/// What stands for an artifact's state in `ETag` and `If-Match` (RFC 9110, 8.8.3), without the quotes: the metadata in
/// the manifest and every byte of the entry file.
#[must_use]
pub fn etag(metadata: &Metadata, entry_file: Option<&[u8]>) -> String {
    let mut hasher = Sha256::new();
    // Metadata has no map in it, so its JSON is one text; and it is made of strings alone.
    hasher.update(serde_json::to_vec(metadata).unwrap_or_default());
    hasher.update([u8::from(entry_file.is_some())]);
    hasher.update(entry_file.unwrap_or_default());
    let mut tag = Sha256Hex(hasher.finalize().into()).to_string();
    tag.truncate(32);
    tag
}

/// The digest of a file's bytes, in hexadecimal.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    Sha256Hex(Sha256::digest(bytes).into()).to_string()
}

/// Whether `If-Match` (RFC 9110, 13.1.1) lets a change of this state through. Weak tags never match.
#[must_use]
pub fn matches(if_match: &str, etag: &str) -> bool {
    if_match.split(',').map(str::trim).any(|tag| tag == "*" || tag == format!("\"{etag}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(json: &str) -> Result<Vec<FieldEdit>, String> {
        let fields: Fields = serde_json::from_str(json).map_err(|error| error.to_string())?;
        assert_eq!(serde_json::from_str::<Fields>(&serde_json::to_string(&fields).unwrap()).unwrap(), fields);
        fields.edits().map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_named_stays_and_null_takes_away() {
        assert_eq!(edits("{}"), Ok(vec![]));
        assert_eq!(
            edits(
                r#"{"author": null, "version": "", "title": "T", "tags": null, "tools": ["Read", "Read"]}"#
            ),
            Ok(vec![
                FieldEdit::Text(TextField::Title, Some("T".into())),
                FieldEdit::Text(TextField::Author, None),
                FieldEdit::Text(TextField::Version, None),
                FieldEdit::List(ListField::Tags, vec![]),
                FieldEdit::List(ListField::Tools, vec!["Read".into()]),
            ])
        );
        assert_eq!(
            edits(r#"{"tags": [" a ", "b", "a"]}"#),
            Ok(vec![FieldEdit::List(ListField::Tags, vec!["a".into(), "b".into()])])
        );
        assert!(edits(r#"{"description": "a\n\tb"}"#).is_ok());
    }

    #[test]
    fn what_cannot_be_written_is_told_with_the_reason() {
        for (json, why) in [
            (r#"{"name": "x"}"#, "unknown field"),
            (r#"{"author": 7}"#, "invalid type"),
            (r#"{"author": "a\nb"}"#, "U+000A"),
            (r#"{"description": "a\u0000"}"#, "U+0000"),
            (r#"{"description": "  "}"#, "blanks"),
            (r#"{"tags": [" "]}"#, "empty tag"),
            (r#"{"tags": ["a\nb"]}"#, "cannot be written"),
            (r#"{"tools": ["bash"]}"#, "none of SkillMeat's tools"),
        ] {
            let error = edits(json).unwrap_err();
            assert!(error.contains(why), "{json}: {error}");
        }
        let long = serde_json::json!({ "title": "x".repeat(TEXT_MAX + 1) }).to_string();
        assert!(edits(&long).unwrap_err().contains("more than"));
        let many: Vec<String> = (0..=LIST_MAX).map(|n| n.to_string()).collect();
        assert!(edits(&serde_json::json!({ "tags": many }).to_string()).unwrap_err().contains("items"));
    }

    #[test]
    fn places_are_skillmeats() {
        let at = |kind, name: &str| place(&ArtifactId::new(kind, name));
        assert_eq!(at(Kind::Skill, "a b"), Ok(("skills/a b".into(), "SKILL.md")));
        assert_eq!(at(Kind::Agent, "ü"), Ok(("agents/ü.md".into(), "")));
        assert_eq!(at(Kind::Hook, "h"), Err(Invalid::Kind(Kind::Hook)));
        for name in ["", ".a", "a/b", "a\\b", "a..b", "a\nb", " a"] {
            assert!(matches!(at(Kind::Soul, name), Err(Invalid::Name(_))), "{name:?}");
        }
    }

    #[test]
    fn a_state_has_one_tag_and_another_state_another() {
        let metadata = Metadata { author: Some("A".into()), ..Metadata::default() };
        let tag = etag(&metadata, Some(b"x"));
        assert_eq!(tag.len(), 32);
        assert_ne!(tag, etag(&metadata, Some(b"y")));
        assert_ne!(etag(&metadata, Some(b"")), etag(&metadata, None));
        assert_ne!(tag, etag(&Metadata::default(), Some(b"x")));
        assert!(matches("*", &tag) && matches(&format!("\"no\", \"{tag}\""), &tag));
        assert!(!matches(&format!("W/\"{tag}\""), &tag) && !matches(&tag, &tag));
    }
}
