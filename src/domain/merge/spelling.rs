//! When two spellings are one value, and digests that do not see the difference.
//!
//! SkillMeat lower-cases the colours of groups and expands short ones (`skillmeat.api.schemas.groups`), writes NULL as an empty string
//! (`ManifestSyncService`) and reads an empty colour or icon as its default (`recover_collection_metadata`).
//!
//! What this module does not do: change what a side has. It only says what it means.

use sha2::{Digest as _, Sha256};

use crate::domain::fingerprint::hex;
use crate::domain::owned::{FileSide, GroupValue, Groups, TagValue, Tags};

/// What SkillMeat takes an empty group colour for.
pub(super) const DEFAULT_COLOR: &str = "slate";
/// What SkillMeat takes an empty icon for.
pub(super) const DEFAULT_ICON: &str = "layers";
/// What SkillMeat gives a group nobody has shared.
pub(super) const DEFAULT_VISIBILITY: &str = "private";

/// The colours of groups that have a name (`skillmeat.api.schemas.groups`).
const TOKENS: [&str; 5] = ["slate", "blue", "green", "amber", "rose"];

/// A group's colour as SkillMeat would store it.
pub(super) fn group_color(text: &str) -> String {
    let text = text.trim().to_lowercase();
    match text.strip_prefix('#').map(|digits| (digits, digits.len())) {
        Some((digits, 3)) if is_hex(digits) => {
            format!("#{}", digits.chars().flat_map(|digit| [digit, digit]).collect::<String>())
        }
        Some((digits, 8)) if is_hex(digits) => format!("#{}", digits.get(..6).unwrap_or(digits)),
        _ if text.is_empty() => DEFAULT_COLOR.to_owned(),
        _ => text,
    }
}

/// Whether SkillMeat's own pages would take this colour, which its recovery does not ask.
pub(super) fn is_group_color(canonical: &str) -> bool {
    TOKENS.contains(&canonical)
        || canonical.strip_prefix('#').is_some_and(|digits| digits.len() == 6 && is_hex(digits))
}

fn icon(text: &str) -> String {
    if text.is_empty() { DEFAULT_ICON.to_owned() } else { text.to_owned() }
}

/// A tag's colour, whose letters SkillMeat keeps as they were typed, or nothing for one that has no place in the table.
pub(super) fn tag_color(text: &str) -> String {
    let is_color = text.strip_prefix('#').is_some_and(|digits| digits.len() == 6 && is_hex(digits));
    if is_color { text.to_owned() } else { String::new() }
}

fn is_hex(digits: &str) -> bool {
    digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What a group means, whichever way it is spelled.
pub(super) fn group(value: &GroupValue) -> GroupValue {
    GroupValue {
        color: group_color(&value.color),
        icon: icon(&value.icon),
        position: value.position.max(0),
        ..value.clone()
    }
}

/// What a definition means, whichever way it is spelled.
pub(super) fn tag(value: &TagValue) -> TagValue {
    TagValue { color: tag_color(&value.color), ..value.clone() }
}

/// Of the section `groups`: equal for equal groups in whatever spelling and order.
#[must_use]
pub fn digest_groups(groups: &Groups) -> String {
    let mut digest = Digest::default();
    for (name, value) in &groups.by_name {
        let value = group(value);
        digest.text(name);
        for text in [&value.description, &value.color, &value.icon] {
            digest.text(text);
        }
        digest.number(value.position.unsigned_abs());
        digest.number(value.members.len() as u64);
        for member in &value.members {
            digest.text(member);
        }
    }
    digest.finish()
}

/// Of the section `tag_definitions`: equal for equal definitions in whatever spelling and order.
#[must_use]
pub fn digest_tags(tags: &Tags) -> String {
    let mut digest = Digest::default();
    for (slug, value) in tags {
        let value = tag(value);
        for text in [slug, &value.name, &value.color, &value.description.unwrap_or_default()] {
            digest.text(text);
        }
    }
    digest.finish()
}

/// The two digests of a file: groups, tag definitions.
pub(super) fn digests(file: &FileSide) -> (String, String) {
    (digest_groups(&file.groups), digest_tags(&file.tags))
}

/// SHA-256 of a list of texts and numbers; each text is preceded by its length, so that no two lists read alike.
#[derive(Default)]
struct Digest(Sha256);

impl Digest {
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}
