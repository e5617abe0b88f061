//! Asking the daemon, and who holds its lock when nobody answers.
//!
//! What this module does not do: start one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::processes;
use crate::control::client::{Client, ClientError};
use crate::control::protocol::{State, Status};
use crate::domain::checkup::daemon::{Daemon, Phase, Running};
use crate::domain::checkup::service::Sandbox;
use crate::domain::checkup::watches::Told;
use crate::domain::model::ArtifactId;
use crate::paths::Paths;

/// What came of asking.
#[derive(Debug)]
pub(super) struct Asked {
    status: Option<Box<Status>>,
    judged: Daemon,
}

impl Asked {
    pub(super) fn running(&self) -> Option<&Running> {
        match &self.judged {
            Daemon::Running(running) => Some(running),
            _ => None,
        }
    }

    pub(super) fn as_judged(&self) -> Daemon {
        self.judged.clone()
    }

    /// How it says that it notices changes.
    pub(super) fn watching(&self) -> Option<Told> {
        let watching = &self.status.as_ref()?.watching;
        Some(Told {
            by_events: watching.mode == "events",
            shortfall: watching.shortfall.clone(),
            wanted: watching.wanted,
            held: watching.held,
            lost: watching.lost,
        })
    }

    /// What it says that it is kept from.
    pub(super) fn sandbox(&self) -> Option<Sandbox> {
        let found = &self.status.as_ref()?.sandbox;
        Some(Sandbox {
            enforced: found.enforced.clone(),
            detail: found.detail.clone(),
            places: found.writable.len(),
        })
    }

    /// DB collections whose groups stay there.
    pub(super) fn database_only(&self) -> Vec<String> {
        let named = self.status.iter().flat_map(|status| &status.database_only);
        named.filter(|only| only.groups > 0).map(|collection| format!("{:?}", collection.name)).collect()
    }

    /// Artifacts whose rows wait for a person's word.
    pub(super) fn halted(&self) -> BTreeSet<ArtifactId> {
        let halts = self.status.iter().flat_map(|status| &status.halts);
        halts.flat_map(|halt| &halt.artifacts).filter_map(|id| id.parse().ok()).collect()
    }
}

/// A daemon whose loop is alive answers at once.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn ask(paths: &Paths) -> Asked {
    let client = Client::new(&paths.socket);
    let Ok(answer) = tokio::time::timeout(PATIENCE, client.status()).await else {
        let holder = processes::locker_of(&paths.lock).unwrap_or_else(|| "the daemon".to_owned());
        return Asked { status: None, judged: Daemon::Silent(holder) };
    };
    let judged = match answer {
        Ok(status) => {
            let running = running(&status, Utc::now());
            return Asked { status: Some(Box::new(status)), judged: Daemon::Running(Box::new(running)) };
        }
        Err(ClientError::NotRunning(_)) => match processes::locker_of(&paths.lock) {
            Some(holder) => Daemon::Silent(holder),
            None => Daemon::None,
        },
        Err(error) => Daemon::Confused(error.to_string()),
    };
    Asked { status: None, judged }
}

fn running(status: &Status, now: DateTime<Utc>) -> Running {
    let since = |at: &str| {
        let at = DateTime::parse_from_rfc3339(at).ok()?.with_timezone(&Utc);
        Some(u64::try_from((now - at).num_seconds()).unwrap_or(0))
    };
    Running {
        version: status.version.clone(),
        pid: status.pid,
        phase: match status.state {
            State::Starting => Phase::Starting,
            State::Waiting => Phase::Waiting,
            State::Watching | State::Halted => Phase::Working,
            State::Degraded => Phase::Retrying,
        },
        detail: status.detail.clone(),
        halts: status.halts.iter().map(|halt| halt.message.clone()).collect(),
        problems: status.problems,
        conflicts: status.conflicts,
        verified: status.last_reconcile.as_ref().and_then(|last| since(&last.at)),
    }
}

/// The daemon gives a probe up by itself; this is for one that does not even do that.
const PROBE_PATIENCE: Duration = Duration::from_secs(30);

/// Has the daemon change a file in a directory it watches, and waits until it is told of that: microseconds, or why not.
/// `None` where there are no events to wait for.
pub(super) async fn round_trip(paths: &Paths) -> Option<Result<u64, String>> {
    let client = Client::new(&paths.socket);
    let began = Instant::now();
    let probed = match tokio::time::timeout(PROBE_PATIENCE, client.probe()).await {
        Err(_) => return Some(Err(format!("no answer within {} s", PROBE_PATIENCE.as_secs()))),
        Ok(Err(error)) => return Some(Err(error.to_string())),
        Ok(Ok(probed)) => probed,
    };
    let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    match (probed.alive, probed.mode.as_str()) {
        (true, _) => Some(Ok(took)),
        (false, "polling") => None,
        (false, _) => Some(Err("no event came in time".to_owned())),
    }
}
