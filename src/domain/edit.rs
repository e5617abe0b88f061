//! Edits a `collection.toml` and leaves every other byte alone: comments, order, unknown keys, line endings, blanks, the
//! spelling of values. `toml_edit` finds the places; the text is changed at those places only, because a document written
//! back as a whole would lose `\r\n` line endings, and would cost the size of the file instead of the size of an entry.
//!
//! Values are written as SkillMeat's writer (`tomli_w`) writes them. What is written is read back from the new text
//! before it is given out.
//!
//! What this module does not do: read manifests (a text that is wrong TOML outside of what is edited stays wrong), decide
//! what to change, or write files.

mod draft;
mod entry;
mod field;
mod owned;
mod place;
mod scan;
mod search;
#[cfg(test)]
mod tests;
mod value;
mod whole;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;

pub use field::{FieldEdit, ListField, TextField};
pub use whole::{NewEntry, add_entry, remove_entry};

use crate::domain::model::ArtifactId;
use crate::domain::owned::SectionEdits;
use draft::Draft;
use entry::Spot;
use place::Step;
use value::NewValue;

/// What is to change in one artifact's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryEdit {
    /// Whose entry.
    pub id: ArtifactId,
    /// The fields; of two edits of one field the later one counts.
    pub fields: Vec<FieldEdit>,
}

/// Why a text could not be edited. The text is then unchanged as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text, or the part of it that is to be edited, is not TOML.
    #[error("line {line}: {message}")]
    Syntax {
        /// 1-based.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// No entry has this type and name.
    #[error("there is no entry for {0}")]
    NoEntry(ArtifactId),
    /// There is an entry of this type and name already.
    #[error("there is an entry for {0} already")]
    Taken(ArtifactId),
    /// There is something at this key that SkillMeat's format does not have there.
    #[error("`{path}` has an unexpected form")]
    Shape {
        /// The key, dotted.
        path: String,
    },
    /// The new text did not read back as wanted, so it was thrown away.
    #[error("`{key}` of {id} cannot be set in the way the file is written")]
    NotKept {
        /// Whose entry.
        id: ArtifactId,
        /// Which field.
        key: &'static str,
    },
    /// The new list did not read back as wanted, so it was thrown away.
    #[error("`{section}` cannot be changed in the way the file is written")]
    SectionNotKept {
        /// The list's key.
        section: &'static str,
    },
}

impl EditError {
    fn at(text: &str, offset: usize, message: &str) -> Self {
        let before = text.as_bytes().iter().take(offset);
        let line = before.filter(|&&byte| byte == b'\n').count() + 1;
        Self::Syntax { line, message: message.to_owned() }
    }

    /// The error of a piece of `text` that starts at `start`, as one of the whole text.
    fn below(self, text: &str, start: usize) -> Self {
        match self {
            Self::Syntax { line, message } => {
                let above = text.as_bytes().iter().take(start).filter(|&&byte| byte == b'\n').count();
                Self::Syntax { line: line + above, message }
            }
            other => other,
        }
    }
}

/// The text with the edits made. `now` (UTC) becomes `[collection].updated`, but only when something else has changed;
/// edits that change nothing give the same text back, byte for byte.
///
/// Entries may be `[[artifacts]]` tables or members of an inline array; of two with the same id the later one is edited,
/// which is the one SkillMeat uses. A removed key leaves its comments behind.
///
/// # Errors
///
/// See [`EditError`]. All edits are made or none.
pub fn edit(text: &str, edits: &[EntryEdit], now: NaiveDateTime) -> Result<String, EditError> {
    if edits.is_empty() {
        return Ok(text.to_owned());
    }
    let wanted: BTreeSet<_> = edits.iter().map(|edit| &edit.id).collect();
    let sections = search::sections_about(text, &wanted)?;
    let sites = entry::locate(text, &sections, &wanted)?;
    if let Some(missing) = edits.iter().find(|edit| !sites.contains_key(&edit.id)) {
        scan::sections(text)?; // the reason, if it lies where nobody looked
        return Err(EditError::NoEntry(missing.id.clone()));
    }
    let mut draft = Draft::new(text, &sections);
    make(&mut draft, &sites, edits)?;
    if !draft.is_changed() {
        return Ok(text.to_owned());
    }
    stamp(&mut draft, &sections, now)?;
    Ok(draft.finish())
}

