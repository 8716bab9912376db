//! What a data thread holds to have requests copied: [`Lane`], and per request a [`Ticket`].
//!
//! Invariant: nothing here waits, and nothing here can fail a request: what has no room is given up and counted.
//! Invariant: a ticket ends in exactly one account, whatever happens to the request.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use strangler_core::compare::{Account, End, NotCompared, Transport};
use strangler_core::routing::Decision;
use strangler_core::routing::shadow::{self, Copying, Course, Direction, Draws, Obstacle};
use strangler_core::words::{Owner, Phase};
use tokio::sync::mpsc;

use super::budget::Reserved;
use super::captured::{Captured, Errand, PrimaryReply, ShadowId};
use super::message::{Body, Full, Lines};
use super::tally::Tally;
use super::{QUEUE, Shared};
use crate::live::Running;
use crate::telemetry::Recorder;

/// A data thread's way to the shadow thread.
///
/// How one request goes through it:
///
/// ```text
/// decide ──▶ lane.ticket(&running, &decision)        None for most requests: one comparison, no allocation
///              │ Some(ticket); ticket.id() goes into the access log as `shadow_id`
/// head made ─▶ ticket.request_head(method, target, lines)
///              │   the head as every upstream would be sent it: public Host, X-Forwarded-*, Via, request id
///              │   and trace in, hop-by-hop headers out (`Upgrade` in where the client asks for one), and
///              │   *before* the slice's rewrite and header operations, which the copy gets by its own side
/// body ──────▶ ticket.request_piece(&bytes)…         as received from the client, once, whatever is retried
///              ticket.request_end()                  when it is whole; at once where there is none
/// answer ────▶ ticket.reply_head(status, lines)      the final one as it came from the upstream: before Location
///              │                                     is mapped and before response header operations
///              ticket.reply_piece(&[u8])…
/// end ───────▶ ticket.finish(PrimaryEnd::…)          the upstream's side of the exchange is over
/// ```
///
/// Dropping a ticket means that the client left. After a ticket has given up, each call is one comparison.
#[derive(Clone, Debug)]
pub struct Lane(Option<Rc<Inner>>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    recorder: Rc<Recorder>,
    tally: Arc<Tally>,
}

/// How the answer that the client gets ended, as its upstream sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrimaryEnd {
    /// Whole.
    Complete,
    /// It broke off after its head.
    Broken,
    /// The upstream gave no usable head; the proxy answered in its place.
    Failed(Transport),
    /// The client left, or its own request was at fault.
    ClientLeft,
    /// The extracted side failed, and legacy answers in its place.
    FellBack,
}

impl Lane {
    /// A lane that copies nothing.
    pub fn off() -> Lane {
        Lane(None)
    }

    pub(super) fn new(shared: Arc<Shared>, recorder: Rc<Recorder>) -> Lane {
        let tally = shared.tally();
        Lane(Some(Rc::new(Inner { shared, recorder, tally })))
    }

    /// A ticket for a request that is copied and compared, or that somebody records.
    pub fn ticket(&self, running: &Arc<Running>, decision: &Decision) -> Option<Ticket> {
        let (copying, errand) = match shadow::copying(&running.snapshot, decision, draws) {
            Some(copying) => (copying, Errand::Compare),
            None => (self.recorded(running, decision)?, Errand::Record),
        };
        let inner = self.0.as_ref()?;
        let most = copying.shadow(&running.snapshot)?.body_max;
        let now = Instant::now();
        let open = Open {
            inner: Rc::clone(inner),
            running: Arc::clone(running),
            errand,
            copying,
            phase: decision.phase,
            id: ShadowId::new(),
            most,
            began: now,
            sent: now,
            course: Course::AsSent,
            request: None,
            request_whole: false,
            reply: None,
            reserved: Reserved::none(&inner.shared.budget),
        };
        let mut ticket = Ticket { open: Some(Box::new(open)) };
        // What is recorded only never takes the last places from what is compared.
        let kept_free = if errand == Errand::Record { QUEUE / 2 } else { 0 };
        if inner.shared.queue.capacity() <= kept_free {
            // What is collected now would find no room later.
            ticket.give_up(inner.shared.no_room());
        }
        Some(ticket)
    }

