//! What a list shall hold, what an entry of it holds now, and how both are compared and spelled.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::domain::edit::EditError;
use crate::domain::edit::place::{Step, parse, place};
use crate::domain::edit::value::{NewValue, Style};
use crate::domain::manifest;
use crate::domain::model::{Group, Manifest, TagDefinition};
use crate::domain::owned::{Groups, Tags};

/// Members beginning so are groups inside groups: the rest of the daemon does not see them, the file keeps them.
const NESTED: &str = "group:";

/// SkillMeat's writer puts a list of tables into one array when each fits into this many characters, its four blanks and
/// its comma included (`tomli_w._writer.is_aot`).
const INLINE_WIDTH: usize = 100;

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Groups,
    Tags,
}

/// The value of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Text(String),
    Integer(i64),
    List(Vec<String>),
}

impl Field {
    fn new_value(&self) -> NewValue<'_> {
        match self {
            Self::Text(text) => NewValue::Text(text),
            Self::Integer(number) => NewValue::Integer(*number),
            Self::List(list) => NewValue::List(list),
        }
    }
}

/// An entry as it shall be, or as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// A group's name, a tag's slug.
    pub(super) id: String,
    /// By what new entries are put in order between the others: a tag's name. Groups have their own order.
    pub(super) name: String,
    /// A group's place in the display order.
    pub(super) position: i64,
    /// The keys in the order SkillMeat writes them. One that may stay as it is is missing.
    fields: Vec<(&'static str, Field)>,
}

/// What an entry in the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    /// It can be read.
    Entry(Entry),
    /// It cannot; with its id, if that much can be told.
    Unreadable(Option<String>),
}

impl Read {
    /// The id, if there is one.
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Entry(entry) => Some(&entry.id),
            Self::Unreadable(id) => id.as_deref(),
        }
    }
}

/// The list as it shall be.
#[derive(Debug, Clone)]
pub(in crate::domain::edit) struct Target {
    which: Which,
    /// In the order SkillMeat would write them.
    pub(super) entries: Vec<Entry>,
    /// New id by the id that an entry has now.
    renamed: BTreeMap<String, String>,
}

impl Target {
    pub(in crate::domain::edit) fn groups(groups: &Groups, renamed: &BTreeMap<String, String>) -> Self {
        let mut seen = BTreeSet::new();
        let listed = groups.order.iter().chain(groups.by_name.keys());
        let mut entries: Vec<Entry> = listed
            .filter(|name| seen.insert(name.as_str()))
            .filter_map(|name| {
                let group = groups.by_name.get(name)?;
                let members = visible(&group.members);
                Some(group_entry(
                    name,
                    &group.description,
                    &group.color,
                    &group.icon,
                    group.position,
                    members,
                ))
            })
            .collect();
        entries.sort_by_key(|entry| entry.position);
        Self { which: Which::Groups, entries, renamed: renamed.clone() }
    }

    pub(in crate::domain::edit) fn tags(tags: &Tags, renamed: &BTreeMap<String, String>) -> Self {
        let entry = |(slug, tag): (&String, &_)| {
            let crate::domain::owned::TagValue { name, color, description } = tag;
            tag_entry(slug, name, color, description.as_deref())
        };
        let mut entries: Vec<Entry> = tags.iter().map(entry).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Self { which: Which::Tags, entries, renamed: renamed.clone() }
    }

