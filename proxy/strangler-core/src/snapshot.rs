//! One compiled configuration: everything the proxy needs to serve, checked and immutable.
//!
//! Invariant: nothing here has a `&mut` method, so that a request that pinned a snapshot sees one
//! configuration from its first byte to its last. Refuses parsing (see [`crate::config`]) and whatever
//! changes at run time.

pub mod compare;
pub mod policy;
pub mod server;
pub mod slice;
pub mod upstream;

use std::sync::Arc;

pub use compare::{Accept, Compare, Redact, ResponsePath};
pub use policy::{HeaderOps, Policy, Rewrite, Shadow, TimeoutOverrides, Unavailable};
pub use server::{AccessLog, DataDir, Limits, Server, TrustedProxies};
pub use slice::{Canary, Place, Route, Slice};
pub use upstream::{
    Balance, Breaker, Certificate, Endpoint, HealthCheck, HostPolicy, Protocol, Scheme, Timeouts, Upstream,
    UpstreamTls,
};

use crate::matching::Table;
use crate::words::{RouteId, SliceId, Unmatched, UpstreamId};

/// One compiled, immutable configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// SHA-256 over the names and texts of all files it was read from, in lower-case hexadecimal.
    pub hash: String,
    /// `[server]`.
    pub server: Server,
    /// `[limits]`.
    pub limits: Limits,
    /// The upstream that owns everything not moved.
    pub legacy: UpstreamId,
    /// What happens to requests that no route takes.
    pub unmatched: Unmatched,
    /// Indexed by [`UpstreamId`], sorted by name.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Indexed by [`SliceId`], sorted by name.
    pub slices: Vec<Arc<Slice>>,
    /// Indexed by [`RouteId`], in no order that matters.
    pub routes: Vec<Arc<Route>>,
    /// Patterns of `routes` (and the slices' `except`), compiled for lookup.
    pub table: Table,
}

#[expect(clippy::indexing_slicing, reason = "an id is made only for an entry of the snapshot it belongs to")]
impl Snapshot {
    /// The route of an id of this snapshot.
    pub fn route(&self, id: RouteId) -> &Arc<Route> {
        &self.routes[id.0 as usize]
    }

    /// The slice of an id of this snapshot.
    pub fn slice(&self, id: SliceId) -> &Arc<Slice> {
        &self.slices[id.0 as usize]
    }

    /// The upstream of an id of this snapshot.
    pub fn upstream(&self, id: UpstreamId) -> &Arc<Upstream> {
        &self.upstreams[id.0 as usize]
    }
}
