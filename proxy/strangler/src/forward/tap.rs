//! What a copy of the request needs, picked up in passing.
//!
//! Invariant: costs one comparison per call where the request is not copied, and can neither wait nor fail.

use std::time::Instant;

use strangler_core::compare::Transport;
use strangler_core::routing::Decision;

use super::error::{ForwardError, Side};
use super::local::Pin;
use crate::http1::relay::Sight;
use crate::http1::{RequestHead, ResponseHead};
use crate::shadow::{Lane, PrimaryEnd, ShadowId, Ticket};

/// The ticket of one request, if it is copied.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    ticket: Option<Ticket>,
    /// Kept beyond the ticket, for the access log.
    id: Option<ShadowId>,
}

impl Tap {
    /// The request was decided.
    pub(crate) fn decided(&mut self, lane: &Lane, pin: &Pin, decision: &Decision, began: Instant) {
        self.ticket = lane.ticket(pin, decision, began);
    }

    /// The head as every upstream would be sent it, before its slice's own operations.
    pub(crate) fn request(&mut self, head: &RequestHead, body: HasBody) {
        let Some(ticket) = &mut self.ticket else { return };
        ticket.request_head(&head.method, &head.target, &head.fields);
        if body == HasBody::No {
            ticket.request_is_head();
        }
    }

    /// What it wants to see of a body.
    pub(crate) fn sight(&self) -> Sight {
        match &self.ticket {
            Some(ticket) if ticket.is_open() => Sight::Bytes,
            _ => Sight::Count,
        }
    }

    /// A piece of the client's body.
    pub(crate) fn uploading(&mut self, piece: &[u8]) {
        if let Some(ticket) = &mut self.ticket {
            ticket.request_piece(piece);
        }
    }

    /// The client's body is whole.
    pub(crate) fn uploaded(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            ticket.request_end();
        }
    }

    /// The final answer's head, as it came.
    pub(crate) fn answer(&mut self, head: &ResponseHead) {
        if let Some(ticket) = &mut self.ticket {
            ticket.reply_head(head.status, &head.fields);
        }
    }

    /// A piece of the answer's body.
    pub(crate) fn answering(&mut self, piece: &[u8]) {
        if let Some(ticket) = &mut self.ticket {
            ticket.reply_piece(piece);
        }
    }

    /// The exchange is over: what was picked up goes to the shadow thread.
    pub(crate) fn ended(&mut self, end: PrimaryEnd) {
        if let Some(ticket) = self.ticket.take() {
            self.id = ticket.id();
            ticket.finish(end);
        }
    }

    /// There is no answer of an upstream.
    pub(crate) fn failed(&mut self, error: ForwardError) {
        if self.ticket.is_none() {
            return;
        }
        self.ended(match (error.side(), error) {
            (Side::Client, _) => PrimaryEnd::ClientLeft,
            (_, ForwardError::ResponseTimeout) => PrimaryEnd::Failed(Transport::Timeout),
            (_, ForwardError::Terminated) => PrimaryEnd::Failed(Transport::Reset),
            (_, ForwardError::Malformed | ForwardError::HeadTooLarge | ForwardError::UnsolicitedUpgrade) => {
                PrimaryEnd::Failed(Transport::Malformed)
            }
            _ => PrimaryEnd::Failed(Transport::Connect),
        });
    }

    /// Legacy answers for the side that failed: there is nothing to compare its answer with.
    pub(crate) fn fell_back(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            ticket.finish(PrimaryEnd::FellBack);
        }
    }

    /// The copy's id, once the exchange is over and if there may be a copy.
    pub(crate) fn id(&self) -> Option<ShadowId> {
        self.id
    }
}

/// Whether a body follows a request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HasBody {
    Yes,
    No,
}
