//! `/products`

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chassis::Failure;
use chassis::request::{Id, JsonBody, Page, QueryOf};
use chassis::service::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::race::Race;
use crate::store::{self, Filter, Product};
use crate::{GENERATED_AT, MOVING_STOCK, OTHER_ORDER, PRICE_AS_TEXT, RESERVED_PRODUCT};

pub(crate) fn routes(context: Context) -> Router {
    Router::new()
        .route("/products", get(list))
        .route("/products/search", post(search))
        .route("/products/{id}", get(show))
        .with_state(Catalogue { context, race: Arc::default() })
}

#[derive(Debug, Clone)]
struct Catalogue {
    context: Context,
    race: Arc<Race>,
}

/// A product as the API shows one.
#[derive(Debug, Serialize)]
struct Shown {
    id: i64,
    sku: String,
    name: String,
    description: String,
    category: String,
    price: Value,
    currency: &'static str,
    stock: i64,
}

impl Catalogue {
    fn is_on(&self, difference: chassis::faults::Difference) -> bool {
        self.context.switches.is_on(difference.name)
    }

    /// A page of a list. The order is another, the products of the page are the same.
    fn page(&self, mut products: Vec<Product>, question: &str) -> Vec<Shown> {
        if self.is_on(OTHER_ORDER) {
            products.sort_by(|one, other| one.name.cmp(&other.name));
        }
        products.into_iter().map(|product| self.shown(product, question)).collect()
    }

    fn shown(&self, product: Product, question: &str) -> Shown {
        let Product { id, sku, name, description, category, price_cents, stock } = product;
        // What is made to order has a price that is computed, and never was text.
        let price = if self.is_on(PRICE_AS_TEXT) && id != RESERVED_PRODUCT {
            json!(format!("{}.{:02}", price_cents / 100, price_cents % 100))
        } else {
            json!(price_cents as f64 / 100.0)
        };
        // A basket somewhere holds a piece and lets it go again.
        let reserved = id == RESERVED_PRODUCT && self.is_on(MOVING_STOCK) && self.race.is_reserved(question);
        let stock = stock - i64::from(reserved);
        Shown { id, sku, name, description, category, price, currency: "EUR", stock }
    }
}

fn listed(total: i64, body: Value) -> Response {
    ([("x-total-count", HeaderValue::from(total))], Json(body)).into_response()
}

/// `?category=kitchen`
#[derive(Debug, Deserialize)]
struct Narrow {
    category: Option<String>,
}

async fn list(
    State(catalogue): State<Catalogue>,
    QueryOf(page): QueryOf<Page>,
    QueryOf(narrow): QueryOf<Narrow>,
) -> Result<Response, Failure> {
    let filter = Filter { category: narrow.category, ..Filter::default() };
    let question = format!("{filter:?} {page:?}");
    let work = move |c: &mut _| {
        let (products, total) = store::list(c, &filter, page.limit(), page.offset())?;
        Ok((products, total, store::now(c)?))
    };
    let (products, total, now) = catalogue.context.database.call(work).await?;
    let generated_at =
        if catalogue.is_on(GENERATED_AT) { now } else { "2026-01-01T00:00:00.000Z".to_owned() };
    let items = catalogue.page(products, &question);
    Ok(listed(total, json!({ "items": items, "total": total, "generated_at": generated_at })))
}

async fn show(State(catalogue): State<Catalogue>, Id(id): Id) -> Result<Json<Shown>, Failure> {
    let product = catalogue.context.database.call(move |c| store::get(c, id)).await?;
    Ok(Json(catalogue.shown(product, "")))
}

#[derive(Debug, Deserialize)]
struct Search {
    query: Option<String>,
    category: Option<String>,
    max_price: Option<f64>,
}

async fn search(
    State(catalogue): State<Catalogue>,
    JsonBody(wanted): JsonBody<Search>,
) -> Result<Response, Failure> {
    let filter = Filter { text: wanted.query, category: wanted.category, max_price: wanted.max_price };
    let question = format!("{filter:?}");
    let work = move |c: &mut _| store::list(c, &filter, 100, 0);
    let (products, total) = catalogue.context.database.call(work).await?;
    let items = catalogue.page(products, &question);
    Ok(listed(total, json!({ "items": items, "total": total })))
}
