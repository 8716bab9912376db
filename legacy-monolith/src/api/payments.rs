//! `/payments`

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chassis::Failure;
use chassis::idempotency::{self, Created};
use chassis::request::{Id, JsonBody, Origin, idempotency_key};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Shop;
use crate::store::payments::{self, Means, Payment};

pub(super) async fn show(State(shop): State<Shop>, Id(id): Id) -> Result<Json<Payment>, Failure> {
    shop.database.call(move |c| payments::get(c, id)).await.map(Json)
}

/// Sends a browser on to the receipt, under the name by which it knows us.
pub(super) async fn receipt(
    State(shop): State<Shop>,
    Origin(origin): Origin,
    Id(id): Id,
) -> Result<Response, Failure> {
    shop.database.call(move |c| payments::get(c, id)).await?;
    let location = format!("{origin}/payments/{id}/receipt.txt");
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

pub(super) async fn receipt_text(State(shop): State<Shop>, Id(id): Id) -> Result<String, Failure> {
    let payment = shop.database.call(move |c| payments::get(c, id)).await?;
    Ok(format!(
        "Fig & Oak\nReceipt for payment {}\nOrder {}\nAmount {:.2} {}\nStatus {}\n",
        payment.id, payment.order_id, payment.amount, payment.currency, payment.status
    ))
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct NewPayment {
    order_id: i64,
    amount: Option<f64>,
    method: String,
    card_number: Option<String>,
}

pub(super) async fn create(
    State(shop): State<Shop>,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewPayment>,
) -> Result<Response, Failure> {
    let key = idempotency_key(&headers)?;
    let created = shop
        .database
        .call(move |c| {
            let transaction = c.transaction()?;
            let created = idempotency::once(&transaction, "payment", key.as_deref(), &json!(new), || {
                let means = Means { method: new.method.clone(), card_number: new.card_number.clone() };
                let payment = payments::capture(&transaction, new.order_id, new.amount, &means)?;
                Ok(Created {
                    path: format!("/payments/{}", payment.id),
                    body: json!(payment),
                    replayed: false,
                })
            })?;
            transaction.commit()?;
            Ok(created)
        })
        .await?;
    if !created.replayed {
        shop.events.tell("payment", created.body.clone());
    }
    Ok(created.respond(""))
}
