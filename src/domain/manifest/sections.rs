//! Everything in a manifest but its artifacts: `[collection]`, `groups`, `tag_definitions`, `mcp_servers`
//! (`skillmeat.core.collection.Collection.from_dict`).

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::Notes;
use super::refusals::check_date;
use super::value::{self, WrongType};
use crate::domain::model::{Group, TagDefinition};

/// A list of which some may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    /// Whether an entry could not be read.
    pub(super) incomplete: bool,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sections {
    pub(super) name: String,
    pub(super) updated: Option<String>,
    pub(super) groups: List<Group>,
    pub(super) tag_definitions: List<TagDefinition>,
}

/// Read the sections; `None` when there is no `[collection]` table, which makes it no manifest at all.
pub(super) fn read(root: &DeTable<'_>, notes: &mut Notes<'_>) -> Option<Sections> {
    let collection = root.get("collection")?;
    let collection_table = collection.get_ref().as_table()?;
    let name = head(collection_table, collection.span().start, notes);
    let updated =
        collection_table.get("updated").and_then(|value| value.get_ref().as_str()).map(str::to_owned);
    if let Some(servers) = root.get("mcp_servers") {
        check_servers(servers, notes);
    }
    let (groups, tag_definitions) = read_lists(root, notes);
    Some(Sections { name, updated, groups, tag_definitions })
}

/// Read `groups` and `tag_definitions` alone.
pub(super) fn read_lists(root: &DeTable<'_>, notes: &mut Notes<'_>) -> (List<Group>, List<TagDefinition>) {
    (list(root, "groups", notes, group), list(root, "tag_definitions", notes, tag_definition))
}

fn head(table: &DeTable<'_>, at: usize, notes: &mut Notes<'_>) -> String {
    for key in ["name", "version", "created", "updated"] {
        if !table.contains_key(key) {
            notes.refused(at, &format!("[collection] has no `{key}`"));
        }
    }
    for key in ["created", "updated"] {
        check_date(table, key, "[collection]: ", notes);
    }
    let Some(name) = table.get("name") else { return String::new() };
    match name.get_ref().as_str() {
        Some("") => notes.refused(name.span().start, "[collection]: `name` is empty"),
        Some(text) => return text.to_owned(),
        None if name.get_ref().is_array() || name.get_ref().is_table() => {
            notes.refused(name.span().start, "[collection]: `name` must be a string");
        }
        None => notes.add(name.span().start, "[collection]: `name` must be a string"),
    }
    String::new()
}

fn list<T>(
    root: &DeTable<'_>,
    key: &str,
    notes: &mut Notes<'_>,
    read: fn(&DeTable<'_>, usize, &mut Notes<'_>) -> Result<T, WrongType>,
) -> List<T> {
    let mut list = List { items: Vec::new(), incomplete: false };
    let Some(value) = root.get(key) else { return list };
    let Some(items) = value.get_ref().as_array() else {
        notes
            .refused(value.span().start, &format!("`{key}` must be an array, not {}", value::kind_of(value)));
        list.incomplete = true;
        return list;
    };
    for item in items {
        let at = item.span().start;
        let outcome = match item.get_ref().as_table() {
            Some(table) => read(table, at, notes),
            None => {
                let kind = value::kind_of(item);
                notes.refused(at, &format!("an entry of `{key}` must be a table, not {kind}"));
                Err(WrongType)
            }
        };
        match outcome {
            Ok(item) => list.items.push(item),
            Err(WrongType) => list.incomplete = true,
        }
    }
    list
}

