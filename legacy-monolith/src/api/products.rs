//! `/products`

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chassis::Failure;
use chassis::request::{Id, JsonBody, Page, QueryOf};
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::json;

use crate::Shop;
use crate::api::listed;
use crate::store::catalogue::{self, Filter, Product};

/// `?category=kitchen`
#[derive(Debug, Deserialize)]
pub(super) struct Narrow {
    category: Option<String>,
}

pub(super) async fn list(
    State(shop): State<Shop>,
    QueryOf(page): QueryOf<Page>,
    QueryOf(narrow): QueryOf<Narrow>,
) -> Result<Response, Failure> {
    let fixed = shop.fixed_generated_at;
    let filter = Filter { category: narrow.category, ..Filter::default() };
    let (products, total, generated_at) = shop
        .database
        .call(move |c| {
            let (products, total) = catalogue::list(c, &filter, page.limit(), page.offset())?;
            Ok((products, total, generated_at(c, fixed)?))
        })
        .await?;
    Ok(listed(total, json!({ "items": products, "total": total, "generated_at": generated_at })))
}

/// When an answer was put together: to the millisecond, so it differs from call to call.
fn generated_at(connection: &Connection, fixed: bool) -> Result<String, Failure> {
    if fixed {
        return Ok("2026-01-01T00:00:00.000Z".to_owned());
    }
    Ok(connection.query_row("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')", [], |row| row.get(0))?)
}

pub(super) async fn show(State(shop): State<Shop>, Id(id): Id) -> Result<Json<Product>, Failure> {
    shop.database.call(move |c| catalogue::get(c, id)).await.map(Json)
}

#[derive(Debug, Deserialize)]
pub(super) struct Search {
    query: Option<String>,
    category: Option<String>,
    max_price: Option<f64>,
}

pub(super) async fn search(
    State(shop): State<Shop>,
    JsonBody(wanted): JsonBody<Search>,
) -> Result<Response, Failure> {
    let filter = Filter { text: wanted.query, category: wanted.category, max_price: wanted.max_price };
    let (products, total) = shop.database.call(move |c| catalogue::list(c, &filter, 100, 0)).await?;
    Ok(listed(total, json!({ "items": products, "total": total })))
}
