//! Every SQL statement of the shop, a file per part of the business.
//!
//! Functions take the connection (or the transaction) they work in, so that a caller decides what stands
//! or falls together. They refuse to know HTTP beyond the [`Failure`](chassis::Failure) they return.

pub(crate) mod carts;
pub(crate) mod catalogue;
pub(crate) mod orders;
pub(crate) mod payments;
pub(crate) mod resets;
pub(crate) mod sessions;
pub(crate) mod users;

use rusqlite::Connection;

/// Now, in UTC, as the shop's newer tables keep it.
pub(crate) const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')";

/// Creates what is missing.
pub(crate) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("schema.sql"))?;
    connection.execute_batch(chassis::idempotency::SCHEMA)?;
    crate::seed::seed(connection)
}
