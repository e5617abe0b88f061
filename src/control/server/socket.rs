//! The Unix socket: who may connect to it, and what becomes of one that a killed daemon left.
//!
//! The socket's directory is private to the user and the socket itself is 0600; besides, every peer's uid is checked
//! when it connects. A socket left by a killed daemon is taken over: whoever calls [`bind`] holds the instance lock.
//!
//! What this module does not do: speak HTTP.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::serve::Listener;
use tokio::net::{UnixListener, UnixStream};

use crate::domain::telling::Recurring;

/// The bound socket. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    refused: Recurring,
    failed: Recurring,
}

/// Whoever knocks without end is told of this often.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Bind the control socket, taking over a stale one. The caller holds the instance lock, so no live daemon of this home
/// can be behind it; and it has made the directory, for this user alone.
///
/// # Errors
/// When the socket cannot be made, or somebody answers at it: the daemon of another home that shares the directory.
pub fn bind(path: &Path) -> io::Result<Socket> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        let message =
            "the daemon of another home answers there; give each home a runtime directory of its own";
        return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let (refused, failed) = (Recurring::new(TELL_EVERY), Recurring::new(TELL_EVERY));
    Ok(Socket { listener, path: path.to_owned(), refused, failed })
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Listener for Socket {
    type Io = UnixStream;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) if is_same_user(&stream) => return (stream, ()),
                Ok(_) => {
                    if let Some(times) = self.refused.happens(Instant::now()) {
                        tracing::warn!(times, "refused a connection of another user to the control socket");
                    }
                }
                Err(error) => {
                    if let Some(times) = self.failed.happens(Instant::now()) {
                        tracing::warn!(%error, times, "failed to accept on the control socket");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await; // out of descriptors: let some go
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(())
    }
}

fn is_same_user(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own)
}
