//! Moving a body from one wire to another, framed anew, with backpressure.
//!
//! What arrives is passed on before this waits for more. Memory is bounded: nothing is read from the source while
//! more than [`HIGH_WATER`] bytes wait for the sink.

use std::io;
use std::task::{Context, Poll};

use super::body::{Incoming, Piece};
use super::chunked::{self, ChunkedFault};
use super::known::Known;
use super::wire::Wire;

/// Bytes waiting for the sink above which the source is not read.
const HIGH_WATER: usize = 16 * 1024;

/// Reads after which other connections of the thread have their turn.
const READS_PER_TURN: u32 = 4;

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

/// Moves what can be moved without waiting. `seen` looks at each piece before it is passed on, and may refuse it.
///
/// # Errors
///
/// Which side broke. What was moved before stays moved.
pub(crate) fn advance(
    cx: &mut Context<'_>,
    (source, body): (&mut Wire, &mut Incoming),
    (sink, outgoing): (&mut Wire, Outgoing),
    scratch: &mut [u8],
    seen: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<Moved, MoveFault> {
    let mut reads = 0;
    loop {
        if sink.waiting() >= HIGH_WATER && flush(cx, sink)?.is_pending() {
            source.narrow();
            return Ok(Moved::Blocked);
        }
        if body.is_done() {
            return Ok(if flush(cx, sink)?.is_pending() { Moved::Blocked } else { Moved::Done });
        }
        let (inbox, mut taken) = source.take_inbox();
        if taken < inbox.len() {
            let outcome = pass(cx, inbox.get(taken..).unwrap_or_default(), body, (sink, outgoing), seen);
            taken += outcome.as_ref().copied().unwrap_or_default();
            source.put_inbox(inbox, taken);
            outcome?;
            continue;
        }
        if reads == READS_PER_TURN {
            cx.waker().wake_by_ref();
            return Ok(if flush(cx, sink)?.is_pending() { Moved::Blocked } else { Moved::Starved });
        }
        reads += 1;
        match source.poll_receive(cx, scratch) {
            Poll::Ready(Ok(0)) => {
                if !body.end_of_connection() {
                    return Err(MoveFault::Ended);
                }
                end(body, sink, outgoing)?;
            }
            Poll::Ready(Ok(count)) => {
                let bytes = scratch.get(..count).unwrap_or_default();
                let mut data = 0;
                let mut counted = |piece: &[u8]| {
                    data += piece.len();
                    seen(piece)
                };
                let taken = pass(cx, bytes, body, (sink, outgoing), &mut counted)?;
                // Framing costs more than data: who sends little else is read in small pieces.
                if data >= count / 2 {
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

/// Passes on what `bytes` hold of the body; how many of them that were.
fn pass(
    cx: &mut Context<'_>,
    bytes: &[u8],
    body: &mut Incoming,
    (sink, outgoing): (&mut Wire, Outgoing),
    seen: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<usize, MoveFault> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let (framing, piece) = body.step(rest).map_err(MoveFault::Framing)?;
        at += framing;
        match piece {
            Piece::More => return Ok(at),
            Piece::Data(count) => {
                let data = bytes.get(at..at + count).unwrap_or_default();
                if !seen(data) {
                    return Err(MoveFault::Refused);
                }
                match outgoing {
                    Outgoing::Plain => sink.send(cx, data).map_err(broken)?,
                    Outgoing::Chunked => {
                        let out = sink.outbox();
                        chunked::write_size(data.len(), out);
                        out.extend_from_slice(data);
                        out.extend_from_slice(chunked::CHUNK_END);
                    }
                }
                at += count;
                if body.is_done() {
                    end(body, sink, outgoing)?;
                    return Ok(at);
                }
            }
            Piece::End => {
                end(body, sink, outgoing)?;
                return Ok(at);
            }
        }
    }
}

/// Ends the body at the sink, with the trailers that may be passed on: none that concern the connection, routing
/// or framing (RFC 9110, 6.5.1).
fn end(body: &mut Incoming, sink: &mut Wire, outgoing: Outgoing) -> Result<(), MoveFault> {
    let mut trailers = body.finish().map_err(MoveFault::Framing)?;
    if outgoing == Outgoing::Chunked {
        trailers.retain(|line| line.known == Known::Other);
        chunked::write_end(&trailers, sink.outbox());
    }
    Ok(())
}

fn broken(_cause: io::Error) -> MoveFault {
    MoveFault::Sink
}
