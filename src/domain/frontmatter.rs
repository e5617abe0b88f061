//! The metadata SkillMeat 0.74.0 takes from an artifact's entry file.
//!
//! [`extract`] gives what `skillmeat.utils.metadata.extract_artifact_metadata` gives for the same bytes: two readings
//! of the frontmatter, one after the other, each field as Python's `str()` of what PyYAML's YAML 1.1 loader makes of
//! it; a line parser where the frontmatter is not YAML; a description from the body where there is none. What that
//! function leaves of a frontmatter when Python raises something else than a YAML error is nothing, and so it is here.
//!
//! What this module does not do: read files; follow a file through history; take tags apart from what the extractor
//! says (SkillMeat removes double tags later, when it makes an artifact of the metadata); resolve links; keep the
//! fields SkillMeat stores under `extra`, of which it only checks whether `collection.toml` could hold them.
//!
//! # Limits
//! 64 KiB of frontmatter, 64 levels, 10,000 nodes, 1,000 anchors and as many aliases, 100 merge keys, 256 KiB for one printed value, and
//! the first 512 KiB of a file. SkillMeat has none of them. Beyond them the metadata is what can be had cheaply,
//! [`Extracted::sound`] is false, and a problem says which limit it was.
//!
//! # Known differences
//! The parser reads YAML 1.2; PyYAML is older and looser in some places, stricter in others. The differences that
//! matter are made up for. Known to remain, all of them rare:
//! * taken by PyYAML, refused here, so that the line parser is used and a problem shown: a lone `-` and an unspaced `?`
//!   at the start of an item in brackets (`[-]`, `[?a]`); a `|` or `>` at the very start of a line under its key;
//!   more than 16 quoted values that are wrapped without indentation; escapes of lone surrogates; an anchor with
//!   other characters directly after it;
//! * `U+2028` and `U+2029` end a line in PyYAML and are ordinary characters here, except that the text must be sound
//!   either way;
//! * a frontmatter with both a YAML error and an impossible value (a thirteenth month) is taken for the former, where
//!   PyYAML goes by which it meets first;
//! * the members of a `!!set` are printed in file order, Python's order is random; what is printable in a nested text
//!   goes by a newer Unicode version.

mod compose;
mod construct;
mod edit;
mod entry;
mod lenient;
mod lines;
mod populate;
mod python;
mod resolve;
mod strict;
mod text;
mod tools;

pub use edit::{FrontmatterError, edit};
pub use entry::entry_file;

use std::ops::Range;

use compose::{Refused, Why};
use construct::Document;
use text::{Block, Content};

use super::model::{Kind, Metadata, Problem};

/// What an entry file says about its artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extracted {
    /// The fields, as SkillMeat's extraction gives them.
    pub metadata: Metadata,
    /// What is wrong with the file, in file order. Paths are empty; lines and columns count from 1 in the file.
    pub problems: Vec<Problem>,
    /// Whether the metadata may be taken for what the author meant: false when the file could not be decoded, when the
    /// frontmatter could not be taken as YAML, was not closed or was too large, and when SkillMeat's own `add` would
    /// fail on it.
    pub sound: bool,
}

/// What SkillMeat extracts from the bytes of the entry file of an artifact of this kind. Kinds without frontmatter
/// ([`Kind::has_frontmatter`]) have no metadata. Never fails; time and memory are bounded by the limits above, apart
/// from one pass over the bytes to check that they are UTF-8.
#[must_use]
pub fn extract(kind: Kind, bytes: &[u8]) -> Extracted {
    if !kind.has_frontmatter() {
        return Extracted { sound: true, ..Extracted::default() };
    }
    match text::decode(bytes) {
        Ok(content) => Extraction::new(content).run(),
        Err(offset) => Extracted { problems: vec![not_utf8(bytes, offset)], ..Extracted::default() },
    }
}

fn not_utf8(bytes: &[u8], offset: usize) -> Problem {
    let message = "not UTF-8 from here on: nothing is read, and SkillMeat refuses to add the file";
    match std::str::from_utf8(&bytes[..offset]) {
        Ok(before) if offset <= text::WINDOW => {
            let before = text::newlines(before);
            let (line, column) = text::place(&before, before.len());
            Problem::at(line, column, message)
        }
        _ => Problem::new("", format!("{message} (byte {offset})")),
    }
}

/// One extraction on its way.
struct Extraction<'a> {
    content: Content<'a>,
    metadata: Metadata,
    problems: Vec<(usize, String)>,
    sound: bool,
}

/// A frontmatter and what PyYAML makes of it.
struct Reading {
    block: Range<usize>,
    outcome: Result<Document, Refused>,
}

impl<'a> Extraction<'a> {
    fn new(content: Content<'a>) -> Self {
        Self { content, metadata: Metadata::default(), problems: Vec::new(), sound: true }
    }

