//! Payments: every order opens one, paying captures it.

use axum::http::StatusCode;
use chassis::Failure;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use crate::store::{NOW, orders, users};

/// A payment, as the API shows one. `amount` is in euro.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Payment {
    pub(crate) id: i64,
    pub(crate) order_id: i64,
    pub(crate) amount: f64,
    pub(crate) currency: &'static str,
    pub(crate) method: Option<String>,
    pub(crate) status: String,
    pub(crate) created_at: String,
}

/// How somebody wants to pay.
#[derive(Debug, Clone)]
pub(crate) struct Means {
    /// `card` or `invoice`.
    pub(crate) method: String,
    /// For a card.
    pub(crate) card_number: Option<String>,
}

impl Means {
    /// 400 for an unknown method or a card number that is none; 402 for a card that is declined: every
    /// number ending in 0002.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let digits: String = self.card_number.iter().flat_map(|n| n.chars()).filter(|c| *c != ' ').collect();
        match self.method.as_str() {
            "invoice" => Ok(()),
            "card" if digits.len() < 12 || !digits.chars().all(|c| c.is_ascii_digit()) => {
                Err(Failure::invalid("a card needs a card_number of at least 12 digits"))
            }
            "card" if digits.ends_with("0002") => {
                Err(Failure::new(StatusCode::PAYMENT_REQUIRED, "card_declined", "the card was declined"))
            }
            "card" => Ok(()),
            _ => Err(Failure::invalid("method is `card` or `invoice`")),
        }
    }
}

const SELECT: &str = "SELECT id, order_id, amount, method, status, created_at FROM payments";

fn payment(row: &Row<'_>) -> rusqlite::Result<Payment> {
    Ok(Payment {
        id: row.get(0)?,
        order_id: row.get(1)?,
        amount: row.get(2)?,
        currency: "EUR",
        method: row.get(3)?,
        status: row.get(4)?,
        created_at: row.get(5)?,
    })
}

/// One payment; 404 when there is none.
pub(crate) fn get(connection: &Connection, id: i64) -> Result<Payment, Failure> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE id = ?1"))?
        .query_row([id], payment)
        .optional()?
        .ok_or_else(|| Failure::not_found(format!("there is no payment {id}")))
}

/// The payment an order opened; 404 when there is no such order.
pub(crate) fn of_order(connection: &Connection, order: i64) -> Result<Payment, Failure> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE order_id = ?1"))?
        .query_row([order], payment)
        .optional()?
        .ok_or_else(|| Failure::not_found(format!("there is no order {order}")))
}

/// Captures the payment of an order, marks the order paid and writes the receipt's e-mail, inside the
/// caller's transaction.
///
/// 404 for an unknown order, 409 when it is paid or `amount` is not what it costs, 400 and 402 as
/// [`Means::check`] says.
pub(crate) fn capture(
    transaction: &Transaction<'_>,
    order: i64,
    amount: Option<f64>,
    means: &Means,
) -> Result<Payment, Failure> {
    let open = of_order(transaction, order)?;
    if open.status == "captured" {
        return Err(Failure::conflict("already_paid", format!("order {order} is paid")));
    }
    if let Some(amount) = amount
        && (amount - open.amount).abs() > 0.004
    {
        let sentence = format!("order {order} costs {:.2}, not {amount:.2}", open.amount);
        return Err(Failure::conflict("amount_mismatch", sentence));
    }
    means.check()?;
    transaction.execute(
        &format!("UPDATE payments SET status = 'captured', method = ?2, created_at = {NOW} WHERE id = ?1"),
        params![open.id, means.method],
    )?;
    transaction.execute("UPDATE orders SET status = 'paid' WHERE id = ?1", [order])?;
    let user = users::get(transaction, orders::get(transaction, order)?.user_id)?;
    orders::send(
        transaction,
        &user.email,
        &format!("Receipt for order {order}"),
        &format!("We have received {:.2} EUR. Thank you.", open.amount),
    )?;
    get(transaction, open.id)
}
