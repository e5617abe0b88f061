//! Reading a `collection.toml`.
//!
//! The result is what SkillMeat's own loader (`skillmeat.storage.manifest.ManifestManager.read`,
//! `skillmeat.core.collection.Collection.from_dict`) would make of the file, but where that gives up on the whole
//! collection because of one bad entry, here the entry becomes a [`Problem`] and the rest is read. Only text that is no
//! manifest at all is an error.
//!
//! SkillMeat rewrites the file for every change and a big one takes long to parse, so [`parse`] cuts the text at its
//! `[[artifacts]]` headers and parses only the stretches that were not in the previous text. Wherever the cut might not
//! be exact, the whole text is parsed; a property test holds both ways to the same result.
//!
//! What this module does not do: open the file, change it, or decide what its absence means.

mod entry;
mod iso;
mod pieces;
mod place;
mod refusals;
mod sections;
pub(super) mod split;
mod strict;
mod value;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeTable;

use self::entry::Outcome;
use self::pieces::{Digest, Pieces, Read, digest};
use self::place::{LineCounter, Notes};
use self::sections::Sections;
use self::split::Piece;
use super::compact::PackedEntry;
use super::model::{Kind, Manifest, Problem};
pub use entry::TOOLS;
pub use pieces::{Alone, Join};

/// A longer file is not read: 16 MiB is more than 20,000 artifacts.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// No more problems than this are told of one file.
const MAX_PROBLEMS: usize = 200;

/// A manifest, with what makes the next [`parse`] of nearly the same text quick. The text is not kept: of each stretch of
/// it only the digest.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What the text says.
    pub manifest: Arc<Manifest>,
    text: Text,
}

/// What is remembered of a text.
#[derive(Debug, Clone)]
enum Text {
    /// It had to be parsed as a whole.
    Whole(Digest),
    Pieces(Pieces),
}

/// What an artifact's stretch of text says.
#[derive(Debug, Clone)]
enum Stretch {
    /// One entry, at the very beginning, and nothing wrong with it. Nearly all are.
    Plain(Arc<PackedEntry>),
    Odd(Arc<Artifacts>),
}

impl From<Artifacts> for Stretch {
    fn from(artifacts: Artifacts) -> Self {
        match artifacts.outcomes.as_slice() {
            [(1, Some(1), Outcome::Read(entry))]
                if artifacts.problems.is_empty() && artifacts.strict.is_none() =>
            {
                Self::Plain(Arc::clone(entry))
            }
            _ => Self::Odd(Arc::new(artifacts)),
        }
    }
}

/// What one stretch of text says about artifacts. Lines count from the start of the stretch.
#[derive(Debug, Default)]
struct Artifacts {
    /// With the place of each entry.
    outcomes: Vec<(u32, Option<u32>, Outcome)>,
    problems: Vec<Problem>,
    strict: Option<Strict>,
}

/// What the rest says. Lines count from the start of the joined rest.
#[derive(Debug)]
struct Rest {
    sections: Sections,
    problems: Vec<Problem>,
    strict: Option<Strict>,
}

