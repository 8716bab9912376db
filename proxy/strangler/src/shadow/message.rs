//! A body as it is held for a copy, and what has no room.
//!
//! What passes by on a data thread is read into memory that the thread's connections share, so it is copied here: what
//! is held is what was reserved.

use bytes::{Bytes, BytesMut};
use strangler_core::compare::FieldLines;

use super::budget::Reserved;
use crate::http1::Fields;

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The body is longer than it may be.
    TooLarge,
    /// The byte budget is used up.
    Budget,
}

/// Header lines that can be kept beyond their message.
pub trait Keepable {
    /// Bytes that they take when they are kept.
    fn held_bytes(&self) -> usize;

    /// Makes `held` the same lines.
    fn keep_in(&self, held: &mut FieldLines);
}

impl Keepable for FieldLines {
    fn held_bytes(&self) -> usize {
        self.bytes()
    }

    fn keep_in(&self, held: &mut FieldLines) {
        held.clone_from(self);
    }
}

impl Keepable for Fields {
    fn held_bytes(&self) -> usize {
        Fields::held_bytes(self)
    }

    fn keep_in(&self, held: &mut FieldLines) {
        Fields::keep_in(self, held);
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
    use super::{Body, Full};

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
}
