//! A client that writes exactly the bytes it is told to, and reads strictly what comes back.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::message::{self, Ending, Framing, Message};
use crate::origin::FENCE;
use crate::wire::{Ended, Fault, Wire, show};

/// A final response with the interim ones before it.
#[derive(Debug, Clone)]
pub struct Answered {
    /// 1xx, in their order; 101 is final.
    pub interim: Vec<Message>,
    /// The final response.
    pub message: Message,
}

/// What became of a client's connection after the answers that were waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Another request on it was answered.
    Kept,
    /// It ended: in order, or by reset.
    Ended(Ended),
    /// It is neither closed nor was it used again.
    Open,
    /// The next request on it got something that is not its answer.
    Desynchronised(String),
    /// The client itself gave it up.
    GivenUp,
}

/// Everything that a client saw.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The answers in their order.
    pub answers: Vec<Answered>,
    /// Bytes where an answer's head should have been.
    pub garbage: Option<String>,
    /// Bytes after the last answer.
    pub surplus: Vec<u8>,
    /// What became of the connection.
    pub state: State,
}

/// Reads up to `count` final answers; the numbers in `heads` say which of them answer a HEAD request.
#[must_use]
pub fn read_answers(wire: &mut Wire, count: usize, heads: &[usize]) -> (Vec<Answered>, Option<String>) {
    let mut answers = Vec::new();
    while answers.len() < count {
        match read_answer(wire, heads.contains(&answers.len())) {
            Ok(answer) => {
                let whole = answer.message.ending == Ending::Whole;
                answers.push(answer);
                if !whole {
                    break;
                }
            }
            Err(Fault::Ended(_)) if wire.unread().is_empty() => break,
            Err(fault) => {
                return (answers, Some(format!("{fault}; then {}", show(wire.unread()))));
            }
        }
    }
    (answers, None)
}

/// Reads one final answer, and the interim ones before it.
///
/// # Errors
/// When no head could be read. A body that breaks off is told by the message's ending.
pub fn read_answer(wire: &mut Wire, to_head: bool) -> Result<Answered, Fault> {
    let mut interim = Vec::new();
    loop {
        let mut message = message::response_head(wire, to_head)?;
        if message.status() < 200 && message.framing != Framing::Tunnel {
            message.ending = Ending::Whole;
            interim.push(message);
            continue;
        }
        let mut body = Vec::new();
        let end = message::body(wire, message.framing, &mut |piece| body.extend_from_slice(piece));
        message.body = body;
        message.ending = match end {
            Ok(trailers) => {
                message.trailers = trailers;
                Ending::Whole
            }
            Err(fault) => Ending::Cut(fault),
        };
        return Ok(Answered { interim, message });
    }
}

/// Whether a connection can be used again: sends a fence on it and reads the answer.
#[must_use]
pub fn probe(wire: &mut Wire, strict: bool) -> State {
    let target = next_fence();
    let request = format!("GET {target} HTTP/1.1\r\nHost: fence.test\r\n\r\n");
    if wire.send(request.as_bytes()).is_err() {
        return State::Ended(Ended::Reset);
    }
    match read_answer(wire, false) {
        Ok(answer) if !strict && answer.message.ending == Ending::Whole => State::Kept,
        Ok(answer) if answer.message.status() == 200 && answer.message.body == target.as_bytes() => {
            State::Kept
        }
        Ok(answer) => State::Desynchronised(format!(
            "{} with body {}",
            show(&answer.message.start),
            show(&answer.message.body)
        )),
        Err(Fault::Ended(ended)) if wire.unread().is_empty() => State::Ended(ended),
        Err(fault) => State::Desynchronised(format!("{fault}; then {}", show(wire.unread()))),
    }
}

/// Sends a fence on a connection of its own.
///
/// # Errors
/// A sentence, when the proxy did not relay it whole.
pub fn fence(proxy: SocketAddr, patience: Duration, strict: bool) -> Result<(), String> {
    let target = next_fence();
    let request = format!("GET {target} HTTP/1.1\r\nHost: fence.test\r\nConnection: close\r\n\r\n");
    let exchange = || -> io::Result<Wire> {
        let mut wire = Wire::connect(proxy, patience)?;
        wire.send(request.as_bytes())?;
        Ok(wire)
    };
    let mut wire =
        exchange().map_err(|error| format!("another client could not reach the proxy: {error}"))?;
    match read_answer(&mut wire, false) {
        Ok(answer) if !strict && answer.message.ending == Ending::Whole => Ok(()),
        Ok(answer) if answer.message.status() == 200 && answer.message.body == target.as_bytes() => Ok(()),
        Ok(answer) => Err(format!(
            "another client was answered {} with body {}",
            show(&answer.message.start),
            show(&answer.message.body)
        )),
        Err(fault) => Err(format!("another client got no answer: {fault}")),
    }
}

fn next_fence() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{FENCE}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
