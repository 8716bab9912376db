//! A message as it is held for a copy: its head in one piece of memory, its body in another.
//!
//! What passes by on a data thread is read into memory that the thread's connections share, so it is copied here: what
//! is held is exactly what was reserved.

use bytes::{Bytes, BytesMut};

use super::budget::Reserved;

/// What one header line costs beside its bytes.
const LINE_COST: usize = size_of::<Line>();

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The body is longer than it may be.
    TooLarge,
    /// The byte budget is used up.
    Budget,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    name: usize,
    value: usize,
    end: usize,
}

/// Header lines, as they came.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: Vec<u8>,
    lines: Vec<Line>,
}

impl Lines {
    /// Copies lines that are counted first, so that nothing is held that has no room.
    pub(super) fn of<'a>(
        lines: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        reserved: &mut Reserved,
    ) -> Result<Lines, Full> {
        let (bytes, count) = lines
            .clone()
            .fold((0, 0), |(bytes, count), (name, value)| (bytes + name.len() + value.len(), count + 1));
        if !reserved.grow(bytes + count * LINE_COST) {
            return Err(Full::Budget);
        }
        let mut held = Lines { text: Vec::with_capacity(bytes), lines: Vec::with_capacity(count) };
        for (name, value) in lines {
            let start = held.text.len();
            held.text.extend_from_slice(name);
            let middle = held.text.len();
            held.text.extend_from_slice(value);
            held.lines.push(Line { name: start, value: middle, end: held.text.len() });
        }
        Ok(held)
    }

    /// Names and values in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.lines.iter().map(|line| {
            (
                self.text.get(line.name..line.value).unwrap_or_default(),
                self.text.get(line.value..line.end).unwrap_or_default(),
            )
        })
    }

    /// The value of the first line of a name, which is given in lower case.
    pub(super) fn first(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(line, _)| line.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A body, or what has come of it.
#[derive(Debug, Default)]
pub(super) struct Body(BytesMut);

impl Body {
    /// Holds a piece of a body that may be `most` bytes long.
    pub(super) fn add(&mut self, piece: &[u8], most: u64, reserved: &mut Reserved) -> Result<(), Full> {
        let length = self.0.len().saturating_add(piece.len());
        if u64::try_from(length).unwrap_or(u64::MAX) > most {
            return Err(Full::TooLarge);
        }
        if !reserved.grow(piece.len()) {
            return Err(Full::Budget);
        }
        self.0.extend_from_slice(piece);
        Ok(())
    }

    /// The whole.
    pub(super) fn into_bytes(self) -> Bytes {
        self.0.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::{Budget, Reserved};
    use super::{Body, Full, Lines};

    #[test]
    fn a_body_ends_at_its_bound_to_the_byte() {
        let budget = Budget::new(1 << 20);
        let mut reserved = Reserved::none(&budget);
        let mut body = Body::default();
        assert_eq!(body.add(&[1; 4], 10, &mut reserved), Ok(()));
        assert_eq!(body.add(&[2; 6], 10, &mut reserved), Ok(()));
        assert_eq!(body.add(&[3; 1], 10, &mut reserved), Err(Full::TooLarge));
        assert_eq!(body.add(&[], 10, &mut reserved), Ok(()));
        assert_eq!(body.into_bytes(), [1, 1, 1, 1, 2, 2, 2, 2, 2, 2].as_slice());
        let small = Budget::new(4096);
        let mut reserved = Reserved::none(&small);
        assert_eq!(Body::default().add(&[1; 4097], 1 << 20, &mut reserved), Err(Full::Budget));
    }

    #[test]
    fn header_lines_keep_their_order_their_case_and_their_bytes() {
        let budget = Budget::new(1 << 20);
        let mut reserved = Reserved::none(&budget);
        let lines: [(&[u8], &[u8]); 4] =
            [(b"Host", b"a"), (b"x-A", b"\xff\xfe"), (b"empty", b""), (b"X-a", b"2")];
        let held = Lines::of(lines.into_iter(), &mut reserved).unwrap();
        assert_eq!(held.iter().collect::<Vec<_>>(), lines);
        assert_eq!(held.first(b"x-a"), Some(&b"\xff\xfe"[..]));
        assert_eq!(held.first(b"none"), None);
        let none = Budget::new(0);
        assert_eq!(Lines::of(lines.into_iter(), &mut Reserved::none(&none)).unwrap_err(), Full::Budget);
    }
}
