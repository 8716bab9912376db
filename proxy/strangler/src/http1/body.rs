//! Bodies: how they are framed, and reading them from bytes as they come.

use super::chunked::{self, ChunkedFault, Decoder, TrailerLimits};
use super::fields::Fields;

/// How a body's end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// By its last chunk.
    Chunked,
    /// With the connection's.
    UntilClose,
}

/// A body that is being read.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// At its end.
    Done,
    Length(u64),
    Chunked(Box<Decoder>),
    UntilClose,
}

/// What a look at more bytes gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// All bytes are taken.
    More,
    /// This many bytes of data come next.
    Data(usize),
    /// The body is at its end.
    End,
}

impl Incoming {
    pub(crate) fn new(framing: Framing, limits: TrailerLimits) -> Incoming {
        match framing {
            Framing::None | Framing::Length(0) => Incoming::Done,
            Framing::Length(length) => Incoming::Length(length),
            Framing::Chunked => Incoming::Chunked(Box::new(Decoder::new(limits))),
            Framing::UntilClose => Incoming::UntilClose,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Incoming::Done)
    }

    /// Reads framing up to the next data or the end: how many bytes of framing were taken, and what follows them.
    /// Data that is announced is the caller's to take.
    ///
    /// # Errors
    ///
    /// Where a chunked body is not one.
    pub(crate) fn step(&mut self, input: &[u8]) -> Result<(usize, Piece), ChunkedFault> {
        match self {
            Incoming::Done => Ok((0, Piece::End)),
            Incoming::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= u64::try_from(here).unwrap_or(*left);
                if *left == 0 {
                    *self = Incoming::Done;
                }
                Ok((0, if here == 0 { Piece::More } else { Piece::Data(here) }))
            }
            Incoming::Chunked(decoder) => {
                let (taken, step) = decoder.step(input)?;
                Ok((
                    taken,
                    match step {
                        chunked::Step::More => Piece::More,
                        chunked::Step::Data(count) => Piece::Data(count),
                        chunked::Step::End => Piece::End,
                    },
                ))
            }
            Incoming::UntilClose => {
                Ok((0, if input.is_empty() { Piece::More } else { Piece::Data(input.len()) }))
            }
        }
    }

    /// How many bytes may be passed on without a look at them; `None` where their framing must be read.
    pub(crate) fn unseen(&self) -> Option<u64> {
        match self {
            Incoming::Length(left) => Some(*left),
            Incoming::UntilClose => Some(u64::MAX),
            Incoming::Done | Incoming::Chunked(_) => None,
        }
    }

    /// So many bytes were passed on without a look at them.
    pub(crate) fn passed(&mut self, count: u64) {
        if let Incoming::Length(left) = self {
            *left = left.saturating_sub(count);
            if *left == 0 {
                *self = Incoming::Done;
            }
        }
    }

    /// Ends a chunked body that has come to its last chunk, and gives its trailers.
    ///
    /// # Errors
    ///
    /// Where the trailers are not header lines, or too many.
    pub(crate) fn finish(&mut self) -> Result<Fields, ChunkedFault> {
        match std::mem::replace(self, Incoming::Done) {
            Incoming::Chunked(mut decoder) => decoder.trailers(),
            _ => Ok(Fields::default()),
        }
    }

    /// The connection ended. Whether that is where the body ends.
    pub(crate) fn end_of_connection(&mut self) -> bool {
        if matches!(self, Incoming::UntilClose) {
            *self = Incoming::Done;
        }
        self.is_done()
    }
}
