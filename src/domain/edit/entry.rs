//! One artifact's entry: where it is written, and how a field of it changes.

use std::collections::{BTreeMap, BTreeSet};

use toml_edit::{Item, Value};

use super::draft::Draft;
use super::place::{Step, parse, place};
use super::scan::{Section, sections};
use super::search::Search;
use super::value::NewValue;
use super::{EditError, FieldEdit, ListField};
use crate::domain::model::{ArtifactId, Kind};

/// The keys of `[artifacts.metadata]` in the order of `skillmeat.core.artifact.ArtifactMetadata.to_dict`.
const METADATA_ORDER: [&str; 7] =
    ["title", "description", "author", "license", "version", "dependencies", "tools"];
/// The keys of an entry up to `tags`, in the order of `skillmeat.core.artifact.Artifact.to_dict`.
const ENTRY_ORDER: [&str; 13] = [
    "name",
    "type",
    "path",
    "origin",
    "added",
    "metadata",
    "upstream",
    "version_spec",
    "resolved_sha",
    "resolved_version",
    "last_updated",
    "discovered_at",
    "tags",
];

/// A table: the section that holds it, and the way to it in that section's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) section: usize,
    pub(super) path: Vec<Step>,
}

/// Where an entry is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    entry: Spot,
    /// The section `[artifacts.metadata]`, if there is one.
    metadata: Option<usize>,
    /// The headers below the entry (`metadata.extra`): what is a table of its own cannot be a field.
    tables: BTreeSet<String>,
}

impl Site {
    /// The section the entry begins in; 0 for a member of an inline array.
    pub(super) fn section(&self) -> usize {
        self.entry.section
    }
}

/// An entry's header section, and what is found below it.
#[derive(Default)]
struct Below {
    main: usize,
    metadata: Option<usize>,
    tables: BTreeSet<String>,
}

/// Finds the wanted entries. Of two with the same id the later one counts, as it does for SkillMeat.
pub(super) fn locate(
    text: &str,
    sections: &[Section<'_>],
    wanted: &BTreeSet<&ArtifactId>,
) -> Result<BTreeMap<ArtifactId, Site>, EditError> {
    let mut found = BTreeMap::new();
    let mut note = |id: Option<ArtifactId>, site: Site| {
        if let Some(id) = id.filter(|id| wanted.contains(id)) {
            found.entry(id).or_insert(site);
        }
        found.len() == wanted.len()
    };
    let mut entries: Vec<Below> = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        let Some((first, below)) = section.path.split_first() else { continue };
        if first != "artifacts" {
            continue;
        }
        match (below, entries.last_mut()) {
            ([], _) if section.array => entries.push(Below { main: index, ..Below::default() }),
            ([metadata], Some(entry)) if metadata == "metadata" && !section.array => {
                entry.metadata = Some(index);
            }
            (below, Some(entry)) => {
                // A header in double brackets names a list where SkillMeat has none.
                entry.tables.insert(below.join("."));
            }
            _ => {}
        }
    }
    let search = Search::new(wanted);
    for Below { main, metadata, tables } in entries.into_iter().rev() {
        let section = &text[sections[main].range.clone()];
        if !search.may_find(section) {
            continue;
        }
        let path = vec![Step::Key("artifacts"), Step::Index(0)];
        let document = parse(section).map_err(|error| error.below(text, sections[main].range.start))?;
        let id = place(&document, &path)?.and_then(|entry| id_of(entry.get("name"), entry.get("type")));
        if note(id, Site { entry: Spot { section: main, path }, metadata, tables }) {
            return Ok(found);
        }
    }
    let root = &text[sections[0].range.clone()];
    if root.contains("artifacts") {
        let document = parse(root)?;
        let array = document.as_table().get("artifacts").and_then(Item::as_array);
        for index in (0..array.map_or(0, toml_edit::Array::len)).rev() {
            let path = vec![Step::Key("artifacts"), Step::Index(index)];
            let id = place(&document, &path)?.and_then(|entry| id_of(entry.get("name"), entry.get("type")));
            let site = Site { entry: Spot { section: 0, path }, metadata: None, tables: BTreeSet::new() };
            if note(id, site) {
                break;
            }
        }
    }
    Ok(found)
}

fn id_of(name: Option<&Item>, kind: Option<&Item>) -> Option<ArtifactId> {
    let kind: Kind = kind?.as_str()?.parse().ok()?;
    Some(ArtifactId::new(kind, name?.as_str()?))
}

