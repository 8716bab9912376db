//! Answers of the admin listener: JSON, text, problems.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde::Serialize;
use strangler_core::config::suggest;
use strangler_core::snapshot::Snapshot;

/// An answer of the admin listener.
pub(super) type Reply = Response<ReplyBody>;

/// Whole, or piece by piece as it comes to be.
pub(super) type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;

/// Why a request is not answered, as `{"error": …, "help": …}`.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: String,
    help: String,
    allow: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: String, help: &str) -> Problem {
        Problem { status, error, help: help.to_owned(), allow: None }
    }

    /// 404 for a slice that the running configuration does not have, with what may have been meant.
    pub(super) fn no_slice(snapshot: &Snapshot, name: &str) -> Problem {
        let names: Vec<&str> = snapshot.slices.iter().map(|slice| &*slice.name).collect();
        let help = suggest::help(name, &names);
        let help = help.as_deref().unwrap_or("`/api/slices` lists the slices");
        Problem::new(StatusCode::NOT_FOUND, format!("there is no slice `{name}`"), help)
    }

    /// 405 with the methods that are allowed (RFC 9110 section 15.5.6).
    pub(super) fn method(allow: &'static str) -> Problem {
        let error = "this method is not allowed here".to_owned();
        Problem { allow: Some(allow), ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, error, allow) }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn into_reply(self) -> Reply {
        let body = serde_json::json!({ "error": self.error, "help": self.help });
        let mut reply = json(self.status, &body);
        if self.status == StatusCode::UNAUTHORIZED {
            reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = self.allow {
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        reply
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    match serde_json::to_vec_pretty(body) {
        Ok(mut bytes) => {
            bytes.push(b'\n');
            reply(status, "application/json", bytes.into())
        }
        Err(error) => {
            tracing::error!(%error, "admin: an answer could not be written");
            reply(StatusCode::INTERNAL_SERVER_ERROR, "application/json", Bytes::from_static(b"{}\n"))
        }
    }
}

/// A plain-text answer.
pub(super) fn text(status: StatusCode, body: String) -> Reply {
    reply(status, "text/plain; charset=utf-8", body.into())
}

/// An answer of any type, never stored by anyone.
pub(super) fn reply(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = streamed(content_type, Full::new(body).boxed_unsync());
    *reply.status_mut() = status;
    reply
}

/// An answer whose body comes piece by piece, never stored by anyone.
pub(super) fn streamed(content_type: &'static str, body: ReplyBody) -> Reply {
    let mut reply = Response::new(body);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}