/// Syntax SkillMeat's reader does not know: line, column, what.
type Strict = (u32, Option<u32>, &'static str);

/// The stretches cannot be taken apart; the whole text must be parsed.
struct Inexact;

/// Read the text of a `collection.toml`. What `previous` has in common with it is not parsed again.
///
/// # Errors
/// The text is no manifest: longer than [`MAX_BYTES`], empty, not UTF-8, with a byte order mark, not TOML, or without a
/// `[collection]` table. The problem has the place where one can be named, and no path.
pub fn parse(text: &[u8], previous: Option<&Parsed>) -> Result<Parsed, Problem> {
    parse_joining(text, previous, &Alone)
}

/// [`parse`], with the two halves of a long text given to `join`.
///
/// # Errors
/// As [`parse`].
pub fn parse_joining(text: &[u8], previous: Option<&Parsed>, join: &impl Join) -> Result<Parsed, Problem> {
    if let Some(previous) = previous
        && matches!(&previous.text, Text::Whole(known) if *known == digest(text))
    {
        return Ok(previous.clone());
    }
    let readable = check(text)?;
    match pieces::read(readable, previous, join) {
        Ok(Read::Same(previous)) => Ok(previous.clone()),
        Ok(Read::New(manifest, pieces)) => Ok(Parsed { manifest, text: Text::Pieces(pieces) }),
        Err(Inexact) => {
            let manifest = parse_whole(readable)?;
            Ok(Parsed { manifest: Arc::new(manifest), text: Text::Whole(digest(text)) })
        }
    }
}

/// What a manifest says beside its artifacts, of which the result has none; a fraction of the work of [`parse`] for a
/// large one. Problems are not told.
///
/// # Errors
/// As [`parse`], as far as it is looked at.
pub fn parse_sections(text: &str) -> Result<Manifest, Problem> {
    let readable = check(text.as_bytes())?;
    let alone = split::split(readable).and_then(|pieces| {
        let mut rest = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Artifact(range) if may_hold_more(readable.get(range.clone())?) => return None,
                Piece::Artifact(_) => {}
                Piece::Rest(range) => rest.push(readable.get(range)?),
            }
        }
        pieces::parse_rest(&rest).ok()
    });
    let manifest = match alone {
        Some(rest) => assemble("", std::iter::empty(), &rest, &[]),
        None => parse_whole(readable)?,
    };
    Ok(Manifest {
        entries: Vec::new(),
        unreadable: BTreeSet::new(),
        unnamed: 0,
        problems: Vec::new(),
        ..manifest
    })
}

/// The groups and tag definitions in a text that need not be a whole manifest: a manifest with nothing else in it, or
/// `None` when the text is not TOML. Problems are not told.
pub(super) fn read_lists(text: &str) -> Option<Manifest> {
    let root = DeTable::parse(text).ok()?;
    let (groups, tags) = sections::read_lists(root.get_ref(), &mut Notes::new(text));
    Some(Manifest {
        groups: groups.items,
        groups_incomplete: groups.incomplete,
        tag_definitions: tags.items,
        tag_definitions_incomplete: tags.incomplete,
        ..Manifest::default()
    })
}

/// Where an artifact's files are, as the components below the collection directory joined by `/`, from a `path` as a
/// manifest writes it.
///
/// # Errors
/// The path leads out of the collection, or nowhere.
pub fn artifact_path(path: &str) -> Result<Cow<'_, str>, BadPath> {
    if path.starts_with('/') {
        return Err(BadPath::Absolute);
    }
    if path.contains('\0') {
        return Err(BadPath::Nul);
    }
    let is_name = |part: &&str| !part.is_empty() && *part != ".";
    if path.split('/').any(|part| part == "..") {
        return Err(BadPath::Parent);
    }
    if path.split('/').all(|part| is_name(&part)) {
        return Ok(path.into());
    }
    let components: Vec<&str> = path.split('/').filter(is_name).collect();
    if components.is_empty() { Err(BadPath::Empty) } else { Ok(components.join("/").into()) }
}

/// Why the files at an entry's `path` are not looked at. SkillMeat itself does not check the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It begins with `/`.
    #[error("its path is absolute")]
    Absolute,
    /// It holds `..`.
    #[error("its path holds `..`")]
    Parent,
    /// It names the collection directory itself.
    #[error("its path is empty")]
    Empty,
    /// No file can be called that.
    #[error("its path holds a NUL character")]
    Nul,
}

