//! A request in flight, as counted over all threads, and what it owes its upstream: an outcome.
//!
//! Owns what counts as a failure of an upstream. For its breaker: no answer by the upstream's fault (see
//! [`ForwardError::side`]), a status from 500 on, and an answer that breaks off. 501 and 505 are no failures: they say
//! something about the request. For an endpoint's ejection the same, each try on its own, but for answers that
//! break off. A client that leaves, or is at fault, says nothing.
//!
//! Invariant: every request that was admitted is told to have ended, once, whatever becomes of it.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use strangler_core::upstreams::{Admission, Outcome, State};
use strangler_core::words::UpstreamId;

use super::error::{ForwardError, Side};
use super::local::Pin;
use crate::upstream::members::{Chosen, View};
use crate::upstream::{EndpointState, UpstreamState};

/// A request that its upstream was given, until its answer is over.
pub(crate) struct Admitted {
    pin: Pin,
    upstream: UpstreamId,
    admission: Option<Admission>,
    ended: bool,
}

impl Admitted {
    /// Takes a place at an upstream.
    ///
    /// # Errors
    ///
    /// It has no place left, or is left alone.
    pub(crate) fn enter(pin: &Pin, upstream: UpstreamId, now: Instant) -> Result<Admitted, ForwardError> {
        let state = pin.upstream(upstream);
        if !state.enter(pin.snapshot.upstream(upstream).max_in_flight) {
            return Err(ForwardError::Busy);
        }
        let mut admitted = Admitted { pin: Rc::clone(pin), upstream, admission: None, ended: false };
        admitted.admission = state.admit(now).map_err(|wait| ForwardError::BreakerOpen(seconds(wait)))?;
        Ok(admitted)
    }

    fn state(&self) -> &Arc<UpstreamState> {
        self.pin.upstream(self.upstream)
    }

    /// No endpoint has answered, because of this.
    pub(crate) fn failed(&mut self, error: ForwardError) -> ForwardError {
        if error.side() == Side::Upstream {
            self.end(Outcome::Bad, Instant::now());
        }
        error
    }

    fn end(&mut self, outcome: Outcome, now: Instant) {
        self.ended = true;
        self.state().ended(self.admission, outcome, now);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        // Only a probe that says nothing has to say so.
        if !self.ended && self.admission.is_some_and(Admission::is_probe) {
            self.end(Outcome::Neither, Instant::now());
        }
        self.state().exit();
    }
}

/// Whole seconds, none of them too early.
fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(u32::from(wait.subsec_nanos() > 0))
}

/// One try at one endpoint.
pub(crate) struct Visit {
    chosen: Chosen,
}

impl Visit {
    pub(crate) fn new(view: &View, at: usize) -> Visit {
        let visit = Visit { chosen: Chosen::new(view, at) };
        if let Some(endpoint) = visit.endpoint() {
            endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        visit
    }

    /// Where.
    pub(crate) fn endpoint(&self) -> Option<&Arc<EndpointState>> {
        self.chosen.endpoint()
    }

    /// There was no answer: what that means for the endpoint.
    pub(crate) fn failed(&self, state: &UpstreamState, error: ForwardError) {
        if error.side() == Side::Upstream {
            self.count_failure(state, || error.proxy_status().to_owned(), Instant::now());
        }
    }

    fn count_failure(&self, state: &UpstreamState, why: impl FnOnce() -> String, now: Instant) {
        let Some(endpoint) = self.endpoint() else { return };
        let in_a_row = endpoint.failed();
        if self.chosen.has_peers() {
            state.failed(endpoint, in_a_row, why, now);
        }
    }

    fn answered(&self, state: &UpstreamState, status: u16, now: Instant) {
        if Outcome::of_status(status) == Outcome::Bad {
            self.count_failure(state, || format!("status {status}"), now);
        } else if let Some(endpoint) = self.endpoint()
            && endpoint.answered()
            && self.chosen.state() == Some(State::Ejected)
        {
            state.answered(endpoint, now);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(endpoint) = self.endpoint() {
            endpoint.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A request whose answer is on its way.
pub(crate) struct InFlight {
    admitted: Admitted,
    visit: Visit,
}

impl InFlight {
    /// An endpoint has answered with this status.
    pub(crate) fn answered(mut admitted: Admitted, visit: Visit, status: u16, now: Instant) -> InFlight {
        visit.answered(admitted.state(), status, now);
        admitted.end(Outcome::of_status(status), now);
        InFlight { admitted, visit }
    }

    /// The endpoint.
    pub(crate) fn state(&self) -> Option<&Arc<EndpointState>> {
        self.visit.endpoint()
    }

    /// The answer breaks a rule, or broke off.
    pub(crate) fn broke(&self) {
        self.admitted.state().broke(self.admitted.admission, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use strangler_core::upstreams::Outcome;

    use super::seconds;

    #[test]
    fn what_says_something_about_the_request_is_no_failure_of_the_upstream() {
        for (status, expected) in [
            (200, Outcome::Good),
            (304, Outcome::Good),
            (404, Outcome::Good),
            (429, Outcome::Good),
            (499, Outcome::Good),
            (500, Outcome::Bad),
            (501, Outcome::Good),
            (503, Outcome::Bad),
            (505, Outcome::Good),
            (599, Outcome::Bad),
        ] {
            assert_eq!(Outcome::of_status(status), expected, "{status}");
        }
    }

    #[test]
    fn a_client_is_not_told_to_come_back_too_early() {
        for (millis, expected) in [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)] {
            assert_eq!(seconds(Duration::from_millis(millis)), expected, "{millis}");
        }
    }
}
