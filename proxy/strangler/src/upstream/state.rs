//! What is counted per upstream and endpoint, process-wide.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use http::HeaderValue;
use strangler_core::snapshot::{Endpoint, Upstream};

use crate::telemetry::{Recorder, Side};

static NEXT_ENDPOINT: AtomicU64 = AtomicU64::new(1);

/// One upstream at run time.
#[derive(Debug)]
pub struct UpstreamState {
    /// Its name in the configuration.
    pub name: String,
    /// Its endpoints, in the configuration's order.
    pub endpoints: Vec<Arc<EndpointState>>,
    /// Sum of the endpoints' weights.
    pub(super) weights: u64,
    /// Requests so far, for round-robin.
    pub(super) turn: AtomicUsize,
}

/// One endpoint at run time. Lives as long as any configuration names it.
#[derive(Debug)]
#[repr(align(128))]
pub struct EndpointState {
    /// Unique in the process: the key of per-thread pools.
    pub id: u64,
    /// Its address.
    pub endpoint: Endpoint,
    /// Requests in flight over all threads.
    pub in_flight: AtomicU32,
    /// Open connections over all threads, idle ones included.
    pub connections: AtomicU32,
    /// Requests that wait for a connection because of `max_connections`, over all threads.
    pub(crate) starved: AtomicU32,
    /// Until when others are preferred because nobody answered here, in milliseconds of the system's clock.
    avoided_until: AtomicU64,
    /// Its authority, as `Host` carries it.
    pub(crate) authority: HeaderValue,
    /// Its host where that is an IP literal.
    pub(super) address: Option<IpAddr>,
}

/// How long an endpoint is avoided after nobody answered there: within two seconds of its return it is used.
const AVOIDED_MILLIS: u64 = 1000;

fn clock_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl UpstreamState {
    /// State for an upstream; endpoints found in `old` are carried over.
    pub fn new(upstream: &Upstream, old: Option<&UpstreamState>) -> UpstreamState {
        let endpoints: Vec<_> = upstream
            .endpoints
            .iter()
            .map(|endpoint| {
                old.and_then(|old| old.endpoints.iter().find(|state| state.endpoint == *endpoint))
                    .map_or_else(|| Arc::new(EndpointState::new(endpoint.clone())), Arc::clone)
            })
            .collect();
        let weights = upstream.endpoints.iter().map(|endpoint| u64::from(endpoint.weight)).sum();
        UpstreamState { name: upstream.name.clone(), endpoints, weights, turn: AtomicUsize::new(0) }
    }

    /// Requests in flight over all endpoints and threads.
    pub fn in_flight(&self) -> u64 {
        self.endpoints.iter().map(|endpoint| u64::from(endpoint.in_flight.load(Ordering::Relaxed))).sum()
    }
}

impl EndpointState {
    /// An endpoint with nothing in flight.
    pub fn new(endpoint: Endpoint) -> EndpointState {
        EndpointState {
            id: NEXT_ENDPOINT.fetch_add(1, Ordering::Relaxed),
            address: endpoint.host.parse().ok(),
            authority: HeaderValue::try_from(endpoint.authority())
                .unwrap_or_else(|_| HeaderValue::from_static("invalid")),
            endpoint,
            in_flight: AtomicU32::new(0),
            connections: AtomicU32::new(0),
            starved: AtomicU32::new(0),
            avoided_until: AtomicU64::new(0),
        }
    }

    /// Nobody answered here: others are preferred for a moment, where there are others.
    pub(crate) fn avoid(&self) {
        self.avoided_until.store(clock_millis().saturating_add(AVOIDED_MILLIS), Ordering::Relaxed);
    }

    /// Whether others are preferred.
    pub(super) fn is_avoided(&self) -> bool {
        let until = self.avoided_until.load(Ordering::Relaxed);
        // The clock may have been set back meanwhile.
        until != 0 && (1..=AVOIDED_MILLIS).contains(&until.saturating_sub(clock_millis()))
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
