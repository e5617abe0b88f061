//! `status`: how the running daemon is.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::Args;

use super::paint::Paint;
use super::{Context, Exit, Output};
use crate::control::protocol::{DatabaseOnly, Event, State, Status, What};
use crate::domain::checkup::daemon::span;
use crate::domain::checkup::{Verdict, count};

/// Ask the running daemon how it is
///
/// One screen: whether files and database are in step, how changes are noticed and how fast, what happened last, which
/// database is used, and what waits for you.
/// Exit code 3 if no daemon runs, 4 if a collection is halted or there
/// are conflicts, 5 if there is no database to use.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: StatusArgs, context: &Context) -> anyhow::Result<Exit> {
    let StatusArgs { json } = args;
    let status = context.ask(|client| async move { client.status().await })?;
    let mut out = Output::stdout();
    if json {
        out.json(&status)?;
    } else {
        render(&mut out, &status, Utc::now(), Paint::stdout())?;
    }
    out.finish()?;
    Ok(match status.state {
        State::Halted => Exit::Attention,
        State::Watching if status.conflicts > 0 => Exit::Attention,
        State::Waiting if status.database.detail.is_some() => Exit::Database,
        _ => Exit::Done,
    })
}

/// How many DB collections without a directory are shown; it is to stay one screen.
const SHOWN: usize = 5;

/// Columns of the labels on the left.
const LABEL: usize = 12;

fn render(out: &mut impl Write, status: &Status, now: DateTime<Utc>, paint: Paint) -> std::io::Result<()> {
    let mut line = |label: &str, text: &str| {
        let label = paint.faint(&format!("{label:LABEL$}"));
        writeln!(out, "{label}{text}")
    };
    let (verdict, state) = match status.state {
        State::Starting => (Verdict::Warn, "starting"),
        State::Waiting => (Verdict::Fail, "waiting"),
        State::Watching => (Verdict::Ok, "in step"),
        State::Halted => (Verdict::Warn, "in step, but some removals wait for you"),
        State::Degraded => (Verdict::Warn, "trying again"),
    };
    line("state", &paint.as_verdict(verdict, state))?;
    let halted = status.halts.iter().any(|halt| status.detail.as_ref() == Some(&halt.message));
    if let Some(detail) = status.detail.as_ref().filter(|_| !halted) {
        line("", detail)?;
    }
    let up = ago(&status.started_at, now).map(|up| format!(", up {up}")).unwrap_or_default();
    line("daemon", &format!("skillmeatd {}, pid {}{up}", status.version, status.pid))?;

    line("files", &status.root)?;
    let width = status.collections.iter().map(|collection| collection.name.len()).max().unwrap_or(0);
    for collection in &status.collections {
        let doubt = collection.doubt.as_ref().map(|doubt| format!("  (manifest {doubt})"));
        let doubt = paint.as_verdict(Verdict::Fail, &doubt.unwrap_or_default());
        line("", &format!("{:width$}  {} artifacts{doubt}", collection.name, collection.artifacts))?;
    }
    let watching = &status.watching;
    // Directories that are watched come at once, the others at the next poll.
    let mode = match (watching.mode.as_str(), watching.held) {
        ("polling", 0) | ("events", _) => watching.mode.as_str(),
        _ => "events and polling",
    };
    line("watching", &format!("{} of {} directories, by {mode}", watching.held, watching.wanted))?;
    if let Some(shortfall) = watching.shortfall.as_ref().filter(|_| status.detail != watching.shortfall) {
        line("", &paint.as_verdict(Verdict::Warn, shortfall))?;
    }
    if !status.database.kind.is_empty() {
        line("database", &format!("{} ({})", status.database.path, status.database.kind))?;
    }
    for DatabaseOnly { id, name, reason, groups } in status.database_only.iter().take(SHOWN) {
        let groups = count(*groups, "group");
        line("", &format!("collection {name:?} ({id}, {groups}) is in the database alone: {reason}"))?;
    }
    let more = status.database_only.len().saturating_sub(SHOWN);
    if more > 0 {
        line("", &format!("and {more} more such collections (--json lists them)"))?;
    }
    match (&status.sandbox.detail, status.sandbox.writable.len()) {
        (None, 0) => {}
        (None, places) => {
            line(
                "sandbox",
                &format!("{}: only {places} directories can be written in", status.sandbox.enforced),
            )?;
        }
        (Some(detail), _) => line("sandbox", &format!("{}: {detail}", status.sandbox.enforced))?,
    }

    if let Some(http) = &status.http {
        line("http", http)?;
    }
    if let Some(last) = &status.last_reconcile {
        let when = ago(&last.at, now).map_or_else(|| last.at.clone(), |ago| format!("{ago} ago"));
        let rows = last.rows;
        line(
            "last look",
            &format!("{when}: {} artifacts, {rows} rows written, {}", last.artifacts, millis(last.took_us)),
        )?;
    }
    if let Some(lag) = status.lag_us {
        line("lag", &format!("{} from the first event of the last change to its rows", millis(lag)))?;
    }
    for (number, event) in status.recent.iter().rev().enumerate() {
        let when = ago(&event.at, now).map_or_else(|| event.at.clone(), |ago| format!("{ago} ago"));
        line(if number == 0 { "lately" } else { "" }, &format!("{when:>9}  {}", told(event)))?;
    }

    let mut waiting = Vec::new();
    waiting.extend(status.halts.iter().map(|halt| halt.message.clone()));
    if status.conflicts > 0 {
        waiting.push(format!("{} (skillmeatd conflicts list)", count(status.conflicts, "conflict")));
    }
    if status.problems > 0 {
        waiting.push(format!("{} (skillmeatd problems)", count(status.problems, "problem")));
    }
    for (number, what) in waiting.iter().enumerate() {
        line(if number == 0 { "for you" } else { "" }, &paint.as_verdict(Verdict::Warn, what))?;
    }
    Ok(())
}

