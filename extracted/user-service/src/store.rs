//! The service's table and the customers it starts with: the monolith's, with the same ids.

use chassis::Failure;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE COLLATE NOCASE,
    phone TEXT, loyalty_tier TEXT NOT NULL DEFAULT 'standard', created_at TEXT NOT NULL);";

const SEED: &str = "INSERT INTO users (id, name, email, phone, loyalty_tier, created_at) VALUES
    (1, 'Ada Lovelace', 'ada@example.com', '+44 20 7946 0101', 'gold', '2025-01-05T08:00:00Z'),
    (2, 'Grace Hopper', 'grace@example.com', NULL, 'silver', '2025-01-19T10:30:00Z'),
    (3, 'Alan Turing', 'alan@example.com', NULL, 'standard', '2025-02-02T17:45:00Z'),
    (4, 'Hedy Lamarr', 'hedy@example.com', '+43 1 5321 0404', 'gold', '2025-02-27T12:15:00Z'),
    (5, 'Edsger Dijkstra', 'edsger@example.com', NULL, 'standard', '2025-03-14T09:26:53Z'),
    (6, 'Margaret Hamilton', 'margaret@example.com', NULL, 'silver', '2025-04-01T06:05:04Z');";

const COLUMNS: &str = "id, name, email, phone, loyalty_tier, created_at";

/// A customer.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) phone: Option<String>,
    pub(crate) loyalty_tier: String,
    pub(crate) created_at: String,
}

pub(crate) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)?;
    let filled: bool = connection.query_row("SELECT EXISTS (SELECT 1 FROM users)", [], |row| row.get(0))?;
    if filled { Ok(()) } else { connection.execute_batch(SEED) }
}

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: row.get(0)?,
        name: row.get(1)?,
        email: row.get(2)?,
        phone: row.get(3)?,
        loyalty_tier: row.get(4)?,
        created_at: row.get(5)?,
    })
}

/// Part of the customers by id, and how many there are.
pub(crate) fn list(c: &Connection, limit: u32, offset: u32) -> Result<(Vec<User>, i64), Failure> {
    let mut query =
        c.prepare_cached(&format!("SELECT {COLUMNS} FROM users ORDER BY id LIMIT ?1 OFFSET ?2"))?;
    let users = query.query_map([limit, offset], user)?.collect::<Result<_, _>>()?;
    Ok((users, c.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?))
}

/// One customer; 404 when there is none.
pub(crate) fn get(c: &Connection, id: i64) -> Result<User, Failure> {
    c.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE id = ?1"))?
        .query_row([id], user)
        .optional()?
        .ok_or_else(|| Failure::not_found(format!("there is no user {id}")))
}

/// Adds a customer; 409 when the address is taken.
pub(crate) fn create(
    c: &Transaction<'_>,
    name: &str,
    email: &str,
    phone: Option<&str>,
) -> Result<User, Failure> {
    let taken: bool =
        c.query_row("SELECT EXISTS (SELECT 1 FROM users WHERE email = ?1)", [email], |row| row.get(0))?;
    if taken {
        return Err(Failure::conflict("email_taken", "a user with this e-mail address exists"));
    }
    c.execute(
        "INSERT INTO users (name, email, phone, created_at)
         VALUES (?1, ?2, ?3, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))",
        params![name, email, phone],
    )?;
    get(c, c.last_insert_rowid())
}
