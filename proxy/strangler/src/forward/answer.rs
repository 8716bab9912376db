//! Answers that the proxy makes itself: short, in the client's format and, where a slice has them, in its own words, with
//! a request id.

use std::rc::Rc;
use std::time::Duration;

use http::{Method, StatusCode};
use strangler_core::snapshot::Unavailable;

use super::error::ForwardError;
use super::outcome::Downstream;
use super::record::Record;
use crate::http1::{Known, ResponseHead, Version, Wire};

/// Methods of `Allow` where CONNECT and TRACE are refused.
const ALLOWED: &[u8] = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// A page that is read as easily as the site's own.
const STYLE: &str =
    "<style>body{font:1.1em/1.5 system-ui,sans-serif;max-width:34em;margin:4em auto;padding:0 1em}</style>\n";

/// What the client reads best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Html,
    Text,
}

impl Format {
    /// By `Accept`, q-values respected; text where nothing is said.
    pub(crate) fn of(accept: Option<&[u8]>) -> Format {
        let mut best = (Format::Text, 0u16);
        if let Some(line) = accept.and_then(|line| std::str::from_utf8(line).ok()) {
            for range in line.split(',') {
                let mut parts = range.split(';').map(str::trim);
                let Some(format) = Format::of_type(parts.next().unwrap_or_default()) else { continue };
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

    /// Looked at for every request: it makes no text.
    fn of_type(media: &str) -> Option<Format> {
        let is = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(media));
        let part = |range| media.get(range).unwrap_or_default();
        if is(&["text/html", "application/xhtml+xml"]) {
            Some(Format::Html)
        } else if is(&["application/json", "application/problem+json"])
            || (part(0..12).eq_ignore_ascii_case("application/")
                && part(media.len().saturating_sub(5)..media.len()).eq_ignore_ascii_case("+json"))
        {
            Some(Format::Json)
        } else {
            is(&["text/plain"]).then_some(Format::Text)
        }
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

/// Answers a request that could not be forwarded.
pub(crate) fn refuse(
    error: ForwardError,
    format: Format,
    downstream: Downstream,
    record: &mut Record,
    wire: &mut Wire,
) {
    if let Some(limit) = error.limit() {
        record.client().local.recorder.limit(limit);
    }
    let pin = Rc::clone(&record.pin);
    let said = Said::of(error, record.unavailable(&pin.snapshot));
    let status = said.status;
    let text = render(said, error, format, record.request_id.as_deref());
    let mut head = ResponseHead { status: status.as_u16(), ..ResponseHead::default() };
    head.reason.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    let fields = &mut head.fields;
    let kind = match format {
        Format::Json => "application/json",
        Format::Html => "text/html; charset=utf-8",
        Format::Text => "text/plain; charset=utf-8",
    };
    fields.append(b"content-type", kind.as_bytes());
    fields.append(b"content-length", text.len().to_string().as_bytes());
    fields.append(b"cache-control", b"no-store");
    fields.append(b"proxy-status", format!("strangler; error={}", error.proxy_status()).as_bytes());
    if let Some(id) = &record.request_id {
        fields.add(Known::XRequestId, id.as_bytes());
    }
    if error == ForwardError::MethodNotAllowed {
        fields.append(b"allow", ALLOWED);
    }
    if let Some(seconds) = said.retry_after {
        fields.append(b"retry-after", seconds.to_string().as_bytes());
    }
    record.answered_by_proxy(status.as_u16(), Some(error.proxy_status()));
    give(head, text.as_bytes(), downstream, record, wire);
}

/// Answers `OPTIONS *`, which asks about the proxy and not about a resource (RFC 9110, 9.3.7).
pub(crate) fn options(downstream: Downstream, record: &mut Record, wire: &mut Wire) {
    let mut head = ResponseHead { status: 200, reason: b"OK".to_vec(), ..ResponseHead::default() };
    head.fields.append(b"allow", ALLOWED);
    head.fields.append(b"content-length", b"0");
    record.answered_by_proxy(200, None);
    give(head, b"", downstream, record, wire);
}

fn give(mut head: ResponseHead, text: &[u8], downstream: Downstream, record: &mut Record, wire: &mut Wire) {
    if !downstream.persistent {
        head.fields.add(Known::Connection, b"close");
    } else if downstream.version == Version::Http10 {
        head.fields.add(Known::Connection, b"keep-alive");
    }
    head.write(wire.outbox());
    if record.method != Method::HEAD {
        wire.outbox().extend_from_slice(text);
        record.bytes_out = u64::try_from(text.len()).unwrap_or(u64::MAX);
    }
}

/// What the client is told.
#[derive(Clone, Copy)]
struct Said<'a> {
    status: StatusCode,
    sentence: &'a str,
    /// Seconds after which it may ask again.
    retry_after: Option<u64>,
    /// The words are the slice's own.
    own_words: bool,
}

impl<'a> Said<'a> {
    /// What the slice says where nobody can answer for it, or else what the proxy says.
    fn of(error: ForwardError, unavailable: Option<&'a Unavailable>) -> Said<'a> {
        match unavailable.filter(|_| matches!(error.status().as_u16(), 502..=504)) {
            Some(unavailable) => Said {
                status: unavailable.status,
                sentence: &unavailable.message,
                retry_after: Some(whole_seconds(unavailable.retry_after)),
                own_words: true,
            },
            None => Said {
                status: error.status(),
                sentence: error.sentence(),
                retry_after: error.retry_after().map(u64::from),
                own_words: false,
            },
        }
    }
}

/// Rounded up: a client that asks again after so many seconds is not too early (RFC 9110, 10.2.3).
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

fn render(said: Said<'_>, error: ForwardError, format: Format, id: Option<&str>) -> String {
    let Said { status, sentence, retry_after, own_words } = said;
    let code = status.as_u16();
    let reason = status.canonical_reason().unwrap_or_default();
    let id = id.unwrap_or_default();
    match format {
        Format::Json => {
            let mut value = serde_json::json!({
                "status": code,
                "error": error.proxy_status(),
                "message": sentence,
                "request_id": id,
            });
            if let (Some(seconds), Some(object)) = (retry_after, value.as_object_mut()) {
                object.insert("retry_after".to_owned(), seconds.into());
            }
            format!("{value}\n")
        }
        Format::Html => {
            let sentence = escape(sentence);
            let (title, heading, more) = match retry_after {
                _ if !own_words => (format!("{code} {reason}"), reason, format!("<p>{sentence}</p>\n")),
                Some(seconds) if seconds > 0 => {
                    (sentence.clone(), &*sentence, format!("<p>Please try again in {}.</p>\n", span(seconds)))
                }
                _ => (sentence.clone(), &*sentence, String::new()),
            };
            format!(
                "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
                 <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\n{STYLE}\
                 <h1>{heading}</h1>\n{more}<footer><small>Request {}</small></footer></html>\n",
                escape(id)
            )
        }
        Format::Text => format!("{code} {reason}\n{sentence}\nRequest {id}\n"),
    }
}

/// A time as people say it.
fn span(seconds: u64) -> String {
    match (seconds, seconds.div_ceil(60)) {
        (1, _) => "a second".to_owned(),
        (..=90, _) => format!("{seconds} seconds"),
        (_, minutes) => format!("{minutes} minutes"),
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
        assert_eq!(Format::of(Some(accept.as_bytes())), expected, "{accept}");
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
