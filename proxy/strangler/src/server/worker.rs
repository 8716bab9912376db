//! One data thread: its runtime, its listeners, its connections, and how it ends.
//!
//! Invariant: a data thread that dies takes the process down, because its listener would go on taking its
//! share of connections. A panic in one connection's task ends that connection only.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::LocalSet;

use super::connection;
use crate::forward::local::Local;
use crate::forward::recent_writes::Table;
use crate::live::Live;
use crate::shadow::Entry;
use crate::telemetry::{Limit, Side, Telemetry};

/// Pause after accepting failed, usually for want of descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(20);

/// How often a thread at `limits.connections` looks whether a place is free.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_millis(500);

/// How long connections that were told to end may take.
const CUT_PATIENCE: Duration = Duration::from_secs(1);

/// What all threads are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Serving,
    /// No new connections; requests in flight finish.
    Draining,
    /// Nothing finishes any more.
    Cut,
}

/// What a thread starts with.
pub(super) struct WorkerSetup {
    pub(super) index: usize,
    pub(super) listeners: Vec<std::net::TcpListener>,
    pub(super) live: Arc<Live>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) copies: Option<Entry>,
    /// Client connections over all threads.
    pub(super) open: Arc<AtomicU64>,
    pub(super) name: Arc<str>,
    /// See [`Local::wanted`].
    pub(super) wanted: Arc<Notify>,
    /// See [`Local::recent`].
    pub(super) recent: Arc<Table>,
    pub(super) stage: watch::Receiver<Stage>,
}

/// One data thread as its connections see it.
pub(super) struct Worker {
    pub(super) local: Rc<Local>,
    open: Arc<AtomicU64>,
    cut: Cell<bool>,
    next: Cell<u64>,
    /// Wakers of open connections, so that each can be told to end.
    connections: RefCell<HashMap<u64, Waker>>,
    emptied: Notify,
}

/// Starts a data thread. `ended` gets the number of connections that were cut.
///
/// # Errors
///
/// When the thread cannot be started.
pub(super) fn spawn(setup: WorkerSetup, ended: oneshot::Sender<u64>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let name = format!("data-{}", setup.index);
    std::thread::Builder::new().name(name.clone()).spawn(move || {
        let run = AssertUnwindSafe(|| LocalSet::new().block_on(&runtime, run(setup)));
        match std::panic::catch_unwind(run) {
            // Whoever started the server may have stopped waiting.
            Ok(Ok(cut)) => drop(ended.send(cut)),
            Ok(Err(error)) => die(&name, &error.to_string()),
            Err(_panic) => die(&name, "it panicked"),
        }
    })?;
    Ok(())
}

/// Ends the process: a thread that no longer serves must not keep its share of the listener.
fn die(name: &str, why: &str) {
    tracing::error!(thread = name, why, "a data thread died, and the process with it");
    std::process::abort();
}

async fn run(setup: WorkerSetup) -> io::Result<u64> {
    let WorkerSetup { listeners, live, telemetry, copies, open, name, wanted, recent, mut stage, .. } = setup;
    let worker = Rc::new(Worker {
        local: Rc::new(Local::new(&live, &telemetry, copies.as_ref(), &name, (wanted, recent))),
        open,
        cut: Cell::new(false),
        next: Cell::new(0),
        connections: RefCell::default(),
        emptied: Notify::new(),
    });
    let sweeper = tokio::task::spawn_local(sweep(Rc::clone(&worker)));
    let mut accepting = Vec::new();
    for listener in listeners {
        let listener = TcpListener::from_std(listener)?;
        accepting.push(tokio::task::spawn_local(accept(Rc::clone(&worker), listener, stage.clone())));
    }
    let died = async |accepting: &mut Vec<tokio::task::JoinHandle<()>>| {
        for listener in accepting.drain(..) {
            // A panic while accepting is the thread's own.
            if listener.await.is_err_and(|error| error.is_panic()) {
                return true;
            }
        }
        false
    };
    // Accepting ends when the stage changes; a sender that is gone means that nobody will drain.
    if died(&mut accepting).await {
        return Err(io::Error::other("accepting panicked"));
    }
    let dropped = stage.wait_for(|stage| *stage != Stage::Serving).await.is_err();
    worker.local.draining.set(true);
    worker.wake_all();
    if !dropped {
        tokio::select! {
            () = worker.empty() => {}
            _cut = stage.wait_for(|stage| *stage == Stage::Cut) => {}
        }
    }
    let left = u64::try_from(worker.connections.borrow().len()).unwrap_or(u64::MAX);
    worker.cut.set(true);
    worker.wake_all();
    if tokio::time::timeout(CUT_PATIENCE, worker.empty()).await.is_err() {
        tracing::warn!("connections did not end when told to");
    }
    sweeper.abort();
    Ok(left)
}

