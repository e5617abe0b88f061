//! Lists without repetitions whose order matters: the members of a group.
//!
//! What this module does not do: know what the elements are.

use std::collections::BTreeSet;

/// What became of a list that two sides may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Woven {
    /// The list both sides shall have.
    pub(super) list: Vec<String>,
    /// Whether both sides had put what they have in common into another order, and not into the same one.
    pub(super) order_disputed: bool,
}

/// The three-way merge: what either side added is in, what either side removed is out, and the order is that of the
/// side that changed it, `ours` if both did.
pub(super) fn merge(base: &[String], ours: &[String], theirs: &[String]) -> Woven {
    let (in_base, in_ours, in_theirs) = (set(base), set(ours), set(theirs));
    let stays = |item: &&String| {
        let item = item.as_str();
        in_ours.contains(item) && in_theirs.contains(item) || !in_base.contains(item)
    };
    let (ours_stay, theirs_stay): (Vec<String>, Vec<String>) =
        (ours.iter().filter(stays).cloned().collect(), theirs.iter().filter(stays).cloned().collect());

    let moved = |side: &[String], in_side: &BTreeSet<&str>| only(side, &in_base) != only(base, in_side);
    let (ours_moved, theirs_moved) = (moved(ours, &in_ours), moved(theirs, &in_theirs));
    let list = if theirs_moved && !ours_moved {
        weave(&theirs_stay, &ours_stay)
    } else {
        weave(&ours_stay, &theirs_stay)
    };
    let disputed = ours_moved && theirs_moved && only(ours, &in_theirs) != only(theirs, &in_ours);
    Woven { list, order_disputed: disputed }
}

/// `list`, with the elements of `other` that it lacks: each behind the nearest element that is before it in `other`, or
/// at the front.
pub(super) fn weave(list: &[String], other: &[String]) -> Vec<String> {
    let mut woven = list.to_vec();
    let mut known = set(list);
    let mut before: Option<&String> = None;
    for item in other {
        if known.insert(item) {
            let behind = before.and_then(|before| woven.iter().position(|w| w == before));
            woven.insert(behind.map_or(0, |at| at + 1), item.clone());
        }
        before = Some(item);
    }
    woven
}

fn set(list: &[String]) -> BTreeSet<&str> {
    list.iter().map(String::as_str).collect()
}

/// The part of `list` that is in `of`.
fn only<'a>(list: &'a [String], of: &BTreeSet<&str>) -> Vec<&'a str> {
    list.iter().map(String::as_str).filter(|item| of.contains(item)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(Into::into).collect()
    }

    #[track_caller]
    fn check(base: &str, ours: &str, theirs: &str, expected: &str) -> bool {
        let woven = merge(&list(base), &list(ours), &list(theirs));
        assert_eq!(woven.list, list(expected));
        woven.order_disputed
    }

    #[test]
    fn additions_and_removals_of_both_sides_are_kept() {
        assert!(!check("a b c", "a b c x", "b c", "b c x"));
        assert!(!check("a b c", "a c", "a y b c", "a y c"));
    }

    #[test]
    fn the_side_that_moved_things_gives_the_order() {
        assert!(!check("a b c", "c b a", "a b c d", "c d b a"));
        assert!(!check("a b c", "a b c d", "c a b", "c d a b"));
        assert!(check("a b c", "c b a", "b a c", "c b a"), "both moved, differently");
        assert!(!check("a b c", "c b a", "c b a", "c b a"), "both moved alike");
    }

    #[test]
    fn an_addition_stands_behind_its_neighbour() {
        assert_eq!(weave(&list("b a"), &list("x a y b z")), list("x b z a y"));
        assert_eq!(weave(&[], &list("a b")), list("a b"));
    }

    fn lists() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::btree_set("[a-f]", 0..6)
            .prop_map(|set| set.into_iter().collect::<Vec<_>>())
            .prop_shuffle()
    }

    proptest! {
        #[test]
        fn laws(b in lists(), x in lists(), y in lists()) {
            prop_assert_eq!(merge(&b, &b, &y).list, y.clone());
            prop_assert_eq!(merge(&b, &x, &b).list, x.clone());
            prop_assert_eq!(merge(&b, &x, &x).list, x.clone());
            let merged = merge(&b, &x, &y).list;
            prop_assert_eq!(&merge(&merged, &merged, &merged).list, &merged);
            let sides = set(&x).union(&set(&y)).copied().collect::<BTreeSet<_>>();
            for item in sides {
                let both = set(&x).contains(item) && set(&y).contains(item);
                prop_assert_eq!(set(&merged).contains(item), both || !set(&b).contains(item));
            }
            prop_assert_eq!(set(&merged).len(), merged.len(), "no repetitions");
        }
    }
}
