//! Answers and refusals as HTTP has them, and parameters as text has them.

use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::protocol::Refusal;
use super::super::server::answer;

/// The JSON of an answer, or the problem.
pub(super) fn reply<T: Serialize>(answer: Result<T, Refusal>) -> Response {
    match answer {
        Ok(body) => Json(body).into_response(),
        Err(refusal) => refuse(&refusal, None),
    }
}

/// A problem (RFC 9457), with the time after which asking again makes sense.
pub(super) fn refuse(refusal: &Refusal, retry_after: Option<Duration>) -> Response {
    let mut response = answer::refuse(refusal.clone());
    let headers = response.headers_mut();
    if let Some(wait) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_millis().div_ceil(1000).max(1) as u64));
    }
    response
}

/// What the query of an address says.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refusal> {
    axum::extract::Query::try_from_uri(uri)
        .map(|axum::extract::Query(query)| query)
        .map_err(|rejection| invalid(&rejection.body_text()))
}

/// The one parameter of a path.
pub(super) fn segment(path: Result<Path<String>, PathRejection>) -> Result<String, Refusal> {
    path.map(|Path(segment)| segment).map_err(|rejection| invalid(&rejection.body_text()))
}

/// A value that is not what it should be.
pub(super) fn invalid(why: &str) -> Refusal {
    Refusal::new(422, "not understood", why)
}

/// `true` as FastAPI takes it from a query.
pub(super) fn truth(name: &str, text: Option<&str>) -> Result<bool, Refusal> {
    match text.map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "0" | "no" | "off" | "n" | "f") => Ok(false),
        Some("true" | "1" | "yes" | "on" | "y" | "t") => Ok(true),
        Some(other) => Err(invalid(&format!("{name} must be true or false, not {other:?}"))),
    }
}

/// A page's length, from 1 to 100.
pub(super) fn page_length(limit: Option<i64>, default: usize) -> Result<usize, Refusal> {
    match limit {
        None => Ok(default),
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=100).contains(limit))
            .ok_or_else(|| invalid(&format!("limit must be from 1 to 100, not {limit}"))),
    }
}
