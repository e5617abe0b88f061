//! A client of the control socket.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::home::Home;
use crate::interop::http::{Response, exchange};

/// Longest an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Requests to the daemon of one home.
pub(crate) struct Web {
    socket: PathBuf,
}

/// An answer, parsed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Web {
    pub(crate) fn of(home: &Home) -> Self {
        Self { socket: home.path().join("run/skillmeatd/control.sock") }
    }

    /// Any request.
    pub(crate) fn send(&self, method: &str, target: &str, body: Option<&str>) -> Answer {
        self.request(method, target, body, "localhost")
    }

    /// Any request under a condition.
    #[allow(dead_code, reason = "the comparison in benches/ only reads")]
    pub(crate) fn send_if(&self, method: &str, target: &str, body: Option<&str>, if_match: &str) -> Answer {
        // The host is the last header that is not fixed, so another one can follow it.
        self.request(method, target, body, &format!("localhost\r\nif-match: {if_match}"))
    }

    /// A request whose answer may never come.
    #[allow(dead_code, reason = "as above")]
    pub(crate) fn try_send(&self, method: &str, target: &str, body: Option<&str>) -> io::Result<u16> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        exchange(stream, "localhost", method, target, body).map(|response| response.status)
    }

    fn request(&self, method: &str, target: &str, body: Option<&str>, host: &str) -> Answer {
        let stream = UnixStream::connect(&self.socket).expect("the control socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let Response { status, head, body } =
            exchange(stream, host, method, target, body).unwrap_or_else(|e| panic!("{method} {target}: {e}"));
        let body = serde_json::from_slice(&body)
            .unwrap_or_else(|e| panic!("{method} {target}: {e}\n{}", String::from_utf8_lossy(&body)));
        Answer { status, head, body }
    }

    /// A `GET` that has to succeed.
    pub(crate) fn get(&self, target: &str) -> Value {
        let answer = self.send("GET", target, None);
        assert_eq!(answer.status, 200, "GET {target}: {answer:?}");
        answer.body
    }

    /// A `POST` that has to succeed.
    pub(crate) fn post(&self, target: &str, body: Option<&str>) -> Value {
        let answer = self.send("POST", target, body);
        assert_eq!(answer.status, 200, "POST {target}: {answer:?}");
        answer.body
    }

    /// A request that has to be refused with `status`, as a problem (RFC 9457).
    #[track_caller]
    pub(crate) fn refused(&self, method: &str, target: &str, body: Option<&str>, status: u16) -> Answer {
        let answer = self.send(method, target, body);
        assert_eq!(answer.status, status, "{method} {target} {body:?}: {answer:?}");
        assert!(answer.head.contains("application/problem+json"), "{answer:?}");
        assert_eq!(answer.body["status"], status, "{answer:?}");
        for key in ["title", "detail"] {
            assert!(answer.body[key].as_str().is_some_and(|text| !text.is_empty()), "{answer:?}");
        }
        answer
    }
}
