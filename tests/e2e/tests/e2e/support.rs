//! What the tests stand on: the real program as a process, origins that say who they are, a small client.
//!
//! Nothing here sleeps to be on the safe side: everything waits for what it needs, with a deadline.

pub(crate) mod client;
pub(crate) mod dns;
pub(crate) mod origin;
pub(crate) mod proxy;
pub(crate) mod service;
pub(crate) mod shop;
pub(crate) mod terminal;

use std::time::{Duration, Instant};

/// Anything that takes longer has failed. Generous: machines that build are slow.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Time between two looks at a condition.
const STEP: Duration = Duration::from_millis(2);

/// Waits until a condition holds and returns what it gave.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        std::thread::park_timeout(STEP);
    }
}

/// An address where nobody listens, nor will while this process lives: its port is taken, and by nobody else.
pub(crate) fn nobody() -> std::net::SocketAddr {
    let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    held.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = held.local_addr().unwrap().as_socket().unwrap();
    let _never_closed = std::os::fd::IntoRawFd::into_raw_fd(held);
    address
}
