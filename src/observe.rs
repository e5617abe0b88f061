//! Where the log goes: the systemd journal, text for a person, or JSON lines for a machine.
//!
//! The log always goes to standard error or straight to the journal; standard output belongs to the answer
//! of a command. What this module does not do: decide what is worth logging, keep a history, or stop the
//! program because a log cannot be written. A closed standard error or a journal that went away costs log
//! lines and nothing else.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use tracing::Subscriber;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{Log, LogFormat};

/// Why logging could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The level is not a filter. The configuration checks it, so this is a caller that did not.
    #[error("the log level cannot be understood")]
    Filter(#[from] ParseError),
    /// Something in this process has set up logging already.
    #[error("logging is set up already")]
    Init(#[from] TryInitError),
    /// The log is gone.
    #[error("the log level cannot be changed any more")]
    Reload(#[from] reload::Error),
}

/// A running log.
#[derive(Debug)]
pub struct Logging {
    filter: reload::Handle<Targets, Registry>,
    sink: Sink,
}

impl Logging {
    /// Uses another filter from now on; for a re-read configuration.
    ///
    /// # Errors
    /// When `level` is not a filter; the old one stays.
    pub fn set_level(&self, level: &str) -> Result<(), ObserveError> {
        Ok(self.filter.reload(filter(level)?)?)
    }

    /// Where the log goes.
    #[must_use]
    pub fn sink(&self) -> Sink {
        self.sink
    }
}

/// Where the log goes, once [`LogFormat::Auto`] is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// The journal's socket, with structured fields.
    Journal,
    /// JSON lines on standard error.
    Json,
    /// Text on standard error.
    Text {
        /// With colours.
        ansi: bool,
        /// With a time in front; the journal puts one there itself.
        time: bool,
    },
}

/// Starts logging for the whole process.
///
/// If the journal was wanted and cannot be reached the log goes to standard error, and its first line says so.
///
/// # Errors
/// When the level is not a filter, or logging was set up before.
pub fn init(log: &Log) -> Result<Logging, ObserveError> {
    let wanted = Sink::choose(log.format, &Surroundings::of_process());
    let (sink, output, trouble) = match wanted {
        Sink::Journal => match tracing_journald::layer() {
            Ok(journal) => (Sink::Journal, journal.boxed(), None),
            Err(error) => {
                let text = Sink::Text { ansi: false, time: true };
                (text, stderr_layer(text, io::stderr), Some(error))
            }
        },
        other => (other, stderr_layer(other, io::stderr), None),
    };
    let (filter, handle) = reload::Layer::new(filter(&log.level)?);
    tracing_subscriber::registry().with(filter).with(output).try_init()?;
    if let Some(error) = trouble {
        tracing::warn!(cause = %error, "the journal cannot be reached, logging to standard error");
    }
    Ok(Logging { filter: handle, sink })
}

/// Libraries that tell at level `info` what is no news to anybody. A filter that names them has the last word.
const QUIET: &str = "sea_orm_migration=warn";

fn filter(level: &str) -> Result<Targets, ParseError> {
    format!("{QUIET},{level}").parse()
}

/// What the choice of a sink depends on.
#[derive(Debug, Clone, Default)]
struct Surroundings {
    /// `$JOURNAL_STREAM`: the device and inode of the stream the service manager connected (systemd.exec(5)).
    journal_stream: Option<String>,
    /// Device and inode of standard error.
    stderr: Option<(u64, u64)>,
    terminal: bool,
    /// `$NO_COLOR` is set to something (no-color.org), or the terminal is dumb.
    plain: bool,
}

impl Surroundings {
    fn of_process() -> Self {
        let stderr = io::stderr();
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            journal_stream: std::env::var("JOURNAL_STREAM").ok(),
            // std stats files, not descriptors: a duplicate of the descriptor is the same file.
            stderr: (stderr.as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata()))
                .ok()
                .map(|found| (found.dev(), found.ino())),
            terminal: stderr.is_terminal(),
            plain: set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == OsStr::new("dumb")),
        }
    }

    /// Standard error is the stream that the service manager connected to the journal. The variable alone
    /// proves nothing: children inherit it, whatever their standard error is.
    fn journal(&self) -> bool {
        let stream = self.journal_stream.as_deref().and_then(|text| text.split_once(':'));
        let stream = stream.and_then(|(dev, ino)| Some((dev.parse().ok()?, ino.parse().ok()?)));
        stream.is_some() && stream == self.stderr
    }
}

impl Sink {
    fn choose(format: LogFormat, around: &Surroundings) -> Self {
        match format {
            LogFormat::Journald => Self::Journal,
            LogFormat::Auto if around.journal() => Self::Journal,
            LogFormat::Json => Self::Json,
            LogFormat::Auto | LogFormat::Text => {
                Self::Text { ansi: around.terminal && !around.plain, time: !around.journal() }
            }
        }
    }
}

type Output<S> = Box<dyn Layer<S> + Send + Sync>;

