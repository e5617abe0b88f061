//! SkillMeat's own list page, before and after our rows are in its cache.

use std::time::{Duration, Instant};

use crate::daemon::call;
use crate::interop::api::Api;
use crate::report::{Report, percentile, time};
use crate::{Sizes, home_of};

pub(crate) fn measure(sizes: Sizes, report: &mut Report) {
    let home = home_of(sizes.page);
    let api = Api::start(&home);
    let mut before = pages(&api, 10);
    call(&home, &["sync", "--once"]).succeeded();
    let mut after = pages(&api, 50);
    let what = format!("SkillMeat's list page, limit 50, {} artifacts", sizes.page);
    let (slow, fast) = (percentile(&mut before, 95), percentile(&mut after, 95));
    report.compare(
        format!("{what}, p50 without and with our rows"),
        percentile(&mut before, 50),
        percentile(&mut after, 50),
    );
    report.tell(format!("{what}, p95"), Some(time(slow)), time(fast));
}

fn pages(api: &Api, count: usize) -> Vec<Duration> {
    let page = || {
        let start = Instant::now();
        let page = api.get("/user-collections/default/artifacts?limit=50").expect("the list page");
        let items = page["items"].as_array().map_or(0, Vec::len);
        assert!(items > 0, "an empty page was timed");
        start.elapsed()
    };
    page(); // The first one pays for what the backend sets up lazily.
    (0..count).map(|_| page()).collect()
}
