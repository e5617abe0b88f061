//! The checkup: measures everything that [`crate::domain::checkup`] judges.
//!
//! It works with and without a running daemon, and believes the daemon only in what cannot be measured from outside.
//!
//! What this module does not do: mend anything, or write anywhere. (SQLite itself may fold a write-ahead log into its
//! database when the last connection closes.)

mod daemon;
mod database;
mod files;
mod processes;
mod skillmeat;
mod system;
mod watches;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::domain::checkup::service::Service;
use crate::domain::checkup::{self, Finding};
use crate::paths::Paths;
use crate::service::Manager;

/// What is to be looked at.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Where everything is.
    pub paths: Paths,
    /// The settings; the defaults where they cannot be read.
    pub config: Config,
    /// Whether the configuration file exists.
    pub config_exists: bool,
    /// Everything that is wrong with the configuration.
    pub config_errors: Vec<String>,
    /// The service manager, if its service would serve this home.
    pub manager: Option<Manager>,
}

/// Looks at everything, in the order in which faults follow from each other. `progress` is told what is being done.
pub async fn checkup(subject: &Subject, progress: impl Fn(&str)) -> Vec<Finding> {
    let Subject { paths, config, .. } = subject;
    let mut findings = Vec::new();

    progress("asking the daemon");
    let daemon = daemon::ask(paths).await;
    let running = daemon.running();
    let pid = running.map(|running| running.pid);

    progress("looking at the files");
    let root = paths.root.display().to_string();
    findings.push(checkup::files::home(&root, &files::home(paths)));
    findings.push(checkup::system::configuration(
        &paths.config_file.display().to_string(),
        subject.config_exists,
        &subject.config_errors,
    ));
    findings.extend(checkup::system::space(&system::space(paths)));
    let mut tree = files::Tree::new(paths);
    findings.extend(tree.findings().await);

    progress("looking at the database");
    // First who has it open: to ask while we have it open ourselves would give up our locks on it.
    let users = database::users(paths);
    let database = database::Database::open(paths).await;
    findings.extend(database.findings(paths).await);
    findings.push(checkup::database::users(&users, pid));
    let (program, python) = skillmeat::look(config).await;
    findings.push(checkup::database::skillmeat(
        program.as_ref().map(|it| (it.program.as_str(), it.version.as_str())).map_err(String::as_str),
    ));
    findings.extend(database::libraries(&python).await);
    findings.push(checkup::database::elsewhere(&skillmeat::leads_elsewhere(&paths.home, pid)));

    progress("comparing rows and files");
    findings.extend(drift(subject, &daemon, &mut tree, database).await);

    progress("looking at the service");
    let service = match &subject.manager {
        Some(manager) => manager.checkup(),
        None => Service::NoManager("a service would serve another home than this".to_owned()),
    };
    let installed = service.installed();
    findings.extend(checkup::daemon::daemon(&daemon.as_judged(), env!("CARGO_PKG_VERSION"), installed));
    let kernel = watches::look(paths, pid);
    findings.extend(checkup::watches::watching(&kernel, daemon.watching().as_ref()));
    findings.push(checkup::watches::table(&kernel));
    if let Some(running) = running {
        let round_trip = daemon::round_trip(paths).await;
        findings.push(checkup::daemon::round_trip(
            round_trip.as_ref().map(|it| it.as_ref().copied().map_err(String::as_str)),
        ));
        findings.extend(checkup::daemon::attention(running));
        findings.push(checkup::daemon::verified(running, config.reconcile.interval.as_secs()));
    }
    findings.extend(checkup::system::socket(&system::socket(paths, running.is_some())));
    findings.extend(checkup::system::state(&system::state(paths).await));
    findings.extend(checkup::service::service(&service, pid, &user()));
    findings.push(checkup::service::sandbox(daemon.sandbox().as_ref(), config.sandbox.enabled));
    findings
}

/// The user's name, for commands that a person is told.
fn user() -> String {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    set("USER").or_else(|| set("LOGNAME")).unwrap_or_else(|| rustix::process::getuid().as_raw().to_string())
}

/// Between two looks at what differs.
const PAUSE: Duration = Duration::from_millis(200);

/// Compares, and while a daemon runs gives it the time to put right what it is at: only what lasts is told.
async fn drift(
    subject: &Subject,
    daemon: &daemon::Asked,
    tree: &mut files::Tree,
    database: database::Database,
) -> Vec<Finding> {
    let Subject { config, .. } = subject;
    let mut database = database;
    let running = daemon.running().is_some();
    let halted = daemon.halted();
    let patience = match running {
        true => {
            config.remove_grace
                + config.debounce.max_wait
                + config.watch.poll_interval
                + Duration::from_secs(2)
        }
        false => Duration::ZERO,
    };
    let began = Instant::now();
    let mut lasting: Option<(checkup::drift::Drift, BTreeSet<String>)> = None;
    let findings = loop {
        let (Some((desired, manifests)), Some(actual)) = (tree.read(), database.load().await) else {
            break vec![Finding::skip(
                "drift",
                "there is nothing to compare: see the collections and the database",
            )];
        };
        let rows = checkup::drift::drift(&desired, &actual, |id| database.accepts(id)).without(&halted);
        let sections = database.sections(&manifests).await;
        let (sections, compared) = sections.unwrap_or_default();
        let (rows, sections) = match &lasting {
            Some((before, earlier)) => (rows.lasting(before), &sections & earlier),
            None => (rows, sections),
        };
        if (rows.is_none() && sections.is_empty()) || began.elapsed() >= patience {
            let mut findings = checkup::drift::judge(&rows, running);
            findings.push(checkup::sections::judge(&sections, compared, running));
            findings.extend(checkup::sections::database_only(&daemon.database_only()));
            break findings;
        }
        lasting = Some((rows, sections));
        tokio::time::sleep(PAUSE).await;
    };
    database.close().await;
    findings
}
