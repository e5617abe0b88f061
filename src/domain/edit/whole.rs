//! Whole entries: one more, or one less. Every other byte stays.
//!
//! What this module does not do: members of an inline array. SkillMeat writes one only when it is empty, or when every
//! entry fits into a hundred columns, which an entry with its five required keys hardly does.

use std::ops::Range;

use chrono::NaiveDateTime;

use super::draft::Draft;
use super::scan::{self, Section, newline};
use super::value::{NewValue, Style};
use super::{EditError, EntryEdit, entry, isoformat, make, stamp};
use crate::domain::edit::{FieldEdit, ListField, TextField};
use crate::domain::model::{ArtifactId, Metadata};

/// An entry to be written, with what `skillmeat add` writes for an artifact made here
/// (`skillmeat.core.artifact.Artifact.to_dict`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Its type and name.
    pub id: ArtifactId,
    /// Relative to the collection.
    pub path: String,
    /// What its entry file says.
    pub metadata: Metadata,
}

/// The text with one more entry, behind the others. `now` (UTC) becomes its `added`, and `[collection].updated`.
///
/// # Errors
/// `Taken` when there is one with this type and name, `Shape` when the entries are an inline array; see [`EditError`].
pub fn add_entry(text: &str, new: &NewEntry, now: NaiveDateTime) -> Result<String, EditError> {
    let sections = scan::sections(text)?;
    let wanted = [&new.id].into();
    if !entry::locate(text, &sections, &wanted)?.is_empty() {
        return Err(EditError::Taken(new.id.clone()));
    }
    let Some(collection) = sections.iter().position(|section| section.path == ["collection"]) else {
        return Err(EditError::Shape { path: "collection".to_owned() });
    };
    let last = sections.iter().rposition(|s| s.path.first().is_some_and(|key| key == "artifacts"));
    let empty = empty_list(text, &sections)?;
    let at = match last {
        Some(last) => sections[last].body_end,
        None => sections[collection].body_end,
    };
    let newline = newline(text);
    let mut block = String::new();
    if !text[..at].ends_with(newline) {
        block.push_str(newline);
    }
    block.push_str(newline);
    block.push_str(&rendered(new, now, newline));
    let mut out = String::with_capacity(text.len() + block.len());
    match empty {
        Some(line) if line.end <= at => {
            out.push_str(&text[..line.start]);
            out.push_str(&text[line.end..at]);
            out.push_str(&block);
            out.push_str(&text[at..]);
        }
        Some(line) => {
            out.push_str(&text[..at]);
            out.push_str(&block);
            out.push_str(&text[at..line.start]);
            out.push_str(&text[line.end..]);
        }
        None => {
            out.push_str(&text[..at]);
            out.push_str(&block);
            out.push_str(&text[at..]);
        }
    }
    let edits = [EntryEdit { id: new.id.clone(), fields: fields(&new.metadata) }];
    let sections = scan::sections(&out)?;
    let sites = entry::locate(&out, &sections, &wanted)?;
    let mut draft = Draft::new(&out, &sections);
    make(&mut draft, &sites, &edits)?;
    stamp(&mut draft, &sections, now)?;
    Ok(draft.finish())
}

fn fields(metadata: &Metadata) -> Vec<FieldEdit> {
    let texts = TextField::ALL.into_iter().map(|field| FieldEdit::Text(field, field.of(metadata).clone()));
    let lists = ListField::ALL.into_iter().map(|field| FieldEdit::List(field, field.of(metadata).clone()));
    texts.chain(lists).collect()
}

/// The entry without its metadata, which is set afterwards as in any other.
fn rendered(new: &NewEntry, now: NaiveDateTime, newline: &str) -> String {
    let style = Style { newline, indent: Some("") };
    let added = isoformat(now);
    let lines = [
        ("name", &*new.id.name),
        ("type", new.id.kind.as_str()),
        ("path", new.path.as_str()),
        ("origin", "local"),
        ("added", added.as_str()),
    ]
    .map(|(key, value)| format!("{key} = {}{newline}", NewValue::Text(value).render(style)));
    format!("[[artifacts]]{newline}{}", lines.concat())
}

