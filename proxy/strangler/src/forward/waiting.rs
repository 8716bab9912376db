//! A request on its way, until the head of its answer is there.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::error::ForwardError;
use super::hop;
use super::local::{Presence, Session};
use super::tap::Tap;
use super::upload::{Progress, Upload};
use crate::http1::{Known, ResponseHead, Version};
use crate::upstream::connection::{AnswerFault, Connection};

/// Informational responses that one request may have.
const MAX_INFORMATIONAL: u32 = 100;

/// What a client that waits for it is told when the body is wanted.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Why a request that was given to a connection has no answer.
pub(crate) enum NoAnswer {
    /// The connection failed it.
    Fault(AnswerFault),
    /// Something that no other connection would mend.
    Because(ForwardError),
}

/// A request on its way, until the head of its answer is there.
pub(crate) struct Waiting<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) connection: &'a mut Connection,
    pub(crate) upload: &'a mut Option<Upload>,
    pub(crate) tap: &'a mut Tap,
    pub(crate) head: &'a mut ResponseHead,
    pub(crate) began: Instant,
    pub(crate) patience: Duration,
    pub(crate) informational: u32,
    pub(crate) version: Version,
}

impl Waiting<'_> {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NoAnswer>> {
        let local = Rc::clone(&self.session.client.local);
        let mut scratch = local.scratch.borrow_mut();
        loop {
            // An upload that moves is not a slow answer.
            let mut until = self.began + self.patience;
            let mut wake = until;
            let mut uploading = false;
            if let Some(upload) = self.upload {
                let (client, upstream) = (&mut self.session.wire, &mut self.connection.wire);
                let progress = upload
                    .advance(cx, client, upstream, &mut scratch, self.tap)
                    .map_err(|fault| NoAnswer::Because(fault.into()))?;
                until = until.max(upload.moved() + self.patience);
                wake = until;
                if let Progress::Waiting(client_owes) = progress {
                    wake = client_owes.map_or(until, |owed| owed.min(until));
                    uploading = !upload.is_held();
                }
            }
            // A connection that broke while it was written to may still hold an answer.
            let _broken = self.connection.wire.poll_flush(cx);
            match self.connection.poll_head(cx, self.head, &mut scratch) {
                Poll::Ready(Ok(())) if self.head.status < 200 && self.head.status != 101 => {
                    self.inform()?;
                    continue;
                }
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(AnswerFault::Silent)) if self.informational > 0 => {
                    return Poll::Ready(Err(NoAnswer::Fault(AnswerFault::Cut)));
                }
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(NoAnswer::Fault(fault))),
                Poll::Pending => {}
            }
            let deaf = matches!(self.session.wire.poll_flush(cx), Poll::Ready(Err(_)));
            let presence = if uploading { Presence::Here } else { self.session.presence(cx, &mut scratch) };
            if deaf || presence == Presence::Gone {
                return Poll::Ready(Err(NoAnswer::Because(ForwardError::ClientGone)));
            }
            if let Presence::Leaving(at) = presence {
                wake = wake.min(at);
            }
            if self.session.deadline.poll(cx, wake).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= until {
                return Poll::Ready(Err(NoAnswer::Because(ForwardError::ResponseTimeout)));
            }
            // The upstream does not say whether it wants the body: the client is not kept waiting for ever.
            if self.upload.as_ref().is_some_and(Upload::is_overdue) {
                self.open();
            }
        }
    }

    /// Lets a body that is held back pass, and tells the client.
    fn open(&mut self) {
        if self.upload.as_mut().is_some_and(Upload::open) {
            self.session.wire.outbox().extend_from_slice(CONTINUE);
        }
    }

    /// Passes an informational response on (RFC 9110, 15.2). 100 is for the client that asked for it.
    fn inform(&mut self) -> Result<(), NoAnswer> {
        self.informational += 1;
        if self.informational > MAX_INFORMATIONAL {
            return Err(NoAnswer::Fault(AnswerFault::Malformed));
        }
        if self.head.status == 100 {
            self.open();
        } else if self.version == Version::Http11 {
            hop::strip(&mut self.head.fields, None, |_| false);
            self.head.fields.remove(Known::ContentLength);
            self.head.fields.remove(Known::TransferEncoding);
            self.head.write(self.session.wire.outbox());
            self.session.informed = true;
        }
        Ok(())
    }
}
