//! Thousands of artifacts that appear at once under a running daemon.

use std::sync::Arc;
use std::time::Instant;

use crate::daemon::Daemon;
use crate::edit::rows;
use crate::home::eventually;
use crate::interop::cache;
use crate::report::{Report, time};
use crate::{PATIENCE, Sizes, empty_home, fill};

pub(crate) fn measure(sizes: Sizes, report: &mut Report) {
    let home = Arc::new(empty_home());
    let daemon = Daemon::start(&home);
    let connection = cache::open(&home.cache_db()).expect("the cache");
    let start = Instant::now();
    fill(&home, sizes.checkout);
    let written = start.elapsed();
    eventually(PATIENCE, "every artifact has its row", || match rows(&connection) {
        count if count == sizes.checkout => Ok(()),
        count => Err(format!("{count} rows")),
    });
    let seen = start.elapsed();
    let lost = daemon.status().expect("the daemon's status")["watching"]["lost"].clone();
    report.tell(
        format!(
            "checkout of {} artifacts ({} files, {} to write): last file → last row, events lost: {lost}",
            sizes.checkout,
            sizes.checkout * 3,
            time(written)
        ),
        Some("never without a restart".to_owned()),
        time(seen.saturating_sub(written)),
    );
}
