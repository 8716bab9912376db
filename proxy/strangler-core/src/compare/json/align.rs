//! Finding counterparts in two sequences of hashes.
//!
//! Owns the longest common subsequence within bounds, and matching without order. Refuses work beyond a budget
//! that all sequences of one comparison share: past it fewer counterparts are found, never wrong ones.
//!
//! Sources: E. W. Myers, "An O(ND) difference algorithm and its variations", Algorithmica 1 (1986); anchors that
//! are unique on both sides as in B. Cohen's patience diff.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// How many elements may have no counterpart before the exact search is given up.
const MOST_EDITS: usize = 1000;
/// And between two anchors.
const MOST_EDITS_BETWEEN_ANCHORS: usize = 100;

/// Steps that are left.
#[derive(Debug)]
pub(super) struct Budget(u64);

impl Budget {
    /// For one comparison: some tenths of a second at the worst.
    pub(super) fn new() -> Self {
        Budget(20_000_000)
    }

    /// For questions whether two values agree, in values looked at.
    pub(super) fn of_questions() -> Self {
        Budget(300_000)
    }

    /// Takes steps; `false`: there are not so many left.
    pub(super) fn take(&mut self, steps: usize) -> bool {
        let left = self.0.checked_sub(steps as u64);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// Counterparts by their places, none of them crossing another.
pub(super) type Pairs = Vec<(usize, usize)>;

/// Elements that are the same on both sides, in the order of both.
pub(super) fn common(left: &[u64], right: &[u64], budget: &mut Budget) -> Pairs {
    if let Some(pairs) = edits(left, right, MOST_EDITS, budget) {
        return pairs;
    }
    let mut pairs = Pairs::new();
    let mut from = (0, 0);
    let ends = [(left.len(), right.len())];
    for (at, other) in anchors(left, right).into_iter().chain(ends) {
        let between =
            (left.get(from.0..at).unwrap_or_default(), right.get(from.1..other).unwrap_or_default());
        if !between.0.is_empty() && !between.1.is_empty() {
            let found = edits(between.0, between.1, MOST_EDITS_BETWEEN_ANCHORS, budget).unwrap_or_default();
            pairs.extend(found.into_iter().map(|(l, r)| (from.0 + l, from.1 + r)));
        }
        if at < left.len() {
            pairs.push((at, other));
        }
        from = (at + 1, other + 1);
    }
    pairs
}

/// A longest common subsequence, if it leaves out at most `most` elements.
fn edits(left: &[u64], right: &[u64], most: usize, budget: &mut Budget) -> Option<Pairs> {
    if left.len().abs_diff(right.len()) > most {
        return None;
    }
    let most = most.min(left.len() + right.len());
    let (width, middle) = (2 * most + 3, most + 1);
    // How far each diagonal (place on the left minus place on the right) has been followed, shifted by `middle`.
    let mut reached = vec![0_usize; width];
    let mut trace: Vec<Vec<usize>> = Vec::new();
    for edit in 0..=most {
        trace.push(reached.get(middle - edit..=middle + edit)?.to_vec());
        for diagonal in (middle - edit..=middle + edit).step_by(2) {
            let (below, above) = (*reached.get(diagonal - 1)?, *reached.get(diagonal + 1)?);
            let down =
                edit > 0 && (diagonal == middle - edit || (diagonal != middle + edit && below < above));
            let start = if edit == 0 {
                0
            } else if down {
                above
            } else {
                below + 1
            };
            let mut at = start;
            let other_of = |at: usize| (at + middle).checked_sub(diagonal);
            while let Some(other) = other_of(at) {
                match (left.get(at), right.get(other)) {
                    (Some(one), Some(other)) if one == other => at += 1,
                    _ => break,
                }
            }
            if !budget.take(1 + at.saturating_sub(start)) {
                return None;
            }
            *reached.get_mut(diagonal)? = at;
            if at >= left.len() && other_of(at).is_some_and(|other| other >= right.len()) {
                return back(&trace, middle, left.len(), right.len());
            }
        }
    }
    None
}

/// Follows the trace from the ends back to the beginnings.
fn back(trace: &[Vec<usize>], middle: usize, left: usize, right: usize) -> Option<Pairs> {
    let mut pairs = Pairs::new();
    let (mut at, mut other) = (left, right);
    for (edit, reached) in trace.iter().enumerate().rev() {
        let diagonal = (at + middle).checked_sub(other)?;
        // Of this edit's trace the first entry is that of diagonal `middle - edit`, as it was before the edit.
        let before = |diagonal: usize| reached.get((diagonal + edit).checked_sub(middle)?).copied();
        let (start, other_start) = if edit == 0 {
            (0, 0)
        } else {
            let (below, above) = (before(diagonal.wrapping_sub(1)), before(diagonal + 1));
            let down = diagonal == middle - edit || (diagonal != middle + edit && below < above);
            if down {
                let from = above?;
                (from, (from + middle).checked_sub(diagonal + 1)?)
            } else {
                let from = below?;
                (from, (from + middle).checked_sub(diagonal - 1)?)
            }
        };
        let first = if edit == 0 {
            0
        } else if (start + middle).checked_sub(other_start)? > diagonal {
            start
        } else {
            start + 1
        };
        while at > first {
            at -= 1;
            other = other.checked_sub(1)?;
            pairs.push((at, other));
        }
        (at, other) = (start, other_start);
    }
    pairs.reverse();
    Some(pairs)
}

/// Elements that are there once on either side, as many as have one order on both.
fn anchors(left: &[u64], right: &[u64]) -> Pairs {
    let lonely = |hashes: &[u64]| {
        let mut places: BTreeMap<u64, Option<usize>> = BTreeMap::new();
        for (at, hash) in hashes.iter().enumerate() {
            places.entry(*hash).and_modify(|place| *place = None).or_insert(Some(at));
        }
        places
    };
    let others = lonely(right);
    let mut candidates: Pairs =
        lonely(left).into_iter().filter_map(|(hash, at)| Some((at?, (*others.get(&hash)?)?))).collect();
    candidates.sort_unstable();
    // The longest run that rises on the right as well: ends of runs of each length, and who came before.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(candidates.len());
    for (this, (_, other)) in candidates.iter().enumerate() {
        let length =
            ends.partition_point(|end| candidates.get(*end).is_some_and(|(_, ending)| ending < other));
        before.push(length.checked_sub(1).and_then(|at| ends.get(at).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = this,
            None => ends.push(this),
        }
    }
    let mut run = Pairs::new();
    let mut next = ends.last().copied();
    while let Some(at) = next {
        run.extend(candidates.get(at));
        next = before.get(at).copied().flatten();
    }
    run.reverse();
    run
}

/// Counterparts without order: the first with the first of the same key, the second with the second.
pub(super) fn matching<K: Ord>(left: &[(usize, K)], right: &[(usize, K)]) -> Pairs {
    let mut free: BTreeMap<&K, VecDeque<usize>> = BTreeMap::new();
    for (at, key) in right {
        free.entry(key).or_default().push_back(*at);
    }
    let pair = |(at, key): &(usize, K)| Some((*at, free.get_mut(key)?.pop_front()?));
    left.iter().filter_map(pair).collect()
}

/// The stretches before, between and after pairs that do not cross.
pub(super) fn gaps(pairs: &Pairs, left: usize, right: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let mut from = (0, 0);
    let mut gaps = Vec::new();
    for (at, other) in pairs.iter().copied().chain([(left, right)]) {
        if from.0 < at || from.1 < other {
            gaps.push((from.0..at, from.1..other));
        }
        from = (at + 1, other + 1);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::{Budget, Pairs, anchors, common, edits, gaps, matching};

    /// The length of a longest common subsequence, by the book.
    fn longest(left: &[u64], right: &[u64]) -> usize {
        let mut row = vec![0; right.len() + 1];
        for one in left {
            let mut diagonal = 0;
            for (at, other) in right.iter().enumerate() {
                let next = if one == other { diagonal + 1 } else { row[at + 1].max(row[at]) };
                diagonal = std::mem::replace(&mut row[at + 1], next);
            }
        }
        row[right.len()]
    }

    fn check_pairs(pairs: &Pairs, left: &[u64], right: &[u64]) {
        assert!(pairs.iter().all(|(l, r)| left[*l] == right[*r]), "{left:?} {right:?} {pairs:?}");
        assert!(pairs.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1), "{pairs:?}");
    }

    #[test]
    fn a_longest_common_subsequence_is_found() {
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..3000 {
            let letters = 1 + round % 7;
            let mut text = |most: usize| -> Vec<u64> {
                (0..random.usize(0..=most)).map(|_| random.u64(0..letters)).collect()
            };
            let (left, right) = (text(14), text(14));
            let pairs = common(&left, &right, &mut Budget::new());
            check_pairs(&pairs, &left, &right);
            assert_eq!(pairs.len(), longest(&left, &right), "{left:?} {right:?}");
        }
    }

    #[test]
    fn without_a_budget_fewer_are_found_but_never_wrong_ones() {
        let mut random = fastrand::Rng::with_seed(8);
        for _ in 0..500 {
            let mut text = |letters: u64| -> Vec<u64> {
                (0..random.usize(0..60)).map(|_| random.u64(0..letters)).collect()
            };
            let (left, right) = (text(50), text(50));
            for budget in [0, 5, 50, 500] {
                check_pairs(&common(&left, &right, &mut Budget(budget)), &left, &right);
            }
            check_pairs(&anchors(&left, &right), &left, &right);
        }
    }

    #[test]
    fn anchors_hold_where_too_much_differs() {
        let left: Vec<u64> = (0..10_000).map(|n| if n % 2 == 0 { n } else { n + 1_000_000 }).collect();
        let right: Vec<u64> = (0..10_000).map(|n| if n % 2 == 0 { n } else { n + 2_000_000 }).collect();
        assert!(edits(&left, &right, 1000, &mut Budget::new()).is_none());
        let pairs = common(&left, &right, &mut Budget::new());
        check_pairs(&pairs, &left, &right);
        assert_eq!(pairs.len(), 5000);
    }

    #[test]
    fn gaps_are_what_is_not_paired() {
        assert_eq!(gaps(&vec![(1, 0), (2, 3)], 3, 5), [(0..1, 0..0), (2..2, 1..3), (3..3, 4..5)]);
        assert_eq!(gaps(&Vec::new(), 0, 0), []);
    }

    #[test]
    fn matching_takes_the_first_with_the_first() {
        let keyed = |keys: &[u64]| keys.iter().copied().enumerate().collect::<Vec<_>>();
        assert_eq!(matching(&keyed(&[5, 6, 5, 5]), &keyed(&[6, 5, 5])), [(0, 1), (1, 0), (2, 2)]);
    }
}
