//! Which child of one node belongs to which child of the other.

use std::collections::{HashMap, VecDeque};

/// Up to how many cells a table of common subsequences is filled; beyond it, a greedy walk must do.
const MOST_CELLS: usize = 90_000;

/// Whether both hold the same, as often, in another order.
pub(super) fn is_permutation(left: &[u64], right: &[u64]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let sorted = |list: &[u64]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list
    };
    left != right && sorted(left) == sorted(right)
}

/// Pairs of places that belong together, in order, leaving out those that are equal: what stands between equal
/// ones is paired in order, first with what is alike.
pub(super) fn pairs(
    left: &[u64],
    right: &[u64],
    is_alike: impl Fn(usize, usize) -> bool,
) -> Vec<(Option<usize>, Option<usize>)> {
    let head = left.iter().zip(right).take_while(|(one, other)| one == other).count();
    let rest = (left.get(head..).unwrap_or_default(), right.get(head..).unwrap_or_default());
    let tail = rest.0.iter().rev().zip(rest.1.iter().rev()).take_while(|(one, other)| one == other).count();
    let ours = left.get(head..left.len() - tail).unwrap_or_default();
    let theirs = right.get(head..right.len() - tail).unwrap_or_default();
    let mut anchors = if ours.len().saturating_mul(theirs.len()) <= MOST_CELLS {
        longest_common(ours, theirs)
    } else {
        greedy_common(ours, theirs)
    };
    anchors.push((ours.len(), theirs.len()));
    let mut pairs = Vec::new();
    let (mut one, mut other) = (0, 0);
    for (next_one, next_other) in anchors {
        between(&mut pairs, head + one..head + next_one, head + other..head + next_other, &is_alike);
        (one, other) = (next_one + 1, next_other + 1);
    }
    pairs
}

/// Pairs two runs without equal elements.
fn between(
    pairs: &mut Vec<(Option<usize>, Option<usize>)>,
    mut ours: std::ops::Range<usize>,
    mut theirs: std::ops::Range<usize>,
    is_alike: impl Fn(usize, usize) -> bool,
) {
    while !ours.is_empty() && !theirs.is_empty() {
        let (one, other) = (ours.start, theirs.start);
        if is_alike(one, other) || ours.len() == theirs.len() {
            pairs.push((Some(one), Some(other)));
            (ours.start, theirs.start) = (one + 1, other + 1);
        } else if ours.len() > theirs.len() {
            pairs.push((Some(one), None));
            ours.start = one + 1;
        } else {
            pairs.push((None, Some(other)));
            theirs.start = other + 1;
        }
    }
    pairs.extend(ours.map(|at| (Some(at), None)));
    pairs.extend(theirs.map(|at| (None, Some(at))));
}

fn longest_common(left: &[u64], right: &[u64]) -> Vec<(usize, usize)> {
    let width = right.len() + 1;
    let mut table = vec![0_u32; (left.len() + 1) * width];
    let at = |table: &[u32], one: usize, other: usize| table.get(one * width + other).copied().unwrap_or(0);
    for (one, hash) in left.iter().enumerate().rev() {
        for (other, other_hash) in right.iter().enumerate().rev() {
            let length = if hash == other_hash {
                at(&table, one + 1, other + 1) + 1
            } else {
                at(&table, one + 1, other).max(at(&table, one, other + 1))
            };
            if let Some(cell) = table.get_mut(one * width + other) {
                *cell = length;
            }
        }
    }
    let (mut one, mut other) = (0, 0);
    let mut common = Vec::new();
    while let (Some(hash), Some(other_hash)) = (left.get(one), right.get(other)) {
        if hash == other_hash {
            common.push((one, other));
            (one, other) = (one + 1, other + 1);
        } else if at(&table, one + 1, other) >= at(&table, one, other + 1) {
            one += 1;
        } else {
            other += 1;
        }
    }
    common
}

/// The next place at which each is found again: not the longest, but in one walk.
fn greedy_common(left: &[u64], right: &[u64]) -> Vec<(usize, usize)> {
    let mut places: HashMap<u64, VecDeque<usize>> = HashMap::new();
    for (other, hash) in right.iter().enumerate() {
        places.entry(*hash).or_default().push_back(other);
    }
    let mut next = 0;
    let mut common = Vec::new();
    for (one, hash) in left.iter().enumerate() {
        let Some(found) = places.get_mut(hash) else { continue };
        while found.front().is_some_and(|other| *other < next) {
            found.pop_front();
        }
        // A far jump would leave the rest without counterparts.
        if let Some(other) = found.front().copied().filter(|other| other - next <= left.len() / 2 + 16) {
            common.push((one, other));
            next = other + 1;
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::{greedy_common, is_permutation, longest_common, pairs};

    #[test]
    fn what_stands_between_equal_ones_is_paired() {
        let check = |left: &[u64], right: &[u64], expected: &[(Option<usize>, Option<usize>)]| {
            // Alike are those of the same tens.
            let is_alike = |one: usize, other: usize| left[one] / 10 == right[other] / 10;
            assert_eq!(pairs(left, right, is_alike), expected, "{left:?} {right:?}");
        };
        check(&[10, 20, 30], &[10, 20, 30], &[]);
        check(&[10, 20, 30], &[10, 21, 30], &[(Some(1), Some(1))]);
        check(&[10, 20, 30], &[10, 30], &[(Some(1), None)]);
        check(&[10, 30], &[10, 20, 30], &[(None, Some(1))]);
        check(&[20, 30, 10], &[31, 10], &[(Some(0), None), (Some(1), Some(0))]);
        check(&[20], &[30], &[(Some(0), Some(0))]);
        check(&[], &[1], &[(None, Some(0))]);
        check(&[10, 20, 10, 40], &[20, 10, 41], &[(Some(0), None), (Some(3), Some(2))]);
    }

    #[test]
    fn both_ways_find_a_common_run() {
        let (left, right) = ([1, 2, 3, 4, 5], [9, 2, 4, 8, 5]);
        assert_eq!(longest_common(&left, &right), [(1, 1), (3, 2), (4, 4)]);
        assert_eq!(greedy_common(&left, &right), [(1, 1), (3, 2), (4, 4)]);
    }

    #[test]
    fn a_permutation_has_the_same_as_often() {
        assert!(is_permutation(&[1, 2, 2], &[2, 1, 2]));
        assert!(!is_permutation(&[1, 2, 2], &[1, 1, 2]));
        assert!(!is_permutation(&[1, 2], &[1, 2]));
    }
}
