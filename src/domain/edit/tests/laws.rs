//! Laws over generated manifests, in all the forms an entry can be written in. The judge is the `toml` crate's parser on
//! the whole text before and after; which lines may change is known from how the text was made.

use std::collections::BTreeMap;

use proptest::prelude::*;
use toml::{Table, Value};

use super::*;

/// A line of a manifest and the field of the entry it belongs to, if any.
type Line = (String, Option<(usize, &'static str)>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Header,
    Dotted,
    Inline,
    Missing,
}

#[derive(Debug, Clone)]
struct Spec {
    name: &'static str,
    form: Form,
    texts: BTreeMap<&'static str, String>,
    tags: Option<Vec<String>>,
    legacy_tags: Option<Vec<String>>,
    tools: Option<Vec<String>>,
    one_line: bool,
    extra: bool,
    notes: bool,
    indent: &'static str,
}

#[derive(Debug, Clone)]
struct File {
    specs: Vec<Spec>,
    inline: bool,
    crlf: bool,
    last_newline: bool,
    collection_first: bool,
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,8}",
        "[a-c\\[\\]\"'#,={}\\\\]{0,6}",
        any::<String>().prop_map(|s| s.chars().take(6).collect::<String>()),
    ]
    // The marks by which the laws find their own comments again.
    .prop_map(|s| s.replace('§', ""))
}

fn values() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(prop_oneof![value(), "[ab]"], 0..4)
}

