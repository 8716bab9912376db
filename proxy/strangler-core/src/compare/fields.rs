//! The header fields of one reply, by name; and how their values are cut into pieces.
//!
//! Names are without case. Refuses to know what a header means: see `headers` and `cookies`.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::FieldLines;

/// The header fields of one reply, sorted by name, the lines of one name in the order received.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields<'a> {
    fields: Vec<Field<'a>>,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of a reply; blanks around values are no part of them.
    pub(super) fn new(headers: &'a FieldLines) -> Self {
        let mut fields: Vec<Field<'a>> =
            headers.iter().map(|(name, value)| Field { name, value: value.trim_ascii() }).collect();
        fields.sort_by(|one, other| order(one.name, other.name));
        Fields { fields }
    }

    /// The lines of this name.
    pub(super) fn lines(&self, name: &str) -> &[Field<'a>] {
        let start = self.fields.partition_point(|field| order(field.name, name.as_bytes()).is_lt());
        let rest = self.fields.get(start..).unwrap_or_default();
        first_of(rest, name.as_bytes()).0
    }

    /// The value of this name: several lines mean the same as one with commas (RFC 9110 §5.3).
    pub(super) fn value(&self, name: &str) -> Option<String> {
        joined(self.lines(name))
    }

    /// Every name that either has, in order, with the lines of each side.
    pub(super) fn beside<'s>(
        &'s self,
        other: &'s Fields<'a>,
    ) -> impl Iterator<Item = (&'a [u8], &'s [Field<'a>], &'s [Field<'a>])> {
        let (mut left, mut right) = (self.fields.as_slice(), other.fields.as_slice());
        std::iter::from_fn(move || {
            let name = match (left.first(), right.first()) {
                (Some(one), Some(other)) if order(one.name, other.name).is_le() => one.name,
                (_, Some(other)) => other.name,
                (Some(one), None) => one.name,
                (None, None) => return None,
            };
            let (ours, theirs);
            (ours, left) = first_of(left, name);
            (theirs, right) = first_of(right, name);
            Some((name, ours, theirs))
        })
    }
}

impl Field<'_> {
    /// Without blanks around it.
    pub(super) fn value(&self) -> &[u8] {
        self.value
    }

    /// The value as text. What is no UTF-8 is spelt in escapes: other bytes make another text.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match std::str::from_utf8(self.value) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(self.value.escape_ascii().to_string()),
        }
    }
}

/// The value of these lines of one name; `None`: there are none.
pub(super) fn joined(lines: &[Field<'_>]) -> Option<String> {
    let (first, more) = lines.split_first()?;
    let mut value = first.text().into_owned();
    for line in more {
        value.push_str(", ");
        value.push_str(&line.text());
    }
    Some(value)
}

/// Whether the values of these lines are the same bytes.
pub(super) fn are_same(left: &[Field<'_>], right: &[Field<'_>]) -> bool {
    left.iter().map(Field::value).eq(right.iter().map(Field::value))
}

/// By name, without case.
fn order(one: &[u8], other: &[u8]) -> Ordering {
    one.iter().map(u8::to_ascii_lowercase).cmp(other.iter().map(u8::to_ascii_lowercase))
}

/// The lines of this name at the beginning, and the rest.
fn first_of<'s, 'a>(fields: &'s [Field<'a>], name: &[u8]) -> (&'s [Field<'a>], &'s [Field<'a>]) {
    let end = fields.iter().take_while(|field| field.name.eq_ignore_ascii_case(name)).count();
    fields.split_at(end)
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
    use super::{Field, FieldLines, Fields, pieces, unquoted};

    #[test]
    fn names_have_no_case_and_lines_their_order() {
        let headers: FieldLines = [("VARY", " a "), ("x", "1"), ("Vary", "b, c")].into_iter().collect();
        let fields = Fields::new(&headers);
        assert_eq!(fields.value("vary").as_deref(), Some("a, b, c"));
        let values: Vec<&[u8]> = fields.lines("vary").iter().map(Field::value).collect();
        assert_eq!(values, [&b"a"[..], b"b, c"]);
        assert_eq!((fields.value("y"), fields.value("")), (None, None));
    }

    #[test]
    fn two_replies_fields_stand_side_by_side() {
        let lines = |names: &[&str]| names.iter().map(|name| (*name, "1")).collect::<FieldLines>();
        let (ours, theirs) = (lines(&["B", "a", "b"]), lines(&["c", "b"]));
        let (ours, theirs) = (Fields::new(&ours), Fields::new(&theirs));
        let counts = |(name, one, other): (&[u8], &[Field<'_>], &[Field<'_>])| {
            (String::from_utf8(name.to_ascii_lowercase()).unwrap(), one.len(), other.len())
        };
        let got: Vec<_> = ours.beside(&theirs).map(counts).collect();
        assert_eq!(got, [("a".into(), 1, 0), ("b".into(), 2, 1), ("c".into(), 0, 1)]);
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
