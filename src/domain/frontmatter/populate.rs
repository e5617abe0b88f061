//! From a parsed frontmatter to metadata: SkillMeat's two passes over it.
//!
//! [`populate`] is `extract_frontmatter` followed by `populate_metadata_from_frontmatter`; [`fill`] is the second half
//! of `extract_artifact_metadata`. Both also find what would make SkillMeat's `add` fail afterwards: `add` stores the
//! raw frontmatter under `extra`, and `tomli_w` writes neither null nor bytes, sets or keys that are not text.

use super::compose::Refused;
use super::construct::{Document, Unwritable};
use super::python::{Id, TooLarge, Value};
use super::text::strip;
use super::tools;
use crate::domain::model::Metadata;

/// Something SkillMeat's `add` fails on, at a character of the frontmatter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

/// What the first pass leaves behind.
#[derive(Debug, Default)]
pub(super) struct Populated {
    pub(super) metadata: Metadata,
    pub(super) faults: Vec<Fault>,
    /// There is a document, and it is something else than a mapping.
    pub(super) not_a_mapping: bool,
    /// The keys the pass has put into `extra`.
    extra: Vec<&'static str>,
    has_dependencies: bool,
}

/// Keys SkillMeat knows, with case, `-` and `_` taken out of the comparison; all others go to `extra` as they are.
const KNOWN: [&str; 22] = [
    "name",
    "description",
    "tools",
    "allowedtools",
    "disallowedtools",
    "model",
    "permissionmode",
    "skills",
    "hooks",
    "userinvocable",
    "title",
    "author",
    "license",
    "version",
    "tags",
    "dependencies",
    "parameters",
    "aosartifactuuid",
    "aosfeatureuuid",
    "aosrunuuid",
    "aostraceuuid",
    "nativealiases",
];

/// Known keys whose values are stored as they are all the same.
const RAW: [&str; 7] = [
    "hooks",
    "parameters",
    "aos_artifact_uuid",
    "aos_feature_uuid",
    "aos_run_uuid",
    "aos_trace_uuid",
    "native_aliases",
];

/// Keys the second pass does not copy to `extra`.
const NOT_COPIED: [&str; 15] = [
    "title",
    "description",
    "author",
    "license",
    "version",
    "tags",
    "dependencies",
    "tools",
    "allowed-tools",
    "allowedTools",
    "aos_artifact_uuid",
    "aos_feature_uuid",
    "aos_run_uuid",
    "aos_trace_uuid",
    "native_aliases",
];

/// A document whose root is a mapping.
struct Mapping<'a> {
    document: &'a Document,
    pairs: &'a [(Id, Id)],
}

impl<'a> Mapping<'a> {
    fn of(document: &'a Document) -> Option<Self> {
        match document.values.get(document.root?) {
            Value::Dict(pairs) => Some(Self { document, pairs }),
            _ => None,
        }
    }

