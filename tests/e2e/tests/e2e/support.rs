//! What the tests stand on: the real program as a process, origins that say who they are, a small client.
//!
//! Nothing here sleeps to be on the safe side: everything waits for what it needs, with a deadline.

pub(crate) mod client;
pub(crate) mod dns;
pub(crate) mod origin;
pub(crate) mod proxy;
pub(crate) mod shop;

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
