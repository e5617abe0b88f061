//! The command line's side of the control socket.
//!
//! What this module does not do: start a daemon. When none answers, it says so.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::http::response::Parts;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::protocol::artifact::{Artifact, Create};
use super::protocol::review::{Conflicts, History, Pick, Resolve, Resolved, Restored, VersionText};
use super::protocol::{Probed, Problems, Refusal, Resumed, Stale, Status, SyncRequest, Synced};
use super::protocol::{SERVER, VERSION, VERSION_HEADER, titles};
use super::server::Resume;
use crate::domain::authoring::Fields;

/// How long the daemon has to answer.
const PATIENCE: Duration = Duration::from_secs(70);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody serves this home.
    #[error("no daemon is running for this home (nobody answers at {0})")]
    NotRunning(PathBuf),
    /// The daemon does not want to, and says why.
    #[error("{}", .0.detail)]
    Refused(Refusal),
    /// The daemon is of a version that answers otherwise.
    #[error(
        "the daemon that answers at {path} is {daemon}, and this is {SERVER}; restart it (it was updated while it ran?)"
    )]
    OtherVersion {
        /// The socket.
        path: PathBuf,
        /// Its name and version.
        daemon: String,
    },
    /// Somebody answers, but not as expected.
    #[error("the daemon at {path} gave no usable answer: {reason}")]
    Confused {
        /// The socket.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
}

