//! The description of every path (OpenAPI 3.1), kept by hand beside the server; tests hold it to the routes there are and
//! to what they answer.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::Desk;

/// See the module's text.
const DOCUMENT: &str = include_str!("../openapi.json");

pub(super) fn routes() -> Router<Desk> {
    Router::new().route("/v1/openapi.json", get(document))
}

async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
