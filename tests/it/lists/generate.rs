//! Manifests with groups and tag definitions in every form a person may have given them, and changes to make in them.
//!
//! Each comment carries a number, and each line knows whose it is, so that the laws can say what may go.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use skillmeatd::domain::owned::{GroupValue, Groups, SectionEdits, TagValue, Tags};

/// Whose a line is, and whose the comments in it are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// Nobody's who could be changed.
    Other,
    /// The array's around the entries; it goes with the last of them, its comments do not.
    Frame,
    /// The entry of this index.
    Group(usize),
    /// The entry of this index.
    Tag(usize),
}

/// A text in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    /// The lines without their endings; some hold several.
    pub(crate) lines: Vec<(String, Owner)>,
    /// The comments' numbers and whose they are.
    pub(crate) notes: BTreeMap<usize, Owner>,
}

impl Written {
    fn push(&mut self, line: impl Into<String>, owner: Owner) {
        self.lines.push((line.into(), owner));
    }

    /// A comment, if one is wanted.
    fn note(&mut self, wanted: bool, owner: Owner) -> String {
        if !wanted {
            return String::new();
        }
        let number = self.notes.len();
        self.notes.insert(number, owner);
        format!(" # §{number}§")
    }
}

/// How an entry is written.
#[derive(Debug, Clone)]
struct Look {
    indent: &'static str,
    notes: bool,
    extra: bool,
    /// Members on lines of their own.
    tall: bool,
    /// Blank lines above, a comment that is nobody's above them.
    gap: usize,
    floating: bool,
    /// Rotates the order of the keys.
    turn: usize,
    /// Whether the next inline entry follows in the same line.
    joined: bool,
}

/// A group as the file has it; a key that is `None` is not there.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    description: Option<String>,
    color: Option<String>,
    icon: Option<String>,
    position: Option<i64>,
    members: Option<Vec<String>>,
    look: Look,
}

/// A definition as the file has it.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    pub(crate) slug: String,
    name: String,
    color: Option<String>,
    description: Option<String>,
    look: Look,
}

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Tables,
    Array,
    Line,
}

/// A manifest.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) groups: Vec<Group>,
    pub(crate) tags: Vec<Tag>,
    forms: (Form, Form),
    crlf: bool,
    last_newline: bool,
    artifacts: bool,
    /// Where the `[[groups]]` stand among the other headers.
    early: bool,
    foreign: bool,
}

impl File {
    /// The file's lines.
    pub(crate) fn written(&self) -> Written {
        let mut w = Written::default();
        let top = w.note(true, Owner::Other);
        w.push(format!("{}\n", top.trim_start()), Owner::Other);
        for (form, list) in [(self.forms.1, false), (self.forms.0, true)] {
            if form != Form::Tables {
                self.array(&mut w, form, list);
            }
        }
        if self.early {
            self.tables(&mut w);
        }
        let note = w.note(true, Owner::Other);
        w.push(format!("[collection]{note}\nname = 'default'\nversion = '1.0.0'"), Owner::Other);
        w.push("created = '2026-01-01T00:00:00'\nupdated = '2025-01-01T00:00:00'", Owner::Frame);
        w.push("", Owner::Other);
        if self.artifacts {
            for name in ["a", "b"] {
                w.push(
                    format!(
                        "[[artifacts]]\nname = '{name}'\ntype = 'skill'\npath = 'skills/{name}'\norigin = 'local'\n\
                         added = '2026-01-01'\nx = '''\n[[groups]]\nname = 'no'\n'''\n\n[artifacts.metadata]\ntitle = \"groups = [\"\n"
                    ),
                    Owner::Other,
                );
            }
            w.push("[[mcp_servers]]\nname = 'm'\nrepo = 'user/repo'\n", Owner::Other);
        }
        if self.foreign && self.early {
            w.push("[my_tool]\ngroups = [ 1, 2 ]\n", Owner::Other);
        }
        if !self.early {
            self.tables(&mut w);
        }
        if self.foreign && !self.early {
            let note = w.note(true, Owner::Other);
            w.push(format!("\n{}\n[my_tool]\ngroups = [ 1, 2 ]", note.trim_start()), Owner::Other);
        }
        w
    }

