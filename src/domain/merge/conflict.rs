//! What both sides changed: which value stands, and which one gave way and waits for a person's word.
//!
//! What this module does not do: find conflicts, or keep them.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::fingerprint::hex;
use crate::domain::owned::{GroupValue, TagValue};

/// A value that gave way, and everything needed to put it in force after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Twelve hexadecimal digits, the same whenever the same values meet again.
    pub id: String,
    /// The collection directory's name.
    pub collection: String,
    /// What it is about.
    pub subject: Subject,
    /// Which part of it.
    pub field: Field,
    /// What stands: the database's. `None` when it is not there.
    pub ours: Option<Value>,
    /// What gave way: the file's. `None` when it was not there.
    pub theirs: Option<Value>,
}

/// What a conflict is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A group, by name.
    Group(String),
    /// A tag's definition, by slug.
    Tag(String),
}

/// Which part of a group or a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is the field of that name")]
pub enum Field {
    /// All of it: one side has none.
    Whole,
    Name,
    Description,
    Color,
    Icon,
    Position,
    Members,
}

/// A value of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is the value of a field of that type")]
pub enum Value {
    Text(String),
    Number(i64),
    List(Vec<String>),
    Group(GroupValue),
    Tag(TagValue),
}

impl Conflict {
    /// A conflict with the id that its content gives it.
    pub(super) fn new(
        collection: &str,
        subject: Subject,
        field: Field,
        ours: Option<Value>,
        theirs: Option<Value>,
    ) -> Self {
        let mut conflict =
            Self { id: String::new(), collection: collection.to_owned(), subject, field, ours, theirs };
        let content = format!("{conflict:?}");
        conflict.id = hex(&Sha256::digest(content.as_bytes())).chars().take(12).collect();
        conflict
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => write!(f, "group `{name}`"),
            Self::Tag(slug) => write!(f, "tag `{slug}`"),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::Name => "name",
            Self::Description => "description",
            Self::Color => "color",
            Self::Icon => "icon",
            Self::Position => "position",
            Self::Members => "members",
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Number(number) => write!(f, "{number}"),
            Self::List(items) => write!(f, "[{}]", items.join(", ")),
            Self::Group(group) => {
                write!(f, "{}, {}, position {}", group.color, group.icon, group.position)?;
                if !group.description.is_empty() {
                    write!(f, ", \"{}\"", group.description)?;
                }
                write!(f, ", members [{}]", group.members.join(", "))
            }
            Self::Tag(tag) => {
                write!(f, "\"{}\"", tag.name)?;
                if !tag.color.is_empty() {
                    write!(f, ", {}", tag.color)?;
                }
                match tag.description.as_deref() {
                    None | Some("") => Ok(()),
                    Some(description) => write!(f, ", \"{description}\""),
                }
            }
        }
    }
}
