//! Of which findings an example is made: redacting costs far more than comparing, and three examples of each are
//! kept.
//!
//! Invariant: what is spent on examples is bounded, however many requests mismatch and however large they are; whoever
//! gets no example is counted all the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use strangler_core::compare::Signature;

/// Examples of one signature that are made as it is met.
const FIRST: u32 = 8;

/// Afterwards one in so long, so that a smaller one is found in time.
const PAUSE: Duration = Duration::from_secs(1);

/// Signatures that are remembered; beyond, all are forgotten and met anew.
const SIGNATURES_MAX: usize = 4096;

/// Bytes that may be redacted per second, and at once.
const BYTES_PER_SECOND: u64 = 4 << 20;

/// What an exchange costs beside its bodies.
const EXCHANGE_BYTES: u64 = 16 * 1024;

/// What was made so far.
#[derive(Debug)]
pub(super) struct Wanted {
    signatures: HashMap<(Arc<str>, Signature), (u32, Instant)>,
    /// Bytes that may be redacted now.
    allowance: u64,
    since: Instant,
}

impl Wanted {
    pub(super) fn new(now: Instant) -> Wanted {
        Wanted { signatures: HashMap::new(), allowance: BYTES_PER_SECOND, since: now }
    }

    /// Whether an example of a signature of a slice is wanted.
    pub(super) fn wants(&self, slice: &Arc<str>, signature: Signature, now: Instant) -> bool {
        let known = self.signatures.get(&(Arc::clone(slice), signature));
        known.is_none_or(|(made, next)| *made < FIRST || *next <= now)
    }

    /// Takes room for redacting so many bytes of bodies. One exchange of any size fits into what a second allows.
    pub(super) fn afford(&mut self, bytes: usize, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since).as_micros();
        let more = u64::try_from(passed).unwrap_or(u64::MAX).saturating_mul(BYTES_PER_SECOND) / 1_000_000;
        if more > 0 {
            self.allowance = self.allowance.saturating_add(more).min(BYTES_PER_SECOND);
            self.since = now;
        }
        let cost =
            u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(EXCHANGE_BYTES).min(BYTES_PER_SECOND);
        let affordable = cost <= self.allowance;
        if affordable {
            self.allowance -= cost;
        }
        affordable
    }

    /// An example of a signature was made.
    pub(super) fn made(&mut self, slice: &Arc<str>, signature: Signature, now: Instant) {
        if self.signatures.len() >= SIGNATURES_MAX {
            self.signatures.clear();
        }
        let (made, next) = self.signatures.entry((Arc::clone(slice), signature)).or_insert((0, now));
        *made = made.saturating_add(1);
        *next = now + PAUSE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(text: &str) -> Signature {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_examples_of_a_signature_are_wanted_and_then_one_a_second() {
        let began = Instant::now();
        let mut wanted = Wanted::new(began);
        let (slice, one, other) = (Arc::from("s"), signature("00000001"), signature("00000002"));
        for _ in 0..FIRST {
            assert!(wanted.wants(&slice, one, began));
            wanted.made(&slice, one, began);
        }
        assert!(!wanted.wants(&slice, one, began));
        assert!(wanted.wants(&slice, other, began) && wanted.wants(&Arc::from("t"), one, began));
        assert!(wanted.wants(&slice, one, began + PAUSE));
        wanted.made(&slice, one, began + PAUSE);
        assert!(!wanted.wants(&slice, one, began + PAUSE));
    }

    #[test]
    fn a_service_that_makes_a_new_signature_each_time_costs_no_more_than_its_bytes_a_second() {
        let began = Instant::now();
        let mut wanted = Wanted::new(began);
        let mut redacted = 0;
        for millis in 0..10_000 {
            let now = began + Duration::from_millis(millis);
            redacted += u64::from(wanted.afford(1 << 20, now));
            wanted.made(&Arc::from("s"), signature(&format!("{millis:08x}")), now);
        }
        // Ten seconds, and what may be spent at once.
        assert!((30..=44).contains(&redacted), "{redacted}");
        assert!(wanted.signatures.len() <= SIGNATURES_MAX);
    }

    #[test]
    fn the_largest_exchange_fits_once() {
        let began = Instant::now();
        let mut wanted = Wanted::new(began);
        assert!(wanted.afford(usize::MAX, began));
        assert!(!wanted.afford(0, began));
        assert!(wanted.afford(0, began + Duration::from_secs(1)));
    }
}
