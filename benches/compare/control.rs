//! The control socket: what a barrier costs when nothing happens, and how many list pages a second there are.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, call};
use crate::interop::api::Api;
use crate::it::control::wire::Wire;
use crate::report::{Report, percentile, time};
use crate::{Sizes, home_of};

/// One page; the answer is the same each time.
const PAGE: &str = "/api/v1/user-collections/default/artifacts?limit=50";
/// Connections of the busy measurement.
const MANY: usize = 32;

pub(crate) fn measure(sizes: Sizes, report: &mut Report) {
    let home = home_of(sizes.page);
    let _daemon = Daemon::start(&home);
    call(&home, &["sync"]).succeeded();
    let mut wire = Wire::open(&home);
    let mut idle = timed(sizes.requests, || barrier(&mut wire));
    let [p50, p99, worst] = [50, 99, 100].map(|percent| time(percentile(&mut idle, percent)));
    report.tell(
        format!("barrier (`POST /v1/sync`), idle, {} artifacts: p50 / p99 / max", sizes.page),
        None,
        format!("{p50} / {p99} / {worst}"),
    );
    let mut pages = timed(sizes.requests * 2, || page(&mut wire));
    let [p50, p99, worst] = [50, 99, 100].map(|percent| time(percentile(&mut pages, percent)));
    report.tell(
        format!("list page, limit 50, {} artifacts, one connection kept: p50 / p99 / max", sizes.page),
        None,
        format!("{p50} / {p99} / {worst}"),
    );

    let ours = [1, MANY].map(|connections| {
        let each = sizes.requests * 2 / connections;
        busy(connections, each, || {
            let mut wire = Wire::open(&home);
            move || page(&mut wire)
        })
    });
    // The daemon stays, and idles: without the rows that it puts right after the start the backend takes thirty times as long.
    let api = Arc::new(Api::start(&home));
    call(&home, &["sync"]).succeeded();
    let theirs = [(1, 20), (MANY, 1)].map(|(connections, each)| {
        busy(connections, each, || {
            let api = Arc::clone(&api);
            move || drop(api.get("/user-collections/default/artifacts?limit=50").expect("the list page"))
        })
    });
    for ((connections, ours), theirs) in [1, MANY].into_iter().zip(ours).zip(theirs) {
        let connections =
            if connections == 1 { "one client".into() } else { format!("{connections} clients") };
        report.rates(format!("the same, requests per second, {connections}"), theirs, ours);
    }
}

fn barrier(wire: &mut Wire<UnixStream>) {
    wire.post("/v1/sync", "").done();
}

fn page(wire: &mut Wire<UnixStream>) {
    let answer = wire.get(PAGE);
    assert!(answer.status == 200 && answer.body.len() > 1_000, "an empty page was timed: {}", answer.head);
}

/// How long each of `count` calls took.
fn timed(count: usize, mut ask: impl FnMut()) -> Vec<Duration> {
    ask(); // the first one pays for what is set up lazily
    (0..count)
        .map(|_| {
            let start = Instant::now();
            ask();
            start.elapsed()
        })
        .collect()
}

/// Calls a second when so many clients call `each` times one after the other.
fn busy<F: FnMut() + Send>(clients: usize, each: usize, mut client: impl FnMut() -> F) -> f64 {
    let mut asks: Vec<F> = (0..clients).map(|_| client()).collect();
    asks.iter_mut().for_each(|ask| ask());
    let start = Instant::now();
    thread::scope(|scope| {
        for ask in &mut asks {
            scope.spawn(move || (0..each).for_each(|_| ask()));
        }
    });
    (clients * each) as f64 / start.elapsed().as_secs_f64()
}
