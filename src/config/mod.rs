//! The configuration: four layers, one table of keys, and for every value the place it came from.
//!
//! Lowest to highest: built-in default, `config.toml`, `SKILLMEATD_*` variables, flags. [`Sources`] is what
//! was read from the outside, [`load`] is a function of it, and [`Config`] is what the rest of the program
//! sees: plain values, every one of them set. `SIGHUP` reads new [`Sources`] and calls the same [`load`], so
//! a bad new file can be refused as a whole and the old values kept.
//!
//! What this module does not do: look for the file (that is [`crate::paths`]), write one, or act on a value.

mod error;
mod keys;
mod source;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::staleness::Ttl;
pub use error::{ConfigError, Origin};
pub use keys::{KEYS, Key};
use source::Setting;
pub use source::{ConfigFile, Flag, Sources};
pub use value::parse_duration;

/// Every setting, resolved. Field `a.b` is the key `a.b` of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// When a burst of file events is acted upon.
    pub debounce: Debounce,
    /// How long an artifact must be gone from every manifest before its rows go.
    pub remove_grace: Duration,
    /// The slow safety net.
    pub reconcile: Reconcile,
    /// What we do with metadata.
    pub metadata: Metadata,
    /// The cache database.
    pub database: Database,
    /// What is logged, and in which form.
    pub log: Log,
    /// How long rows count as verified.
    pub staleness: Staleness,
    /// What the system keeps the daemon from.
    pub sandbox: Sandbox,
    /// Leaving.
    pub shutdown: Shutdown,
    /// How changes are noticed.
    pub watch: Watch,
    /// HTTP besides the Unix socket.
    pub http: Http,
}

/// HTTP besides the Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http {
    /// The loopback address and port to listen on; none if not set.
    pub listen: Option<SocketAddr>,
}

/// When a burst of file events is acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debounce {
    /// Silence that ends a burst.
    pub quiet: Duration,
    /// The longest a first event waits, however long the burst is. Never less than `quiet`.
    pub max_wait: Duration,
}

/// The slow safety net.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconcile {
    /// Time between full reconciles that nothing asked for.
    pub interval: Duration,
}

/// What we do with metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Carry hand edits of an artifact's frontmatter into `collection.toml`.
    pub follow_frontmatter: bool,
}

/// The cache database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Who makes the database if there is none.
    pub create: DatabaseCreate,
    /// The `skillmeat` program; without it the one on `PATH`.
    pub skillmeat: Option<PathBuf>,
}

/// Who makes the cache database if there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseCreate {
    /// SkillMeat if it is installed, we ourselves otherwise.
    Auto,
    /// SkillMeat, or nobody.
    Skillmeat,
    /// We ourselves.
    Standalone,
    /// Nobody: wait until it is there.
    Never,
}

/// What is logged, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The form.
    pub format: LogFormat,
    /// A filter: a level, or directives such as `info,skillmeatd::db=debug`.
    pub level: String,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// The journal if the service manager connected us to it, text otherwise.
    Auto,
    /// Lines to read, on standard error.
    Text,
    /// One JSON object per line, on standard error.
    Json,
    /// Structured fields straight to the systemd journal.
    Journald,
}

/// How long rows count as verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staleness {
    /// The time to live of a row, by collection.
    pub ttl: Ttl,
    /// The shortest time between two rounds of verification.
    pub verify_interval: Duration,
}

/// What the system keeps the daemon from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sandbox {
    /// Restrict what the worker can write, where the system can do that.
    pub enabled: bool,
}

/// Leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// How long work in hand may take after a stop was asked for.
    pub grace: Duration,
}

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// By which means.
    pub mode: WatchMode,
    /// Time between two looks when polling.
    pub poll_interval: Duration,
}

/// By which means changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchMode {
    /// Events from the system; polling where they cannot be had.
    Auto,
    /// Polling only, for file systems that tell nothing.
    Poll,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            debounce: Debounce { quiet: Duration::from_millis(50), max_wait: Duration::from_millis(500) },
            remove_grace: Duration::from_secs(5),
            reconcile: Reconcile { interval: Duration::from_secs(30 * 60) },
            metadata: Metadata { follow_frontmatter: true },
            database: Database { create: DatabaseCreate::Auto, skillmeat: None },
            log: Log { format: LogFormat::Auto, level: "info".to_owned() },
            staleness: Staleness { ttl: Ttl::default(), verify_interval: Duration::from_secs(5 * 60) },
            sandbox: Sandbox { enabled: true },
            shutdown: Shutdown { grace: Duration::from_secs(5) },
            watch: Watch { mode: WatchMode::Auto, poll_interval: Duration::from_secs(2) },
            http: Http { listen: None },
        }
    }
}

/// A configuration and where each of its values came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    /// Where the value of `key` came from.
    #[must_use]
    pub fn origin(&self, key: &Key) -> &Origin {
        self.origins.get(key.name).unwrap_or(&Origin::Default)
    }
}

/// Puts the layers together.
///
/// # Errors
/// Everything that is wrong in any layer: broken TOML, then the file from the top, the variables, the flags,
/// and the rules that tie two keys together. A value that a higher layer would hide is still checked: it is wrong where it stands.
pub fn load(sources: &Sources) -> Result<Loaded, Vec<ConfigError>> {
    let mut loaded = Loaded { config: Config::default(), origins: BTreeMap::new() };
    let mut errors = Vec::new();
    for finding in sources.findings() {
        let accepted = finding.and_then(|Setting { key, raw, origin }| {
            let set = key.set(&mut loaded.config, &raw);
            set.map_err(|reason| ConfigError::Value { at: origin.clone(), key: key.name, reason })?;
            Ok((key.name, origin))
        });
        match accepted {
            Ok((key, origin)) => drop(loaded.origins.insert(key, origin)),
            Err(error) => errors.push(error),
        }
    }
    // Two values that were never both accepted cannot disagree.
    if errors.is_empty() {
        errors.extend(disagreements(&loaded));
    }
    if errors.is_empty() { Ok(loaded) } else { Err(errors) }
}

fn disagreements(loaded: &Loaded) -> Option<ConfigError> {
    let Debounce { quiet, max_wait } = loaded.config.debounce;
    if quiet <= max_wait {
        return None;
    }
    let origin = |key| loaded.origins.get(key).cloned();
    Some(ConfigError::Value {
        at: origin("debounce.max_wait").or_else(|| origin("debounce.quiet")).unwrap_or(Origin::Default),
        key: "debounce.max_wait",
        reason: format!(
            "is {}, less than debounce.quiet, {}",
            value::show_duration(max_wait),
            value::show_duration(quiet)
        ),
    })
}

#[cfg(test)]
mod tests;
