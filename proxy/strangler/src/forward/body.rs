//! The body of an answer on its way to the client: one concrete type, nothing boxed per request.
//!
//! Owns giving the upstream's connection back once the answer is complete, and breaking the client's
//! response where the upstream's broke. Refuses buffering: a piece is passed on when it arrives.

use std::pin::Pin as Pinned;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use strangler_core::words::UpstreamId;
use tokio::time::Sleep;

use super::local::{Local, Pin};
use super::record::Record;
use crate::upstream::EndpointState;
use crate::upstream::http1::Connection;
use crate::upstream::upload::UploadProgress;

/// A request in flight at an endpoint, as counted over all threads.
pub(crate) struct InFlight {
    pin: Pin,
    upstream: UpstreamId,
    endpoint: usize,
}

impl InFlight {
    pub(crate) fn new(pin: &Pin, upstream: UpstreamId, endpoint: usize) -> InFlight {
        let in_flight = InFlight { pin: Rc::clone(pin), upstream, endpoint };
        if let Some(state) = in_flight.state() {
            state.in_flight.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        in_flight
    }

    fn state(&self) -> Option<&std::sync::Arc<EndpointState>> {
        self.pin.upstream(self.upstream).endpoints.get(self.endpoint)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(state) = self.state() {
            state.in_flight.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

/// The upstream's side of an exchange whose answer is being relayed.
pub(crate) struct Lease {
    pub(crate) local: Rc<Local>,
    pub(crate) connection: Connection,
    pub(crate) in_flight: InFlight,
    /// How long the connection may be idle afterwards; zero: not to be used again.
    pub(crate) keep: Duration,
    pub(crate) upload: Option<Rc<UploadProgress>>,
}

impl Lease {
    /// The exchange is complete: the connection is kept, unless the client's body is still on its way.
    pub(crate) fn release(self) {
        if self.upload.is_some_and(|upload| !upload.finished.get()) {
            return;
        }
        if let Some(endpoint) = self.in_flight.state() {
            self.local.pool.put(endpoint, self.connection, self.keep);
        }
    }
}

/// The body of an answer.
pub(crate) enum AnswerBody {
    /// Nothing, and nobody to tell.
    Empty,
    /// Made by the proxy.
    Made { text: Bytes, _record: Record },
    /// None, but a length may be announced (HEAD, 304).
    Announced { length: Option<u64>, _record: Record },
    /// The upstream's.
    Relay(Relay),
}

/// An upstream's body.
pub(crate) struct Relay {
    incoming: Incoming,
    lease: Option<Lease>,
    record: Record,
    /// Time between two pieces.
    idle: Duration,
    timer: Option<Pinned<Box<Sleep>>>,
    waiting: Option<Instant>,
}

/// The upstream's body ended before its framing did.
#[derive(Debug, thiserror::Error)]
#[error("the upstream's answer broke off")]
pub(crate) struct BrokenOff;

impl AnswerBody {
    pub(crate) fn made(text: Bytes, mut record: Record) -> AnswerBody {
        record.bytes_out.set(u64::try_from(text.len()).unwrap_or(u64::MAX));
        record.complete();
        AnswerBody::Made { text, _record: record }
    }

    /// An answer without a body; its exchange with the upstream is over.
    pub(crate) fn announced(length: Option<u64>, mut record: Record) -> AnswerBody {
        record.complete();
        AnswerBody::Announced { length, _record: record }
    }

    pub(crate) fn relay(incoming: Incoming, lease: Lease, record: Record, idle: Duration) -> AnswerBody {
        AnswerBody::Relay(Relay { incoming, lease: Some(lease), record, idle, timer: None, waiting: None })
    }
}

impl Relay {
    fn finish(&mut self) {
        self.record.complete();
        if let Some(lease) = self.lease.take() {
            if lease.upload.as_ref().is_some_and(|upload| !upload.finished.get()) {
                self.record.client().unread.set(true);
            }
            lease.release();
        }
    }

    fn break_off(&mut self, error: &'static str) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.lease = None;
        // On HTTP/1.0 the end of the connection is the end of the body: it must not look like a clean one.
        if self.record.version == http::Version::HTTP_10 {
            self.record.client().broken.set(true);
        }
        self.record.broke(error);
        Poll::Ready(Some(Err(BrokenOff)))
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let until = tokio::time::Instant::from_std(since + self.idle);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        // Moved only when it fires: pieces arrive far more often than that.
        loop {
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if tokio::time::Instant::now() >= until {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match Pinned::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting = None;
                if let Some(data) = frame.data_ref() {
                    let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    self.record.bytes_out.set(self.record.bytes_out.get().saturating_add(length));
                }
                if frame.is_trailers() || self.incoming.is_end_stream() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_cause))) => self.break_off("http_response_incomplete"),
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Pending => match self.poll_idle(cx) {
                Poll::Ready(()) => self.break_off("http_response_timeout"),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pinned<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            AnswerBody::Relay(relay) => relay.poll(cx),
            AnswerBody::Made { text, .. } if !text.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(text)))))
            }
            AnswerBody::Empty | AnswerBody::Made { .. } | AnswerBody::Announced { .. } => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            AnswerBody::Empty => true,
            AnswerBody::Made { text, .. } => text.is_empty(),
            // Were this true, hyper would drop the announced length.
            AnswerBody::Announced { length, .. } => length.is_none(),
            AnswerBody::Relay(relay) => relay.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Empty => SizeHint::with_exact(0),
            AnswerBody::Made { text, .. } => {
                SizeHint::with_exact(u64::try_from(text.len()).unwrap_or_default())
            }
            AnswerBody::Announced { length, .. } => SizeHint::with_exact(length.unwrap_or_default()),
            AnswerBody::Relay(relay) => relay.incoming.size_hint(),
        }
    }
}
