//! Who waits for what: asks that the reactor answers later, by ticket.
//!
//! What this module does not do: decide when an answer is due.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::board::{self, Board};
use crate::control::api::Tally;
use crate::control::protocol::{Probed, Refusal, Resumed, SyncRequest, Synced, VERSION};
use crate::domain::dirty::{Dirt, ScanScope};
use crate::domain::reactor::Ticket;

/// Somebody who waits for a reconcile.
pub(super) enum Wanted {
    /// For what it found.
    Synced { request: SyncRequest, asked_at: u64, answer: oneshot::Sender<Result<Synced, Refusal>> },
    /// For its end; the answer is known already.
    Resumed(oneshot::Sender<Result<Resumed, Refusal>>, Resumed),
    /// For what the refresh of this number came to.
    Refreshed(u64, oneshot::Sender<Result<BTreeMap<String, Tally>, Refusal>>),
}

/// Everybody who waits.
#[derive(Default)]
pub(super) struct Waiting {
    issued: u64,
    wanted: BTreeMap<Ticket, Wanted>,
    /// What refreshes came to whose reconcile may have ended before they are to be answered.
    refreshed: BTreeMap<u64, BTreeMap<String, Tally>>,
    probes: BTreeMap<Ticket, oneshot::Sender<Probed>>,
}

impl Waiting {
    pub(super) fn add(&mut self, wanted: Wanted) -> Ticket {
        let ticket = self.ticket();
        self.wanted.insert(ticket, wanted);
        ticket
    }

    pub(super) fn add_probe(&mut self, answer: oneshot::Sender<Probed>) -> Ticket {
        let ticket = self.ticket();
        self.probes.insert(ticket, answer);
        ticket
    }

    /// Refreshes have been done; each is answered when its ticket is released.
    pub(super) fn refreshed(&mut self, done: BTreeMap<u64, BTreeMap<String, Tally>>) {
        self.refreshed.extend(done);
    }

    fn ticket(&mut self) -> Ticket {
        self.issued += 1;
        Ticket(self.issued)
    }

    /// The reconcile these waited for has ended, and the board knows how. Whoever asked may have gone by now.
    pub(super) fn release(&mut self, tickets: &[Ticket], fresh: bool, done: bool, board: &Board) {
        for ticket in tickets {
            let why = if done { None } else { board.setback() };
            let refusal = (!done).then(|| Refusal::new(503, "not reconciled", why.unwrap_or_default()));
            match (self.wanted.remove(ticket), refusal) {
                (None, _) => {}
                (Some(Wanted::Synced { answer, .. }), Some(refusal)) => drop(answer.send(Err(refusal))),
                (Some(Wanted::Synced { request, asked_at, answer }), None) => {
                    drop(answer.send(board.synced(&request, asked_at, fresh)));
                }
                (Some(Wanted::Refreshed(number, answer)), refusal) => {
                    let tallies = self.refreshed.remove(&number).unwrap_or_default();
                    drop(answer.send(refusal.map_or(Ok(tallies), Err)));
                }
                (Some(Wanted::Resumed(answer, _)), Some(refusal)) => drop(answer.send(Err(refusal))),
                (Some(Wanted::Resumed(answer, resumed)), None) => drop(answer.send(Ok(resumed))),
            }
        }
    }

    /// The watcher's events come, or they do not.
    pub(super) fn probed(&mut self, ticket: Ticket, alive: bool, board: &Board) {
        if let Some(answer) = self.probes.remove(&ticket) {
            let probed = Probed { schema: VERSION, alive, mode: board.watching.mode.clone() };
            drop(answer.send(probed));
        }
    }
}

/// What a request wants looked at in any case.
pub(super) fn scope(request: &SyncRequest) -> ScanScope {
    match (&request.collection, request.full || request.artifact.is_some()) {
        (Some(collection), _) if !request.full => {
            ScanScope::Collections(BTreeMap::from([(collection.clone(), Dirt::Whole)]))
        }
        (_, true) => ScanScope::All,
        _ => ScanScope::nothing(),
    }
}

/// Whether a request can be understood.
///
/// # Errors
/// With 422 and the member that cannot.
pub(super) fn check(request: &SyncRequest) -> Result<(), Refusal> {
    let wrong = |what: String| Err(Refusal::new(422, "not understood", what));
    if let Some(artifact) = &request.artifact
        && artifact.parse::<crate::domain::model::ArtifactId>().is_err()
    {
        return wrong(format!("artifact {artifact:?} is not TYPE:NAME, for example skill:pdf"));
    }
    match &request.since {
        Some(since) if board::parse_clock(since).is_none() => {
            wrong(format!("since {since:?} is not a clock of an earlier answer, EPOCH:REVISION"))
        }
        _ => Ok(()),
    }
}
