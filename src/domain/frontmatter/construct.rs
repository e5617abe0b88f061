//! From a node graph to Python values, as `yaml.constructor.SafeConstructor` makes them.
//!
//! Not followed: the order in which PyYAML meets several errors of different kinds.

use std::collections::BTreeMap;

use super::compose::{Content, Graph, Refused};
use super::python::{Id, Value, Values};
use super::resolve::{self, Type};

const CORE: &str = "tag:yaml.org,2002:";

/// Pairs that merge keys may bring in, all together.
const MAX_MERGED: usize = 20_000;

/// A document as Python holds it.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) values: Values,
    pub(super) root: Option<Id>,
    /// Where each value starts, in characters.
    spots: Vec<usize>,
    /// What makes a value impossible to write as TOML.
    unwritable: BTreeMap<Id, Unwritable>,
}

/// The first part of a value that `tomli_w` cannot write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unwritable {
    pub(super) at: usize,
    pub(super) what: &'static str,
}

impl Document {
    /// Where a value starts, in characters.
    pub(super) fn spot(&self, id: Id) -> usize {
        self.spots.get(id).copied().unwrap_or(0)
    }

    /// Why a value cannot be written to `collection.toml`, if so.
    pub(super) fn unwritable(&self, id: Id) -> Option<Unwritable> {
        self.unwritable.get(&id).copied()
    }
}

/// Makes the values of a graph.
pub(super) fn construct(graph: Graph) -> Result<Document, Refused> {
    let root = graph.root;
    let mut constructor = Constructor {
        graph,
        values: Values::default(),
        unwritable: BTreeMap::new(),
        merged: 0,
        making: Vec::new(),
    };
    if let Some(root) = root {
        constructor.value(root)?;
    }
    Ok(Document {
        values: constructor.values,
        root,
        spots: constructor.graph.nodes.iter().map(|node| node.at).collect(),
        unwritable: constructor.unwritable,
    })
}

struct Constructor {
    graph: Graph,
    values: Values,
    unwritable: BTreeMap<Id, Unwritable>,
    merged: usize,
    /// The collections around the node at hand.
    making: Vec<Id>,
}

impl Constructor {
    fn at(&self, id: Id) -> usize {
        self.graph.nodes.get(id).map_or(0, |node| node.at)
    }

    /// What comes after [`CORE`] in the node's tag; an error with its tag in full where that is another one.
    fn name(&self, id: Id) -> Result<&str, &str> {
        let Some(node) = self.graph.nodes.get(id) else { return Err("") };
        if let Some(tag) = &node.tag {
            return tag.strip_prefix(CORE).ok_or(tag);
        }
        Ok(match &node.content {
            Content::Scalar(text, true) => match resolve::resolve(text) {
                Type::Null => "null",
                Type::Bool => "bool",
                Type::Int => "int",
                Type::Float => "float",
                Type::Timestamp => "timestamp",
                Type::Merge => "merge",
                Type::DefaultValue => "value",
                Type::Str => "str",
            },
            Content::Scalar(_, false) => "str",
            Content::Sequence(_) => "seq",
            Content::Mapping(_) => "map",
        })
    }

    fn is(&self, id: Id, name: &str) -> bool {
        self.name(id) == Ok(name)
    }

    /// Makes the value of a node and of all it holds. Recursion is as deep as the text nests, which is bounded.
    fn value(&mut self, id: Id) -> Result<(), Refused> {
        if self.values.is_made(id) {
            return Ok(());
        }
        let at = self.at(id);
        let no_meaning = |tag: &str| Refused::yaml(at, format!("the tag `{tag}` means nothing here"));
        let name = self.name(id).map_err(no_meaning)?;
        let failed =
            |_| Refused::lost(at, format!("not a possible {name}, and SkillMeat's extraction fails on it"));
        let value = match name {
            "null" => self.scalar(id).map(|_| Value::None)?,
            "bool" => resolve::bool_value(&self.scalar(id)?).map_err(failed)?,
            "int" => resolve::int_value(&self.scalar(id)?).map_err(failed)?,
            "float" => resolve::float_value(&self.scalar(id)?).map_err(failed)?,
            "timestamp" => resolve::timestamp_value(&self.scalar(id)?).map_err(failed)?,
            "binary" => {
                let text = self.scalar(id)?;
                if !text.is_ascii() {
                    return Err(Refused::yaml(at, "not base64"));
                }
                resolve::binary_value(&text).ok_or_else(|| Refused::yaml(at, "not base64"))?
            }
            "str" => Value::Str(self.scalar(id)?),
            "seq" => return self.list(id),
            "omap" | "pairs" => return self.pairs(id),
            "map" => return self.dict(id, false),
            "set" => return self.dict(id, true),
            _ => return Err(no_meaning(&format!("{CORE}{name}"))),
        };
        match value {
            Value::None => self.cannot_write(id, at, "a value that is empty (null)"),
            Value::Bytes(_) => self.cannot_write(id, at, "a binary value"),
            _ => {}
        }
        self.values.set(id, value);
        Ok(())
    }

    fn cannot_write(&mut self, id: Id, at: usize, what: &'static str) {
        self.unwritable.entry(id).or_insert(Unwritable { at, what });
    }

    /// `construct_scalar`: a mapping stands for the value of its key `=`.
    fn scalar(&self, id: Id) -> Result<String, Refused> {
        let mut id = id;
        for _ in 0..=self.graph.nodes.len() {
            match self.graph.nodes.get(id).map(|node| &node.content) {
                Some(Content::Scalar(text, _)) => return Ok(text.clone()),
                Some(Content::Mapping(pairs)) => match pairs.iter().find(|(key, _)| self.is(*key, "value")) {
                    Some((_, value)) => id = *value,
                    None => break,
                },
                _ => break,
            }
        }
        Err(Refused::yaml(self.at(id), "a collection where its tag wants a scalar"))
    }

