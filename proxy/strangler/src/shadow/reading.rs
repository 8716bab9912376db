//! The body of a reply to a copy, read within its bounds.

use std::task::{Context, Poll, ready};

use strangler_core::compare::End;

use super::budget::Reserved;
use super::message::{Body, Full as NoRoom};
use crate::http1::body::Piece;
use crate::http1::{Incoming, Wire};

/// Where a body goes: how long it may be, and the bytes that it may take.
pub(super) type Held<'a> = (&'a mut Body, u64, &'a mut Reserved);

/// Reads a body to its end, or to where it breaks off.
pub(super) fn poll_body(
    cx: &mut Context<'_>,
    wire: &mut Wire,
    incoming: &mut Incoming,
    scratch: &mut [u8],
    (body, most, reserved): Held<'_>,
) -> Poll<Result<End, NoRoom>> {
    loop {
        if incoming.is_done() {
            return Poll::Ready(Ok(End::Complete));
        }
        let (inbox, taken) = wire.take_inbox();
        let outcome = if taken < inbox.len() {
            let rest = inbox.get(taken..).unwrap_or_default();
            let (used, outcome) = take(rest, incoming, (body, most, reserved));
            wire.put_inbox(inbox, taken + used);
            outcome
        } else {
            match ready!(wire.poll_receive(cx, scratch)) {
                Ok(0) if incoming.end_of_connection() => Ok(End::Complete),
                Ok(0) | Err(_) => return Poll::Ready(Ok(End::Truncated)),
                Ok(count) => {
                    let bytes = scratch.get(..count).unwrap_or_default();
                    let (used, outcome) = take(bytes, incoming, (body, most, reserved));
                    wire.keep(bytes.get(used..).unwrap_or_default());
                    outcome
                }
            }
        };
        if outcome != Ok(End::Complete) {
            return Poll::Ready(outcome);
        }
    }
}

/// Takes what `bytes` hold of a body: how many of them that was, and whether it may go on.
fn take(
    bytes: &[u8],
    incoming: &mut Incoming,
    (body, most, reserved): Held<'_>,
) -> (usize, Result<End, NoRoom>) {
    let mut at = 0;
    loop {
        let Ok((framing, piece)) = incoming.step(bytes.get(at..).unwrap_or_default()) else {
            return (at, Ok(End::Truncated));
        };
        at += framing;
        match piece {
            Piece::More => return (at, Ok(End::Complete)),
            Piece::Data(count) => {
                if let Err(full) = body.add(bytes.get(at..at + count).unwrap_or_default(), most, reserved) {
                    return (at, Err(full));
                }
                at += count;
            }
            Piece::End => {
                let end = if incoming.finish().is_ok() { End::Complete } else { End::Truncated };
                return (at, Ok(end));
            }
        }
    }
}
