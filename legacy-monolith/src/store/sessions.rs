//! Visitors: the session behind the cookie, its CSRF token, and who is logged in.
//!
//! Tokens come from SQLite's generator, which the operating system seeds.

use chassis::Failure;
use rusqlite::{Connection, OptionalExtension};

use crate::store::NOW;

/// Sessions kept; the oldest go first.
const KEPT: i64 = 20_000;

/// A visitor's session.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The cookie's value.
    pub(crate) id: String,
    /// What every form must send back.
    pub(crate) csrf: String,
    /// Who is logged in.
    pub(crate) user_id: Option<i64>,
}

/// The session of a cookie, unless it has been forgotten.
pub(crate) fn find(connection: &Connection, id: &str) -> Result<Option<Session>, Failure> {
    let mut query = connection.prepare_cached("SELECT id, csrf, user_id FROM sessions WHERE id = ?1")?;
    let session = query
        .query_row([id], |row| Ok(Session { id: row.get(0)?, csrf: row.get(1)?, user_id: row.get(2)? }))
        .optional()?;
    Ok(session)
}

/// A new session for a visitor nobody knows yet.
pub(crate) fn create(connection: &Connection) -> Result<Session, Failure> {
    let (id, csrf) = (token(connection)?, token(connection)?);
    connection.execute(
        &format!("INSERT INTO sessions (id, csrf, created_at) VALUES (?1, ?2, {NOW})"),
        [&id, &csrf],
    )?;
    connection
        .execute("DELETE FROM sessions WHERE rowid <= (SELECT max(rowid) FROM sessions) - ?1", [KEPT])?;
    Ok(Session { id, csrf, user_id: None })
}

/// Logs somebody in or out. The session gets a new id and a new token, so that an id somebody else
/// learned before is worth nothing after; the cart follows.
pub(crate) fn change_user(
    connection: &Connection,
    session: &Session,
    user_id: Option<i64>,
) -> Result<Session, Failure> {
    let (id, csrf) = (token(connection)?, token(connection)?);
    connection.execute(
        "UPDATE sessions SET id = ?2, csrf = ?3, user_id = ?4 WHERE id = ?1",
        rusqlite::params![session.id, id, csrf, user_id],
    )?;
    Ok(Session { id, csrf, user_id })
}

fn token(connection: &Connection) -> Result<String, Failure> {
    Ok(connection.query_row("SELECT lower(hex(randomblob(16)))", [], |row| row.get(0))?)
}
