//! How often refreshes may be asked for: a bucket of permits that refills with time.
//!
//! What this module does not do: know who asks. Everybody who reaches the control server is the same user.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Refreshes that may come at once.
const BURST: u32 = 60;
/// A further one every so often. A hook comes with each `skillmeat add`, which takes seconds.
const EVERY: Duration = Duration::from_millis(200);

/// See the module's text.
#[derive(Debug)]
pub(super) struct Limiter {
    burst: u32,
    every: Duration,
    /// When the bucket will be full again, if nobody takes anything.
    full_at: Mutex<Option<Instant>>,
}

impl Limiter {
    pub(super) fn of_refreshes() -> Self {
        Self::new(BURST, EVERY)
    }

    fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, full_at: Mutex::new(None) }
    }

    /// Take a permit, or learn in how long there is one.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        // Nothing in here can panic halfway.
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let after = full_at.map_or(now, |at| at.max(now)) + self.every;
        let over = after.saturating_duration_since(now + self.every * self.burst);
        if over.is_zero() {
            *full_at = Some(after);
            Ok(())
        } else {
            Err(over)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_one_at_a_time() {
        let limiter = Limiter::new(3, Duration::from_secs(2));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!((0..3).all(|_| limiter.take(at(0)).is_ok()));
        assert_eq!(limiter.take(at(0)), Err(Duration::from_secs(2)));
        assert_eq!(limiter.take(at(1)), Err(Duration::from_secs(1)));
        assert_eq!(limiter.take(at(2)), Ok(()));
        assert_eq!(limiter.take(at(2)), Err(Duration::from_secs(2)));
        assert!((0..3).all(|_| limiter.take(at(60)).is_ok()), "idle time fills the bucket and no more");
        assert!(limiter.take(at(60)).is_err());
    }
}
