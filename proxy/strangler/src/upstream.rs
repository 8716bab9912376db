//! Upstreams at run time: endpoints, per-thread connection pools behind one small interface, balancing, and who is
//! left alone.
//!
//! Owns what is between "this upstream answers" and bytes on a socket. Refuses policy: whether a request may
//! be tried again, and what the client is told, is decided in [`crate::forward`].
//!
//! | module | owns |
//! |---|---|
//! | `endpoint` | one address: what is counted there over all threads |
//! | `members` | the addresses of an upstream at one moment, as a data thread sees them |
//! | `state` | one upstream: its members and how each stands, its breaker, what is in flight |
//! | `balance` | choosing among members |
//! | `connect`, `connection`, `pool` | sockets |
//! | `names` | names → addresses: `/etc/hosts`, DNS |
//! | `health` | asking an endpoint whether it is well |
//! | `lag` | how late the data of the side is that does not write (`sync_lag`) |
//! | `upkeep` | the task that follows names, asks endpoints, and tells of changes |

use std::sync::LazyLock;
use std::time::{Duration, Instant};

pub(crate) mod balance;
pub(crate) mod connect;
pub(crate) mod connection;
pub mod endpoint;
pub(crate) mod health;
pub mod lag;
mod ledger;
pub mod members;
pub mod names;
pub(crate) mod pool;
pub mod state;
pub mod upkeep;

pub use endpoint::EndpointState;
pub use members::Members;
pub use state::UpstreamState;

/// The origin of this process's times.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A moment as the state machines of core take it: the time since this process began to count.
pub(crate) fn since_start(at: Instant) -> Duration {
    at.saturating_duration_since(*START)
}