    /// The list's key.
    pub(super) fn key(&self) -> &'static str {
        match self.which {
            Which::Groups => "groups",
            Which::Tags => "tag_definitions",
        }
    }

    /// Whether the order of the entries means something.
    pub(super) fn is_ordered(&self) -> bool {
        self.which == Which::Groups
    }

    fn order(&self) -> &'static [&'static str] {
        match self.which {
            Which::Groups => &["name", "description", "color", "icon", "position", "members"],
            Which::Tags => &["name", "slug", "color", "description"],
        }
    }

    pub(super) fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// Reads an entry that stands alone in a text.
    pub(super) fn read(&self, standing: &str) -> Read {
        let entry = manifest::read_lists(standing).and_then(|read| self.entries_of(&read).into_iter().next());
        entry.map_or_else(|| Read::Unreadable(self.id_of(standing)), Read::Entry)
    }

    /// Gives each entry that is to be renamed its new id. What it says is still its old name. An id that another entry
    /// has already stays that one's.
    pub(super) fn rename(&self, present: &mut [Read]) {
        for (old, new) in &self.renamed {
            if present.iter().any(|read| read.id() == Some(new.as_str())) {
                continue;
            }
            if let Some(Read::Entry(entry)) = present.iter_mut().find(|read| read.id() == Some(old.as_str()))
            {
                entry.id.clone_from(new);
            }
        }
    }

    fn entries_of(&self, read: &Manifest) -> Vec<Entry> {
        let group = |g: &Group| {
            group_entry(&g.name, &g.description, &g.color, &g.icon, g.position, g.members.clone())
        };
        let tag = |t: &TagDefinition| tag_entry(&t.slug, &t.name, &t.color, Some(&t.description));
        match self.which {
            Which::Groups => read.groups.iter().map(group).collect(),
            Which::Tags => read.tag_definitions.iter().map(tag).collect(),
        }
    }

    /// Whether a text's lists are as wanted. An entry that cannot be read may stand for a wanted one.
    pub(super) fn is_in(&self, read: &Manifest) -> bool {
        let incomplete = match self.which {
            Which::Groups => read.groups_incomplete,
            Which::Tags => read.tag_definitions_incomplete,
        };
        let mut seen = BTreeSet::new();
        let mut present = self.entries_of(read);
        present.retain(|entry| seen.insert(entry.id.clone()));
        present.sort_by_key(|entry| entry.position);
        let wanted = |have: &Entry| self.entry(&have.id).is_some_and(|want| self.holds(have, want));
        let there = |want: &Entry| incomplete || present.iter().any(|have| have.id == want.id);
        let order = |id: &str| self.entries.iter().position(|want| want.id == id);
        present.iter().all(wanted)
            && self.entries.iter().all(there)
            && (!self.is_ordered() || present.iter().map(|have| order(&have.id)).is_sorted())
    }

    fn id_of(&self, standing: &str) -> Option<String> {
        let document = parse(standing).ok()?;
        let table = place(&document, &self.path()).ok()??;
        let id = if self.is_ordered() { "name" } else { "slug" };
        Some(table.get(id)?.as_str()?.to_owned())
    }

    fn path(&self) -> [Step; 2] {
        [Step::Key(self.key()), Step::Index(0)]
    }

    /// Whether an entry reads as it shall.
    pub(super) fn holds(&self, have: &Entry, want: &Entry) -> bool {
        want.fields.iter().all(|(key, want)| self.same(key, have.field(key), want))
    }

    fn same(&self, key: &str, have: Option<&Field>, want: &Field) -> bool {
        match (have, want) {
            (Some(Field::List(have)), Field::List(want)) => visible(have) == *want,
            (Some(Field::Text(have)), Field::Text(want)) if self.which == Which::Groups => {
                stands_for(key, have) == stands_for(key, want)
            }
            (have, want) => have == Some(want),
        }
    }

    /// An entry that stands alone in a text, with the keys that read otherwise set as they shall be.
    pub(super) fn edited(&self, standing: &str, have: &Entry, want: &Entry) -> Result<String, EditError> {
        let mut text = Cow::Borrowed(standing);
        for (key, want) in &want.fields {
            let have = have.field(key);
            if self.same(key, have, want) {
                continue;
            }
            let woven;
            let value = match (have, want) {
                (Some(Field::List(have)), Field::List(want)) => {
                    woven = weave(have, want);
                    NewValue::List(&woven)
                }
                _ => want.new_value(),
            };
            let document = parse(&text)?;
            let table = place(&document, &self.path())?
                .ok_or_else(|| EditError::Shape { path: self.key().to_owned() })?;
            let next = table.set(&text, key, self.order(), value)?;
            text = Cow::Owned(next);
        }
        Ok(text.into_owned())
    }

    /// Whether SkillMeat's writer would put the whole list into one array.
    pub(super) fn fits_inline(&self) -> bool {
        self.entries.iter().all(|entry| {
            let has_members =
                |(_, field): &(_, Field)| matches!(field, Field::List(list) if !list.is_empty());
            // Four blanks before and a comma behind.
            !entry.fields.iter().any(has_members) && self.inline(entry).chars().count() + 5 <= INLINE_WIDTH
        })
    }

    /// A new entry as an inline table.
    pub(super) fn inline(&self, entry: &Entry) -> String {
        let style = Style { newline: "\n", indent: None };
        let pairs: Vec<_> = self
            .all_fields(entry)
            .map(|(key, field)| format!("{key} = {}", field.new_value().render(style)))
            .collect();
        format!("{{ {} }}", pairs.join(", "))
    }

    /// A new entry as a `[[…]]` table.
    pub(super) fn table(&self, entry: &Entry, newline: &str) -> String {
        let style = Style { newline, indent: Some("") };
        let mut out = format!("[[{}]]{newline}", self.key());
        for (key, field) in self.all_fields(entry) {
            out.push_str(&format!("{key} = {}{newline}", field.new_value().render(style)));
        }
        out
    }

    /// Every key SkillMeat writes of an entry.
    fn all_fields<'e>(&self, entry: &'e Entry) -> impl Iterator<Item = (&'static str, Cow<'e, Field>)> {
        let none = || Cow::Owned(Field::Text(String::new()));
        self.order().iter().map(move |key| (*key, entry.field(key).map_or_else(none, Cow::Borrowed)))
    }
}

