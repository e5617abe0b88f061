//! As much of an HTTP/1.1 client as these tests need: one request per connection, whole bodies, no TLS.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The status line and the headers, as sent.
    #[allow(dead_code, reason = "the comparison in benches/ looks at bodies alone")]
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Sends one request and reads the answer. `limit` holds for connecting and for each read.
pub(crate) fn request(
    server: SocketAddr,
    method: &str,
    target: &str,
    body: Option<&str>,
    limit: Duration,
) -> io::Result<Response> {
    let stream = TcpStream::connect_timeout(&server, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    exchange(stream, &server.to_string(), method, target, body)
}

/// Sends one request over `stream`, which is used up, and reads the answer.
pub(crate) fn exchange(
    mut stream: impl Read + Write,
    host: &str,
    method: &str,
    target: &str,
    body: Option<&str>,
) -> io::Result<Response> {
    let body = body.unwrap_or_default();
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    if !body.is_empty() {
        head.push_str("content-type: application/json\r\n");
    }
    let _ = write!(head, "content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer"))
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |name: &str| {
        lines
            .clone()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    let body = &answer[end + 4..];
    let body = if header("transfer-encoding").is_some_and(|e| e.eq_ignore_ascii_case("chunked")) {
        unchunk(body)?
    } else if let Some(length) = header("content-length") {
        body.get(..length.parse().ok()?)?.to_vec()
    } else {
        body.to_vec()
    };
    Some(Response { status, head: head.to_owned(), body })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 2 + size + 2..)?;
    }
}

/// `text` as one path segment or query value.
pub(crate) fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[test]
fn answers_are_read_in_both_framings() {
    let plain = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}rest").expect("an answer");
    assert_eq!((plain.status, plain.body.as_slice()), (200, b"{}".as_slice()));
    let chunked =
        parse(b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n");
    let chunked = chunked.expect("an answer");
    assert_eq!((chunked.status, chunked.body.as_slice()), (404, b"abcd".as_slice()));
    assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort").is_none());
    assert_eq!(escape("skill:a b/ü"), "skill:a%20b%2F%C3%BC");
}