fn check(text: &[u8]) -> Result<&str, Problem> {
    if text.is_empty() {
        return Err(Problem::new("", "the file is empty"));
    }
    if text.len() > MAX_BYTES {
        let message = format!("the file is too long: {} bytes, of {MAX_BYTES} at most", text.len());
        return Err(Problem::new("", message));
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        let message = "the file begins with a byte order mark, which SkillMeat cannot read: save it without";
        return Err(Problem::at(1, 1, message));
    }
    str::from_utf8(text).map_err(|error| {
        let readable =
            text.get(..error.valid_up_to()).and_then(|head| str::from_utf8(head).ok()).unwrap_or("");
        let (line, column) = Notes::new(readable).place(readable.len());
        Problem { path: String::new(), line: Some(line), column, message: "the text is not UTF-8".into() }
    })
}

fn no_collection() -> Problem {
    Problem::new("", "there is no [collection] table, so this is not a manifest")
}

fn parse_whole(text: &str) -> Result<Manifest, Problem> {
    let root = DeTable::parse(text).map_err(|error| {
        let (line, column) = Notes::new(text).place(error.span().map_or(0, |span| span.start));
        let message = format!("not valid TOML: {}", error.message().lines().collect::<Vec<_>>().join(", "));
        Problem { path: String::new(), line: Some(line), column, message }
    })?;
    let artifacts = read_artifacts(root.get_ref(), text);
    let rest = read_rest(root.get_ref(), text, false).ok_or_else(no_collection)?;
    let everything = 0..text.len();
    let stretch = Stretch::Odd(Arc::new(artifacts));
    Ok(assemble(text, std::iter::once((0, &stretch)), &rest, std::slice::from_ref(&everything)))
}

/// Whether a stretch of an artifact, which is not parsed, may hold something else: behind an indented header, or as the
/// beginning of a string that goes on in the next one.
fn may_hold_more(text: &str) -> bool {
    has_long_string(text) || has_indented_header(text)
}

/// Whether a line begins with blanks and a bracket: a header where [`split::split`] does not look for one, or an array.
pub(super) fn has_indented_header(text: &str) -> bool {
    memchr::memchr_iter(b'[', text.as_bytes()).any(|bracket| {
        let before = text.get(..bracket).unwrap_or_default();
        let line = before.trim_end_matches([' ', '\t']);
        line.len() < before.len() && (line.is_empty() || line.ends_with('\n'))
    })
}

/// Whether a string may go on over several lines.
pub(super) fn has_long_string(text: &str) -> bool {
    let has = |quotes: &[u8]| memchr::memmem::find(text.as_bytes(), quotes).is_some();
    has(b"\"\"\"") || has(b"'''")
}

fn parse_piece(text: &str) -> Result<Spanned<DeTable<'_>>, Inexact> {
    // A cut may lie inside a multi-line string.
    if has_long_string(text) {
        return Err(Inexact);
    }
    DeTable::parse(text).map_err(|_| Inexact)
}

fn read_artifacts(root: &DeTable<'_>, text: &str) -> Artifacts {
    let mut notes = Notes::new(text);
    let mut outcomes = Vec::new();
    if let Some(artifacts) = root.get("artifacts") {
        match entry::elements(artifacts, &mut notes) {
            Some(elements) => {
                for element in elements {
                    let outcome = entry::read(element, &mut notes);
                    let (line, column) = notes.place(element.span().start);
                    outcomes.push((line, column, outcome));
                }
            }
            None => outcomes.push((0, None, Outcome::Unnamed)),
        }
    }
    let strict = first_strict(text, &notes);
    Artifacts { outcomes, problems: notes.into_problems(), strict }
}

/// `judge_syntax` is off when the same text was judged with the artifacts.
fn read_rest(root: &DeTable<'_>, text: &str, judge_syntax: bool) -> Option<Rest> {
    let mut notes = Notes::new(text);
    let sections = sections::read(root, &mut notes)?;
    let strict = if judge_syntax { first_strict(text, &notes) } else { None };
    Some(Rest { sections, problems: notes.into_problems(), strict })
}

fn first_strict(text: &str, notes: &Notes<'_>) -> Option<Strict> {
    strict::find(text).map(|(offset, what)| {
        let (line, column) = notes.place(offset);
        (line, column, what)
    })
}

