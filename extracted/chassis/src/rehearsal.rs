//! Rehearsed writes: a request with `X-Shadow-Mode: rollback` does everything, and nothing of it is kept.
//!
//! The work runs in a transaction that is rolled back, the answer is the one a client would have got, and it
//! carries the header again: whoever asked for a rehearsal must be able to tell it from a service that does
//! not know the word and has really done it. [`Keeping`] tells a handler which of the two it is;
//! [`Database::transact`](crate::Database::transact) acts on it.
//!
//! It refuses (400, without running the handler and without the echo) any other value of the header: what is
//! not understood must not be executed.

use axum::extract::{FromRequestParts, Request};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::Failure;

/// The header that asks for a rehearsal, and its echo.
pub const HEADER: &str = "x-shadow-mode";
/// Its only value.
const ROLLBACK: HeaderValue = HeaderValue::from_static("rollback");

/// Whether what a request does is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keeping {
    /// It is: an ordinary request.
    #[default]
    Commit,
    /// It is not: a rehearsal.
    Rollback,
}

impl<S: Send + Sync> FromRequestParts<S> for Keeping {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        asked(parts.headers.get_all(HEADER).iter())
    }
}

fn asked<'a>(mut lines: impl Iterator<Item = &'a HeaderValue>) -> Result<Keeping, Failure> {
    match (lines.next(), lines.next()) {
        (None, _) => Ok(Keeping::Commit),
        (Some(value), None) if value == ROLLBACK => Ok(Keeping::Rollback),
        _ => Err(Failure::invalid("X-Shadow-Mode is `rollback`, once, or left out")),
    }
}

/// Around every handler of a service: the echo, and the refusal of what is not understood.
pub(crate) async fn answer(request: Request, next: Next) -> Response {
    match asked(request.headers().get_all(HEADER).iter()) {
        Ok(Keeping::Commit) => next.run(request).await,
        Ok(Keeping::Rollback) => {
            let mut answer = next.run(request).await;
            answer.headers_mut().insert(HEADER, ROLLBACK);
            answer
        }
        Err(failure) => failure.into_response(),
    }
}
