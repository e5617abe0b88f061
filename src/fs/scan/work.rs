//! Two threads, where there is enough to do for both: reading a long manifest, and looking at many artifacts.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::collection::Remembered;
use crate::domain::manifest::Join;
use crate::domain::model::{ArtifactId, Kind};
use crate::fs::artifact::Reader;
use crate::fs::stat_cache::Known;

/// Below this many artifacts a second thread costs more than it gains.
const WORTH_A_THREAD: usize = 128;

/// A second thread beside this one.
pub(super) struct Threads;

impl Join for Threads {
    fn join<A: Send, B: Send>(
        &self,
        one: impl FnOnce() -> A + Send,
        other: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        std::thread::scope(|scope| {
            let other = scope.spawn(other);
            let one = one();
            match other.join() {
                Ok(other) => (one, other),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

/// The buffers of the threads.
#[derive(Debug, Default)]
pub(super) struct Workers {
    first: Reader,
    second: Reader,
    /// Counts the artifacts that were looked at, for somebody who wants to see that it goes on.
    pub(super) progress: Arc<AtomicU64>,
}

/// One artifact to look at.
struct Job<'a> {
    id: &'a ArtifactId,
    path: Cow<'a, str>,
    kind: Kind,
    known: Option<&'a Known>,
}

impl Workers {
    /// Look at the files of these artifacts and remember what was read anew; their ids go to `changed`. Returns how
    /// many were read.
    pub(super) fn look(
        &mut self,
        directory: BorrowedFd<'_>,
        remembered: &mut Remembered,
        look: &BTreeSet<ArtifactId>,
        now: i128,
        changed: &mut BTreeSet<ArtifactId>,
    ) -> usize {
        let jobs: Vec<Job<'_>> = look
            .iter()
            .filter_map(|id| {
                let slot = remembered.slots.get(id)?;
                Some(Job { id, path: slot.path()?, kind: id.kind, known: slot.known.as_deref() })
            })
            .collect();
        let queue =
            Queue { jobs: &jobs, next: AtomicUsize::new(0), directory, now, progress: &self.progress };
        let read = if jobs.len() < WORTH_A_THREAD {
            queue.work(&mut self.first)
        } else {
            let (mut read, more) =
                Threads.join(|| queue.work(&mut self.first), || queue.work(&mut self.second));
            read.extend(more);
            read
        };
        let count = read.len();
        for (id, known) in read {
            remembered.set_known(&id, known);
            changed.insert(id);
        }
        count
    }
}

/// So many jobs are taken at once.
const SHARE: usize = 16;

/// Jobs that are done by whoever comes.
struct Queue<'a> {
    jobs: &'a [Job<'a>],
    next: AtomicUsize,
    directory: BorrowedFd<'a>,
    now: i128,
    progress: &'a AtomicU64,
}

impl Queue<'_> {
    /// Does jobs until there are none; what had to be read anew.
    fn work(&self, reader: &mut Reader) -> Vec<(ArtifactId, Known)> {
        let mut read = Vec::new();
        loop {
            let start = self.next.fetch_add(SHARE, Ordering::Relaxed);
            let Some(jobs) = self.jobs.get(start..).filter(|jobs| !jobs.is_empty()) else { return read };
            for job in jobs.iter().take(SHARE) {
                self.progress.fetch_add(1, Ordering::Relaxed);
                let proof = job.known.and_then(Known::proof);
                let same = proof.is_some_and(|(listing, signature)| {
                    listing.signature_now(self.directory, &job.path) == Some(*signature)
                });
                if !same {
                    let reading = reader.read(self.directory, &job.path, job.kind);
                    read.push((job.id.clone(), Known::new(reading, self.now)));
                }
            }
        }
    }
}
