//! The test that a live gate rests on, which may be looked at any number of times.
//!
//! Owns the betting e-process: a gambler who bets against "the mismatch rate is p0 or more" at fair odds can
//! multiply the stake by 1/α with probability at most α, whenever the account is looked at (Ville's
//! inequality). Refuses to be a confidence interval of one fixed sample: that would pass too often when it is
//! asked again and again. Source: I. Waudby-Smith and A. Ramdas, *Estimating means of bounded random variables
//! by betting*, JRSS B 86 (2023).
//!
//! M is the mean over f of Π(1 + λ(p0 − X)), λ = f/(1 − p0), X = 1 for a mismatch and 0 otherwise. λ does not
//! change on the way, so M depends on the two counts alone and not on their order: when rules change, it is
//! computed from the recounted observations, exactly.

use super::binomial::{first_count, probability, real};
use crate::words::Share;

/// Shares of the stake that are bet against "as frequent as the limit, or more".
const BETS: [f64; 4] = [0.9, 0.5, 0.2, 0.05];

/// What a mismatch adds to the stake, as a multiple of it, in the bets against "rarer than the limit". They are
/// bets on a rate of so much above the limit: a tenth, half, three times, nine times.
const GAINS: [f64; 4] = [0.1, 0.5, 2.0, 8.0];

/// What was counted: comparisons that matched (or were ignored), and those that did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trials {
    /// X = 0.
    pub good: u64,
    /// X = 1.
    pub bad: u64,
}

impl Trials {
    /// Both.
    pub const fn all(self) -> u64 {
        self.good.saturating_add(self.bad)
    }
}

/// ln M against "mismatches are as frequent as `limit`, or more".
///
/// `limit` is above 0 % and below 100 %, as the configuration demands.
pub fn log_wealth(trials: Trials, limit: Share) -> f64 {
    let p = probability(limit);
    log_mean(
        BETS.map(|bet| real(trials.good) * (bet * p / (1.0 - p)).ln_1p() + real(trials.bad) * (-bet).ln_1p()),
    )
}

/// The same game on the other side: ln M against "mismatches are rarer than `limit`".
pub fn log_wealth_above(trials: Trials, limit: Share) -> f64 {
    let p = probability(limit);
    let odds = p / (1.0 - p);
    log_mean(GAINS.map(|gain| {
        // Never the whole stake: what is lost cannot grow again.
        let gain = gain.min(0.9 / odds);
        real(trials.good) * (-gain * odds).ln_1p() + real(trials.bad) * gain.ln_1p()
    }))
}

/// ln of the wealth that shows it: 1/(1 − confidence).
pub fn log_wealth_needed(confidence: Share) -> f64 {
    -(1.0 - probability(confidence)).ln()
}

/// Whether it is shown, at this look or any other, that mismatches are rarer than `limit`.
pub fn shows_below(trials: Trials, limit: Share, confidence: Share) -> bool {
    log_wealth(trials, limit) >= log_wealth_needed(confidence)
}

/// Whether it is shown that mismatches are at least as frequent as `limit`.
pub fn shows_above(trials: Trials, limit: Share, confidence: Share) -> bool {
    log_wealth_above(trials, limit) >= log_wealth_needed(confidence)
}

/// How many more comparisons, none of them a mismatch, would show it; 0: it is shown.
pub fn more_needed(trials: Trials, limit: Share, confidence: Share) -> u64 {
    first_count(|more| {
        shows_below(Trials { good: trials.good.saturating_add(more), ..trials }, limit, confidence)
    })
}

