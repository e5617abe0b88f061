//! The fields of an entry that this daemon may change.

use crate::domain::model::Metadata;

/// A field of `[artifacts.metadata]` that holds one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is the field of that name in `Metadata`")]
pub enum TextField {
    Title,
    Description,
    Author,
    License,
    Version,
}

impl TextField {
    /// Every text field, in the order SkillMeat writes them.
    pub const ALL: [Self; 5] = [Self::Title, Self::Description, Self::Author, Self::License, Self::Version];

    /// The key in `[artifacts.metadata]`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Description => "description",
            Self::Author => "author",
            Self::License => "license",
            Self::Version => "version",
        }
    }

    /// The field's value.
    #[must_use]
    pub fn of(self, metadata: &Metadata) -> &Option<String> {
        match self {
            Self::Title => &metadata.title,
            Self::Description => &metadata.description,
            Self::Author => &metadata.author,
            Self::License => &metadata.license,
            Self::Version => &metadata.version,
        }
    }

    fn of_mut(self, metadata: &mut Metadata) -> &mut Option<String> {
        match self {
            Self::Title => &mut metadata.title,
            Self::Description => &mut metadata.description,
            Self::Author => &mut metadata.author,
            Self::License => &mut metadata.license,
            Self::Version => &mut metadata.version,
        }
    }
}

/// A field that holds a list of texts. `tags` is a key of the entry itself, `tools` one of `[artifacts.metadata]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is the field of that name in `Metadata`")]
pub enum ListField {
    Tags,
    Tools,
}

impl ListField {
    /// Every list field.
    pub const ALL: [Self; 2] = [Self::Tags, Self::Tools];

    /// The key in the file.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Tags => "tags",
            Self::Tools => "tools",
        }
    }

    /// The field's value.
    #[must_use]
    pub fn of(self, metadata: &Metadata) -> &Vec<String> {
        match self {
            Self::Tags => &metadata.tags,
            Self::Tools => &metadata.tools,
        }
    }

    fn of_mut(self, metadata: &mut Metadata) -> &mut Vec<String> {
        match self {
            Self::Tags => &mut metadata.tags,
            Self::Tools => &mut metadata.tools,
        }
    }
}

/// One field and the value it is to have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldEdit {
    /// `None` removes the key. An empty text is a value: SkillMeat writes `version = ""`.
    Text(TextField, Option<String>),
    /// An empty list removes the key, as SkillMeat does not write empty lists.
    List(ListField, Vec<String>),
}

impl FieldEdit {
    /// What the edit means for the metadata that is read back from the file.
    pub fn apply(&self, metadata: &mut Metadata) {
        match self {
            Self::Text(field, value) => field.of_mut(metadata).clone_from(value),
            Self::List(field, value) => field.of_mut(metadata).clone_from(value),
        }
    }
}
