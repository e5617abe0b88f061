//! `doctor`: everything is looked at, and each fault comes with its remedy.

use std::io::Write;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::exit::one_line;
use super::paint::Paint;
use super::progress::Progress;
use super::service::manager;
use super::{Context, Exit, Output};
use crate::config::Config;
use crate::doctor::{Subject, checkup};
use crate::domain::checkup::{Finding, Verdict, worst};

/// Find out what is wrong, and how to mend it
///
/// Looks at SkillMeat's files and database, compares every row with the files, and checks the daemon, its watches and
/// its service, whether a daemon runs or not. Changes nothing. Each fault is followed by what to do about it.
/// Exit code 1 if something does not work; a warning alone is no failure.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The version of what `--json` prints. Fields and checks are added, never renamed or removed, within it.
const SCHEMA: u32 = 1;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'f> {
    schema: u32,
    version: &'static str,
    root: String,
    /// The worst of the findings: `ok`, `warn` or `fail`.
    verdict: Verdict,
    findings: &'f [Finding],
}

pub(super) fn run(args: DoctorArgs, context: &Context) -> anyhow::Result<Exit> {
    let DoctorArgs { json } = args;
    let (config, errors) = match context.load_config() {
        Ok(loaded) => (loaded.config, Vec::new()),
        Err(errors) => (Config::default(), errors.iter().map(|error| one_line(error)).collect()),
    };
    let mut paths = context.paths.clone();
    paths.config_file = context.config_file().to_owned();
    let subject = Subject {
        config_exists: paths.config_file.exists(),
        paths,
        config,
        config_errors: errors,
        manager: if context.is_other_home() { None } else { Some(manager(context)?) },
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let progress = Progress::start();
    let findings = runtime.block_on(checkup(&subject, |what| progress.say(what)));
    drop(progress);
    let verdict = worst(&findings);
    let mut out = Output::stdout();
    if json {
        out.json(&Report {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            root: context.paths.root.display().to_string(),
            verdict,
            findings: &findings,
        })?;
    } else {
        render(&mut out, &findings, Paint::stdout())?;
    }
    out.finish()?;
    Ok(if verdict == Verdict::Fail { Exit::Failed } else { Exit::Done })
}

/// One line for each finding, and one more for each remedy.
fn render(out: &mut impl Write, findings: &[Finding], paint: Paint) -> std::io::Result<()> {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    for Finding { check, about, verdict, found, fix } in findings {
        let word = word(*verdict);
        let about = about.as_ref().map(|about| format!("{about}: ")).unwrap_or_default();
        let mark = paint.as_verdict(*verdict, &format!("{word:4}"));
        writeln!(out, "{mark}  {check:width$}  {about}{found}")?;
        if let Some(fix) = fix {
            writeln!(out, "      {:width$}  {} {fix}", "", paint.strong("fix:"))?;
        }
    }
    let number = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (failed, warned, skipped) = (number(Verdict::Fail), number(Verdict::Warn), number(Verdict::Skip));
    let verdict = match (failed, warned) {
        (0, 0) => "all is well".to_owned(),
        (0, warned) => format!("it works; look at {warned}"),
        (failed, 0) => format!("{failed} not right"),
        (failed, warned) => format!("{failed} not right, and look at {warned} more"),
    };
    let skipped = if skipped > 0 {
        format!(" ({skipped} could not be checked or do not apply)")
    } else {
        String::new()
    };
    writeln!(out, "\n{}{}", paint.as_verdict(worst(findings), &verdict), paint.faint(&skipped))
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Skip => "skip",
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(findings: &[Finding]) -> String {
        let mut text = Vec::new();
        render(&mut text, findings, Paint::PLAIN).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn each_fault_is_followed_by_its_remedy() {
        let findings = [
            Finding::ok("home", "/h"),
            Finding::warn("collection", "odd", "mend it").about("work"),
            Finding::fail("drift", "1 difference", "skillmeatd sync"),
            Finding::skip("linger", "no manager"),
        ];
        assert_eq!(
            rendered(&findings),
            "ok    home        /h\n\
             warn  collection  work: odd\n\
             \x20                 fix: mend it\n\
             FAIL  drift       1 difference\n\
             \x20                 fix: skillmeatd sync\n\
             skip  linger      no manager\n\
             \n\
             1 not right, and look at 1 more (1 could not be checked or do not apply)\n"
        );
        assert!(rendered(&findings[..1]).ends_with("\nall is well\n"));
        assert!(rendered(&findings[..2]).ends_with("\nit works; look at 1\n"));
        assert!(rendered(&findings[2..3]).ends_with("\n1 not right\n"));
    }

    #[test]
    fn the_json_is_what_scripts_rely_on() {
        let findings =
            [Finding::warn("collection", "odd", "mend it").about("work"), Finding::ok("home", "/h")];
        let report = Report {
            schema: SCHEMA,
            version: "0.1.0",
            root: "/h".into(),
            verdict: worst(&findings),
            findings: &findings,
        };
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            r#"{"schema":1,"version":"0.1.0","root":"/h","verdict":"warn","findings":[{"check":"collection","about":"work","verdict":"warn","found":"odd","fix":"mend it"},{"check":"home","about":null,"verdict":"ok","found":"/h","fix":null}]}"#
        );
    }
}
