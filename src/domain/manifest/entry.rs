//! One `[[artifacts]]` entry: what `skillmeat.core.artifact.Artifact.from_dict` and `ArtifactMetadata.from_dict` make
//! of it, and where they would give up on the whole file while the entry can still be mirrored.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::place::Notes;
use super::{refusals, value};
use crate::domain::compact::PackedEntry;
use crate::domain::model::{ArtifactId, Entry, Kind, Metadata, Origin};

/// The values of SkillMeat's `Tool` enum (`skillmeat.core.enums.Tool`); its loader drops every other name.
pub const TOOLS: [&str; 18] = [
    "Read",
    "Write",
    "Edit",
    "MultiEdit",
    "Glob",
    "Grep",
    "NotebookEdit",
    "Bash",
    "KillShell",
    "AskUserQuestion",
    "TodoWrite",
    "WebFetch",
    "WebSearch",
    "Task",
    "TaskOutput",
    "Skill",
    "EnterPlanMode",
    "ExitPlanMode",
];

const ORIGIN_SOURCES: [&str; 3] = ["github", "gitlab", "bitbucket"];

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Read(Arc<PackedEntry>),
    /// It has an id, and a field that could not be taken.
    Unreadable(ArtifactId),
    Unnamed,
}

/// A field could not be taken; the note says why.
struct Unreadable;

/// Read one element of `artifacts`.
pub(super) fn read(element: &Spanned<DeValue<'_>>, notes: &mut Notes<'_>) -> Outcome {
    let at = element.span().start;
    let Some(table) = element.get_ref().as_table() else {
        notes.add(at, format!("an artifact must be a table, not {}", value::kind_of(element)));
        return Outcome::Unnamed;
    };
    let Some(id) = id(table, at, notes) else { return Outcome::Unnamed };
    if let Err(why) = check_name(&id.name) {
        notes.refused(value::place(table, "name", at), &format!("the name `{}` {why}", id.name));
        return Outcome::Unreadable(id);
    }
    match fields(&id, table, at, notes) {
        Ok(entry) => Outcome::Read(Arc::new(PackedEntry::new(&entry))),
        Err(Unreadable) => Outcome::Unreadable(id),
    }
}

fn id(table: &DeTable<'_>, at: usize, notes: &mut Notes<'_>) -> Option<ArtifactId> {
    let name = match table.get("name").map(Spanned::get_ref) {
        Some(DeValue::String(name)) if !name.is_empty() => Some(name.as_ref()),
        Some(_) => {
            notes.refused(
                value::place(table, "name", at),
                "an artifact's `name` must be a string that is not empty",
            );
            None
        }
        None => {
            notes.refused(at, "an artifact has no `name`");
            None
        }
    };
    let kind = match table.get("type").map(Spanned::get_ref) {
        Some(DeValue::String(word)) => match word.parse::<Kind>() {
            Ok(kind) => Some(kind),
            Err(unknown) => {
                notes.refused(value::place(table, "type", at), &unknown.to_string());
                None
            }
        },
        Some(_) => {
            notes.refused(value::place(table, "type", at), "an artifact's `type` must be a string");
            None
        }
        None => {
            notes.refused(at, "an artifact has no `type`");
            None
        }
    };
    Some(ArtifactId::new(kind?, name?))
}

/// `Artifact.__post_init__`: a name may not lead out of its directory.
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.contains(['/', '\\']) {
        Err("holds a path separator")
    } else if name.contains("..") {
        Err("holds `..`")
    } else if name.starts_with('.') {
        Err("begins with a dot")
    } else {
        Ok(())
    }
}

fn fields(
    id: &ArtifactId,
    table: &DeTable<'_>,
    at: usize,
    notes: &mut Notes<'_>,
) -> Result<Entry, Unreadable> {
    let label = format!("{id}: ");
    let mut held = false;
    let mut text = |table: &DeTable<'_>, key: &str, notes: &mut Notes<'_>| {
        value::text(table, key, &label, notes).unwrap_or_else(|_| {
            held = true;
            None
        })
    };
    let path = text(table, "path", notes);
    let upstream = text(table, "upstream", notes);
    let resolved_sha = text(table, "resolved_sha", notes);
    let resolved_version = text(table, "resolved_version", notes);
    let nothing = DeTable::new();
    let details = match table.get("metadata") {
        None => &nothing,
        Some(metadata) => metadata.get_ref().as_table().ok_or_else(|| {
            notes.refused(metadata.span().start, &format!("{label}`metadata` is not a table"));
            Unreadable
        })?,
    };
    let mut metadata = Metadata {
        title: text(details, "title", notes),
        description: text(details, "description", notes),
        author: text(details, "author", notes),
        license: text(details, "license", notes),
        version: text(details, "version", notes),
        tags: Vec::new(),
        tools: tools(details, &label, notes),
    };
    match tags(table, details, &label, notes) {
        Ok(tags) => metadata.tags = tags,
        Err(Unreadable) => held = true,
    }
    let origin = origin(table, at, &label, notes);
    match &path {
        None if !table.contains_key("path") => notes.refused(at, &format!("{label}there is no `path`")),
        Some(path) => {
            if let Err(fault) = super::artifact_path(path) {
                notes.add(
                    value::place(table, "path", at),
                    format!("{label}{fault}; its files are not looked at"),
                );
            }
        }
        None => {}
    }
    let origin_source = match &origin {
        Ok(origin) => origin_source(table, *origin, &label, notes),
        Err(Unreadable) => None,
    };
    refusals::check(table, details, at, &label, notes);
    let (Ok(origin), Some(path), false) = (origin, path, held) else { return Err(Unreadable) };
    Ok(Entry {
        id: id.clone(),
        path,
        origin,
        origin_source,
        upstream,
        resolved_sha,
        resolved_version,
        metadata,
    })
}

