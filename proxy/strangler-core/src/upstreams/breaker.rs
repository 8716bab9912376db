//! Leaving a failing upstream alone for a while.
//!
//! ```text
//!            error_rate of min_requests failed                    `open` has passed: the next request
//!   closed ─────────────────────────────────▶ open ────────────────────────────────▶ half-open
//!      ▲                                       ▲  the probe failed                        │
//!      │                                       └──────────────────────────────────────────┤
//!      └──────────────────────────────────────── the probe was answered ──────────────────┘
//! ```
//!
//! A probe is a request of a client like any other, whatever its method: nothing is asked that nobody asked for.
//! Invariant: while half-open, at most one probe is admitted per `open`; one that takes longer does not keep the
//! next from being admitted, so that a probe that hangs delays nothing.
//! Invariant: one load says that a breaker is closed; nothing here waits.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::window::{Counts, Window};
use crate::snapshot::Breaker as Settings;

/// Low bits of the word: milliseconds, until when nobody is admitted.
const TIME_BITS: u32 = 40;

/// Bits above those: how often the position has changed.
const ERA_BITS: u32 = 22;

const CLOSED: u64 = 0;
const HALF_OPEN: u64 = 1;
const OPEN: u64 = 2;

/// The breaker of one upstream.
#[derive(Debug)]
pub struct Breaker {
    settings: Settings,
    /// Position, era and time in one word, so that they change together.
    word: AtomicU64,
}

/// A request that may go to the upstream, and that owes the breaker an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    era: u64,
    probe: bool,
}

impl Admission {
    /// Whether it probes an upstream that is otherwise left alone.
    pub fn is_probe(self) -> bool {
        self.probe
    }
}

/// How a request ended, as far as it says anything about the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream answered.
    Good,
    /// It did not, or answered that it cannot.
    Bad,
    /// It says nothing: the client left, or was at fault.
    Neither,
}

impl Outcome {
    /// What the status of an answer says: from 500 on that the upstream cannot, except for 501 and 505, which say
    /// something about the request.
    pub const fn of_status(status: u16) -> Outcome {
        if status < 500 || status == 501 || status == 505 { Outcome::Good } else { Outcome::Bad }
    }
}

/// A change that is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerChange {
    /// It opened, because of this.
    Opened(Counts),
    /// A probe failed: it stays open.
    StillOpen,
    /// A probe was answered: it is closed.
    Closed,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerPosition {
    /// Everybody is admitted.
    Closed,
    /// A probe is under way, nobody else is admitted.
    HalfOpen,
    /// Nobody is admitted, until `open` has passed and a request comes.
    Open,
}

impl BreakerPosition {
    /// `closed`, `half-open` or `open`.
    pub const fn as_str(self) -> &'static str {
        match self {
            BreakerPosition::Closed => "closed",
            BreakerPosition::HalfOpen => "half-open",
            BreakerPosition::Open => "open",
        }
    }
}

/// The word, taken apart.
#[derive(Clone, Copy)]
struct Parts {
    position: u64,
    era: u64,
    until: u64,
}

impl Parts {
    fn of(word: u64) -> Parts {
        Parts {
            position: word >> (TIME_BITS + ERA_BITS),
            era: (word >> TIME_BITS) & ((1 << ERA_BITS) - 1),
            until: word & ((1 << TIME_BITS) - 1),
        }
    }

    fn word(self) -> u64 {
        self.position << (TIME_BITS + ERA_BITS)
            | (self.era & ((1 << ERA_BITS) - 1)) << TIME_BITS
            | self.until.min((1 << TIME_BITS) - 1)
    }

    /// What follows on these.
    fn next(self, position: u64, until: Duration) -> Parts {
        Parts { position, era: (self.era + 1) & ((1 << ERA_BITS) - 1), until: millis(until) }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: Settings) -> Breaker {
        Breaker { settings, word: AtomicU64::new(0) }
    }

    /// What it was made with.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Where it stands.
    pub fn position(&self) -> BreakerPosition {
        match Parts::of(self.word.load(Relaxed)).position {
            CLOSED => BreakerPosition::Closed,
            HALF_OPEN => BreakerPosition::HalfOpen,
            _ => BreakerPosition::Open,
        }
    }

    /// Whether a request may go to the upstream.
    ///
    /// # Errors
    ///
    /// After how long another may.
    pub fn admit(&self, now: Duration) -> Result<Admission, Duration> {
        self.admit_at(|| now)
    }

    /// The same; `now` is asked only where the breaker is not closed.
    ///
    /// # Errors
    ///
    /// After how long another may.
    pub fn admit_at(&self, now: impl Fn() -> Duration) -> Result<Admission, Duration> {
        let mut word = self.word.load(Relaxed);
        loop {
            let parts = Parts::of(word);
            if parts.position == CLOSED {
                return Ok(Admission { era: parts.era, probe: false });
            }
            let now = now();
            let wait = parts.until.saturating_sub(millis(now));
            if wait > 0 {
                return Err(Duration::from_millis(wait));
            }
            let next = parts.next(HALF_OPEN, now + self.settings.open);
            match self.word.compare_exchange_weak(word, next.word(), Relaxed, Relaxed) {
                Ok(_) => return Ok(Admission { era: next.era, probe: true }),
                Err(other) => word = other,
            }
        }
    }

    /// A request that was admitted has ended. Whoever was admitted before the position last changed is not
    /// counted: it says how the upstream was, not how it is.
    pub fn ended(
        &self,
        admission: Admission,
        outcome: Outcome,
        window: &Window,
        now: Duration,
    ) -> Option<BreakerChange> {
        let word = self.word.load(Relaxed);
        let parts = Parts::of(word);
        if parts.era != admission.era {
            return None;
        }
        let turn = |next: Parts| self.word.compare_exchange(word, next.word(), Relaxed, Relaxed).is_ok();
        match (outcome, parts.position == HALF_OPEN) {
            (Outcome::Neither, false) => None,
            // The next request is the next probe.
            (Outcome::Neither, true) => {
                turn(parts.next(OPEN, now));
                None
            }
            (Outcome::Good, false) => {
                window.request(now);
                None
            }
            (Outcome::Good, true) => {
                // What was before must not open it again.
                window.reset();
                turn(parts.next(CLOSED, Duration::ZERO)).then_some(BreakerChange::Closed)
            }
            (Outcome::Bad, true) => {
                turn(parts.next(OPEN, now + self.settings.open)).then_some(BreakerChange::StillOpen)
            }
            (Outcome::Bad, false) => {
                window.request(now);
                self.failed(admission, window, now)
            }
        }
    }

    /// A request that was counted as answered turned out to have failed: its answer broke off.
    pub fn failed(&self, admission: Admission, window: &Window, now: Duration) -> Option<BreakerChange> {
        let word = self.word.load(Relaxed);
        let parts = Parts::of(word);
        if parts.era != admission.era || parts.position != CLOSED {
            return None;
        }
        window.failure(now);
        let counts = window.counts(now);
        if !self.opens_at(counts) {
            return None;
        }
        let next = parts.next(OPEN, now + self.settings.open);
        let opened = self.word.compare_exchange(word, next.word(), Relaxed, Relaxed).is_ok();
        opened.then_some(BreakerChange::Opened(counts))
    }

    /// Whether so many failures open it.
    fn opens_at(&self, counts: Counts) -> bool {
        let rate = u64::from(self.settings.error_rate.basis_points());
        counts.requests >= u64::from(self.settings.min_requests)
            && counts.failures > 0
            && counts.failures.saturating_mul(10_000) >= rate.saturating_mul(counts.requests)
    }
}

#[cfg(test)]
mod tests;