    fn key(&self, id: Id) -> Option<&'a str> {
        match self.document.values.get(id) {
            Value::Str(key) => Some(key),
            _ => None,
        }
    }

    fn get(&self, key: &str) -> Option<Id> {
        self.pairs.iter().find(|(k, _)| self.key(*k) == Some(key)).map(|(_, value)| *value)
    }

    fn str(&self, id: Id) -> Result<String, Refused> {
        let values = &self.document.values;
        values
            .str(id)
            .map_err(|TooLarge| Refused::lost(self.document.spot(id), "a value is too large to print"))
    }

    fn text(&self, key: &str) -> Result<Option<String>, Refused> {
        let text = self.get(key).map(|id| self.str(id)).transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// A list's truthy items as text, or the parts of a comma-separated text; nothing for other types.
    fn words(&self, key: &str) -> Result<Vec<String>, Refused> {
        let Some(id) = self.get(key) else { return Ok(Vec::new()) };
        match self.document.values.get(id) {
            Value::List(items) => self.truthy_items(items),
            Value::Str(text) => {
                Ok(text.split(',').map(strip).filter(|word| !word.is_empty()).map(str::to_owned).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn truthy_items(&self, items: &[Id]) -> Result<Vec<String>, Refused> {
        items.iter().filter(|id| self.document.values.truthy(**id)).map(|id| self.str(*id)).collect()
    }

    /// The first true value of the three spellings, else what the last one has.
    fn tools(&self) -> Result<Vec<String>, Refused> {
        let keys = ["tools", "allowed-tools", "allowedTools"];
        let values = &self.document.values;
        let Some(id) = keys.iter().filter_map(|key| self.get(key)).find(|id| values.truthy(*id)) else {
            return Ok(Vec::new());
        };
        match values.get(id) {
            Value::Str(text) => Ok(text.split(',').map(|word| strip(word).to_owned()).collect()),
            Value::List(items) => items
                .iter()
                .filter(|id| !matches!(values.get(**id), Value::None))
                .map(|id| self.str(*id).map(|word| strip(&word).to_owned()))
                .collect(),
            _ => Ok(Vec::new()),
        }
    }
}

/// The first pass. An error is a Python exception: nothing of the frontmatter is used then.
pub(super) fn populate(document: &Document) -> Result<Populated, Refused> {
    let Some(mapping) = Mapping::of(document) else {
        let not_a_mapping =
            document.root.is_some_and(|root| !matches!(document.values.get(root), Value::None));
        return Ok(Populated { not_a_mapping, ..Populated::default() });
    };
    if let Some((key, _)) = mapping.pairs.iter().find(|(key, _)| mapping.key(*key).is_none()) {
        return Err(Refused::lost(
            document.spot(*key),
            "a key is not text, and SkillMeat's extraction fails on it",
        ));
    }
    // SkillMeat prints these as well, so they can fail as well.
    for key in ["name", "model"] {
        mapping.text(key)?;
    }
    let words = mapping.tools()?;
    let metadata = Metadata {
        title: mapping.text("title")?,
        description: mapping.text("description")?,
        author: mapping.text("author")?,
        license: mapping.text("license")?,
        version: mapping.text("version")?,
        tags: mapping.words("tags")?,
        tools: words.iter().filter_map(|word| tools::canonical(word)).map(str::to_owned).collect(),
    };
    let mut extra = Vec::new();
    if !mapping.pairs.is_empty() {
        extra.push("frontmatter");
    }
    if !words.is_empty() {
        extra.push("frontmatter_tools");
    }
    if words.iter().any(|word| !word.is_empty() && tools::canonical(word).is_none()) {
        extra.push("unknown_tools");
    }
    let stored_raw = |key: &str| RAW.contains(&key) || !KNOWN.contains(&normalised(key).as_str());
    let dropped_if_null =
        |key: &str, id: Id| key == "parameters" && matches!(document.values.get(id), Value::None);
    let faults = mapping.pairs.iter().filter_map(|&(key, value)| {
        let name = mapping.key(key)?;
        let unwritable = document.unwritable(value)?;
        (stored_raw(name) && !dropped_if_null(name, value)).then(|| cannot_store(name, unwritable))
    });
    let faults = faults.collect();
    let has_dependencies = !mapping.words("dependencies")?.is_empty();
    Ok(Populated { metadata, faults, not_a_mapping: false, extra, has_dependencies })
}

fn normalised(key: &str) -> String {
    key.to_lowercase().replace(['-', '_'], "")
}

fn cannot_store(key: &str, unwritable: Unwritable) -> Fault {
    Fault {
        at: unwritable.at,
        message: format!("`{key}` holds {}, which SkillMeat's add cannot store", unwritable.what),
    }
}

/// The second pass: raw values for fields that are still empty. Gives what `add` would fail on.
pub(super) fn fill(document: &Document, populated: &Populated, metadata: &mut Metadata) -> Vec<Fault> {
    let mut faults = Vec::new();
    let Some(mapping) = Mapping::of(document) else { return faults };
    let fields = [
        ("title", &mut metadata.title),
        ("description", &mut metadata.description),
        ("author", &mut metadata.author),
        ("license", &mut metadata.license),
        ("version", &mut metadata.version),
    ];
    for (key, field) in fields {
        if field.is_some() {
            continue;
        }
        let Some(id) = mapping.get(key) else { continue };
        // A description that is false, `{}` for one, leaves room for one from the body.
        let passed_over = match document.values.get(id) {
            Value::None => true,
            _ => key == "description" && !document.values.truthy(id),
        };
        if passed_over {
            continue;
        }
        faults.extend(document.unwritable(id).map(|unwritable| cannot_store(key, unwritable)));
        *field = mapping.str(id).ok();
    }
    if metadata.tags.is_empty() {
        fill_tags(&mapping, metadata, &mut faults);
    }
    for &(key, value) in mapping.pairs {
        let Some(name) = mapping.key(key) else {
            faults.push(Fault {
                at: document.spot(key),
                message: "a key is not text, which SkillMeat's add cannot store".to_owned(),
            });
            continue;
        };
        let stored = match name {
            "dependencies" => !populated.has_dependencies && document.values.truthy(value),
            _ => !NOT_COPIED.contains(&name) && !populated.extra.contains(&name),
        };
        if let Some(unwritable) = document.unwritable(value).filter(|_| stored) {
            faults.push(cannot_store(name, unwritable));
        }
    }
    faults
}

/// Raw tags are used as they are when the first pass found none: what is not a list then breaks `add`, which wants to
/// join lists, and so does an item that cannot be compared or stored.
fn fill_tags(mapping: &Mapping<'_>, metadata: &mut Metadata, faults: &mut Vec<Fault>) {
    let document = mapping.document;
    let Some(id) = mapping.get("tags").filter(|id| document.values.truthy(*id)) else { return };
    let fault = |id, what: &str| Fault {
        at: document.spot(id),
        message: format!("`tags` {what}, which SkillMeat's add does not survive"),
    };
    match document.values.get(id) {
        Value::List(items) => {
            for &item in items {
                if document.values.key(item).is_none() || document.unwritable(item).is_some() {
                    faults.push(fault(item, "holds something that is not text"));
                } else if let Ok(tag) = mapping.str(item) {
                    metadata.tags.push(tag);
                }
            }
        }
        Value::Str(_) => faults.push(fault(id, "is text without a tag in it")),
        _ => faults.push(fault(id, "is neither a list nor text")),
    }
}