    /// The text of these lines.
    pub(crate) fn text(&self, written: &Written) -> String {
        let lines: Vec<_> = written.lines.iter().map(|(line, _)| line.as_str()).collect();
        let mut text = lines.join("\n");
        if self.last_newline {
            text.push('\n');
        }
        if self.crlf { text.replace('\n', "\r\n") } else { text }
    }

    pub(crate) fn is_crlf(&self) -> bool {
        self.crlf
    }

    fn tables(&self, w: &mut Written) {
        if self.forms.1 == Form::Tables {
            for (index, tag) in self.tags.iter().enumerate() {
                table(w, "tag_definitions", Owner::Tag(index), &tag.look, tag.pairs());
            }
        }
        if self.forms.0 == Form::Tables {
            for (index, group) in self.groups.iter().enumerate() {
                table(w, "groups", Owner::Group(index), &group.look, group.pairs());
            }
        }
    }

    fn array(&self, w: &mut Written, form: Form, groups: bool) {
        let entries: Vec<_> = if groups {
            let pairs = |(i, g): (usize, &Group)| (Owner::Group(i), g.look.clone(), g.pairs());
            self.groups.iter().enumerate().map(pairs).collect()
        } else {
            let pairs = |(i, t): (usize, &Tag)| (Owner::Tag(i), t.look.clone(), t.pairs());
            self.tags.iter().enumerate().map(pairs).collect()
        };
        let key = if groups { "groups" } else { "tag_definitions" };
        if entries.is_empty() {
            return;
        }
        let inline = |pairs: Vec<(&str, Value)>, tall: bool| {
            let pairs: Vec<_> =
                pairs.iter().map(|(key, value)| format!("{key}= {}", value.spelled(tall))).collect();
            format!("{{{} }}", pairs.join(" , "))
        };
        if form == Form::Line {
            let note = w.note(true, Owner::Frame);
            let entries: Vec<_> = entries.into_iter().map(|(_, _, pairs)| inline(pairs, false)).collect();
            // One line: which part of it is whose is not told, so it is nobody's.
            return w.push(format!("{key} = [ {}]{note}", entries.join(", ")), Owner::Frame);
        }
        let note = w.note(true, Owner::Frame);
        w.push(format!("{key} = [{note}"), Owner::Frame);
        let count = entries.len();
        let mut open = String::new();
        // Where two share a line, a move takes the entries alone along, so no line of the array is anybody's.
        let shared = entries.iter().rev().skip(1).any(|(_, look, _)| look.joined);
        for (index, (owner, look, pairs)) in entries.into_iter().enumerate() {
            let last = index + 1 == count;
            let alone = open.is_empty();
            if alone {
                if look.floating {
                    let note = w.note(true, Owner::Frame);
                    w.push(format!("{}{}\n", look.indent, note.trim_start()), Owner::Frame);
                }
                let about = if look.joined && !last { Owner::Frame } else { owner };
                let note = w.note(look.notes, about);
                if !note.is_empty() {
                    w.push(format!("  {}", note.trim_start()), if shared { Owner::Frame } else { about });
                }
            }
            let comma = if last && look.joined { "" } else { " ," };
            let entry = inline(pairs, look.tall);
            let owner = if alone { owner } else { Owner::Frame };
            if look.joined && !last && alone {
                open = format!("{}{entry}{comma}", look.indent);
                continue;
            }
            let note = w.note(look.notes && open.is_empty(), owner);
            let line = format!("{}{open}{entry}{comma}{note}", look.indent);
            w.push(line, if shared { Owner::Frame } else { owner });
            open.clear();
        }
        let note = w.note(true, Owner::Frame);
        let end = w.note(true, Owner::Frame);
        w.push(format!("\n {note}\n ]{end}\n"), Owner::Frame);
    }
}

/// A value to be spelled.
enum Value {
    Text(String),
    Number(i64),
    List(Vec<String>),
    /// As it stands.
    Literal(&'static str),
}

impl Value {
    fn spelled(&self, tall: bool) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Number(number) => format!("{number:+}"),
            Self::Literal(text) => (*text).to_owned(),
            Self::List(list) => {
                let items: Vec<_> = list.iter().map(|item| quoted(item)).collect();
                if tall {
                    format!("[\n  {}\n ]", items.join(" ,\n  "))
                } else {
                    format!("[{}]", items.join(","))
                }
            }
        }
    }
}

