//! Upstreams at run time: endpoints, per-thread connection pools behind one small interface, balancing.

pub mod state;

pub use state::{EndpointState, UpstreamState};
