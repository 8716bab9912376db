//! How long a copy's answer is waited for.
//!
//! The thread that waits for answers compares them as well, and while it does that it reads none. That time is not the
//! service's: an answer that came in time is never taken for one that did not. Refuses to guess what else kept
//! this thread from running.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tokio::time::timeout_at;

/// How long this thread has worked without looking at its connections.
#[derive(Debug, Default)]
pub(super) struct Toil {
    spent: Cell<Duration>,
}

impl Toil {
    /// Does work that takes its time.
    pub(super) fn on<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        self.spent.set(self.spent.get().saturating_add(began.elapsed()));
        done
    }
}

/// Until when one copy is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience<'t> {
    toil: &'t Toil,
    /// If this thread does nothing but wait.
    deadline: Instant,
    /// What `toil` was when the waiting began.
    before: Duration,
}

impl<'t> Patience<'t> {
    /// From now on.
    pub(super) fn new(toil: &'t Toil, timeout: Duration) -> Patience<'t> {
        Patience { toil, deadline: Instant::now() + timeout, before: toil.spent.get() }
    }

    /// When it ends, as far as is known now.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline + self.toil.spent.get().saturating_sub(self.before)
    }

    /// Waits.
    ///
    /// # Errors
    ///
    /// It has taken too long.
    pub(super) async fn wait<F: Future>(&self, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        loop {
            let deadline = self.deadline();
            match timeout_at(deadline, future.as_mut()).await {
                // While this was waited for the thread was busy: what it did not read may be there.
                Err(_early) if self.deadline() > deadline => {}
                outcome => return outcome,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Patience, Toil};

    const HOUR: Duration = Duration::from_secs(3600);

    /// Whether an answer is heard that is there at the second look, where the time for it was over long before the
    /// first, during which this thread works for `works`.
    async fn is_heard(works: Duration) -> bool {
        let toil = Toil::default();
        let patience = Patience { deadline: Instant::now() - HOUR, ..Patience::new(&toil, Duration::ZERO) };
        let mut looks = 0;
        let answer = poll_fn(|_| {
            looks += 1;
            if looks == 2 {
                return Poll::Ready(());
            }
            toil.spent.set(toil.spent.get() + works);
            Poll::Pending
        });
        patience.wait(answer).await.is_ok()
    }

    #[tokio::test]
    async fn an_answer_that_came_while_this_thread_was_busy_is_not_late() {
        assert!(is_heard(2 * HOUR).await);
        assert!(!is_heard(Duration::ZERO).await);
    }

    #[tokio::test]
    async fn work_before_the_waiting_began_is_not_waited_for() {
        let toil = Toil::default();
        toil.spent.set(HOUR);
        let patience = Patience::new(&toil, Duration::ZERO);
        assert!(patience.wait(std::future::pending::<()>()).await.is_err());
    }

    #[test]
    fn work_is_measured() {
        let toil = Toil::default();
        let began = std::time::Instant::now();
        toil.on(|| while began.elapsed().is_zero() {});
        assert!(!toil.spent.get().is_zero());
    }
}
