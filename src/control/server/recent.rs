//! What has happened lately: events as they come, numbers, the flight recorder. Answered without asking the daemon's loop,
//! but for the age of rows among the numbers, which are told without it if it does not answer.
//!
//! What this module does not do: keep any of it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Extension, Query, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use serde::Deserialize;

use super::answer::{answer, refuse};
use super::asks::Asks;
use crate::control::api::{Call, StaleQuery};
use crate::control::events::Events;
use crate::control::metrics;
use crate::control::protocol::{Event, Refusal};
use crate::control::{Ask, Recent};

/// How often a reader of events that gets none is told that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long the numbers wait for the age of rows; a scraper waits ten seconds.
const AGES: Duration = Duration::from_secs(2);

pub(super) fn routes(recent: &Recent) -> Router<Asks> {
    Router::new()
        .route("/v1/events", get(events))
        .route("/v1/trace", get(trace))
        .with_state(recent.clone())
        .merge(Router::new().route("/v1/metrics", get(numbers)).layer(Extension(recent.metrics.clone())))
}

/// Counts a request and the time until its answer began.
pub(super) async fn count(State(recent): State<Recent>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let response = next.run(request).await;
    recent.metrics.request.observe(began.elapsed().as_secs_f64());
    let status = response.status().as_u16();
    recent.metrics.requests.get_or_create(&metrics::Response { status }).inc();
    response
}

async fn numbers(State(asks): State<Asks>, Extension(metrics): Extension<metrics::Metrics>) -> Response {
    let question = |answer| Ask::Api(Call::Stale(StaleQuery::default(), answer));
    let staleness = asks.ask_for(AGES, question).await.flatten();
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        metrics.text(staleness.ok().as_ref()),
    )
        .into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    last: Option<usize>,
}

async fn trace(State(recent): State<Recent>, query: Result<Query<Last>, QueryRejection>) -> Response {
    match query {
        Ok(Query(Last { last })) => answer(Ok(recent.trace.last(last.unwrap_or(usize::MAX)))),
        Err(error) => refuse(not_understood(&error)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    since: Option<String>,
}

type QueryRejection = axum::extract::rejection::QueryRejection;

fn not_understood(error: &QueryRejection) -> Refusal {
    Refusal::new(422, "query not understood", error.body_text())
}

/// Server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>). A reader that comes back after
/// a break says what it saw last, in `since` or, as browsers do by themselves, in `Last-Event-ID`.
async fn events(
    State(recent): State<Recent>,
    headers: HeaderMap,
    query: Result<Query<Since>, QueryRejection>,
) -> Response {
    let since = match query {
        Ok(Query(Since { since })) => since,
        Err(error) => return refuse(not_understood(&error)),
    };
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let since = header.map(ToOwned::to_owned).or(since).unwrap_or_else(|| recent.events.last());
    if let Err(error) = recent.events.after(&since) {
        return refuse(Refusal::new(422, "query not understood", error.to_string()));
    }
    Sse::new(frames(recent.events, since)).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response()
}

fn frames(events: Events, since: String) -> impl Stream<Item = Result<Frame, Infallible>> {
    let changes = events.subscribe();
    let start = (events, changes, since, VecDeque::<Event>::new());
    stream::unfold(start, async |(events, mut changes, mut since, mut ready)| {
        loop {
            if let Some(event) = ready.pop_front() {
                return Some((Ok(frame(&event)), (events, changes, since, ready)));
            }
            changes.borrow_and_update(); // first, so that what comes from here on is a change
            let (news, last) = events.after(&since).ok()?;
            (ready, since) = (news.into(), last);
            if ready.is_empty() && (events.have_ended() || changes.changed().await.is_err()) {
                return None;
            }
        }
    })
}

fn frame(event: &Event) -> Frame {
    // JSON has no line breaks of its own, and neither has an id.
    let data = serde_json::to_string(event).unwrap_or_default();
    Frame::default().id(&event.id).event(event.what.kind()).data(data)
}
