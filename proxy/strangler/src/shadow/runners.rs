//! Tasks that work on one exchange after the other.
//!
//! A task that lived for one exchange would cost more than the exchange: its memory is some kilobytes. Owns which of
//! them are idle, and their end. Refuses to know what is done with an exchange, and how many may be under way (`slices`).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use tokio::task::JoinSet;

/// Tasks that are kept while nothing is to be done.
const IDLE_MAX: usize = 64;

/// Tasks, each of which does one job of type `J` at a time.
pub(super) struct Runners<J> {
    idle: RefCell<Vec<Rc<Runner<J>>>>,
    is_over: Cell<bool>,
}

/// One task's way to its next job.
struct Runner<J> {
    next: Cell<Option<J>>,
    waker: Cell<Option<Waker>>,
}

impl<J> Default for Runners<J> {
    fn default() -> Runners<J> {
        Runners { idle: RefCell::default(), is_over: Cell::new(false) }
    }
}

impl<J: 'static> Runners<J> {
    /// Gives a job to a task that has none, or to a new one, which does each of its jobs by `work`.
    pub(super) fn begin<W, F>(self: &Rc<Self>, job: J, tasks: &mut JoinSet<()>, work: W)
    where
        W: Fn(J) -> F + 'static,
        F: Future<Output = ()>,
    {
        let idle = self.idle.borrow_mut().pop();
        if let Some(runner) = idle {
            runner.next.set(Some(job));
            return runner.wake();
        }
        let runner = Rc::new(Runner { next: Cell::new(Some(job)), waker: Cell::default() });
        let runners = Rc::clone(self);
        tasks.spawn_local(async move {
            while let Some(job) = runners.next(&runner).await {
                work(job).await;
                if !runners.keep(&runner) {
                    break;
                }
            }
        });
    }

    /// Each task ends as soon as it has no job.
    pub(super) fn end(&self) {
        self.is_over.set(true);
        for runner in self.idle.take() {
            runner.wake();
        }
    }

    /// The next job; `None`: there will be none.
    async fn next(&self, runner: &Runner<J>) -> Option<J> {
        poll_fn(|cx| match runner.next.take() {
            Some(job) => Poll::Ready(Some(job)),
            None if self.is_over.get() => Poll::Ready(None),
            None => {
                runner.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }

    /// Whether a task that has done its job is to wait for another one.
    fn keep(&self, runner: &Rc<Runner<J>>) -> bool {
        let mut idle = self.idle.borrow_mut();
        let kept = !self.is_over.get() && idle.len() < IDLE_MAX;
        if kept {
            idle.push(Rc::clone(runner));
        }
        kept
    }
}

impl<J> Runner<J> {
    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::LocalSet;

    use super::*;

    /// Runs `jobs` in waves of so many at once; each notes its number, and jobs of that number panic.
    fn run(waves: &[usize], panicking: Option<usize>) -> (Vec<usize>, usize, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (runners, done) = (Rc::new(Runners::default()), Rc::new(RefCell::new(Vec::new())));
            let (mut tasks, mut number, mut most) = (JoinSet::new(), 0, 0);
            for wave in waves {
                for _ in 0..*wave {
                    let done = Rc::clone(&done);
                    runners.begin(number, &mut tasks, move |job: usize| {
                        let done = Rc::clone(&done);
                        async move {
                            tokio::task::yield_now().await;
                            done.borrow_mut().push(job);
                            assert!(Some(job) != panicking, "as it is told to");
                        }
                    });
                    number += 1;
                }
                most = most.max(tasks.len());
                while done.borrow().len() < number {
                    tokio::task::yield_now().await;
                }
                tokio::task::yield_now().await;
            }
            runners.end();
            let mut panicked = 0;
            let ended = async {
                while let Some(ended) = tasks.join_next().await {
                    panicked += usize::from(ended.is_err());
                }
            };
            tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
            (done.take(), most, panicked)
        })
    }

    #[test]
    fn every_job_is_done_once_by_as_few_tasks_as_are_needed_at_once() {
        assert_eq!(run(&[1; 20], None), ((0..20).collect(), 1, 0));
        let (mut done, most, panicked) = run(&[3, 5, 2, 5], None);
        done.sort_unstable();
        assert_eq!((done, most, panicked), ((0..15).collect(), 5, 0));
        // More than are kept.
        let (done, most, _) = run(&[200, 200], None);
        assert_eq!(done.len(), 400);
        assert!((200..=400).contains(&most), "{most}");
    }

    #[test]
    fn a_job_that_panics_takes_no_other_with_it() {
        let (mut done, _, panicked) = run(&[3, 3, 3], Some(4));
        done.sort_unstable();
        assert_eq!((done, panicked), ((0..9).collect(), 1));
    }

    #[test]
    fn tasks_without_a_job_end_when_it_is_over() {
        assert_eq!(run(&[], None), (Vec::new(), 0, 0));
        assert_eq!(run(&[4], None).0.len(), 4);
    }
}
