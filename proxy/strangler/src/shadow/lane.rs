//! What a data thread holds to have requests copied: [`Lane`], and per request a [`Ticket`].
//!
//! Invariant: nothing here waits, and nothing here can fail a request: what has no room is given up and counted.
//! Invariant: a ticket ends in exactly one account, whatever happens to the request.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use http::Method;
use strangler_core::compare::{Account, End, NotCompared, Transport};
use strangler_core::routing::Decision;
use strangler_core::routing::shadow::{self, Copying, Course, Direction, Draws, Obstacle};
use strangler_core::words::Owner;
use tokio::sync::mpsc;

use super::budget::Reserved;
use super::captured::{Captured, Errand, PrimaryReply, ShadowId};
use super::held::Spares;
use super::message::{Body, Full, Keepable};
use super::tally::Tally;
use super::{QUEUE, Shared};
use crate::live::Running;
use crate::telemetry::Recorder;

/// A data thread's way to the shadow thread.
///
/// How one request goes through it:
///
/// ```text
/// decide ──▶ lane.ticket(&running, &decision, began) None for most requests: one comparison, no allocation
///              │ Some(ticket); ticket.id() goes into the access log as `shadow_id`
/// head made ─▶ ticket.request_head(method, target, fields)
///              │   the head as every upstream would be sent it: public Host, X-Forwarded-*, Via, request id
///              │   and trace in, hop-by-hop headers out (`Upgrade` in where the client asks for one), and
///              │   *before* the slice's rewrite and header operations, which the copy gets by its own side
/// body ──────▶ ticket.request_piece(&bytes)…         as received from the client, once, whatever is retried
///              ticket.request_end()                  when it is whole, or
///              ticket.request_is_head()              where there is none
/// answer ────▶ ticket.reply_head(status, fields)     the final one as it came from the upstream: before Location
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
    spares: Spares,
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
        Lane(Some(Rc::new(Inner { shared, recorder, tally, spares: Spares::default() })))
    }

    /// A ticket for a request that is copied and compared, or that somebody records. Its head had been read at `began`.
    pub fn ticket(&self, running: &Arc<Running>, decision: &Decision, began: Instant) -> Option<Ticket> {
        let (copying, errand) = match shadow::copying(&running.snapshot, decision, draws) {
            Some(copying) => (copying, Errand::Compare),
            None => (self.recorded(running, decision)?, Errand::Record),
        };
        let inner = self.0.as_ref()?;
        let most = copying.shadow(&running.snapshot)?.body_max;
        let captured = Captured {
            id: ShadowId::new(),
            running: Arc::clone(running),
            errand,
            copying,
            course: Course::AsSent,
            phase: decision.phase,
            method: Method::default(),
            held: inner.spares.take(&inner.shared.between),
            body: Body::default(),
            reply: PrimaryReply::default(),
            began,
            reserved: Reserved::none(&inner.shared.budget),
        };
        let open = Open { inner: Rc::clone(inner), captured, most, sent: began, stage: Stage::Begun };
        let mut ticket = Ticket { open: Some(open) };
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
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    inner: Rc<Inner>,
    captured: Captured,
    /// The longest body that is compared, in bytes.
    most: u64,
    /// When the request was whole.
    sent: Instant,
    stage: Stage,
}

/// What of the exchange was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Begun,
    /// The request's head.
    Asked,
    /// All of the request.
    Sent,
}

impl Ticket {
    /// The copy's id, while there may be a copy.
    pub fn id(&self) -> Option<ShadowId> {
        let captured = &self.open.as_ref()?.captured;
        (captured.errand == Errand::Compare).then_some(captured.id)
    }

    /// Whether anything more of the exchange is of use to it.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The request's head; see [`Lane`] for which lines.
    pub fn request_head(&mut self, method: &Method, target: &[u8], fields: &impl Keepable) {
        let Some(open) = &mut self.open else { return };
        let captured = &mut open.captured;
        if !captured.reserved.grow(method.as_str().len() + target.len() + fields.held_bytes()) {
            return self.give_up(NotCompared::Shed);
        }
        fields.keep_in(&mut captured.held.lines);
        captured.course =
            captured.copying.course(Obstacle::among(captured.held.lines.iter().map(|(name, _)| name)));
        if let Course::NotCompared(obstacle) = captured.course {
            return self.give_up(match obstacle {
                Obstacle::Upgrade => NotCompared::Upgrade,
                Obstacle::Range => NotCompared::Range,
                Obstacle::Conditional => NotCompared::Conditional,
            });
        }
        let Ok(target) = std::str::from_utf8(target) else { return self.give_up(NotCompared::NotSent) };
        captured.method = method.clone();
        captured.held.target.push_str(target);
        open.stage = Stage::Asked;
    }

