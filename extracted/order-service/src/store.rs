//! The service's tables and what they start with: the monolith's orders, and of its catalogue what an
//! order needs.

use chassis::Failure;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// The article that is made to order: its stock is what can be made, and selling takes nothing from it.
const MADE_TO_ORDER: i64 = 5;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS articles (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL,
    stock INTEGER NOT NULL CHECK (stock >= 0));
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, status TEXT NOT NULL, placed_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS orders_by_user ON orders (user_id);
CREATE TABLE IF NOT EXISTS order_lines (
    order_id INTEGER NOT NULL REFERENCES orders (id), article_id INTEGER NOT NULL REFERENCES articles (id),
    name TEXT NOT NULL, quantity INTEGER NOT NULL, price_cents INTEGER NOT NULL,
    PRIMARY KEY (order_id, article_id));";

const SEED: &str = "
INSERT INTO articles (id, name, price_cents, stock) VALUES
    (1, 'Stoneware Mug', 1990, 120), (2, 'Walnut Board', 3450, 40), (3, 'Arc Lamp', 12900, 14),
    (4, 'Linen Throw', 7995, 32), (5, 'Beeswax Candle', 450, 20000), (6, 'Oak Stool', 9900, 9),
    (7, 'Pour-over Kettle', 6490, 25), (8, 'Paper Lantern', 2425, 60), (9, 'Wool Cushion', 4210, 48),
    (10, 'Round Side Table', 14900, 6), (11, 'Glass Carafe', 2730, 75), (12, 'Rocking Chair', 38900, 1);
INSERT INTO orders (id, user_id, status, placed_at) VALUES
    (1, 1, 'paid', '2025-11-03T08:12:45Z'), (2, 2, 'paid', '2025-11-08T19:40:02Z'),
    (3, 3, 'paid', '2025-11-15T11:05:30Z'), (4, 4, 'paid', '2025-11-21T22:58:17Z'),
    (5, 1, 'placed', '2025-12-01T07:30:00Z');
INSERT INTO order_lines (order_id, article_id, name, quantity, price_cents)
    SELECT v.column1, v.column2, a.name, v.column3, a.price_cents
    FROM (VALUES (1, 1, 2), (1, 2, 1), (2, 3, 1), (3, 1, 3), (3, 5, 2), (4, 4, 1), (4, 9, 2), (5, 7, 1)) v
    JOIN articles a ON a.id = v.column2;";

/// An order.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) user_id: i64,
    pub(crate) status: String,
    /// RFC 3339, UTC.
    pub(crate) placed_at: String,
    /// The same in the monolith's local time.
    pub(crate) placed_locally: String,
    pub(crate) lines: Vec<Line>,
}

/// One article of an order, with name and price as they were.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) article_id: i64,
    pub(crate) name: String,
    pub(crate) quantity: i64,
    pub(crate) price_cents: i64,
}

pub(crate) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)?;
    connection.execute_batch(chassis::idempotency::SCHEMA)?;
    let filled: bool =
        connection.query_row("SELECT EXISTS (SELECT 1 FROM articles)", [], |row| row.get(0))?;
    if filled { Ok(()) } else { connection.execute_batch(SEED) }
}

const COLUMNS: &str = "id, user_id, status, placed_at, datetime(placed_at, '+1 hour')";

fn head(row: &Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order {
        id: row.get(0)?,
        user_id: row.get(1)?,
        status: row.get(2)?,
        placed_at: row.get(3)?,
        placed_locally: row.get(4)?,
        lines: Vec::new(),
    })
}

fn lines(c: &Connection, order: i64) -> Result<Vec<Line>, Failure> {
    let mut query = c.prepare_cached(
        "SELECT article_id, name, quantity, price_cents FROM order_lines WHERE order_id = ?1 ORDER BY article_id",
    )?;
    let lines = query.query_map([order], |row| {
        Ok(Line {
            article_id: row.get(0)?,
            name: row.get(1)?,
            quantity: row.get(2)?,
            price_cents: row.get(3)?,
        })
    })?;
    Ok(lines.collect::<Result<_, _>>()?)
}

/// Part of the orders, oldest first, of one customer or of all, and how many there are.
pub(crate) fn list(
    c: &Connection,
    user: Option<i64>,
    limit: u32,
    offset: u32,
) -> Result<(Vec<Order>, i64), Failure> {
    let mut query = c.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM orders WHERE ?1 IS NULL OR user_id = ?1 ORDER BY id LIMIT ?2 OFFSET ?3"
    ))?;
    let mut orders: Vec<Order> =
        query.query_map(params![user, limit, offset], head)?.collect::<Result<_, _>>()?;
    for order in &mut orders {
        order.lines = lines(c, order.id)?;
    }
    let count = "SELECT count(*) FROM orders WHERE ?1 IS NULL OR user_id = ?1";
    Ok((orders, c.query_row(count, [user], |row| row.get(0))?))
}

/// One order; 404 when there is none.
pub(crate) fn get(c: &Connection, id: i64) -> Result<Order, Failure> {
    let mut order = c
        .prepare_cached(&format!("SELECT {COLUMNS} FROM orders WHERE id = ?1"))?
        .query_row([id], head)
        .optional()?
        .ok_or_else(|| Failure::not_found(format!("there is no order {id}")))?;
    order.lines = lines(c, id)?;
    Ok(order)
}

/// Places an order of `(article, quantity)` lines inside the caller's transaction.
///
/// 400 for an article that does not exist or a quantity out of range, 409 when too little is in stock.
/// After an error the transaction must be dropped.
pub(crate) fn place(t: &Transaction<'_>, user_id: i64, wanted: &[(i64, i64)]) -> Result<Order, Failure> {
    if user_id < 1 {
        return Err(Failure::invalid(format!("there is no user {user_id}")));
    }
    if wanted.is_empty() || wanted.len() > 50 {
        return Err(Failure::invalid("an order has 1 to 50 lines"));
    }
    t.execute(
        "INSERT INTO orders (user_id, status, placed_at)
         VALUES (?1, 'placed', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))",
        [user_id],
    )?;
    let id = t.last_insert_rowid();
    for &(article, quantity) in wanted {
        if !(1..=99).contains(&quantity) {
            return Err(Failure::invalid("a quantity is 1 to 99"));
        }
        if wanted.iter().filter(|line| line.0 == article).count() > 1 {
            return Err(Failure::invalid(format!("product {article} is on two lines")));
        }
        let known: Option<(String, i64)> = t
            .query_row("SELECT name, stock FROM articles WHERE id = ?1", [article], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let Some((name, stock)) = known else {
            return Err(Failure::invalid(format!("there is no product {article}")));
        };
        if stock < quantity {
            return Err(Failure::conflict("out_of_stock", format!("only {stock} of {name} left")));
        }
        if article != MADE_TO_ORDER {
            t.execute("UPDATE articles SET stock = stock - ?2 WHERE id = ?1", [article, quantity])?;
        }
        t.execute(
            "INSERT INTO order_lines (order_id, article_id, name, quantity, price_cents)
             SELECT ?1, id, name, ?3, price_cents FROM articles WHERE id = ?2",
            [id, article, quantity],
        )?;
    }
    get(t, id)
}
