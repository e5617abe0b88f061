//! How long a row counts as verified.
//!
//! `synced_at` is when somebody last saw that a row says what the files say. A row is stale when that is NULL or longer
//! ago than the collection's time to live (`skillmeat.api.services.artifact_cache_service.find_stale_artifacts`; 30
//! minutes are SkillMeat's default).
//!
//! What this module does not do: decide that a row is right. A stale row is one that nobody has looked at for a while;
//! that is found out by a comparison like any other ([`super::plan`]).

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta};

/// The time to live of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ttl {
    /// Of every collection that is not named.
    pub default: Duration,
    /// By DB collection id.
    pub by_collection: BTreeMap<String, Duration>,
}

impl Default for Ttl {
    /// SkillMeat's `DEFAULT_METADATA_TTL_SECONDS`.
    fn default() -> Self {
        Self { default: Duration::from_secs(30 * 60), by_collection: BTreeMap::new() }
    }
}

impl Ttl {
    /// The time to live of a collection's rows.
    #[must_use]
    pub fn of(&self, collection: &str) -> Duration {
        self.by_collection.get(collection).copied().unwrap_or(self.default)
    }

    /// The shortest of all.
    #[must_use]
    pub fn shortest(&self) -> Duration {
        self.by_collection.values().copied().chain([self.default]).min().unwrap_or(self.default)
    }

    /// The same for every collection.
    #[must_use]
    pub fn same(ttl: Duration) -> Self {
        Self { default: ttl, by_collection: BTreeMap::new() }
    }

    /// The times before which a row is stale at `now` (naive UTC).
    #[must_use]
    pub fn cutoffs(&self, now: NaiveDateTime) -> Cutoffs {
        let before = |ttl: Duration| before(now, ttl);
        let by_collection = self.by_collection.iter().map(|(id, ttl)| (id.clone(), before(*ttl))).collect();
        Cutoffs { default: before(self.default), by_collection }
    }
}

/// `now - span`, or the earliest time there is.
#[must_use]
pub fn before(now: NaiveDateTime, span: Duration) -> NaiveDateTime {
    let span = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(span).unwrap_or(NaiveDateTime::MIN)
}

/// A row whose `synced_at` is earlier than this is stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cutoffs {
    /// For every collection that is not named.
    pub default: NaiveDateTime,
    /// By DB collection id.
    pub by_collection: BTreeMap<String, NaiveDateTime>,
}

impl Cutoffs {
    /// Only a row without `synced_at` is stale.
    #[must_use]
    pub fn never() -> Self {
        Self { default: NaiveDateTime::MIN, by_collection: BTreeMap::new() }
    }

    /// The later of both for every collection.
    #[must_use]
    pub fn latest(self, other: Self) -> Self {
        let named = self.by_collection.keys().chain(other.by_collection.keys());
        let by_collection = named.map(|id| (id.clone(), self.of(id).max(other.of(id)))).collect();
        Self { default: self.default.max(other.default), by_collection }
    }

    /// The time for a collection's rows.
    #[must_use]
    pub fn of(&self, collection: &str) -> NaiveDateTime {
        self.by_collection.get(collection).copied().unwrap_or(self.default)
    }
}

/// What there is to say about the rows of one collection, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows.
    pub total: usize,
    /// Of these, stale ones.
    pub stale: usize,
    /// Of the stale ones, those without `synced_at`.
    pub never: usize,
    /// The earliest `synced_at`, if any row has one.
    pub oldest: Option<NaiveDateTime>,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            stale: self.stale + other.stale,
            never: self.never + other.never,
            oldest: self.oldest.into_iter().chain(other.oldest).min(),
        }
    }

    /// Rows that are not stale.
    #[must_use]
    pub fn fresh(self) -> usize {
        self.total.saturating_sub(self.stale)
    }

    /// Seconds since the earliest `synced_at`; 0 without one.
    #[must_use]
    pub fn oldest_age(self, now: NaiveDateTime) -> f64 {
        let age = self.oldest.map(|oldest| (now - oldest).num_milliseconds()).unwrap_or_default();
        // Milliseconds of a thousand years are exact in a double.
        age.max(0) as f64 / 1000.0
    }

    /// Stale rows in a hundred, to one decimal.
    #[must_use]
    pub fn percentage_stale(self) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        (self.stale as f64 * 1000.0 / self.total as f64).round() / 10.0
    }
}

/// A stale row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaleRow {
    /// The DB collection's id.
    pub collection: String,
    /// `type:name`
    pub artifact: String,
    /// As it is stored.
    pub synced_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn noon() -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2026, 11, 21).unwrap().and_hms_opt(12, 0, 0).unwrap()
    }

    #[test]
    fn a_collection_may_have_a_time_to_live_of_its_own() {
        let ttl = Ttl {
            by_collection: BTreeMap::from([("work".to_owned(), Duration::from_secs(60))]),
            ..Ttl::default()
        };
        let cutoffs = ttl.cutoffs(noon());
        assert_eq!(cutoffs.of("default").to_string(), "2026-11-21 11:30:00");
        assert_eq!(cutoffs.of("work").to_string(), "2026-11-21 11:59:00");
        assert_eq!(ttl.shortest(), Duration::from_secs(60));
    }

    #[test]
    fn a_time_to_live_beyond_the_calendar_makes_nothing_stale() {
        assert_eq!(Ttl::same(Duration::MAX).cutoffs(noon()).default, NaiveDateTime::MIN);
    }

    #[test]
    fn counts_add_up_and_are_told_as_skillmeat_tells_them() {
        let early = noon() - TimeDelta::milliseconds(90_500);
        let one = Counts { total: 40, stale: 1, never: 1, oldest: Some(noon()) };
        let both = one.and(Counts { total: 2, stale: 1, never: 0, oldest: Some(early) });
        assert_eq!((both.total, both.stale, both.never, both.fresh()), (42, 2, 1, 40));
        assert!((both.percentage_stale() - 4.8).abs() < f64::EPSILON);
        assert!((both.oldest_age(noon()) - 90.5).abs() < f64::EPSILON);
        assert!(Counts::default().percentage_stale().abs() < f64::EPSILON);
        assert!(Counts::default().oldest_age(noon()).abs() < f64::EPSILON);
    }
}
