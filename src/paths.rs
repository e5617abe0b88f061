//! Where everything is: SkillMeat's tree, and the few files of our own.
//!
//! [`Paths::new`] is a function of an [`Environment`] value, so every rule here is tested without touching
//! the process environment. The only side effect in this module is [`create_private`], which makes a
//! directory that nobody else may enter.
//!
//! What this module does not do: check that any of these paths exist, read the configuration, or follow
//! SkillMeat settings. SkillMeat has no setting or variable that moves its tree
//! (`skillmeat.config.ConfigManager.DEFAULT_CONFIG_DIR` is `Path.home()/".skillmeat"`), so neither have we.

use std::ffi::OsString;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use directories::BaseDirs;

/// Longest socket path we use, in bytes. `sockaddr_un.sun_path` holds 108 bytes on Linux (unix(7)) and 104
/// on macOS, the final NUL included; 100 leaves room for the temporary name a server binds before renaming.
pub const SOCKET_PATH_MAX: usize = 100;

/// Which system's directory conventions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// The XDG base directories.
    Xdg,
    /// `~/Library`; the XDG variables mean nothing there.
    MacOs,
}

impl Platform {
    /// The platform this program was built for.
    #[must_use]
    pub const fn current() -> Self {
        if cfg!(target_os = "macos") { Self::MacOs } else { Self::Xdg }
    }
}

/// What [`Paths::new`] needs to know about the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// `$HOME`; `None` when the variable does not exist, which is not the same as empty.
    pub home: Option<OsString>,
    /// The home directory of the password database, asked only when `$HOME` does not exist.
    pub account_home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`.
    pub xdg_config_home: Option<OsString>,
    /// `$XDG_STATE_HOME`.
    pub xdg_state_home: Option<OsString>,
    /// `$XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<OsString>,
    /// The user id, part of the name of the short socket directory.
    pub uid: u32,
    /// Whose conventions to follow.
    pub platform: Platform,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let home = std::env::var_os("HOME");
        let account_home = match home {
            Some(_) => None,
            None => BaseDirs::new().map(|dirs| dirs.home_dir().to_owned()),
        };
        Self {
            home,
            account_home,
            xdg_config_home: std::env::var_os("XDG_CONFIG_HOME"),
            xdg_state_home: std::env::var_os("XDG_STATE_HOME"),
            xdg_runtime_dir: std::env::var_os("XDG_RUNTIME_DIR"),
            uid: rustix::process::getuid().as_raw(),
            platform: Platform::current(),
        }
    }

    /// An environment in which everything lives under `home` and nothing is shared with another home: the
    /// XDG variables are forgotten, because they would lead two homes to one socket and one state directory.
    #[must_use]
    pub fn under(home: impl Into<OsString>) -> Self {
        Self {
            home: Some(home.into()),
            account_home: None,
            xdg_config_home: None,
            xdg_state_home: None,
            xdg_runtime_dir: None,
            uid: rustix::process::getuid().as_raw(),
            platform: Platform::current(),
        }
    }
}

/// Why there are no paths to work with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathsError {
    /// `$HOME` is set to nothing.
    #[error("HOME is set but empty; set it to your home directory, or unset it")]
    EmptyHome,
    /// `$HOME` depends on the working directory, which a daemon does not keep.
    #[error("HOME is {0:?}, which is not an absolute path; set it to your home directory")]
    RelativeHome(PathBuf),
    /// There is no `$HOME` and the account has no home directory either.
    #[error("there is no home directory: HOME is not set and the account has none; set HOME")]
    NoHome,
}

/// Every path the daemon and the command line use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The home directory, as SkillMeat resolves it.
    pub home: PathBuf,
    /// `~/.skillmeat`.
    pub root: PathBuf,
    /// `~/.skillmeat/collections`.
    pub collections: PathBuf,
    /// `~/.skillmeat/cache/cache.db`.
    pub cache_db: PathBuf,
    /// Our own state: `$XDG_STATE_HOME/skillmeatd`, or `~/Library/Application Support/skillmeatd`.
    pub state_dir: PathBuf,
    /// `config.toml`, which need not exist.
    pub config_file: PathBuf,
    /// The directory of the control socket. To be made with [`create_private`] by the one who binds.
    pub runtime_dir: PathBuf,
    /// The control socket, at most [`SOCKET_PATH_MAX`] bytes long.
    pub socket: PathBuf,
    /// The file whose lock says which process serves this home.
    pub lock: PathBuf,
}

