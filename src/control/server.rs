//! The daemon's side of the control socket.
//!
//! The socket's directory is private to the user and the socket itself is 0600; besides, every peer's uid is checked
//! when it connects. A socket left by a killed daemon is taken over: whoever calls [`bind`] holds the instance lock.
//!
//! What this module does not do: answer. It asks the daemon, through a channel, and passes the answer on.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use axum::{Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::Ask;
use super::protocol::{Refusal, VERSION};

/// Longest request body, in bytes.
const BODY_MAX: usize = 1 << 20;
/// How long a request may take to arrive and the daemon to answer it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bound socket. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

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
    Ok(Socket { listener, path: path.to_owned() })
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
                Ok(_) => tracing::warn!("refused a connection of another user to the control socket"),
                Err(error) => {
                    tracing::warn!(%error, "failed to accept on the control socket");
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

/// Serve until the task is dropped. Questions go to `asks`.
///
/// # Errors
/// Never in practice: accepting retries by itself.
pub async fn serve(socket: Socket, asks: mpsc::UnboundedSender<Ask>) -> io::Result<()> {
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/problems", get(problems))
        .route("/v1/sync", post(sync))
        .route("/v1/resume", post(resume))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .with_state(Asks(asks.clone()))
        .merge(super::api::router(asks));
    axum::serve(socket, router).await
}

#[derive(Clone)]
struct Asks(mpsc::UnboundedSender<Ask>);

impl Asks {
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Refusal> {
        let (sender, answer) = oneshot::channel();
        let stopping = || Refusal::new(503, "stopping", "the daemon is stopping; try again when it is back");
        self.0.send(question(sender)).map_err(|_| stopping())?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer.map_err(|_| stopping()),
            Err(_) => Err(Refusal::new(
                504,
                "no answer in time",
                "the daemon is busy; see its log for what it is at",
            )),
        }
    }
}

async fn status(State(asks): State<Asks>) -> Response {
    answer(asks.ask(Ask::Status).await)
}

async fn problems(State(asks): State<Asks>) -> Response {
    answer(asks.ask(Ask::Problems).await)
}

async fn sync(State(asks): State<Asks>) -> Response {
    answer(asks.ask(Ask::Sync).await.flatten())
}

/// The body of `POST /v1/resume`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resume {
    pub(super) collection: String,
}

async fn resume(State(asks): State<Asks>, request: Request) -> Response {
    let body: Resume = match read(request).await {
        Ok(body) => body,
        Err(refusal) => return answer::<()>(Err(refusal)),
    };
    let resumed = asks.ask(|answer| Ask::Resume { collection: body.collection, answer }).await;
    answer(resumed.flatten())
}

async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    let too_large = || Refusal::new(413, "request too large", format!("a body has at most {BODY_MAX} bytes"));
    if hyper::body::Body::size_hint(request.body()).lower() > BODY_MAX as u64 {
        return Err(too_large()); // announced: there is no need to wait for it
    }
    let body = tokio::time::timeout(PATIENCE, axum::body::to_bytes(request.into_body(), BODY_MAX));
    let bytes = body
        .await
        .map_err(|_| Refusal::new(408, "request too slow", "the body did not arrive in time"))?
        .map_err(|_| {
            Refusal::new(413, "request too large", format!("a body has at most {BODY_MAX} bytes"))
        })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::new(422, "body not understood", error.to_string()))
}

async fn unknown() -> Response {
    answer::<()>(Err(Refusal::new(
        404,
        "no such path",
        format!("this daemon serves /v{VERSION}/status, …/problems, …/sync and …/resume"),
    )))
}

async fn not_allowed() -> Response {
    answer::<()>(Err(Refusal::new(405, "method not allowed", "read with GET, act with POST")))
}

fn answer<T: Serialize>(answer: Result<T, Refusal>) -> Response {
    match answer {
        Ok(body) => Json(body).into_response(),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = (status, Json(refusal)).into_response();
            let problem = HeaderValue::from_static("application/problem+json");
            response.headers_mut().insert(header::CONTENT_TYPE, problem);
            response
        }
    }
}

#[cfg(test)]
mod tests;
