//! Copies of requests to the other side, and what comparing the answers found.
//!
//! Owns the way of an exchange from a data thread ([`Lane`], [`Ticket`]) over one bounded queue to one thread with a
//! runtime and connections of its own, which sends the copy, compares, asks again where the file says so, and hands
//! the result to a [`Sink`]. Refuses to decide what is copied (core's `routing::shadow`), what differs (core's
//! `compare`), and what may be kept (the sink).
//!
//! Invariant: a shadow never delays, fails or changes the primary. Whatever has no room is dropped and counted: the
//! queue, the bytes all copies hold together (64 MiB), the copies under way per slice, the target's own limit.
//!
//! | module | owns |
//! |---|---|
//! | `lane` | what a data thread holds: a ticket per copied request, and its account |
//! | `message`, `captured` | the exchange as it is held |
//! | `held` | memory for heads, which goes round |
//! | `budget` | the bound on bytes |
//! | `tally` | requests that ended on a data thread, until the evidence is told |
//! | `worker` | the shadow thread |
//! | `runners` | its tasks |
//! | `slices` | how many copies are under way, and when they pause |
//! | `dry_run` | whether a service that was asked to roll back did |
//! | `exchange` | one exchange: copy, compare, repeat, ask again |
//! | `recheck` | what asking again says |
//! | `sender` | connections |
//! | `patience` | how long a reply is waited for |
//! | `outgoing`, `reading` | a copy as it is written, the body of its reply |
//! | `finished` | what the sink gets |

mod budget;
mod captured;
mod dry_run;
mod exchange;
mod finished;
mod held;
mod lane;
mod message;
mod outgoing;
mod patience;
mod reading;
pub(crate) mod recheck;
mod runners;
mod sender;
mod slices;
mod tally;
mod worker;

use std::io;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use strangler_core::compare::NotCompared;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;

pub use captured::ShadowId;
pub use finished::{Finished, Original, Passed, Replies, Sink};
pub use lane::{Lane, PrimaryEnd, Ticket};
pub use message::Keepable;

use crate::corpus::Recordings;
use crate::live::Live;
use crate::telemetry::{Recorder, Telemetry};
use budget::Budget;
use captured::Captured;
use held::Between;
use tally::Tally;

/// Exchanges that may wait for the shadow thread.
const QUEUE: usize = 1024;

/// How far the shadow thread steps back (`nice(2)`, of this thread only).
const NICENESS: i32 = 10;

/// How long copies that were cut off may take to end.
const CUT_PATIENCE: Duration = Duration::from_secs(1);

/// What the shadow thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Serving,
    /// Nothing is begun any more; what is under way finishes.
    Draining,
    /// Nothing finishes any more.
    Cut,
}

/// What data threads and the shadow thread share.
#[derive(Debug)]
struct Shared {
    queue: mpsc::Sender<Captured>,
    budget: Arc<Budget>,
    between: Between,
    recordings: Arc<Recordings>,
    draining: AtomicBool,
    tallies: Mutex<Vec<Arc<Tally>>>,
}

impl Shared {
    fn tally(&self) -> Arc<Tally> {
        let tally = Arc::default();
        lock(&self.tallies).push(Arc::clone(&tally));
        tally
    }

    fn tallies(&self) -> Vec<Arc<Tally>> {
        lock(&self.tallies).clone()
    }

    /// Why the queue takes nothing.
    fn no_room(&self) -> NotCompared {
        if self.draining.load(Ordering::Relaxed) { NotCompared::Drain } else { NotCompared::Shed }
    }
}

/// The shadow thread. Dropping it without [`Shadows::drain`] cuts every copy off.
#[derive(Debug)]
pub struct Shadows {
    entry: Entry,
    stage: watch::Sender<Stage>,
    ended: oneshot::Receiver<()>,
}

/// Where lanes come from; any thread may hold one.
#[derive(Clone, Debug)]
pub struct Entry(Arc<Shared>);

impl Entry {
    /// A lane for one data thread, which counts with that thread's recorder.
    pub fn lane(&self, recorder: Rc<Recorder>) -> Lane {
        Lane::new(Arc::clone(&self.0), recorder)
    }

    /// Bytes that copies hold now, and the most they ever held.
    pub fn bytes(&self) -> (u64, u64) {
        (self.0.budget.used(), self.0.budget.most())
    }
}

impl Shadows {
    /// Starts the shadow thread.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn start(live: &Arc<Live>, telemetry: &Arc<Telemetry>, sink: Box<dyn Sink>) -> io::Result<Shadows> {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            queue,
            budget: Budget::new(budget::BYTES),
            between: Between::default(),
            recordings: sink.recordings(),
            draining: AtomicBool::new(false),
            tallies: Mutex::default(),
        });
        let (stage, watcher) = watch::channel(Stage::Serving);
        let (sender, ended) = oneshot::channel();
        let (live, telemetry, of_thread) = (Arc::clone(live), Arc::clone(telemetry), Arc::clone(&shared));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("shadow".into()).spawn(move || {
            step_back();
            let setup =
                worker::Setup { shared: of_thread, queue: receiver, stage: watcher, live, telemetry, sink };
            let run = AssertUnwindSafe(|| LocalSet::new().block_on(&runtime, worker::run(setup)));
            if std::panic::catch_unwind(run).is_err() {
                // Clients are served on: from now on each copy finds the queue closed, and is counted as shed.
                tracing::error!("the shadow thread died: nothing is compared any more");
            }
            // Whoever started it may have stopped waiting.
            let _nobody_waits = sender.send(());
        })?;
        Ok(Shadows { entry: Entry(shared), stage, ended })
    }

    /// Where lanes come from.
    pub fn entry(&self) -> Entry {
        self.entry.clone()
    }

    /// Begins nothing more, lets copies under way finish within `grace`, then cuts them off. Everything that was
    /// captured has its account when this returns.
    pub async fn drain(self, grace: Duration) {
        self.entry.0.draining.store(true, Ordering::Relaxed);
        self.stage.send_replace(Stage::Draining);
        let mut ended = self.ended;
        if tokio::time::timeout(grace, &mut ended).await.is_err() {
            self.stage.send_replace(Stage::Cut);
            drop(tokio::time::timeout(CUT_PATIENCE, ended).await);
        }
    }
}

/// Gives data threads the core where there are too few: copies are shed before clients wait.
fn step_back() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::warn!(%error, "copies are sent at the priority of clients' requests");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
