//! What the web backend's pages ask of the cache, and what the rows answer: values, no formats.
//!
//! The filters and orders are those of `skillmeat.api.routers.user_collections.list_collection_artifacts`,
//! `skillmeat.api.routers.groups.list_groups` and `skillmeat.api.routers.tags.list_tags`; `tag` and `search` on the list
//! page are ours.
//!
//! What this module does not do: read rows or speak JSON to a client.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Timelike};
use serde::Deserialize;

/// A page of a collection's artifacts, in the byte order of their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageQuery {
    /// The DB collection's id.
    pub collection: String,
    /// Longest page, items.
    pub limit: usize,
    /// Only ids greater than this one. It need not exist (any more).
    pub after: Option<String>,
    /// Only ids `type:…` of this type.
    pub kind: Option<String>,
    /// Only members of the group with this id.
    pub group: Option<String>,
    /// Only artifacts that carry the tag of this slug, or of exactly this name.
    pub tag: Option<String>,
    /// Only artifacts whose name, description, author or a tag contains this, whatever the case of ASCII letters.
    pub search: Option<String>,
    /// Whether to tell the groups of each artifact.
    pub with_groups: bool,
}

/// The answer to a [`PageQuery`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub items: Vec<Summary>,
    /// Artifacts that fit the filters, over all pages.
    pub total: usize,
    /// Whether there are more behind this page.
    pub more: bool,
    /// Ids on this page whose row is not known to say what the files say (`synced_at` is NULL, in this collection and
    /// in `default`).
    pub misses: Vec<String>,
}

/// One artifact on a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// `type:name`
    pub id: String,
    /// The author's version.
    pub version: Option<String>,
    /// Never empty: the upstream address, `local`, or as SkillMeat has it the id itself.
    pub source: String,
    /// What it is for.
    pub description: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// In file order.
    pub tags: Vec<String>,
    /// In file order.
    pub tools: Vec<String>,
    /// `local`, `github` or `marketplace`.
    pub origin: Option<String>,
    /// The platform behind a marketplace artifact.
    pub origin_source: Option<String>,
    /// Every DB collection it is in, by id.
    pub collections: Vec<InCollection>,
    /// Its groups in this collection, if they were asked for.
    pub groups: Option<Vec<InGroup>>,
    /// Where it is deployed.
    pub deployments: Vec<Deployment>,
}

/// A DB collection that holds an artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InCollection {
    /// `default`, or a uuid without dashes.
    pub id: String,
    /// For people.
    pub name: String,
    /// All its artifacts.
    pub artifacts: usize,
}

/// A group that holds an artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct InGroup {
    /// A uuid without dashes.
    pub id: String,
    /// For people.
    pub name: String,
    /// The artifact's place in it.
    pub position: i64,
}

/// One deployment of an artifact into a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// The project's directory.
    pub project_path: String,
    /// For people.
    pub project_name: String,
    /// ISO 8601; see [`iso`].
    pub deployed_at: String,
    /// What was deployed.
    pub content_hash: Option<String>,
    /// `claude_code` where the row says nothing.
    pub profile: String,
    /// Whether the copy differs from what was deployed, where that is known.
    pub local_modifications: Option<bool>,
    /// The target platform.
    pub platform: Option<String>,
}

/// The groups of a collection, in the order of their positions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupsQuery {
    /// The DB collection's id.
    pub collection: String,
    /// Only groups whose name contains this, whatever the case of ASCII letters.
    pub search: Option<String>,
    /// Only groups with this member, `type:name`.
    pub artifact: Option<String>,
}

/// A row of `groups`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupRow {
    /// A uuid without dashes.
    pub id: String,
    /// The DB collection's id.
    pub collection: String,
    /// Unique in its collection.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The group's own tags.
    pub tags: Vec<String>,
    /// A colour token or `#rrggbb`.
    pub color: String,
    /// An icon name.
    pub icon: String,
    /// Ascending display order.
    pub position: i64,
    /// ISO 8601; see [`iso`].
    pub created_at: String,
    /// ISO 8601; see [`iso`].
    pub updated_at: String,
    /// Members.
    pub artifacts: usize,
}

/// A page of tags, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagsQuery {
    /// Longest page, items.
    pub limit: usize,
    /// Only tags behind the one with this id. An id that is not there is the beginning, as it is for SkillMeat.
    pub after: Option<String>,
}

/// The answer to a [`TagsQuery`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// In order.
    pub items: Vec<TagRow>,
    /// Whether there are more behind this page.
    pub more: bool,
}

