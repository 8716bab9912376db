//! A window over counters that only grow: what was counted in the last so many seconds.
//!
//! Owns the slots it is made of: at most [`SLOTS`], so that memory does not grow with the window's length. A window
//! may therefore be short of its length by one slot; it is never longer.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Counts, FailureKind, latency};

/// Slots of a window at most.
pub const SLOTS: u32 = 60;

/// No slot is shorter: so often it is looked.
pub const LOOK: Duration = Duration::from_secs(1);

/// What was counted of both sides, legacy first, within a window.
#[derive(Clone, Debug)]
pub struct Window {
    step: Duration,
    slots: VecDeque<Slot>,
    sums: [Counts; 2],
    /// What the counters said last; `None`: they have not been read since the window began anew.
    last: Option<[Counts; 2]>,
    began: Duration,
}

#[derive(Clone, Debug)]
struct Slot {
    began: Duration,
    sides: [SlotSide; 2],
}

#[derive(Clone, Debug, Default)]
struct SlotSide {
    reads: u64,
    failed: [u64; FailureKind::ALL.len()],
    /// Bucket and count, of buckets that counted anything.
    latency: Vec<(u16, u64)>,
}

impl Window {
    /// An empty window that begins now.
    pub fn new(length: Duration, now: Duration) -> Window {
        let step = (length / SLOTS).max(LOOK);
        Window { step, slots: VecDeque::new(), sums: empty(), last: None, began: now }
    }

    /// Begins anew: what has been counted so far is no part of it.
    pub fn restart(&mut self, now: Duration) {
        self.slots.clear();
        self.sums = empty();
        self.last = None;
        self.began = now;
    }

    /// When it began, for the first time or anew.
    pub fn began(&self) -> Duration {
        self.began
    }

    /// What was counted within it.
    pub fn sums(&self) -> &[Counts; 2] {
        &self.sums
    }

    /// Takes in what the counters say now. `length` is the window's.
    pub fn read(&mut self, length: Duration, now: Duration, counters: [Counts; 2]) {
        self.forget(length, now);
        let last = self.last.replace(counters);
        let (Some(last), Some(counters)) = (last, &self.last) else { return };
        // A counter that went back was counted anew: there is no telling what happened meanwhile.
        let went_back = last.iter().zip(counters).any(|(last, now)| now.reads < last.reads);
        if went_back {
            return;
        }
        if self.slots.back().is_none_or(|slot| now.saturating_sub(slot.began) >= self.step) {
            self.slots.push_back(Slot { began: now, sides: Default::default() });
        }
        let Some(slot) = self.slots.back_mut() else { return };
        let sides = last.iter().zip(counters).zip(&mut slot.sides).zip(&mut self.sums);
        for (((last, now), side), sums) in sides {
            side.add(last, now, sums);
        }
    }

    fn forget(&mut self, length: Duration, now: Duration) {
        while let Some(slot) = self.slots.front() {
            if now.saturating_sub(slot.began) < length {
                return;
            }
            for (side, sums) in slot.sides.iter().zip(&mut self.sums) {
                side.subtract_from(sums);
            }
            self.slots.pop_front();
        }
    }
}

fn empty() -> [Counts; 2] {
    let counts = || Counts { latency: vec![0; latency::BUCKETS], ..Counts::default() };
    [counts(), counts()]
}

impl SlotSide {
    /// Adds what was counted between two readings to the slot and to the sums.
    fn add(&mut self, last: &Counts, now: &Counts, sums: &mut Counts) {
        let reads = now.reads.saturating_sub(last.reads);
        self.reads += reads;
        sums.reads += reads;
        for (at, kind) in self.failed.iter_mut().enumerate() {
            let of = |counts: &Counts| counts.failed.get(at).copied().unwrap_or_default();
            let more = of(now).saturating_sub(of(last));
            *kind += more;
            if let Some(sum) = sums.failed.get_mut(at) {
                *sum += more;
            }
        }
        for (at, (sum, now)) in sums.latency.iter_mut().zip(&now.latency).enumerate() {
            let more = now.saturating_sub(last.latency.get(at).copied().unwrap_or_default());
            if more == 0 {
                continue;
            }
            *sum += more;
            let at = u16::try_from(at).unwrap_or(u16::MAX);
            match self.latency.iter_mut().find(|(bucket, _)| *bucket == at) {
                Some((_, count)) => *count += more,
                None => self.latency.push((at, more)),
            }
        }
    }

