//! Idle connections of one data thread, by endpoint.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use strangler_core::words::Effect;

use super::EndpointState;
use super::connection::Connection;

/// Idle connections kept per thread and endpoint.
const MAX_IDLE: usize = 512;

/// An unsafe request takes no connection that was idle longer: the upstream may just be closing it.
const UNSAFE_IDLE: Duration = Duration::from_secs(1);

/// Who is asked whether an idle connection is quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The reactor: no system call.
    Reactor,
    /// The socket too.
    Socket,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: Instant,
    until: Instant,
}

/// What one thread keeps about one endpoint.
#[derive(Debug, Default)]
struct Shelf {
    /// Known as soon as there is a connection.
    endpoint: Option<Arc<EndpointState>>,
    /// The most recently used last.
    idle: Vec<Idle>,
}

/// Idle connections of one data thread.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    shelves: RefCell<BTreeMap<u64, Shelf>>,
}

impl Pool {
    /// An idle connection that a request of this effect may use, the most recently used first. `look`: whether
    /// the socket itself is asked, because the request was there before the reactor was.
    pub(crate) fn take(
        &self,
        endpoint: &EndpointState,
        (effect, look): (Effect, Look),
        now: Instant,
        pool_idle: Duration,
        cx: &mut Context<'_>,
    ) -> Option<Box<Connection>> {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.get_mut(&endpoint.id)?;
        while let Some(last) = shelf.idle.last() {
            let age = now.saturating_duration_since(last.since);
            if effect == Effect::Write && age >= UNSAFE_IDLE {
                return None;
            }
            let Idle { connection, until, .. } = shelf.idle.pop()?;
            // What an upstream sent beyond its last answer would be taken for the answer to this request. The
            // reactor reports in the order of arrival: where it has reported the request and no such bytes, there
            // were none when the request came. A request that was in the buffer already proves nothing.
            let quiet = connection.is_idle(cx) && (look == Look::Reactor || connection.wire.is_quiet());
            if age < pool_idle && now < until && quiet {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose exchange is complete for at most `keep`.
    pub(crate) fn put(&self, endpoint: &Arc<EndpointState>, connection: Box<Connection>, keep: Duration) {
        // Whoever waits for a place under `max_connections` may be on another thread.
        if keep.is_zero() || endpoint.starved.load(Ordering::Relaxed) > 0 || endpoint.is_gone() {
            return;
        }
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.entry(endpoint.id).or_default();
        if shelf.idle.len() < MAX_IDLE {
            shelf.endpoint.get_or_insert_with(|| Arc::clone(endpoint));
            let since = Instant::now();
            shelf.idle.push(Idle { connection, since, until: since + keep });
        }
    }

    /// Closes what is idle for too long, was closed by its upstream, keeps another thread waiting, or leads to
    /// an address that nobody is sent to any more.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut shelves = self.shelves.borrow_mut();
        shelves.retain(|_, shelf| {
            let unwanted = |endpoint: &Arc<EndpointState>| {
                endpoint.starved.load(Ordering::Relaxed) > 0 || endpoint.is_gone()
            };
            if shelf.endpoint.as_ref().is_some_and(unwanted) {
                shelf.idle.clear();
            }
            let mut cx = Context::from_waker(Waker::noop());
            shelf.idle.retain(|idle| now < idle.until && idle.connection.is_idle(&mut cx));
            !shelf.idle.is_empty()
        });
    }
}