impl Paths {
    /// Works out every path.
    ///
    /// `$HOME` counts if the variable exists, as in Python's `Path.home()`; without it the password database
    /// does. Relative XDG variables are ignored, as the XDG Base Directory Specification asks.
    ///
    /// The socket goes to the first of these whose full path is short enough: `$XDG_RUNTIME_DIR/skillmeatd`,
    /// `<state_dir>/run`, `/var/tmp/skillmeatd-<uid>-<hash of the state directory>`. A daemon and a client
    /// that see the same home and the same variables arrive at the same place.
    ///
    /// # Errors
    /// When `$HOME` is empty or relative, or there is no home at all. SkillMeat would carry on in `/` or in
    /// the working directory; a daemon that guards files must not guess.
    pub fn new(environment: &Environment) -> Result<Self, PathsError> {
        let home = home(environment)?;
        let (state_dir, config_dir) = match environment.platform {
            Platform::MacOs => {
                let dir = home.join("Library/Application Support/skillmeatd");
                (dir.clone(), dir)
            }
            Platform::Xdg => (
                absolute(environment.xdg_state_home.as_ref())
                    .unwrap_or_else(|| home.join(".local/state"))
                    .join("skillmeatd"),
                absolute(environment.xdg_config_home.as_ref())
                    .unwrap_or_else(|| home.join(".config"))
                    .join("skillmeatd"),
            ),
        };
        let runtime_dir = runtime_dir(environment, &state_dir);
        let root = home.join(".skillmeat");
        Ok(Self {
            collections: root.join("collections"),
            cache_db: root.join("cache/cache.db"),
            config_file: config_dir.join("config.toml"),
            socket: runtime_dir.join(SOCKET_NAME),
            lock: state_dir.join("skillmeatd.lock"),
            home,
            root,
            state_dir,
            runtime_dir,
        })
    }
}

impl Paths {
    /// The secret for requests over TCP; made by the daemon when it listens there.
    #[must_use]
    pub fn http_token(&self) -> PathBuf {
        self.state_dir.join("http-token")
    }

    /// The directory whose events tell how far the file watcher has come; inside [`Paths::runtime_dir`].
    #[must_use]
    pub fn cookies(&self) -> PathBuf {
        self.runtime_dir.join("cookies")
    }
}

const SOCKET_NAME: &str = "control.sock";

fn home(environment: &Environment) -> Result<PathBuf, PathsError> {
    let home = match &environment.home {
        Some(home) if home.is_empty() => return Err(PathsError::EmptyHome),
        Some(home) => PathBuf::from(home),
        None => environment.account_home.clone().ok_or(PathsError::NoHome)?,
    };
    if home.is_absolute() { Ok(home) } else { Err(PathsError::RelativeHome(home)) }
}

fn absolute(variable: Option<&OsString>) -> Option<PathBuf> {
    variable.map(PathBuf::from).filter(|path| path.is_absolute())
}

fn runtime_dir(environment: &Environment, state_dir: &Path) -> PathBuf {
    let session = match environment.platform {
        Platform::Xdg => absolute(environment.xdg_runtime_dir.as_ref()).map(|dir| dir.join("skillmeatd")),
        Platform::MacOs => None,
    };
    let fits = |dir: &PathBuf| dir.as_os_str().len() + 1 + SOCKET_NAME.len() <= SOCKET_PATH_MAX;
    session.into_iter().chain([state_dir.join("run")]).find(fits).unwrap_or_else(|| {
        // Not $TMPDIR: a service and a shell often disagree about it. Not the directory that is emptied on
        // every boot and swept every few days.
        PathBuf::from(format!(
            "/var/tmp/skillmeatd-{}-{:016x}",
            environment.uid,
            fnv1a(state_dir.as_os_str().as_bytes())
        ))
    })
}

/// FNV-1a, 64 bits: names a directory, and must be the same in every build that ever shares a socket, which
/// std's hashers do not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Why a private directory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PrivateDirError {
    /// The system refused.
    #[error("cannot create the directory {path}", path = path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It exists, but belongs to somebody else or is not a directory.
    #[error("{path} is not a directory of ours; remove it or choose another place", path = path.display())]
    Foreign {
        /// The path in the way.
        path: PathBuf,
    },
}

/// Makes `dir` and its missing parents with mode 0700, and takes group and other permissions away from `dir`
/// if it was there before. The last component must belong to this user, and so must what it points to if it
/// is a symbolic link: in a shared place such as `/var/tmp` somebody else may have made it first.
///
/// # Errors
/// When the directory cannot be made or tightened, or exists and is not ours.
pub fn create_private(dir: &Path) -> Result<(), PrivateDirError> {
    let create = |source| PrivateDirError::Create { path: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => PrivateDirError::Foreign { path: dir.to_owned() },
        _ => create(error),
    })?;
    let me = rustix::process::getuid().as_raw();
    let found = dir.metadata().map_err(create)?;
    if !found.is_dir() || found.uid() != me || dir.symlink_metadata().map_err(create)?.uid() != me {
        return Err(PrivateDirError::Foreign { path: dir.to_owned() });
    }
    if found.mode() & 0o077 != 0 {
        std::fs::set_permissions(dir, Permissions::from_mode(found.mode() & 0o7700)).map_err(create)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
