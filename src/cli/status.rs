//! `status`: how the running daemon is.

use std::io::Write;

use clap::Args;

use super::{Context, Exit, Output};
use crate::control::protocol::{State, Status};

/// Ask the running daemon how it is
///
/// Shows what is watched and how, the last look at the files, which database is used, and what needs a person.
/// Exit code 3 if no daemon runs, 4 if a collection is halted, 5 if there is no database to use.
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
        render(&mut out, &status)?;
    }
    out.finish()?;
    Ok(match status.state {
        State::Halted => Exit::Attention,
        State::Waiting if status.database.detail.is_some() => Exit::Database,
        _ => Exit::Done,
    })
}

fn render(out: &mut impl Write, status: &Status) -> std::io::Result<()> {
    let state = match status.state {
        State::Starting => "starting",
        State::Waiting => "waiting",
        State::Watching => "in step",
        State::Halted => "in step, but some removals wait for you",
        State::Degraded => "trying again",
    };
    writeln!(out, "state      {state}")?;
    if let Some(detail) = &status.detail {
        writeln!(out, "           {detail}")?;
    }
    writeln!(out, "files      {}", status.root)?;
    let watching = &status.watching;
    writeln!(out, "watching   {} of {} directories by {}", watching.held, watching.wanted, watching.mode)?;
    if let Some(shortfall) = watching.shortfall.as_ref().filter(|_| status.detail != watching.shortfall) {
        writeln!(out, "           {shortfall}")?;
    }
    if !status.database.kind.is_empty() {
        writeln!(out, "database   {} ({})", status.database.path, status.database.kind)?;
    }
    if let Some(last) = &status.last_reconcile {
        let (rows, took) = (last.rows, last.took_us);
        writeln!(
            out,
            "last look  {}: {} artifacts, {rows} rows written, {}.{:03} ms",
            last.at,
            last.artifacts,
            took / 1000,
            took % 1000
        )?;
    }
    for collection in &status.collections {
        let doubt =
            collection.doubt.as_ref().map(|doubt| format!("  (manifest {doubt})")).unwrap_or_default();
        writeln!(out, "collection {}: {} artifacts{doubt}", collection.name, collection.artifacts)?;
    }
    for halt in &status.halts {
        writeln!(out, "halted     {}", halt.message)?;
    }
    if status.problems > 0 {
        writeln!(out, "problems   {} (`skillmeatd problems` lists them)", status.problems)?;
    }
    match (&status.sandbox.detail, status.sandbox.writable.len()) {
        (None, 0) => {}
        (None, places) => {
            writeln!(
                out,
                "sandbox    {}: only {places} directories can be written in",
                status.sandbox.enforced
            )?;
        }
        (Some(detail), _) => writeln!(out, "sandbox    {}: {detail}", status.sandbox.enforced)?,
    }
    writeln!(out, "daemon     skillmeatd {}, pid {}, since {}", status.version, status.pid, status.started_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::{Collection, Database, Halt, Reconciled, Sandbox, Watching};

    #[test]
    fn one_screen_says_what_is_true_and_what_to_do() {
        let status = Status {
            schema: 1,
            version: "0.1.0".into(),
            pid: 7,
            started_at: "2026-01-01T00:00:00.000Z".into(),
            root: "/home/u/.skillmeat".into(),
            state: State::Halted,
            detail: None,
            watching: Watching { mode: "events".into(), wanted: 9, held: 9, shortfall: None, lost: 0 },
            database: Database {
                path: "/home/u/.skillmeat/cache/cache.db".into(),
                kind: "skillmeat".into(),
                detail: None,
            },
            last_reconcile: Some(Reconciled {
                revision: 3,
                at: "2026-01-01T00:00:01.000Z".into(),
                took_us: 4_056,
                rows: 2,
                artifacts: 12,
            }),
            collections: vec![Collection {
                name: "work".into(),
                artifacts: 12,
                doubt: Some("missing".into()),
            }],
            halts: vec![Halt { message: "collection work is gone".into(), ..Halt::default() }],
            problems: 1,
            sandbox: Sandbox {
                enforced: "full".into(),
                detail: None,
                writable: vec!["/home/u/.skillmeat/cache".into(), "/home/u/.skillmeat/collections".into()],
            },
        };
        let mut text = Vec::new();
        render(&mut text, &status).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "state      in step, but some removals wait for you\n\
             files      /home/u/.skillmeat\n\
             watching   9 of 9 directories by events\n\
             database   /home/u/.skillmeat/cache/cache.db (skillmeat)\n\
             last look  2026-01-01T00:00:01.000Z: 12 artifacts, 2 rows written, 4.056 ms\n\
             collection work: 12 artifacts  (manifest missing)\n\
             halted     collection work is gone\n\
             problems   1 (`skillmeatd problems` lists them)\n\
             sandbox    full: only 2 directories can be written in\n\
             daemon     skillmeatd 0.1.0, pid 7, since 2026-01-01T00:00:00.000Z\n"
        );
    }
}
