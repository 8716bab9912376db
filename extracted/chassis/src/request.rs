//! What a JSON request may carry: a body, an id in the path, a page of a list, the origin under which
//! the client reached us.
//!
//! Every refusal is a [`Failure`], so that a client sees one error shape. It refuses to read anything
//! but JSON, and trusts nothing but `Host`.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Failure;

/// A JSON body: 415 without a JSON content type, 413 when too large, 400 when it does not fit `T`.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "send the body as application/json",
            )),
            Err(other) if other.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large"))
            }
            Err(other) => Err(Failure::invalid(other.body_text())),
        }
    }
}

/// A positive number in the path; anything else names nothing, hence 404.
#[derive(Debug, Clone, Copy)]
pub struct Id(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let id = Path::<String>::from_request_parts(parts, state).await.ok().and_then(|p| p.parse().ok());
        match id {
            Some(id) if id > 0 => Ok(Self(id)),
            _ => Err(Failure::not_found("an id is a positive number")),
        }
    }
}

/// The query of `T`; 400 when it does not fit.
#[derive(Debug)]
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(value)| Self(value)).map_err(|e| Failure::invalid(e.body_text()))
    }
}

/// Which part of a list is wanted: `?limit=20&offset=0`, at most 100 at a time.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Page {
    limit: Option<u32>,
    offset: Option<u32>,
}

impl Page {
    /// Rows at most; 100 is the default and the most.
    #[must_use]
    pub fn limit(self) -> u32 {
        self.limit.unwrap_or(100).min(100)
    }

    /// Rows to leave out.
    #[must_use]
    pub fn offset(self) -> u32 {
        self.offset.unwrap_or(0)
    }
}

/// `http://` and the Host the client named: what absolute links and redirects are built from.
#[derive(Debug, Clone)]
pub struct Origin(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let host = parts.headers.get(header::HOST).and_then(|h| h.to_str().ok());
        let host = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
        host.map(|h| Self(format!("http://{h}"))).ok_or_else(|| Failure::invalid("no Host was sent"))
    }
}

/// The `Idempotency-Key` of a request, if there is one.
///
/// # Errors
/// 400 for a key that is empty, not visible ASCII or longer than 200 bytes.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str().map(str::trim) {
        Ok(key) if !key.is_empty() && key.len() <= 200 => Ok(Some(key.to_owned())),
        _ => Err(Failure::invalid("an Idempotency-Key is 1 to 200 visible ASCII characters")),
    }
}
