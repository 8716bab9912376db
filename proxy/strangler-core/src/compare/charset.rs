//! Charsets: bytes to text, by what the header, the mark at the beginning or the document says.
//!
//! Owns which of them is believed (Encoding Standard; RFC 7303 for XML). Refuses to guess languages: without
//! any word it is UTF-8, or, where it cannot be, the web's Latin-1.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::media::Format;

/// How far into an HTML document its charset is looked for.
const PRESCAN_BYTES: usize = 1024;

/// A body as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<'a> {
    /// Without the mark at the beginning. Bytes that do not fit are read as Latin-1, so that other bytes make
    /// another text.
    pub(super) text: Cow<'a, str>,
    /// Whether the bytes are what they are said to be.
    pub(super) fits: Fits,
}

/// Whether bytes are text in the charset that they are said to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fits {
    /// They are.
    Yes,
    /// They are not, or nobody knows that charset.
    No,
}

/// The text of a body. `declared` is the charset of its `Content-Type`.
pub(super) fn text<'a>(body: &'a [u8], declared: Option<&str>, format: Format) -> Text<'a> {
    let named = |label: &str| Encoding::for_label(label.as_bytes());
    if let Some((encoding, length)) = Encoding::for_bom(body) {
        return decoded(body.get(length..).unwrap_or_default(), encoding);
    }
    if let Some(label) = declared {
        return match named(label) {
            Some(encoding) => decoded(body, encoding),
            None => misfit(body),
        };
    }
    let inside = match format {
        Format::Html => within_html(body),
        Format::Xml => within_xml(body),
        Format::Json | Format::Form | Format::Text | Format::Bytes => None,
    };
    match inside.as_deref().and_then(named) {
        // What says so in ASCII is not UTF-16.
        Some(encoding) if encoding.is_ascii_compatible() => decoded(body, encoding),
        _ if format == Format::Xml => decoded(body, UTF_8),
        _ => match std::str::from_utf8(body) {
            Ok(text) => Text { text: Cow::Borrowed(text), fits: Fits::Yes },
            Err(_) => decoded(body, WINDOWS_1252),
        },
    }
}

fn decoded<'a>(body: &'a [u8], encoding: &'static Encoding) -> Text<'a> {
    match encoding.decode_without_bom_handling_and_without_replacement(body) {
        Some(text) => Text { text, fits: Fits::Yes },
        None => misfit(body),
    }
}

fn misfit(body: &[u8]) -> Text<'_> {
    Text { text: WINDOWS_1252.decode_without_bom_handling(body).0, fits: Fits::No }
}

/// `encoding` of an XML declaration.
fn within_xml(body: &[u8]) -> Option<String> {
    let head = body.get(..PRESCAN_BYTES.min(body.len()))?;
    let declaration = head.strip_prefix(b"<?xml")?;
    let end = declaration.windows(2).position(|pair| pair == b"?>")?;
    let text = String::from_utf8_lossy(declaration.get(..end)?);
    let (_, rest) = text.split_once("encoding")?;
    let value = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value.get(1..)?.split_once(quote).map(|(name, _)| name.to_owned())
}

/// `charset` of the first `meta` that has one.
fn within_html(body: &[u8]) -> Option<String> {
    let head = body.get(..PRESCAN_BYTES.min(body.len()))?;
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    text.split("<meta").skip(1).find_map(|rest| {
        let tag = rest.split('>').next()?;
        let (_, value) = tag.split_once("charset")?;
        let value = value.trim_start().strip_prefix('=')?.trim_start();
        let value = value.trim_start_matches(['"', '\'']);
        let end = value.find(|c: char| matches!(c, '"' | '\'' | ';' | '/') || c.is_ascii_whitespace());
        let name = value.get(..end.unwrap_or(value.len()))?;
        (!name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::{Fits, Format, text};

    fn check(body: &[u8], declared: Option<&str>, format: Format, expected: &str, fits: Fits) {
        let got = text(body, declared, format);
        assert_eq!((&*got.text, got.fits), (expected, fits), "{body:?} {declared:?}");
    }

    #[test]
    fn the_mark_then_the_header_then_the_document_says_the_charset() {
        use Format::{Html, Text, Xml};
        check("é".as_bytes(), None, Text, "é", Fits::Yes);
        check("é".as_bytes(), Some("utf-8"), Text, "é", Fits::Yes);
        check(b"\xe9", Some("iso-8859-1"), Text, "é", Fits::Yes);
        check(b"\xe9", None, Text, "é", Fits::Yes);
        check(b"\xef\xbb\xbf\xc3\xa9", Some("iso-8859-1"), Text, "é", Fits::Yes);
        check(b"\xff\xfea\0", None, Text, "a", Fits::Yes);
        check(b"<meta charset='koi8-r'>\xc1", None, Html, "<meta charset='koi8-r'>а", Fits::Yes);
        check(
            b"<META http-equiv=Content-Type content=\"text/html; charset=KOI8-R\">\xc1",
            None,
            Html,
            "<META http-equiv=Content-Type content=\"text/html; charset=KOI8-R\">а",
            Fits::Yes,
        );
        check(b"<meta charset=utf-16>a", None, Html, "<meta charset=utf-16>a", Fits::Yes);
        check(
            b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>",
            None,
            Xml,
            "<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>",
            Fits::Yes,
        );
    }

    #[test]
    fn bytes_that_are_not_what_they_are_said_to_be_are_told() {
        use Format::{Text, Xml};
        check(b"\xe9", Some("utf-8"), Text, "é", Fits::No);
        check(b"\xe8\x81", Some("utf-8"), Text, "è\u{81}", Fits::No);
        check(b"a", Some("klingon"), Text, "a", Fits::No);
        check(b"<a>\xe9</a>", None, Xml, "<a>é</a>", Fits::No);
        for start in ["<?xml", "<?xml encoding=", "<?xml encoding='", "<?xml encoding='x?>", "<meta charset="]
        {
            text(start.as_bytes(), None, Xml);
            text(start.as_bytes(), None, Format::Html);
        }
    }
}
