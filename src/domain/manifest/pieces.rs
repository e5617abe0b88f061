//! Reading a manifest stretch by stretch.
//!
//! What this module does not do: judge where a text may be cut ([`super::split`]), or what a stretch says.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use super::split::{Piece, split};
use super::{
    Artifacts, Inexact, Parsed, Rest, Stretch, Text, assemble, parse_piece, read_artifacts, read_rest,
};
use crate::domain::model::Manifest;

/// Two keyed hashes, long enough together that no two texts have the same. It is for this process alone: the keys are its
/// own, so nobody can make texts of which it is the same. (A processor without instructions for SHA-256 needs seven times
/// as long for one of those, which was half of the time from an edit of a manifest to its row.)
pub(super) type Digest = [u64; 2];

static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);

pub(super) fn digest<T: Hash + ?Sized>(text: &T) -> Digest {
    KEYS.each_ref().map(|keys| keys.hash_one(text))
}

/// What is remembered of the stretches of a text.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    artifacts: Arc<[(Digest, Stretch)]>,
    /// Of everything between the artifacts.
    rest_digest: Digest,
    rest: Arc<Rest>,
    /// For each stretch of it, how many artifacts come before.
    places: Box<[usize]>,
}

/// What reading led to.
pub(super) enum Read<'p> {
    /// The text is the previous one.
    Same(&'p Parsed),
    New(Arc<Manifest>, Pieces),
}

/// Does two things, perhaps at the same time.
pub trait Join {
    /// Both results.
    fn join<A: Send, B: Send>(
        &self,
        one: impl FnOnce() -> A + Send,
        other: impl FnOnce() -> B + Send,
    ) -> (A, B);
}

/// One after the other.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl Join for Alone {
    fn join<A: Send, B: Send>(
        &self,
        one: impl FnOnce() -> A + Send,
        other: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        (one(), other())
    }
}

/// Below so many stretches two halves are not worth it.
const WORTH_JOINING: usize = 128;

/// The same for each item, in order.
fn each<T: Sync, U: Send>(items: &[T], join: &impl Join, each: impl Fn(&T) -> U + Sync) -> Vec<U> {
    let all = |items: &[T]| items.iter().map(&each).collect::<Vec<U>>();
    if items.len() < WORTH_JOINING {
        return all(items);
    }
    let (left, right) = items.split_at(items.len() / 2);
    let (mut done, more) = join.join(|| all(left), || all(right));
    done.extend(more);
    done
}

pub(super) fn read<'p>(
    text: &str,
    previous: Option<&'p Parsed>,
    join: &impl Join,
) -> Result<Read<'p>, Inexact> {
    let (mut artifacts, mut rest, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for piece in split(text).ok_or(Inexact)? {
        match piece {
            Piece::Artifact(range) => artifacts.push(range),
            Piece::Rest(range) => {
                rest.push(range);
                places.push(artifacts.len());
            }
        }
    }
    if artifacts.is_empty() {
        return Err(Inexact);
    }
    let stretch = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
    let rest_texts: Vec<&str> = rest.iter().map(stretch).collect();
    let rest_digest = digest(rest_texts.as_slice());
    let digests = each(&artifacts, join, |range| digest(stretch(range)));
    let known = previous.and_then(|previous| match &previous.text {
        Text::Pieces(pieces) => Some((previous, pieces)),
        Text::Whole(_) => None,
    });
    if let Some((previous, pieces)) = known
        && (pieces.rest_digest, &*pieces.places) == (rest_digest, places.as_slice())
        && pieces.artifacts.iter().map(|(digest, _)| digest).eq(&digests)
    {
        return Ok(Read::Same(previous));
    }
    let rest_read = match known {
        Some((_, pieces)) if pieces.rest_digest == rest_digest => Arc::clone(&pieces.rest),
        _ => Arc::new(parse_rest(&rest_texts)?),
    };
    let texts: Vec<(&str, Digest)> = artifacts.iter().map(stretch).zip(digests).collect();
    let known = known.map_or(&[][..], |(_, pieces)| &pieces.artifacts);
    let stretches = parse_artifacts(&texts, known, join)?;

    let placed = artifacts.iter().map(|range| range.start).zip(stretches.iter().map(|(_, stretch)| stretch));
    let manifest = assemble(text, placed, &rest_read, &rest);
    let pieces = Pieces { artifacts: stretches, rest_digest, rest: rest_read, places: places.into() };
    Ok(Read::New(Arc::new(manifest), pieces))
}

fn parse_artifacts(
    texts: &[(&str, Digest)],
    old: &[(Digest, Stretch)],
    join: &impl Join,
) -> Result<Arc<[(Digest, Stretch)]>, Inexact> {
    let same = |((_, new), (old, _)): &(&(&str, Digest), &(Digest, Stretch))| new == old;
    // Most rewrites change one entry, add one or take one away: what is the same from either end needs no look-up.
    let head = texts.iter().zip(old).take_while(same).count();
    let tail = texts[head..].iter().rev().zip(old[head..].iter().rev()).take_while(same).count();
    let middle: HashMap<&Digest, &Stretch> =
        old[head..old.len() - tail].iter().map(|(digest, stretch)| (digest, stretch)).collect();
    let read = |(text, digest): &(&str, Digest)| match middle.get(digest) {
        Some(stretch) => Ok((*digest, Stretch::clone(stretch))),
        None => Ok((*digest, parse_artifact(text)?.into())),
    };
    let changed = each(&texts[head..texts.len() - tail], join, read);
    let (head, tail) = (old[..head].iter().cloned(), old[old.len() - tail..].iter().cloned());
    head.map(Ok).chain(changed).chain(tail.map(Ok)).collect()
}

fn parse_artifact(text: &str) -> Result<Artifacts, Inexact> {
    let root = parse_piece(text)?;
    let table = root.get_ref();
    // Another key means that an indented header opened something else.
    if table.len() == 1 && table.contains_key("artifacts") {
        Ok(read_artifacts(table, text))
    } else {
        Err(Inexact)
    }
}

/// What stands between the artifacts. Joined, one stretch could end what another has begun; so each is tried alone, but
/// the last: if that is not whole, the joined text is not either.
pub(super) fn parse_rest(texts: &[&str]) -> Result<Rest, Inexact> {
    for text in texts.iter().rev().skip(1) {
        parse_piece(text)?;
    }
    let text = texts.concat();
    let root = parse_piece(&text)?;
    if root.get_ref().contains_key("artifacts") {
        return Err(Inexact);
    }
    read_rest(root.get_ref(), &text, true).ok_or(Inexact)
}