/// Talks to the daemon behind one socket; a connection a question.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon behind `socket`. Nothing is connected yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// The socket's path.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// How the daemon is.
    ///
    /// # Errors
    /// See [`ClientError`]; so for the others.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.call(Method::GET, "/v1/status", Vec::new()).await
    }

    /// What is wrong, item by item.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn problems(&self) -> Result<Problems, ClientError> {
        self.call(Method::GET, "/v1/problems", Vec::new()).await
    }

    /// Wait until everything that happened before is applied.
    ///
    /// # Errors
    /// See [`ClientError`]; when it takes longer than the request allows, [`ClientError::Refused`] with status 504.
    pub async fn sync(&self, request: &SyncRequest) -> Result<Synced, ClientError> {
        let body = serde_json::to_vec(request).map_err(|error| self.confused(error))?;
        let patience = PATIENCE + Duration::from_millis(request.timeout_ms.unwrap_or(0));
        self.call_for(patience, Method::POST, "/v1/sync", body, None).await
    }

    /// Whether the daemon's file watcher answers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn probe(&self) -> Result<Probed, ClientError> {
        self.call(Method::POST, "/v1/probe", Vec::new()).await
    }

    /// Rows that nobody has verified for a while; of one DB collection, or of all.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn stale(&self, collection: Option<&str>) -> Result<Stale, ClientError> {
        let path = match collection {
            Some(collection) => format!("/v1/stale?collection={}", escape(collection)),
            None => "/v1/stale".to_owned(),
        };
        self.call(Method::GET, &path, Vec::new()).await
    }

    /// An artifact as its files have it.
    ///
    /// # Errors
    /// See [`ClientError`]; so for the three below.
    pub async fn artifact(&self, id: &str, collection: Option<&str>) -> Result<Artifact, ClientError> {
        self.call(Method::GET, &artifact_path(id, "/metadata", collection), Vec::new()).await
    }

    /// Set fields of an artifact.
    ///
    /// # Errors
    /// As above.
    pub async fn edit(
        &self,
        id: &str,
        collection: Option<&str>,
        fields: &Fields,
        if_match: Option<&str>,
    ) -> Result<Artifact, ClientError> {
        let body = serde_json::to_vec(fields).map_err(|error| self.confused(error))?;
        self.call_for(PATIENCE, Method::PUT, &artifact_path(id, "/metadata", collection), body, if_match)
            .await
    }

    /// Make an artifact.
    ///
    /// # Errors
    /// As above.
    pub async fn create(&self, create: &Create) -> Result<Artifact, ClientError> {
        let body = serde_json::to_vec(create).map_err(|error| self.confused(error))?;
        self.call(Method::POST, "/api/v1/artifacts", body).await
    }

    /// Remove an artifact with its files.
    ///
    /// # Errors
    /// As above.
    pub async fn remove(
        &self,
        id: &str,
        collection: Option<&str>,
        if_match: Option<&str>,
    ) -> Result<Artifact, ClientError> {
        self.call_for(PATIENCE, Method::DELETE, &artifact_path(id, "", collection), Vec::new(), if_match)
            .await
    }

    /// Let the removals of a halted collection happen.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn resume(&self, collection: &str) -> Result<Resumed, ClientError> {
        let body = serde_json::to_vec(&Resume { collection: collection.to_owned() });
        let body = body.map_err(|error| self.confused(error))?;
        self.call(Method::POST, "/v1/resume", body).await
    }

    /// What waits for a person's decision.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn conflicts(&self) -> Result<Conflicts, ClientError> {
        self.call(Method::GET, "/v1/conflicts", Vec::new()).await
    }

    /// Decide conflicts.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn resolve(&self, resolve: &Resolve) -> Result<Resolved, ClientError> {
        self.call(Method::POST, "/v1/conflicts/resolve", self.body(resolve)?).await
    }

    /// The previous texts of manifests: of one collection, or of all.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn history(&self, collection: Option<&str>) -> Result<History, ClientError> {
        let query = collection.map(|name| format!("?collection={}", escape(name))).unwrap_or_default();
        self.call(Method::GET, &format!("/v1/history{query}"), Vec::new()).await
    }

    /// One previous text.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn show(&self, pick: &Pick) -> Result<VersionText, ClientError> {
        let (collection, version) = (escape(&pick.collection), escape(&pick.version));
        let path = format!("/v1/history/show?collection={collection}&version={version}");
        self.call(Method::GET, &path, Vec::new()).await
    }

    /// Put a previous text back in place.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn restore(&self, pick: &Pick) -> Result<Restored, ClientError> {
        self.call(Method::POST, "/v1/history/restore", self.body(pick)?).await
    }

    fn body(&self, body: &impl serde::Serialize) -> Result<Vec<u8>, ClientError> {
        serde_json::to_vec(body).map_err(|error| self.confused(error))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, ClientError> {
        self.call_for(PATIENCE, method, path, body, None).await
    }

    /// Waits for so long, under a condition (RFC 9110, 13.1.1) if there is one.
    async fn call_for<T: DeserializeOwned>(
        &self,
        patience: Duration,
        method: Method,
        path: &str,
        body: Vec<u8>,
        if_match: Option<&str>,
    ) -> Result<T, ClientError> {
        match tokio::time::timeout(patience, self.exchange(method, path, body, if_match)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.confused(format!("none came within {} s", patience.as_secs()))),
        }
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        if_match: Option<&str>,
    ) -> Result<T, ClientError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NotRunning(self.socket.clone())
            }
            _ => self.confused(error),
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| self.confused(e))?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "skillmeatd")
            .header("user-agent", SERVER)
            .header("content-type", "application/json");
        if let Some(etag) = if_match {
            request = request.header("if-match", etag);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| self.confused(error))?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            Ok::<_, hyper::Error>((head, body.collect().await?.to_bytes()))
        };
        tokio::pin!(answer);
        tokio::pin!(connection);
        let (head, bytes) = tokio::select! {
            answer = &mut answer => answer,
            // The connection may end with the answer already in hand.
            ended = &mut connection => match ended {
                Ok(()) => answer.await,
                Err(error) => Err(error),
            },
        }
        .map_err(|error| self.confused(error))?;
        let understood = if head.status.is_success() {
            serde_json::from_slice(&bytes).map_err(|error| self.confused(error))
        } else {
            let refusal = serde_json::from_slice(&bytes);
            refusal
                .map_or_else(|error| Err(self.confused(error)), |refusal| Err(ClientError::Refused(refusal)))
        };
        self.of_this_version(&head, understood)
    }

    /// What another version says is worth something if it is of the same protocol and can be understood; a path that it
    /// does not have, or a body that either side cannot read, is the other version's doing.
    fn of_this_version<T>(&self, head: &Parts, understood: Result<T, ClientError>) -> Result<T, ClientError> {
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let daemon = header("server").unwrap_or("of a version before 0.1.0");
        let other_protocol = header(VERSION_HEADER) != Some(&VERSION.to_string());
        let failed = match &understood {
            Ok(_) => false,
            Err(ClientError::Refused(refusal)) => {
                matches!(refusal.title.as_str(), titles::UNKNOWN | titles::BODY)
            }
            Err(_) => true,
        };
        if other_protocol || (failed && daemon != SERVER) {
            return Err(ClientError::OtherVersion { path: self.socket.clone(), daemon: daemon.to_owned() });
        }
        understood
    }

    fn confused(&self, reason: impl ToString) -> ClientError {
        ClientError::Confused { path: self.socket.clone(), reason: reason.to_string() }
    }
}

fn artifact_path(id: &str, tail: &str, collection: Option<&str>) -> String {
    let query = collection.map(|name| format!("?collection={}", escape(name))).unwrap_or_default();
    format!("/api/v1/artifacts/{}{tail}{query}", escape(id))
}

/// A text as part of a URI's query (RFC 3986, 2.1).
fn escape(text: &str) -> String {
    use std::fmt::Write as _;

    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
