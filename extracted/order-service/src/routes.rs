//! `/orders`

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chassis::Failure;
use chassis::bearer::Token;
use chassis::faults::Switches;
use chassis::idempotency::{self, Created};
use chassis::rehearsal::Keeping;
use chassis::request::{Id, JsonBody, Origin, Page, QueryOf, idempotency_key};
use chassis::service::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::money::{Rounding, Totals, euro, totals};
use crate::store::{self, Order};
use crate::{EXACT_ROUNDING, NOT_FOUND_AS_200, RFC3339_TIMES};

pub(crate) fn routes(context: Context) -> Router {
    Router::new()
        .route("/orders", get(list).post(create))
        .route("/orders/mine", get(mine))
        .route("/orders/{id}", get(show))
        .with_state(context)
}

/// An order as the API shows one; amounts are in euro.
#[derive(Debug, Serialize)]
struct Shown {
    id: i64,
    user_id: i64,
    status: String,
    placed_at: String,
    lines: Vec<ShownLine>,
    subtotal: f64,
    discount: f64,
    tax: f64,
    total: f64,
    currency: &'static str,
}

#[derive(Debug, Serialize)]
struct ShownLine {
    product_id: i64,
    name: String,
    quantity: i64,
    unit_price: f64,
    line_total: f64,
}

fn shown(order: Order, switches: &Switches) -> Shown {
    let Order { id, user_id, status, placed_at, placed_locally, lines } = order;
    let rounding =
        if switches.is_on(EXACT_ROUNDING.name) { Rounding::Exact } else { Rounding::AsTheMonolith };
    let priced: Vec<_> = lines.iter().map(|line| (line.quantity, line.price_cents)).collect();
    let Totals { subtotal, discount, tax, total } = totals(&priced, rounding);
    let lines = lines.into_iter().map(|line| ShownLine {
        product_id: line.article_id,
        name: line.name,
        quantity: line.quantity,
        unit_price: euro(line.price_cents),
        line_total: euro(line.price_cents * line.quantity),
    });
    Shown {
        id,
        user_id,
        status,
        placed_at: if switches.is_on(RFC3339_TIMES.name) { placed_at } else { placed_locally },
        lines: lines.collect(),
        subtotal,
        discount,
        tax,
        total,
        currency: "EUR",
    }
}

/// `?user_id=1`
#[derive(Debug, Deserialize)]
struct Narrow {
    user_id: Option<i64>,
}

async fn list(
    State(context): State<Context>,
    QueryOf(page): QueryOf<Page>,
    QueryOf(narrow): QueryOf<Narrow>,
) -> Result<Response, Failure> {
    listed(&context, narrow.user_id, page).await
}

/// The orders of the customer whose token it is.
async fn mine(
    State(context): State<Context>,
    token: Token,
    QueryOf(page): QueryOf<Page>,
) -> Result<Response, Failure> {
    let customer = token.customer(&context.tokens)?;
    listed(&context, Some(customer), page).await
}

async fn listed(context: &Context, user: Option<i64>, page: Page) -> Result<Response, Failure> {
    let work = move |c: &mut _| store::list(c, user, page.limit(), page.offset());
    let (orders, total) = context.database.call(work).await?;
    let items: Vec<_> = orders.into_iter().map(|order| shown(order, &context.switches)).collect();
    let body = Json(json!({ "items": items, "total": total }));
    Ok(([("x-total-count", HeaderValue::from(total))], body).into_response())
}

async fn show(State(context): State<Context>, id: Result<Id, Failure>) -> Response {
    let found = match id {
        Ok(Id(id)) => context.database.call(move |c| store::get(c, id)).await,
        Err(failure) => Err(failure),
    };
    match found {
        Ok(order) => Json(shown(order, &context.switches)).into_response(),
        Err(failure)
            if failure.status() == StatusCode::NOT_FOUND && context.switches.is_on(NOT_FOUND_AS_200.name) =>
        {
            Json(failure.body()).into_response()
        }
        Err(failure) => failure.into_response(),
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct NewOrder {
    user_id: i64,
    lines: Vec<NewLine>,
}

#[derive(Debug, Deserialize, Serialize)]
struct NewLine {
    product_id: i64,
    quantity: i64,
}

async fn create(
    State(context): State<Context>,
    keeping: Keeping,
    Origin(origin): Origin,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewOrder>,
) -> Result<Response, Failure> {
    let key = idempotency_key(&headers)?;
    let switches = context.switches.clone();
    let created = context
        .database
        .transact(keeping, move |transaction| {
            idempotency::once(transaction, "order", key.as_deref(), &json!(new), || {
                let lines: Vec<_> = new.lines.iter().map(|l| (l.product_id, l.quantity)).collect();
                let order = store::place(transaction, new.user_id, &lines)?;
                let path = format!("/orders/{}", order.id);
                Ok(Created { path, body: json!(shown(order, &switches)), replayed: false })
            })
        })
        .await?;
    Ok(created.respond(&origin))
}
