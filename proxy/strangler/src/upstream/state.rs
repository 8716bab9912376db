//! What is counted per upstream and endpoint, process-wide.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use strangler_core::snapshot::{Endpoint, Upstream};

static NEXT_ENDPOINT: AtomicU64 = AtomicU64::new(1);

/// One upstream at run time.
#[derive(Debug)]
pub struct UpstreamState {
    /// Its name in the configuration.
    pub name: String,
    /// Its endpoints, in the configuration's order.
    pub endpoints: Vec<Arc<EndpointState>>,
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
}

impl UpstreamState {
    /// State for an upstream; endpoints found in `old` are carried over.
    pub fn new(upstream: &Upstream, old: Option<&UpstreamState>) -> UpstreamState {
        let endpoints = upstream
            .endpoints
            .iter()
            .map(|endpoint| {
                old.and_then(|old| old.endpoints.iter().find(|state| state.endpoint == *endpoint))
                    .map_or_else(|| Arc::new(EndpointState::new(endpoint.clone())), Arc::clone)
            })
            .collect();
        UpstreamState { name: upstream.name.clone(), endpoints }
    }
}

impl EndpointState {
    /// An endpoint with nothing in flight.
    pub fn new(endpoint: Endpoint) -> EndpointState {
        EndpointState {
            id: NEXT_ENDPOINT.fetch_add(1, Ordering::Relaxed),
            endpoint,
            in_flight: AtomicU32::new(0),
        }
    }
}
