//! One timer per client connection, moved as rarely as possible.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

/// A connection's timer. A deadline is nearly always moved further before it comes, so the timer is left where it
/// is and set anew only when it fires too early, or would fire too late.
///
/// All waiting is done by one task: a timer that is set wakes it whatever it waits for.
#[derive(Debug)]
pub(crate) struct Deadline {
    timer: Pin<Box<Sleep>>,
    armed: bool,
}

impl Deadline {
    pub(crate) fn new(first: Instant) -> Deadline {
        Deadline { timer: Box::pin(tokio::time::sleep_until(first.into())), armed: false }
    }

    /// Ready once `at` has come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let at = tokio::time::Instant::from_std(at);
        if self.armed && !self.timer.is_elapsed() && self.timer.deadline() <= at {
            return Poll::Pending;
        }
        if self.timer.deadline() > at {
            self.timer.as_mut().reset(at);
        }
        loop {
            if self.timer.as_mut().poll(cx).is_pending() {
                self.armed = true;
                return Poll::Pending;
            }
            if tokio::time::Instant::now() >= at {
                self.armed = false;
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(at);
        }
    }
}