    /// The request has no body: it was whole when its head was read.
    pub fn request_is_head(&mut self) {
        if let Some(open) = self.open.as_mut().filter(|open| open.stage == Stage::Asked) {
            open.stage = Stage::Sent;
        }
    }

    /// A piece of the request's body.
    pub fn request_piece(&mut self, piece: &[u8]) {
        let Some(open) = &mut self.open else { return };
        if open.stage < Stage::Asked {
            return;
        }
        let captured = &mut open.captured;
        if let Err(full) = captured.body.add(piece, open.most, &mut captured.reserved) {
            self.give_up(reason(full));
        }
    }

    /// The request is whole.
    pub fn request_end(&mut self) {
        if let Some(open) = self.open.as_mut().filter(|open| open.stage == Stage::Asked) {
            open.stage = Stage::Sent;
            open.sent = Instant::now();
        }
    }

    /// The final answer's head, as it came from the upstream.
    pub fn reply_head(&mut self, status: u16, fields: &impl Keepable) {
        let Some(open) = &mut self.open else { return };
        let captured = &mut open.captured;
        if captured.course != Course::AsSent {
            return;
        }
        if !captured.reserved.grow(fields.held_bytes()) {
            return self.give_up(NotCompared::Shed);
        }
        captured.reply.status = status;
        fields.keep_in(&mut captured.held.reply);
    }

    /// A piece of the answer's body.
    pub fn reply_piece(&mut self, piece: &[u8]) {
        let Some(open) = &mut self.open else { return };
        let captured = &mut open.captured;
        if captured.reply.status == 0 {
            return;
        }
        if let Err(full) = captured.reply.body.add(piece, open.most, &mut captured.reserved) {
            self.give_up(reason(full));
        }
    }

    /// The exchange is over: what was collected goes to the shadow thread, or is counted.
    pub fn finish(mut self, end: PrimaryEnd) {
        let Some(mut open) = self.open.take() else { return };
        match open.end(end) {
            Err(reason) => open.give_up(reason),
            Ok(end) => {
                open.captured.reply.end = end;
                open.captured.reply.took = open.sent.elapsed();
                open.inner.offer(open.captured);
            }
        }
    }

    /// There will be no copy.
    fn give_up(&mut self, reason: NotCompared) {
        if let Some(open) = self.open.take() {
            open.give_up(reason);
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
    fn give_up(self, reason: NotCompared) {
        self.inner.give_up(self.captured, reason);
    }

    /// How the answer ended, where there can be a copy.
    fn end(&self, end: PrimaryEnd) -> Result<End, NotCompared> {
        let captured = &self.captured;
        let end = match end {
            PrimaryEnd::ClientLeft => return Err(NotCompared::ClientLeft),
            PrimaryEnd::FellBack => return Err(NotCompared::Fallback),
            PrimaryEnd::Complete => End::Complete,
            PrimaryEnd::Broken => End::Truncated,
            PrimaryEnd::Failed(transport) => End::Failed(transport),
        };
        let as_sent = captured.course == Course::AsSent;
        if as_sent && end != End::Complete && captured.copying.direction == Direction::ToExtracted {
            return Err(NotCompared::LegacyFailed);
        }
        let answered = !as_sent || captured.reply.status != 0 || matches!(end, End::Failed(_));
        if self.stage == Stage::Sent && answered { Ok(end) } else { Err(NotCompared::NotSent) }
    }
}

impl Inner {
    fn offer(&self, captured: Captured) {
        let refused = match self.shared.queue.try_send(captured) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(captured) | mpsc::error::TrySendError::Closed(captured)) => {
                captured
            }
        };
        self.give_up(refused, self.shared.no_room());
    }

    /// Nothing becomes of it.
    fn give_up(&self, captured: Captured, reason: NotCompared) {
        self.account(&captured.running, captured.errand, &captured.copying, reason);
        self.spares.give(&self.shared.between, captured.held);
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
