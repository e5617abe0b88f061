//! From a request's body to a value, and from a value or a refusal to a response (RFC 9457 for refusals).
//!
//! What this module does not do: know any path.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::control::protocol::{Refusal, VERSION, titles};

/// Longest request body, in bytes.
pub(in crate::control) const BODY_MAX: usize = 1 << 20;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body, as JSON of this shape.
///
/// # Errors
/// With 413 when it is too large, 408 when it is too slow, 415 when it says that it is no JSON, and 422 when it is not
/// understood.
pub(in crate::control) async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    let headers = request.headers().clone();
    parse(&headers, &bytes(request).await?)
}

/// As [`read`], but no body at all is the default.
///
/// # Errors
/// As [`read`].
pub(in crate::control) async fn read_or_default<T: DeserializeOwned + Default>(
    request: Request,
) -> Result<T, Refusal> {
    let headers = request.headers().clone();
    let bytes = bytes(request).await?;
    if bytes.is_empty() { Ok(T::default()) } else { parse(&headers, &bytes) }
}

/// The body, whatever it is. Also for whoever has no use for it: nothing is done for a request that has not come whole.
///
/// # Errors
/// With 413 when it is too large, and 408 when it is too slow.
pub(in crate::control) async fn bytes(request: Request) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::new(413, "request too large", format!("a body has at most {BODY_MAX} bytes"));
    if hyper::body::Body::size_hint(request.body()).lower() > BODY_MAX as u64 {
        return Err(too_large()); // announced: there is no need to wait for it
    }
    let body = tokio::time::timeout(PATIENCE, axum::body::to_bytes(request.into_body(), BODY_MAX));
    body.await
        .map_err(|_| Refusal::new(408, "request too slow", "the body did not arrive in time"))?
        .map_err(|_| too_large())
}

/// Whether the body may be JSON by what its headers say (RFC 9110, 15.5.16). Without a word it may; and so it may when a
/// form is announced, which is what curl does with any `-d`.
fn check_media(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default().to_ascii_lowercase());
    let refused = |what: &str| Err(Refusal::new(415, "not taken", format!("{what}; send application/json")));
    if let Some(coding) = value(header::CONTENT_ENCODING).filter(|coding| coding != "identity") {
        return refused(&format!("a body is not decoded here, and this one is {coding:?}"));
    }
    let Some(media) = value(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = media.split(';').next().unwrap_or_default().trim();
    match essence {
        "application/json" | "application/x-www-form-urlencoded" => Ok(()),
        essence if essence.starts_with("application/") && essence.ends_with("+json") => Ok(()),
        _ => refused(&format!("the body says that it is {media:?}")),
    }
}

fn parse<T: DeserializeOwned>(headers: &HeaderMap, bytes: &Bytes) -> Result<T, Refusal> {
    if !bytes.is_empty() {
        check_media(headers)?;
    }
    // A list would do for a structure whose fields may all be left out.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Refusal::new(422, titles::BODY, "a JSON object is expected"));
    }
    serde_json::from_slice(bytes).map_err(|error| Refusal::new(422, titles::BODY, error.to_string()))
}

/// There is nothing at this path.
pub(in crate::control) async fn unknown() -> Response {
    refuse(Refusal::new(404, titles::UNKNOWN, format!("this daemon serves /v{VERSION}/status and others")))
}

/// There is something at this path, but not for this method.
pub(in crate::control) async fn not_allowed() -> Response {
    refuse(Refusal::new(405, "method not allowed", "read with GET, act with POST"))
}

/// The response that says this.
pub(in crate::control) fn answer<T: Serialize>(answer: Result<T, Refusal>) -> Response {
    match answer {
        Ok(body) => Json(body).into_response(),
        Err(refusal) => refuse(refusal),
    }
}

/// The response that refuses.
pub(in crate::control) fn refuse(refusal: Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(refusal)).into_response();
    let problem = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, problem);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        // What is missing is looked for all the time.
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
