//! One leg of a request: tries at one upstream, until there is an answer or none is left.
//!
//! Owns what the data path keeps about a try: the breaker's admission, the endpoint, its connection, how often it may
//! be tried again. Whether it may is asked of [`repeat`].

use std::rc::Rc;

use strangler_core::routing::fallback::Trouble;
use strangler_core::upstreams::{
    Admission, BreakerChange, BreakerPosition, Outcome, Repeat, State, Unanswered, repeat,
};
use strangler_core::words::{Effect, Owner, UpstreamId};

use crate::file::{CONNECT_MS, RESPONSE_MS};
use crate::judge::{Asked, Contact, Role};
use crate::request::{Back, Signal};
use crate::sabotage::Sabotage;
use crate::script::Mood;
use crate::upstream::UpstreamState;
use crate::world::{Event, World, service_of};

/// A leg.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) owner: Owner,
    role: Role,
    state: Option<Rc<UpstreamState>>,
    admission: Option<Admission>,
    /// The breaker was told how it ended.
    told: bool,
    endpoint: usize,
    /// The endpoint that failed last.
    avoided: Option<usize>,
    /// The connection had carried other requests.
    reused: bool,
    fresh_only: bool,
    replayable: bool,
    tries_left: u32,
    /// How the endpoint treats this try.
    draw: u8,
}

impl Leg {
    pub(crate) fn none() -> Leg {
        Leg {
            owner: Owner::Legacy,
            role: Role::Primary,
            state: None,
            admission: None,
            told: false,
            endpoint: 0,
            avoided: None,
            reused: false,
            fresh_only: false,
            replayable: false,
            tries_left: 0,
            draw: 0,
        }
    }
}

