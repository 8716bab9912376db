//! Products and what of them is in stock.

use chassis::Failure;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

/// A product, as the API shows one. `price` is in euro.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Product {
    pub(crate) id: i64,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) category: String,
    pub(crate) price: f64,
    pub(crate) currency: &'static str,
    pub(crate) stock: i64,
}

/// What a list is narrowed to; an empty filter is the whole catalogue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Words that name or description contain.
    pub(crate) text: Option<String>,
    /// Exactly this category.
    pub(crate) category: Option<String>,
    /// At most this many euro.
    pub(crate) max_price: Option<f64>,
}

const SELECT: &str = "SELECT p.id, p.sku, p.name, p.description, p.category, p.price, i.stock
    FROM products p JOIN inventory i ON i.product_id = p.id";

fn product(row: &Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        id: row.get(0)?,
        sku: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        category: row.get(4)?,
        price: row.get(5)?,
        currency: "EUR",
        stock: row.get(6)?,
    })
}

/// Part of what the filter leaves, by id, and how much it leaves.
pub(crate) fn list(
    connection: &Connection,
    filter: &Filter,
    limit: u32,
    offset: u32,
) -> Result<(Vec<Product>, i64), Failure> {
    let condition = "WHERE (?1 IS NULL OR instr(lower(p.name || ' ' || p.description), lower(?1)) > 0)
        AND (?2 IS NULL OR p.category = ?2) AND (?3 IS NULL OR p.price <= ?3)";
    let mut query =
        connection.prepare_cached(&format!("{SELECT} {condition} ORDER BY p.id LIMIT ?4 OFFSET ?5"))?;
    let found = query
        .query_map(params![filter.text, filter.category, filter.max_price, limit, offset], product)?
        .collect::<Result<_, _>>()?;
    let total = connection.query_row(
        &format!("SELECT count(*) FROM products p {condition}"),
        params![filter.text, filter.category, filter.max_price],
        |row| row.get(0),
    )?;
    Ok((found, total))
}

/// One product; 404 when there is none.
pub(crate) fn get(connection: &Connection, id: i64) -> Result<Product, Failure> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE p.id = ?1"))?
        .query_row([id], product)
        .optional()?
        .ok_or_else(|| Failure::not_found(format!("there is no product {id}")))
}

/// The categories in use, by name.
pub(crate) fn categories(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut query = connection.prepare_cached("SELECT DISTINCT category FROM products ORDER BY category")?;
    Ok(query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The product that is made to order: its stock is what can be made, and selling takes nothing from it.
pub(crate) const MADE_TO_ORDER: i64 = 5;

/// Takes pieces out of stock; `false` when there are too few, and then nothing changed.
pub(crate) fn take(connection: &Connection, id: i64, pieces: i64) -> Result<bool, Failure> {
    let changed = connection.execute(
        "UPDATE inventory SET stock = stock - iif(product_id = ?3, 0, ?2)
         WHERE product_id = ?1 AND stock >= ?2",
        [id, pieces, MADE_TO_ORDER],
    )?;
    Ok(changed == 1)
}