    fn run(mut self) -> Extracted {
        let first = self.first_reading();
        let populated = first.as_ref().map(|reading| self.take_first(reading)).unwrap_or_default();
        self.second_reading(first, &populated);
        if self.metadata.description.as_deref().unwrap_or("").is_empty() {
            self.metadata.description = self.content.body_description();
        }
        self.problems.sort();
        self.problems.dedup();
        let problems = self.problems.into_iter().map(|(offset, message)| {
            let (line, column) = self.content.place(offset);
            Problem::at(line, column, message)
        });
        Extracted { metadata: self.metadata, problems: problems.collect(), sound: self.sound }
    }

    fn unsound(&mut self, offset: usize, message: impl Into<String>) {
        self.sound = false;
        self.problems.push((offset, message.into()));
    }

    /// The byte offset in the content of a character of a block.
    fn offset(&self, block: &Range<usize>, at: usize) -> usize {
        let text = self.content.text.get(block.clone()).unwrap_or("");
        block.start + text.char_indices().nth(at).map_or(text.len(), |(i, _)| i)
    }

    fn read(&self, block: Range<usize>) -> Reading {
        let text = self.content.text.get(block.clone()).unwrap_or("");
        let outcome = compose::compose(text).and_then(construct::construct);
        Reading { block, outcome }
    }

    /// Finds and reads the frontmatter as `extract_frontmatter` does.
    fn first_reading(&mut self) -> Option<Reading> {
        match self.content.block() {
            Block::None => None,
            Block::Found(block) => Some(self.read(block)),
            Block::Open(at) => {
                self.unsound(
                    at,
                    "the frontmatter is opened here and never closed: SkillMeat reads none of it",
                );
                None
            }
            Block::TooLong(start) => {
                let limit = text::FRONTMATTER_LIMIT / 1024;
                self.unsound(start, format!("the frontmatter is longer than {limit} KiB: only its name, description and tools are read"));
                let text = &self.content.text[start..];
                let text = &text[..text.floor_char_boundary(text::FRONTMATTER_LIMIT)];
                let partial = lines::partial(text.rsplit_once('\n').map_or(text, |(whole, _)| whole));
                self.take_partial(partial);
                None
            }
        }
    }

    fn take_partial(&mut self, partial: lines::Partial) {
        self.metadata.description = partial.description.filter(|text| !text.is_empty());
        self.metadata.tools = partial.tools;
    }

    /// `populate_metadata_from_frontmatter` over the first reading, or the line parser.
    fn take_first(&mut self, reading: &Reading) -> populate::Populated {
        match &reading.outcome {
            Ok(document) => match populate::populate(document) {
                Ok(populated) => {
                    self.metadata = populated.metadata.clone();
                    self.faults(&reading.block, &populated.faults);
                    if populated.not_a_mapping {
                        self.problems.push((
                            reading.block.start,
                            "the frontmatter is not a mapping of keys to values: SkillMeat reads none of it"
                                .to_owned(),
                        ));
                    }
                    populated
                }
                Err(refused) => {
                    self.refuse(&reading.block, &refused);
                    populate::Populated::default()
                }
            },
            Err(refused) => {
                self.refuse(&reading.block, refused);
                if matches!(refused.why, Why::Yaml(_)) {
                    let text = self.content.text.get(reading.block.clone()).unwrap_or("");
                    let partial = lines::partial(text);
                    self.take_partial(partial);
                }
                populate::Populated::default()
            }
        }
    }

    fn faults(&mut self, block: &Range<usize>, faults: &[populate::Fault]) {
        for fault in faults {
            let offset = self.offset(block, fault.at);
            self.unsound(offset, fault.message.clone());
        }
    }

    fn refuse(&mut self, block: &Range<usize>, refused: &Refused) {
        let offset = self.offset(block, refused.at);
        match &refused.why {
            Why::Yaml(why) => self.unsound(
                offset,
                format!("the frontmatter is not YAML: {why}; like SkillMeat, only its description and tools are read"),
            ),
            Why::Lost(why) => {
                self.unsound(offset, format!("none of the frontmatter is read: {why}"));
            }
        }
    }

    /// `extract_yaml_frontmatter` and what `extract_artifact_metadata` does with its result: raw values for the fields
    /// that are still empty. Tells what of all that SkillMeat could not store.
    fn second_reading(&mut self, first: Option<Reading>, populated: &populate::Populated) {
        let second = self.content.second_block();
        let reading = match (first, second) {
            (Some(first), Some(block)) if first.block == block => Some(first),
            (_, Some(block)) => Some(self.read(block)),
            (_, None) => None,
        };
        let Some(Reading { block, outcome: Ok(document) }) = reading else { return };
        let faults = populate::fill(&document, populated, &mut self.metadata);
        self.faults(&block, &faults);
    }
}

#[cfg(test)]
mod tests;
