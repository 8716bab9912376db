//! One address of an upstream: what is counted there, process-wide.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::HeaderValue;
use strangler_core::snapshot::Endpoint;

use super::since_start;
use crate::telemetry::{Recorder, Side};

static NEXT_ENDPOINT: AtomicU64 = AtomicU64::new(1);

/// How long an endpoint is avoided after nobody answered there: within two seconds of its return it is used.
const AVOIDED: Duration = Duration::from_secs(1);

/// One address at run time. Lives as long as any configuration has it; one that is written as a name lives as
/// long as the name has this address.
#[derive(Debug)]
#[repr(align(128))]
pub struct EndpointState {
    /// Unique in the process: the key of per-thread pools.
    pub id: u64,
    /// Requests in flight over all threads.
    pub in_flight: AtomicU32,
    /// Requests in a row that failed here.
    failures: AtomicU32,
    /// Open connections over all threads, idle ones included.
    pub connections: AtomicU32,
    /// Requests that wait for a connection because of `max_connections`, over all threads.
    pub(crate) starved: AtomicU32,
    /// Until when others are preferred because nobody answered here, in milliseconds since the start; 0: not.
    avoided_until: AtomicU64,
    /// No configuration has it any more, or its name has left it: no connection is kept.
    gone: AtomicBool,
    /// As written.
    pub endpoint: Endpoint,
    /// Where it is.
    pub address: SocketAddr,
    /// Its authority as written, as `Host` carries it.
    pub(crate) authority: HeaderValue,
    /// For logs: its authority, with the address where it is written as a name.
    pub label: Box<str>,
}

impl EndpointState {
    /// An endpoint with nothing in flight.
    pub fn new(endpoint: Endpoint, address: SocketAddr) -> EndpointState {
        let authority = endpoint.authority();
        let literal = endpoint.host.parse() == Ok(address.ip());
        EndpointState {
            id: NEXT_ENDPOINT.fetch_add(1, Ordering::Relaxed),
            in_flight: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            connections: AtomicU32::new(0),
            starved: AtomicU32::new(0),
            avoided_until: AtomicU64::new(0),
            gone: AtomicBool::new(false),
            label: if literal { authority.clone().into() } else { address.to_string().into() },
            authority: HeaderValue::try_from(authority)
                .unwrap_or_else(|_| HeaderValue::from_static("invalid")),
            endpoint,
            address,
        }
    }

    /// Whether this is the endpoint written so, at this address. The weight is not part of what it is.
    pub(super) fn is(&self, endpoint: &Endpoint, address: SocketAddr) -> bool {
        let same = |a: &Endpoint, b: &Endpoint| (a.scheme, a.port, &a.host) == (b.scheme, b.port, &b.host);
        self.address == address && same(&self.endpoint, endpoint)
    }

    /// Nobody answered here: others are preferred for a moment, where there are others.
    pub(crate) fn avoid(&self, now: Instant) {
        let until = since_start(now) + AVOIDED;
        self.avoided_until.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether others are preferred.
    pub(super) fn is_avoided(&self) -> bool {
        let until = self.avoided_until.load(Ordering::Relaxed);
        until != 0 && Duration::from_millis(until) > since_start(Instant::now())
    }

    /// A request failed here; how many in a row that makes.
    pub(crate) fn failed(&self) -> u32 {
        self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// A request was answered here; whether the one before was not.
    pub(crate) fn answered(&self) -> bool {
        // Nearly always a load of what is at hand anyway.
        let failed_before = self.failures.load(Ordering::Relaxed) != 0;
        if failed_before {
            self.failures.store(0, Ordering::Relaxed);
            self.avoided_until.store(0, Ordering::Relaxed);
        }
        failed_before
    }

    /// Nobody is sent here any more.
    pub(super) fn leave(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    /// Whether nobody is sent here any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Takes a place for a connection unless `limit` (0: none) are open.
    pub(crate) fn permit(
        self: &Arc<EndpointState>,
        limit: u32,
        recorder: &Rc<Recorder>,
    ) -> Option<ConnectionPermit> {
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        if limit != 0 && before >= limit {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        recorder.connection_opened(Side::Upstream);
        Some(ConnectionPermit { endpoint: Arc::clone(self), recorder: Rc::clone(recorder) })
    }
}

/// One open connection, as counted.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    endpoint: Arc<EndpointState>,
    recorder: Rc<Recorder>,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.endpoint.connections.fetch_sub(1, Ordering::Relaxed);
        self.recorder.connection_closed(Side::Upstream);
    }
}
