//! Upstreams at run time: endpoints, per-thread connection pools behind one small interface, balancing.
//!
//! Owns what is between "this upstream answers" and bytes on a socket. Refuses policy: whether a request may
//! be tried again, and what the client is told, is decided in [`crate::forward`].

pub(crate) mod balance;
pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod pool;
pub mod state;

pub use state::{EndpointState, UpstreamState};
