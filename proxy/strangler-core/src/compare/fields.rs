//! The header fields of one reply, by name; and how their values are cut into pieces.
//!
//! Names are without case. Refuses to know what a header means: see `headers` and `cookies`.

use std::collections::BTreeMap;

/// The header fields of one reply.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields<'a> {
    lines: BTreeMap<String, Vec<&'a [u8]>>,
}

impl<'a> Fields<'a> {
    /// The fields by name in lower case, the lines of one name in the order received.
    pub(super) fn new(headers: &'a [(Box<str>, Box<[u8]>)]) -> Self {
        let mut lines: BTreeMap<String, Vec<&'a [u8]>> = BTreeMap::new();
        for (name, value) in headers {
            lines.entry(name.to_ascii_lowercase()).or_default().push(value.trim_ascii());
        }
        Fields { lines }
    }

    /// Every name, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.keys().map(String::as_str)
    }

    /// The lines of this name, without blanks around their values.
    pub(super) fn lines(&self, name: &str) -> &[&'a [u8]] {
        self.lines.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of this name: several lines mean the same as one with commas (RFC 9110 §5.3).
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let lines = self.lines.get(name)?;
        Some(String::from_utf8_lossy(&lines.join(&b", "[..])).into_owned())
    }
}

/// The pieces of a value between separators that stand in no quotes, without blanks; empty ones are left out
/// (RFC 9110 §5.6.1).
pub(super) fn pieces(value: &str, separator: char) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    let mut angle = false;
    let mut escaped = false;
    for (at, c) in value.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if !angle => quoted = !quoted,
            // The reference of a Link (RFC 8288) may hold both separators.
            '<' if !quoted => angle = true,
            '>' if !quoted => angle = false,
            c if c == separator && !quoted && !angle => {
                pieces.push(value.get(start..at).unwrap_or_default().trim());
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(value.get(start..).unwrap_or_default().trim());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// A parameter's value without the quotes that it may have (RFC 9110 §5.6.4).
pub(super) fn unquoted(value: &str) -> String {
    let value = value.trim();
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        text.push(if c == '\\' { characters.next().unwrap_or(c) } else { c });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Fields, pieces, unquoted};

    #[test]
    fn names_have_no_case_and_lines_their_order() {
        let header = |name: &str, value: &str| (name.into(), value.as_bytes().into());
        let headers = [header("VARY", " a "), header("x", "1"), header("Vary", "b, c")];
        let fields = Fields::new(&headers);
        assert_eq!(fields.names().collect::<Vec<_>>(), ["vary", "x"]);
        assert_eq!(fields.value("vary").as_deref(), Some("a, b, c"));
        assert_eq!(fields.lines("vary"), [&b"a"[..], b"b, c"]);
        assert_eq!(fields.value("y"), None);
    }

    #[test]
    fn values_are_cut_outside_quotes_and_references() {
        let check = |value: &str, expected: &[&str]| assert_eq!(pieces(value, ','), expected, "{value}");
        check("a, b ,,c", &["a", "b", "c"]);
        check("", &[]);
        check(r#"private="a, b", "c\",d""#, &[r#"private="a, b""#, r#""c\",d""#]);
        check(r#"</a,b>; rel=next, <c>"#, &["</a,b>; rel=next", "<c>"]);
        check("\"open, end", &["\"open, end"]);
        assert_eq!(unquoted(r#" "a\"b" "#), "a\"b");
        assert_eq!(unquoted("a"), "a");
        assert_eq!(unquoted("\""), "\"");
    }
}
