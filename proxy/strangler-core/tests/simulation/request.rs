//! One request end to end, in the steps that the data path takes.
//!
//! Owns the order: pin, decide, who may stand in, a leg to one side, perhaps a second one to legacy, the answer, the
//! copy. What is decided is decided by the program's own functions: [`decide`], [`may_fall_back`], [`applies`],
//! [`repeat`], breakers, standings, [`copying`].

use std::rc::Rc;

use fastrand::Rng;
use http::{HeaderMap, HeaderValue, header::COOKIE};
use strangler_core::guardrail::FailureKind;
use strangler_core::routing::fallback::{LagState, Trouble, applies, may_fall_back};
use strangler_core::routing::shadow::{Draws, copying};
use strangler_core::routing::{Decision, RequestView, Verdict, decide, explain};
use strangler_core::snapshot::policy::Fallback;
use strangler_core::words::{Effect, Owner, Phase, UpstreamId, Writer};

use crate::judge::{Contact, Decided, Role};
use crate::leg::Leg;
use crate::process::Running;
use crate::sabotage::Sabotage;
use crate::script::{Ask, KEYED, Mood};
use crate::world::{Event, World, service_of};

/// What is told to a request under way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// The client leaves.
    Leaves,
    /// Its connection stands, or does not.
    Connected { leg: u32, connected: bool },
    /// Something came back on its connection.
    Back { leg: u32, back: Back },
    /// It has waited for long enough.
    Patience { leg: u32 },
    /// The answer's last byte, or what breaks it off.
    Over { whole: bool },
}

/// What came back on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Back {
    /// The head of an answer.
    Head { status: u16, whole: bool },
    /// The end, before any byte; whether a byte of the request was written.
    Silence { written: bool },
    /// What is no answer.
    Garbage,
}

/// Legacy may stand in.
#[derive(Clone, Debug)]
pub(crate) struct StandIn {
    pub(crate) on: Fallback,
    pub(crate) after_ms: Option<u64>,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) ask: Ask,
    pub(crate) rng: Rng,
    pub(crate) pin: Rc<Running>,
    pub(crate) decision: Decision,
    pub(crate) stand_in: Option<StandIn>,
    pub(crate) leg: Leg,
    /// Counts legs and their tries, so that what comes too late is known.
    pub(crate) number: u32,
    /// Who answers, once an answer has begun.
    pub(crate) answering: Option<(Owner, u16)>,
    pub(crate) stood_in: bool,
}

