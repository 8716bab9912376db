//! Moving a body from one wire to another, framed anew, with backpressure.
//!
//! What arrives is passed on before this waits for more. Memory is bounded: nothing is read from the source while
//! more than [`HIGH_WATER`] bytes wait for the sink. Large bodies that are passed on as they are do not come through
//! our memory, where nobody looks at them: the kernel moves them from socket to socket.

use std::io;
use std::task::{Context, Poll};

use super::body::{Incoming, Piece};
use super::chunked::{self, ChunkedFault};
use super::fields::Fields;
use super::known::Known;
use super::wire::{Spliced, Wire};

/// Bytes waiting for the sink above which the source is not read.
const HIGH_WATER: usize = 16 * 1024;

/// Reads after which other connections of the thread have their turn.
const READS_PER_TURN: u32 = 4;

/// Bytes of a body that must be left for the kernel to move them.
const SPLICE_LEFT: u64 = 64 * 1024;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// As it is: its length is announced, or its end is the connection's.
    Plain,
    Chunked,
}

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// All of it was handed to the sink's socket.
    Done,
    /// The source owes the next bytes, or others have their turn first; everything that came was handed on.
    Starved,
    /// The sink does not take more.
    Blocked,
}

/// Why a body did not come through.
#[derive(Debug)]
pub(crate) enum MoveFault {
    /// The source ended, or broke, before the body did.
    Ended,
    /// The source's framing is broken.
    Framing(ChunkedFault),
    /// The sink is broken.
    Sink,
    /// Whoever looks on does not want more of it.
    Refused,
}

/// A piece of a body that passes by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Passing<'a> {
    Bytes(&'a [u8]),
    /// So many bytes, which never come into our memory.
    Unseen(usize),
}

impl Passing<'_> {
    /// Bytes.
    pub(crate) fn len(self) -> u64 {
        let length = match self {
            Passing::Bytes(bytes) => bytes.len(),
            Passing::Unseen(count) => count,
        };
        u64::try_from(length).unwrap_or(u64::MAX)
    }
}

/// What an onlooker wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Bytes,
    /// How many they are is enough.
    Count,
}

/// Who looks on while a body passes.
pub(crate) trait Onlooker {
    /// What it wants to see of what follows.
    fn sight(&self) -> Sight;

    /// A piece, before it is passed on; whether it may be.
    fn see(&mut self, piece: Passing<'_>) -> bool;

    /// The trailers that are passed on.
    fn trailers(&mut self, _trailers: &Fields) {}
}

/// Moves what can be moved without waiting.
///
/// # Errors
///
/// Which side broke. What was moved before stays moved; where the sink broke, what the onlooker was shown is taken from
/// the source, and what follows it is not.
pub(crate) fn advance(
    cx: &mut Context<'_>,
    (source, body): (&mut Wire, &mut Incoming),
    (sink, outgoing): (&mut Wire, Outgoing),
    scratch: &mut [u8],
    onlooker: &mut dyn Onlooker,
) -> Result<Moved, MoveFault> {
    let mut reads = 0;
    loop {
        if (sink.waiting() >= HIGH_WATER || sink.is_piping()) && flush(cx, sink)?.is_pending() {
            source.narrow();
            return Ok(Moved::Blocked);
        }
        if body.is_done() {
            return Ok(if flush(cx, sink)?.is_pending() { Moved::Blocked } else { Moved::Done });
        }
        let (inbox, mut taken) = source.take_inbox();
        if taken < inbox.len() {
            let bytes = inbox.get(taken..).unwrap_or_default();
            let (used, outcome) = pass(cx, bytes, body, (sink, outgoing), onlooker);
            taken += used;
            source.put_inbox(inbox, taken);
            outcome?;
            continue;
        }
        if reads == READS_PER_TURN {
            cx.waker().wake_by_ref();
            return Ok(if flush(cx, sink)?.is_pending() { Moved::Blocked } else { Moved::Starved });
        }
        reads += 1;
        if let Some(most) = unseen(source, body, outgoing, onlooker) {
            if flush(cx, sink)?.is_pending() {
                source.narrow();
                return Ok(Moved::Blocked);
            }
            match splice(cx, (source, body), sink, most, onlooker)? {
                Poll::Ready(Spliced::Bytes(_)) => continue,
                Poll::Ready(Spliced::Unable) => {}
                // What was there is flushed.
                Poll::Pending => return Ok(Moved::Starved),
            }
        }
        match source.poll_receive(cx, scratch) {
            Poll::Ready(Ok(0)) => {
                if !body.end_of_connection() {
                    return Err(MoveFault::Ended);
                }
                end(body, sink, outgoing, onlooker)?;
            }
            Poll::Ready(Ok(count)) => {
                let bytes = scratch.get(..count).unwrap_or_default();
                let mut counted = Counted { onlooker: &mut *onlooker, bytes: 0 };
                let (taken, outcome) = pass(cx, bytes, body, (sink, outgoing), &mut counted);
                if outcome.is_err() {
                    source.keep(bytes.get(taken..).unwrap_or_default());
                    outcome?;
                }
                // Framing costs more than data: who sends little else is read in small pieces.
                if counted.bytes >= u64::try_from(count / 2).unwrap_or(u64::MAX) {
                    source.widen(count);
                }
                source.keep(bytes.get(taken..).unwrap_or_default());
            }
            Poll::Ready(Err(_broken)) => return Err(MoveFault::Ended),
            Poll::Pending => {
                return Ok(if flush(cx, sink)?.is_pending() { Moved::Blocked } else { Moved::Starved });
            }
        }
    }
}

fn flush(cx: &mut Context<'_>, sink: &mut Wire) -> Result<Poll<()>, MoveFault> {
    match sink.poll_flush(cx) {
        Poll::Ready(Ok(())) => Ok(Poll::Ready(())),
        Poll::Ready(Err(_broken)) => Err(MoveFault::Sink),
        Poll::Pending => Ok(Poll::Pending),
    }
}

/// How many bytes may be moved past our memory: `None` where all are to be read.
fn unseen(source: &Wire, body: &Incoming, outgoing: Outgoing, onlooker: &dyn Onlooker) -> Option<u64> {
    let alike = outgoing == Outgoing::Plain && source.is_bulk() && onlooker.sight() == Sight::Count;
    body.unseen().filter(|left| alike && *left >= SPLICE_LEFT)
}

/// Moves what has arrived past our memory.
fn splice(
    cx: &mut Context<'_>,
    (source, body): (&mut Wire, &mut Incoming),
    sink: &mut Wire,
    most: u64,
    onlooker: &mut dyn Onlooker,
) -> Result<Poll<Spliced>, MoveFault> {
    let spliced = source.poll_splice(cx, sink, most).map_err(|_broken| MoveFault::Ended)?;
    match spliced {
        Poll::Ready(Spliced::Bytes(0)) if !body.end_of_connection() => return Err(MoveFault::Ended),
        Poll::Ready(Spliced::Bytes(count)) => {
            let piece = Passing::Unseen(count);
            body.passed(piece.len());
            if !onlooker.see(piece) {
                return Err(MoveFault::Refused);
            }
            if body.is_done() {
                source.settle();
            }
        }
        Poll::Ready(Spliced::Unable) | Poll::Pending => {}
    }
    Ok(spliced)
}

/// Counts for another onlooker.
struct Counted<'a> {
    onlooker: &'a mut dyn Onlooker,
    bytes: u64,
}

