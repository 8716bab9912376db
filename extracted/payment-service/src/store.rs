//! The service's table and the payments it starts with: the monolith's, with the amounts it charged.

use axum::http::StatusCode;
use chassis::Failure;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS payments (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL UNIQUE, amount_cents INTEGER NOT NULL,
    method TEXT, status TEXT NOT NULL, created_at TEXT NOT NULL);";

const SEED: &str = "INSERT INTO payments (id, order_id, amount_cents, method, status, created_at) VALUES
    (1, 1, 7430, 'card', 'captured', '2025-11-03T08:12:45Z'),
    (2, 2, 12900, 'invoice', 'captured', '2025-11-08T19:40:02Z'),
    (3, 3, 6527, 'card', 'captured', '2025-11-15T11:05:30Z'),
    (4, 4, 16415, 'card', 'captured', '2025-11-21T22:58:17Z'),
    (5, 5, 6490, NULL, 'pending', '2025-12-01T07:30:00Z');";

const SELECT: &str = "SELECT id, order_id, amount_cents, method, status, created_at FROM payments";

/// A payment.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    pub(crate) id: i64,
    pub(crate) order_id: i64,
    pub(crate) amount_cents: i64,
    pub(crate) method: Option<String>,
    pub(crate) status: String,
    pub(crate) created_at: String,
}

/// How somebody wants to pay.
#[derive(Debug, Clone)]
pub(crate) struct Means {
    pub(crate) method: String,
    pub(crate) card_number: Option<String>,
}

impl Means {
    /// 400 for an unknown method or a card number that is none; 402 for a card that is declined: every
    /// number ending in 0002.
    fn check(&self) -> Result<(), Failure> {
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

pub(crate) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)?;
    connection.execute_batch(chassis::idempotency::SCHEMA)?;
    let filled: bool =
        connection.query_row("SELECT EXISTS (SELECT 1 FROM payments)", [], |row| row.get(0))?;
    if filled { Ok(()) } else { connection.execute_batch(SEED) }
}

fn payment(row: &Row<'_>) -> rusqlite::Result<Payment> {
    Ok(Payment {
        id: row.get(0)?,
        order_id: row.get(1)?,
        amount_cents: row.get(2)?,
        method: row.get(3)?,
        status: row.get(4)?,
        created_at: row.get(5)?,
    })
}

/// One payment; 404 when there is none.
pub(crate) fn get(c: &Connection, id: i64) -> Result<Payment, Failure> {
    c.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?
        .query_row([id], payment)
        .optional()?
        .ok_or_else(|| Failure::not_found(format!("there is no payment {id}")))
}

/// Captures what an order costs, inside the caller's transaction.
///
/// 400 without an amount for an order nobody told us of, 409 when the order is paid or costs something
/// else; 400 and 402 as the means demand.
pub(crate) fn capture(
    t: &Transaction<'_>,
    order: i64,
    amount_cents: Option<i64>,
    means: &Means,
) -> Result<Payment, Failure> {
    if order < 1 {
        return Err(Failure::not_found(format!("there is no order {order}")));
    }
    let open =
        t.prepare_cached(&format!("{SELECT} WHERE order_id = ?1"))?.query_row([order], payment).optional()?;
    let known = open.as_ref().map(|payment| payment.amount_cents);
    if open.is_some_and(|payment| payment.status == "captured") {
        return Err(Failure::conflict("already_paid", format!("order {order} is paid")));
    }
    let amount = match (known, amount_cents) {
        (Some(known), Some(amount)) if known != amount => {
            let sentence = format!("order {order} costs {}, not {}", decimal(known), decimal(amount));
            return Err(Failure::conflict("amount_mismatch", sentence));
        }
        (Some(amount), _) | (None, Some(amount)) if amount > 0 => amount,
        (None, None) => return Err(Failure::invalid(format!("how much is order {order}? send an amount"))),
        _ => return Err(Failure::invalid("an amount is more than nothing")),
    };
    means.check()?;
    t.execute(
        "INSERT INTO payments (order_id, amount_cents, method, status, created_at)
         VALUES (?1, ?2, ?3, 'captured', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
         ON CONFLICT (order_id) DO UPDATE
         SET method = excluded.method, status = excluded.status, created_at = excluded.created_at",
        params![order, amount, means.method],
    )?;
    let id: i64 = t.query_row("SELECT id FROM payments WHERE order_id = ?1", [order], |row| row.get(0))?;
    get(t, id)
}

/// Cents as `19.90`.
pub(crate) fn decimal(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
