//! The body of a request on its way to an upstream.
//!
//! Owns the limits of what a client may send and how slowly, and holding the body back until the upstream wants
//! it. Refuses to end cleanly what the client did not end cleanly.

use std::task::Context;
use std::time::{Duration, Instant};

use super::pace::Pace;
use super::tap::Tap;
use crate::http1::chunked::{self, ChunkedFault, TrailerLimits};
use crate::http1::relay::{self, MoveFault, Moved, Onlooker, Outgoing, Passing, Sight};
use crate::http1::{Fields, Framing, Incoming, Wire};

/// How long an upstream may leave `Expect: 100-continue` unanswered before the body is sent anyway
/// (RFC 9110, 10.1.1: a client must not wait for an indefinite period).
const EXPECT_PATIENCE: Duration = Duration::from_secs(1);

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UploadLimits {
    /// Bytes; `None`: any number.
    pub(crate) bytes: Option<u64>,
    /// Trailer lines, and their bytes: as many as header lines.
    pub(crate) trailers: TrailerLimits,
    /// Time between two pieces.
    pub(crate) pause: Duration,
    /// Bytes per second on average; `None`: any.
    pub(crate) rate: Option<u64>,
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

/// Whether the body may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    /// The client waits for 100.
    Held {
        until: Instant,
    },
    /// The upstream gave its final answer without the body: the client is not asked for it.
    Abandoned,
}

/// How far an upload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All of it was handed on.
    Finished,
    /// It waits; for the client at most until then.
    Waiting(Option<Instant>),
    /// The upstream takes no more of it.
    Cut,
}

/// What is kept of a body in case it has to be sent once more.
#[derive(Debug)]
enum Keeping {
    /// Nothing: it goes to one upstream only.
    Nothing,
    /// All of it so far.
    All { bytes: Vec<u8>, trailers: Fields, most: usize },
    /// It was more than may be kept.
    TooMuch,
}

impl Keeping {
    fn data(&mut self, data: &[u8]) {
        let Keeping::All { bytes, most, .. } = self else { return };
        if bytes.len().saturating_add(data.len()) > *most {
            *self = Keeping::TooMuch;
        } else {
            bytes.extend_from_slice(data);
        }
    }

    fn trailers(&mut self, seen: &Fields) {
        if let Keeping::All { trailers, .. } = self {
            trailers.clone_from(seen);
        }
    }
}

/// A client's body on its way.
#[derive(Debug)]
pub(crate) struct Upload {
    body: Incoming,
    outgoing: Outgoing,
    limits: UploadLimits,
    pace: Pace,
    gate: Gate,
    received: u64,
    moved: Instant,
    finished: bool,
    cut: bool,
    keeping: Keeping,
}

impl Upload {
    /// `None` where the request has no body. `expects`: the client waits for 100 before it sends the body.
    pub(crate) fn new(framing: Framing, limits: UploadLimits, expects: bool, now: Instant) -> Option<Upload> {
        let body = Incoming::new(framing, limits.trailers);
        if body.is_done() {
            return None;
        }
        let outgoing = if framing == Framing::Chunked { Outgoing::Chunked } else { Outgoing::Plain };
        let gate = if expects { Gate::Held { until: now + EXPECT_PATIENCE } } else { Gate::Open };
        let pace = Pace::new(limits.pause, limits.rate, now);
        let (received, finished, cut) = (0, false, false);
        let keeping = Keeping::Nothing;
        Some(Upload { body, outgoing, limits, pace, gate, received, moved: now, finished, cut, keeping })
    }

    /// From now on keeps what passes, at most so many bytes, so that it can be sent to another upstream. `announced`:
    /// how many will come, where that is known.
    pub(crate) fn keep(&mut self, most: usize, announced: Option<u64>) {
        let fits = announced.is_none_or(|length| usize::try_from(length).is_ok_and(|length| length <= most));
        self.keeping = if fits {
            Keeping::All { bytes: Vec::new(), trailers: Fields::default(), most }
        } else {
            Keeping::TooMuch
        };
    }

    /// Whether it was to be kept and is too much for that.
    pub(crate) fn is_too_much(&self) -> bool {
        matches!(self.keeping, Keeping::TooMuch)
    }

    /// Goes back to the beginning for another upstream. Whether that can be done.
    pub(crate) fn rewind(&mut self) -> bool {
        let can = matches!(self.keeping, Keeping::All { .. }) && self.gate != Gate::Abandoned;
        self.cut &= !can;
        can
    }

