//! An answer on its way to the client.
//!
//! Owns giving the upstream's connection back once the answer is complete, and breaking the client's response where
//! the upstream's broke. Refuses buffering: a piece is passed on when it arrives.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::in_flight::InFlight;
use super::local::{Presence, Session};
use super::record::Record;
use super::tap::Tap;
use super::upload::{Progress, Upload, UploadFault};
use crate::http1::Incoming;
use crate::http1::relay::{self, MoveFault, Moved, Onlooker, Outgoing, Passing, Sight};
use crate::shadow::PrimaryEnd;
use crate::upstream::connection::Connection;

/// The upstream's side of an exchange whose answer is being relayed.
pub(crate) struct Lease {
    pub(crate) connection: Box<Connection>,
    pub(crate) in_flight: InFlight,
    /// How long the connection may be idle afterwards; zero: not to be used again.
    pub(crate) keep: Duration,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relayed {
    /// The client has it all.
    Complete,
    /// The upstream's answer broke off; why, in RFC 9209's words.
    Broken(&'static str),
    /// The client left, or takes nothing more.
    ClientGone,
}

/// An answer's body, from its head to its end.
pub(crate) struct Relay {
    body: Incoming,
    outgoing: Outgoing,
    /// `None` once the upstream's part is over.
    lease: Option<Lease>,
    /// Time between two pieces.
    idle: Duration,
    /// Whether another request may follow.
    pub(crate) persistent: bool,
    /// Whether the end of the body is the end of the connection.
    pub(crate) ends_connection: bool,
    /// Bytes received and sent when something last moved, and when that was.
    seen: (u64, u64),
    since: Option<Instant>,
    bytes: u64,
}

impl Relay {
    pub(crate) fn new(
        body: Incoming,
        outgoing: Outgoing,
        lease: Lease,
        idle: Duration,
        persistent: bool,
        ends_connection: bool,
    ) -> Relay {
        let lease = Some(lease);
        Relay {
            body,
            outgoing,
            lease,
            idle,
            persistent,
            ends_connection,
            seen: (0, 0),
            since: None,
            bytes: 0,
        }
    }

    /// Bytes of the body so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Moves what can be moved.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
        upload: &mut Option<Upload>,
        tap: &mut Tap,
    ) -> Poll<Relayed> {
        let local = Rc::clone(&session.client.local);
        let mut scratch = local.scratch.borrow_mut();
        loop {
            let Ok(owed) = self.advance_upload(cx, session, upload, tap, &mut scratch) else {
                return Poll::Ready(Relayed::ClientGone);
            };
            let moved = match &mut self.lease {
                Some(lease) => {
                    let mut answering = Answering { bytes: &mut self.bytes, tap };
                    let source = (&mut lease.connection.wire, &mut self.body);
                    let sink = (&mut session.wire, self.outgoing);
                    match relay::advance(cx, source, sink, &mut scratch, &mut answering) {
                        Ok(moved) => moved,
                        Err(MoveFault::Sink | MoveFault::Refused) => return Poll::Ready(Relayed::ClientGone),
                        Err(MoveFault::Ended | MoveFault::Framing(_)) => {
                            return Poll::Ready(self.broken("http_response_incomplete"));
                        }
                    }
                }
                None => match session.wire.poll_flush(cx) {
                    Poll::Ready(Ok(())) => Moved::Done,
                    Poll::Ready(Err(_broken)) => return Poll::Ready(Relayed::ClientGone),
                    Poll::Pending => Moved::Blocked,
                },
            };
            let uploading = owed.is_some();
            if self.body.is_done() && !uploading {
                self.release(session, upload.as_ref());
            }
            if moved == Moved::Done {
                self.release(session, upload.as_ref());
                return Poll::Ready(Relayed::Complete);
            }
            let presence = if !uploading && moved == Moved::Starved {
                session.presence(cx, &mut scratch)
            } else {
                Presence::Here
            };
            let until = self.until(session);
            let mut wake = owed.flatten().map_or(until, |owed| owed.min(until));
            match presence {
                Presence::Gone => return Poll::Ready(Relayed::ClientGone),
                Presence::Leaving(at) => wake = wake.min(at),
                Presence::Here => {}
            }
            if session.deadline.poll(cx, wake).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= until {
                return Poll::Ready(match moved {
                    Moved::Blocked => Relayed::ClientGone,
                    _ => self.broken("http_response_timeout"),
                });
            }
        }
    }

    /// Goes on with an upload that the answer overtook: `None` where it is over, or until when the client owes
    /// its next piece.
    fn advance_upload(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
        upload: &mut Option<Upload>,
        tap: &mut Tap,
        scratch: &mut [u8],
    ) -> Result<Option<Option<Instant>>, ()> {
        let (Some(upload), Some(lease)) = (upload, &mut self.lease) else { return Ok(None) };
        let upstream = &mut lease.connection.wire;
        match upload.advance(cx, &mut session.wire, upstream, scratch, tap) {
            Ok(Progress::Waiting(owed)) => Ok(Some(owed)),
            Ok(Progress::Finished | Progress::Cut) => Ok(None),
            Err(UploadFault::Gone) => Err(()),
            // Too late to say so: the answer is on its way, and nothing follows it.
            Err(_fault) => {
                upload.cut();
                Ok(None)
            }
        }
    }

    /// The exchange is complete: the connection is kept, unless the client's body is still on its way.
    fn release(&mut self, session: &Session, upload: Option<&Upload>) {
        let Some(Lease { connection, in_flight, keep }) = self.lease.take() else { return };
        let clean = connection.wire.inbox().is_empty() && connection.wire.is_flushed();
        if clean
            && upload.is_none_or(Upload::is_finished)
            && let Some(endpoint) = in_flight.state()
        {
            session.client.local.pool.put(endpoint, connection, keep);
        }
    }

    /// The upstream's answer broke off.
    fn broken(&self, why: &'static str) -> Relayed {
        if let Some(lease) = &self.lease {
            lease.in_flight.broke();
        }
        Relayed::Broken(why)
    }

    /// Until when something must move.
    fn until(&mut self, session: &Session) -> Instant {
        let received = self.lease.as_ref().map_or(0, |lease| lease.connection.wire.received());
        let seen = (received, session.wire.sent());
        match self.since {
            Some(since) if seen == self.seen => since + self.idle,
            _ => {
                self.seen = seen;
                let now = Instant::now();
                self.since = Some(now);
                now + self.idle
            }
        }
    }
}

/// Who looks on while an answer passes.
struct Answering<'a> {
    bytes: &'a mut u64,
    tap: &'a mut Tap,
}

impl Onlooker for Answering<'_> {
    fn sight(&self) -> Sight {
        self.tap.sight()
    }

    fn see(&mut self, piece: Passing<'_>) -> bool {
        *self.bytes = self.bytes.saturating_add(piece.len());
        if let Passing::Bytes(data) = piece {
            self.tap.answering(data);
        }
        true
    }
}

impl Relayed {
    /// Notes how the answer ended.
    pub(crate) fn note(self, record: &mut Record) {
        match self {
            Relayed::Complete => record.complete(),
            Relayed::Broken(why) => record.broke(why),
            Relayed::ClientGone => record.client_gone(),
        }
        record.tap.ended(match self {
            Relayed::Complete => PrimaryEnd::Complete,
            Relayed::Broken(_) => PrimaryEnd::Broken,
            Relayed::ClientGone => PrimaryEnd::ClientLeft,
        });
    }
}
