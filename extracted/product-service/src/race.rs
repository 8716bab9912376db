//! The race: a piece that a basket holds for a moment.
//!
//! It is counted, not drawn, so that tests know when it comes. Whoever saw it and asks the same again sees it
//! gone, whatever others ask meanwhile. It refuses to remember more than [`KEPT`] questions.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::RESERVED_EVERY;

/// Questions remembered; the oldest go first.
const KEPT: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Race(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// How often the product was shown.
    shown: u64,
    /// Questions whose last answer had the piece missing.
    reserved: VecDeque<String>,
}

impl Race {
    /// Whether the piece is missing in the answer to this question.
    pub(crate) fn is_reserved(&self, question: &str) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.shown += 1;
        if let Some(place) = seen.reserved.iter().position(|known| known == question) {
            seen.reserved.remove(place);
            return false;
        }
        if !seen.shown.is_multiple_of(RESERVED_EVERY) {
            return false;
        }
        if seen.reserved.len() == KEPT {
            seen.reserved.pop_front();
        }
        seen.reserved.push_back(question.to_owned());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_the_same_again_sees_it_gone_whatever_others_ask() {
        let race = Race::default();
        for question in 0..500 {
            let question = question.to_string();
            if race.is_reserved(&question) {
                for _ in 1..RESERVED_EVERY {
                    race.is_reserved("another");
                }
                assert!(!race.is_reserved(&question), "{question}");
            }
        }
        assert!(race.0.lock().unwrap().reserved.len() <= KEPT);
    }
}
