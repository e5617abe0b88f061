//! Whether another process has the database open.
//!
//! A connection in WAL mode holds a shared lock on the database file for as long as it is open
//! (`pagerOpenWal`, `sqlite3PagerSharedLock`), and Linux lists all locks of a kind that SQLite takes in `/proc/locks`
//! (proc_locks(5)). Asking touches neither the file nor its locks; opening and closing the file to ask by fcntl(2) would
//! drop the locks of this process. But the kernel stops everybody's taking of locks for the list (`locks_start`), and
//! that takes it 10 to 30 ms of waiting: so it is asked during a long write only, beside the work, and not often.
//!
//! What this module does not do: see who sits in another pid namespace, or on another machine. Where it cannot tell it
//! says that somebody is there, which costs speed and nothing else.

use std::time::{Duration, Instant};

use super::connect::FileId;

/// How long an answer is believed.
const STALE: Duration = Duration::from_millis(100);

/// What is known of others; that they are there, as long as nobody has looked.
#[derive(Debug, Default)]
pub(super) struct Company {
    alone: bool,
    asked_at: Option<Instant>,
}

impl Company {
    /// Whether somebody has to be reckoned with.
    pub(super) fn is_there(&self) -> bool {
        !self.alone
    }

    /// Look again, if the last look was a while ago. Blocks nothing but a thread of its own.
    pub(super) async fn look(&mut self, file: Option<FileId>) {
        if self.asked_at.is_some_and(|asked| asked.elapsed() < STALE) {
            return;
        }
        let others = match file {
            Some(file) => tokio::task::spawn_blocking(move || has_others(file.ino)).await.unwrap_or(true),
            None => true,
        };
        self.asked_at = Some(Instant::now());
        self.alone = !others;
    }
}

/// How often the list is read before one without our own lock is believed.
const LOOKS: usize = 5;

/// Whether anybody but this process has a lock on the file with this inode number. Two files of one number on two
/// devices are taken for one: the numbers of devices are not always the same in `stat(2)` and in the list.
fn has_others(inode: u64) -> bool {
    let me = std::process::id();
    let look = || others(&std::fs::read_to_string("/proc/locks").ok()?, inode, me);
    // The kernel hands the list out in pieces, and while others let go of theirs a line is skipped between two of them.
    (0..LOOKS).find_map(|_| look()).unwrap_or(true)
}

/// Our own lock must be in the list: else it is not the list of the locks that we take, and tells nothing.
fn others(locks: &str, inode: u64, me: u32) -> Option<bool> {
    let (mut ours, mut theirs) = (false, false);
    for line in locks.lines() {
        // `1: POSIX  ADVISORY  READ 4711 08:01:123456 1073741826 1073742335`; a `->` before the kind is a waiter.
        let Some(kind) = line.find("POSIX") else { continue };
        let mut fields = line[kind..].split_whitespace().skip(3);
        let (Some(pid), Some(file)) = (fields.next(), fields.next()) else { continue };
        if file.rsplit(':').next().and_then(|number| number.parse().ok()) != Some(inode) {
            continue;
        }
        let mine = pid.parse() == Ok(me);
        ours |= mine;
        theirs |= !mine;
    }
    (theirs || ours).then_some(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "1: FLOCK  ADVISORY  WRITE 24993 fe:00:7 0 EOF
2: POSIX  ADVISORY  READ 25008 fe:00:11042989 128 128
3: POSIX  ADVISORY  READ 25008 fe:00:11042987 1073741826 1073742335
4: POSIX  ADVISORY  WRITE 31 fe:00:7 0 EOF
4: -> POSIX  ADVISORY  WRITE 32 fe:00:7 0 EOF
5: OFDLCK ADVISORY  READ -1 fe:00:8 0 EOF
";

    #[test]
    fn others_are_told_from_ourselves() {
        assert_eq!(others(LOCKS, 11_042_987, 25_008), Some(false));
        assert_eq!(others(LOCKS, 11_042_987, 1), Some(true), "only somebody else");
        assert_eq!(others(LOCKS, 7, 31), Some(true), "somebody waits");
        assert_eq!(others(LOCKS, 7, 32), Some(true));
        assert_eq!(others(LOCKS, 8, 25_008), None, "not even our own lock is there: this list tells nothing");
        assert_eq!(others("", 7, 31), None);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn another_process_with_the_database_open_is_company() {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};

        if std::env::var_os("SKILLMEATD_TEST_HOLD").is_some() {
            return;
        }
        let home = crate::db::tests::Home::guest().await;
        let cache = home.cache().await;
        let inode = cache.file().unwrap().ino;
        assert!(!has_others(inode));
        // This test again, in a process of its own.
        let mut peer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "db::company::tests::a_peer_for_the_test_above", "--nocapture"])
            .env("SKILLMEATD_TEST_HOLD", home.db())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(peer.stdout.take().unwrap()).lines();
        assert!(told.any(|line| line.unwrap().contains("open")));
        assert!((0..LOOKS).any(|_| has_others(inode)), "a list may have skipped it");
        drop(peer.stdin.take());
        assert_eq!(told.by_ref().filter(|line| line.as_ref().unwrap().contains("FAILED")).count(), 0);
        assert!(peer.wait().unwrap().success());
        assert!(!has_others(inode));
    }

    #[test]
    fn a_peer_for_the_test_above() {
        let Some(path) = std::env::var_os("SKILLMEATD_TEST_HOLD") else { return };
        let peer = rusqlite::Connection::open(path).unwrap();
        let rows: i64 = peer.query_row("SELECT count(*) FROM artifacts", [], |row| row.get(0)).unwrap();
        println!("open {rows}");
        let _ = std::io::stdin().read_line(&mut String::new());
    }
}
