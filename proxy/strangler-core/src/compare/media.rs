//! Media types: what a body says it is, and what it looks like where nothing says so.

use std::collections::BTreeMap;

use super::fields::{pieces, unquoted};

/// A media type with its parameters, in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MediaType {
    /// `type/subtype`, in lower case.
    pub(super) essence: String,
    /// Parameters by name in lower case, values without quotes.
    pub(super) parameters: BTreeMap<String, String>,
}

/// How a body is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Format {
    /// Structurally.
    Json,
    /// By the tree that a browser would make of it.
    Html,
    /// By its elements.
    Xml,
    /// By its pairs, in any order.
    Form,
    /// By line.
    Text,
    /// By its bytes.
    Bytes,
}

impl MediaType {
    /// The media type of a `Content-Type`, where it is one (RFC 9110 §8.3.1).
    pub(super) fn parse(value: &str) -> Option<MediaType> {
        let mut parts = pieces(value, ';').into_iter();
        let essence = parts.next()?.to_ascii_lowercase();
        let (kind, sub) = essence.split_once('/')?;
        let is_token =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b',');
        if !is_token(kind) || !is_token(sub) {
            return None;
        }
        let mut parameters = BTreeMap::new();
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            // The first of several counts (MIME Sniffing §4.4).
            parameters.entry(name.trim().to_ascii_lowercase()).or_insert_with(|| unquoted(value));
        }
        Some(MediaType { essence, parameters })
    }

    /// How bodies of this type are compared.
    pub(super) fn format(&self) -> Format {
        let essence = self.essence.as_str();
        match essence {
            "application/json" | "text/json" => Format::Json,
            "text/html" => Format::Html,
            "application/xml" | "text/xml" | "application/xml-dtd" => Format::Xml,
            "application/x-www-form-urlencoded" => Format::Form,
            "application/javascript"
            | "application/x-javascript"
            | "application/ecmascript"
            | "application/yaml"
            | "application/x-yaml"
            | "application/toml"
            | "application/graphql"
            | "application/sql"
            | "application/x-ndjson"
            | "application/jsonl"
            | "application/json-seq"
            | "application/x-sh" => Format::Text,
            _ if essence.ends_with("+json") => Format::Json,
            _ if essence.ends_with("+xml") => Format::Xml,
            _ if essence.ends_with("+yaml") => Format::Text,
            _ if essence.starts_with("text/") => Format::Text,
            _ => Format::Bytes,
        }
    }

    /// `charset`, in lower case.
    pub(super) fn charset(&self) -> Option<String> {
        self.parameters.get("charset").map(|charset| charset.to_ascii_lowercase())
    }

    /// One spelling for all that mean the same: parameters sorted, their charset in lower case; without the
    /// charset of JSON, which has none (RFC 8259 §11), and without a multipart's boundary, which is random.
    pub(super) fn normal(&self) -> String {
        let mut normal = self.essence.clone();
        for (name, value) in &self.parameters {
            match name.as_str() {
                "charset" if self.format() == Format::Json => continue,
                "boundary" if self.essence.starts_with("multipart/") => continue,
                _ => {}
            }
            let lower = value.to_ascii_lowercase();
            let value = if name == "charset" { &lower } else { value };
            normal.push(';');
            normal.push_str(name);
            normal.push('=');
            normal.push_str(value);
        }
        normal
    }
}

/// What a body looks like that does not say what it is: only what cannot well be anything else is taken for it.
pub(super) fn sniffed(body: &[u8]) -> Format {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    let begins =
        |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    let is_closed = |open: u8, close: u8| text.first() == Some(&open) && text.last() == Some(&close);
    if is_closed(b'{', b'}') || is_closed(b'[', b']') {
        Format::Json
    } else if begins("<!doctype html") || begins("<html") {
        Format::Html
    } else if begins("<?xml") {
        Format::Xml
    } else if is_text(body) {
        Format::Text
    } else {
        Format::Bytes
    }
}

/// Whether these bytes are UTF-8 without control characters that no text has.
fn is_text(body: &[u8]) -> bool {
    let is_control = |b: &u8| *b < 0x20 && !matches!(*b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    !body.iter().any(is_control) && std::str::from_utf8(body).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Format, MediaType, sniffed};

    #[test]
    fn a_media_type_has_one_normal_spelling() {
        let check = |value: &str, normal: &str| {
            assert_eq!(
                MediaType::parse(value).map(|media| media.normal()).as_deref(),
                Some(normal),
                "{value}"
            );
        };
        check("text/html", "text/html");
        check("Text/HTML ; Charset=\"UTF-8\"", "text/html;charset=utf-8");
        check("a/b; y=2; X=\"1\"", "a/b;x=1;y=2");
        check("application/json; charset=utf-8", "application/json");
        check("application/problem+json;charset=x;v=1", "application/problem+json;v=1");
        check("multipart/mixed; boundary=abc", "multipart/mixed");
        check("text/plain; charset=a; charset=b", "text/plain;charset=a");
        for value in ["", "text", "/", "a/", "a/b, c/d", "a b/c"] {
            assert_eq!(MediaType::parse(value), None, "{value}");
        }
    }

    #[test]
    fn every_media_type_is_compared_somehow() {
        let check = |essence: &str, format: Format| {
            assert_eq!(MediaType::parse(essence).unwrap().format(), format, "{essence}");
        };
        check("application/json", Format::Json);
        check("application/vnd.api+json", Format::Json);
        check("text/html", Format::Html);
        check("application/xml", Format::Xml);
        check("text/xml", Format::Xml);
        check("image/svg+xml", Format::Xml);
        check("application/xhtml+xml", Format::Xml);
        check("application/x-www-form-urlencoded", Format::Form);
        check("text/plain", Format::Text);
        check("text/csv", Format::Text);
        check("application/javascript", Format::Text);
        check("application/x-ndjson", Format::Text);
        check("image/png", Format::Bytes);
        check("application/octet-stream", Format::Bytes);
        check("x/y", Format::Bytes);
    }

    #[test]
    fn only_what_cannot_well_be_anything_else_is_guessed() {
        let check = |body: &[u8], format: Format| assert_eq!(sniffed(body), format, "{body:?}");
        check(b" {\"a\":1}\n", Format::Json);
        check(b"[1]", Format::Json);
        check(b"[note", Format::Text);
        check(b"1", Format::Text);
        check(b"<!DOCTYPE html><p>", Format::Html);
        check(b"<HTML>", Format::Html);
        check(b"<?xml version='1.0'?><a/>", Format::Xml);
        check(b"<p>", Format::Text);
        check(b"plain", Format::Text);
        check(b"", Format::Text);
        check(b"\x89PNG\r\n\x1a\n\0", Format::Bytes);
        check(b"caf\xe9", Format::Bytes);
    }
}