/// Brings one field of an entry to the wanted value. Nothing is written when SkillMeat reads that value already.
pub(super) fn apply(
    draft: &mut Draft<'_>,
    site: &Site,
    id: &ArtifactId,
    edit: &FieldEdit,
) -> Result<(), EditError> {
    if holds(draft, site, edit)? {
        return Ok(());
    }
    let own = matches!(edit, FieldEdit::List(ListField::Tags, _));
    let path = if own { key_of(edit).to_owned() } else { format!("metadata.{}", key_of(edit)) };
    if let Some(path) =
        [path.as_str(), "metadata.tags", "metadata"].into_iter().find(|path| site.tables.contains(*path))
    {
        return Err(EditError::Shape { path: format!("artifacts.{path}") });
    }
    match edit {
        FieldEdit::Text(field, Some(text)) => {
            let spot = make_metadata(draft, site)?;
            draft.set(&spot, field.key(), &METADATA_ORDER, NewValue::Text(text))?;
        }
        FieldEdit::List(ListField::Tools, list) if !list.is_empty() => {
            let spot = make_metadata(draft, site)?;
            draft.set(&spot, "tools", &METADATA_ORDER, NewValue::List(list))?;
        }
        FieldEdit::Text(_, None) | FieldEdit::List(ListField::Tools, _) => {
            if let Some(spot) = find_metadata(draft, site)? {
                draft.remove(&spot, key_of(edit))?;
            }
        }
        FieldEdit::List(ListField::Tags, list) => {
            // SkillMeat adds the tags of the metadata, an older place for them, to those of the entry.
            if let Some(spot) = find_metadata(draft, site)? {
                draft.remove(&spot, "tags")?;
            }
            if list.is_empty() {
                draft.remove(&site.entry, "tags")?;
            } else if !holds(draft, site, edit)? {
                draft.set(&site.entry, "tags", &ENTRY_ORDER, NewValue::List(list))?;
            }
        }
    }
    if holds(draft, site, edit)? {
        Ok(())
    } else {
        Err(EditError::NotKept { id: id.clone(), key: key_of(edit) })
    }
}

fn key_of(edit: &FieldEdit) -> &'static str {
    match edit {
        FieldEdit::Text(field, _) => field.key(),
        FieldEdit::List(field, _) => field.key(),
    }
}

/// Whether the entry reads as the edit wants it.
fn holds(draft: &Draft<'_>, site: &Site, edit: &FieldEdit) -> Result<bool, EditError> {
    let metadata = find_metadata(draft, site)?;
    let in_metadata = |key: &str| metadata.as_ref().map_or(Ok(None), |spot| draft.get(spot, key));
    Ok(match edit {
        FieldEdit::Text(field, wanted) => match (in_metadata(field.key())?, wanted) {
            (None, None) => true,
            (Some(Value::String(now)), Some(wanted)) => now.value() == wanted,
            _ => false,
        },
        FieldEdit::List(ListField::Tools, wanted) => {
            let now = in_metadata("tools")?;
            // An empty list in the file means the same as none; it stays.
            now.is_none() && wanted.is_empty() || now.as_ref().and_then(strings).as_ref() == Some(wanted)
        }
        FieldEdit::List(ListField::Tags, wanted) => {
            let own = draft.get(&site.entry, "tags")?;
            let legacy = in_metadata("tags")?;
            let Some(mut now) = own.as_ref().map_or(Some(Vec::new()), strings) else { return Ok(false) };
            let Some(legacy) = legacy.as_ref().map_or(Some(Vec::new()), strings) else { return Ok(false) };
            if !legacy.is_empty() {
                let mut seen = BTreeSet::new();
                now.extend(legacy);
                now.retain(|tag| seen.insert(tag.clone()));
            }
            now == *wanted
        }
    })
}

/// A list of strings and nothing else.
fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

fn find_metadata(draft: &Draft<'_>, site: &Site) -> Result<Option<Spot>, EditError> {
    if let Some(section) = site.metadata {
        return Ok(Some(Spot { section, path: vec![Step::Key("artifacts"), Step::Key("metadata")] }));
    }
    let mut spot = site.entry.clone();
    spot.path.push(Step::Key("metadata"));
    Ok(draft.exists(&spot)?.then_some(spot))
}

/// The entry's metadata table, created behind the entry's own keys when there is none.
fn make_metadata(draft: &mut Draft<'_>, site: &Site) -> Result<Spot, EditError> {
    if let Some(spot) = find_metadata(draft, site)? {
        return Ok(spot);
    }
    let mut spot = site.entry.clone();
    spot.path.push(Step::Key("metadata"));
    if site.entry.section == 0 {
        draft.set(&site.entry, "metadata", &ENTRY_ORDER, NewValue::EmptyTable)?;
        return Ok(spot);
    }
    let text = draft.section(site.entry.section);
    let newline = super::scan::newline(text);
    let at = sections(text)?.last().map_or(text.len(), |section| section.body_end);
    let lead = if text[..at].ends_with('\n') { "" } else { newline };
    let block = format!("{lead}{newline}[artifacts.metadata]{newline}");
    let text = super::place::splice(text, at..at, &block);
    draft.replace(site.entry.section, text);
    Ok(spot)
}
