//! `/legacy/export.csv`: every order as a line. Nobody asks for it any more, and nobody dares to remove it.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chassis::Failure;

use crate::Shop;
use crate::store::orders;

pub(super) async fn orders(State(shop): State<Shop>) -> Result<Response, Failure> {
    let (orders, _) = shop.database.call(|c| orders::list(c, None, 10_000, 0)).await?;
    let mut csv = "order;customer;placed;status;total\r\n".to_owned();
    for order in orders {
        let line = format!(
            "{};{};{};{};{:.2}\r\n",
            order.id, order.user_id, order.placed_at, order.status, order.total
        );
        csv.push_str(&line);
    }
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], csv).into_response())
}