fn group(table: &DeTable<'_>, at: usize, notes: &mut Notes<'_>) -> Result<Group, WrongType> {
    let name = required(table, "name", "a group", at, notes)?;
    let label = format!("group `{name}`: ");
    let description = optional(table, "description", &label, notes)?;
    let color = optional(table, "color", &label, notes)?;
    let icon = optional(table, "icon", &label, notes)?;
    let position = match table.get("position") {
        None => 0,
        Some(value) => integer(value).ok_or_else(|| {
            notes.add(value.span().start, format!("{label}`position` must be a whole number"));
            WrongType
        })?,
    };
    let members = match table.get("members") {
        None => Vec::new(),
        Some(value) => match value.get_ref().as_array() {
            Some(items) => value::texts(items, "members", &label, notes)?,
            None => {
                let why = format!("{label}`members` must be an array of `type:name`");
                if value::is_iterable(value) {
                    notes.add(value.span().start, why);
                } else {
                    notes.refused(value.span().start, &why);
                }
                return Err(WrongType);
            }
        },
    };
    Ok(Group { name, description, color, icon, position, members })
}

fn tag_definition(table: &DeTable<'_>, at: usize, notes: &mut Notes<'_>) -> Result<TagDefinition, WrongType> {
    let name = required(table, "name", "a tag definition", at, notes)?;
    let label = format!("tag `{name}`: ");
    let slug = required(table, "slug", &format!("the definition of tag `{name}`"), at, notes)?;
    let color = optional(table, "color", &label, notes)?;
    let description = optional(table, "description", &label, notes)?;
    Ok(TagDefinition { name, slug, color, description })
}

fn required(
    table: &DeTable<'_>,
    key: &str,
    what: &str,
    at: usize,
    notes: &mut Notes<'_>,
) -> Result<String, WrongType> {
    match table.get(key).map(Spanned::get_ref) {
        Some(DeValue::String(text)) => Ok(text.clone().into_owned()),
        Some(_) => {
            notes.add(value::place(table, key, at), format!("`{key}` of {what} must be a string"));
            Err(WrongType)
        }
        None => {
            notes.refused(at, &format!("{what} has no `{key}`"));
            Err(WrongType)
        }
    }
}

fn optional(table: &DeTable<'_>, key: &str, label: &str, notes: &mut Notes<'_>) -> Result<String, WrongType> {
    value::text(table, key, label, notes).map(Option::unwrap_or_default)
}

fn integer(value: &Spanned<DeValue<'_>>) -> Option<i64> {
    let number = value.get_ref().as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// `skillmeat.core.mcp.metadata.MCPServerMetadata`: not mirrored, but a bad one stops SkillMeat from loading the rest.
fn check_servers(servers: &Spanned<DeValue<'_>>, notes: &mut Notes<'_>) {
    let Some(servers) = servers.get_ref().as_array() else {
        notes.refused(servers.span().start, "`mcp_servers` must be an array");
        return;
    };
    for server in servers {
        let why = match server.get_ref().as_table() {
            None => Some("must be a table"),
            Some(table) => server_fault(table),
        };
        if let Some(why) = why {
            notes.refused(server.span().start, &format!("an MCP server {why}"));
        }
    }
}

fn server_fault(table: &DeTable<'_>) -> Option<&'static str> {
    let text = |key: &str| table.get(key).and_then(|value| value.get_ref().as_str());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let states = ["installed", "not_installed", "error", "updating"];
    let is_environment = |value: &DeValue<'_>| {
        value.as_table().is_some_and(|pairs| pairs.values().all(|v| v.get_ref().is_str()))
    };
    if !text("name").is_some_and(|name| !name.is_empty() && name.bytes().all(plain)) {
        Some("needs a `name` of letters, digits, `-` and `_`")
    } else if !text("repo").is_some_and(is_repository) {
        Some("needs a `repo` of the form user/repo or https://github.com/user/repo")
    } else if table.contains_key("status") && !text("status").is_some_and(|word| states.contains(&word)) {
        Some("has an unknown `status`")
    } else if !table.get("env_vars").is_none_or(|value| is_environment(value.get_ref())) {
        Some("has `env_vars` that are not strings")
    } else {
        None
    }
}

fn is_repository(repo: &str) -> bool {
    match repo.strip_prefix("https://").or_else(|| repo.strip_prefix("http://")) {
        Some(address) => {
            address.split_once('/').is_some_and(|(host, _)| host.to_ascii_lowercase().contains("github.com"))
        }
        None if repo.starts_with("github.com/") => repo.split('/').count() >= 3,
        None => repo.contains('/'),
    }
}
