//! Evidence at run time: the ledger in memory, its rows on disk, and everybody who asks.
//!
//! One thread owns all of it: what comparisons found comes in through a bounded channel, which is never waited for;
//! what is full is dropped and counted. The thread writes what changed at most half a second later, so that the end
//! of the process, however it comes, loses less than a second. Questions are functions that run on it.
//!
//! Refuses to compare and to judge (core does both), and to hold up a start: a database that cannot be used is set
//! aside, loudly, and evidence begins anew.

mod database;
mod key;
mod learn;
mod sink;
mod thread;
mod wanted;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use strangler_core::compare::NotCompared;
use strangler_core::evidence::{Ledger, Observation};
use strangler_core::inventory::Inventory;
use strangler_core::lints::{Learned, Lint};
use strangler_core::redact::Pseudonyms;
use strangler_core::snapshot::Snapshot;
use tokio::sync::oneshot;

use super::StoreError;
use crate::corpus::Recordings;
use crate::telemetry::feed::Feed;
use thread::Thread;

/// Observations that may wait.
const WAITING_MAX: usize = 4096;

/// Bytes of examples that may wait in them.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// Questions that may wait beside them: the admin listener has fewer connections.
const QUESTIONS_MAX: usize = 512;

/// How long a closing process waits for the last write.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);

/// What the thread owns, as a question sees it.
#[derive(Debug)]
pub struct Held {
    /// The evidence.
    pub ledger: Ledger,
    /// The configuration it follows.
    pub snapshot: Arc<Snapshot>,
    /// The routes learned from traffic.
    pub inventory: Inventory,
}

type Question = Box<dyn FnOnce(&mut Held) + Send>;

enum Message {
    /// Observations, and the bytes that they may hold on to.
    Observations(Vec<Observation>, usize),
    NotCompared {
        slice: Arc<str>,
        route: Arc<str>,
        reason: NotCompared,
        count: u64,
    },
    Follow(Followed),
    Question(Question),
    Release(SyncSender<()>),
}

/// What did not get through, since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Losses {
    /// Observations that found the channel full.
    pub dropped: u64,
    /// Batches that could not be written; what was in them is still in memory, and is written with the next.
    pub failed_writes: u64,
    /// Rows found on disk that did not fit together.
    pub lost_rows: u64,
    /// Examples and rows of slices that are no more, taken out of a full database.
    pub pruned: u64,
}

/// A configuration to follow.
#[derive(Clone, Debug)]
struct Followed {
    /// They are counted, so that an older one never replaces a newer one.
    number: u64,
    snapshot: Arc<Snapshot>,
    since: Timestamp,
}

#[derive(Debug)]
struct Shared {
    pseudonyms: Pseudonyms,
    recordings: Arc<Recordings>,
    learned: Mutex<Learned>,
    key_id: String,
    latest: Mutex<Followed>,
    /// The latest found no room among the messages.
    is_new: AtomicBool,
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    dropped: AtomicU64,
    failed_writes: AtomicU64,
    lost_rows: AtomicU64,
    pruned: AtomicU64,
}

/// The way to the evidence, for everybody. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Evidence {
    shared: Arc<Shared>,
    messages: SyncSender<Message>,
}

/// The thread that owned the evidence is gone: the process is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the evidence cannot be asked: the process is ending, or too many ask at once")]
pub struct Unavailable;

impl Evidence {
    /// Starts the thread. `directory`: where rows are kept; `None`: nothing outlives the process. `feed`: what the
    /// inventory learns from.
    ///
    /// # Errors
    ///
    /// When the directory's key cannot be had, or there is no thread.
    pub fn start(
        directory: Option<&Path>,
        snapshot: Arc<Snapshot>,
        feed: Arc<Feed>,
    ) -> Result<Evidence, StoreError> {
        let key = match directory {
            Some(directory) => key::of_directory(directory)?,
            None => key::fresh()?,
        };
        let first = Followed { number: 0, snapshot, since: Timestamp::now() };
        let shared = Arc::new(Shared {
            key_id: key.id(),
            pseudonyms: Pseudonyms::Keyed(key),
            recordings: Arc::default(),
            learned: Mutex::default(),
            latest: Mutex::new(first.clone()),
            is_new: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            waiting_bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            failed_writes: AtomicU64::new(0),
            lost_rows: AtomicU64::new(0),
            pruned: AtomicU64::new(0),
        });
        let (messages, received) = sync_channel(WAITING_MAX + QUESTIONS_MAX);
        let owner = Arc::clone(&shared);
        let directory = directory.map(Path::to_owned);
        std::thread::Builder::new()
            .name("evidence".into())
            .spawn(move || Thread::run(owner, directory.as_deref(), first, feed, &received))
            .map_err(|error| StoreError::Io { path: PathBuf::from("a thread"), error })?;
        Ok(Evidence { shared, messages })
    }