    /// Makes a part of a collection. A part that is being made already, because it holds the collection, stays a mere
    /// reference, as in Python.
    fn part(&mut self, whole: Id, id: Id) -> Result<(), Refused> {
        if self.making.contains(&id) {
            self.cannot_write(whole, self.at(id), "a value that holds itself");
            return Ok(());
        }
        self.value(id)?;
        if let Some(inner) = self.unwritable(id) {
            self.unwritable.entry(whole).or_insert(inner);
        }
        Ok(())
    }

    fn unwritable(&self, id: Id) -> Option<Unwritable> {
        self.unwritable.get(&id).copied()
    }

    fn list(&mut self, id: Id) -> Result<(), Refused> {
        let Some(Content::Sequence(items)) = self.graph.nodes.get(id).map(|node| &node.content) else {
            return Err(Refused::yaml(self.at(id), "a list is wanted here"));
        };
        let items = items.clone();
        // The finished list goes in first: parts are only references.
        self.values.set(id, Value::List(items.clone()));
        self.making.push(id);
        for item in items {
            self.part(id, item)?;
        }
        self.making.pop();
        Ok(())
    }

    fn pairs(&mut self, id: Id) -> Result<(), Refused> {
        let wanted = |at| Refused::yaml(at, "a list of single pairs is wanted here");
        let Some(Content::Sequence(items)) = self.graph.nodes.get(id).map(|node| &node.content) else {
            return Err(wanted(self.at(id)));
        };
        let mut pairs = Vec::new();
        for &item in items {
            match self.graph.nodes.get(item).map(|node| &node.content) {
                Some(Content::Mapping(inner)) if inner.len() == 1 => pairs.extend(inner.iter().copied()),
                _ => return Err(wanted(self.at(item))),
            }
        }
        self.values.set(id, Value::Pairs(pairs.clone()));
        self.making.push(id);
        for (key, item) in pairs {
            self.part(id, key)?;
            self.part(id, item)?;
        }
        self.making.pop();
        Ok(())
    }

    fn dict(&mut self, id: Id, set: bool) -> Result<(), Refused> {
        self.flatten(id)?;
        let Some(Content::Mapping(pairs)) = self.graph.nodes.get(id).map(|node| &node.content) else {
            return Err(Refused::yaml(self.at(id), "a mapping is wanted here"));
        };
        let pairs = pairs.clone();
        self.values.set(id, Value::Dict(Vec::new()));
        self.making.push(id);
        let mut entries: Vec<(Id, Id)> = Vec::new();
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        for (key, value) in pairs {
            self.part(id, key)?;
            let Some(text) = self.values.key(key) else {
                return Err(Refused::yaml(self.at(key), "a collection cannot be a key"));
            };
            if !matches!(self.values.get(key), Value::Str(_)) {
                self.cannot_write(id, self.at(key), "a key that is not text");
            }
            self.part(id, value)?;
            match index.get(&text).and_then(|&i| entries.get_mut(i)) {
                Some(entry) => entry.1 = value,
                None => {
                    index.insert(text, entries.len());
                    entries.push((key, value));
                }
            }
        }
        self.making.pop();
        let value = if set {
            self.cannot_write(id, self.at(id), "a set");
            Value::Set(entries.into_iter().map(|(key, _)| key).collect())
        } else {
            Value::Dict(entries)
        };
        self.values.set(id, value);
        Ok(())
    }

    /// `flatten_mapping`: the pairs of `<<` mappings come before the mapping's own, which win.
    fn flatten(&mut self, id: Id) -> Result<(), Refused> {
        let mut merged: Vec<(Id, Id)> = Vec::new();
        let mut index = 0;
        while let Some(&(key, value)) = self.mapping(id).and_then(|pairs| pairs.get(index)) {
            if self.is(key, "value")
                && let Some(node) = self.graph.nodes.get_mut(key)
            {
                node.tag = Some(format!("{CORE}str"));
            }
            if !self.is(key, "merge") {
                index += 1;
                continue;
            }
            if let Some(Content::Mapping(pairs)) = self.graph.nodes.get_mut(id).map(|node| &mut node.content)
            {
                pairs.remove(index);
            }
            let wanted = |at| Refused::yaml(at, "only mappings can be merged");
            match self.graph.nodes.get(value).map(|node| &node.content) {
                Some(Content::Mapping(_)) => merged.extend(self.flattened(value)?),
                Some(Content::Sequence(items)) => {
                    let mut parts = Vec::new();
                    for item in items.clone() {
                        if self.mapping(item).is_none() {
                            return Err(wanted(self.at(item)));
                        }
                        parts.push(self.flattened(item)?);
                    }
                    merged.extend(parts.into_iter().rev().flatten());
                }
                _ => return Err(wanted(self.at(value))),
            }
        }
        if let Some(Content::Mapping(pairs)) = self.graph.nodes.get_mut(id).map(|node| &mut node.content) {
            pairs.splice(0..0, merged);
        }
        Ok(())
    }

    fn mapping(&self, id: Id) -> Option<&[(Id, Id)]> {
        match &self.graph.nodes.get(id)?.content {
            Content::Mapping(pairs) => Some(pairs),
            _ => None,
        }
    }

    fn flattened(&mut self, id: Id) -> Result<Vec<(Id, Id)>, Refused> {
        self.flatten(id)?;
        let pairs = self.mapping(id).unwrap_or(&[]).to_vec();
        self.merged += pairs.len();
        if self.merged > MAX_MERGED {
            return Err(Refused::lost(self.at(id), "too many merged keys"));
        }
        Ok(pairs)
    }
}
