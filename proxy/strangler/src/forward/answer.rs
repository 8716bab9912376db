//! Answers that the proxy makes itself: short, in the client's format, with a request id.

use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::body::AnswerBody;
use super::error::ForwardError;
use super::identity::X_REQUEST_ID;
use super::record::Record;

static PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Methods of `Allow` where CONNECT and TRACE are refused.
const ALLOWED: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// Seconds after which a client may ask a busy upstream again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// What the client reads best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Html,
    Text,
}

impl Format {
    /// By `Accept`, q-values respected; text where nothing is said.
    pub(crate) fn of(accept: Option<&HeaderValue>) -> Format {
        let mut best = (Format::Text, 0u16);
        if let Some(line) = accept {
            for range in line.to_str().unwrap_or_default().split(',') {
                let mut parts = range.split(';').map(str::trim);
                let format = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                    "text/html" | "application/xhtml+xml" => Format::Html,
                    "application/json" | "application/problem+json" => Format::Json,
                    other if other.starts_with("application/") && other.ends_with("+json") => Format::Json,
                    "text/plain" => Format::Text,
                    _ => continue,
                };
                let weight = parts
                    .find_map(|parameter| parameter.strip_prefix("q="))
                    .and_then(|q| q.parse::<f32>().ok())
                    .map_or(1000, thousandths);
                if weight > best.1 {
                    best = (format, weight);
                }
            }
        }
        best.0
    }
}

/// A q-value as an integer.
fn thousandths(q: f32) -> u16 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=1000 first, and NaN becomes 0"
    )]
    let weight = (q * 1000.0).clamp(0.0, 1000.0) as u16;
    weight
}

/// The answer to a request that could not be forwarded.
pub(crate) fn refuse(error: ForwardError, format: Format, mut record: Record) -> Response<AnswerBody> {
    let status = error.status();
    if let Some(limit) = error.limit() {
        record.client().local.recorder.limit(limit);
    }
    let text = render(status, error, format, record.request_id.as_ref());
    let mut response = Response::new(AnswerBody::Empty);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = match format {
        Format::Json => "application/json",
        Format::Html => "text/html; charset=utf-8",
        Format::Text => "text/plain; charset=utf-8",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::try_from(format!("strangler; error={}", error.proxy_status())) {
        headers.insert(PROXY_STATUS.clone(), value);
    }
    if let Some(id) = &record.request_id {
        headers.insert(X_REQUEST_ID.clone(), id.clone());
    }
    if error == ForwardError::MethodNotAllowed {
        headers.insert(ALLOW, ALLOWED);
    }
    if error.is_passing() {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    record.answered_by_proxy(status, Some(error.proxy_status()));
    if error == ForwardError::ClientGone {
        record.client_gone();
    }
    *response.body_mut() = AnswerBody::made(text.into(), record);
    response
}

/// The answer to `OPTIONS *`, which asks about the proxy and not about a resource (RFC 9110, 9.3.7).
pub(crate) fn options(mut record: Record) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Empty);
    response.headers_mut().insert(ALLOW, ALLOWED);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    record.answered_by_proxy(StatusCode::OK, None);
    *response.body_mut() = AnswerBody::made(bytes::Bytes::new(), record);
    response
}

/// Marks a response as the connection's last.
pub(crate) fn close(response: &mut Response<AnswerBody>) {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

fn render(status: StatusCode, error: ForwardError, format: Format, id: Option<&HeaderValue>) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    let sentence = error.sentence();
    let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    match format {
        Format::Json => {
            let value = serde_json::json!({
                "status": status.as_u16(),
                "error": error.proxy_status(),
                "message": sentence,
                "request_id": id,
            });
            format!("{value}\n")
        }
        Format::Html => format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{code} {reason}</title>\n\
             <h1>{reason}</h1>\n<p>{sentence}</p>\n<p><small>Request {id}</small></p></html>\n",
            code = status.as_u16(),
            id = escape(id)
        ),
        Format::Text => format!("{} {reason}\n{sentence}\nRequest {id}\n", status.as_u16()),
    }
}

/// Text inside HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::Format;

    fn check(accept: &str, expected: Format) {
        assert_eq!(Format::of(Some(&accept.parse().unwrap())), expected, "{accept}");
    }

    #[test]
    fn the_client_is_answered_in_the_format_it_reads_best() {
        check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Html);
        check("application/json", Format::Json);
        check("application/vnd.api+json", Format::Json);
        check("text/html;q=0.4, application/json;q=0.5", Format::Json);
        check("*/*", Format::Text);
        check("application/json;q=0, */*", Format::Text);
        check("text/plain", Format::Text);
        assert_eq!(Format::of(None), Format::Text);
    }
}
