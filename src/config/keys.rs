//! The table of keys. A key is described here and nowhere else: reading, showing, help and hints all look
//! into [`KEYS`]; its default is the value in [`Config::default`].

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value as Json;

use super::value::{
    Raw, boolean, duration, durations, filter, loopback, path, show_duration, show_durations, show_word, word,
};
use super::{Config, DatabaseCreate, LogFormat, WatchMode};

/// Variables whose names begin so belong to us.
pub(super) const PREFIX: &str = "SKILLMEATD_";

/// One setting.
pub struct Key {
    /// The dotted name, as in the file.
    pub name: &'static str,
    /// What it does, in one or two sentences.
    pub doc: &'static str,
    /// What may be written.
    pub accepts: &'static str,
    set: fn(&mut Config, &Raw) -> Result<(), String>,
    get: fn(&Config) -> Json,
}

impl Key {
    /// The variable that sets this key: `SKILLMEATD_DEBOUNCE_MAX_WAIT` for `debounce.max_wait`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// The value in `config`; null when it is not set.
    #[must_use]
    pub fn value(&self, config: &Config) -> Json {
        (self.get)(config)
    }

    /// The value in `config` as it would be written in the file; `None` when it is not set.
    #[must_use]
    pub fn toml(&self, config: &Config) -> Option<String> {
        match self.value(config) {
            Json::Null => None,
            Json::String(text) => Some(toml_edit::Value::from(text).to_string()),
            other => Some(other.to_string()),
        }
    }

    /// The value used when nobody sets it; null if there is none.
    #[must_use]
    pub fn default_value(&self) -> Json {
        self.value(&Config::default())
    }

