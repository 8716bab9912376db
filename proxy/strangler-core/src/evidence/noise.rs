//! Whether a path at which legacy differs from itself differs more from the extracted service than that.
//!
//! Owns the counts of asking legacy twice, the exact sign test, and the correction for looking at many paths.
//! Refuses to excuse anything but values: presence, type and format stay asserted.
//!
//! Legacy answers a request twice (A1, A2) beside the extracted service (B), in random order. If B is
//! equivalent, A2 and B are exchangeable: among the requests where exactly one of them differs from A1, each is
//! the one as often as the other. So b = #(A1 = A2, A1 ≠ B) is binomial with probability one half in b + c,
//! c = #(A1 ≠ A2, A1 = B), and a large b is evidence of a bug (Q. McNemar 1947, in its exact one-sided form).
//! Over paths: Y. Benjamini and Y. Hochberg, *Controlling the false discovery rate*, JRSS B 57 (1995). A path
//! whose b + c is so small that no outcome could be rejected is not in that family (R. Tarone 1990): b + c says
//! nothing about b under the hypothesis, so leaving it out costs nothing, and counting it would hide bugs.

use serde::{Deserialize, Serialize};

use super::binomial::{fair_tail, real};

/// False discoveries among the paths that are said to differ, at most.
pub const FALSE_DISCOVERY_RATE: f64 = 0.05;

/// Fewer discordant requests could not be rejected whatever they show: 2⁻⁵ < 0.05 < 2⁻⁴.
const LEAST_DISCORDANT: u64 = 5;

/// What asking legacy twice showed at one path, for one kind of difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discordance {
    /// Only the extracted service's answer differed: A1 = A2, A1 ≠ B.
    pub extracted_only: u64,
    /// Only legacy's second answer differed: A1 ≠ A2, A1 = B.
    pub legacy_only: u64,
    /// Both differed: A1 ≠ A2, A1 ≠ B.
    pub both: u64,
}

impl Discordance {
    /// Whether legacy was seen to differ from itself.
    pub const fn legacy_differs(self) -> bool {
        self.legacy_only > 0 || self.both > 0
    }

    /// Probability of so many differences of the extracted service alone, or more, if it is equivalent.
    pub fn p_value(self) -> f64 {
        fair_tail(self.extracted_only, self.discordant())
    }

    const fn discordant(self) -> u64 {
        self.extracted_only.saturating_add(self.legacy_only)
    }
}

/// Which of these differ more than legacy does from itself, at a false discovery rate of 5 %.
pub fn rejected(family: &[Discordance]) -> Vec<bool> {
    let mut tested: Vec<(f64, usize)> = family
        .iter()
        .enumerate()
        .filter(|(_, one)| one.discordant() >= LEAST_DISCORDANT)
        .map(|(index, one)| (one.p_value(), index))
        .collect();
    tested.sort_by(|left, right| left.0.total_cmp(&right.0));
    let size = real(tested.len() as u64);
    let met = |rank: usize, p: f64| p <= FALSE_DISCOVERY_RATE * real(rank as u64 + 1) / size;
    let last = tested.iter().enumerate().rev().find(|(rank, (p, _))| met(*rank, *p)).map(|(rank, _)| rank);
    let mut rejected = vec![false; family.len()];
    for (_, index) in tested.iter().take(last.map_or(0, |rank| rank + 1)) {
        if let Some(one) = rejected.get_mut(*index) {
            *one = true;
        }
    }
    rejected
}

#[cfg(test)]
mod tests {
    use super::super::simulation;
    use super::*;

    fn counts(extracted_only: u64, legacy_only: u64) -> Discordance {
        Discordance { extracted_only, legacy_only, both: 0 }
    }