    /// Writes what has passed so far, for an upstream that is new to it.
    pub(crate) fn replay(&self, out: &mut Vec<u8>) {
        let Keeping::All { bytes, trailers, .. } = &self.keeping else { return };
        match self.outgoing {
            Outgoing::Plain => out.extend_from_slice(bytes),
            Outgoing::Chunked => {
                if !bytes.is_empty() {
                    chunked::write_chunk(bytes, out);
                }
                if self.body.is_done() {
                    chunked::write_end(trailers, out);
                }
            }
        }
    }

    /// Bytes taken from the client so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Whether the client's body came to its end.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether bytes of the body were taken from the client: it cannot be sent a second time.
    pub(crate) fn has_begun(&self) -> bool {
        self.received > 0 || self.finished
    }

    /// When the last piece passed, or the upload was made.
    pub(crate) fn moved(&self) -> Instant {
        self.moved
    }

    /// Whether the client still waits to be asked for the body.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self.gate, Gate::Held { .. })
    }

    /// Whether the client has waited for long enough.
    pub(crate) fn is_overdue(&self) -> bool {
        matches!(self.gate, Gate::Held { until } if Instant::now() >= until)
    }

    /// Lets the body pass. Whether the client waited for that.
    pub(crate) fn open(&mut self) -> bool {
        let held = self.is_held();
        if held {
            self.gate = Gate::Open;
            self.moved = Instant::now();
        }
        held
    }

    /// The final answer came before the body was asked for: it never will be.
    pub(crate) fn abandon(&mut self) {
        if self.is_held() {
            self.gate = Gate::Abandoned;
        }
    }

    /// Nothing more of it is wanted.
    pub(crate) fn cut(&mut self) {
        self.cut = true;
    }

    /// Moves what can be moved without waiting.
    ///
    /// # Errors
    ///
    /// The client's fault.
    pub(crate) fn advance(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Wire,
        upstream: &mut Wire,
        scratch: &mut [u8],
        tap: &mut Tap,
    ) -> Result<Progress, UploadFault> {
        if self.finished {
            return Ok(Progress::Finished);
        }
        if self.cut {
            return Ok(Progress::Cut);
        }
        match self.gate {
            Gate::Open => {}
            Gate::Abandoned => return Ok(Progress::Cut),
            Gate::Held { until } => return Ok(Progress::Waiting(Some(until))),
        }
        let before = self.received;
        let (limit, received, keeping) = (self.limits.bytes, &mut self.received, &mut self.keeping);
        let mut uploading = Uploading { limit, received, tap, keeping };
        let outcome =
            relay::advance(cx, (client, &mut self.body), (upstream, self.outgoing), scratch, &mut uploading);
        let came = self.received - before;
        if came > 0 {
            let now = Instant::now();
            self.moved = now;
            self.pace.came(came, now);
        }
        match outcome {
            Ok(Moved::Done) => {
                self.finished = true;
                tap.uploaded();
                self.moved = Instant::now();
                Ok(Progress::Finished)
            }
            Ok(Moved::Blocked) => Ok(Progress::Waiting(None)),
            Ok(Moved::Starved) => self.pace.owes(Instant::now()).map(|until| Progress::Waiting(Some(until))),
            Err(MoveFault::Sink) => {
                self.cut = true;
                Ok(Progress::Cut)
            }
            Err(MoveFault::Ended) => Err(UploadFault::Gone),
            Err(MoveFault::Refused) => Err(UploadFault::TooLarge),
            Err(MoveFault::Framing(ChunkedFault::Malformed)) => Err(UploadFault::Malformed),
            Err(MoveFault::Framing(ChunkedFault::TrailersTooLarge)) => Err(UploadFault::TrailersTooLarge),
        }
    }
}

/// Who looks on while a client's body passes.
struct Uploading<'a> {
    limit: Option<u64>,
    received: &'a mut u64,
    tap: &'a mut Tap,
    keeping: &'a mut Keeping,
}

impl Onlooker for Uploading<'_> {
    fn sight(&self) -> Sight {
        match self.keeping {
            Keeping::All { .. } => Sight::Bytes,
            Keeping::Nothing | Keeping::TooMuch => self.tap.sight(),
        }
    }

    fn see(&mut self, piece: Passing<'_>) -> bool {
        *self.received = self.received.saturating_add(piece.len());
        if let Passing::Bytes(data) = piece {
            self.tap.uploading(data);
            self.keeping.data(data);
        }
        self.limit.is_none_or(|limit| *self.received <= limit)
    }

    fn trailers(&mut self, trailers: &Fields) {
        self.keeping.trailers(trailers);
    }
}