/// Put the manifest together from stretches of artifacts, given with their offsets, and the rest, given with the ranges
/// it was joined from.
fn assemble<'a>(
    text: &str,
    artifacts: impl ExactSizeIterator<Item = (usize, &'a Stretch)>,
    rest: &Rest,
    ranges: &[Range<usize>],
) -> Manifest {
    let mut lines = LineCounter::new(text);
    let mut problems = Vec::new();
    let mut strict: Vec<Strict> = Vec::new();
    if !rest.problems.is_empty() || rest.strict.is_some() {
        let starts = lines.starts_of(ranges);
        let place = |line: u32| {
            let index = starts.partition_point(|(joined, _)| *joined < line).saturating_sub(1);
            starts.get(index).map_or(line, |(joined, file)| line - joined + file)
        };
        problems.extend(rest.problems.iter().map(|problem| moved(problem, place)));
        strict.extend(rest.strict.map(|(line, column, what)| (place(line), column, what)));
    }
    let mut manifest = Manifest {
        name: rest.sections.name.clone(),
        updated: rest.sections.updated.clone(),
        groups: rest.sections.groups.items.clone(),
        groups_incomplete: rest.sections.groups.incomplete,
        tag_definitions: rest.sections.tag_definitions.items.clone(),
        tag_definitions_incomplete: rest.sections.tag_definitions.incomplete,
        ..Manifest::default()
    };
    manifest.entries.reserve_exact(artifacts.len());
    let mut seen: HashSet<(Kind, &str)> = HashSet::with_capacity(artifacts.len());
    let listed_twice = |kind: Kind, name: &str, line: u32, column| {
        let message = format!("{kind}:{name} is listed twice; the later entry counts");
        Problem { path: String::new(), line: Some(line), column, message }
    };
    for (offset, stretch) in artifacts {
        let stretch = match stretch {
            Stretch::Plain(entry) => {
                manifest.entries.push(Arc::clone(entry));
                let (kind, name) = entry.key();
                if !seen.insert((kind, name)) {
                    problems.push(listed_twice(kind, name, 1 + lines.before(offset), Some(1)));
                }
                continue;
            }
            Stretch::Odd(artifacts) => artifacts,
        };
        // Lines are counted only as far as a person needs to be told of one.
        if !stretch.problems.is_empty() || stretch.strict.is_some() {
            let before = lines.before(offset);
            problems.extend(stretch.problems.iter().map(|problem| moved(problem, |line| line + before)));
            strict.extend(stretch.strict.map(|(line, column, what)| (line + before, column, what)));
        }
        for (line, column, outcome) in &stretch.outcomes {
            let (kind, name) = match outcome {
                Outcome::Unnamed => {
                    manifest.unnamed += 1;
                    continue;
                }
                Outcome::Read(entry) => {
                    manifest.entries.push(Arc::clone(entry));
                    entry.key()
                }
                Outcome::Unreadable(id) => {
                    manifest.unreadable.insert(id.clone());
                    (id.kind, &*id.name)
                }
            };
            if !seen.insert((kind, name)) {
                problems.push(listed_twice(kind, name, line + lines.before(offset), *column));
            }
        }
    }
    if let Some((line, column, what)) = strict.into_iter().min() {
        let message = format!(
            "SkillMeat will refuse this collection: {what} is TOML 1.1, and its reader knows 1.0 only"
        );
        problems.push(Problem { path: String::new(), line: Some(line), column, message });
    }
    problems.sort();
    if let Some(more) = problems.len().checked_sub(MAX_PROBLEMS).filter(|more| *more > 0) {
        problems.truncate(MAX_PROBLEMS);
        problems.push(Problem::new("", format!("{more} more problems in this file")));
    }
    manifest.problems = problems;
    manifest
}

fn moved(problem: &Problem, place: impl Fn(u32) -> u32) -> Problem {
    Problem { line: problem.line.map(place), ..problem.clone() }
}

#[cfg(test)]
mod tests;