    #[test]
    fn the_sign_test_is_exact() {
        let check = |b, c, expected: f64| {
            let p = counts(b, c).p_value();
            assert!((p - expected).abs() < 1e-12, "b = {b}, c = {c}: {p}, not {expected}");
        };
        check(0, 0, 1.0);
        check(0, 9, 1.0);
        check(5, 0, 1.0 / 32.0);
        check(8, 2, 56.0 / 1024.0);
        check(9, 1, 11.0 / 1024.0);
    }

    #[test]
    fn the_correction_is_that_of_benjamini_and_hochberg() {
        // p: 1/1024, 11/1024, 56/1024, 0.623, 0.623: thresholds 0.01, 0.02, 0.03, 0.04, 0.05.
        let family = [counts(5, 5), counts(9, 1), counts(10, 0), counts(8, 2), counts(5, 5)];
        assert_eq!(rejected(&family), [false, true, true, false, false]);
        // A smaller p-value is carried by a larger one that meets its own threshold.
        let family = [counts(9, 2), counts(9, 2), counts(9, 2)];
        assert_eq!(rejected(&family), [true; 3]);
        assert!(counts(9, 2).p_value() > 0.05 / 3.0, "on its own rank it would not be");
    }

    #[test]
    fn paths_that_can_show_nothing_do_not_dilute_the_others() {
        let mut family = vec![counts(0, 0); 1_000];
        family.extend(vec![counts(4, 0); 1_000]);
        family.push(counts(8, 0));
        let rejected = rejected(&family);
        assert_eq!(rejected.iter().filter(|one| **one).count(), 1);
        assert_eq!(rejected.last(), Some(&true));
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!(rejected(&[]), [false; 0]);
    }

    /// `triples` repeated requests on one path: legacy's answers differ in 30 % of pairs, and `bug` of the
    /// extracted service's are wrong beside.
    fn path(random: &mut fastrand::Rng, triples: u32, bug: f64) -> Discordance {
        // Two answers differ where exactly one of them is the rarer of two variants: 2 q (1 − q) = 0.3.
        let rarer = 0.5 - (0.25_f64 - 0.15).sqrt();
        let mut counts = Discordance::default();
        for _ in 0..triples {
            let mut variant = || u8::from(random.f64() < rarer);
            let (first, second, extracted) = (variant(), variant(), variant());
            let extracted = if random.f64() < bug { 2 } else { extracted };
            match (first != second, first != extracted) {
                (false, true) => counts.extracted_only += 1,
                (true, false) => counts.legacy_only += 1,
                (true, true) => counts.both += 1,
                (false, false) => {}
            }
        }
        counts
    }

    #[test]
    fn a_bug_in_a_tenth_of_requests_is_found_beneath_noise_in_three_tenths_of_pairs() {
        let runs = simulation::runs(300);
        let mut random = fastrand::Rng::with_seed(simulation::seed(1_947));
        let mut found = 0;
        let mut naive = 0;
        for _ in 0..runs {
            let counts = path(&mut random, 1_000, 0.10);
            found += u32::from(rejected(&[counts]) == [true]);
            naive += u32::from(!counts.legacy_differs());
        }
        assert!(found * 100 >= runs * 95, "found {found} of {runs}");
        assert_eq!(naive, 0, "ignoring every path that is noisy, as others do, finds none");
    }

    #[test]
    fn noise_without_a_bug_is_flagged_on_one_path_in_a_hundred_at_most() {
        let (paths, runs) = (40, simulation::runs(20));
        let mut random = fastrand::Rng::with_seed(simulation::seed(1_995));
        let (mut flagged, mut naive) = (0, 0);
        for _ in 0..runs {
            let family: Vec<Discordance> = (0..paths).map(|_| path(&mut random, 300, 0.0)).collect();
            flagged += rejected(&family).iter().filter(|one| **one).count();
            naive += family.iter().filter(|one| one.extracted_only > one.legacy_only).count();
        }
        let all = paths * runs as usize;
        assert!(flagged * 100 <= all, "flagged {flagged} of {all}");
        assert!(naive * 4 > all, "comparing the two rates alone would flag {naive} of {all}");
    }
}
