//! Guardrails: once a second what was counted is judged, and what follows is carried out.
//!
//! Owns the task on the control thread and what others are told of it. Refuses statistics and decisions: the machine is
//! [`strangler_core::guardrail`], and a retreat is carried out by the same task as any other. It looks in every phase
//! where extracted answers, whatever the state of the files on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use strangler_core::guardrail::verdict::Breach;
use strangler_core::guardrail::watcher::{Call, Standing, Watcher};
use strangler_core::guardrail::window::LOOK;
use strangler_core::guardrail::{Counts, FailureKind};
use strangler_core::retreat::{Stale, Target};
use strangler_core::snapshot::policy::Guardrails;
use strangler_core::words::{Cause, Phase};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::live::reload::{Event, Observer, Reloader};
use crate::live::retreat::{RetreatError, RetreatOrder};
use crate::live::{Live, Running};
use crate::telemetry::{JudgedSums, Telemetry};

/// Under which a watch goes on when the configuration changes.
type Key = (Arc<str>, Guardrails);

/// What the task and others tell each other.
#[derive(Debug, Default)]
pub struct Board {
    standings: Mutex<BTreeMap<Arc<str>, Vec<Shown>>>,
    anew: Mutex<BTreeSet<String>>,
}

/// A watch as of the last look.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What it knows.
    pub standing: Standing,
    /// A retreat that was called for and could not be, in a sentence, while that lasts.
    pub blocked: Option<String>,
}

impl Board {
    /// Watches of each slice that are armed, as of the last look.
    pub fn standings(&self) -> BTreeMap<Arc<str>, Vec<Shown>> {
        lock(&self.standings).clone()
    }

    /// A retreat of the slice began or ended: what was seen before no longer counts.
    pub fn begin_anew(&self, slice: &str) {
        lock(&self.anew).insert(slice.to_owned());
    }
}

/// The task.
pub struct Guard {
    live: Arc<Live>,
    telemetry: Arc<Telemetry>,
    reloader: Reloader,
    board: Arc<Board>,
    observer: Observer,
    watchers: BTreeMap<Key, Watched>,
}

struct Watched {
    watcher: Watcher,
    blocked: Option<String>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("watchers", &self.watchers.len()).finish_non_exhaustive()
    }
}

impl Guard {
    /// A task that is not running yet.
    pub fn new(
        live: Arc<Live>,
        telemetry: Arc<Telemetry>,
        reloader: Reloader,
        board: Arc<Board>,
        observer: Observer,
    ) -> Guard {
        Guard { live, telemetry, reloader, board, observer, watchers: BTreeMap::new() }
    }

