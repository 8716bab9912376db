//! `/payments`, and `/pay`: the form of the shop's payment page

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chassis::Failure;
use chassis::idempotency::{self, Created};
use chassis::rehearsal::Keeping;
use chassis::request::{Id, JsonBody, Origin, idempotency_key};
use chassis::service::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::store::{self, Means, Payment, decimal};
use crate::{INTERNAL_ORIGIN, INTERNAL_REDIRECT};

pub(crate) fn routes(context: Context) -> Router {
    Router::new()
        .route("/pay", post(pay))
        .route("/payments", post(create))
        .route("/payments/{id}", get(show))
        .route("/payments/{id}/receipt", get(receipt))
        .route("/payments/{id}/receipt.txt", get(receipt_text))
        .with_state(context)
}

/// A payment as the API shows one; the amount is in euro.
#[derive(Debug, Serialize)]
struct Shown {
    id: i64,
    order_id: i64,
    amount: f64,
    currency: &'static str,
    method: Option<String>,
    status: String,
    created_at: String,
}

fn shown(payment: Payment) -> Shown {
    let Payment { id, order_id, amount_cents, method, status, created_at } = payment;
    Shown { id, order_id, amount: amount_cents as f64 / 100.0, currency: "EUR", method, status, created_at }
}

async fn show(State(context): State<Context>, Id(id): Id) -> Result<Json<Shown>, Failure> {
    Ok(Json(shown(context.database.call(move |c| store::get(c, id)).await?)))
}

async fn receipt(
    State(context): State<Context>,
    Origin(origin): Origin,
    Id(id): Id,
) -> Result<Response, Failure> {
    context.database.call(move |c| store::get(c, id)).await?;
    let origin =
        if context.switches.is_on(INTERNAL_REDIRECT.name) { INTERNAL_ORIGIN.to_owned() } else { origin };
    let location = format!("{origin}/payments/{id}/receipt.txt");
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

async fn receipt_text(State(context): State<Context>, Id(id): Id) -> Result<String, Failure> {
    let payment = context.database.call(move |c| store::get(c, id)).await?;
    let amount = decimal(payment.amount_cents);
    Ok(format!(
        "Fig & Oak\nReceipt for payment {}\nOrder {}\nAmount {amount} EUR\nStatus {}\n",
        payment.id, payment.order_id, payment.status
    ))
}

#[derive(Debug, Deserialize, Serialize)]
struct NewPayment {
    order_id: i64,
    amount: Option<f64>,
    method: String,
    card_number: Option<String>,
}

async fn create(
    State(context): State<Context>,
    keeping: Keeping,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewPayment>,
) -> Result<Response, Failure> {
    let key = idempotency_key(&headers)?;
    let amount_cents = new.amount.map(cents).transpose()?;
    let created = context
        .database
        .transact(keeping, move |transaction| {
            idempotency::once(transaction, "payment", key.as_deref(), &json!(new), || {
                let means = Means { method: new.method.clone(), card_number: new.card_number.clone() };
                let payment = store::capture(transaction, new.order_id, amount_cents, &means)?;
                let path = format!("/payments/{}", payment.id);
                Ok(Created { path, body: json!(shown(payment)), replayed: false })
            })
        })
        .await?;
    Ok(created.respond(""))
}

/// The form of the payment page, which the shop renders.
#[derive(Debug, Deserialize)]
struct PaymentForm {
    order: i64,
    amount: Option<f64>,
    method: String,
    card_number: Option<String>,
}

/// Captures a payment and shows the customer the receipt.
async fn pay(
    State(context): State<Context>,
    keeping: Keeping,
    form: Result<Form<PaymentForm>, FormRejection>,
) -> Result<Response, Failure> {
    let Form(form) = form.map_err(|_| Failure::invalid("something is missing in this form"))?;
    let amount_cents = form.amount.map(cents).transpose()?;
    let means = Means { method: form.method, card_number: form.card_number };
    let payment = context
        .database
        .transact(keeping, move |transaction| store::capture(transaction, form.order, amount_cents, &means))
        .await?;
    let receipt = format!("/payments/{}/receipt.txt", payment.id);
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, receipt)]).into_response())
}

/// Euro from a request as whole cents; 400 for what is no amount.
fn cents(euro: f64) -> Result<i64, Failure> {
    // By way of the decimal text: exact, and without a cast.
    let text = format!("{:.0}", euro * 100.0);
    match text.parse() {
        Ok(cents) if (0..=1_000_000_000).contains(&cents) => Ok(cents),
        _ => Err(Failure::invalid("amount is no amount")),
    }
}