    /// What secrets are replaced by in everything that is kept here.
    pub fn pseudonyms(&self) -> &Pseudonyms {
        &self.shared.pseudonyms
    }

    /// Who records exchanges.
    pub fn recordings(&self) -> &Arc<Recordings> {
        &self.shared.recordings
    }

    /// What requests and their replies have taught about the seam, as far as it is about a configuration.
    pub fn lints(&self, snapshot: &Snapshot) -> Vec<Lint> {
        self.learned().lints(snapshot, Timestamp::now())
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        lock(&self.shared.learned)
    }

    /// Names the key of those pseudonyms.
    pub fn key_id(&self) -> &str {
        &self.shared.key_id
    }

    /// Hands over one observation; never waits. Dropped and counted where too many wait.
    pub fn observe(&self, observation: Observation) {
        self.observe_all(vec![observation]);
    }

    /// Hands over observations together, which wakes the evidence's thread once; never waits. Those that find no
    /// room are dropped and counted.
    pub fn observe_all(&self, mut observations: Vec<Observation>) {
        let mut all = 0;
        let mut waiting = self.shared.waiting.load(Ordering::Relaxed);
        let mut waiting_bytes = self.shared.waiting_bytes.load(Ordering::Relaxed);
        observations.retain(|observation| {
            let bytes = weight(observation);
            let fits = waiting < WAITING_MAX && waiting_bytes.saturating_add(bytes) <= WAITING_BYTES_MAX;
            if fits {
                waiting += 1;
                waiting_bytes += bytes;
                all += bytes;
            } else {
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
            fits
        });
        if observations.is_empty() {
            return;
        }
        self.shared.waiting.fetch_add(observations.len(), Ordering::Relaxed);
        self.shared.waiting_bytes.fetch_add(all, Ordering::Relaxed);
        let stands_for = u64::try_from(observations.len()).unwrap_or(u64::MAX);
        self.offer(Message::Observations(observations, all), stands_for);
    }

    /// Hands over that so many requests of a route ended without being compared; never waits.
    pub fn not_compared(&self, slice: &Arc<str>, route: &Arc<str>, reason: NotCompared, count: u64) {
        let (slice, route) = (Arc::clone(slice), Arc::clone(route));
        self.offer(Message::NotCompared { slice, route, reason, count }, count);
    }

    fn offer(&self, message: Message, stands_for: u64) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.messages.try_send(message) {
            self.shared.dropped.fetch_add(stands_for, Ordering::Relaxed);
        }
    }

    /// Follows a new configuration: after all that was handed over so far, and before anything that is handed over or
    /// asked from now on.
    pub fn follow(&self, snapshot: &Arc<Snapshot>) {
        // The lock is held until it is sent, so that two are sent in the order of their numbers.
        let mut latest = lock(&self.shared.latest);
        *latest =
            Followed { number: latest.number + 1, snapshot: Arc::clone(snapshot), since: Timestamp::now() };
        if self.messages.try_send(Message::Follow(latest.clone())).is_err() {
            // Too much waits. It is followed before all of that: late is worse than early.
            self.shared.is_new.store(true, Ordering::Release);
        }
    }

    /// Asks something of what is held; the function runs on the thread that owns it and should be quick.
    ///
    /// # Errors
    ///
    /// When nobody can answer any more, or too many ask.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Held) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let question: Question = Box::new(move |held| drop(answer.send(question(held))));
        self.messages.try_send(Message::Question(question)).map_err(|_| Unavailable)?;
        answered.await.map_err(|_| Unavailable)
    }

    /// What did not get through.
    pub fn losses(&self) -> Losses {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Losses {
            dropped: of(&self.shared.dropped),
            failed_writes: of(&self.shared.failed_writes),
            lost_rows: of(&self.shared.lost_rows),
            pruned: of(&self.shared.pruned),
        }
    }

    /// Writes what has changed and lets go of the files: another process may want them. From now on evidence is in
    /// memory only.
    pub fn release(&self) {
        let (done, waited) = sync_channel(1);
        if self.messages.try_send(Message::Release(done)).is_ok()
            && waited.recv_timeout(RELEASE_LIMIT).is_err()
        {
            tracing::error!("the evidence of the last moments was not written in time");
        }
    }
}

/// Bytes that an observation may hold on to.
fn weight(observation: &Observation) -> usize {
    const EACH: usize = 512;
    let seen = observation.outcome.seen();
    EACH + seen
        .iter()
        .map(|seen| EACH + seen.example.as_ref().map_or(0, |example| example.weight()))
        .sum::<usize>()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
