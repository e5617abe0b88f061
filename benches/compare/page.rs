//! SkillMeat's own list page, before and after our rows are in its cache.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::daemon::{Daemon, call};
use crate::interop::api::Api;
use crate::it::web::client::Web;
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
    // The same rows in the same run, now from the daemon; a connection a request, as for the backend.
    let _daemon = Daemon::start(&home);
    call(&home, &["sync"]).succeeded();
    let web = Web::of(&home);
    let mut ours = times(1_000, || web.get("/api/v1/user-collections/default/artifacts?limit=50"));
    let what = format!("list page, limit 50, {} artifacts, both on our rows", sizes.page);
    report.compare(format!("{what}, p50"), percentile(&mut after, 50), percentile(&mut ours, 50));
    report.compare(format!("{what}, p99"), percentile(&mut after, 99), percentile(&mut ours, 99));
    let mut theirs = times(20, || api.get("/tags?limit=50").expect("tags"));
    let mut ours = times(200, || web.get("/api/v1/tags?limit=50"));
    report.compare("tags, limit 50, p50", percentile(&mut theirs, 50), percentile(&mut ours, 50));
}

fn pages(api: &Api, count: usize) -> Vec<Duration> {
    times(count, || api.get("/user-collections/default/artifacts?limit=50").expect("the list page"))
}

fn times(count: usize, mut ask: impl FnMut() -> Value) -> Vec<Duration> {
    let mut page = || {
        let start = Instant::now();
        let page = ask();
        let items = page["items"].as_array().map_or(0, Vec::len);
        assert!(items > 0, "an empty page was timed");
        start.elapsed()
    };
    page(); // The first one pays for what is set up lazily.
    (0..count).map(|_| page()).collect()
}
