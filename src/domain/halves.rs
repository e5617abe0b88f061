//! Tags that somebody is changing in the database just now.
//!
//! SkillMeat's endpoints write an artifact's tags in two commits: `artifact_tags` first, `tags_json` after it
//! (`skillmeat.api.routers.artifacts.tags.add_tag_to_artifact`), a few milliseconds later, or some hundreds when the machine is
//! busy. What is seen between the two looks like a table that has lost step, and putting that right would undo half of
//! what a person has just asked for; SkillMeat's second commit then completes nothing. So a change that stands in one of
//! the two places alone is left as it is for a while.
//!
//! What this module does not do: look at tags ([`super::plan`] finds the halves).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::model::ArtifactId;
use super::rows::Scope;

/// How long the other half is waited for. Between the two commits 0.3 s went by at a load of five a processor.
pub const GRACE: Duration = Duration::from_secs(2);

/// What the database says of an artifact's tags, as a digest, by artifact: changed in one of two places.
pub type Halves = BTreeMap<ArtifactId, u64>;

/// Since when halves are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Halfway {
    since: BTreeMap<ArtifactId, (u64, Instant)>,
}

impl Halfway {
    /// Note what a look at `scope` found. A half that is another one now is waited for anew.
    pub fn observe(&mut self, found: &Halves, scope: &Scope, now: Instant) {
        self.since.retain(|id, (digest, _)| match found.get(id) {
            Some(now) => now == digest,
            None => !scope.contains(id),
        });
        for (id, digest) in found {
            self.since.entry(id.clone()).or_insert((*digest, now));
        }
    }

    /// Those that nobody has completed in time.
    #[must_use]
    pub fn left(&self, now: Instant) -> Halves {
        let is_left = |since: &Instant| now.saturating_duration_since(*since) >= GRACE;
        let left = self.since.iter().filter(|(_, (_, since))| is_left(since));
        left.map(|(id, (digest, _))| (id.clone(), *digest)).collect()
    }

    /// How many are still waited for.
    #[must_use]
    pub fn waiting(&self, now: Instant) -> usize {
        self.since.values().filter(|(_, since)| *since + GRACE > now).count()
    }

    /// When the next one has been waited for long enough, if any is waited for after `now`.
    #[must_use]
    pub fn next(&self, now: Instant) -> Option<Instant> {
        self.since.values().map(|(_, since)| *since + GRACE).filter(|due| *due > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::Kind;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an origin to add durations to")]
    fn a_half_is_left_when_it_has_not_changed_for_a_while() {
        let id = |name: &str| ArtifactId::new(Kind::Skill, name);
        let start = Instant::now();
        let half = |digest: u64| Halves::from([(id("a"), digest)]);
        let mut halfway = Halfway::default();
        halfway.observe(&half(1), &Scope::All, start);
        assert_eq!(halfway.next(start), Some(start + GRACE));
        halfway.observe(&half(1), &Scope::All, start + GRACE / 2);
        assert!(halfway.left(start + GRACE / 2).is_empty());
        assert_eq!(halfway.left(start + GRACE), half(1));
        assert_eq!(halfway.next(start + GRACE), None, "it is left, and nobody waits");
        // Another change of it.
        halfway.observe(&half(2), &Scope::All, start + GRACE);
        assert!(halfway.left(start + GRACE).is_empty());
        // A look elsewhere says nothing about it; a look at it that finds none does.
        halfway.observe(&Halves::new(), &Scope::Artifacts([id("b")].into()), start + GRACE);
        assert_eq!(halfway.next(start + GRACE), Some(start + GRACE * 2));
        halfway.observe(&Halves::new(), &Scope::All, start + GRACE);
        assert_eq!(halfway.next(start + GRACE), None);
    }
}
