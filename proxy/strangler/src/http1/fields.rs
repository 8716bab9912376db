//! Header lines in one buffer, in the order and the spelling in which they came.

use std::fmt;

use http::HeaderName;
use strangler_core::compare::FieldLines;
use strangler_core::matching::request::HeaderLines;

use super::known::Known;

/// Where a name or value lies in the buffer.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    at: u32,
    len: u32,
}

/// Where a value lies, beyond the life of its line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(Span);

#[derive(Clone, Copy, Debug)]
struct Line {
    known: Known,
    name: Span,
    value: Span,
}

/// The header lines of one message, or its trailers. Its memory is used again by the next message.
#[derive(Clone, Default)]
pub(crate) struct Fields {
    bytes: Vec<u8>,
    lines: Vec<Line>,
}

/// A line as it is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) known: Known,
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl Fields {
    /// No lines; keeps the memory unless it has grown beyond what messages usually need.
    pub(crate) fn clear(&mut self) {
        const USUAL: usize = 8 * 1024;
        if self.bytes.capacity() > USUAL {
            *self = Fields::default();
        }
        self.bytes.clear();
        self.lines.clear();
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The same lines, to be kept in `held`: the memory of these is used again.
    pub(crate) fn keep_in(&self, held: &mut FieldLines) {
        let range = |span: Span| span.at..span.at + span.len;
        held.fill(&self.bytes, self.lines.iter().map(|line| (range(line.name), range(line.value))));
    }

    /// Bytes that [`Fields::keep_in`] takes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.len() + self.lines.len() * FieldLines::LINE_COST
    }

    /// Bytes of all lines on the wire, with colon, blank and line end.
    pub(crate) fn wire_bytes(&self) -> u64 {
        self.lines.iter().map(|line| u64::from(line.name.len) + u64::from(line.value.len) + 4).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Field<'_>> + Clone {
        self.lines.iter().map(|line| Field {
            known: line.known,
            name: self.text(line.name),
            value: self.text(line.value),
        })
    }

    /// What is known of each line, in order.
    pub(crate) fn known(&self) -> impl Iterator<Item = Known> {
        self.lines.iter().map(|line| line.known)
    }

    /// Where the value of the first line of a name lies: it can be looked at there until the lines are cleared,
    /// whatever else is set or removed meanwhile.
    pub(crate) fn place(&self, known: Known) -> Option<Place> {
        self.lines.iter().find(|line| line.known == known).map(|line| Place(line.value))
    }

    /// The value that lay there when the place was asked for.
    pub(crate) fn at(&self, place: Place) -> &[u8] {
        self.text(place.0)
    }

    /// The value of the first line of a name.
    pub(crate) fn get(&self, known: Known) -> Option<&[u8]> {
        self.lines.iter().find(|line| line.known == known).map(|line| self.text(line.value))
    }

    /// The values of all lines of a name, in order.
    pub(crate) fn all(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().filter(move |line| line.known == known).map(|line| self.text(line.value))
    }

    /// The items of a comma-separated list over all lines of a name, without blanks around them.
    pub(crate) fn list(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        self.all(known).flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
    }

    pub(crate) fn contains(&self, known: Known) -> bool {
        self.lines.iter().any(|line| line.known == known)
    }

    /// Whether any line tells of a client behind the peer.
    pub(crate) fn has_forwarding(&self) -> bool {
        let tells = |known| {
            matches!(
                known,
                Known::XForwardedFor | Known::XForwardedProto | Known::XForwardedHost | Known::Forwarded
            )
        };
        self.lines.iter().any(|line| tells(line.known))
    }

    /// Adds a line at the end.
    pub(crate) fn append(&mut self, name: &[u8], value: &[u8]) {
        self.append_known(Known::of(name), name, value);
    }

    /// Adds a line of the proxy's own at the end.
    pub(crate) fn add(&mut self, known: Known, value: &[u8]) {
        self.append_known(known, known.name().as_bytes(), value);
    }

    fn append_known(&mut self, known: Known, name: &[u8], value: &[u8]) {
        let name = self.store(name);
        let value = self.store(value);
        self.lines.push(Line { known, name, value });
    }

    /// Makes this the only line of a name: where the first one stands, or at the end.
    pub(crate) fn set(&mut self, known: Known, value: &[u8]) {
        let value = self.store(value);
        self.set_where(|line, _| line.known == known, known, known.name().as_bytes(), value);
    }

    /// The same for any name.
    pub(crate) fn set_named(&mut self, name: &HeaderName, value: &[u8]) {
        let value = self.store(value);
        let name = name.as_str().as_bytes();
        self.set_where(|_, found| found.eq_ignore_ascii_case(name), Known::of(name), name, value);
    }

    fn set_where(&mut self, is: impl Fn(&Line, &[u8]) -> bool, known: Known, name: &[u8], value: Span) {
        let bytes = &self.bytes;
        let is = |line: &Line| is(line, text(bytes, line.name));
        // Most names that are set are new.
        if !self.lines.iter().any(is) {
            let name = self.store(name);
            return self.lines.push(Line { known, name, value });
        }
        let mut placed = false;
        self.lines.retain_mut(|line| {
            if !is(line) {
                return true;
            }
            line.value = value;
            !std::mem::replace(&mut placed, true)
        });
    }

    /// Removes every line of a name.
    pub(crate) fn remove(&mut self, known: Known) {
        self.lines.retain(|line| line.known != known);
    }

    /// The same for any name.
    pub(crate) fn remove_named(&mut self, name: &HeaderName) {
        let name = name.as_str().as_bytes();
        self.retain(|field| !field.name.eq_ignore_ascii_case(name));
    }

    /// Keeps the lines for which `keep` holds.
    pub(crate) fn retain(&mut self, keep: impl Fn(Field<'_>) -> bool) {
        let bytes = &self.bytes;
        self.lines.retain(|line| {
            keep(Field { known: line.known, name: text(bytes, line.name), value: text(bytes, line.value) })
        });
    }

    /// Writes the lines as they go over the wire.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for line in &self.lines {
            out.extend_from_slice(self.text(line.name));
            out.extend_from_slice(if line.value.len == 0 { b":".as_slice() } else { b": " });
            out.extend_from_slice(self.text(line.value));
            out.extend_from_slice(b"\r\n");
        }
    }

    fn store(&mut self, bytes: &[u8]) -> Span {
        // Heads are bounded far below this; a line beyond it would be empty, never another line's bytes.
        let (Ok(at), Ok(len)) = (u32::try_from(self.bytes.len()), u32::try_from(bytes.len())) else {
            return Span::default();
        };
        self.bytes.extend_from_slice(bytes);
        Span { at, len }
    }

    fn text(&self, span: Span) -> &[u8] {
        text(&self.bytes, span)
    }
}

