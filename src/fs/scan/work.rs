//! Looking at many artifacts, with two threads when there are enough of them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::collection::Remembered;
use crate::domain::model::{ArtifactId, Kind};
use crate::fs::artifact::Reader;
use crate::fs::stat_cache::Known;

/// Below this many artifacts a second thread costs more than it gains.
const WORTH_A_THREAD: usize = 128;

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
        let progress = &*self.progress;
        let read = if jobs.len() < WORTH_A_THREAD {
            run(&mut self.first, directory, &jobs, now, progress)
        } else {
            let (left, right) = jobs.split_at(jobs.len() / 2);
            let (first, second) = (&mut self.first, &mut self.second);
            std::thread::scope(|scope| {
                let other = scope.spawn(|| run(second, directory, right, now, progress));
                let mut read = run(first, directory, left, now, progress);
                match other.join() {
                    Ok(more) => read.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
                read
            })
        };
        let count = read.len();
        for (id, known) in read {
            remembered.set_known(&id, known);
            changed.insert(id);
        }
        count
    }
}

fn run(
    reader: &mut Reader,
    directory: BorrowedFd<'_>,
    jobs: &[Job<'_>],
    now: i128,
    progress: &AtomicU64,
) -> Vec<(ArtifactId, Known)> {
    let mut read = Vec::new();
    for job in jobs {
        progress.fetch_add(1, Ordering::Relaxed);
        let proof = job.known.and_then(Known::proof);
        let same = proof.is_some_and(|(listing, signature)| {
            listing.signature_now(directory, &job.path) == Some(*signature)
        });
        if !same {
            let reading = reader.read(directory, &job.path, job.kind);
            read.push((job.id.clone(), Known::new(reading, now)));
        }
    }
    read
}
