//! The JSON API, a file per part of the business.

mod account;
mod export;
mod orders;
mod payments;
mod products;
mod stream;
mod tokens;
mod users;

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chassis::Failure;
use serde_json::{Value, json};

use crate::Shop;

pub(crate) fn routes() -> Router<Shop> {
    Router::new()
        .route("/health", get(|| async { Json(json!({ "status": "ok", "service": "legacy-monolith" })) }))
        .route("/users", get(users::list).post(users::create))
        .route("/users/me", get(users::me))
        .route("/users/{id}", get(users::show))
        .route("/products", get(products::list))
        .route("/products/search", post(products::search))
        .route("/products/{id}", get(products::show))
        .route("/orders", get(orders::list).post(orders::create))
        .route("/orders/mine", get(orders::mine))
        .route("/orders/{id}", get(orders::show))
        .route("/payments", post(payments::create))
        .route("/payments/{id}", get(payments::show))
        .route("/payments/{id}/receipt", get(payments::receipt))
        .route("/payments/{id}/receipt.txt", get(payments::receipt_text))
        .route("/tokens", post(tokens::create))
        .route("/account", get(account::show))
        .route("/events", get(stream::events))
        .route("/legacy/export.csv", get(export::orders))
        .method_not_allowed_fallback(|| async {
            Failure::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this path takes other methods",
            )
        })
}

/// A list's answer: the body, and `X-Total-Count` for clients that only want the number.
fn listed(total: i64, body: Value) -> Response {
    let mut answer = Json(body).into_response();
    answer.headers_mut().insert("x-total-count", HeaderValue::from(total));
    answer
}
