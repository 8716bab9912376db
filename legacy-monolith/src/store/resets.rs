//! Codes by which somebody who forgot a password may choose another: one per customer, for an hour, once.
//!
//! It refuses to keep a code, or to say whether an address is a customer's.

use chassis::Failure;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::store::users::{self, hash_password};
use crate::store::{NOW, orders};

/// What every code is hashed with: a code is long and random, so one salt for all will do.
const SALT: &str = "reset";

/// Sends a link below `origin` to the customer of this address; does nothing when there is none.
pub(crate) fn request(transaction: &Transaction<'_>, email: &str, origin: &str) -> Result<(), Failure> {
    let Some(user) = users::by_email(transaction, email)? else { return Ok(()) };
    let code: String = transaction.query_row("SELECT lower(hex(randomblob(16)))", [], |row| row.get(0))?;
    transaction.execute(
        "INSERT INTO reset_codes (hash, user_id, expires_at)
         VALUES (?1, ?2, strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+1 hour'))
         ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at",
        params![hash_password(&code, SALT), user.id],
    )?;
    orders::send(
        transaction,
        &user.email,
        "Choose a new password",
        &format!("Open {origin}/reset/{code} within an hour. If you did not ask for it, do nothing."),
    )
}

/// The customer of a code that is still good.
pub(crate) fn customer(connection: &Connection, code: &str) -> Result<Option<i64>, Failure> {
    let query = format!("SELECT user_id FROM reset_codes WHERE hash = ?1 AND expires_at > {NOW}");
    let found = connection.query_row(&query, [hash_password(code, SALT)], |row| row.get(0));
    Ok(found.optional()?)
}

/// Gives the customer of a code this password, uses the code up and ends the customer's sessions; `false`
/// for a code that is not good, and then nothing changed.
pub(crate) fn use_up(transaction: &Transaction<'_>, code: &str, password: &str) -> Result<bool, Failure> {
    let Some(customer) = customer(transaction, code)? else { return Ok(false) };
    users::set_password(transaction, customer, password)?;
    transaction.execute("DELETE FROM reset_codes WHERE user_id = ?1", [customer])?;
    transaction.execute("DELETE FROM sessions WHERE user_id = ?1", [customer])?;
    Ok(true)
}
