//! Guardrails, in the steps that the program follows once a second.
//!
//! Owns what was counted, the watches, and carrying out what they call for. What they call for is the program's own:
//! [`Watches`], [`Watcher`]. Counters and watches are in memory: a crash takes them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use strangler_core::guardrail::watcher::{Call, Watcher};
use strangler_core::guardrail::{Counts, FailureKind, Watches, latency};
use strangler_core::retreat::{Stale, Target};
use strangler_core::routing::Verdict;
use strangler_core::snapshot::policy::Guardrails;
use strangler_core::words::{Effect, Owner, Phase};

use crate::file::SLICES;
use crate::judge::Acted;
use crate::process::{Order, Retreating, Running};
use crate::sabotage::Sabotage;
use crate::script::By;
use crate::world::{World, lagging};

/// How often it is looked.
pub(crate) const LOOK_MS: u64 = 1_000;

/// Under which a watch goes on when the configuration changes.
type Key = (Arc<str>, Guardrails);

/// What the process knows of what its guardrails watch.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// Legacy first.
    counters: BTreeMap<Key, [Counts; 2]>,
    watchers: BTreeMap<Key, Watcher>,
    anew: BTreeSet<String>,
}

/// What a watch calls for.
type Called = (Key, Phase);

impl Guard {
    /// A retreat of the slice began or ended.
    pub(crate) fn begin_anew(&mut self, slice: &str) {
        self.anew.insert(slice.to_owned());
    }

    fn count(&mut self, key: Key, owner: Owner, failed: Option<FailureKind>) {
        let [legacy, extracted] = self.counters.entry(key).or_default();
        let side = if owner == Owner::Legacy { legacy } else { extracted };
        side.latency.resize(latency::BUCKETS, 0);
        side.reads += 1;
        match failed {
            Some(kind) => side.failed[kind as usize] += 1,
            None => side.latency[latency::bucket(Duration::from_millis(5))] += 1,
        }
    }

    fn look(&mut self, running: &Running, now: Duration, sabotage: Option<Sabotage>) -> Vec<Called> {
        let name =
            |watches: &Watches, at: usize| Arc::clone(&running.snapshot.slice(watches.all[at].slice).name);
        let watches = &running.watches;
        let keys: BTreeSet<Key> =
            (0..watches.all.len()).map(|at| (name(watches, at), watches.all[at].guardrails)).collect();
        self.counters.retain(|key, _| keys.contains(key));
        for ((slice, _), watcher) in &mut self.watchers {
            if self.anew.contains(&**slice) {
                watcher.restart(now);
            }
        }
        self.anew.clear();
        let mut called = Vec::new();
        let mut kept = BTreeMap::new();
        for (at, watch) in watches.all.iter().enumerate() {
            let key = (name(watches, at), watch.guardrails);
            let latched = running.retreats[watch.slice.0 as usize];
            let is_armed = latched.map_or(watch.highest, |to| to.min(watch.highest)) >= Phase::Canary;
            let known = self.watchers.remove(&key);
            if known.is_none() && !is_armed {
                continue;
            }
            let mut watch = *watch;
            if sabotage == Some(Sabotage::GuardHasNoMinimum) {
                watch.guardrails.min_requests = 1;
            }
            let mut watcher = known.unwrap_or_else(|| Watcher::new(&watch, now));
            let counters = self.counters.get(&key).cloned().unwrap_or_default();
            if let Call::Retreat { to, .. } = watcher.look(&watch, latched, now, counters) {
                called.push((key.clone(), to));
            }
            kept.insert(key, watcher);
        }
        self.watchers = kept;
        called
    }
}

impl World<'_> {
    /// A read has ended, or what else was asked for.
    pub(crate) fn read_over(&mut self, id: u32, failed: Option<FailureKind>) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        let failed = if exchange.stood_in { Some(FailureKind::Fallback) } else { failed };
        self.judge.read_over(id, failed.is_some());
        let decision = &exchange.decision;
        let (Effect::Read, Verdict::Forward { owner, .. }, Some(route), true) =
            (decision.effect, decision.verdict, decision.route, decision.keyed)
        else {
            return;
        };
        let pin = Rc::clone(&exchange.pin);
        let Some(watch) = pin.watches.of_route(route).and_then(|id| pin.watches.get(id)) else { return };
        let key = (Arc::clone(&pin.snapshot.slice(watch.slice).name), watch.guardrails);
        let Some(process) = &mut self.process else { return };
        match (self.sabotage, owner) {
            (Some(Sabotage::GuardOverlooksStandIns), _) if failed == Some(FailureKind::Fallback) => {
                process.guard.count(key, owner, None);
            }
            (Some(Sabotage::GuardBlamesTheService), _) if failed.is_some() => {
                process.guard.count(key, Owner::Extracted, failed);
            }
            _ => process.guard.count(key, owner, failed),
        }
    }

    /// Every watch looks, and what they call for is done.
    pub(crate) fn look(&mut self) {
        let now = self.time();
        let Some(process) = &mut self.process else { return };
        let mut acted = Vec::new();
        if self.sabotage != Some(Sabotage::GuardSleeps) {
            let running = Rc::clone(&process.running);
            let called = process.guard.look(&running, now, self.sabotage);
            acted = called.into_iter().filter_map(|called| self.carry_out(called)).collect();
        }
        self.judge.looked(&acted, self.lag);
        for (slice, done) in acted {
            if let Acted::Retreated { to, kept } = done {
                self.judge.retreating(slice, false);
                self.judge.retreated(slice, to, kept);
            }
        }
    }

    fn carry_out(&mut self, (key, to): Called) -> Option<(usize, Acted)> {
        let now = self.time();
        let slice = SLICES.iter().position(|name| **name == *key.0)?;
        let process = self.process.as_mut()?;
        let order = Order {
            slice,
            target: Target::AtMost(to),
            stale: Stale::Refused,
            by: By::Guardrail,
            now: self.now,
            lagging: lagging(&process.running.file, slice, self.lag[slice]),
            crash_between: false,
        };
        let done = process.retreat(&mut self.disk, order, self.sabotage);
        let watcher = process.guard.watchers.get_mut(&key)?;
        let acted = match done {
            Retreating::Down { to, kept } => {
                watcher.restart(now);
                self.tally.guarded += 1;
                Acted::Retreated { to, kept }
            }
            Retreating::Refused(_) => {
                let is_news = watcher.was_blocked(now) || self.sabotage == Some(Sabotage::GuardRepeatsItself);
                if !is_news || self.sabotage == Some(Sabotage::GuardKeepsQuiet) {
                    return None;
                }
                self.tally.alarms += 1;
                Acted::Alarmed
            }
            Retreating::NoSuchSlice | Retreating::Already | Retreating::Crashed => {
                watcher.restart(now);
                return None;
            }
        };
        self.tell(|| format!("a guardrail of {}: {acted:?}", SLICES[slice]));
        Some((slice, acted))
    }
}