/// How long ago a time of RFC 3339 was.
fn ago(at: &str, now: DateTime<Utc>) -> Option<String> {
    let at = DateTime::parse_from_rfc3339(at).ok()?.with_timezone(&Utc);
    Some(span(u64::try_from((now - at).num_seconds()).unwrap_or(0)))
}

fn millis(micros: u64) -> String {
    format!("{}.{:03} ms", micros / 1_000, micros % 1_000)
}

/// An event in a few words.
fn told(event: &Event) -> String {
    match &event.what {
        What::Applied { took_us, applied, .. } => {
            let names = applied.named.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            let more = applied.artifacts.saturating_sub(3);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{} rows of {names}{more} written in {}", applied.rows, millis(*took_us))
        }
        What::Problems { appeared, gone, now } => match appeared.first() {
            Some(first) => format!("a problem: {first}"),
            None => format!("{} gone, {now} left", count(*gone, "problem")),
        },
        What::Halted { halt } => format!("collection {} halted", halt.collection),
        What::Released { collection } => format!("collection {collection} goes on"),
        What::State { state, .. } => format!("{state:?}").to_lowercase(),
        What::EventsLost { why } => {
            format!("file events were lost ({}); everything was looked at", why.to_lowercase())
        }
        What::Conflicts { now: 0, .. } => "no conflicts any more".to_owned(),
        What::Conflicts { now, .. } => format!("{} to be resolved", count(*now, "conflict")),
        What::Gap => "what came before is not known any more".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::{
        Applied, Collection, Database, Halt, Reconciled, Sandbox, VERSION, Watching,
    };

    fn now() -> DateTime<Utc> {
        "2026-01-01T00:05:00Z".parse().unwrap()
    }

    fn status() -> Status {
        let event = |number: u32, what| Event {
            schema: VERSION,
            id: format!("5f:{number}"),
            at: format!("2026-01-01T00:0{number}:00.000Z"),
            what,
        };
        let applied = Applied {
            rows: 9,
            artifacts: 5,
            named: vec!["skill:a".into(), "skill:b".into(), "skill:c".into()],
        };
        Status {
            schema: VERSION,
            version: "0.1.0".into(),
            pid: 7,
            started_at: "2026-01-01T00:00:00.000Z".into(),
            clock: "5f:3".into(),
            http: Some("127.0.0.1:8765".into()),
            root: "/home/u/.skillmeat".into(),
            state: State::Halted,
            detail: Some("collection work is gone".into()),
            watching: Watching { mode: "events".into(), wanted: 9, held: 9, shortfall: None, lost: 0 },
            database: Database {
                path: "/home/u/.skillmeat/cache/cache.db".into(),
                kind: "skillmeat".into(),
                detail: None,
            },
            last_reconcile: Some(Reconciled {
                revision: 3,
                at: "2026-01-01T00:04:58.000Z".into(),
                took_us: 4_056,
                rows: 2,
                artifacts: 12,
            }),
            lag_us: Some(62_001),
            recent: vec![
                event(1, What::Applied { revision: 1, took_us: 5_100, applied }),
                event(3, What::Halted { halt: Halt { collection: "work".into(), ..Halt::default() } }),
            ],
            collections: vec![
                Collection { name: "default".into(), artifacts: 9, doubt: None },
                Collection { name: "work".into(), artifacts: 3, doubt: Some("missing".into()) },
            ],
            halts: vec![Halt { message: "collection work is gone".into(), ..Halt::default() }],
            problems: 1,
            conflicts: 2,
            database_only: vec![DatabaseOnly {
                id: "0f".into(),
                name: "Web \"only\"".into(),
                reason: "no directory is called exactly that".into(),
                groups: 2,
            }],
            sandbox: Sandbox {
                enforced: "full".into(),
                detail: None,
                writable: vec!["/home/u/.skillmeat/cache".into(), "/home/u/.skillmeat/collections".into()],
            },
        }
    }

    fn rendered(status: &Status) -> String {
        let mut text = Vec::new();
        render(&mut text, status, now(), Paint::PLAIN).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn one_screen_says_what_is_true_and_what_to_do() {
        let screen = rendered(&status());
        assert_eq!(
            screen,
            "state       in step, but some removals wait for you\n\
             daemon      skillmeatd 0.1.0, pid 7, up 5 min\n\
             files       /home/u/.skillmeat\n\
             \x20           default  9 artifacts\n\
             \x20           work     3 artifacts  (manifest missing)\n\
             watching    9 of 9 directories, by events\n\
             database    /home/u/.skillmeat/cache/cache.db (skillmeat)\n\
             \x20           collection \"Web \\\"only\\\"\" (0f, 2 groups) is in the database alone: no directory is called exactly that\n\
             sandbox     full: only 2 directories can be written in\n\
             http        127.0.0.1:8765\n\
             last look   2 s ago: 12 artifacts, 2 rows written, 4.056 ms\n\
             lag         62.001 ms from the first event of the last change to its rows\n\
             lately      2 min ago  collection work halted\n\
             \x20           4 min ago  9 rows of skill:a, skill:b, skill:c and 2 more written in 5.100 ms\n\
             for you     collection work is gone\n\
             \x20           2 conflicts (skillmeatd conflicts list)\n\
             \x20           1 problem (skillmeatd problems)\n"
        );
        assert!(screen.lines().count() <= 24, "more than a screen");
    }

    #[test]
    fn what_waits_and_what_is_polled_is_said() {
        let waiting = Status {
            state: State::Waiting,
            detail: Some("there is no home".into()),
            watching: Watching {
                mode: "polling".into(),
                wanted: 9,
                held: 4,
                shortfall: Some("too few".into()),
                lost: 0,
            },
            halts: vec![],
            ..status()
        };
        let screen = rendered(&waiting);
        assert!(screen.starts_with("state       waiting\n            there is no home\n"), "{screen}");
        assert!(
            screen.contains("4 of 9 directories, by events and polling\n            too few\n"),
            "{screen}"
        );
    }
}