/// The text with its groups, its tag definitions and the `tags` of its artifacts as wanted. `now` (UTC) becomes
/// `[collection].updated`, but only when something else has changed; what the text says already is left as it is, byte
/// for byte, in whatever spelling.
///
/// The lists keep their form (`[[groups]]` tables or an inline array), the order of what does not move, comments,
/// unknown keys, and groups that are members of groups. A removed entry takes the comments directly above it along; an
/// emptied list loses its key. A colour or icon that is left out or empty in the text is the default of SkillMeat's
/// reader. Entries that cannot be read stay, and so does a wanted one of the same name beside them: unwritten.
///
/// New tags for an artifact that has no entry (any more) are passed over, because its removal is another's decision.
///
/// # Errors
///
/// See [`EditError`]. All of it is done or nothing.
pub fn edit_sections(text: &str, edits: &SectionEdits, now: NaiveDateTime) -> Result<String, EditError> {
    let mut out = Cow::Borrowed(text);
    if !edits.artifact_tags.is_empty() {
        out = Cow::Owned(with_tags(text, &edits.artifact_tags)?);
    }
    let groups = edits.groups.as_ref().map(|groups| owned::Target::groups(groups, &edits.renamed_groups));
    let tags = edits.tags.as_ref().map(|tags| owned::Target::tags(tags, &edits.renamed_tags));
    for target in tags.iter().chain(&groups) {
        out = Cow::Owned(owned::apply(&out, target)?);
    }
    if out == text {
        return Ok(text.to_owned());
    }
    let sections = search::sections_about(&out, &BTreeSet::new())?;
    let mut draft = Draft::new(&out, &sections);
    stamp(&mut draft, &sections, now)?;
    Ok(draft.finish())
}

fn with_tags(text: &str, tags: &BTreeMap<ArtifactId, Vec<String>>) -> Result<String, EditError> {
    let wanted = tags.keys().collect();
    let sections = search::sections_about(text, &wanted)?;
    let sites = entry::locate(text, &sections, &wanted)?;
    let edit = |(id, tags): (&ArtifactId, &Vec<String>)| EntryEdit {
        id: id.clone(),
        fields: vec![FieldEdit::List(ListField::Tags, tags.clone())],
    };
    let edits: Vec<_> = tags.iter().map(edit).collect();
    let mut draft = Draft::new(text, &sections);
    make(&mut draft, &sites, &edits)?;
    Ok(draft.finish())
}

/// Makes the edits whose entries there are.
fn make(
    draft: &mut Draft<'_>,
    sites: &BTreeMap<ArtifactId, entry::Site>,
    edits: &[EntryEdit],
) -> Result<(), EditError> {
    for edit in edits {
        let Some(site) = sites.get(&edit.id) else { continue };
        for field in &edit.fields {
            entry::apply(draft, site, &edit.id, field)?;
        }
    }
    Ok(())
}

/// Sets `[collection].updated`, if it is there: a manifest without it is one that SkillMeat cannot read.
fn stamp(draft: &mut Draft<'_>, sections: &[scan::Section<'_>], now: NaiveDateTime) -> Result<(), EditError> {
    let header = sections.iter().position(|section| section.path == ["collection"] && !section.array);
    let spot = Spot { section: header.unwrap_or(0), path: vec![Step::Key("collection")] };
    if draft.get(&spot, "updated")?.is_none() {
        return Ok(());
    }
    draft.set(&spot, "updated", &[], NewValue::Text(&isoformat(now)))
}

/// A time as Python's `datetime.isoformat()` spells it, which is how SkillMeat keeps times: microseconds, left out when
/// they are zero. `now` is UTC; the text does not say so.
#[must_use]
pub fn isoformat(now: NaiveDateTime) -> String {
    use chrono::Timelike;
    // chrono keeps a leap second as more than a second of nanoseconds; Python has no spelling for it.
    let micros = (now.nanosecond() / 1_000).min(999_999);
    let seconds = format!("{}{:02}", now.format("%Y-%m-%dT%H:%M:"), now.second());
    if micros == 0 { seconds } else { format!("{seconds}.{micros:06}") }
}