fn stderr_layer<S, W>(sink: Sink, writer: W) -> Output<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // A failed write must not be reported on standard error: that is where it failed, and the macro that
    // would do so panics.
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false);
    match sink {
        Sink::Text { ansi, time: true } => layer.with_ansi(ansi).boxed(),
        Sink::Text { ansi, time: false } => layer.with_ansi(ansi).without_time().boxed(),
        Sink::Json | Sink::Journal => layer.json().flatten_event(true).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn around() -> Surroundings {
        Surroundings { stderr: Some((8, 1234)), ..Surroundings::default() }
    }

    #[test]
    fn the_journal_is_used_only_where_standard_error_is_the_journal() {
        let stream = |text: &str| Surroundings { journal_stream: Some(text.to_owned()), ..around() };
        assert_eq!(Sink::choose(LogFormat::Auto, &stream("8:1234")), Sink::Journal);
        let text = Sink::Text { ansi: false, time: true };
        for other in ["8:1235", "9:1234", "", "8", "8:", "x:y", "8:1234:5"] {
            assert_eq!(Sink::choose(LogFormat::Auto, &stream(other)), text, "{other}");
        }
        assert_eq!(Sink::choose(LogFormat::Auto, &around()), text);
        // With no standard error at all, nothing matches.
        let closed = Surroundings { stderr: None, ..stream("") };
        assert_eq!(Sink::choose(LogFormat::Auto, &closed), text);
    }

    #[test]
    fn an_explicit_format_is_obeyed() {
        let journal = Surroundings { journal_stream: Some("8:1234".to_owned()), ..around() };
        assert_eq!(Sink::choose(LogFormat::Json, &journal), Sink::Json);
        assert_eq!(Sink::choose(LogFormat::Journald, &around()), Sink::Journal);
        // The journal stamps what it reads from standard error.
        assert_eq!(Sink::choose(LogFormat::Text, &journal), Sink::Text { ansi: false, time: false });
    }

    #[test]
    fn colour_is_for_terminals_that_want_it() {
        let terminal = Surroundings { terminal: true, ..around() };
        let plain = Surroundings { plain: true, ..terminal.clone() };
        assert_eq!(Sink::choose(LogFormat::Auto, &terminal), Sink::Text { ansi: true, time: true });
        assert_eq!(Sink::choose(LogFormat::Auto, &plain), Sink::Text { ansi: false, time: true });
    }

    #[test]
    fn this_process_can_be_described() {
        let around = Surroundings::of_process();
        assert!(around.stderr.is_some(), "{around:?}");
    }

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken;

    impl io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    fn logged(sink: Sink) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = tracing_subscriber::registry().with(stderr_layer(sink, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || tracing::info!(rows = 3, "applied"));
        String::from_utf8(memory.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn each_form_is_what_it_says() {
        let json: serde_json::Value = serde_json::from_str(&logged(Sink::Json)).unwrap();
        assert_eq!(
            (&json["message"], &json["rows"], &json["level"]),
            (&"applied".into(), &3.into(), &"INFO".into())
        );

        let plain = logged(Sink::Text { ansi: false, time: false });
        assert_eq!(plain, " INFO skillmeatd::observe::tests: applied rows=3\n");
        assert!(logged(Sink::Text { ansi: true, time: false }).contains('\u{1b}'));
        let timed = logged(Sink::Text { ansi: false, time: true });
        assert!(timed.starts_with("20") && timed.ends_with(&plain), "{timed}");
    }

    #[test]
    fn a_log_that_cannot_be_written_is_no_reason_to_stop() {
        for sink in [Sink::Json, Sink::Text { ansi: false, time: true }] {
            let subscriber = tracing_subscriber::registry().with(stderr_layer(sink, || Broken));
            tracing::subscriber::with_default(subscriber, || tracing::error!("lost"));
        }
    }

    #[test]
    fn a_missing_journal_is_survived_and_logging_is_set_up_once() {
        let log = Log { format: LogFormat::Journald, level: "off".to_owned() };
        let logging = init(&log).unwrap();
        let reachable = tracing_journald::layer().is_ok();
        assert_eq!(logging.sink() == Sink::Journal, reachable);
        assert!(matches!(init(&log), Err(ObserveError::Init(_))));
        let bad = Log { level: "skillmeatd=loud".to_owned(), ..log };
        assert!(matches!(init(&bad), Err(ObserveError::Filter(_))));
    }

    #[test]
    fn libraries_are_quiet_unless_they_are_asked_for() {
        let says = |level: &str| {
            let memory = Memory::default();
            let writer = memory.clone();
            let sink = Sink::Text { ansi: false, time: false };
            let layer = stderr_layer(sink, move || writer.clone());
            let subscriber = tracing_subscriber::registry().with(filter(level).unwrap()).with(layer);
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(target: "sea_orm_migration::migrator", "applied");
                tracing::warn!(target: "sea_orm_migration::migrator", "failed");
                tracing::info!("ours");
            });
            let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
            ["applied", "failed", "ours"].map(|word| text.contains(word))
        };
        assert_eq!(says("info"), [false, true, true]);
        assert_eq!(says("off"), [false, true, false]);
        assert_eq!(says("info,sea_orm_migration=info"), [true, true, true]);
        assert!(filter("skillmeatd=loud").is_err());
    }

    #[test]
    fn the_level_can_be_changed_while_running() {
        let memory = Memory::default();
        let writer = memory.clone();
        let (filter, handle) = reload::Layer::new("warn".parse().unwrap());
        let sink = Sink::Text { ansi: false, time: false };
        let logging = Logging { filter: handle, sink };
        let subscriber =
            tracing_subscriber::registry().with(filter).with(stderr_layer(sink, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("before");
            logging.set_level("info").unwrap();
            tracing::info!("after");
            assert!(matches!(logging.set_level("skillmeatd=loud"), Err(ObserveError::Filter(_))));
            tracing::info!("still");
        });
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("before") && text.contains("after") && text.contains("still"), "{text}");
    }
}