fn spec() -> impl Strategy<Value = Spec> {
    let form = prop_oneof![Just(Form::Header), Just(Form::Dotted), Just(Form::Inline), Just(Form::Missing)];
    let texts = proptest::collection::btree_map(
        proptest::sample::select(TextField::ALL.map(TextField::key).to_vec()),
        value(),
        0..5,
    );
    let list = || proptest::option::of(values());
    let name = proptest::sample::select(vec!["pdf", "a b", "ü\"q", "x]"]);
    let indent = proptest::sample::select(vec!["", "  ", "\t"]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (name, form, texts, list(), list(), list(), flags, indent).prop_map(
        |(name, form, texts, tags, legacy_tags, tools, (one_line, extra, notes), indent)| Spec {
            name,
            form,
            texts,
            tags,
            legacy_tags,
            tools,
            one_line,
            extra,
            notes,
            indent,
        },
    )
}

fn file() -> impl Strategy<Value = File> {
    (proptest::collection::vec(spec(), 0..4), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(specs, inline, crlf, last_newline, collection_first)| File {
            specs,
            inline,
            crlf,
            last_newline,
            collection_first,
        })
}

/// What SkillMeat wants of every entry.
const MEMBER: &str = "type = 'skill', path = 'skills/x', origin = 'local', added = '2026-01-01'";

/// Writes a file line by line, with a numbered comment wherever one may stand.
struct Writer {
    lines: Vec<Line>,
    notes: usize,
}

impl Writer {
    fn push(&mut self, line: impl Into<String>, owner: Option<(usize, &'static str)>) {
        self.lines.push((line.into(), owner));
    }

    fn note(&mut self, wanted: bool) -> String {
        self.notes += 1;
        if wanted { format!(" # §{}§", self.notes) } else { String::new() }
    }

    fn array(&mut self, key: &str, list: &[String], spec: &Spec, owner: (usize, &'static str)) {
        let indent = spec.indent;
        let end = self.note(spec.notes);
        if spec.one_line {
            let items: Vec<_> = list.iter().map(|v| quoted(v)).collect();
            return self.push(format!("{indent}{key} = [{}]{end}", items.join(" ,")), Some(owner));
        }
        let open = self.note(spec.notes);
        self.push(format!("{indent}{key}= [{open}"), Some(owner));
        for item in list {
            let (above, beside) = (self.note(spec.notes), self.note(spec.notes));
            self.push(above, Some(owner));
            self.push(format!("  {} ,{beside}", quoted(item)), Some(owner));
        }
        let last = self.note(spec.notes);
        self.push(last, Some(owner));
        self.push(format!(" ]{end}"), Some(owner));
    }

    fn metadata(&mut self, index: usize, spec: &Spec) {
        let prefix = match spec.form {
            Form::Missing => return,
            Form::Inline => {
                let mut pairs: Vec<String> = Vec::new();
                pairs.extend(spec.texts.iter().map(|(key, value)| format!("{key} = {}", quoted(value))));
                for (key, list) in [("tags", &spec.legacy_tags), ("tools", &spec.tools)] {
                    pairs.extend(list.as_ref().map(|list| format!("{key}={}", inline(list))));
                }
                pairs.extend(spec.extra.then(|| "x_keep = { y = [1, 2] }".to_owned()));
                let note = self.note(spec.notes);
                return self
                    .push(format!("metadata = {{ {} }}{note}", pairs.join(", ")), Some((index, "metadata")));
            }
            Form::Header => {
                let note = self.note(spec.notes);
                self.push("", None);
                self.push(format!("{}[ artifacts.'metadata' ]{note}", spec.indent), None);
                ""
            }
            Form::Dotted => "metadata.",
        };
        for (key, value) in &spec.texts {
            let note = self.note(spec.notes);
            let key = TextField::ALL.map(TextField::key).into_iter().find(|k| k == key).unwrap();
            self.push(
                format!("{}{prefix}{key}  =  {}{note}", spec.indent, quoted(value)),
                Some((index, key)),
            );
        }
        for (key, list, owner) in [("tags", &spec.legacy_tags, "tags"), ("tools", &spec.tools, "tools")] {
            if let Some(list) = list {
                self.array(&format!("{prefix}{key}"), list, spec, (index, owner));
            }
        }
        if spec.extra {
            self.push(format!("{prefix}x_keep = {{ y = [1, 2] }}  "), None);
        }
    }

    fn entry(&mut self, index: usize, spec: &Spec) {
        let note = self.note(spec.notes);
        self.push(format!("[[artifacts]]{note}"), None);
        self.push(format!("{}type = 'skill'", spec.indent), None);
        self.push("path = 'skills/x'  \norigin = \"local\"\nadded = '2026-01-01'", None);
        self.push(
            format!("x-mine = [ '[artifacts.metadata]' ,\n] # §k{index}§\nname = {}", quoted(spec.name)),
            None,
        );
        if spec.form != Form::Header {
            self.metadata(index, spec);
        }
        if let Some(list) = &spec.tags {
            self.array("tags", list, spec, (index, "tags"));
        }
        if spec.form == Form::Header {
            self.metadata(index, spec);
        }
        if spec.extra && spec.form != Form::Inline {
            self.push(
                "# §extra§\n[artifacts.metadata.extra]\nk = '''\n[collection]\nupdated = 'no'\n'''",
                None,
            );
        }
        self.push("", None);
    }

    /// The entry as a member of an inline array, on one line.
    fn member(&mut self, index: usize, spec: &Spec) {
        let mut pairs = vec![MEMBER.to_owned(), format!("name = {}", quoted(spec.name))];
        pairs.extend(spec.tags.as_ref().map(|list| format!("tags = {}", inline(list))));
        let mut below: Vec<String> = Vec::new();
        below.extend(spec.texts.iter().map(|(key, value)| format!("{key} = {}", quoted(value))));
        for (key, list) in [("tags", &spec.legacy_tags), ("tools", &spec.tools)] {
            below.extend(list.as_ref().map(|list| format!("{key}={}", inline(list))));
        }
        match spec.form {
            Form::Missing => {}
            Form::Dotted => pairs.extend(below.into_iter().map(|pair| format!("metadata.{pair}"))),
            Form::Header | Form::Inline => pairs.push(format!("metadata = {{{}}}", below.join(" , "))),
        }
        let note = self.note(spec.notes);
        self.push(format!("  {{{}}} ,{note}", pairs.join(", ")), Some((index, "metadata")));
    }
}

fn quoted(value: &str) -> String {
    // Literal where possible, so that a changed spelling would show.
    let plain = !value.contains('\'') && !value.chars().any(char::is_control);
    if plain { format!("'{value}'") } else { value::basic_string(value) }
}

fn inline(list: &[String]) -> String {
    format!("[{}]", list.iter().map(|v| quoted(v)).collect::<Vec<_>>().join(","))
}

fn lines(file: &File) -> Vec<Line> {
    let mut w = Writer { lines: Vec::new(), notes: 0 };
    let collection = |w: &mut Writer| {
        w.push("[collection]   ", None);
        w.push("name = 'default'\nversion = '1.0.0'\ncreated = '2026-01-01'", None);
        w.push("updated = '2025-01-01' # §updated§", Some((usize::MAX, "updated")));
        w.push("x = \"[[artifacts]]\"", None);
        w.push("", None);
    };
    w.push("# §top§", None);
    if file.inline {
        w.push("artifacts = [", None);
        for (index, spec) in file.specs.iter().enumerate() {
            w.member(index, spec);
        }
        w.push("]", None);
    }
    if file.collection_first {
        collection(&mut w);
    }
    if !file.inline {
        for (index, spec) in file.specs.iter().enumerate() {
            w.entry(index, spec);
        }
    }
    if !file.collection_first {
        collection(&mut w);
    }
    w.push("[[groups]]  # §g§", None);
    w.push("name = 'g'", None);
    w.lines
}

fn joined(file: &File, lines: &[Line]) -> String {
    let mut text: String = lines.iter().flat_map(|(line, _)| [line.as_str(), "\n"]).collect();
    if !file.last_newline {
        text.pop();
    }
    if file.crlf { text.replace('\n', "\r\n") } else { text }
}

fn field_edit() -> impl Strategy<Value = FieldEdit> {
    prop_oneof![
        (proptest::sample::select(TextField::ALL.to_vec()), proptest::option::of(value()))
            .prop_map(|(field, value)| FieldEdit::Text(field, value)),
        (proptest::sample::select(ListField::ALL.to_vec()), values())
            .prop_map(|(field, value)| FieldEdit::List(field, value)),
    ]
}

/// A file, and edits of entries that it has.
fn case() -> impl Strategy<Value = (File, Vec<EntryEdit>)> {
    file().prop_flat_map(|file| {
        let names: Vec<&str> = file.specs.iter().map(|spec| spec.name).collect();
        let edits = if names.is_empty() {
            Just(Vec::new()).boxed()
        } else {
            let one = (proptest::sample::select(names), proptest::collection::vec(field_edit(), 0..4))
                .prop_map(|(name, fields)| EntryEdit { id: ArtifactId::new(Kind::Skill, name), fields });
            proptest::collection::vec(one, 0..3).boxed()
        };
        (Just(file), edits)
    })
}

/// What the edit should mean, on the parsed document.
fn expected(document: &Table, edits: &[EntryEdit]) -> Table {
    let mut document = document.clone();
    for edit in edits {
        let entries = document.get_mut("artifacts").and_then(Value::as_array_mut).unwrap();
        let entry = entries.iter_mut().rev().find(|e| e["name"].as_str() == Some(&edit.id.name)).unwrap();
        let entry = entry.as_table_mut().unwrap();
        for field in &edit.fields {
            mean(entry, field);
        }
    }
    document
}

fn mean(entry: &mut Table, field: &FieldEdit) {
    let list = |table: Option<&Table>, key: &str| -> Vec<String> {
        let array = table.and_then(|t| t.get(key)).and_then(Value::as_array);
        array.into_iter().flatten().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let array = |list: &[String]| Value::Array(list.iter().map(|v| Value::String(v.clone())).collect());
    let below = |entry: &Table| entry.get("metadata").map(|m| m.as_table().unwrap().clone());
    match field {
        FieldEdit::List(ListField::Tags, wanted) => {
            let (own, legacy) = (list(Some(entry), "tags"), list(below(entry).as_ref(), "tags"));
            let mut merged = own.clone();
            if !legacy.is_empty() {
                merged = Vec::new();
                for tag in own.iter().chain(&legacy) {
                    if !merged.contains(tag) {
                        merged.push(tag.clone());
                    }
                }
            }
            if merged == *wanted {
                return;
            }
            if let Some(metadata) = entry.get_mut("metadata") {
                metadata.as_table_mut().unwrap().remove("tags");
            }
            match wanted.is_empty() {
                true => entry.remove("tags"),
                false => entry.insert("tags".into(), array(wanted)),
            };
        }
        FieldEdit::List(ListField::Tools, wanted) => {
            if list(below(entry).as_ref(), "tools") == *wanted {
                return;
            }
            set(entry, "tools", (!wanted.is_empty()).then(|| array(wanted)));
        }
        FieldEdit::Text(field, wanted) => set(entry, field.key(), wanted.clone().map(Value::String)),
    }
}

fn set(entry: &mut Table, key: &str, value: Option<Value>) {
    match value {
        Some(value) => {
            let metadata = entry.entry("metadata").or_insert_with(|| Value::Table(Table::new()));
            metadata.as_table_mut().unwrap().insert(key.to_owned(), value);
        }
        None => {
            if let Some(metadata) = entry.get_mut("metadata") {
                metadata.as_table_mut().unwrap().remove(key);
            }
        }
    }
}

/// What the document says but for the stamp; no metadata and empty metadata say the same.
fn without_stamp(mut document: Table) -> Table {
    document.get_mut("collection").and_then(Value::as_table_mut).unwrap().remove("updated");
    for entry in document.get_mut("artifacts").and_then(Value::as_array_mut).into_iter().flatten() {
        let entry = entry.as_table_mut().unwrap();
        if entry.get("metadata").and_then(Value::as_table).is_some_and(Table::is_empty) {
            entry.remove("metadata");
        }
    }
    document
}

/// Whether the edits may touch a line.
fn touched(file: &File, edits: &[EntryEdit], owner: Option<(usize, &'static str)>) -> bool {
    let Some((index, key)) = owner else { return false };
    if key == "updated" {
        return true;
    }
    let name = file.specs[index].name;
    let is_last = file.specs.iter().rposition(|spec| spec.name == name) == Some(index);
    let keys =
        edits.iter().filter(|edit| *edit.id.name == *name).flat_map(|edit| &edit.fields).map(|field| {
            match field {
                FieldEdit::Text(field, _) => field.key(),
                FieldEdit::List(field, _) => field.key(),
            }
        });
    is_last && keys.into_iter().any(|edited| key == "metadata" || edited == key)
}

/// The marked comments of a text, sorted.
fn notes(text: &str) -> Vec<&str> {
    let mut found: Vec<_> =
        text.match_indices("# §").map(|(at, _)| text[at..].split('§').nth(1).unwrap()).collect();
    found.sort_unstable();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn no_edit_is_no_change(file in file()) {
        let text = joined(&file, &lines(&file));
        prop_assert_eq!(edit(&text, &[], now()).unwrap(), text.clone());
        let nothing: Vec<_> =
            file.specs.iter().map(|s| EntryEdit { id: ArtifactId::new(Kind::Skill, s.name), fields: vec![] }).collect();
        prop_assert_eq!(edit(&text, &nothing, now()).unwrap(), text);
    }

    #[test]
    fn the_document_reads_as_edited((file, edits) in case()) {
        let text = joined(&file, &lines(&file));
        let before: Table = text.parse().unwrap();
        let result = edit(&text, &edits, now()).unwrap();
        let after: Table = result.parse().unwrap();
        let wanted = without_stamp(expected(&before, &edits));
        let changed = wanted != without_stamp(before.clone());
        prop_assert_eq!(without_stamp(after.clone()), wanted, "{}", result);
        let stamp = if changed { "2026-01-01T00:00:00.123456" } else { "2025-01-01" };
        if changed {
            prop_assert_eq!(after["collection"]["updated"].as_str(), Some(stamp));
        } else if edits.iter().all(|edit| edit.fields.len() < 2) && edits.len() < 2 {
            // (Two edits of one field may cancel out in meaning and still leave another spelling.)
            prop_assert_eq!(result, text);
        }
    }

    #[test]
    fn edits_made_again_change_nothing((file, edits) in case()) {
        // With one edit per field, as two of one field undo each other every time.
        let mut last = BTreeMap::new();
        for one in &edits {
            for field in &one.fields {
                let key = match field {
                    FieldEdit::Text(field, _) => field.key(),
                    FieldEdit::List(field, _) => field.key(),
                };
                last.insert((one.id.clone(), key), field.clone());
            }
        }
        let edits: Vec<_> =
            last.into_iter().map(|((id, _), field)| EntryEdit { id, fields: vec![field] }).collect();
        let text = joined(&file, &lines(&file));
        let once = edit(&text, &edits, now()).unwrap();
        let later = now() + chrono::TimeDelta::seconds(1);
        prop_assert_eq!(edit(&once, &edits, later).unwrap(), once);
    }

    #[test]
    fn every_other_line_keeps_its_bytes((file, edits) in case()) {
        let lines = lines(&file);
        let text = joined(&file, &lines);
        let result = edit(&text, &edits, now()).unwrap();
        let mut left = result.split('\n').map(|line| line.trim_end_matches('\r'));
        for line in lines.iter().filter(|(_, owner)| !touched(&file, &edits, *owner)).flat_map(|(l, _)| l.split('\n')) {
            prop_assert!(left.any(|kept| kept == line), "lost {line:?} of\n{text}\nin\n{result}");
        }
    }

    #[test]
    fn every_comment_stays_once((file, edits) in case()) {
        let text = joined(&file, &lines(&file));
        let result = edit(&text, &edits, now()).unwrap();
        prop_assert_eq!(notes(&result), notes(&text), "{}\nbecame\n{}", text, result);
    }

    #[test]
    fn line_endings_stay((file, edits) in case()) {
        let text = joined(&file, &lines(&file));
        let result = edit(&text, &edits, now()).unwrap();
        let crlf = result.matches("\r\n").count();
        prop_assert_eq!(crlf, if file.crlf { result.matches('\n').count() } else { 0 });
    }

    /// Cut anywhere, or with any byte put in: an answer or an error, never a panic.
    #[test]
    fn broken_text_is_an_error_or_an_edit((file, edits) in case(), at in any::<proptest::sample::Index>(), junk in "[\\[\\]\"'#\n\\\\{},=a]{0,3}") {
        let text = joined(&file, &lines(&file));
        let mut at = at.index(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let _ = edit(&text[..at], &edits, now());
        let broken = format!("{}{junk}{}", &text[..at], &text[at..]);
        if let Ok(result) = edit(&broken, &edits, now())
            && broken.parse::<Table>().is_ok()
        {
            prop_assert!(result.parse::<Table>().is_ok(), "{broken}\nbecame\n{result}");
        }
    }
}