impl World<'_> {
    /// A client asks.
    pub(crate) fn arrives(&mut self, id: u32, ask: &Ask) {
        let Some(process) = &self.process else { return };
        let pin = Rc::clone(&process.running);
        let headers = headers(ask);
        let path = ask.kind.path(ask.slice);
        let view = RequestView {
            method: ask.kind.method(),
            host: "shop.example",
            path: &path,
            query: None,
            headers: &headers,
            client_ip: Some([10, 0, 0, ask.client].into()),
        };
        let facts = process.facts(&pin);
        let recent = if self.sabotage == Some(Sabotage::ForgetOwnWrites) { None } else { facts.recent };
        let facts = strangler_core::routing::Facts { recent, ..facts };
        let mut decision = decide(&pin.snapshot, &view, facts);
        let explained = if self.sabotage == Some(Sabotage::ExplainWithoutRetreats) {
            strangler_core::routing::Facts { retreats: &[], ..facts }
        } else {
            facts
        };
        let explanation = explain(&pin.snapshot, &view, explained);
        let differs = differs(&pin, &decision, &explanation);
        self.spoil(&pin, &mut decision);
        let behind = self.lag[ask.slice];
        let lag = |_| behind.map_or(LagState::Unknown, |behind| LagState::Behind(millis(behind)));
        let stand_in = may_fall_back(&pin.snapshot, &decision, lag).ok().map(|may| StandIn {
            on: may.on.clone(),
            after_ms: may.after.map(|after| u64::try_from(after.as_millis()).expect("short")),
        });
        let owner = match decision.verdict {
            Verdict::Forward { owner, .. } => Some(owner),
            Verdict::Refuse(_) => None,
        };
        self.tally.requests += 1;
        self.tally.unsafe_requests += u32::from(ask.kind.effect() == Effect::Write);
        let decided = Decided { owner, phase: decision.phase, wrote: decision.wrote, lag: behind };
        self.tell(|| {
            let (phase, generation) = (decision.phase, pin.generation);
            format!(
                "#{id} {ask:?}: {owner:?}, {phase}, generation {generation}, stand-in {}",
                stand_in.is_some()
            )
        });
        self.judge.decided(id, ask, (pin.generation, &pin.file), decided);
        self.judge.explained(id, differs);
        let stand_in = self.spoil_stand_in(&pin, &decision, stand_in);
        let exchange = Exchange {
            ask: ask.clone(),
            rng: Rng::with_seed(ask.seed),
            pin: Rc::clone(&pin),
            decision: decision.clone(),
            stand_in,
            leg: Leg::none(),
            number: 0,
            answering: None,
            stood_in: false,
        };
        self.exchanges.insert(id, exchange);
        if let Some(leaves) = ask.leaves {
            self.after(leaves, Event::Request(id, Signal::Leaves));
        }
        match decision.verdict {
            Verdict::Refuse(_) => self.answer(id, None, 400),
            Verdict::Forward { owner, upstream } => self.begin_leg(id, owner, upstream, Role::Primary),
        }
    }

    /// Something has happened to a request under way.
    pub(crate) fn signal(&mut self, id: u32, signal: Signal) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        let current = |leg: u32| leg == exchange.number && exchange.answering.is_none();
        match signal {
            Signal::Leaves if exchange.answering.is_none() => {
                let stood_in = exchange.stood_in;
                self.tell(|| format!("#{id} leaves"));
                self.judge.left(id);
                if stood_in {
                    self.read_over(id, None);
                }
                self.end_leg(id, None);
                self.exchanges.remove(&id);
            }
            Signal::Connected { leg, connected } if current(leg) => self.connected(id, connected),
            Signal::Back { leg, back } if current(leg) => self.came_back(id, back),
            Signal::Patience { leg } if current(leg) => self.waited(id),
            Signal::Over { whole } => self.over(id, whole),
            _ => {}
        }
    }

    /// A leg has failed: legacy stands in, or the client is told.
    pub(crate) fn failed(&mut self, id: u32, trouble: Trouble) {
        self.tell(|| format!("#{id} fails: {trouble}"));
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let taken = exchange.stand_in.take_if(|stand_in| applies(&stand_in.on, trouble));
        let never = self.sabotage == Some(Sabotage::NeverStandIn);
        if taken.is_some() && !never {
            if self.sabotage == Some(Sabotage::PinAgain)
                && let Some(process) = &self.process
            {
                exchange.pin = Rc::clone(&process.running);
            }
            exchange.stood_in = true;
            let legacy = exchange.pin.snapshot.legacy;
            self.tally.stood_in += 1;
            self.begin_leg(id, Owner::Legacy, legacy, Role::StandIn);
            return;
        }
        if trouble == Trouble::BreakerOpen && self.sabotage == Some(Sabotage::DropWhenLeftAlone) {
            self.exchanges.remove(&id);
            return;
        }
        let (by, status) = match trouble {
            Trouble::Status(status) => (Some(Owner::Extracted), status),
            Trouble::Connect | Trouble::Broken => (None, 502),
            Trouble::ConnectTimeout | Trouble::Timeout => (None, 504),
            Trouble::NoEndpoint | Trouble::BreakerOpen | Trouble::Shed => (None, 503),
        };
        self.answer(id, by, status);
    }

    /// The client gets an answer of the proxy's own.
    fn answer(&mut self, id: u32, by: Option<Owner>, status: u16) {
        self.tell(|| format!("#{id} is answered {status} by {by:?}"));
        self.judge.answered(id, by, status);
        self.read_over(
            id,
            Some(if by.is_some() { FailureKind::ServerError } else { FailureKind::Transport }),
        );
        self.exchanges.remove(&id);
    }

    /// The client begins to get a side's answer.
    pub(crate) fn begin_answer(&mut self, id: u32, status: u16, whole: bool) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let owner = exchange.leg.owner;
        exchange.answering = Some((owner, status));
        let twice = self.sabotage == Some(Sabotage::AnswerTwice) && exchange.rng.u8(..8) == 0;
        let wait = exchange.rng.u64(1..20);
        self.tell(|| format!("#{id} is answered {status} by {owner}"));
        self.judge.answered(id, Some(owner), status);
        // Before the client can have read it, and asks again.
        self.remember_write(id, status);
        if twice {
            self.judge.answered(id, Some(owner), status);
        }
        self.after(wait, Event::Request(id, Signal::Over { whole }));
    }

    fn over(&mut self, id: u32, whole: bool) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let Some((owner, status)) = exchange.answering else { return };
        if !whole {
            let legacy = exchange.pin.snapshot.legacy;
            if self.sabotage == Some(Sabotage::StandInAfterBytes)
                && exchange.stand_in.take().is_some()
                && owner == Owner::Extracted
            {
                exchange.answering = None;
                self.broke_off(id);
                self.begin_leg(id, Owner::Legacy, legacy, Role::StandIn);
                return;
            }
            self.tell(|| format!("#{id}: the answer breaks off"));
            self.read_over(id, Some(FailureKind::Transport));
            self.broke_off(id);
        } else {
            self.read_over(id, (status >= 500).then_some(FailureKind::ServerError));
            self.gave_back(id);
            self.copy(id);
        }
        self.exchanges.remove(&id);
    }

    /// A client's reads go to the writer for a while after it has written (`read_your_writes`).
    fn remember_write(&mut self, id: u32, status: u16) {
        let (Some(exchange), Some(process)) = (self.exchanges.get(&id), &self.process) else { return };
        let decision = &exchange.decision;
        let succeeded = (200..400).contains(&status) && decision.effect == Effect::Write;
        if let (Some(mark), Some(route), true) = (decision.mark, decision.route, succeeded) {
            let lasts = exchange.pin.snapshot.route(route).policy.read_your_writes;
            process.recent.wrote(mark, self.now + u64::try_from(lasts.as_millis()).expect("short"));
        }
    }

    fn copy(&mut self, id: u32) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        if exchange.stood_in {
            return;
        }
        let rng = &mut exchange.rng;
        let draws = Draws { sample: rng.u16(..10_000), repeat: rng.u16(..10_000), first: Owner::Legacy };
        let snapshot = &exchange.pin.snapshot;
        let mut side =
            copying(snapshot, &exchange.decision, || draws).map(|copying| copying.direction.candidate());
        let (decision, unpaused) = (&exchange.decision, exchange.pin.generation);
        match self.sabotage {
            Some(Sabotage::CopyWrites) if decision.effect == Effect::Write && decision.slice.is_some() => {
                side = Some(Owner::Extracted);
            }
            Some(Sabotage::CopyToTheSameSide) => side = side.map(|_| exchange.leg.owner),
            _ => {}
        }
        let (Some(side), Some(slice)) = (side, decision.slice) else { return };
        let upstream = match side {
            Owner::Legacy => snapshot.legacy,
            Owner::Extracted => snapshot.slice(slice).upstream,
        };
        let state = Rc::clone(exchange.pin.upstream(upstream));
        let endpoint = exchange.rng.usize(..state.endpoints.len());
        let draw = exchange.rng.u8(..100);
        self.tally.copies += 1;
        self.tell(|| format!("#{id} is copied to {side}"));
        self.judge.contact(id, Contact { side, role: Role::Copy, generation: unpaused });
        let service = service_of(&state.settings.name);
        let server = self.servers[service][endpoint];
        if !matches!(server.treats(draw), Mood::Refuses | Mood::Swallows | Mood::ClosesUnread) {
            let incarnation = server.incarnation;
            self.after(3, Event::CarriedOut { id, role: Role::Copy, at: (service, endpoint), incarnation });
        }
    }

    /// Mistakes about who answers.
    fn spoil(&self, pin: &Running, decision: &mut Decision) {
        let (Verdict::Forward { .. }, Some(slice)) = (decision.verdict, decision.slice) else { return };
        let (Some(route), None) = (decision.route, decision.excepted) else { return };
        let slice = pin.snapshot.slice(slice);
        let to = |owner: Owner| Verdict::Forward {
            owner,
            upstream: if owner == Owner::Legacy { pin.snapshot.legacy } else { slice.upstream },
        };
        let by_phase = if decision.phase >= Phase::Extracted { Owner::Extracted } else { Owner::Legacy };
        match self.sabotage {
            Some(Sabotage::WritesByPhase) if decision.effect == Effect::Write => {
                decision.verdict = to(by_phase);
            }
            Some(Sabotage::CohortWritesToLegacy)
                if decision.effect == Effect::Write && slice.writer == Writer::ByCohort =>
            {
                decision.verdict = to(Owner::Legacy);
            }
            Some(Sabotage::BucketsThatMove) if decision.effect == Effect::Read && decision.mark.is_none() => {
                let share = pin.snapshot.route(route).canary.as_ref().map(|canary| canary.share);
                if let (Phase::Canary, Some(bucket), Some(share)) = (decision.phase, decision.bucket, share) {
                    let points = share.basis_points();
                    let moved = (u32::from(bucket) + u32::from(points) * 7) % 10_000;
                    let member = moved < u32::from(points);
                    decision.verdict = to(if member { Owner::Extracted } else { Owner::Legacy });
                }
            }
            Some(Sabotage::RetreatsRaise) => {
                let id = decision.slice.expect("a slice");
                if let Some(latched) = pin.retreats[id.0 as usize] {
                    decision.phase = latched;
                }
            }
            _ => {}
        }
    }

    /// Mistakes about who may stand in.
    fn spoil_stand_in(&self, pin: &Running, decision: &Decision, right: Option<StandIn>) -> Option<StandIn> {
        let Verdict::Forward { owner: Owner::Extracted, .. } = decision.verdict else { return right };
        let slice = pin.snapshot.slice(decision.slice?);
        let fresh = slice.is_reached(Owner::Legacy);
        let anyway = match self.sabotage {
            Some(Sabotage::FallBackForWrites) => decision.effect == Effect::Write,
            Some(Sabotage::StandInForRetired) => decision.phase == Phase::Retired,
            Some(Sabotage::StandInWithoutData) => {
                decision.effect == Effect::Read && decision.phase < Phase::Retired && !fresh
            }
            Some(Sabotage::StandInLate) => {
                decision.effect == Effect::Read && decision.phase < Phase::Retired && fresh
            }
            _ => false,
        };
        if anyway { Some(StandIn { on: Fallback::Auto, after_ms: None }) } else { right }
    }
}