/// Closes upstream connections that were idle for too long, or that another thread waits for.
async fn sweep(worker: Rc<Worker>) {
    loop {
        let mut wanted = std::pin::pin!(worker.local.wanted.notified());
        // From here on, nothing that is wanted while this thread looks is missed.
        wanted.as_mut().enable();
        worker.local.pool.sweep(Instant::now());
        // Elapsed or wanted, it is time to look again.
        drop(tokio::time::timeout(SWEEP, wanted).await);
    }
}

/// Accepts until the thread is told to stop, and then what the kernel had already accepted.
async fn accept(worker: Rc<Worker>, listener: TcpListener, mut stage: watch::Receiver<Stage>) {
    loop {
        let accepted = tokio::select! {
            biased;
            _stop = stage.wait_for(|stage| *stage != Stage::Serving) => break,
            accepted = listener.accept() => accepted,
        };
        let (tcp, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // A connection that ended before it was accepted says nothing; anything else may last.
                if error.kind() != io::ErrorKind::ConnectionAborted {
                    if is_exhausted(&error) {
                        worker.local.recorder.limit(Limit::Descriptors);
                    }
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
                continue;
            }
        };
        // A place is taken only for a connection that is there: one that this thread holds ready could be the
        // last, while the next connection comes to another thread.
        let place = tokio::select! {
            biased;
            place = worker.place() => place,
            _stop = stage.wait_for(|stage| *stage != Stage::Serving) => Place::beyond_the_limit(&worker),
        };
        worker.serve(tcp, peer, place);
    }
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((tcp, peer)) = listener.accept() {
        if tcp.set_nonblocking(true).is_ok()
            && let Ok(tcp) = TcpStream::from_std(tcp)
        {
            worker.serve(tcp, peer, Place::beyond_the_limit(&worker));
        }
    }
}

/// No descriptor or memory is left (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM` of Linux).
fn is_exhausted(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| [24, 23, 105, 12].contains(&code))
}

impl Worker {
    pub(super) fn is_draining(&self) -> bool {
        self.local.draining.get()
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// Waits for a place under `limits.connections`.
    async fn place(self: &Rc<Worker>) -> Place {
        let mut complained = false;
        loop {
            let limit = self.local.pin().snapshot.limits.connections;
            if let Some(place) = Place::take(self, limit) {
                return place;
            }
            if !complained {
                complained = true;
                self.local.recorder.limit(Limit::Connections);
            }
            tokio::time::sleep(FULL_PAUSE).await;
        }
    }

    fn serve(self: &Rc<Worker>, tcp: TcpStream, peer: SocketAddr, mut place: Place) {
        // Counted from here, so that a drain that begins now waits for it.
        place.occupy();
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move {
            connection::serve(&worker, tcp, peer, &place).await;
            drop(place);
        });
    }

    fn wake_all(&self) {
        for waker in self.connections.borrow().values() {
            waker.wake_by_ref();
        }
    }

    async fn empty(&self) {
        while !self.connections.borrow().is_empty() {
            self.emptied.notified().await;
        }
    }
}

/// A client connection's place, until it is gone.
pub(super) struct Place {
    worker: Rc<Worker>,
    id: Option<u64>,
}

impl Place {
    fn take(worker: &Rc<Worker>, limit: u64) -> Option<Place> {
        if worker.open.fetch_add(1, Ordering::Relaxed) >= limit {
            worker.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place { worker: Rc::clone(worker), id: None })
    }

    /// For what was accepted before a drain began.
    fn beyond_the_limit(worker: &Rc<Worker>) -> Place {
        worker.open.fetch_add(1, Ordering::Relaxed);
        Place { worker: Rc::clone(worker), id: None }
    }

    /// There is a connection.
    fn occupy(&mut self) {
        let id = self.worker.next.get();
        self.worker.next.set(id.wrapping_add(1));
        self.id = Some(id);
        self.worker.connections.borrow_mut().insert(id, Waker::noop().clone());
        self.worker.local.recorder.connection_opened(Side::Client);
    }

    /// How the connection's task is woken when it is told to end.
    pub(super) fn wake_with(&self, waker: &Waker) {
        let mut connections = self.worker.connections.borrow_mut();
        if let Some(known) = self.id.and_then(|id| connections.get_mut(&id)) {
            waker.clone_into(known);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(id) = self.id {
            self.worker.local.recorder.connection_closed(Side::Client);
            let mut connections = self.worker.connections.borrow_mut();
            connections.remove(&id);
            if connections.is_empty() {
                self.worker.emptied.notify_one();
            }
        }
    }
}
