//! Idempotency keys: the same request under the same key has one effect and one answer.
//!
//! Key, effect and answer are written in the same transaction, so a crash never separates them. It
//! refuses a key that comes back with another request (409) and keeps at most [`KEPT`] keys.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::Value;

use crate::Failure;

/// Keys remembered; older ones are forgotten.
pub const KEPT: i64 = 100_000;

/// The table; every service that takes keys creates it with its own schema.
pub const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS idempotency_keys (
    id INTEGER PRIMARY KEY, scope TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL,
    location TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (scope, key));";

/// An answer to a request that made something: 201, where it is, what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// The path of what was made.
    pub path: String,
    /// Its representation.
    pub body: Value,
    /// Whether this is the repeated answer to a repeated request.
    pub replayed: bool,
}

impl Created {
    /// 201 with `Location: prefix + path`; an empty prefix makes it relative.
    #[must_use]
    pub fn respond(self, prefix: &str) -> Response {
        let location = format!("{prefix}{}", self.path);
        let mut answer =
            (StatusCode::CREATED, [(header::LOCATION, location)], axum::Json(self.body)).into_response();
        if self.replayed {
            answer.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        answer
    }
}

/// Runs `work` once per key. `scope` separates the kinds of request; `request` is compared byte for byte.
///
/// # Errors
/// 409 when the key was used for another request; what `work` returns; the database's refusals.
pub fn once(
    transaction: &Transaction<'_>,
    scope: &str,
    key: Option<&str>,
    request: &Value,
    work: impl FnOnce() -> Result<Created, Failure>,
) -> Result<Created, Failure> {
    let Some(key) = key else { return work() };
    let request = request.to_string();
    let known: Option<(String, String, String)> = transaction
        .query_row(
            "SELECT request, location, body FROM idempotency_keys WHERE scope = ?1 AND key = ?2",
            params![scope, key],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    if let Some((earlier, path, body)) = known {
        if earlier != request {
            return Err(Failure::conflict(
                "idempotency_key_reused",
                "this Idempotency-Key was used for another request",
            ));
        }
        let body = serde_json::from_str(&body).unwrap_or(Value::Null);
        return Ok(Created { path, body, replayed: true });
    }
    let created = work()?;
    transaction.execute(
        "INSERT INTO idempotency_keys (scope, key, request, location, body) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![scope, key, request, created.path, created.body.to_string()],
    )?;
    transaction.execute(
        "DELETE FROM idempotency_keys WHERE id <= (SELECT max(id) FROM idempotency_keys) - ?1",
        [KEPT],
    )?;
    Ok(created)
}
