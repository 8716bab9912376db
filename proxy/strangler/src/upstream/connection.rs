//! One connection to an endpoint: a wire, its place under `max_connections`, and the answers read from it.

use std::task::{Context, Poll, ready};

use super::endpoint::ConnectionPermit;
use crate::http1::{HeadFault, ResponseHead, Wire};

/// Bytes of an upstream's response head.
const MAX_HEAD_BYTES: usize = 128 * 1024;

/// Header lines of an upstream's response.
const MAX_HEAD_LINES: usize = 256;

/// A connection that carries one request at a time. Dropping it closes the socket at once, whatever state
/// the exchange is in.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) wire: Wire,
    /// Counted as open until the socket closes.
    _permit: ConnectionPermit,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerFault {
    /// The connection ended before any byte of a response.
    Silent,
    /// It ended within the response's head.
    Cut,
    /// The response is not HTTP.
    Malformed,
    /// The response's head is too large.
    TooLarge,
}

impl Connection {
    /// Boxed: it is handed from the pool to the request, to its answer and back, and each of these would copy it.
    pub(crate) fn new(wire: Wire, permit: ConnectionPermit) -> Box<Connection> {
        Box::new(Connection { wire, _permit: permit })
    }

    /// Whether an idle connection shows neither an end nor bytes that nobody asked for, as far as the reactor
    /// knows.
    pub(crate) fn is_idle(&self, cx: &mut Context<'_>) -> bool {
        self.wire.inbox().is_empty() && self.wire.is_flushed() && !self.wire.is_stirred(cx)
    }

    /// Reads the head of a response, informational ones included.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut ResponseHead,
        scratch: &mut [u8],
    ) -> Poll<Result<(), AnswerFault>> {
        let wire = &mut self.wire;
        if !wire.inbox().is_empty()
            && let Some(length) = parse(head, wire.inbox())?
        {
            wire.consume(length);
            return Poll::Ready(Ok(()));
        }
        loop {
            let count = match ready!(wire.poll_receive(cx, scratch)) {
                Ok(count) if count > 0 => count,
                _ended if wire.inbox().is_empty() => return Poll::Ready(Err(AnswerFault::Silent)),
                _ended => return Poll::Ready(Err(AnswerFault::Cut)),
            };
            let bytes = scratch.get(..count).unwrap_or_default();
            if wire.inbox().is_empty() {
                if let Some(length) = parse(head, bytes)? {
                    wire.keep(bytes.get(length..).unwrap_or_default());
                    return Poll::Ready(Ok(()));
                }
                wire.keep(bytes);
                continue;
            }
            wire.keep(bytes);
            if let Some(length) = parse(head, wire.inbox())? {
                wire.consume(length);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

fn parse(head: &mut ResponseHead, bytes: &[u8]) -> Result<Option<usize>, AnswerFault> {
    match head.parse(bytes, MAX_HEAD_LINES) {
        Ok(Some(length)) if length > MAX_HEAD_BYTES => Err(AnswerFault::TooLarge),
        Ok(None) if bytes.len() > MAX_HEAD_BYTES => Err(AnswerFault::TooLarge),
        Ok(found) => Ok(found),
        Err(HeadFault::TooManyLines) => Err(AnswerFault::TooLarge),
        Err(HeadFault::Malformed) => Err(AnswerFault::Malformed),
    }
}
