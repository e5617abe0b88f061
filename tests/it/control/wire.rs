//! A connection to the control socket that is kept open, and as much of HTTP/1.1 as that needs.
//!
//! What this module does not do: use any of the daemon's own client.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::home::Home;

/// How long an answer may take: longer than the daemon lets anybody wait.
const LIMIT: Duration = Duration::from_secs(120);

/// The control socket of a home.
pub(crate) fn socket(home: &Home) -> PathBuf {
    home.path().join("run/skillmeatd/control.sock")
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body, as JSON.
    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {}\n{text}", self.head))
    }

    /// The JSON of an answer that is no refusal.
    pub(crate) fn done(&self) -> Value {
        assert_eq!(self.status, 200, "{}\n{}", self.head, String::from_utf8_lossy(&self.body));
        self.json()
    }
}

/// One connection, one request after the other.
pub(crate) struct Wire<S> {
    stream: BufReader<S>,
    /// Sent with every request, whole lines.
    pub(crate) headers: String,
}

impl Wire<UnixStream> {
    pub(crate) fn open(home: &Home) -> Self {
        Self::connect(home).expect("a connection to the control socket")
    }

    pub(crate) fn connect(home: &Home) -> io::Result<Self> {
        let stream = UnixStream::connect(socket(home))?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Self::over(stream))
    }
}

impl Wire<TcpStream> {
    /// A connection to the port, with these header lines in every request.
    pub(crate) fn tcp(address: &str, headers: &str) -> Self {
        let stream = TcpStream::connect(address).expect("a connection to the port");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        let mut wire = Self::over(stream);
        wire.headers = headers.replace('\n', "\r\n");
        wire
    }
}

impl<S: Read + Write> Wire<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream: BufReader::new(stream), headers: "host: skillmeatd\r\n".to_owned() }
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path, "").expect("an answer")
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Answer {
        self.request("POST", path, body).expect("an answer")
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        self.ask(method, path, body)?;
        self.answer()
    }

    /// The answer to what was asked, whole.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let (status, head) = self.head()?;
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, length)| length.trim().parse().ok())
            .ok_or_else(|| io::Error::other(format!("no length: {head}")))?;
        Ok(Answer { status, head, body: self.bytes(length) })
    }

    /// This many bytes.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).expect("the announced length");
        bytes
    }

    /// Sends a request and reads nothing.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.headers,
            body.len()
        );
        self.send(&(head + body))
    }

    /// Sends these bytes, whatever they are.
    pub(crate) fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    /// Status code and head of the next answer.
    pub(crate) fn head(&mut self) -> io::Result<(u16, String)> {
        let mut head = String::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            head.push_str(&line);
            head.push('\n');
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.ok_or_else(|| io::Error::other(format!("no status: {head}")))?, head))
    }

    /// Everything until the other side closes.
    pub(crate) fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = self.stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The next line, without its end.
    pub(crate) fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}