impl Entry {
    fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|(name, _)| *name == key).map(|(_, field)| field)
    }
}

fn group_entry(
    name: &str,
    description: &str,
    color: &str,
    icon: &str,
    position: i64,
    members: Vec<String>,
) -> Entry {
    let text = |text: &str| Field::Text(text.to_owned());
    let fields = vec![
        ("name", text(name)),
        ("description", text(description)),
        ("color", text(color)),
        ("icon", text(icon)),
        ("position", Field::Integer(position)),
        ("members", Field::List(members)),
    ];
    Entry { id: name.to_owned(), name: name.to_owned(), position, fields }
}

fn tag_entry(slug: &str, name: &str, color: &str, description: Option<&str>) -> Entry {
    let text = |text: &str| Field::Text(text.to_owned());
    let mut fields = vec![("name", text(name)), ("slug", text(slug)), ("color", text(color))];
    fields.extend(description.map(|description| ("description", text(description))));
    Entry { id: slug.to_owned(), name: name.to_owned(), position: 0, fields }
}

/// What an empty text means to SkillMeat's reader.
fn stands_for<'t>(key: &str, text: &'t str) -> &'t str {
    match (key, text) {
        ("color", "") => "slate",
        ("icon", "") => "layers",
        _ => text,
    }
}

/// The members the daemon knows of: each once, and no groups.
fn visible(members: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    members.iter().filter(|m| !m.starts_with(NESTED) && seen.insert(m.as_str())).cloned().collect()
}

/// The wanted members, and the groups among the present ones, each behind the member that it stands behind now.
fn weave(have: &[String], want: &[String]) -> Vec<String> {
    let mut out = want.to_vec();
    for (index, nested) in have.iter().enumerate().filter(|(_, member)| member.starts_with(NESTED)) {
        if out.contains(nested) {
            continue;
        }
        let before = have[..index].iter().rev().find_map(|member| out.iter().position(|kept| kept == member));
        out.insert(before.map_or(0, |before| before + 1), nested.clone());
    }
    out
}
