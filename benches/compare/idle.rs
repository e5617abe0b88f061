//! What it costs to run when nothing happens.

use std::fs;
use std::sync::Arc;
use std::thread;

use crate::daemon::Daemon;
use crate::edit::rows;
use crate::home::eventually;
use crate::interop::api::Api;
use crate::interop::cache;
use crate::report::Report;
use crate::{PATIENCE, Sizes, empty_home, home_of};

/// Clock ticks per second in `/proc/<pid>/stat`: Linux has had 100 on every platform for long.
const TICKS: f64 = 100.0;

pub(crate) fn measure(sizes: Sizes, report: &mut Report) {
    if !cfg!(target_os = "linux") {
        report.tell("idle: processor, memory", None, "measured on Linux only");
        return;
    }
    let home = home_of(sizes.idle);
    let daemon = Daemon::start(&home);
    let connection = cache::open(&home.cache_db()).expect("the cache");
    eventually(PATIENCE, "every artifact has its row", || match rows(&connection) {
        count if count == sizes.idle => Ok(()),
        count => Err(format!("{count} rows")),
    });
    let ours = still(daemon.pid(), sizes);
    // SkillMeat's backend on an empty home: with this many artifacts it would take an hour to start.
    let api = Api::start(&Arc::new(empty_home()));
    let theirs = still(api.pid(), sizes);
    let files = sizes.idle * 3;
    let seconds = sizes.stillness.as_secs();
    let what = |what: &str| format!("idle for {seconds} s with {files} files (SkillMeat: none): {what}");
    report.tell(
        what("processor time"),
        Some(format!("{:.2} %", theirs.processor)),
        format!("{:.2} %", ours.processor),
    );
    report.tell(
        what("context switches per second"),
        Some(format!("{:.1}", theirs.switches)),
        format!("{:.1}", ours.switches),
    );
    report.tell(
        what("resident memory"),
        Some(format!("{:.1} MiB", theirs.memory)),
        format!("{:.1} MiB", ours.memory),
    );
}

/// A process over a while.
struct Cost {
    /// Percent of one processor.
    processor: f64,
    /// Voluntary and involuntary, all threads, per second.
    switches: f64,
    /// MiB, at the end.
    memory: f64,
}

/// Watches a process that has nothing to do. Its first seconds after the work are left out: caches are written back,
/// threads of a pool end.
fn still(pid: u32, sizes: Sizes) -> Cost {
    thread::sleep(sizes.stillness / 6);
    let (ticks, switches) = (ticks(pid), context_switches(pid));
    thread::sleep(sizes.stillness);
    let seconds = sizes.stillness.as_secs_f64();
    Cost {
        processor: (self::ticks(pid) - ticks) / TICKS / seconds * 100.0,
        switches: (context_switches(pid) - switches) / seconds,
        memory: field(&read(&format!("/proc/{pid}/status")), "VmRSS:") / 1024.0,
    }
}

/// Processor time in user and system mode so far.
fn ticks(pid: u32) -> f64 {
    let stat = read(&format!("/proc/{pid}/stat"));
    // The second field is the program's name in parentheses and may hold anything.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let number =
        |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).expect("a number");
    number(11) + number(12)
}

fn context_switches(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the threads");
    let switches = |status: &str| {
        field(status, "\nvoluntary_ctxt_switches:") + field(status, "nonvoluntary_ctxt_switches:")
    };
    tasks.flatten().map(|task| switches(&read(&format!("{}/status", task.path().display())))).sum()
}

/// The number after `key`.
fn field(text: &str, key: &str) -> f64 {
    let value = text.split(key).nth(1).and_then(|rest| rest.split_whitespace().next());
    value.and_then(|value| value.parse().ok()).unwrap_or_default()
}

/// A file of the kernel; empty if the thread it is about has ended.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