    /// Looks once a second until the process ends.
    pub async fn run(mut self) {
        let began = Instant::now();
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.look(began.elapsed()).await;
        }
    }

    async fn look(&mut self, now: Duration) {
        let running = self.live.pin();
        let counters = self.telemetry.judged(&running);
        let anew = std::mem::take(&mut *lock(&self.board.anew));
        for ((slice, _), watched) in &mut self.watchers {
            if anew.contains(&**slice) {
                watched.watcher.restart(now);
            }
        }
        let calls = self.judge(&running, counters, now);
        for (key, to, breach) in calls {
            self.carry_out(&key, to, &breach, now).await;
        }
        self.show(&running, now);
    }

    /// Lets every watch look; what they call for.
    fn judge(
        &mut self,
        running: &Running,
        mut counters: JudgedSums,
        now: Duration,
    ) -> Vec<(Key, Phase, Breach)> {
        let mut calls = Vec::new();
        let mut kept = BTreeMap::new();
        for watch in &running.watches.all {
            let name = &running.snapshot.slice(watch.slice).name;
            let key = (Arc::clone(name), watch.guardrails);
            let latched = running.facts().retreat(watch.slice);
            let is_armed = latched.map_or(watch.highest, |to| to.min(watch.highest)) >= Phase::Canary;
            let known = self.watchers.remove(&key);
            if known.is_none() && !is_armed {
                continue;
            }
            let mut watched =
                known.unwrap_or_else(|| Watched { watcher: Watcher::new(watch, now), blocked: None });
            let counted: [Counts; 2] = counters.remove(&key).unwrap_or_default();
            if let Call::Retreat { to, breach } = watched.watcher.look(watch, latched, now, counted) {
                calls.push((key.clone(), to, breach));
            }
            if !watched.watcher.standing(watch, now).blocked {
                watched.blocked = None;
            }
            kept.insert(key, watched);
        }
        self.watchers = kept;
        calls
    }

    async fn carry_out(&mut self, key: &Key, to: Phase, breach: &Breach, now: Duration) {
        let slice = key.0.to_string();
        let order = RetreatOrder {
            slice: slice.clone(),
            target: Target::AtMost(to),
            stale: Stale::Refused,
            cause: Cause::Guardrail,
            who: "guardrail".to_owned(),
            reason: breach.to_string(),
            figures: Some(figures(breach)),
        };
        let outcome = self.reloader.retreat(order).await;
        let Some(watched) = self.watchers.get_mut(key) else { return };
        match outcome {
            Some(Ok(_)) => watched.watcher.restart(now),
            Some(Err(RetreatError::Refused { error, .. })) => {
                let sentence = format!("{breach}; no retreat to {to}: {error}");
                let is_news = watched.watcher.was_blocked(now);
                watched.blocked = Some(sentence.clone());
                if is_news {
                    self.telemetry.retreated(&slice, "blocked");
                    let generation = self.live.pin().generation;
                    let figures = figures(breach);
                    self.tell(Event::GuardrailBlocked { slice, sentence, figures, generation }).await;
                }
            }
            // The slice is gone, or the process is ending.
            Some(Err(RetreatError::UnknownSlice { .. } | RetreatError::NotKept { .. })) | None => {}
        }
    }

    fn show(&self, running: &Running, now: Duration) {
        let mut standings: BTreeMap<Arc<str>, Vec<Shown>> = BTreeMap::new();
        for watch in &running.watches.all {
            let name = &running.snapshot.slice(watch.slice).name;
            let Some(watched) = self.watchers.get(&(Arc::clone(name), watch.guardrails)) else { continue };
            let standing = watched.watcher.standing(watch, now);
            if standing.armed {
                let shown = Shown { standing, blocked: watched.blocked.clone() };
                standings.entry(Arc::clone(name)).or_default().push(shown);
            }
        }
        *lock(&self.board.standings) = standings;
    }

    /// Observers write to disk, so they are called where blocking is allowed.
    async fn tell(&self, event: Event) {
        let observer = Arc::clone(&self.observer);
        if tokio::task::spawn_blocking(move || observer(&event)).await.is_err() {
            tracing::error!("a guardrail's alarm could not be recorded");
        }
    }
}

/// What a breach rested on, for the history.
fn figures(breach: &Breach) -> serde_json::Value {
    let Breach { measure, seen, bound, limit, window } = breach;
    let side = |rate: strangler_core::guardrail::bound::Rate, p95: Option<u64>| {
        serde_json::json!({
            "reads": rate.all,
            "failed": rate.bad,
            "rate": rate.seen(),
            "p95_ms": p95.map(|micros| f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1_000.0),
        })
    };
    let of = |kind: FailureKind| seen.kinds.get(kind as usize).copied().unwrap_or_default();
    serde_json::json!({
        "sentences": sentences(breach),
        "measure": measure.as_str(),
        "bound": bound,
        "limit": limit,
        "confidence": "one-sided 99.9 % over all looks at the window",
        "window_seconds": window.as_secs(),
        "legacy": side(seen.legacy, seen.legacy_p95),
        "extracted": side(seen.extracted, seen.extracted_p95),
        "extracted_failures": {
            "server_error": of(FailureKind::ServerError),
            "transport": of(FailureKind::Transport),
            "fallback": of(FailureKind::Fallback),
        },
    })
}

/// The same for people, beside the reason.
fn sentences(breach: &Breach) -> Vec<String> {
    let seen = &breach.seen;
    let [server_error, transport, fallback] = seen.kinds;
    let p95 = |micros: Option<u64>| match micros {
        Some(micros) => format!("{} ms", micros / 1_000),
        None => "unknown".to_owned(),
    };
    vec![
        format!(
            "extracted: {} reads of keyed clients, failed {} (5xx {server_error}, transport {transport}, fallback \
             {fallback}), 95th percentile {}",
            seen.extracted.all,
            seen.extracted.bad,
            p95(seen.extracted_p95)
        ),
        format!(
            "legacy: {} reads of keyed clients, failed {}, 95th percentile {}",
            seen.legacy.all,
            seen.legacy.bad,
            p95(seen.legacy_p95)
        ),
    ]
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