    /// A request that is not copied, but of a slice that somebody records.
    fn recorded(&self, running: &Running, decision: &Decision) -> Option<Copying> {
        let recordings = &self.0.as_ref()?.shared.recordings;
        let passing = shadow::passing(decision)?;
        recordings.wants(&running.snapshot.slice(passing.slice).name).then_some(passing)
    }
}

fn draws() -> Draws {
    Draws {
        sample: fastrand::u16(0..10_000),
        repeat: fastrand::u16(0..10_000),
        first: if fastrand::bool() { Owner::Legacy } else { Owner::Extracted },
    }
}

/// One request that is to be copied.
#[derive(Debug)]
pub struct Ticket {
    /// `None`: it has its account, or was handed on.
    open: Option<Box<Open>>,
}

#[derive(Debug)]
struct Open {
    inner: Rc<Inner>,
    running: Arc<Running>,
    errand: Errand,
    copying: Copying,
    phase: Phase,
    id: ShadowId,
    /// The longest body that is compared, in bytes.
    most: u64,
    began: Instant,
    /// When the request was whole.
    sent: Instant,
    course: Course,
    request: Option<Request>,
    request_whole: bool,
    reply: Option<Reply>,
    reserved: Reserved,
}

#[derive(Debug)]
struct Request {
    method: Box<str>,
    target: Box<str>,
    lines: Lines,
    body: Body,
}

#[derive(Debug)]
struct Reply {
    status: u16,
    lines: Lines,
    body: Body,
}

impl Ticket {
    /// The copy's id, while there may be a copy.
    pub fn id(&self) -> Option<ShadowId> {
        self.open.as_ref().filter(|open| open.errand == Errand::Compare).map(|open| open.id)
    }

    /// Whether anything more of the exchange is of use to it.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The request's head; see [`Lane`] for which lines.
    pub fn request_head<'a>(
        &mut self,
        method: &str,
        target: &[u8],
        lines: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) {
        let Some(open) = &mut self.open else { return };
        open.course = open.copying.course(Obstacle::among(lines.clone().map(|(name, _)| name)));
        if let Course::NotCompared(obstacle) = open.course {
            return self.give_up(match obstacle {
                Obstacle::Upgrade => NotCompared::Upgrade,
                Obstacle::Range => NotCompared::Range,
                Obstacle::Conditional => NotCompared::Conditional,
            });
        }
        let Ok(target) = std::str::from_utf8(target) else { return self.give_up(NotCompared::NotSent) };
        if !open.reserved.grow(method.len() + target.len()) {
            return self.give_up(NotCompared::Shed);
        }
        match Lines::of(lines, &mut open.reserved) {
            Ok(lines) => {
                let (method, target) = (method.into(), target.into());
                open.request = Some(Request { method, target, lines, body: Body::default() });
            }
            Err(full) => self.give_up(reason(full)),
        }
    }

    /// A piece of the request's body.
    pub fn request_piece(&mut self, piece: &[u8]) {
        let Some(open) = &mut self.open else { return };
        let Some(request) = &mut open.request else { return };
        if let Err(full) = request.body.add(piece, open.most, &mut open.reserved) {
            self.give_up(reason(full));
        }
    }

    /// The request is whole.
    pub fn request_end(&mut self) {
        if let Some(open) = self.open.as_mut().filter(|open| !open.request_whole) {
            open.request_whole = true;
            open.sent = Instant::now();
        }
    }

    /// The final answer's head, as it came from the upstream.
    pub fn reply_head<'a>(&mut self, status: u16, lines: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) {
        let Some(open) = &mut self.open else { return };
        if open.course != Course::AsSent {
            return;
        }
        match Lines::of(lines, &mut open.reserved) {
            Ok(lines) => open.reply = Some(Reply { status, lines, body: Body::default() }),
            Err(full) => self.give_up(reason(full)),
        }
    }

    /// A piece of the answer's body.
    pub fn reply_piece(&mut self, piece: &[u8]) {
        let Some(open) = &mut self.open else { return };
        let Some(reply) = &mut open.reply else { return };
        if let Err(full) = reply.body.add(piece, open.most, &mut open.reserved) {
            self.give_up(reason(full));
        }
    }

    /// The exchange is over: what was collected goes to the shadow thread, or is counted.
    pub fn finish(mut self, end: PrimaryEnd) {
        let Some(open) = self.open.take() else { return };
        match open.end(end) {
            Err(reason) => open.account(reason),
            Ok(end) => open.offer(end),
        }
    }

    /// There will be no copy.
    fn give_up(&mut self, reason: NotCompared) {
        if let Some(open) = self.open.take() {
            open.account(reason);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.give_up(NotCompared::ClientLeft);
    }
}