    fn subtract_from(&self, sums: &mut Counts) {
        sums.reads = sums.reads.saturating_sub(self.reads);
        for (sum, failed) in sums.failed.iter_mut().zip(self.failed) {
            *sum = sum.saturating_sub(failed);
        }
        for (at, count) in &self.latency {
            if let Some(sum) = sums.latency.get_mut(usize::from(*at)) {
                *sum = sum.saturating_sub(*count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(reads: u64) -> Counts {
        let mut counts = Counts { reads, failed: [reads / 10, 0, 0], latency: vec![0; latency::BUCKETS] };
        counts.latency[7] = reads - reads / 10;
        counts
    }

    fn both(legacy: u64, extracted: u64) -> [Counts; 2] {
        [counts(legacy), counts(extracted)]
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        for seconds in [1_u64, 7, 60, 300, 3_600] {
            let length = Duration::from_secs(seconds);
            let mut window = Window::new(length, Duration::ZERO);
            let slot = (seconds / 60).max(1);
            for second in 0..seconds * 3 {
                window.read(length, Duration::from_secs(second), both(second * 10, second * 20));
                let reads = window.sums()[1].reads;
                let most = second.min(seconds) * 20;
                let least = second.min(seconds.saturating_sub(slot)) * 20;
                assert!(
                    (least..=most).contains(&reads),
                    "{seconds} at {second}: {reads}, not {least}..={most}"
                );
                assert!(window.slots.len() <= usize::try_from(SLOTS).unwrap() + 1);
                let sums = window.sums()[0].clone();
                assert_eq!(sums.failed[0] + sums.latency.iter().sum::<u64>(), sums.reads);
            }
        }
    }

    #[test]
    fn after_a_pause_longer_than_the_window_nothing_is_left() {
        let length = Duration::from_secs(60);
        let mut window = Window::new(length, Duration::ZERO);
        window.read(length, Duration::ZERO, both(0, 0));
        window.read(length, Duration::from_secs(1), both(100, 100));
        window.read(length, Duration::from_secs(100), both(100, 100));
        assert_eq!(window.sums(), &empty());
    }

    #[test]
    fn what_was_counted_before_it_began_anew_is_no_part_of_it() {
        let length = Duration::from_secs(60);
        let mut window = Window::new(length, Duration::ZERO);
        window.read(length, Duration::ZERO, both(0, 0));
        window.read(length, Duration::from_secs(1), both(100, 100));
        window.restart(Duration::from_secs(1));
        window.read(length, Duration::from_secs(2), both(300, 300));
        assert_eq!(window.sums()[0].reads, 0, "nobody knows when these were");
        window.read(length, Duration::from_secs(3), both(310, 320));
        assert_eq!((window.sums()[0].reads, window.sums()[1].reads), (10, 20));
    }

    #[test]
    fn a_counter_that_begins_anew_is_no_flood() {
        let length = Duration::from_secs(60);
        let mut window = Window::new(length, Duration::ZERO);
        window.read(length, Duration::ZERO, both(1_000, 1_000));
        window.read(length, Duration::from_secs(1), both(5, 5));
        assert_eq!(window.sums()[1].reads, 0);
        window.read(length, Duration::from_secs(2), both(15, 25));
        assert_eq!((window.sums()[0].reads, window.sums()[1].reads), (10, 20));
    }
}
