//! One complete pass with no daemon around it: `skillmeatd sync --once`.

use std::time::Instant;

use super::board;
use super::engine::{Engine, EngineError};
use super::lifecycle::{InstanceLock, LockError};
use crate::config::Config;
use crate::control::protocol::{Applied, Synced};
use crate::domain::dirty::ScanScope;
use crate::domain::reactor::Setback;
use crate::paths::Paths;

/// Why the pass did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// A daemon serves this home; it can be asked instead.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The state database cannot be had.
    #[error("the daemon's own state cannot be opened")]
    State(#[from] EngineError),
    /// Files or cache cannot be used now.
    #[error("{why}")]
    Setback {
        /// What kind.
        setback: Setback,
        /// In a sentence.
        why: String,
    },
}

/// Reconcile everything once. Removals wait for their grace period here as well, since another process may be in the
/// middle of `skillmeat add --force`. `progress` is told what is being done.
///
/// # Errors
/// See [`OnceError`].
pub async fn once(paths: Paths, config: Config, progress: impl Fn(&str)) -> Result<Synced, OnceError> {
    let _lock = InstanceLock::acquire(&paths.lock)?;
    let mut engine = Engine::open(paths, config).await?;
    progress("reading files and comparing rows");
    let mut applied = Applied::default();
    let mut took_us = 0;
    loop {
        let findings = engine.reconcile(&ScanScope::All, true).await;
        engine.persist().await;
        if let Some((setback, why)) = findings.setback {
            return Err(OnceError::Setback { setback, why });
        }
        applied.absorb(&findings.applied());
        took_us += findings.reconciled.took_us;
        match engine.look_again() {
            Some(due) => {
                progress(&format!("waiting whether {} removals last", findings.pending_removals));
                tokio::time::sleep_until(due.max(Instant::now()).into()).await;
            }
            None => {
                let mut synced = board::synced(&findings);
                synced.reconcile.rows = applied.rows;
                synced.applied = applied;
                synced.reconcile.took_us = took_us;
                synced.reconcile.revision = 1;
                return Ok(synced);
            }
        }
    }
}