/// The header lines of a client's request.
fn headers(ask: &Ask) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if ask.client < KEYED {
        let line = format!("strangler_cohort=client-{}", ask.client);
        headers.insert(COOKIE, HeaderValue::from_str(&line).expect("a cookie"));
    }
    headers
}

/// What an explanation says differently.
fn differs(
    pin: &Running,
    decision: &Decision,
    explanation: &strangler_core::routing::Explanation,
) -> Option<String> {
    let snapshot = &pin.snapshot;
    let (owner, upstream): (_, Option<UpstreamId>) = match decision.verdict {
        Verdict::Forward { owner, upstream } => (Some(owner.as_str()), Some(upstream)),
        Verdict::Refuse(_) => (None, None),
    };
    let upstream = upstream.map(|id| snapshot.upstream(id).name.clone());
    let route = decision.route.map(|id| snapshot.route(id).id.to_string());
    let in_time = |_| LagState::Behind(millis(0));
    let stands_in = may_fall_back(snapshot, decision, in_time).is_ok();
    let copied = strangler_core::routing::shadow::eligible(snapshot, decision).is_ok();
    let phase = decision.route.filter(|_| decision.excepted.is_none()).map(|_| decision.phase.as_str());
    let pairs = [
        ("owner", owner == explanation.owner),
        ("upstream", upstream == explanation.upstream),
        ("route", route == explanation.route),
        ("phase", phase.is_none() || phase == explanation.phase),
        ("effect", decision.effect.as_str() == explanation.effect),
        ("bucket", decision.bucket == explanation.bucket),
        ("fallback", stands_in == explanation.fallback.starts_with("legacy answers")),
        ("shadow", copied == explanation.shadow.contains("copied to ")),
    ];
    let wrong: Vec<&str> = pairs.into_iter().filter(|(_, same)| !same).map(|(what, _)| what).collect();
    (!wrong.is_empty()).then(|| format!("another {}", wrong.join(", ")))
}

pub(crate) fn millis(millis: u64) -> std::time::Duration {
    std::time::Duration::from_millis(millis)
}
