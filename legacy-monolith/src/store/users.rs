//! Customers and their passwords. It refuses to hand a password out, hashed or not.

use chassis::Failure;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::store::NOW;

/// A customer, as the API shows one.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) phone: Option<String>,
    pub(crate) loyalty_tier: String,
    pub(crate) created_at: String,
}

const COLUMNS: &str = "id, name, email, phone, loyalty_tier, created_at";

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
pub(crate) fn list(connection: &Connection, limit: u32, offset: u32) -> Result<(Vec<User>, i64), Failure> {
    let mut query =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM users ORDER BY id LIMIT ?1 OFFSET ?2"))?;
    let users = query.query_map([limit, offset], user)?.collect::<Result<_, _>>()?;
    let total = connection.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?;
    Ok((users, total))
}

/// One customer; 404 when there is none.
pub(crate) fn get(connection: &Connection, id: i64) -> Result<User, Failure> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE id = ?1"))?
        .query_row([id], user)
        .optional()?
        .ok_or_else(|| Failure::not_found(format!("there is no user {id}")))
}

/// Adds a customer; 409 when the address is taken.
pub(crate) fn create(
    connection: &Connection,
    name: &str,
    email: &str,
    phone: Option<&str>,
    password: Option<&str>,
) -> Result<User, Failure> {
    let taken: bool =
        connection
            .query_row("SELECT EXISTS (SELECT 1 FROM users WHERE email = ?1)", [email], |row| row.get(0))?;
    if taken {
        return Err(Failure::conflict("email_taken", "a user with this e-mail address exists"));
    }
    let password = password.map(|password| salted(connection, password)).transpose()?;
    connection.execute(
        &format!(
            "INSERT INTO users (name, email, phone, password, created_at) VALUES (?1, ?2, ?3, ?4, {NOW})"
        ),
        params![name, email, phone, password],
    )?;
    get(connection, connection.last_insert_rowid())
}

/// The customer whose address and password these are.
pub(crate) fn authenticate(
    connection: &Connection,
    email: &str,
    password: &str,
) -> Result<Option<User>, Failure> {
    let found: Option<(i64, Option<String>)> = connection
        .query_row("SELECT id, password FROM users WHERE email = ?1", [email], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((id, Some(stored))) = found else { return Ok(None) };
    let Some((salt, _)) = stored.split_once('$') else { return Ok(None) };
    if hash_password(password, salt) == stored { get(connection, id).map(Some) } else { Ok(None) }
}

/// The customer of an address.
pub(crate) fn by_email(connection: &Connection, email: &str) -> Result<Option<User>, Failure> {
    let mut query = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE email = ?1"))?;
    Ok(query.query_row([email], user).optional()?)
}

/// Gives a customer another password.
pub(crate) fn set_password(connection: &Connection, id: i64, password: &str) -> Result<(), Failure> {
    let password = salted(connection, password)?;
    connection.execute("UPDATE users SET password = ?2 WHERE id = ?1", params![id, password])?;
    Ok(())
}

fn salted(connection: &Connection, password: &str) -> Result<String, Failure> {
    let salt: String = connection.query_row("SELECT hex(randomblob(8))", [], |row| row.get(0))?;
    Ok(hash_password(password, &salt))
}

/// `salt$hex`, SHA-256: quick, so that tests are; a real shop takes a slow one.
pub(crate) fn hash_password(password: &str, salt: &str) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update([0]).chain_update(password).finalize();
    let hex: String = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(nibble).collect();
    format!("{salt}${hex}")
}

fn nibble(four_bits: u8) -> Option<char> {
    char::from_digit(u32::from(four_bits), 16)
}
