//! Orders. Placing one is a single transaction: order, lines, stock, the payment it waits for, and the
//! e-mail that confirms it; the caller commits, or nothing happened.

use chassis::Failure;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use crate::money::{Totals, round};
use crate::store::{NOW, catalogue, users};

/// An order, as the API shows one. Amounts are in euro, `placed_at` is the shop's local time, as
/// it was when the shop had one server in one country.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) user_id: i64,
    pub(crate) status: String,
    pub(crate) placed_at: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) subtotal: f64,
    pub(crate) discount: f64,
    pub(crate) tax: f64,
    pub(crate) total: f64,
    pub(crate) currency: &'static str,
}

/// One product of an order, with name and price as they were.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    pub(crate) product_id: i64,
    pub(crate) name: String,
    pub(crate) quantity: i64,
    pub(crate) unit_price: f64,
    pub(crate) line_total: f64,
}

const COLUMNS: &str = "id, user_id, status, placed_at, subtotal, discount, tax, total";

fn head(row: &Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order {
        id: row.get(0)?,
        user_id: row.get(1)?,
        status: row.get(2)?,
        placed_at: row.get(3)?,
        lines: Vec::new(),
        subtotal: row.get(4)?,
        discount: row.get(5)?,
        tax: row.get(6)?,
        total: row.get(7)?,
        currency: "EUR",
    })
}

fn lines(connection: &Connection, order: i64) -> Result<Vec<Line>, Failure> {
    let mut query = connection.prepare_cached(
        "SELECT product_id, name, quantity, unit_price FROM order_lines WHERE order_id = ?1 ORDER BY product_id",
    )?;
    let lines = query.query_map([order], |row| {
        let (quantity, unit_price): (i64, f64) = (row.get(2)?, row.get(3)?);
        let line_total = round(unit_price * quantity as f64);
        Ok(Line { product_id: row.get(0)?, name: row.get(1)?, quantity, unit_price, line_total })
    })?;
    Ok(lines.collect::<Result<_, _>>()?)
}

/// Part of the orders, oldest first, of one customer or of all, and how many there are.
pub(crate) fn list(
    connection: &Connection,
    user: Option<i64>,
    limit: u32,
    offset: u32,
) -> Result<(Vec<Order>, i64), Failure> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM orders WHERE ?1 IS NULL OR user_id = ?1 ORDER BY id LIMIT ?2 OFFSET ?3"
    ))?;
    let mut orders: Vec<Order> =
        query.query_map(params![user, limit, offset], head)?.collect::<Result<_, _>>()?;
    for order in &mut orders {
        order.lines = lines(connection, order.id)?;
    }
    let total = connection.query_row(
        "SELECT count(*) FROM orders WHERE ?1 IS NULL OR user_id = ?1",
        [user],
        |row| row.get(0),
    )?;
    Ok((orders, total))
}

/// One order; 404 when there is none.
pub(crate) fn get(connection: &Connection, id: i64) -> Result<Order, Failure> {
    let mut order = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM orders WHERE id = ?1"))?
        .query_row([id], head)
        .optional()?
        .ok_or_else(|| Failure::not_found(format!("there is no order {id}")))?;
    order.lines = lines(connection, id)?;
    Ok(order)
}

/// Places an order of `(product, quantity)` lines inside the caller's transaction.
///
/// 400 for a customer or product that does not exist or a quantity out of range, 409 when too little is
/// in stock. After an error the transaction must be dropped.
pub(crate) fn place(
    transaction: &Transaction<'_>,
    user_id: i64,
    wanted: &[(i64, i64)],
) -> Result<Order, Failure> {
    let user = users::get(transaction, user_id)
        .map_err(|_| Failure::invalid(format!("there is no user {user_id}")))?;
    if wanted.is_empty() || wanted.len() > 50 {
        return Err(Failure::invalid("an order has 1 to 50 lines"));
    }
    transaction.execute(
        "INSERT INTO orders (user_id, status, placed_at, subtotal, discount, tax, total)
         VALUES (?1, 'placed', datetime('now', '+1 hour'), 0, 0, 0, 0)",
        [user_id],
    )?;
    let id = transaction.last_insert_rowid();
    let mut priced = Vec::with_capacity(wanted.len());
    for &(product_id, quantity) in wanted {
        if !(1..=99).contains(&quantity) {
            return Err(Failure::invalid("a quantity is 1 to 99"));
        }
        if wanted.iter().filter(|line| line.0 == product_id).count() > 1 {
            return Err(Failure::invalid(format!("product {product_id} is on two lines")));
        }
        let product = catalogue::get(transaction, product_id)
            .map_err(|_| Failure::invalid(format!("there is no product {product_id}")))?;
        if !catalogue::take(transaction, product_id, quantity)? {
            let sentence = format!("only {} of {} left", product.stock, product.name);
            return Err(Failure::conflict("out_of_stock", sentence));
        }
        transaction.execute(
            "INSERT INTO order_lines (order_id, product_id, name, quantity, unit_price) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, product_id, product.name, quantity, product.price],
        )?;
        priced.push((quantity, product.price));
    }
    let Totals { subtotal, discount, tax, total } = Totals::of(priced);
    transaction.execute(
        "UPDATE orders SET subtotal = ?2, discount = ?3, tax = ?4, total = ?5 WHERE id = ?1",
        params![id, subtotal, discount, tax, total],
    )?;
    transaction.execute(
        &format!(
            "INSERT INTO payments (order_id, amount, status, created_at) VALUES (?1, ?2, 'pending', {NOW})"
        ),
        params![id, total],
    )?;
    send(
        transaction,
        &user.email,
        &format!("Your order {id}"),
        &format!("Thank you, {}. We have your order {id} over {total:.2} EUR.", user.name),
    )?;
    get(transaction, id)
}

/// Puts an e-mail into the outgoing table, in the transaction of what it tells.
pub(crate) fn send(connection: &Connection, to: &str, subject: &str, body: &str) -> Result<(), Failure> {
    connection.execute(
        &format!("INSERT INTO emails (recipient, subject, body, created_at) VALUES (?1, ?2, ?3, {NOW})"),
        [to, subject, body],
    )?;
    Ok(())
}
