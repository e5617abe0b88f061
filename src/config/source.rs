//! What the layers say, before anything is believed: the file with its positions, the variables, the flags.

use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin};
use super::keys::{KEYS, Key, PREFIX};
use super::value::Raw;

/// Variables of our prefix that are not keys: they stand for global flags.
const NOT_KEYS: [&str; 1] = ["SKILLMEATD_CONFIG"];

/// Everything the configuration is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The file, if there is one.
    pub file: Option<ConfigFile>,
    /// Environment variables; those without our prefix are passed over, and so are empty ones.
    pub variables: Vec<(OsString, OsString)>,
    /// Flags, in the order they were given: the last one wins.
    pub flags: Vec<Flag>,
}

/// A configuration file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl ConfigFile {
    /// Reads the file at `path`; `None` if there is none.
    ///
    /// # Errors
    /// When something is there and it cannot be read as UTF-8 text.
    pub fn read(path: &Path) -> Result<Option<Self>, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(Self { path: path.to_owned(), text })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
        }
    }
}

/// A key set on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag as the person wrote it: `--log-level`, `--set`.
    pub spelling: &'static str,
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

pub(super) struct Setting {
    pub(super) key: &'static Key,
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// What one place in one layer amounts to.
pub(super) type Finding = Result<Setting, ConfigError>;

impl Sources {
    /// Everything found, lowest layer first, and within the file from the top.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut found = Found::default();
        if let Some(file) = &self.file {
            found.file(file);
        }
        for (name, value) in &self.variables {
            found.variable(name, value);
        }
        for flag in &self.flags {
            found.flag(flag);
        }
        found.0
    }
}

#[derive(Default)]
struct Found(Vec<Finding>);

impl Found {
    fn file(&mut self, file: &ConfigFile) {
        let (root, errors) = DeTable::parse_recoverable(&file.text);
        self.0.extend(errors.iter().map(|error| {
            let at = place(file, error.span().unwrap_or(0..0));
            Err(ConfigError::Syntax { at, reason: error.message().to_owned() })
        }));
        self.table(file, "", root.get_ref());
    }

    fn table(&mut self, file: &ConfigFile, prefix: &str, table: &DeTable<'_>) {
        // A table is ordered by name; a person reads a file, and its errors, from the top.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            self.entry(file, &format!("{prefix}{}", name.get_ref()), &name.span(), value);
        }
    }

    fn entry(&mut self, file: &ConfigFile, name: &str, span: &Range<usize>, value: &Spanned<DeValue<'_>>) {
        if let Some(key) = KEYS.iter().find(|key| key.name == name) {
            let origin = place(file, value.span());
            return self.0.push(Ok(Setting { key, raw: raw(value.get_ref()), origin }));
        }
        let section = format!("{name}.");
        let keys: Vec<_> = KEYS.iter().map(|key| key.name).filter(|key| key.starts_with(&section)).collect();
        let at = place(file, span.clone());
        self.0.push(Err(match value.get_ref() {
            DeValue::Table(table) if !keys.is_empty() => return self.table(file, &section, table),
            DeValue::Table(_) => {
                let sections =
                    KEYS.iter().filter_map(|key| key.name.split_once('.')).map(|(section, _)| section);
                ConfigError::Unknown {
                    at,
                    what: "section",
                    nearest: nearest(name, sections),
                    name: name.to_owned(),
                }
            }
            _ if !keys.is_empty() => ConfigError::Section { at, section: name.to_owned(), keys },
            _ => unknown_key(at, name),
        }));
    }

    fn variable(&mut self, name: &OsString, value: &OsString) {
        let shown = name.to_string_lossy();
        if !shown.starts_with(PREFIX) || NOT_KEYS.contains(&shown.as_ref()) || value.is_empty() {
            return;
        }
        let origin = Origin::Variable(shown.clone().into_owned());
        match KEYS.iter().find(|key| key.variable() == shown) {
            Some(key) => match value.to_str() {
                Some(text) => {
                    self.0.push(Ok(Setting { key, raw: Raw::Word(text.to_owned()), origin }));
                }
                None => self.0.push(Err(ConfigError::Value {
                    at: origin,
                    key: key.name,
                    reason: "must be UTF-8 text".to_owned(),
                })),
            },
            None => {
                let variables: Vec<String> = KEYS.iter().map(Key::variable).collect();
                self.0.push(Err(ConfigError::Unknown {
                    at: Origin::Variable("environment".to_owned()),
                    what: "variable",
                    nearest: nearest(&shown, variables.iter().map(String::as_str)),
                    name: shown.into_owned(),
                }));
            }
        }
    }

    fn flag(&mut self, flag: &Flag) {
        let origin = Origin::Flag(flag.spelling.to_owned());
        match KEYS.iter().find(|key| key.name == flag.key) {
            Some(key) => {
                self.0.push(Ok(Setting { key, raw: Raw::Word(flag.value.clone()), origin }));
            }
            None => self.0.push(Err(unknown_key(origin, &flag.key))),
        }
    }
}

fn unknown_key(at: Origin, name: &str) -> ConfigError {
    ConfigError::Unknown {
        at,
        what: "key",
        nearest: nearest(name, KEYS.iter().map(|key| key.name)),
        name: name.to_owned(),
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::String(text.clone().into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("a huge number"), Raw::Integer),
        DeValue::Boolean(truth) => Raw::Boolean(*truth),
        DeValue::Float(_) => Raw::Other("a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Array(_) => Raw::Other("a list"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

fn place(file: &ConfigFile, span: Range<usize>) -> Origin {
    let before = file.text.get(..span.start).unwrap_or(&file.text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Origin::File {
        path: file.path.clone(),
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
    }
}

/// The candidate closest to `name`, if it is close enough to be a slip of the pen. A key written without its
/// section is closest to the key that ends so.
fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let name = plain(name);
    candidates
        .map(|candidate| {
            let full = plain(candidate);
            let leaf = full.rsplit('.').next().unwrap_or(&full);
            let distance =
                strsim::damerau_levenshtein(&name, &full).min(strsim::damerau_levenshtein(&name, leaf));
            (distance, candidate)
        })
        .min()
        .filter(|(distance, _)| *distance <= (name.chars().count() / 3).max(1))
        .map(|(_, candidate)| candidate.to_owned())
}