fn quoted(text: &str) -> String {
    // Literal where possible, so that a changed spelling would show.
    if !text.contains('\'') && !text.chars().any(char::is_control) {
        return format!("'{text}'");
    }
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

fn table(w: &mut Written, key: &str, owner: Owner, look: &Look, pairs: Vec<(&'static str, Value)>) {
    for _ in 0..look.gap {
        w.push("", Owner::Other);
    }
    if look.floating {
        let note = w.note(true, Owner::Other);
        w.push(format!("{}{}\n", look.indent, note.trim_start()), Owner::Other);
    }
    let lead = w.note(look.notes, owner);
    if !lead.is_empty() {
        w.push(format!("{}\n# more", lead.trim_start()), owner);
    }
    let header = if look.tall { format!("[[ '{key}' ]]") } else { format!("[[{key}]]") };
    let note = w.note(look.notes, owner);
    w.push(format!("{}{header}{note}", look.indent), owner);
    for (name, value) in pairs {
        let above = w.note(look.notes, owner);
        if !above.is_empty() {
            w.push(format!("{}{}", look.indent, above.trim_start()), owner);
        }
        let spelled = match (&value, look.tall && look.notes) {
            (Value::List(list), true) => {
                let items = list.iter().map(|item| {
                    let (above, behind) = (w.note(true, owner), w.note(true, owner));
                    format!("{above}\n    {} ,{behind}\n", quoted(item))
                });
                let items: String = items.collect();
                format!("[\n{items}]")
            }
            _ => value.spelled(look.tall),
        };
        let behind = w.note(look.notes, owner);
        w.push(format!("{}{name}  =  {spelled}{behind}", look.indent), owner);
    }
    if look.extra {
        w.push(
            format!("\n{}[{key}.x-more]\nz = \"\"\"\n# no comment\n[[{key}]]\n\"\"\"", look.indent),
            owner,
        );
    }
}

/// The pairs in another order, with the unknown ones.
fn turned<const N: usize>(
    pairs: [(&'static str, Option<Value>); N],
    look: &Look,
) -> Vec<(&'static str, Value)> {
    let mut pairs: Vec<_> = pairs.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    if look.extra {
        pairs.push(("x-keep", Value::Literal("{ y = [ 1, 2 ], z = '[[groups]]' }")));
        pairs.push(("x-date.at", Value::Literal("2026-01-01T00:00:00Z")));
    }
    let turn = look.turn % pairs.len().max(1);
    pairs.rotate_left(turn);
    pairs
}

impl Group {
    fn pairs(&self) -> Vec<(&'static str, Value)> {
        let text = |text: &Option<String>| text.clone().map(Value::Text);
        turned(
            [
                ("name", Some(Value::Text(self.name.clone()))),
                ("description", text(&self.description)),
                ("color", text(&self.color)),
                ("icon", text(&self.icon)),
                ("position", self.position.map(Value::Number)),
                ("members", self.members.clone().map(Value::List)),
            ],
            &self.look,
        )
    }

    /// What the file says of it.
    pub(crate) fn value(&self) -> GroupValue {
        let mut seen = BTreeSet::new();
        let members = self.members.iter().flatten().cloned();
        GroupValue {
            description: self.description.clone().unwrap_or_default(),
            color: self.color.clone().unwrap_or_default(),
            icon: self.icon.clone().unwrap_or_default(),
            position: self.position.unwrap_or_default(),
            members: members.filter(|m| !m.starts_with("group:") && seen.insert(m.clone())).collect(),
            ..GroupValue::default()
        }
    }
}

impl Tag {
    fn pairs(&self) -> Vec<(&'static str, Value)> {
        turned(
            [
                ("slug", Some(Value::Text(self.slug.clone()))),
                ("name", Some(Value::Text(self.name.clone()))),
                ("color", self.color.clone().map(Value::Text)),
                ("description", self.description.clone().map(Value::Text)),
            ],
            &self.look,
        )
    }

    /// What the file says of it.
    pub(crate) fn value(&self) -> TagValue {
        TagValue {
            name: self.name.clone(),
            color: self.color.clone().unwrap_or_default(),
            description: self.description.clone(),
        }
    }
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,8}",
        "[a-c\\[\\]\"'#,={}\\\\]{0,6}",
        any::<String>().prop_map(|s| s.chars().take(6).collect::<String>()),
    ]
    .prop_map(|s| s.replace('§', ""))
}

fn look() -> impl Strategy<Value = Look> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (select(vec!["", "  ", "\t"]), flags, 0..3_usize, 0..6_usize).prop_map(
        |(indent, (notes, extra, tall, floating, joined), gap, turn)| Look {
            indent,
            notes,
            extra,
            tall,
            gap,
            floating,
            turn,
            joined,
        },
    )
}

fn members() -> impl Strategy<Value = Vec<String>> {
    let member = select(vec!["skill:a", "skill:b", "skill:ü \"q", "command:c", "group:1f", "group:2e"]);
    proptest::collection::vec(member.prop_map(str::to_owned), 0..5)
}

fn color() -> impl Strategy<Value = String> {
    select(vec!["", "slate", "rose", "#22cc55"]).prop_map(str::to_owned)
}

fn group() -> impl Strategy<Value = Group> {
    let some = |strategy| proptest::option::of(strategy);
    let icon = select(vec!["", "layers", "shield"]).prop_map(str::to_owned);
    (
        words(),
        proptest::option::of(words()),
        proptest::option::of(color()),
        proptest::option::of(icon),
        some(0..3_i64),
        proptest::option::of(members()),
        look(),
    )
        .prop_map(|(name, description, color, icon, position, members, look)| Group {
            name,
            description,
            color,
            icon,
            position,
            members,
            look,
        })
}

fn tag() -> impl Strategy<Value = Tag> {
    let color = select(vec!["", "#112233", "#aAbBcC"]).prop_map(str::to_owned);
    let none = proptest::option::of::<BoxedStrategy<String>>;
    ("[a-e]{1,3}", words(), none(color.boxed()), none(words().boxed()), look())
        .prop_map(|(slug, name, color, description, look)| Tag { slug, name, color, description, look })
}

pub(crate) fn file() -> impl Strategy<Value = File> {
    let form = || select(vec![Form::Tables, Form::Tables, Form::Array, Form::Line]);
    let list = proptest::collection::vec(group(), 0..5);
    let tags = proptest::collection::vec(tag(), 0..5);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (list, tags, form(), form(), flags).prop_map(
        |(mut groups, mut tags, one, two, (crlf, last_newline, artifacts, early, foreign))| {
            let mut seen = BTreeSet::new();
            groups.retain(|group| seen.insert(group.name.clone()));
            seen.clear();
            tags.retain(|tag| seen.insert(tag.slug.clone()));
            let forms = (one, two);
            File { groups, tags, forms, crlf, last_newline, artifacts, early, foreign }
        },
    )
}

/// One thing done to the lists.
#[derive(Debug, Clone)]
enum Change {
    RemoveGroup(usize),
    AddGroup(Group),
    Color(usize, String),
    Describe(usize, String),
    Members(usize, Vec<String>),
    Position(usize, i64),
    /// Another order among ties.
    Turn(usize),
    RemoveTag(usize),
    AddTag(Tag),
    TagColor(usize, String),
    TagName(usize, String),
    Rename(usize, String),
    TagSlug(usize, String),
}

fn change() -> impl Strategy<Value = Change> {
    let n = || 0..6_usize;
    prop_oneof![
        3 => n().prop_map(Change::RemoveGroup),
        3 => group().prop_map(Change::AddGroup),
        1 => (n(), color()).prop_map(|(n, c)| Change::Color(n, c)),
        1 => (n(), words()).prop_map(|(n, w)| Change::Describe(n, w)),
        2 => (n(), members()).prop_map(|(n, m)| Change::Members(n, m)),
        2 => (n(), 0..4_i64).prop_map(|(n, p)| Change::Position(n, p)),
        1 => n().prop_map(Change::Turn),
        3 => n().prop_map(Change::RemoveTag),
        3 => tag().prop_map(Change::AddTag),
        1 => (n(), color()).prop_map(|(n, c)| Change::TagColor(n, c)),
        1 => (n(), words()).prop_map(|(n, w)| Change::TagName(n, w)),
        2 => (n(), "[a-z]{4}").prop_map(|(n, w)| Change::Rename(n, w)),
        2 => (n(), "[a-z]{4}").prop_map(|(n, w)| Change::TagSlug(n, w)),
    ]
}

/// The lists as the file has them.
pub(crate) fn unchanged(file: &File) -> SectionEdits {
    let mut shown: Vec<&Group> = file.groups.iter().collect();
    shown.sort_by_key(|group| group.position.unwrap_or_default());
    let groups = Groups {
        by_name: shown.iter().map(|group| (group.name.clone(), group.value())).collect(),
        order: shown.iter().map(|group| group.name.clone()).collect(),
    };
    let tags: Tags = file.tags.iter().map(|tag| (tag.slug.clone(), tag.value())).collect();
    SectionEdits { groups: Some(groups), tags: Some(tags), ..SectionEdits::default() }
}

fn make(edits: &mut SectionEdits, change: &Change) {
    let groups = edits.groups.get_or_insert_default();
    let tags = edits.tags.get_or_insert_default();
    let name = |n: usize| groups.order.get(n % groups.order.len().max(1)).cloned();
    let slug = |n: usize| tags.keys().nth(n % tags.len().max(1)).cloned();
    match change {
        // What has another name already keeps it.
        Change::Rename(n, new) => {
            let Some(old) = name(*n).filter(|old| !edits.renamed_groups.values().any(|new| new == old))
            else {
                return;
            };
            if groups.by_name.contains_key(new) {
                return;
            }
            let value = groups.by_name.remove(&old).expect("a group");
            groups.by_name.insert(new.clone(), value);
            groups.order.iter_mut().filter(|name| **name == old).for_each(|name| name.clone_from(new));
            edits.renamed_groups.insert(old, new.clone());
        }
        Change::TagSlug(n, new) => {
            let Some(old) = slug(*n).filter(|old| !edits.renamed_tags.values().any(|new| new == old)) else {
                return;
            };
            if tags.contains_key(new) {
                return;
            }
            let value = tags.remove(&old).expect("a tag");
            tags.insert(new.clone(), value);
            edits.renamed_tags.insert(old, new.clone());
        }
        Change::RemoveGroup(n) => {
            if let Some(name) = name(*n) {
                groups.by_name.remove(&name);
                groups.order.retain(|other| *other != name);
            }
        }
        Change::AddGroup(group) => {
            if groups.by_name.insert(group.name.clone(), group.value()).is_none() {
                groups.order.push(group.name.clone());
            }
        }
        Change::Turn(n) => {
            let n = n % groups.order.len().max(1);
            groups.order.rotate_left(n);
        }
        Change::Color(n, _) | Change::Describe(n, _) | Change::Members(n, _) | Change::Position(n, _) => {
            let Some(group) = name(*n).and_then(|name| groups.by_name.get_mut(&name)) else { return };
            match change {
                Change::Color(_, color) => group.color.clone_from(color),
                Change::Describe(_, text) => group.description.clone_from(text),
                Change::Position(_, position) => group.position = *position,
                Change::Members(_, members) => {
                    let mut seen = BTreeSet::new();
                    let mut members = members.clone();
                    members.retain(|m| !m.starts_with("group:") && seen.insert(m.clone()));
                    group.members = members;
                }
                _ => {}
            }
        }
        Change::RemoveTag(n) => {
            if let Some(slug) = slug(*n) {
                tags.remove(&slug);
            }
        }
        Change::AddTag(tag) => {
            tags.insert(tag.slug.clone(), tag.value());
        }
        Change::TagColor(n, text) | Change::TagName(n, text) => {
            let Some(tag) = slug(*n).and_then(|slug| tags.get_mut(&slug)) else { return };
            match change {
                Change::TagColor(..) => tag.color.clone_from(text),
                _ => tag.name.clone_from(text),
            }
        }
    }
    groups.order.sort_by_key(|name| groups.by_name.get(name).map_or(0, |group| group.position));
}

/// A file, and what its lists shall become. Sometimes only one of them is to change.
pub(crate) fn case() -> impl Strategy<Value = (File, SectionEdits)> {
    (file(), proptest::collection::vec(change(), 0..5), 0..4_u8).prop_map(|(file, changes, which)| {
        let mut edits = unchanged(&file);
        changes.iter().for_each(|change| make(&mut edits, change));
        match which {
            0 => edits.groups = None,
            1 => edits.tags = None,
            _ => {}
        }
        (file, edits)
    })
}