fn origin(table: &DeTable<'_>, at: usize, label: &str, notes: &mut Notes<'_>) -> Result<Origin, Unreadable> {
    match table.get("origin").map(Spanned::get_ref) {
        Some(DeValue::String(word)) if word == "local" => Ok(Origin::Local),
        Some(DeValue::String(word)) if word == "github" => Ok(Origin::Github),
        Some(DeValue::String(word)) if word == "marketplace" => Ok(Origin::Marketplace),
        Some(_) => {
            notes.refused(
                value::place(table, "origin", at),
                &format!("{label}`origin` must be \"local\", \"github\" or \"marketplace\""),
            );
            Err(Unreadable)
        }
        None => {
            notes.refused(at, &format!("{label}there is no `origin`"));
            Err(Unreadable)
        }
    }
}

fn origin_source(table: &DeTable<'_>, origin: Origin, label: &str, notes: &mut Notes<'_>) -> Option<String> {
    let source = table.get("origin_source")?;
    let known = source.get_ref().as_str().filter(|word| ORIGIN_SOURCES.contains(word));
    let why = match (origin, known) {
        (Origin::Marketplace, Some(word)) => return Some(word.to_owned()),
        (Origin::Marketplace, None) => "must be \"github\", \"gitlab\" or \"bitbucket\"",
        (Origin::Local | Origin::Github, _) => "goes with origin \"marketplace\" only",
    };
    notes.refused(source.span().start, &format!("{label}`origin_source` {why}; it is left out"));
    None
}

/// The entry's own tags, joined by the older `metadata.tags`, if there are any. Only then are doubles dropped.
fn tags(
    table: &DeTable<'_>,
    details: &DeTable<'_>,
    label: &str,
    notes: &mut Notes<'_>,
) -> Result<Vec<String>, Unreadable> {
    let older = details.get("tags");
    // SkillMeat adds the two, if there are older ones: then both must be lists.
    let added = older.is_some_and(|older| older.get_ref().as_array().is_none_or(|items| !items.is_empty()));
    let mut tags = tag_list(table.get("tags"), added, label, notes)?;
    let older = tag_list(older, added, label, notes)?;
    if !older.is_empty() {
        let mut seen = std::collections::BTreeSet::new();
        tags.extend(older);
        tags.retain(|tag| seen.insert(tag.clone()));
    }
    Ok(tags)
}

fn tag_list(
    tags: Option<&Spanned<DeValue<'_>>>,
    added: bool,
    label: &str,
    notes: &mut Notes<'_>,
) -> Result<Vec<String>, Unreadable> {
    let Some(tags) = tags else { return Ok(Vec::new()) };
    if let Some(items) = tags.get_ref().as_array() {
        return value::texts(items, "tags", label, notes).map_err(|_| Unreadable);
    }
    let why = format!("{label}`tags` must be an array, not {}", value::kind_of(tags));
    if added {
        notes.refused(tags.span().start, &why);
    } else {
        notes.add(tags.span().start, why);
    }
    Err(Unreadable)
}

fn tools(details: &DeTable<'_>, label: &str, notes: &mut Notes<'_>) -> Vec<String> {
    let Some(tools) = details.get("tools") else { return Vec::new() };
    match tools.get_ref().as_array() {
        Some(items) => items
            .iter()
            .filter_map(|item| item.get_ref().as_str())
            .filter(|name| TOOLS.contains(name))
            .map(str::to_owned)
            .collect(),
        None => {
            let message =
                format!("{label}`tools` must be an array, not {}; it is left out", value::kind_of(tools));
            if value::is_iterable(tools) {
                notes.add(tools.span().start, message);
            } else {
                notes.refused(tools.span().start, &message);
            }
            Vec::new()
        }
    }
}

/// The elements of `artifacts`, or a note that there are none to be had.
pub(super) fn elements<'t, 'i>(
    artifacts: &'t Spanned<DeValue<'i>>,
    notes: &mut Notes<'_>,
) -> Option<&'t DeArray<'i>> {
    let array = artifacts.get_ref().as_array();
    if array.is_none() {
        notes.refused(
            artifacts.span().start,
            &format!("`artifacts` must be an array, not {}", value::kind_of(artifacts)),
        );
    }
    array
}
