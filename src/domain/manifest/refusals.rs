//! What makes SkillMeat give up on a whole collection although the entry can be mirrored: values we do not mirror, in a
//! form its loader does not take (`skillmeat.core.artifact`: `Artifact.__post_init__`, `ArtifactMetadata.from_dict`,
//! `LinkedArtifactReference.from_dict`). Only told, never acted upon.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::Notes;
use super::{iso, value};

const PLATFORMS: [&str; 7] = ["claude_code", "codex", "gemini", "cursor", "bob", "remote_git", "other"];
const LINK_TYPES: [&str; 4] = ["requires", "enables", "related", "soul_for_agent"];

/// Look at all of it. `details` is the entry's metadata table, `at` the entry's place.
pub(super) fn check(
    table: &DeTable<'_>,
    details: &DeTable<'_>,
    at: usize,
    label: &str,
    notes: &mut Notes<'_>,
) {
    check_dates(table, at, label, notes);
    check_platforms(table, label, notes);
    check_words(details, label, notes);
    check_links(details, label, notes);
    check_correlation(details, label, notes);
}

fn check_dates(table: &DeTable<'_>, at: usize, label: &str, notes: &mut Notes<'_>) {
    if !table.contains_key("added") {
        notes.refused(at, &format!("{label}there is no `added`"));
    }
    for key in ["added", "last_updated", "discovered_at"] {
        check_date(table, key, label, notes);
    }
}

/// SkillMeat wants dates as strings; a date of TOML's own makes it fail.
pub(super) fn check_date(table: &DeTable<'_>, key: &str, label: &str, notes: &mut Notes<'_>) {
    let Some(date) = table.get(key) else { return };
    let why = match date.get_ref() {
        DeValue::String(text) if iso::is_datetime(text) => return,
        DeValue::String(_) => "is not a date in ISO 8601 form",
        DeValue::Datetime(_) => "must be a string: put the date in quotes",
        _ => "must be a string",
    };
    notes.refused(date.span().start, &format!("{label}`{key}` {why}"));
}

fn check_platforms(table: &DeTable<'_>, label: &str, notes: &mut Notes<'_>) {
    let Some(platforms) = table.get("target_platforms") else { return };
    let known =
        |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().is_some_and(|word| PLATFORMS.contains(&word));
    let fits =
        platforms.get_ref().as_array().is_some_and(|items| !items.is_empty() && items.iter().all(known));
    if !fits {
        let why = format!("{label}`target_platforms` must be one or more of {}", PLATFORMS.join(", "));
        notes.refused(platforms.span().start, &why);
    }
}

/// SkillMeat drops a word it does not know, but cannot even look a list or a table up.
fn check_words(details: &DeTable<'_>, label: &str, notes: &mut Notes<'_>) {
    for key in ["effort", "permissionMode", "scope", "context"] {
        if let Some(word) = details.get(key)
            && matches!(word.get_ref(), DeValue::Array(_) | DeValue::Table(_))
        {
            let why = format!("{label}`{key}` must be a string, not {}", value::kind_of(word));
            notes.refused(word.span().start, &why);
        }
    }
}

fn check_links(details: &DeTable<'_>, label: &str, notes: &mut Notes<'_>) {
    let Some(links) = details.get("linked_artifacts") else { return };
    let Some(links) = links.get_ref().as_array() else {
        if !value::is_iterable(links) {
            notes.refused(links.span().start, &format!("{label}`linked_artifacts` must be an array"));
        }
        return;
    };
    for (link, table) in links.iter().filter_map(|link| Some((link, link.get_ref().as_table()?))) {
        if !table.contains_key("artifact_name") {
            notes.refused(link.span().start, &format!("{label}a linked artifact has no `artifact_name`"));
        }
        if let Some(kind) = table.get("link_type")
            && !kind.get_ref().as_str().is_some_and(|word| LINK_TYPES.contains(&word))
        {
            let why = format!("{label}`link_type` must be one of {}", LINK_TYPES.join(", "));
            notes.refused(kind.span().start, &why);
        }
        if let Some(created) = table.get("created_at")
            && let Some(text) = created.get_ref().as_str()
            && !iso::is_datetime(&text.replace('Z', "+00:00"))
        {
            let why = format!("{label}`created_at` is not a date in ISO 8601 form");
            notes.refused(created.span().start, &why);
        }
    }
}

/// `validate_aos_metadata_fields`.
fn check_correlation(details: &DeTable<'_>, label: &str, notes: &mut Notes<'_>) {
    for kind in ["artifact", "feature", "run", "trace"] {
        let key = format!("aos_{kind}_uuid");
        if let Some(uuid) = details.get(key.as_str())
            && !uuid.get_ref().as_str().is_some_and(|text| is_correlation(text, kind))
        {
            let why = format!("{label}`{key}` must be a UUID or urn:aos:{kind}:<uuid>");
            notes.refused(uuid.span().start, &why);
        }
    }
    if let Some(aliases) = details.get("native_aliases") {
        let named =
            |alias: &Spanned<DeValue<'_>>| alias.get_ref().as_str().is_some_and(|text| !text.is_empty());
        let fits =
            |table: &DeTable<'_>| table.iter().all(|(key, alias)| !key.get_ref().is_empty() && named(alias));
        if !aliases.get_ref().as_table().is_some_and(fits) {
            let why = format!("{label}`native_aliases` must map names to strings that are not empty");
            notes.refused(aliases.span().start, &why);
        }
    }
}

fn is_correlation(text: &str, kind: &str) -> bool {
    let uuid = match text.strip_prefix("urn:aos:") {
        Some(rest) => match rest.split_once(':') {
            Some((word, uuid)) if word == kind && !uuid.contains(':') => uuid,
            _ => return false,
        },
        None => text,
    };
    // What Python's `uuid.UUID` takes.
    let bare = uuid.replace("urn:", "").replace("uuid:", "");
    let digits = bare.trim_matches(['{', '}']).replace('-', "");
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