/// A row of `tags`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagRow {
    /// A uuid without dashes.
    pub id: String,
    /// For people.
    pub name: String,
    /// Unique.
    pub slug: String,
    /// `#rrggbb`
    pub color: Option<String>,
    /// ISO 8601; see [`iso`].
    pub created_at: String,
    /// ISO 8601; see [`iso`].
    pub updated_at: String,
    /// Artifacts that carry it.
    pub artifacts: usize,
    /// Deployment sets that carry it.
    pub deployment_sets: usize,
}

/// A stored time as the web backend's JSON has it: `T` between date and time, six fraction digits or none, UTC as `Z`
/// where a zone is given. A text that is no time stays as it is.
#[must_use]
pub fn iso(stored: &str) -> String {
    time(stored).unwrap_or_else(|| stored.to_owned())
}

fn time(stored: &str) -> Option<String> {
    let spelled = stored.trim().replacen(' ', "T", 1);
    if let Ok(naive) = spelled.parse::<NaiveDateTime>() {
        let digits =
            if naive.nanosecond() / 1_000 == 0 { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S%.6f" };
        return Some(naive.format(digits).to_string());
    }
    let zoned = DateTime::parse_from_rfc3339(&spelled).ok()?;
    let whole = zoned.timestamp_subsec_micros() == 0;
    let digits = if whole { SecondsFormat::Secs } else { SecondsFormat::Micros };
    Some(zoned.to_rfc3339_opts(digits, true))
}

/// The deployments in a `deployments_json` cell. What cannot be understood is left out, as
/// `skillmeat.api.services.artifact_cache_service.parse_deployments` does.
#[must_use]
pub fn deployments(cell: Option<&str>) -> Vec<Deployment> {
    use serde_json::Value;

    let Some(cell) = cell.filter(|cell| !cell.is_empty()) else { return Vec::new() };
    let Ok(Value::Array(entries)) = serde_json::from_str(cell) else { return Vec::new() };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let deployment = |entry: &Value| {
        let entry = entry.as_object()?;
        Some(Deployment {
            project_path: text(entry.get("project_path")).unwrap_or_default(),
            project_name: text(entry.get("project_name")).unwrap_or_default(),
            deployed_at: time(entry.get("deployed_at")?.as_str()?)?,
            content_hash: text(entry.get("content_hash")),
            profile: text(entry.get("deployment_profile_id"))
                .filter(|profile| !profile.is_empty())
                .unwrap_or_else(|| "claude_code".to_owned()),
            local_modifications: entry.get("local_modifications").and_then(Value::as_bool),
            platform: text(entry.get("platform")),
        })
    };
    entries.iter().filter_map(deployment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelled_as_the_backend_spells_them() {
        for (stored, spelled) in [
            ("2026-11-21 04:49:53.783651", "2026-11-21T04:49:53.783651"),
            ("2026-11-21 06:00:00.000000", "2026-11-21T06:00:00"),
            ("2026-11-21T06:00:00", "2026-11-21T06:00:00"),
            ("2026-11-21 06:00:00.5", "2026-11-21T06:00:00.500000"),
            ("2026-02-01T10:00:00Z", "2026-02-01T10:00:00Z"),
            ("2026-02-01T10:00:00.123+00:00", "2026-02-01T10:00:00.123000Z"),
            ("2026-02-01T10:00:00+02:00", "2026-02-01T10:00:00+02:00"),
            ("soon", "soon"),
        ] {
            assert_eq!(iso(stored), spelled);
        }
    }

    #[test]
    fn deployments_of_both_forms_are_read_and_the_rest_is_left_out() {
        let cell = r#"[
            {"project_path": "/p", "project_name": "p", "deployed_at": "2026-02-01T10:00:00"},
            {"project_path": "/q", "project_name": "q", "deployed_at": "2026-02-01T10:00:00Z", "content_hash": "c",
             "deployment_profile_id": "codex", "local_modifications": false, "platform": "codex"},
            {"project_path": "/r"}, {"deployed_at": 7}, "odd", null
        ]"#;
        let found = deployments(Some(cell));
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].profile.as_str(), found[0].local_modifications), ("claude_code", None));
        assert_eq!(found[1].deployed_at, "2026-02-01T10:00:00Z");
        assert_eq!((found[1].profile.as_str(), found[1].local_modifications), ("codex", Some(false)));
        for nothing in [None, Some(""), Some("{}"), Some("["), Some("[]")] {
            assert_eq!(deployments(nothing), []);
        }
    }
}
