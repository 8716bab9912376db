//! The body of a request on its way to an upstream.
//!
//! Owns streaming with backpressure, the limits of what a client may send and how slowly, and holding the
//! body back until the upstream wants it. Refuses to end cleanly what the client did not end cleanly.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::pace::Pace;

/// How long an upstream may leave `Expect: 100-continue` unanswered before the body is sent anyway
/// (RFC 9110, 10.1.1: a client must not wait for an indefinite period).
const EXPECT_PATIENCE: Duration = Duration::from_secs(1);

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UploadLimits {
    /// Bytes; `None`: any number.
    pub(crate) bytes: Option<u64>,
    /// Trailer lines, and their bytes: as many as header lines.
    pub(crate) trailer_lines: u32,
    pub(crate) trailer_bytes: u64,
    /// Time between two pieces.
    pub(crate) pause: Duration,
    /// Bytes per second on average; `None`: any.
    pub(crate) rate: Option<u64>,
}

impl UploadLimits {
    fn are_exceeded_by(&self, trailers: &HeaderMap) -> bool {
        let lines = u32::try_from(trailers.len()).unwrap_or(u32::MAX);
        // Colon, space and line end are counted with each line.
        let bytes: usize = trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        lines > self.trailer_lines || u64::try_from(bytes).unwrap_or(u64::MAX) > self.trailer_bytes
    }
}

/// What was the client's fault in an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadFault {
    /// More than `limits.body`.
    TooLarge,
    /// Trailers beyond what headers may have.
    TrailersTooLarge,
    /// Nothing for `limits.body_timeout`.
    Stalled,
    /// Slower than `limits.body_rate`.
    TooSlow,
    /// Not chunked as announced.
    Malformed,
    /// The client left.
    Gone,
}

/// What the sender of an upload can see of it.
#[derive(Debug)]
pub(crate) struct UploadProgress {
    /// Bytes taken from the client so far.
    pub(crate) received: Cell<u64>,
    /// Whether the client's body came to its end.
    pub(crate) finished: Cell<bool>,
    /// What went wrong.
    pub(crate) fault: Cell<Option<UploadFault>>,
    /// When the last piece passed.
    pub(crate) moved: Cell<Instant>,
}

/// Holds a body back. Crosses into hyper's callback, which must be `Send`.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<GateState>);

#[derive(Debug, Default)]
struct GateState {
    position: Position,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Position {
    #[default]
    Closed,
    Open,
    Abandoned,
}

impl Gate {
    /// Lets the body pass: the upstream said 100.
    pub(crate) fn open(&self) {
        self.turn(Position::Open);
    }

    /// The upstream gave its final answer without the body: the client is not asked for it.
    pub(crate) fn abandon(&self) {
        self.turn(Position::Abandoned);
    }

    /// Whether the body may pass, or passed.
    pub(crate) fn is_open(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).position == Position::Open
    }

    fn turn(&self, to: Position) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.position == Position::Closed {
            state.position = to;
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
    }

    fn position(&self, waker: &Waker) -> Position {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.position == Position::Closed {
            state.waker = Some(waker.clone());
        }
        state.position
    }
}

/// The body of a request towards an upstream.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// There is none.
    Empty,
    /// The client's.
    Upload(Upload),
}

/// A client's body on its way.
#[derive(Debug)]
pub(crate) struct Upload {
    incoming: Option<Incoming>,
    progress: Rc<UploadProgress>,
    limits: UploadLimits,
    pace: Pace,
    gate: Option<Arc<Gate>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Upload {
    pub(crate) fn new(incoming: Incoming, limits: UploadLimits, gate: Option<Arc<Gate>>) -> Upload {
        let now = Instant::now();
        let progress = Rc::new(UploadProgress {
            received: Cell::new(0),
            finished: Cell::new(false),
            fault: Cell::new(None),
            moved: Cell::new(now),
        });
        Upload {
            incoming: Some(incoming),
            progress,
            limits,
            pace: Pace::new(limits.pause, limits.rate, now),
            gate,
            timer: None,
        }
    }

    pub(crate) fn progress(&self) -> Rc<UploadProgress> {
        Rc::clone(&self.progress)
    }

    fn fail(&mut self, fault: UploadFault) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        self.progress.fault.set(Some(fault));
        self.incoming = None;
        Poll::Ready(Some(Err(UploadError(fault))))
    }

    /// Ready when the body may pass, or was abandoned.
    fn poll_gate(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(gate) = &self.gate else { return Poll::Ready(()) };
        match gate.position(cx.waker()) {
            Position::Open => {}
            Position::Abandoned => {
                // Held open until the connection is dropped: the request never ends cleanly.
                self.incoming = None;
                return Poll::Pending;
            }
            Position::Closed => {
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(EXPECT_PATIENCE)));
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                gate.open();
            }
        }
        self.gate = None;
        self.timer = None;
        Poll::Ready(())
    }

    /// Counts a piece; whether the body has become too large.
    fn count(&mut self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let received = self.progress.received.get().saturating_add(bytes);
        self.progress.received.set(received);
        let now = Instant::now();
        self.progress.moved.set(now);
        self.pace.came(bytes, now);
        self.limits.bytes.is_some_and(|limit| received > limit)
    }

    /// Waits for the client's next piece, but not for ever.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<UploadFault> {
        loop {
            let wake = match self.pace.owes(Instant::now()) {
                Ok(wake) => tokio::time::Instant::from_std(wake),
                Err(fault) => return Poll::Ready(fault),
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(wake)));
            if timer.deadline() != wake {
                timer.as_mut().reset(wake);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// An upload ended with the client's fault.
#[derive(Debug, thiserror::Error)]
#[error("the client's request body ended early: {0:?}")]
pub(crate) struct UploadError(UploadFault);

/// Whether the client left, or broke the framing of its body.
fn fault_of(error: &hyper::Error) -> UploadFault {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => UploadFault::Malformed,
        _ => UploadFault::Gone,
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let RequestBody::Upload(upload) = self.get_mut() else { return Poll::Ready(None) };
        if upload.poll_gate(cx).is_pending() {
            return Poll::Pending;
        }
        let Some(incoming) = &mut upload.incoming else { return Poll::Pending };
        match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let ended = incoming.is_end_stream() || frame.is_trailers();
                if upload.count(frame.data_ref().map_or(0, Bytes::len)) {
                    return upload.fail(UploadFault::TooLarge);
                }
                if frame.trailers_ref().is_some_and(|trailers| upload.limits.are_exceeded_by(trailers)) {
                    return upload.fail(UploadFault::TrailersTooLarge);
                }
                if ended {
                    upload.progress.finished.set(true);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => upload.fail(fault_of(&error)),
            Poll::Ready(None) => {
                upload.count(0);
                upload.progress.finished.set(true);
                Poll::Ready(None)
            }
            Poll::Pending => match upload.poll_overdue(cx) {
                Poll::Ready(fault) => upload.fail(fault),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Upload(upload) => upload.incoming.as_ref().is_some_and(Body::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Upload(upload) => upload.incoming.as_ref().map(Body::size_hint).unwrap_or_default(),
        }
    }
}
