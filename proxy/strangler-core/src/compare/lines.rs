//! The header lines of one message in one buffer, in the order and the spelling in which they came.
//!
//! Owns their memory. Refuses to know what a line means: see `fields` and `headers`.

use std::fmt;
use std::ops::Range;

/// Header lines. Names and values are bytes: what came may be no text.
#[derive(Clone, Default)]
pub struct FieldLines {
    bytes: Vec<u8>,
    lines: Vec<Line>,
}

/// Where a name and its value lie in the buffer.
#[derive(Clone, Copy)]
struct Line {
    name: Span,
    value: Span,
}

#[derive(Clone, Copy, Default)]
struct Span {
    at: u32,
    len: u32,
}

impl FieldLines {
    /// What one line takes beside the bytes of its name and value.
    pub const LINE_COST: usize = size_of::<Line>();

    /// Makes these the lines, whose names and values lie in `bytes`. What lies outside of it is empty.
    pub fn fill(&mut self, bytes: &[u8], lines: impl Iterator<Item = (Range<u32>, Range<u32>)>) {
        let span = |range: Range<u32>| Span { at: range.start, len: range.end.saturating_sub(range.start) };
        self.clear();
        self.bytes.extend_from_slice(bytes);
        self.lines.extend(lines.map(|(name, value)| Line { name: span(name), value: span(value) }));
    }

    /// No lines; the memory is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
    }

    /// Bytes of the memory that there is.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + self.lines.capacity() * FieldLines::LINE_COST
    }

    /// Adds a line at the end.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (self.store(name.as_ref()), self.store(value.as_ref()));
        self.lines.push(Line { name, value });
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        self.lines.iter().map(|line| (text(&self.bytes, line.name), text(&self.bytes, line.value)))
    }

    /// The same, of the lines whose names are text: all that were parsed.
    pub fn named(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter().filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value)))
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.lines.len() * FieldLines::LINE_COST
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The values of all lines of a name, in order. The name's case does not matter.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> + Clone {
        let name = name.as_bytes();
        self.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of the first line of a name. The name's case does not matter.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        let name = name.as_bytes();
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Keeps the lines for which `keep` holds.
    pub fn retain(&mut self, keep: impl Fn(&[u8], &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.lines.retain(|line| keep(text(bytes, line.name), text(bytes, line.value)));
    }

    /// Removes every line of a name. The name's case does not matter.
    pub fn remove(&mut self, name: &str) {
        self.retain(|known, _| !known.eq_ignore_ascii_case(name.as_bytes()));
    }

    fn store(&mut self, bytes: &[u8]) -> Span {
        // Heads are bounded far below this; a line beyond it would be empty, never another line's bytes.
        let (Ok(at), Ok(len)) = (u32::try_from(self.bytes.len()), u32::try_from(bytes.len())) else {
            return Span::default();
        };
        self.bytes.extend_from_slice(bytes);
        Span { at, len }
    }
}

fn text(bytes: &[u8], span: Span) -> &[u8] {
    let at = span.at as usize;
    bytes.get(at..at + span.len as usize).unwrap_or_default()
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for FieldLines {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(lines: I) -> FieldLines {
        let mut held = FieldLines::default();
        for (name, value) in lines {
            held.push(name, value);
        }
        held
    }
}

impl PartialEq for FieldLines {
    fn eq(&self, other: &FieldLines) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for FieldLines {}

impl fmt::Debug for FieldLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        f.debug_list().entries(self.iter().map(|(name, value)| (shown(name), shown(value)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::FieldLines;

    #[test]
    fn lines_keep_their_order_their_case_and_their_bytes() {
        let sent: [(&[u8], &[u8]); 4] =
            [(b"Host", b"a"), (b"x-A", b"\xff\xfe"), (b"empty", b""), (b"X-a", b"2")];
        let mut lines: FieldLines = sent.into_iter().collect();
        assert_eq!(lines.iter().collect::<Vec<_>>(), sent);
        assert_eq!((lines.first("X-A"), lines.first("none")), (Some(&b"\xff\xfe"[..]), None));
        assert_eq!(lines.all("x-a").collect::<Vec<_>>(), [&b"\xff\xfe"[..], b"2"]);
        lines.remove("X-A");
        lines.push("x-a", "3");
        let left: [(&[u8], &[u8]); 3] = [(b"Host", b"a"), (b"empty", b""), (b"x-a", b"3")];
        assert_eq!(lines.iter().collect::<Vec<_>>(), left);
        assert_eq!(lines, left.into_iter().collect());
        assert_ne!(lines, sent.into_iter().collect());
    }

    #[test]
    fn a_line_outside_of_the_buffer_is_empty() {
        let mut lines: FieldLines = std::iter::once(("before", "x")).collect();
        lines.fill(b"ab", [(0..1, 1..2), (1..9, 2..2), (7..8, 0..2)].into_iter());
        let expected: [(&[u8], &[u8]); 3] = [(b"a", b"b"), (b"", b""), (b"", b"ab")];
        assert_eq!(lines.iter().collect::<Vec<_>>(), expected);
    }
}
