//! Upstreams at run time: endpoints, per-thread connection pools behind one small interface, balancing.
//!
//! Owns what is between "this upstream answers" and bytes on a socket. Refuses policy: whether a request may
//! be tried again, and what the client is told, is decided in [`crate::forward`].

pub(crate) mod balance;
pub(crate) mod connect;
pub(crate) mod http1;
mod pace;
pub(crate) mod pool;
pub mod state;
pub(crate) mod stream;
pub(crate) mod upload;

pub use state::{EndpointState, UpstreamState};
