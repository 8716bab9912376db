//! Answers that are broken on purpose: cut, mislabelled, endless, huge, no HTTP at all.
//!
//! Memory stays small whatever their size. It refuses to break the answer to a HEAD request, which has no
//! body to break.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::response::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use crate::server::{ConnectionSwitch, Ending, HeaderCase};

/// The smallest huge body: one that is still a JSON document.
pub(super) const LEAST: u64 = 64;
/// The largest body, of a request or an answer, that is held to be broken.
const HELD: usize = 4 * 1024 * 1024;
/// A piece of a large body.
const PIECE: usize = 64 * 1024;
/// Between two pieces of an endless body: some 16 MB a second, so that it fills any buffer and yet leaves the
/// machine to others.
const PACE: Duration = Duration::from_millis(4);

/// The head of the right answer, half of its body, and a close.
pub(super) async fn truncated(
    request: Request,
    next: Next,
    connection: &ConnectionSwitch,
    case: HeaderCase,
) -> Response {
    raw(request, next, connection, case, |body| {
        // An answer without a body promises one.
        (body.len().max(16), body.slice(..body.len() / 2))
    })
    .await
}

/// The right answer under a Content-Length that stops seven bytes before its end.
pub(super) async fn wrong_length(
    request: Request,
    next: Next,
    connection: &ConnectionSwitch,
    case: HeaderCase,
) -> Response {
    raw(request, next, connection, case, |body| {
        if body.is_empty() {
            (0, Bytes::from_static(b"surplus"))
        } else {
            (body.len().saturating_sub(7), body)
        }
    })
    .await
}

/// Runs the handler and puts its answer on the wire by hand: the length that is claimed, the bytes that come.
async fn raw(
    request: Request,
    next: Next,
    connection: &ConnectionSwitch,
    case: HeaderCase,
    broken: impl FnOnce(Bytes) -> (usize, Bytes),
) -> Response {
    if request.method() == Method::HEAD {
        return next.run(request).await;
    }
    let (head, body) = next.run(request).await.into_parts();
    let Ok(body) = to_bytes(body, HELD).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let (claimed, sent) = broken(body);
    let mut bytes = written(&head, claimed, case);
    bytes.extend_from_slice(&sent);
    connection.end(Ending::Bytes(bytes.into()));
    StatusCode::OK.into_response()
}

fn written(head: &Parts, length: usize, case: HeaderCase) -> Vec<u8> {
    let reason = head.status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", head.status.as_u16()).into_bytes();
    for (name, value) in head.headers.iter().filter(|(name, _)| **name != header::CONTENT_LENGTH) {
        bytes.extend_from_slice(spelt(name.as_str(), case).as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    let length = format!("{}: {length}\r\n\r\n", spelt("content-length", case));
    bytes.extend_from_slice(length.as_bytes());
    bytes
}

fn spelt(name: &str, case: HeaderCase) -> String {
    match case {
        HeaderCase::Lower => name.to_owned(),
        HeaderCase::Title => {
            let mut first = true;
            let letters = name.chars().map(|letter| {
                let spelt = if first { letter.to_ascii_uppercase() } else { letter };
                first = letter == '-';
                spelt
            });
            letters.collect()
        }
    }
}

/// A JSON array that never closes.
pub(super) fn endless() -> Response {
    let piece = Bytes::from("0,".repeat(PIECE / 2));
    let body = stream::unfold(true, move |first| {
        let piece = if first { Bytes::from_static(b"[") } else { piece.clone() };
        async move {
            if !first {
                tokio::time::sleep(PACE).await;
            }
            Some((Ok::<_, Infallible>(piece), false))
        }
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(body)).into_response()
}

/// A JSON document of exactly `bytes` bytes.
pub(super) fn huge(bytes: u64) -> Response {
    const OPEN: &[u8] = br#"{"planted":""#;
    const CLOSE: &[u8] = br#""}"#;
    let filler = Bytes::from("a".repeat(PIECE));
    // What is still to come: the opening, so many bytes of filler, the close.
    let left = (Some(OPEN), bytes.saturating_sub((OPEN.len() + CLOSE.len()) as u64), Some(CLOSE));
    let body = stream::unfold(left, move |(open, left, close)| {
        let next = match (open, left, close) {
            (Some(open), left, close) => Some((Bytes::from_static(open), (None, left, close))),
            (None, left @ 1.., close) => {
                let size = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
                Some((filler.slice(..size), (None, left - size as u64, close)))
            }
            (None, 0, Some(close)) => Some((Bytes::from_static(close), (None, 0, None))),
            (None, 0, None) => None,
        };
        std::future::ready(next.map(|(piece, left)| (Ok::<_, Infallible>(piece), left)))
    });
    let headers =
        [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_LENGTH, bytes.to_string())];
    (headers, Body::from_stream(body)).into_response()
}

/// Bytes that no client takes for HTTP.
pub(super) async fn garbage(request: Request, connection: &ConnectionSwitch) -> Response {
    // Read first: a close with unread bytes would be a reset, which takes the garbage along.
    drop(to_bytes(request.into_body(), HELD).await);
    connection.end(Ending::Bytes(Bytes::from_static(b"\x00\xff\x16\x03 this is no HTTP\r\n\r\n\x80\x81")));
    StatusCode::OK.into_response()
}
