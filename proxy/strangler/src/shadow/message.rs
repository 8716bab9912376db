//! A message as it is held for a copy: its head in one piece of memory, its body in the pieces it came in.

use bytes::{Bytes, BytesMut};

use super::budget::Reserved;

/// Pieces shorter than this are copied together instead of being held: a small piece may keep a large buffer
/// alive, which nobody would have counted.
const HELD_FROM: usize = 8 * 1024;

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
pub(super) struct Body {
    pieces: Vec<Bytes>,
    /// What came after the last piece, in small ones.
    small: BytesMut,
    length: usize,
}

impl Body {
    /// Holds a piece, or a copy of it.
    pub(super) fn hold(&mut self, piece: &Bytes, most: u64, reserved: &mut Reserved) -> Result<(), Full> {
        if piece.len() < HELD_FROM {
            return self.copy(piece, most, reserved);
        }
        self.make_room(piece.len(), most, reserved)?;
        self.gather();
        self.pieces.push(piece.clone());
        Ok(())
    }

    /// Holds a copy of a piece.
    pub(super) fn copy(&mut self, piece: &[u8], most: u64, reserved: &mut Reserved) -> Result<(), Full> {
        self.make_room(piece.len(), most, reserved)?;
        self.small.extend_from_slice(piece);
        Ok(())
    }

    /// The whole in one piece.
    pub(super) fn into_bytes(mut self) -> Bytes {
        if self.pieces.is_empty() {
            return self.small.freeze();
        }
        if self.pieces.len() == 1 && self.small.is_empty() {
            return self.pieces.pop().unwrap_or_default();
        }
        let mut whole = BytesMut::with_capacity(self.length);
        for piece in &self.pieces {
            whole.extend_from_slice(piece);
        }
        whole.extend_from_slice(&self.small);
        whole.freeze()
    }

    fn make_room(&mut self, more: usize, most: u64, reserved: &mut Reserved) -> Result<(), Full> {
        let length = self.length.saturating_add(more);
        if u64::try_from(length).unwrap_or(u64::MAX) > most {
            return Err(Full::TooLarge);
        }
        if !reserved.grow(more) {
            return Err(Full::Budget);
        }
        self.length = length;
        Ok(())
    }

    fn gather(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(self.small.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::budget::{Budget, Reserved};
    use super::{Body, Full, HELD_FROM, Lines};

    #[test]
    fn a_body_is_the_same_whatever_pieces_it_came_in() {
        let whole: Vec<u8> = (0..=255).cycle().take(5 * HELD_FROM).collect();
        for cut in [1, 100, HELD_FROM - 1, HELD_FROM, HELD_FROM + 1, 3 * HELD_FROM, 5 * HELD_FROM] {
            let budget = Budget::new(1 << 20);
            let mut reserved = Reserved::none(&budget);
            let mut body = Body::default();
            for (at, piece) in whole.chunks(cut).enumerate() {
                let piece = Bytes::copy_from_slice(piece);
                if at % 3 == 2 {
                    body.copy(&piece, 1 << 20, &mut reserved).unwrap();
                } else {
                    body.hold(&piece, 1 << 20, &mut reserved).unwrap();
                }
            }
            assert_eq!(body.into_bytes(), whole, "{cut}");
        }
    }

    #[test]
    fn a_large_piece_is_held_and_a_small_one_copied() {
        let budget = Budget::new(1 << 20);
        let mut reserved = Reserved::none(&budget);
        for (length, held) in [(HELD_FROM, true), (HELD_FROM - 1, false)] {
            let piece = Bytes::from(vec![1; length]);
            let mut body = Body::default();
            body.hold(&piece, 1 << 20, &mut reserved).unwrap();
            assert_eq!(body.into_bytes().as_ptr() == piece.as_ptr(), held, "{length}");
        }
    }

    #[test]
    fn a_body_ends_at_its_bound_to_the_byte() {
        let budget = Budget::new(1 << 20);
        let mut reserved = Reserved::none(&budget);
        let mut body = Body::default();
        assert_eq!(body.copy(&[1; 10], 10, &mut reserved), Ok(()));
        assert_eq!(body.copy(&[1; 1], 10, &mut reserved), Err(Full::TooLarge));
        assert_eq!(body.copy(&[], 10, &mut reserved), Ok(()));
        let small = Budget::new(4096);
        let mut reserved = Reserved::none(&small);
        assert_eq!(Body::default().copy(&[1; 4097], 1 << 20, &mut reserved), Err(Full::Budget));
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