    pub(super) fn set(&self, config: &mut Config, raw: &Raw) -> Result<(), String> {
        (self.set)(config, raw)
    }
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Longer than this a burst is not a burst.
const BURST: RangeInclusive<Duration> = millis(0)..=secs(60);

/// Below two seconds the stamps of one round would be stale in the next.
const TTL: RangeInclusive<Duration> = secs(2)..=secs(366 * 86_400);

const CREATE: [(&str, DatabaseCreate); 4] = [
    ("auto", DatabaseCreate::Auto),
    ("skillmeat", DatabaseCreate::Skillmeat),
    ("standalone", DatabaseCreate::Standalone),
    ("never", DatabaseCreate::Never),
];

const FORMAT: [(&str, LogFormat); 4] = [
    ("auto", LogFormat::Auto),
    ("text", LogFormat::Text),
    ("json", LogFormat::Json),
    ("journald", LogFormat::Journald),
];

const MODE: [(&str, WatchMode); 2] = [("auto", WatchMode::Auto), ("poll", WatchMode::Poll)];

const DURATION: &str = "a duration: 50ms, 5s, 30m, 1h, or a number of milliseconds";

/// Every key there is, in the order `config show` prints them.
pub const KEYS: &[Key] = &[
    Key {
        name: "debounce.quiet",
        doc: "How long the files must be silent before a burst of changes is acted upon.",
        accepts: DURATION,
        set: |config, raw| duration(raw, &BURST).map(|value| config.debounce.quiet = value),
        get: |config| show_duration(config.debounce.quiet).into(),
    },
    Key {
        name: "debounce.max_wait",
        doc: "The longest a change waits when the files do not fall silent. Not less than debounce.quiet.",
        accepts: DURATION,
        set: |config, raw| duration(raw, &BURST).map(|value| config.debounce.max_wait = value),
        get: |config| show_duration(config.debounce.max_wait).into(),
    },
    Key {
        name: "remove_grace",
        doc: "How long an artifact must be gone from every manifest before it leaves the database. \
              `skillmeat add --force` makes one vanish for about a second.",
        accepts: DURATION,
        set: |config, raw| duration(raw, &(secs(0)..=secs(3_600))).map(|value| config.remove_grace = value),
        get: |config| show_duration(config.remove_grace).into(),
    },
    Key {
        name: "reconcile.interval",
        doc: "Time between the full comparisons that nothing asked for. They find what no event told us.",
        accepts: DURATION,
        set: |config, raw| {
            duration(raw, &(secs(1)..=secs(7 * 86_400))).map(|value| config.reconcile.interval = value)
        },
        get: |config| show_duration(config.reconcile.interval).into(),
    },
    Key {
        name: "metadata.follow_frontmatter",
        doc: "Carry hand edits of an artifact's frontmatter into collection.toml.",
        accepts: "true or false",
        set: |config, raw| boolean(raw).map(|value| config.metadata.follow_frontmatter = value),
        get: |config| config.metadata.follow_frontmatter.into(),
    },
    Key {
        name: "database.create",
        doc: "Who makes the cache database if there is none: SkillMeat if installed and we ourselves if not \
              (auto), SkillMeat only, we ourselves (standalone), or nobody (never).",
        accepts: "auto, skillmeat, standalone or never",
        set: |config, raw| word(raw, &CREATE).map(|value| config.database.create = value),
        get: |config| show_word(config.database.create, &CREATE).into(),
    },
    Key {
        name: "database.skillmeat",
        doc: "The skillmeat program to ask for a database. Without it, the one on PATH.",
        accepts: "an absolute path",
        set: |config, raw| path(raw).map(|value| config.database.skillmeat = Some(value)),
        get: |config| config.database.skillmeat.as_ref().map(|path| path.display().to_string()).into(),
    },
    Key {
        name: "log.format",
        doc: "The form of the log: the journal under systemd and text otherwise (auto), or one of them always.",
        accepts: "auto, text, json or journald",
        set: |config, raw| word(raw, &FORMAT).map(|value| config.log.format = value),
        get: |config| show_word(config.log.format, &FORMAT).into(),
    },
    Key {
        name: "log.level",
        doc: "How much is logged: a level, or a filter such as info,skillmeatd::db=debug.",
        accepts: "off, error, warn, info, debug, trace, or a filter",
        set: |config, raw| filter(raw).map(|value| config.log.level = value),
        get: |config| config.log.level.as_str().into(),
    },
    Key {
        name: "staleness.ttl",
        doc: "How long a row counts as verified. Rows are verified again before that.",
        accepts: DURATION,
        set: |config, raw| duration(raw, &TTL).map(|value| config.staleness.ttl.default = value),
        get: |config| show_duration(config.staleness.ttl.default).into(),
    },
    Key {
        name: "staleness.ttl_by_collection",
        doc: "The same for some collections, by their id in the database.",
        accepts: "a list such as default=10m, work=2h",
        set: |config, raw| durations(raw, &TTL).map(|value| config.staleness.ttl.by_collection = value),
        get: |config| {
            let list = show_durations(&config.staleness.ttl.by_collection);
            (!list.is_empty()).then_some(list).into()
        },
    },
    Key {
        name: "staleness.verify_interval",
        doc: "The shortest time between two rounds of verification.",
        accepts: DURATION,
        set: |config, raw| {
            duration(raw, &(secs(1)..=secs(86_400))).map(|value| config.staleness.verify_interval = value)
        },
        get: |config| show_duration(config.staleness.verify_interval).into(),
    },
    Key {
        name: "sandbox.enabled",
        doc: "Have the kernel refuse the daemon every write outside ~/.skillmeat and its own state, where the kernel \
              can (Landlock: Linux 5.13 and later).",
        accepts: "true or false",
        set: |config, raw| boolean(raw).map(|value| config.sandbox.enabled = value),
        get: |config| config.sandbox.enabled.into(),
    },
    Key {
        name: "shutdown.grace",
        doc: "How long work in hand may take after a stop was asked for.",
        accepts: DURATION,
        set: |config, raw| duration(raw, &(secs(0)..=secs(300))).map(|value| config.shutdown.grace = value),
        get: |config| show_duration(config.shutdown.grace).into(),
    },
    Key {
        name: "watch.mode",
        doc: "How changes are noticed: by events, polling where there are none (auto), or by polling only.",
        accepts: "auto or poll",
        set: |config, raw| word(raw, &MODE).map(|value| config.watch.mode = value),
        get: |config| show_word(config.watch.mode, &MODE).into(),
    },
    Key {
        name: "watch.poll_interval",
        doc: "Time between two looks when polling.",
        accepts: DURATION,
        set: |config, raw| {
            duration(raw, &(millis(100)..=secs(3_600))).map(|value| config.watch.poll_interval = value)
        },
        get: |config| show_duration(config.watch.poll_interval).into(),
    },
    Key {
        name: "http.listen",
        doc: "Serve the control socket's paths on this loopback port as well, to those who send the token in the \
              state directory's file http-token. Read at the start only.",
        accepts: "an address and port such as 127.0.0.1:8765; port 0 lets the system choose",
        set: |config, raw| loopback(raw).map(|value| config.http.listen = Some(value)),
        get: |config| config.http.listen.map(|address| address.to_string()).into(),
    },
];
