//! What must hold for breakers and endpoints.

use super::{Invariant, Judge};
use crate::file::{BREAKER_MIN, BREAKER_OPEN_MS, BREAKER_WINDOW_MS};

/// What is known of an upstream.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// When requests ended that said something, and whether they failed.
    ended: Vec<(u64, bool)>,
    /// When the last probe was let through, if nothing has come of it.
    probing: Option<u64>,
    last_probe: Option<u64>,
    /// When its breaker opened, or stayed open.
    opened: Option<u64>,
}

/// What an upstream's breaker said to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It may go, as everybody may.
    Admitted,
    /// It may go, to see.
    Probe,
    /// It may go, though the breaker is not closed.
    PastTheBreaker,
    /// It may not.
    LeftAlone,
}

impl Judge {
    /// A request asks for an upstream.
    pub(crate) fn asked(&mut self, upstream: &str, asked: Asked) {
        let now = self.now;
        let watched = self.upstreams.entry(upstream.to_owned()).or_default();
        let (opened, last_probe) = (watched.opened, watched.last_probe);
        match asked {
            Asked::Admitted => {}
            Asked::Probe => {
                let again = watched.probing.replace(now).is_some_and(|last| now - last < BREAKER_OPEN_MS);
                watched.last_probe = Some(now);
                self.must(Invariant::LeftAlone, !again, || format!("{upstream} is probed twice at a time"));
            }
            Asked::PastTheBreaker => {
                self.must(Invariant::LeftAlone, false, || {
                    format!("{upstream} is asked through an open breaker")
                });
            }
            Asked::LeftAlone => {
                let cause = opened.into_iter().chain(last_probe).max();
                let soon = cause.is_some_and(|at| now - at < BREAKER_OPEN_MS);
                self.must(Invariant::LeftAlone, soon, || {
                    format!("{upstream} is left alone, though it last failed at {opened:?}, probed at {last_probe:?}")
                });
            }
        }
    }

    /// A request that was admitted has ended; `failed`: what it said of the upstream.
    pub(crate) fn ended(&mut self, upstream: &str, probe: bool, failed: Option<bool>) {
        let now = self.now;
        let watched = self.upstreams.entry(upstream.to_owned()).or_default();
        if let Some(failed) = failed {
            watched.ended.push((now, failed));
        }
        if probe {
            watched.probing = None;
        }
    }

    /// A breaker has opened, or stays open.
    pub(crate) fn opened(&mut self, upstream: &str, by_probe: bool) {
        let now = self.now;
        let watched = self.upstreams.entry(upstream.to_owned()).or_default();
        watched.opened = Some(now);
        let lately = |at: u64| now - at <= BREAKER_WINDOW_MS;
        let ended = watched.ended.iter().filter(|(at, _)| lately(*at)).count();
        let failed = watched.ended.iter().any(|(at, failed)| *failed && lately(*at));
        let enough = by_probe || (ended >= BREAKER_MIN as usize && failed);
        self.must(Invariant::LeftAlone, enough, || {
            format!("the breaker of {upstream} opened after {ended} requests")
        });
    }

    /// Nobody could be asked. `well`: endpoints whose checks do not speak against them.
    pub(crate) fn nobody(&mut self, upstream: &str, well: usize) {
        self.must(Invariant::SomebodyAsked, well == 0, || {
            format!("nobody of {upstream} is asked, though {well} are well by their checks")
        });
    }

    /// How endpoints stand.
    pub(crate) fn standing(&mut self, upstream: &str, all: usize, ejected: usize) {
        self.must(Invariant::SomebodyAsked, ejected <= all / 2, || {
            format!("{ejected} of {all} endpoints of {upstream} are ejected")
        });
    }
}