/// The line `artifacts = []`, if there is one.
fn empty_list(text: &str, sections: &[Section<'_>]) -> Result<Option<Range<usize>>, EditError> {
    let root = sections[0].range.clone();
    let document = super::place::parse(&text[root.clone()])?;
    let Some(item) = document.get("artifacts") else { return Ok(None) };
    let shape = || EditError::Shape { path: "artifacts".to_owned() };
    let array = item.as_array().filter(|array| array.is_empty()).ok_or_else(shape)?;
    let span = array.span().ok_or_else(shape)?;
    let line_start = text[..root.start + span.start].rfind('\n').map_or(0, |at| at + 1);
    let line_end =
        text[root.start + span.end..].find('\n').map_or(text.len(), |at| root.start + span.end + at + 1);
    // A comment on the line, or within the brackets, would go with it.
    let line = &text[line_start..line_end];
    if line.contains('#') {
        return Err(shape());
    }
    // SkillMeat puts a blank line between the list and the first header.
    let rest = &text[line_end..];
    let blank = rest.len() - rest.trim_start_matches(['\r', '\n']).len();
    let end = if line_start == 0 { line_end + blank } else { line_end };
    Ok(Some(line_start..end))
}

/// The text without an entry: its header, its keys and the tables below it; the comments directly above it stay.
/// `now` (UTC) becomes `[collection].updated`. Of two entries with the same id both go.
///
/// # Errors
/// `NoEntry` when there is none, `Shape` when the entries are an inline array; see [`EditError`].
pub fn remove_entry(text: &str, id: &ArtifactId, now: NaiveDateTime) -> Result<String, EditError> {
    let mut out = text.to_owned();
    let mut found = false;
    while let Some(range) = stretch(&out, id)? {
        found = true;
        let before = out[..range.start].trim_end_matches(['\r', '\n']).len();
        let nothing_behind = out[range.end..].trim().is_empty();
        // At the end the blank lines before it go, too; elsewhere those behind it have gone with it.
        let start = if nothing_behind && before > 0 { line_end(&out, before) } else { range.start };
        out.replace_range(start..range.end, "");
    }
    if !found {
        return Err(EditError::NoEntry(id.clone()));
    }
    let sections = scan::sections(&out)?;
    // Without the key SkillMeat reads no artifacts as well, but its own writer never leaves it out.
    let none_left =
        !sections.iter().any(|section| section.path.first().is_some_and(|key| key == "artifacts"));
    if none_left && super::place::parse(&out[sections[0].range.clone()])?.get("artifacts").is_none() {
        let newline = newline(&out);
        out = format!("artifacts = []{newline}{newline}{out}");
    }
    let sections = scan::sections(&out)?;
    let mut draft = Draft::new(&out, &sections);
    stamp(&mut draft, &sections, now)?;
    Ok(draft.finish())
}

/// Behind the line ending at or after `at`.
fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

/// From the header of an entry to the next header that is not below it.
fn stretch(text: &str, id: &ArtifactId) -> Result<Option<Range<usize>>, EditError> {
    let sections = scan::sections(text)?;
    let wanted = [id].into();
    let sites = entry::locate(text, &sections, &wanted)?;
    let Some(site) = sites.get(id) else { return Ok(None) };
    let main = site.section();
    if main == 0 {
        return Err(EditError::Shape { path: "artifacts".to_owned() });
    }
    let below = |section: &Section<'_>| {
        section.path.len() > 1 && section.path.first().is_some_and(|key| key == "artifacts")
    };
    let last = main + sections[main + 1..].iter().take_while(|section| below(section)).count();
    let next = sections[last].range.end;
    // Comments before the next header belong to that.
    let end = sections[last].body_end;
    let blank = text[end..next].len() - text[end..next].trim_start_matches(['\r', '\n']).len();
    Ok(Some(sections[main].range.start..end + blank))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::domain::manifest;
    use crate::domain::model::Kind;

    fn now() -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2026, 1, 2).unwrap().and_hms_opt(3, 4, 5).unwrap()
    }

    fn skill(name: &str) -> NewEntry {
        NewEntry {
            id: ArtifactId::new(Kind::Skill, name),
            path: format!("skills/{name}"),
            metadata: Metadata {
                description: Some("It's \"new\"".into()),
                tags: vec!["a".into(), "b".into()],
                tools: vec!["Read".into()],
                ..Metadata::default()
            },
        }
    }

    const ENTRY: &str = "[[artifacts]]\nname = \"new\"\ntype = \"skill\"\npath = \"skills/new\"\norigin = \"local\"\nadded = \"2026-01-02T03:04:05\"\ntags = [\n    \"a\",\n    \"b\",\n]\n\n[artifacts.metadata]\ndescription = \"It's \\\"new\\\"\"\ntools = [\n    \"Read\",\n]\n";
    const HEAD: &str = "[collection]\nname = \"default\"\nversion = \"1.0.0\"\ncreated = \"2026-01-01T00:00:00\"\nupdated = \"2026-01-01T00:00:00\"\n";

    fn stamped(text: &str) -> String {
        text.replace("updated = \"2026-01-01T00:00:00\"", "updated = \"2026-01-02T03:04:05\"")
    }

    #[test]
    fn an_entry_comes_behind_the_others_and_goes_without_a_trace() {
        let old = "\n[[artifacts]] # mine\nname = \"old\"\ntype = \"skill\"\npath = \"skills/old\"\norigin = \"local\"\nadded = \"2026-01-01T00:00:00\"\n\n[artifacts.metadata]\ntitle = \"T\"\n";
        let groups = "\n# groups\n[[groups]]\nname = \"g\"\n";
        for (before, between, after) in [
            (format!("{HEAD}{old}"), "", ""),
            (format!("{HEAD}{old}"), "", groups),
            (HEAD.to_owned(), "", groups),
            (HEAD.to_owned(), "", ""),
        ] {
            let text = format!("{before}{between}{after}");
            let added = add_entry(&text, &skill("new"), now()).unwrap();
            assert_eq!(added, stamped(&format!("{before}\n{ENTRY}{after}")));
            let removed = remove_entry(&added, &skill("new").id, now()).unwrap();
            let empty = if before == HEAD { "artifacts = []\n\n" } else { "" };
            assert_eq!(removed, stamped(&format!("{empty}{text}")));
            let again = add_entry(&removed, &skill("new"), now()).unwrap();
            assert_eq!(again, added, "the empty list goes when there is an entry");
            let parsed = manifest::parse(added.as_bytes(), None).unwrap();
            let entry = parsed.manifest.entries.last().unwrap();
            let entry = entry.unpack();
            assert_eq!((&entry.id, &entry.metadata), (&skill("new").id, &skill("new").metadata));
            assert_eq!(parsed.manifest.problems, []);
        }
    }

    #[test]
    fn an_entry_in_the_middle_goes_alone() {
        let entry = |name: &str| {
            format!(
                "[[artifacts]]\nname = \"{name}\"\ntype = \"skill\"\npath = \"p\"\norigin = \"local\"\nadded = \"2026-01-01T00:00:00\"\n"
            )
        };
        let text = format!("{HEAD}\n{}\n# about b\n{}\n{}", entry("a"), entry("b"), entry("c"));
        let without = |name: &str| remove_entry(&text, &ArtifactId::new(Kind::Skill, name), now()).unwrap();
        assert_eq!(without("a"), stamped(&format!("{HEAD}\n# about b\n{}\n{}", entry("b"), entry("c"))));
        assert_eq!(without("b"), stamped(&format!("{HEAD}\n{}\n# about b\n{}", entry("a"), entry("c"))));
        assert_eq!(without("c"), stamped(&format!("{HEAD}\n{}\n# about b\n{}", entry("a"), entry("b"))));
        let twice = text.replace("\"c\"", "\"a\"");
        let gone = remove_entry(&twice, &ArtifactId::new(Kind::Skill, "a"), now()).unwrap();
        assert!(!gone.contains("\"a\"") && gone.contains("\"b\""), "{gone}");
    }

    #[test]
    fn line_endings_stay_and_refusals_say_why() {
        let text = HEAD.replace('\n', "\r\n");
        let added = add_entry(&text, &skill("new"), now()).unwrap();
        assert!(!added.replace("\r\n", "").contains('\n'), "{added:?}");
        assert_eq!(add_entry(&added, &skill("new"), now()), Err(EditError::Taken(skill("new").id)));
        assert_eq!(remove_entry(HEAD, &skill("new").id, now()), Err(EditError::NoEntry(skill("new").id)));
        let inline = format!(
            "artifacts = [{{ name = \"new\", type = \"skill\", path = \"p\", origin = \"local\", added = \"2026-01-01\" }}]\n{HEAD}"
        );
        let shape = Err(EditError::Shape { path: "artifacts".into() });
        assert_eq!(remove_entry(&inline, &skill("new").id, now()), shape);
        assert_eq!(add_entry(&inline, &skill("other"), now()), shape);
    }
}
