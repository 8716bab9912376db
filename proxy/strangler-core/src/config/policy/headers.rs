//! `request_headers` and `response_headers`: `{ set, remove }`.

use super::super::code;
use super::super::document::Kind;
use super::super::problems::{Context, Problem};
use super::super::reader::{self, Item, Reader};
use super::super::source::Span;
use crate::snapshot::HeaderOps;

/// Headers that frame a message or belong to one connection (RFC 9110 sections 7.6.1 and 7.2, RFC 9112
/// section 6): changing them would let one message be read as another.
const FORBIDDEN: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reads one set of header operations.
pub(super) fn read(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<HeaderOps> {
    let what = format!("`{}`", item.key);
    let mut reader = Reader::new(&what, reader::table(context, item)?);
    let remove = reader.read(context, "remove", |context, item| {
        reader::list(context, item, |context, item| {
            let text = reader::text(context, item)?;
            writable(context, &text.value, text.written(), item.value.span)
        })
    });
    let mut set: Vec<(http::HeaderName, http::HeaderValue)> = Vec::new();
    let written = reader.get("set").and_then(|item| reader::table(context, item));
    reader.done(context);
    for entry in written.map(|table| table.entries.as_slice()).unwrap_or_default() {
        let name = writable(context, &entry.key, &entry.key, entry.key_span);
        let value = value(context, Item { key: &entry.key, value: &entry.value });
        let (Some(name), Some(value)) = (name, value) else { continue };
        // Names differ in case only over layers; the later layer wins.
        set.retain(|(other, _)| *other != name);
        set.push((name, value));
    }
    Some(HeaderOps { remove: remove.unwrap_or_default(), set })
}

fn value(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<http::HeaderValue> {
    let Kind::Text(text) = &item.value.kind else {
        reader::wrong_type(context, item, "a string");
        return None;
    };
    let value = http::HeaderValue::from_str(&text.value);
    if value.is_err() {
        let why = "this cannot stand in a header";
        reader::refuse(context, item, code::BAD_HEADER, why, "one line of visible ASCII characters");
    }
    value.ok()
}

fn writable(context: &Context<'_, '_>, name: &str, written: &str, span: Span) -> Option<http::HeaderName> {
    let name = header_name(context, name, written, span)?;
    if !FORBIDDEN.contains(&name.as_str()) {
        return Some(name);
    }
    let message = format!("`{written}` belongs to the proxy and cannot be set or removed");
    let help = match name.as_str() {
        "host" => "use `rewrite = { host = … }`, or `host` of the upstream",
        _ => "it frames the message or belongs to one connection",
    };
    context.report(Problem::new(code::FORBIDDEN_HEADER, span, message).help(help));
    None
}

/// The name of any header; `written` is what messages may show.
pub(crate) fn header_name(
    context: &Context<'_, '_>,
    name: &str,
    written: &str,
    span: Span,
) -> Option<http::HeaderName> {
    let parsed = http::HeaderName::from_bytes(name.as_bytes());
    if parsed.is_err() {
        let problem = Problem::new(code::BAD_HEADER, span, format!("`{written}` is not a header name"));
        context.report(problem.help("letters, digits and hyphens, such as x-request-source"));
    }
    parsed.ok()
}