const fn reason(full: Full) -> NotCompared {
    match full {
        Full::TooLarge => NotCompared::BodyTooLarge,
        Full::Budget => NotCompared::Shed,
    }
}

impl Open {
    fn account(&self, reason: NotCompared) {
        self.inner.account(&self.running, self.errand, &self.copying, reason);
    }

    /// How the answer ended, where there can be a copy.
    fn end(&self, end: PrimaryEnd) -> Result<End, NotCompared> {
        let end = match end {
            PrimaryEnd::ClientLeft => return Err(NotCompared::ClientLeft),
            PrimaryEnd::FellBack => return Err(NotCompared::Fallback),
            PrimaryEnd::Complete => End::Complete,
            PrimaryEnd::Broken => End::Truncated,
            PrimaryEnd::Failed(transport) => End::Failed(transport),
        };
        let as_sent = self.course == Course::AsSent;
        if as_sent && end != End::Complete && self.copying.direction == Direction::ToExtracted {
            return Err(NotCompared::LegacyFailed);
        }
        let answered = !as_sent || self.reply.is_some() || matches!(end, End::Failed(_));
        if self.request_whole && self.request.is_some() && answered {
            Ok(end)
        } else {
            Err(NotCompared::NotSent)
        }
    }

    /// Hands everything on to the shadow thread.
    fn offer(self: Box<Open>, end: End) {
        let Open {
            inner,
            running,
            errand,
            copying,
            phase,
            id,
            began,
            sent,
            course,
            request,
            reply,
            reserved,
            ..
        } = *self;
        let Some(Request { method, target, lines, body }) = request else {
            return inner.account(&running, errand, &copying, NotCompared::NotSent);
        };
        let took = sent.elapsed();
        let reply = match reply {
            Some(Reply { status, lines, body }) => PrimaryReply { end, status, lines, body, took },
            None => PrimaryReply { end, status: 0, lines: Lines::default(), body: Body::default(), took },
        };
        inner.offer(Box::new(Captured {
            id,
            running,
            errand,
            copying,
            course,
            phase,
            method,
            target,
            lines,
            body,
            reply,
            began,
            reserved,
        }));
    }
}

impl Inner {
    fn offer(&self, captured: Box<Captured>) {
        let refused = match self.shared.queue.try_send(captured) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(captured) | mpsc::error::TrySendError::Closed(captured)) => {
                captured
            }
        };
        self.account(&refused.running, refused.errand, &refused.copying, self.shared.no_room());
    }

    fn account(&self, running: &Running, errand: Errand, copying: &Copying, reason: NotCompared) {
        let slice = &running.snapshot.slice(copying.slice).name;
        if errand == Errand::Record {
            if matches!(reason, NotCompared::Shed | NotCompared::BodyTooLarge) {
                self.shared.recordings.leave_out(slice);
            }
            return;
        }
        // A client that is cut off by the end of the process did not leave.
        let draining = self.shared.draining.load(Ordering::Relaxed);
        let reason = if draining && reason == NotCompared::ClientLeft { NotCompared::Drain } else { reason };
        self.recorder.account(slice, Account::NotCompared(reason));
        self.tally.add(slice, &running.snapshot.route(copying.route).id, reason);
    }
}
