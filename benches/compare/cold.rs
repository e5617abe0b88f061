//! From files alone to a filled cache.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::daemon::call;
use crate::home::Home;
use crate::interop::api::Api;
use crate::report::{Report, percentile, time};
use crate::{Sizes, empty_home, home_of};

/// How often the quick side is timed.
const RUNS: usize = 3;

pub(crate) fn measure(sizes: Sizes, report: &mut Report) {
    let nothing = start(&Arc::new(empty_home()));
    report.tell("start of the web backend on an empty home", Some(time(nothing)), "–");
    for &artifacts in sizes.cold {
        let home = home_of(artifacts);
        let ours = reconcile(&home);
        let theirs = start(&Arc::new(home.duplicate())).saturating_sub(nothing);
        report.compare(
            format!("cold population, {artifacts} artifacts (SkillMeat: start beyond the empty one's)"),
            theirs,
            ours,
        );
    }
    let artifacts = sizes.cold_alone;
    let ours = reconcile(&home_of(artifacts));
    report.tell(format!("cold population, {artifacts} artifacts"), None, time(ours));
}

/// The median time of a whole `sync --once`, start of the process included.
fn reconcile(home: &Home) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let fresh = home.duplicate();
            let start = Instant::now();
            call(&fresh, &["sync", "--once"]).succeeded();
            start.elapsed()
        })
        .collect();
    percentile(&mut times, 50)
}

/// From the start of the web backend to its first answer.
fn start(home: &Arc<Home>) -> Duration {
    let start = Instant::now();
    let _api = Api::start(home);
    start.elapsed()
}