fn text(bytes: &[u8], span: Span) -> &[u8] {
    let at = span.at as usize;
    bytes.get(at..at + span.len as usize).unwrap_or_default()
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        f.debug_list().entries(self.iter().map(|line| (shown(line.name), shown(line.value)))).finish()
    }
}

impl HeaderLines for Fields {
    fn line(&self, name: &str, before: usize) -> Option<&[u8]> {
        let name = name.as_bytes();
        // By length first: most names have another.
        let is = |line: &&Line| {
            line.name.len as usize == name.len() && self.text(line.name).eq_ignore_ascii_case(name)
        };
        self.lines.iter().filter(is).nth(before).map(|line| self.text(line.value))
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, Known};

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in lines {
            fields.append(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    fn written(fields: &Fields) -> String {
        let mut out = Vec::new();
        fields.write(&mut out);
        assert!(out.len() as u64 <= fields.wire_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_keep_their_order_and_spelling() {
        let fields = fields(&[("Host", "a"), ("X-A", "1"), ("x-a", "2"), ("HOST", "b")]);
        assert_eq!(written(&fields), "Host: a\r\nX-A: 1\r\nx-a: 2\r\nHOST: b\r\n");
        assert_eq!(fields.all(Known::Host).collect::<Vec<_>>(), [b"a", b"b"]);
    }

    #[test]
    fn what_is_set_stands_where_the_first_line_stood() {
        let mut fields = fields(&[("Host", "a"), ("X-A", "1"), ("host", "b")]);
        fields.set(Known::Host, b"c");
        fields.set_named(&http::HeaderName::from_static("x-a"), b"2");
        fields.set_named(&http::HeaderName::from_static("x-b"), b"3");
        fields.set(Known::Via, b"v");
        assert_eq!(written(&fields), "Host: c\r\nX-A: 2\r\nx-b: 3\r\nvia: v\r\n");
        fields.remove(Known::Host);
        fields.remove_named(&http::HeaderName::from_static("x-a"));
        assert_eq!(written(&fields), "x-b: 3\r\nvia: v\r\n");
        assert!(!fields.contains(Known::Host));
    }

    #[test]
    fn a_value_is_still_seen_where_it_lay_once_its_line_is_another_or_none() {
        let mut fields = fields(&[("accept", "text/html"), ("x-a", "1")]);
        let place = fields.place(Known::Accept).unwrap();
        fields.set(Known::Accept, b"*/*");
        assert_eq!(fields.get(Known::Accept), Some(b"*/*".as_slice()));
        fields.remove(Known::Accept);
        fields.append(b"x-b", b"2");
        assert_eq!(fields.at(place), b"text/html");
        assert!(fields.place(Known::Accept).is_none());
    }

    #[test]
    fn lists_go_over_all_lines() {
        let fields = fields(&[("connection", "close, X-A"), ("Connection", " x-b ,")]);
        let all: Vec<&[u8]> = fields.list(Known::Connection).collect();
        assert_eq!(all, [b"close".as_slice(), b"X-A", b"x-b", b""]);
    }
}