impl Onlooker for Counted<'_> {
    fn sight(&self) -> Sight {
        self.onlooker.sight()
    }

    fn see(&mut self, piece: Passing<'_>) -> bool {
        self.bytes = self.bytes.saturating_add(piece.len());
        self.onlooker.see(piece)
    }

    fn trailers(&mut self, trailers: &Fields) {
        self.onlooker.trailers(trailers);
    }
}

/// Passes on what `bytes` hold of the body; how many of them that were, and what went wrong behind them.
fn pass(
    cx: &mut Context<'_>,
    bytes: &[u8],
    body: &mut Incoming,
    (sink, outgoing): (&mut Wire, Outgoing),
    onlooker: &mut dyn Onlooker,
) -> (usize, Result<(), MoveFault>) {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let (framing, piece) = match body.step(rest) {
            Ok(step) => step,
            Err(fault) => return (at, Err(MoveFault::Framing(fault))),
        };
        at += framing;
        match piece {
            Piece::More => return (at, Ok(())),
            Piece::Data(count) => {
                let data = bytes.get(at..at + count).unwrap_or_default();
                at += count;
                if !onlooker.see(Passing::Bytes(data)) {
                    return (at, Err(MoveFault::Refused));
                }
                match outgoing {
                    Outgoing::Plain => {
                        if let Err(cause) = sink.send(cx, data) {
                            return (at, Err(broken(cause)));
                        }
                    }
                    Outgoing::Chunked => chunked::write_chunk(data, sink.outbox()),
                }
                if body.is_done() {
                    return (at, end(body, sink, outgoing, onlooker));
                }
            }
            Piece::End => return (at, end(body, sink, outgoing, onlooker)),
        }
    }
}

/// Ends the body at the sink, with the trailers that may be passed on: none that concern the connection, routing
/// or framing (RFC 9110, 6.5.1).
fn end(
    body: &mut Incoming,
    sink: &mut Wire,
    outgoing: Outgoing,
    onlooker: &mut dyn Onlooker,
) -> Result<(), MoveFault> {
    let mut trailers = body.finish().map_err(MoveFault::Framing)?;
    if outgoing == Outgoing::Chunked {
        trailers.retain(|line| line.known == Known::Other);
        onlooker.trailers(&trailers);
        chunked::write_end(&trailers, sink.outbox());
    }
    Ok(())
}

fn broken(_cause: io::Error) -> MoveFault {
    MoveFault::Sink
}

#[cfg(test)]
mod tests;
