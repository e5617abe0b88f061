//! What the manifests say, read independently of our code, against what the web pages and the cache rows say.
//!
//! What this module does not do: change anything, or wait.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use super::api::Api;
use super::cache;
use crate::home::Home;

/// What one side says of each artifact, by id.
pub(crate) type Said = BTreeMap<String, Value>;

/// Every artifact entry of every manifest. Of two directories that name the same artifact the active one counts, then
/// the first in alphabetical order; of two entries in one file the later.
fn entries(home: &Home) -> BTreeMap<String, toml::Table> {
    let config = fs::read_to_string(home.skillmeat().join("config.toml")).unwrap_or_default();
    let config: toml::Table = config.parse().expect("SkillMeat's configuration is TOML");
    let active =
        config.get("settings").and_then(|s| s.get("default-collection")).and_then(toml::Value::as_str);
    let active = active.unwrap_or("default").to_owned();
    let mut names: Vec<String> = match fs::read_dir(home.skillmeat().join("collections")) {
        Ok(directory) => {
            directory.map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
        }
        Err(_) => Vec::new(),
    };
    // Losers first: what comes later replaces them.
    names.sort_by(|a, b| ((*a == active), b).cmp(&((*b == active), a)));
    let mut entries = BTreeMap::new();
    for name in names {
        let Ok(text) = fs::read_to_string(home.manifest(&name)) else { continue };
        let manifest: toml::Table = text.parse().expect("a manifest is TOML");
        for entry in manifest.get("artifacts").and_then(toml::Value::as_array).into_iter().flatten() {
            let entry = entry.as_table().expect("an artifact is a table");
            let part = |key: &str| entry[key].as_str().expect("a string").to_owned();
            entries.insert(format!("{}:{}", part("type"), part("name")), entry.clone());
        }
    }
    entries
}

/// An optional string of a TOML table as JSON.
fn text(table: Option<&toml::Table>, key: &str) -> Value {
    table.and_then(|t| t.get(key)).and_then(toml::Value::as_str).map_or(Value::Null, |s| json!(s))
}

/// A list of strings of a TOML table; empty when absent.
fn list(table: Option<&toml::Table>, key: &str) -> Vec<String> {
    let items = table.and_then(|t| t.get(key)).and_then(toml::Value::as_array);
    items.into_iter().flatten().map(|item| item.as_str().expect("a string").to_owned()).collect()
}

/// What the list page has to show of each artifact.
pub(crate) fn expected_page(home: &Home) -> Said {
    let page = |entry: &toml::Table| {
        let metadata = entry.get("metadata").and_then(toml::Value::as_table);
        json!({
            "name": text(Some(entry), "name"),
            "type": text(Some(entry), "type"),
            "description": text(metadata, "description"),
            "author": text(metadata, "author"),
            "tags": list(Some(entry), "tags"),
            "tools": list(metadata, "tools"),
            "origin": text(Some(entry), "origin"),
        })
    };
    entries(home).iter().map(|(id, entry)| (id.clone(), page(entry))).collect()
}

/// What the default collection's rows have to hold of each artifact.
pub(crate) fn expected_rows(home: &Home) -> Said {
    let row = |entry: &toml::Table| {
        let metadata = entry.get("metadata").and_then(toml::Value::as_table);
        let tags = list(Some(entry), "tags");
        // A name that does not fit the table's check has no row; the entry keeps it all the same.
        let named = tags.iter().filter(|tag| tag.trim().chars().count() <= 100);
        let slugs: BTreeSet<String> = named.map(|tag| slug(tag)).filter(|slug| !slug.is_empty()).collect();
        let source = match text(Some(entry), "upstream") {
            Value::String(upstream) if !upstream.is_empty() => upstream,
            _ => "local".to_owned(),
        };
        json!({
            "description": text(metadata, "description"),
            "author": text(metadata, "author"),
            "license": text(metadata, "license"),
            "version": text(metadata, "version"),
            "tags": tags,
            "tools": list(metadata, "tools"),
            "source": source,
            "origin": text(Some(entry), "origin"),
            "origin_source": text(Some(entry), "origin_source"),
            "resolved_sha": text(Some(entry), "resolved_sha"),
            "resolved_version": text(Some(entry), "resolved_version"),
            "slugs": slugs,
            "synced": true,
        })
    };
    entries(home).iter().map(|(id, entry)| (id.clone(), row(entry))).collect()
}

/// What the list page shows, in the words of [`expected_page`].
pub(crate) fn page(api: &Api) -> Result<Said, String> {
    let said = |item: &Value| {
        let mut said = json!({});
        for key in ["name", "type", "description", "author", "origin"] {
            said[key] = item[key].clone();
        }
        for key in ["tags", "tools"] {
            said[key] = if item[key].is_null() { json!([]) } else { item[key].clone() };
        }
        said
    };
    Ok(api.artifacts()?.iter().map(|(id, item)| (id.clone(), said(item))).collect())
}

/// What the rows hold, in the words of [`expected_rows`].
pub(crate) fn rows(home: &Home) -> Result<Said, String> {
    let members =
        cache::open(&home.cache_db()).and_then(|c| cache::members(&c)).map_err(|e| e.to_string())?;
    let said = |member: &cache::Row| {
        let mut said = json!({ "slugs": member["slugs"], "synced": !member["synced_at"].is_null() });
        for key in ["description", "author", "license", "version", "source", "origin", "origin_source"] {
            said[key] = member[key].clone();
        }
        for key in ["resolved_sha", "resolved_version"] {
            said[key] = member[key].clone();
        }
        for key in ["tags", "tools"] {
            let json = member[&format!("{key}_json")].as_str().unwrap_or("[]");
            said[key] = serde_json::from_str(json).unwrap_or_else(|_| json!(json));
        }
        said
    };
    Ok(members.iter().map(|(id, member)| (id.clone(), said(member))).collect())
}

/// Nothing if both sides say the same, else what differs, artifact by artifact.
pub(crate) fn compare(expected: &Said, found: &Said) -> Result<(), String> {
    let ids: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let mut differences = String::new();
    for id in ids {
        match (expected.get(id), found.get(id)) {
            (Some(_), None) => {
                let _ = writeln!(differences, "{id}: missing");
            }
            (None, Some(_)) => {
                let _ = writeln!(differences, "{id}: should not be there");
            }
            (Some(expected), Some(found)) if expected != found => {
                for (key, value) in expected.as_object().into_iter().flatten() {
                    if *value != found[key] {
                        let _ = writeln!(differences, "{id}.{key}: expected {value}, found {}", found[key]);
                    }
                }
            }
            _ => {}
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences) }
}

/// SkillMeat's slug of a tag (`skillmeat.core.services.tag_service`): lower case, everything but ASCII letters and
/// digits becomes one dash, none at the ends.
fn slug(tag: &str) -> String {
    let lower = tag.trim().to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

#[test]
fn a_difference_is_named() {
    let said = |tags: &[&str]| Said::from([("skill:a".to_owned(), json!({ "tags": tags }))]);
    assert_eq!(compare(&said(&["x"]), &said(&["x"])), Ok(()));
    let difference = compare(&said(&["x"]), &said(&[])).expect_err("they differ");
    assert_eq!(difference, "skill:a.tags: expected [\"x\"], found []\n");
    assert_eq!(compare(&said(&[]), &Said::new()), Err("skill:a: missing\n".to_owned()));
    assert_eq!(compare(&Said::new(), &said(&[])), Err("skill:a: should not be there\n".to_owned()));
    assert_eq!(slug("  C++ & Rust_lang "), "c-rust-lang");
    assert_eq!(slug("日本"), "");
}
