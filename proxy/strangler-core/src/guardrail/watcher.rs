//! One watch over time: when it is armed, when it calls for a retreat, when it raises an alarm instead.
//!
//! Owns the machine. Refuses to carry out anything: it says what is called for, and is told what came of it.

use std::time::Duration;

use super::verdict::{self, Breach, Seen, Verdict};
use super::window::Window;
use super::{Counts, Watch};
use crate::words::Phase;

/// One watch over time.
#[derive(Clone, Debug)]
pub struct Watcher {
    window: Window,
    /// Who answered when it began: with another answer it begins anew.
    scope: Option<(u64, Phase)>,
    verdict: Verdict,
    /// A breach that nothing could be done about, and when it was last seen.
    blocked: Option<Duration>,
    /// It has been armed without interruption since then.
    armed_since: Option<Duration>,
}

/// What is called for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Call {
    /// Nothing.
    Nothing,
    /// A retreat to this phase.
    Retreat {
        /// Where to.
        to: Phase,
        /// Because of this.
        breach: Breach,
    },
}

/// What a watch knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// What is watched.
    pub watch: Watch,
    /// Whether the extracted side answers anything.
    pub armed: bool,
    /// What the last look said.
    pub verdict: Verdict,
    /// What was seen in the window.
    pub seen: Seen,
    /// How much of the window has passed; not more than its length.
    pub covered: Duration,
    /// A retreat is called for and cannot be.
    pub blocked: bool,
    /// At the rate seen over a whole window there will never be enough reads to decide.
    pub starved: bool,
}

impl Watcher {
    /// A watch that has seen nothing.
    pub fn new(watch: &Watch, now: Duration) -> Watcher {
        Watcher {
            window: Window::new(watch.guardrails.window, now),
            scope: None,
            verdict: Verdict::Hold,
            blocked: None,
            armed_since: None,
        }
    }

    /// Begins anew, as after a retreat was lifted: what was seen before is not held against it.
    pub fn restart(&mut self, now: Duration) {
        self.window.restart(now);
        self.verdict = Verdict::Hold;
        self.blocked = None;
        self.armed_since = self.armed_since.map(|_| now);
    }

    /// Looks at what the counters say now. `latched`: the phase that the slice is held at.
    pub fn look(
        &mut self,
        watch: &Watch,
        latched: Option<Phase>,
        now: Duration,
        counters: [Counts; 2],
    ) -> Call {
        let phase = latched.map_or(watch.highest, |latched| latched.min(watch.highest));
        let scope = Some((watch.scope, phase));
        if self.scope != scope {
            self.scope = scope;
            self.restart(now);
        }
        let limits = &watch.guardrails;
        self.window.read(limits.window, now, counters);
        if phase < Phase::Canary {
            self.verdict = Verdict::Hold;
            self.armed_since = None;
            return Call::Nothing;
        }
        self.armed_since = self.armed_since.or(Some(now));
        self.verdict = verdict::judge(limits, self.window.sums());
        let Verdict::Broken(measure) = self.verdict else {
            // One episode lasts until nothing of it is in the window any more.
            self.blocked = self.blocked.filter(|seen| now.saturating_sub(*seen) < limits.window);
            return Call::Nothing;
        };
        // Where the slice is there already, and breaks its limits there, nobody would be left to answer badly below.
        let to = if limits.retreat_to < phase { limits.retreat_to } else { Phase::Shadow };
        Call::Retreat { to, breach: verdict::breach(limits, self.window.sums(), measure) }
    }

    /// The retreat that was called for could not be. Whether that is news: the first time in an episode.
    pub fn was_blocked(&mut self, now: Duration) -> bool {
        self.blocked.replace(now).is_none()
    }

    /// What the watch knows.
    pub fn standing(&self, watch: &Watch, now: Duration) -> Standing {
        let length = watch.guardrails.window;
        let seen = Seen::of(self.window.sums());
        let armed = self.armed_since.is_some();
        let covered =
            now.saturating_sub(self.armed_since.unwrap_or(now).max(self.window.began())).min(length);
        let starved = armed && covered >= length && seen.extracted.all < watch.guardrails.min_requests.into();
        Standing {
            watch: *watch,
            armed,
            verdict: self.verdict,
            seen,
            covered,
            blocked: self.blocked.is_some(),
            starved,
        }
    }
}

#[cfg(test)]
mod tests;
