//! The service's table and the catalogue it starts with: the monolith's, with the same ids.

use chassis::Failure;
use rusqlite::{Connection, OptionalExtension, Row, params};

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS products (
    id INTEGER PRIMARY KEY, sku TEXT NOT NULL UNIQUE, name TEXT NOT NULL, category TEXT NOT NULL,
    price_cents INTEGER NOT NULL, stock INTEGER NOT NULL CHECK (stock >= 0), description TEXT NOT NULL);";

const SEED: &str = "INSERT INTO products (id, sku, name, category, price_cents, stock, description) VALUES
    (1, 'KIT-MUG', 'Stoneware Mug', 'kitchen', 1990, 120, 'Thrown by hand, glazed in ash white. Holds a generous 350 ml and survives the dishwasher.'),
    (2, 'KIT-BRD', 'Walnut Board', 'kitchen', 3450, 40, 'One piece of oiled walnut with a finger groove on the underside. Bread at breakfast, cheese at night.'),
    (3, 'LIG-ARC', 'Arc Lamp', 'lighting', 12900, 14, 'A slim steel arc that reaches over the sofa and keeps its foot out of the way. Dimmable, warm light.'),
    (4, 'TEX-THR', 'Linen Throw', 'textiles', 7995, 32, 'Washed European linen in oat, 140 by 200 cm. Light enough for July, thick enough for the first cold evening.'),
    (5, 'LIG-CAN', 'Beeswax Candle', 'lighting', 450, 20000, 'Poured from pure beeswax. Burns for nine hours and smells of summer.'),
    (6, 'FUR-STO', 'Oak Stool', 'furniture', 9900, 9, 'Three legs, so it never wobbles. Solid oak, finished with hard wax.'),
    (7, 'KIT-KET', 'Pour-over Kettle', 'kitchen', 6490, 25, 'A gooseneck spout for a slow, steady pour. Brushed steel, 0.9 litres, fits every hob.'),
    (8, 'LIG-LAN', 'Paper Lantern', 'lighting', 2425, 60, 'Mulberry paper on a bamboo frame, 45 cm across. Folds flat when you move house.'),
    (9, 'TEX-CUS', 'Wool Cushion', 'textiles', 4210, 48, 'Felted wool from mountain sheep with a feather filling. The cover comes off for washing.'),
    (10, 'FUR-TAB', 'Round Side Table', 'furniture', 14900, 6, 'A turned ash top on three splayed legs. Just large enough for a lamp, a book and a mug.'),
    (11, 'KIT-CAR', 'Glass Carafe', 'kitchen', 2730, 75, 'Blown from one gather of glass, with a tumbler that doubles as a lid. One litre.'),
    (12, 'FUR-ROC', 'Rocking Chair', 'furniture', 38900, 1, 'Steam-bent beech with a woven seat. The workshop makes one a month, and this is the last.');";

const SELECT: &str = "SELECT id, sku, name, description, category, price_cents, stock FROM products";

/// A product.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    pub(crate) id: i64,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) category: String,
    pub(crate) price_cents: i64,
    pub(crate) stock: i64,
}

/// What a list is narrowed to; an empty filter is the whole catalogue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) text: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) max_price: Option<f64>,
}

pub(crate) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)?;
    let filled: bool =
        connection.query_row("SELECT EXISTS (SELECT 1 FROM products)", [], |row| row.get(0))?;
    if filled { Ok(()) } else { connection.execute_batch(SEED) }
}

fn product(row: &Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        id: row.get(0)?,
        sku: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        category: row.get(4)?,
        price_cents: row.get(5)?,
        stock: row.get(6)?,
    })
}

/// Part of what the filter leaves, by id, and how much it leaves.
pub(crate) fn list(
    c: &Connection,
    filter: &Filter,
    limit: u32,
    offset: u32,
) -> Result<(Vec<Product>, i64), Failure> {
    let condition = "WHERE (?1 IS NULL OR instr(lower(name || ' ' || description), lower(?1)) > 0)
        AND (?2 IS NULL OR category = ?2) AND (?3 IS NULL OR price_cents / 100.0 <= ?3)";
    let Filter { text, category, max_price } = filter;
    let mut query = c.prepare_cached(&format!("{SELECT} {condition} ORDER BY id LIMIT ?4 OFFSET ?5"))?;
    let found = query
        .query_map(params![text, category, max_price, limit, offset], product)?
        .collect::<Result<_, _>>()?;
    let count = format!("SELECT count(*) FROM products {condition}");
    Ok((found, c.query_row(&count, params![text, category, max_price], |row| row.get(0))?))
}

/// One product; 404 when there is none.
pub(crate) fn get(c: &Connection, id: i64) -> Result<Product, Failure> {
    c.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?
        .query_row([id], product)
        .optional()?
        .ok_or_else(|| Failure::not_found(format!("there is no product {id}")))
}

/// Now, in UTC and to the millisecond.
pub(crate) fn now(c: &Connection) -> Result<String, Failure> {
    Ok(c.query_row("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')", [], |row| row.get(0))?)
}
