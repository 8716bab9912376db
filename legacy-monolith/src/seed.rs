//! The data every new database starts with. The extracted services have copies of their own with the
//! same ids, names and prices.
//!
//! It refuses to touch a database that already has products.

use rusqlite::{Connection, params};

use crate::money::Totals;
use crate::store::users::hash_password;

/// The address of the customer that the login page suggests.
pub const DEMO_EMAIL: &str = "ada@example.com";
/// The password of every seeded customer.
pub const DEMO_PASSWORD: &str = "fig-and-oak";

/// id, name, e-mail, phone, loyalty tier, created
type User = (i64, &'static str, &'static str, Option<&'static str>, &'static str, &'static str);

const USERS: [User; 6] = [
    (1, "Ada Lovelace", DEMO_EMAIL, Some("+44 20 7946 0101"), "gold", "2025-01-05T08:00:00Z"),
    (2, "Grace Hopper", "grace@example.com", None, "silver", "2025-01-19T10:30:00Z"),
    (3, "Alan Turing", "alan@example.com", None, "standard", "2025-02-02T17:45:00Z"),
    (4, "Hedy Lamarr", "hedy@example.com", Some("+43 1 5321 0404"), "gold", "2025-02-27T12:15:00Z"),
    (5, "Edsger Dijkstra", "edsger@example.com", None, "standard", "2025-03-14T09:26:53Z"),
    (6, "Margaret Hamilton", "margaret@example.com", None, "silver", "2025-04-01T06:05:04Z"),
];

/// id, sku, name, category, price, stock, description
type Product = (i64, &'static str, &'static str, &'static str, f64, i64, &'static str);

const PRODUCTS: [Product; 12] = [
    (
        1,
        "KIT-MUG",
        "Stoneware Mug",
        "kitchen",
        19.90,
        120,
        "Thrown by hand, glazed in ash white. Holds a generous 350 ml and survives the dishwasher.",
    ),
    (
        2,
        "KIT-BRD",
        "Walnut Board",
        "kitchen",
        34.50,
        40,
        "One piece of oiled walnut with a finger groove on the underside. Bread at breakfast, cheese at night.",
    ),
    (
        3,
        "LIG-ARC",
        "Arc Lamp",
        "lighting",
        129.00,
        14,
        "A slim steel arc that reaches over the sofa and keeps its foot out of the way. Dimmable, warm light.",
    ),
    (
        4,
        "TEX-THR",
        "Linen Throw",
        "textiles",
        79.95,
        32,
        "Washed European linen in oat, 140 by 200 cm. Light enough for July, thick enough for the first cold evening.",
    ),
    (
        5,
        "LIG-CAN",
        "Beeswax Candle",
        "lighting",
        4.50,
        20000,
        "Poured from pure beeswax. Burns for nine hours and smells of summer.",
    ),
    (
        6,
        "FUR-STO",
        "Oak Stool",
        "furniture",
        99.00,
        9,
        "Three legs, so it never wobbles. Solid oak, finished with hard wax.",
    ),
    (
        7,
        "KIT-KET",
        "Pour-over Kettle",
        "kitchen",
        64.90,
        25,
        "A gooseneck spout for a slow, steady pour. Brushed steel, 0.9 litres, fits every hob.",
    ),
    (
        8,
        "LIG-LAN",
        "Paper Lantern",
        "lighting",
        24.25,
        60,
        "Mulberry paper on a bamboo frame, 45 cm across. Folds flat when you move house.",
    ),
    (
        9,
        "TEX-CUS",
        "Wool Cushion",
        "textiles",
        42.10,
        48,
        "Felted wool from mountain sheep with a feather filling. The cover comes off for washing.",
    ),
    (
        10,
        "FUR-TAB",
        "Round Side Table",
        "furniture",
        149.00,
        6,
        "A turned ash top on three splayed legs. Just large enough for a lamp, a book and a mug.",
    ),
    (
        11,
        "KIT-CAR",
        "Glass Carafe",
        "kitchen",
        27.30,
        75,
        "Blown from one gather of glass, with a tumbler that doubles as a lid. One litre.",
    ),
    (
        12,
        "FUR-ROC",
        "Rocking Chair",
        "furniture",
        389.00,
        1,
        "Steam-bent beech with a woven seat. The workshop makes one a month, and this is the last.",
    ),
];

/// id, customer, placed (UTC), paid by, lines of product and quantity
type Order = (i64, i64, &'static str, Option<&'static str>, &'static [(i64, i64)]);

const ORDERS: [Order; 5] = [
    (1, 1, "2025-11-03T08:12:45Z", Some("card"), &[(1, 2), (2, 1)]),
    (2, 2, "2025-11-08T19:40:02Z", Some("invoice"), &[(3, 1)]),
    (3, 3, "2025-11-15T11:05:30Z", Some("card"), &[(1, 3), (5, 2)]),
    (4, 4, "2025-11-21T22:58:17Z", Some("card"), &[(4, 1), (9, 2)]),
    (5, 1, "2025-12-01T07:30:00Z", None, &[(7, 1)]),
];

/// Fills an empty database; does nothing when there are products.
///
/// # Errors
/// What the database refuses.
pub fn seed(connection: &Connection) -> rusqlite::Result<()> {
    let products: i64 = connection.query_row("SELECT count(*) FROM products", [], |row| row.get(0))?;
    if products > 0 {
        return Ok(());
    }
    for (id, name, email, phone, tier, created) in USERS {
        connection.execute(
            "INSERT INTO users (id, name, email, phone, loyalty_tier, password, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                id,
                name,
                email,
                phone,
                tier,
                hash_password(DEMO_PASSWORD, &format!("seed-{id}")),
                created
            ],
        )?;
    }
    for (id, sku, name, category, price, stock, description) in PRODUCTS {
        connection.execute(
            "INSERT INTO products (id, sku, name, description, category, price) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![id, sku, name, description, category, price],
        )?;
        connection.execute("INSERT INTO inventory (product_id, stock) VALUES (?1, ?2)", [id, stock])?;
    }
    ORDERS.iter().try_for_each(|order| seed_order(connection, order))
}

fn seed_order(connection: &Connection, order: &Order) -> rusqlite::Result<()> {
    let (id, user, placed, paid_by, lines) = *order;
    let products =
        || lines.iter().filter_map(|(product, n)| Some((PRODUCTS.iter().find(|p| p.0 == *product)?, *n)));
    let totals = Totals::of(products().map(|(product, quantity)| (quantity, product.4)));
    let status = if paid_by.is_some() { "paid" } else { "placed" };
    connection.execute(
        "INSERT INTO orders (id, user_id, status, placed_at, subtotal, discount, tax, total)
         VALUES (?1, ?2, ?3, datetime(?4, '+1 hour'), ?5, ?6, ?7, ?8)",
        params![id, user, status, placed, totals.subtotal, totals.discount, totals.tax, totals.total],
    )?;
    for (product, quantity) in products() {
        connection.execute(
            "INSERT INTO order_lines (order_id, product_id, name, quantity, unit_price) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, product.0, product.2, quantity, product.4],
        )?;
    }
    let status = if paid_by.is_some() { "captured" } else { "pending" };
    connection.execute(
        "INSERT INTO payments (id, order_id, amount, method, status, created_at) VALUES (?1, ?1, ?2, ?3, ?4, ?5)",
        params![id, totals.total, paid_by, status, placed],
    )?;
    Ok(())
}