impl World<'_> {
    /// Takes a place at an upstream, and tries it.
    pub(crate) fn begin_leg(&mut self, id: u32, owner: Owner, upstream: UpstreamId, role: Role) {
        let now = self.time();
        let sabotage = self.sabotage;
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let state = Rc::clone(exchange.pin.upstream(upstream));
        if state.in_flight.get() >= state.settings.max_in_flight {
            return self.failed(id, Trouble::Shed);
        }
        let name = &state.settings.name;
        let mut admission = None;
        if let Some(breaker) = &state.breaker {
            let before = breaker.position();
            let admitted = match breaker.admit(now) {
                _ if sabotage == Some(Sabotage::StayOpen) && before == BreakerPosition::Open => Err(now),
                Err(_) if sabotage == Some(Sabotage::AskThroughOpenBreaker) => Ok(None),
                Err(_) if sabotage == Some(Sabotage::ManyProbes) && before == BreakerPosition::HalfOpen => {
                    self.judge.asked(name, Asked::Probe);
                    Ok(None)
                }
                admitted => admitted.map(Some),
            };
            let asked = match &admitted {
                Err(_) => Asked::LeftAlone,
                Ok(Some(admission)) if admission.is_probe() => Asked::Probe,
                Ok(_) if before == BreakerPosition::Closed => Asked::Admitted,
                Ok(_) => Asked::PastTheBreaker,
            };
            self.judge.asked(name, asked);
            match admitted {
                Err(_) => {
                    self.tally.left_alone += 1;
                    return self.failed(id, Trouble::BreakerOpen);
                }
                Ok(found) => admission = found,
            }
        }
        state.in_flight.set(state.in_flight.get() + 1);
        let ask = &exchange.ask;
        let replayable = ask.kind.effect() == Effect::Read && !ask.kind.has_body();
        let tries_left = state.settings.retry_attempts;
        exchange.leg =
            Leg { owner, role, state: Some(state), admission, replayable, tries_left, ..Leg::none() };
        self.choose(id);
    }

    /// Chooses an endpoint, and a connection to it.
    fn choose(&mut self, id: u32) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let leg = &mut exchange.leg;
        let Some(state) = leg.state.clone() else { return };
        let standings = state.standings.borrow();
        let keys = 0..state.endpoints.len();
        let everybody = self.sabotage == Some(Sabotage::EjectEverybody);
        let is_out = |at: usize| everybody && state.endpoints[at].failed_in_a_row.get() >= 5;
        let usable: Vec<usize> = keys
            .clone()
            .filter(|at| standings.state(*at as u64) == State::Available && !is_out(*at))
            .collect();
        let others: Vec<usize> = usable.iter().copied().filter(|at| Some(*at) != leg.avoided).collect();
        let among = if others.is_empty() { usable } else { others };
        if among.is_empty() {
            let well = keys.filter(|at| standings.state(*at as u64) != State::Unhealthy).count();
            drop(standings);
            self.judge.nobody(&state.settings.name, well);
            self.end_leg(id, None);
            return self.failed(id, Trouble::NoEndpoint);
        }
        drop(standings);
        leg.endpoint = among[exchange.rng.usize(..among.len())];
        leg.draw = exchange.rng.u8(..100);
        exchange.number += 1;
        let number = exchange.number;
        let incarnation = self.servers[service_of(&state.settings.name)][leg.endpoint].incarnation;
        let mut idle = state.endpoints[leg.endpoint].idle.borrow_mut();
        leg.reused = false;
        if !leg.fresh_only {
            // What cannot be sent again gets no connection that was closed meanwhile; another request may.
            if !leg.replayable {
                idle.retain(|at| *at == incarnation);
            }
            leg.reused = idle.pop().is_some_and(|at| {
                let closed = at != incarnation;
                leg.draw = if closed { 200 } else { leg.draw };
                true
            });
        }
        drop(idle);
        if leg.reused {
            return self.connected(id, true);
        }
        let mood = self.servers[service_of(&state.settings.name)][leg.endpoint].treats(leg.draw);
        let (wait, connected) = match mood {
            Mood::Refuses => (0, false),
            Mood::Swallows => (CONNECT_MS, false),
            _ => (1, true),
        };
        self.after(wait, Event::Request(id, Signal::Connected { leg: number, connected }));
    }

    /// A connection stands, and the request is sent; or it does not.
    pub(crate) fn connected(&mut self, id: u32, connected: bool) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let leg = &mut exchange.leg;
        let Some(state) = leg.state.clone() else { return };
        let service = service_of(&state.settings.name);
        let server = self.servers[service][leg.endpoint];
        let mood = server.treats(leg.draw);
        if !connected {
            let refused = mood != Mood::Swallows;
            let trouble = if refused { Trouble::Connect } else { Trouble::ConnectTimeout };
            self.endpoint_failed(id, "no connection");
            return self.try_elsewhere(id, trouble);
        }
        let (number, side, role) = (exchange.number, leg.owner, leg.role);
        let contact = Contact { side, role, generation: exchange.pin.generation };
        let stale = leg.draw == 200;
        let (first, then) = (exchange.rng.u64(1..15), exchange.rng.u64(1..10));
        let rushed = !leg.replayable && leg.reused && exchange.rng.u8(..20) == 0;
        let written = exchange.rng.bool();
        let after = exchange.stand_in.as_ref().and_then(|stand_in| stand_in.after_ms);
        let patience = after.map_or(RESPONSE_MS, |after| after.min(RESPONSE_MS));
        self.judge.contact(id, contact);
        self.after(patience, Event::Request(id, Signal::Patience { leg: number }));
        if service == 0 && (stale || rushed) {
            self.judge.legacy_hung_up();
        }
        let silence = |written| Some((0, Back::Silence { written }));
        let (carried_out, back) = match mood {
            // The connection was closed at the other end, or is just being.
            _ if stale => (None, silence(written)),
            _ if rushed => (None, silence(written)),
            Mood::Refuses | Mood::Swallows if !leg_is_reused(&self.exchanges[&id].leg) => (None, None),
            Mood::Refuses | Mood::Swallows | Mood::Well => {
                (Some(first), Some((first + then, Back::Head { status: 200, whole: true })))
            }
            Mood::Hangs => (Some(first), None),
            Mood::Slow(millis) => {
                let at = u64::from(millis);
                (Some(at / 2), Some((at, Back::Head { status: 200, whole: true })))
            }
            Mood::Answers(status) => (Some(first), Some((first + then, Back::Head { status, whole: true }))),
            Mood::ClosesUnread => (None, Some((first, Back::Silence { written: true }))),
            Mood::ClosesDone => (Some(first), Some((first + then, Back::Silence { written: true }))),
            Mood::BreaksOff => (Some(first), Some((first + then, Back::Head { status: 200, whole: false }))),
            Mood::Garbage => (Some(first), Some((first + then, Back::Garbage))),
        };
        let at = (service, self.exchanges[&id].leg.endpoint);
        if let Some(wait) = carried_out {
            self.after(wait, Event::CarriedOut { id, role, at, incarnation: server.incarnation });
        }
        if let Some((wait, back)) = back {
            self.after(wait, Event::Request(id, Signal::Back { leg: number, back }));
        }
    }

    /// Something came back.
    pub(crate) fn came_back(&mut self, id: u32, back: Back) {
        match back {
            Back::Head { status, whole } => self.has_head(id, status, whole),
            Back::Silence { written } => self.fell_silent(id, written),
            Back::Garbage => {
                self.endpoint_failed(id, "no answer");
                self.end_leg(id, Some(Outcome::Bad));
                self.failed(id, Trouble::Broken);
            }
        }
    }

    fn has_head(&mut self, id: u32, status: u16, whole: bool) {
        let outcome = Outcome::of_status(status);
        if outcome == Outcome::Bad {
            self.endpoint_failed(id, "a status");
        } else {
            self.endpoint_answered(id);
        }
        self.tell_breaker(id, outcome);
        let Some(exchange) = self.exchanges.get(&id) else { return };
        let trouble = Trouble::Status(status);
        let stands_in = exchange.leg.owner == Owner::Extracted
            && exchange
                .stand_in
                .as_ref()
                .is_some_and(|stand_in| strangler_core::routing::fallback::applies(&stand_in.on, trouble));
        if stands_in && self.sabotage != Some(Sabotage::NeverStandIn) {
            self.end_leg(id, None);
            return self.failed(id, trouble);
        }
        self.begin_answer(id, status, whole);
    }

    /// The connection ended before any byte of an answer.
    fn fell_silent(&mut self, id: u32, written: bool) {
        let sabotage = self.sabotage;
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let leg = &mut exchange.leg;
        let how = Unanswered { written, reused: leg.reused, silent: true };
        let asked = match sabotage {
            Some(Sabotage::RepeatAfterReset) if !leg.fresh_only => Repeat::Free,
            _ => repeat(leg.replayable, how),
        };
        let again = match asked {
            Repeat::Never => false,
            Repeat::Free => true,
            Repeat::ForATry => self.take_try(id),
        };
        if again {
            self.tally.repeated += 1;
            self.tell(|| format!("#{id} is sent again: {how:?}"));
            if let Some(exchange) = self.exchanges.get_mut(&id) {
                exchange.leg.fresh_only = true;
            }
            return self.choose(id);
        }
        if sabotage == Some(Sabotage::ForgetWhoHungUp) {
            self.exchanges.remove(&id);
            return;
        }
        self.endpoint_failed(id, "silence");
        self.end_leg(id, Some(Outcome::Bad));
        self.failed(id, Trouble::Broken);
    }

    /// Headers were waited for long enough.
    pub(crate) fn waited(&mut self, id: u32) {
        self.endpoint_failed(id, "too late");
        if self.sabotage == Some(Sabotage::RepeatAfterTimeout) && self.take_try(id) {
            return self.choose(id);
        }
        self.end_leg(id, Some(Outcome::Bad));
        self.failed(id, Trouble::Timeout);
    }

    /// No connection was made: nothing can have been sent.
    fn try_elsewhere(&mut self, id: u32, trouble: Trouble) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        let leg = &mut exchange.leg;
        let several = leg.state.as_ref().is_some_and(|state| state.endpoints.len() > 1);
        leg.avoided = Some(leg.endpoint);
        if (several || trouble == Trouble::Connect) && self.take_try(id) {
            self.tally.repeated += 1;
            return self.choose(id);
        }
        self.end_leg(id, Some(Outcome::Bad));
        self.failed(id, trouble);
    }

    /// Takes one try, where one is left and the budget has room.
    fn take_try(&mut self, id: u32) -> bool {
        let now = self.time();
        let Some(leg) = self.exchanges.get_mut(&id).map(|exchange| &mut exchange.leg) else { return false };
        let Some(state) = &leg.state else { return false };
        if leg.tries_left == 0 || !state.window.retry(state.settings.retry_budget, now) {
            return false;
        }
        leg.tries_left -= 1;
        true
    }

    /// The leg is over. `outcome`: what that says about the upstream, where nobody has said it yet.
    pub(crate) fn end_leg(&mut self, id: u32, outcome: Option<Outcome>) {
        if let Some(outcome) = outcome {
            self.tell_breaker(id, outcome);
        }
        let probes = |leg: &Leg| !leg.told && leg.admission.is_some_and(Admission::is_probe);
        if self.exchanges.get(&id).is_some_and(|exchange| probes(&exchange.leg)) {
            self.tell_breaker(id, Outcome::Neither);
        }
        if let Some(exchange) = self.exchanges.get_mut(&id)
            && let Some(state) = exchange.leg.state.take()
        {
            state.in_flight.set(state.in_flight.get().saturating_sub(1));
        }
    }

    fn tell_breaker(&mut self, id: u32, outcome: Outcome) {
        let now = self.time();
        let Some(leg) = self.exchanges.get_mut(&id).map(|exchange| &mut exchange.leg) else { return };
        let (Some(state), Some(admission), false) = (leg.state.clone(), leg.admission, leg.told) else {
            return;
        };
        leg.told = true;
        let Some(breaker) = &state.breaker else { return };
        let failed = match outcome {
            Outcome::Good => Some(false),
            Outcome::Bad => Some(true),
            Outcome::Neither => None,
        };
        let name = &state.settings.name;
        self.judge.ended(name, admission.is_probe(), failed);
        self.changed(name, breaker.ended(admission, outcome, &state.window, now));
    }

    fn changed(&mut self, upstream: &str, change: Option<BreakerChange>) {
        match change {
            Some(BreakerChange::Opened(_)) => self.judge.opened(upstream, false),
            Some(BreakerChange::StillOpen) => self.judge.opened(upstream, true),
            Some(BreakerChange::Closed) | None => return,
        }
        self.tell(|| format!("the breaker of {upstream} opens"));
    }

    fn endpoint_failed(&mut self, id: u32, why: &str) {
        let now = self.time();
        let Some(exchange) = self.exchanges.get(&id) else { return };
        let Some(state) = exchange.leg.state.clone() else { return };
        let endpoint = exchange.leg.endpoint;
        let in_a_row = state.endpoints[endpoint].failed_in_a_row.get() + 1;
        state.endpoints[endpoint].failed_in_a_row.set(in_a_row);
        let mut standings = state.standings.borrow_mut();
        standings.settle(now);
        standings.failed(endpoint as u64, in_a_row, why, now);
        let ejected = standings.count(State::Ejected);
        drop(standings);
        self.judge.standing(&state.settings.name, state.endpoints.len(), ejected);
    }

    fn endpoint_answered(&mut self, id: u32) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        let Some(state) = &exchange.leg.state else { return };
        let endpoint = exchange.leg.endpoint;
        state.endpoints[endpoint].failed_in_a_row.set(0);
        state.standings.borrow_mut().answered(endpoint as u64, self.time());
    }

    /// An answer broke off after its head.
    pub(crate) fn broke_off(&mut self, id: u32) {
        let now = self.time();
        let Some(exchange) = self.exchanges.get(&id) else { return };
        let leg = &exchange.leg;
        let (admission, state) = (leg.admission, leg.state.clone());
        if let (Some(admission), Some(state)) = (admission, state)
            && let Some(breaker) = &state.breaker
        {
            let name = &state.settings.name;
            self.judge.ended(name, false, Some(true));
            self.changed(name, breaker.failed(admission, &state.window, now));
        }
        self.end_leg(id, None);
    }

    /// An answer is whole: its connection waits for the next request.
    pub(crate) fn gave_back(&mut self, id: u32) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        if let Some(state) = &exchange.leg.state {
            let endpoint = exchange.leg.endpoint;
            let server = self.servers[service_of(&state.settings.name)][endpoint];
            state.endpoints[endpoint].idle.borrow_mut().push(server.incarnation);
        }
        self.end_leg(id, None);
    }

    /// The process behind an endpoint is gone: whatever waits for it is cut.
    pub(crate) fn cut(&mut self, service: usize, endpoint: usize) {
        let waits = |leg: &Leg| {
            let there = leg.state.as_ref().is_some_and(|state| service_of(&state.settings.name) == service);
            there && leg.endpoint == endpoint
        };
        let cut: Vec<(u32, u32, bool)> = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| waits(&exchange.leg))
            .map(|(id, exchange)| (*id, exchange.number, exchange.answering.is_some()))
            .collect();
        for (id, leg, answering) in cut {
            let signal = if answering {
                Signal::Over { whole: false }
            } else {
                Signal::Back { leg, back: Back::Silence { written: true } }
            };
            self.after(0, Event::Request(id, signal));
        }
    }

    /// Idle connections to an endpoint are closed at its end.
    pub(crate) fn close_idle(&mut self, service: usize, endpoint: usize) {
        let Some(process) = &self.process else { return };
        for state in &process.running.upstreams {
            if service_of(&state.settings.name) == service {
                for idle in state.endpoints[endpoint].idle.borrow_mut().iter_mut() {
                    *idle = u32::MAX;
                }
            }
        }
    }
}

/// Whether a connection had carried other requests: then it stands, whatever happens to new ones.
fn leg_is_reused(leg: &Leg) -> bool {
    leg.reused
}
