//! What every command starts from: the global flags, the paths, the configuration.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::{self, ConfigError, ConfigFile, Flag, Loaded, Sources};
use crate::control::client::{Client, ClientError};
use crate::paths::{Environment, Paths, PathsError};

use super::exit::{BadConfig, Exit, Failure};

/// Flags that every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Use DIR in place of your home directory
    ///
    /// SkillMeat's files are looked for in DIR/.skillmeat, and everything of our own is kept under DIR too:
    /// the XDG variables are not used.
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) home: Option<PathBuf>,

    /// Read the configuration from FILE
    #[arg(long, global = true, value_name = "FILE", env = "SKILLMEATD_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,

    /// Set one configuration key, over the file and the environment; may be repeated
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,

    /// Log at this level: off, error, warn, info, debug, trace, or a filter
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,

    /// Log in this form: auto, text, json or journald
    #[arg(long, global = true, value_name = "FORM")]
    log_format: Option<String>,
}

fn assignment(text: &str) -> Result<(String, String), &'static str> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .ok_or("write KEY=VALUE, for example debounce.quiet=100ms")
}

impl Global {
    fn flags(&self) -> Vec<Flag> {
        let flag = |spelling, key: &str, value: &str| Flag {
            spelling,
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let set = self.set.iter().map(|(key, value)| flag("--set", key, value));
        let level = self.log_level.iter().map(|level| flag("--log-level", "log.level", level));
        let format = self.log_format.iter().map(|format| flag("--log-format", "log.format", format));
        set.chain(level).chain(format).collect()
    }
}

/// What every command starts from.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// Where everything is.
    pub(crate) paths: Paths,
    global: Global,
}

impl Context {
    /// # Errors
    /// When there is no home directory to work in.
    pub(crate) fn new(global: Global) -> anyhow::Result<Self> {
        let environment = match &global.home {
            Some(home) => Environment::under(std::path::absolute(home)?),
            None => Environment::of_process(),
        };
        Ok(Self { paths: Paths::new(&environment)?, global })
    }

    /// Where everything of the person's own is, whatever `--home` says.
    ///
    /// # Errors
    /// When there is no home directory.
    pub(crate) fn persons_paths(&self) -> Result<Paths, PathsError> {
        Paths::new(&Environment::of_process())
    }

    /// The flags that a service started from here is to have.
    ///
    /// # Errors
    /// When flags were given that a service does not keep.
    pub(crate) fn lasting_flags(&self) -> anyhow::Result<Vec<String>> {
        let Global { home, config, set, log_level, log_format } = &self.global;
        if !set.is_empty() || log_level.is_some() || log_format.is_some() {
            let failure = Failure::new(Exit::Usage, "a service keeps no settings from the command line");
            return Err(failure
                .hint("write them into the configuration file: `skillmeatd config path`")
                .into());
        }
        let mut flags = Vec::new();
        for (flag, path) in [("--home", home), ("--config", config)] {
            if let Some(path) = path {
                flags.extend([flag.to_owned(), std::path::absolute(path)?.display().to_string()]);
            }
        }
        Ok(flags)
    }

    /// Whether `--home` chose another home than the user's own.
    pub(crate) fn is_other_home(&self) -> bool {
        self.global.home.is_some()
    }

    /// The configuration file that is used if it exists: `--config`, or the usual one.
    pub(crate) fn config_file(&self) -> &Path {
        self.global.config.as_deref().unwrap_or(&self.paths.config_file)
    }

    /// The file was asked for by name, so it has to be there.
    pub(crate) fn config_file_required(&self) -> bool {
        self.global.config.is_some()
    }

    /// Reads every layer anew; for the start and for SIGHUP alike.
    ///
    /// # Errors
    /// Everything that is wrong in any layer.
    pub(crate) fn load_config(&self) -> Result<Loaded, Vec<ConfigError>> {
        let path = self.config_file();
        let mut trouble = Vec::new();
        let file = match ConfigFile::read(path) {
            Ok(None) if self.config_file_required() => {
                let source = std::io::ErrorKind::NotFound.into();
                trouble.push(ConfigError::Read { path: path.to_owned(), source });
                None
            }
            Ok(file) => file,
            Err(error) => {
                trouble.push(error);
                None
            }
        };
        let sources = Sources { file, variables: std::env::vars_os().collect(), flags: self.global.flags() };
        match config::load(&sources) {
            Ok(loaded) if trouble.is_empty() => Ok(loaded),
            Ok(_) => Err(trouble),
            Err(errors) => {
                trouble.extend(errors);
                Err(trouble)
            }
        }
    }

    /// The configuration, for a command that cannot go on without one.
    ///
    /// # Errors
    /// Everything that is wrong with it, as one error with exit code 2.
    pub(crate) fn config(&self) -> anyhow::Result<Loaded> {
        self.load_config().map_err(|errors| BadConfig(errors).into())
    }
}

impl Context {
    /// Put a question to the running daemon.
    ///
    /// # Errors
    /// With exit code 3 when no daemon serves this home; as the daemon says when it refuses.
    pub(crate) fn ask<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        question: impl FnOnce(Client) -> F,
    ) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(question(Client::new(&self.paths.socket))).map_err(|error| match error {
            ClientError::NotRunning(_) => Failure::new(Exit::NotRunning, "there is nobody to ask")
                .because(error)
                .hint("start it with `skillmeatd run`, or do one pass without it: `skillmeatd sync --once`")
                .into(),
            error => error.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments() {
        assert_eq!(assignment("a.b = c=d"), Ok(("a.b".to_owned(), "c=d".to_owned())));
        assert!(assignment("a.b").is_err());
    }

    #[test]
    fn the_named_flags_come_last_and_so_win() {
        let global = Global {
            set: vec![("log.level".to_owned(), "warn".to_owned())],
            log_level: Some("debug".to_owned()),
            ..Global::default()
        };
        let loaded = config::load(&Sources { flags: global.flags(), ..Sources::default() }).unwrap();
        assert_eq!(loaded.config.log.level, "debug");
    }
}
