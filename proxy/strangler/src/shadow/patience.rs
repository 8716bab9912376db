//! How long a copy's answer is waited for.
//!
//! The thread that waits for answers compares them as well, and while it does that it reads none. That time is not the
//! service's: an answer that came in time is never taken for one that did not. Refuses to guess what else kept
//! this thread from running.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Work on fewer bytes takes no longer than anything else this thread does, and is not measured.
const HEAVY: usize = 8 * 1024;

/// How long this thread has worked without looking at its connections.
#[derive(Debug, Default)]
pub(super) struct Toil {
    spent: Cell<Duration>,
}

impl Toil {
    /// Does work on so many bytes.
    pub(super) fn on<T>(&self, bytes: usize, work: impl FnOnce() -> T) -> T {
        if bytes < HEAVY {
            return work();
        }
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
    /// When it began.
    began: Instant,
    /// If this thread does nothing but wait.
    deadline: Instant,
    /// What `toil` was when the waiting began.
    before: Duration,
}

impl<'t> Patience<'t> {
    /// From now on.
    pub(super) fn new(toil: &'t Toil, timeout: Duration) -> Patience<'t> {
        let began = Instant::now();
        Patience { toil, began, deadline: began + timeout, before: toil.spent.get() }
    }

    /// When it began.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// When it ends, as far as is known now.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline + self.toil.spent.get().saturating_sub(self.before)
    }

    /// Waiting by a timer, which need not be set.
    pub(super) fn by<'p>(self, timer: Pin<&'p mut Sleep>) -> Waiting<'p>
    where
        't: 'p,
    {
        Waiting { patience: self, timer }
    }
}

/// One copy is waited for; several things of it, one after the other.
pub(super) struct Waiting<'p> {
    patience: Patience<'p>,
    timer: Pin<&'p mut Sleep>,
}

/// It has taken too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLate;

impl<'p> Waiting<'p> {
    /// Until when.
    pub(super) fn patience(&self) -> Patience<'p> {
        self.patience
    }

    /// Waits for what `poll` comes to.
    ///
    /// # Errors
    ///
    /// It has taken too long.
    pub(super) async fn until<T>(
        &mut self,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<T, TooLate> {
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(outcome) = poll(cx) {
                    return Poll::Ready(Ok(outcome));
                }
                let deadline = self.patience.deadline();
                ready!(self.timer.as_mut().poll(cx));
                if deadline <= self.timer.deadline() {
                    return Poll::Ready(Err(TooLate));
                }
                // While this was waited for the thread was busy: what it did not read may be there.
                self.timer.as_mut().reset(deadline);
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    use tokio::time::{Instant, sleep_until};

    use super::{HEAVY, Patience, Toil, TooLate};

    const HOUR: Duration = Duration::from_secs(3600);

    /// Whether an answer is heard that is there at the second look, where the time for it was over long before the
    /// first, during which this thread works for `works`.
    async fn is_heard(works: Duration) -> bool {
        let toil = Toil::default();
        let patience = Patience { deadline: Instant::now() - HOUR, ..Patience::new(&toil, Duration::ZERO) };
        let mut looks = 0;
        let timer = pin!(sleep_until(patience.deadline()));
        let mut waiting = patience.by(timer);
        let answer = waiting.until(|_| {
            looks += 1;
            if looks == 2 {
                return Poll::Ready(());
            }
            toil.spent.set(toil.spent.get() + works);
            Poll::Pending
        });
        answer.await.is_ok()
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
        let timer = pin!(sleep_until(patience.deadline()));
        assert_eq!(patience.by(timer).until(|_| Poll::<()>::Pending).await, Err(TooLate));
    }

    #[test]
    fn work_is_measured() {
        let toil = Toil::default();
        let began = std::time::Instant::now();
        toil.on(HEAVY - 1, || while began.elapsed().is_zero() {});
        assert!(toil.spent.get().is_zero());
        toil.on(HEAVY, || while began.elapsed() < Duration::from_micros(10) {});
        assert!(!toil.spent.get().is_zero());
    }
}
