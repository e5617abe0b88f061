//! In which order the entries of a list stand.
//!
//! SkillMeat shows groups by `position`, ties in the order of the file, and writes them in that order. Entries that stay
//! as they are stay where they are, even in another order than SkillMeat would write: only ties can tell. New ones, and
//! those whose position changed, go behind the one they are shown behind.

use super::target::{Read, Target};

/// An entry of the new list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// One of the present entries, by index.
    Kept(usize),
    /// One of the wanted entries, by index.
    New(usize),
}

impl Placed {
    pub(super) fn kept(&self) -> Option<usize> {
        match self {
            Self::Kept(index) => Some(*index),
            Self::New(_) => None,
        }
    }
}

/// The new list. What is not in it of the present entries goes.
pub(super) fn sequence(target: &Target, present: &[Read]) -> Vec<Placed> {
    // Which present entry each wanted one is: the first of its id.
    let of_wanted: Vec<Option<usize>> = target
        .entries
        .iter()
        .map(|entry| present.iter().position(|read| read.id() == Some(entry.id.as_str())))
        .collect();
    let placed =
        |wanted: usize| of_wanted.get(wanted).copied().flatten().map_or(Placed::New(wanted), Placed::Kept);
    let wanted_of = |index: usize| of_wanted.iter().position(|of| *of == Some(index));
    let stays = |index: usize| match &present[index] {
        Read::Unreadable(_) => true,
        // A second entry of a wanted id stays as well.
        Read::Entry(entry) => target.entry(&entry.id).is_some(),
    };
    let moves = |index: usize| match (&present[index], wanted_of(index)) {
        (Read::Entry(have), Some(wanted)) => have.position != target.entries[wanted].position,
        _ => false,
    };

    let fixed = (0..present.len()).filter(|index| stays(*index) && !moves(*index));
    let mut list: Vec<Placed> = fixed.map(Placed::Kept).collect();
    for wanted in 0..target.entries.len() {
        let this = placed(wanted);
        if list.contains(&this) {
            continue;
        }
        let behind = wanted.checked_sub(1).map(placed).and_then(|p| list.iter().position(|q| *q == p));
        list.insert(behind.map_or(0, |behind| behind + 1), this);
    }

    if target.is_ordered() {
        settle(target, present, &wanted_of, &mut list);
    }
    list
}

/// Puts the wanted entries into their own order where the list would be shown in another.
fn settle(
    target: &Target,
    present: &[Read],
    wanted_of: &impl Fn(usize) -> Option<usize>,
    list: &mut [Placed],
) {
    // Unreadable entries are shown nowhere, and nobody knows their position.
    let shown = |placed: &Placed| match *placed {
        Placed::New(wanted) => Some(wanted),
        Placed::Kept(index) if matches!(present[index], Read::Entry(_)) => wanted_of(index),
        Placed::Kept(_) => None,
    };
    let places: Vec<usize> = (0..list.len()).filter(|at| shown(&list[*at]).is_some()).collect();
    let mut order: Vec<usize> = list.iter().filter_map(shown).collect();
    order.sort_by_key(|wanted| target.entries[*wanted].position);
    if order.is_sorted() {
        return;
    }
    let mut right: Vec<Placed> = places.iter().map(|at| list[*at]).collect();
    right.sort_by_key(|placed| shown(placed));
    for (at, placed) in places.into_iter().zip(right) {
        list[at] = placed;
    }
}
