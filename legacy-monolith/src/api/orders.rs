//! `/orders`

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chassis::Failure;
use chassis::bearer::Token;
use chassis::idempotency::{self, Created};
use chassis::request::{Id, JsonBody, Origin, Page, QueryOf, idempotency_key};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Shop;
use crate::api::listed;
use crate::store::orders::{self, Order};

/// `?user_id=1`
#[derive(Debug, Deserialize)]
pub(super) struct Narrow {
    user_id: Option<i64>,
}

pub(super) async fn list(
    State(shop): State<Shop>,
    QueryOf(page): QueryOf<Page>,
    QueryOf(narrow): QueryOf<Narrow>,
) -> Result<Response, Failure> {
    part(&shop, narrow.user_id, page).await
}

/// The orders of the customer whose token it is.
pub(super) async fn mine(
    State(shop): State<Shop>,
    token: Token,
    QueryOf(page): QueryOf<Page>,
) -> Result<Response, Failure> {
    let customer = token.customer(&shop.tokens)?;
    part(&shop, Some(customer), page).await
}

async fn part(shop: &Shop, user: Option<i64>, page: Page) -> Result<Response, Failure> {
    let list = move |c: &mut _| orders::list(c, user, page.limit(), page.offset());
    let (orders, total) = shop.database.call(list).await?;
    Ok(listed(total, json!({ "items": orders, "total": total })))
}

pub(super) async fn show(State(shop): State<Shop>, Id(id): Id) -> Result<Json<Order>, Failure> {
    shop.database.call(move |c| orders::get(c, id)).await.map(Json)
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct NewOrder {
    user_id: i64,
    lines: Vec<NewLine>,
}

#[derive(Debug, Deserialize, Serialize)]
struct NewLine {
    product_id: i64,
    quantity: i64,
}

pub(super) async fn create(
    State(shop): State<Shop>,
    Origin(origin): Origin,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewOrder>,
) -> Result<Response, Failure> {
    let key = idempotency_key(&headers)?;
    let created = shop
        .database
        .call(move |c| {
            let transaction = c.transaction()?;
            let created = idempotency::once(&transaction, "order", key.as_deref(), &json!(new), || {
                let lines: Vec<_> = new.lines.iter().map(|l| (l.product_id, l.quantity)).collect();
                let order = orders::place(&transaction, new.user_id, &lines)?;
                Ok(Created { path: format!("/orders/{}", order.id), body: json!(order), replayed: false })
            })?;
            transaction.commit()?;
            Ok(created)
        })
        .await?;
    if !created.replayed {
        shop.events.tell("order", created.body.clone());
    }
    Ok(created.respond(&origin))
}
