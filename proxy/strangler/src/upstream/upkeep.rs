//! The task that follows names, has endpoints asked whether they are well, lets ejected ones return, and tells of
//! changes. It runs beside the data threads, never on one.
//!
//! Invariant: every name is asked for once, however many upstreams and endpoints it stands in.
//! Invariant: what happens is logged at a bounded rate; the rest is counted.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use strangler_core::upstreams::{BreakerChange, State};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use super::ledger::News;
use super::names::Names;
use super::{UpstreamState, health};
use crate::live::Live;

/// How often it is looked whether there is something to tell.
const TICK: Duration = Duration::from_millis(250);

/// Lines that are logged per tick.
const LINES_MAX: usize = 10;

/// A name is asked for again no later, so that headless services scale without a reload, and no sooner.
const AGAIN_MOST: Duration = Duration::from_secs(10);
const AGAIN_LEAST: Duration = Duration::from_secs(1);

/// What names stand for, as last heard.
type Known = Arc<Mutex<HashMap<String, Result<Vec<IpAddr>, String>>>>;

/// Runs until it is dropped.
pub async fn run(live: Arc<Live>, names: Arc<Names>) {
    let mut published = live.subscribe();
    let mut upkeep = Upkeep {
        live,
        names,
        known: Known::default(),
        tasks: JoinSet::new(),
        followed: HashMap::new(),
        checked: HashMap::new(),
    };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        upkeep.sync();
        tokio::select! {
            // Whoever publishes is gone together with whoever serves.
            changed = published.changed() => if changed.is_err() { return },
            _ = tick.tick() => upkeep.tell(),
        }
    }
}

struct Upkeep {
    live: Arc<Live>,
    names: Arc<Names>,
    known: Known,
    tasks: JoinSet<()>,
    /// By name.
    followed: HashMap<String, AbortHandle>,
    /// By name of the upstream.
    checked: HashMap<String, (Arc<UpstreamState>, AbortHandle)>,
}

impl Upkeep {
    /// Does for the configuration in service what is to be done, and no longer what was for the one before.
    fn sync(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        let running = self.live.pin();
        let upstreams = &running.upstreams;
        let hosts: HashSet<&str> = upstreams.iter().flat_map(|upstream| upstream.hosts()).collect();
        self.followed.retain(|name, task| {
            let is_used = hosts.contains(name.as_str());
            if !is_used {
                task.abort();
                lock(&self.known).remove(name);
            }
            is_used && !task.is_finished()
        });
        let states: HashMap<&str, _> = upstreams.iter().map(|state| (state.name.as_str(), state)).collect();
        self.checked.retain(|name, (state, task)| {
            let stays = states.get(name.as_str()).is_some_and(|now| Arc::ptr_eq(now, state));
            if !stays {
                task.abort();
            }
            stays && !task.is_finished()
        });
        for upstream in upstreams {
            for host in upstream.hosts() {
                self.follow(upstream, host);
            }
            if let Some(settings) = &upstream.settings().health
                && !self.checked.contains_key(&upstream.name)
            {
                let task = self.tasks.spawn(health::check(Arc::clone(upstream), settings.clone()));
                self.checked.insert(upstream.name.clone(), (Arc::clone(upstream), task));
            }
            upstream.settle(Instant::now());
        }
    }

    fn follow(&mut self, upstream: &UpstreamState, host: &str) {
        if !self.followed.contains_key(host) {
            let (live, names, known) =
                (Arc::clone(&self.live), Arc::clone(&self.names), Arc::clone(&self.known));
            let task = self.tasks.spawn(follow(live, names, known, host.to_owned()));
            self.followed.insert(host.to_owned(), task);
        }
        // An upstream that is new in this configuration is told what was heard before.
        if let Some(answer) = lock(&self.known).get(host) {
            upstream.resolved(host, answer.as_deref().map_err(String::as_str));
        }
    }

    /// Logs what has happened.
    fn tell(&self) {
        let running = self.live.pin();
        let (mut lines, mut more) = (0, 0);
        for upstream in &running.upstreams {
            let (news, lost) = upstream.take_news();
            more += lost;
            for one in news {
                if lines < LINES_MAX {
                    log(&upstream.name, &one);
                    lines += 1;
                } else {
                    more += 1;
                }
            }
        }
        if more > 0 {
            tracing::warn!(changes = more, "upstreams change faster than is logged");
        }
    }
}

/// Asks for a name again and again, and tells every upstream that has it.
async fn follow(live: Arc<Live>, names: Arc<Names>, known: Known, host: String) {
    loop {
        let answer = names.ask(&host).await;
        let again = answer.as_ref().map_or(AGAIN_LEAST, |answer| answer.valid);
        let answer = answer.map(|answer| answer.addresses);
        lock(&known).insert(host.clone(), answer.clone());
        for upstream in &live.pin().upstreams {
            upstream.resolved(&host, answer.as_deref().map_err(String::as_str));
        }
        tokio::time::sleep(again.clamp(AGAIN_LEAST, AGAIN_MOST)).await;
    }
}

fn log(upstream: &str, news: &News) {
    match news {
        News::Standing { endpoint, change } => match change.state {
            State::Available => tracing::info!(upstream, %endpoint, "endpoint is asked again"),
            state => {
                let state = state.as_str();
                tracing::warn!(upstream, %endpoint, state, lasts = ?change.lasts, why = %change.why, "endpoint is left alone");
            }
        },
        News::Breaker(BreakerChange::Opened(counts)) => {
            tracing::warn!(
                upstream,
                failures = counts.failures,
                requests = counts.requests,
                "breaker opened: the upstream is left alone"
            );
        }
        News::Breaker(BreakerChange::StillOpen) => {
            tracing::debug!(upstream, "breaker stays open: a probe failed")
        }
        News::Breaker(BreakerChange::Closed) => {
            tracing::info!(upstream, "breaker closed: a probe was answered")
        }
        News::Addresses { name, count } => {
            tracing::info!(upstream, %name, count, "name stands for these addresses now")
        }
        News::Nameless { name, why, serving: 0 } => {
            tracing::warn!(upstream, %name, %why, "name has no address");
        }
        News::Nameless { name, why, serving } => {
            tracing::warn!(upstream, %name, %why, serving, "name has no answer: what is known goes on serving");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
