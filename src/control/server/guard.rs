//! Who may ask over TCP: whoever knows the token, and no web page.
//!
//! Any program of the machine can connect to a loopback port, and so can a page in a browser. A page is told by its
//! `Origin`, or by a `Host` that is a name of its own which it had resolved to the loopback address (DNS rebinding).
//!
//! What this module does not do: guard the Unix socket. There the kernel tells who is asking.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::answer::refuse;
use crate::control::protocol::Refusal;
use crate::control::token::Token;

/// Names of this machine that no name server has a say in.
const NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Pass on what may be asked, refuse the rest.
pub(super) async fn guard(State(token): State<Arc<Token>>, request: Request, next: Next) -> Response {
    match check(request.headers(), &token) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let challenge = refusal.status == 401;
            let mut response = refuse(refusal);
            if challenge {
                let realm = HeaderValue::from_static("Bearer realm=\"skillmeatd\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
            }
            response
        }
    }
}

fn check(headers: &HeaderMap, token: &Token) -> Result<(), Refusal> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if !text(header::HOST).is_some_and(is_local) {
        return Err(Refusal::new(421, "not this host", "ask 127.0.0.1, [::1] or localhost by that name"));
    }
    if let Some(origin) = text(header::ORIGIN)
        && !origin.strip_prefix("http://").is_some_and(is_local)
    {
        return Err(Refusal::new(403, "not from a web page", format!("pages of {origin} may not ask")));
    }
    match text(header::AUTHORIZATION).and_then(offered) {
        Some(offered) if token.is(&offered) => Ok(()),
        _ => Err(Refusal::new(
            401,
            "token needed",
            "send the content of the file http-token of the state directory as `Authorization: Bearer …`, or as the \
             password of `http://skillmeatd:…@127.0.0.1`",
        )),
    }
}

/// Whether `HOST[:PORT]` is a name of this machine.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    NAMES.iter().any(|local| name.eq_ignore_ascii_case(local))
}

/// The token that a request brings: as a bearer token (RFC 6750), or as the password of basic authentication
/// (RFC 7617), which is what a URL with a password in it becomes.
fn offered(authorization: &str) -> Option<String> {
    let (scheme, rest) = authorization.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64_STANDARD.decode(rest.trim()).ok()?).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &str)]) -> Result<(), u16> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let token = Token::of_file(&path).unwrap();
        let secret = std::fs::read_to_string(path).unwrap();
        let basic = BASE64_STANDARD.encode(format!("any:{secret}"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = value.replace("TOKEN", &secret).replace("BASIC", &basic);
            map.append(*name, value.parse().unwrap());
        }
        check(&map, &token).map_err(|refusal| refusal.status)
    }

    #[test]
    fn the_token_opens_and_nothing_else_does() {
        let host = ("host", "127.0.0.1:9");
        assert_eq!(asked(&[host, ("authorization", "Bearer TOKEN")]), Ok(()));
        assert_eq!(asked(&[host, ("authorization", "bearer TOKEN")]), Ok(()));
        assert_eq!(asked(&[host, ("authorization", "Basic BASIC")]), Ok(()));
        for wrong in
            ["", "TOKEN", "Bearer", "Bearer x", "Bearer TOKENx", "Basic TOKEN", "Basic !", "Digest TOKEN"]
        {
            assert_eq!(asked(&[host, ("authorization", wrong)]), Err(401), "{wrong}");
        }
        assert_eq!(asked(&[host]), Err(401));
    }

    #[test]
    fn web_pages_are_kept_out_even_with_the_token() {
        let token = ("authorization", "Bearer TOKEN");
        for (host, expected) in [
            ("localhost", Ok(())),
            ("LOCALHOST:80", Ok(())),
            ("[::1]:9", Ok(())),
            ("evil.example", Err(421)),
            ("127.0.0.1.evil.example:80", Err(421)),
            ("localhost:80.evil.example", Err(421)),
            ("", Err(421)),
        ] {
            assert_eq!(asked(&[("host", host), token]), expected, "{host}");
        }
        assert_eq!(asked(&[token]), Err(421), "without a host");
        for (origin, expected) in [
            ("http://localhost:3000", Ok(())),
            ("https://evil.example", Err(403)),
            ("null", Err(403)),
            ("http://localhost.evil.example", Err(403)),
        ] {
            assert_eq!(asked(&[("host", "localhost"), ("origin", origin), token]), expected, "{origin}");
        }
    }
}
