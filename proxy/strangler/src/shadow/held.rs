//! Memory for heads that are held, which goes round between the data threads and the shadow thread.
//!
//! What one thread allocates and another one frees costs an allocator several times what it costs within a thread. Owns
//! that memory while nobody uses it, and the bound on it. Refuses bodies: they may be long.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use strangler_core::compare::FieldLines;

/// Heads' memory that one thread keeps to itself, and that it gives away or takes at once.
const BATCH: usize = 32;

/// Heads' memory that lies between the threads.
const BETWEEN_MAX: usize = 256;

/// Memory that has grown beyond what heads usually need is not kept.
const USUAL_BYTES: usize = 8 * 1024;

/// The heads of one exchange.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Path and query as sent.
    pub(super) target: String,
    /// The request's lines, as every upstream would be sent them, before its slice's own operations.
    pub(super) lines: FieldLines,
    /// The primary's answer's lines, as they came from its upstream.
    pub(super) reply: FieldLines,
}

/// Memory between the threads.
#[derive(Debug, Default)]
pub(super) struct Between(Mutex<Vec<Held>>);

/// Memory of one thread.
#[derive(Debug, Default)]
pub(super) struct Spares(RefCell<Vec<Held>>);

impl Held {
    fn clear(&mut self) {
        let Held { target, lines, reply } = self;
        if target.capacity() > USUAL_BYTES {
            *target = String::new();
        }
        target.clear();
        for lines in [lines, reply] {
            if lines.capacity() > USUAL_BYTES {
                *lines = FieldLines::default();
            }
            lines.clear();
        }
    }
}

impl Spares {
    /// Memory for one exchange, empty.
    pub(super) fn take(&self, between: &Between) -> Held {
        let mut own = self.0.borrow_mut();
        if own.is_empty() {
            let mut all = between.0.lock().unwrap_or_else(PoisonError::into_inner);
            let left = all.len().saturating_sub(BATCH);
            own.extend(all.drain(left..));
        }
        own.pop().unwrap_or_default()
    }

    /// Takes back what is not used any longer.
    pub(super) fn give(&self, between: &Between, mut held: Held) {
        held.clear();
        let mut own = self.0.borrow_mut();
        own.push(held);
        if own.len() >= BATCH {
            let mut all = between.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.append(&mut own);
            all.truncate(BETWEEN_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(bytes: usize) -> Held {
        let text = "x".repeat(bytes);
        let lines = || std::iter::once(("name", &text)).collect();
        Held { target: text.clone(), lines: lines(), reply: lines() }
    }

    #[test]
    fn what_is_given_on_one_thread_is_taken_empty_on_another() {
        let (between, shadow, data) = (Between::default(), Spares::default(), Spares::default());
        for _ in 0..2 * BATCH {
            shadow.give(&between, held(100));
        }
        for _ in 0..2 * BATCH {
            let taken = data.take(&between);
            assert!(taken.target.is_empty() && taken.lines.is_empty() && taken.reply.is_empty());
            assert!(taken.target.capacity() >= 100 && taken.lines.capacity() >= 100);
        }
        let new = data.take(&between);
        assert_eq!(new.target.capacity(), 0, "there is no more");
    }

    #[test]
    fn what_lies_about_is_bounded_in_number_and_in_bytes() {
        let (between, shadow) = (Between::default(), Spares::default());
        for _ in 0..10 * BETWEEN_MAX {
            shadow.give(&between, held(100));
        }
        assert!(between.0.lock().unwrap().len() <= BETWEEN_MAX && shadow.0.borrow().len() < BATCH);
        let spares = Spares::default();
        spares.give(&between, held(USUAL_BYTES + 1));
        let taken = spares.take(&between);
        assert_eq!((taken.target.capacity(), taken.lines.capacity(), taken.reply.capacity()), (0, 0, 0));
    }
}