/// ln of the mean of four wealths, of which only the logarithms can be held.
fn log_mean(logs: [f64; 4]) -> f64 {
    let greatest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|log| (log - greatest).exp()).sum();
    greatest + (sum / 4.0).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(points: u16) -> Share {
        Share::from_basis_points(points).unwrap()
    }

    /// M by the letter: the product over the observations one by one.
    fn letter(observations: &[f64], p0: f64) -> f64 {
        let product = |f: f64| observations.iter().map(|x| 1.0 + f / (1.0 - p0) * (p0 - x)).product::<f64>();
        (product(0.9) + product(0.5) + product(0.2) + product(0.05)) / 4.0
    }

    #[test]
    fn the_wealth_is_the_product_over_the_observations_in_any_order() {
        let mut random = fastrand::Rng::with_seed(7);
        for points in [1, 50, 100, 5_000, 9_999] {
            let mut observations: Vec<f64> =
                (0..60).map(|_| if random.u32(..20) == 0 { 1.0 } else { 0.0 }).collect();
            let bad = observations.iter().filter(|x| **x > 0.5).count() as u64;
            let log = log_wealth(Trials { good: 60 - bad, bad }, share(points));
            for _ in 0..2 {
                let product = letter(&observations, probability(share(points)));
                assert!((log - product.ln()).abs() < 1e-9, "{points}: {log} {}", product.ln());
                random.shuffle(&mut observations);
            }
        }
    }

    #[test]
    fn it_stays_a_number_for_a_hundred_million_observations() {
        let million = 1_000_000;
        for points in [1, 50, 9_999] {
            for (good, bad) in [(100 * million, 0), (0, 100 * million), (99 * million, million), (0, 0)] {
                let trials = Trials { good, bad };
                assert!(log_wealth(trials, share(points)).is_finite(), "{trials:?}");
                assert!(log_wealth_above(trials, share(points)).is_finite(), "{trials:?}");
            }
        }
        let half = Trials { good: 99_500_000, bad: 500_000 };
        assert!(shows_below(half, share(100), share(9_500)), "0.5 % is below 1 %");
        assert!(shows_above(half, share(40), share(9_500)), "and above 0.4 %");
        assert!(!shows_below(half, share(50), share(9_500)) && !shows_above(half, share(50), share(9_500)));
    }

    #[test]
    fn nothing_seen_shows_nothing() {
        let none = Trials::default();
        assert!(log_wealth(none, share(50)).abs() < 1e-12, "M begins at 1");
        assert!(!shows_below(none, share(9_999), share(1)) && !shows_above(none, share(1), share(1)));
    }

    #[test]
    fn what_is_said_to_be_needed_is_enough_and_one_less_is_not() {
        let (limit, confidence) = (share(50), share(9_500));
        for (good, bad) in [(0, 0), (400, 0), (400, 1), (3_000, 9), (100_000, 0)] {
            let trials = Trials { good, bad };
            let more = more_needed(trials, limit, confidence);
            assert!(shows_below(Trials { good: good + more, bad }, limit, confidence));
            assert!(more == 0 || !shows_below(Trials { good: good + more - 1, bad }, limit, confidence));
        }
        assert_eq!(more_needed(Trials::default(), limit, confidence), 929);
    }

    #[test]
    fn the_game_on_the_other_side_is_fair_too() {
        for points in [1, 50, 5_000, 9_999] {
            let p = probability(share(points));
            let after = |good, bad| log_wealth_above(Trials { good, bad }, share(points)).exp();
            let mean = p * after(0, 1) + (1.0 - p) * after(1, 0);
            assert!((mean - 1.0).abs() < 1e-9, "{points}: {mean}");
        }
    }

    /// Runs of a gate at 1 % looked at every 100 requests: how many ever pass.
    fn passes(runs: u32, requests: u32, rate: f64, seed: u64, pass: impl Fn(Trials) -> bool) -> u32 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut passed = 0;
        for _ in 0..runs {
            let mut trials = Trials::default();
            for request in 1..=requests {
                if random.f64() < rate {
                    trials.bad += 1
                } else {
                    trials.good += 1
                }
                if request % 100 == 0 && pass(trials) {
                    passed += 1;
                    break;
                }
            }
        }
        passed
    }

    #[test]
    fn a_gate_looked_at_every_hundred_requests_passes_a_true_rate_at_its_limit_in_one_run_of_twenty() {
        let (limit, confidence) = (share(100), share(9_500));
        let runs = super::super::simulation::runs(1_000);
        let seed = super::super::simulation::seed(20_231);
        let ours = |trials| shows_below(trials, limit, confidence);
        let at_limit = passes(runs, 10_000, 0.01, seed, ours);
        assert!(at_limit * 20 <= runs, "{at_limit} of {runs} passed at the limit");
        let below = passes(runs / 10, 10_000, 0.003, seed, ours);
        assert!(below * 10 >= runs / 10 * 9, "only {below} of {} passed well below the limit", runs / 10);
        // A bound made for one look is what this must not be: the same runs catch it.
        let one_look =
            |trials: Trials| super::super::binomial::upper_bound(trials.bad, trials.all(), confidence) < 0.01;
        let naive = passes(runs / 5, 3_000, 0.01, seed, one_look);
        assert!(naive * 20 > runs / 5, "a bound for one look passed only {naive} of {}", runs / 5);
    }
}
