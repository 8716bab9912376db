//! What the tests by simulation share: seeds that are printed, sizes that can be raised.
//!
//! `STRANGLER_SIMULATION_SEED` sets the seed of every simulation, `STRANGLER_SIMULATION_TIMES` multiplies the
//! number of runs. Only compiled for tests.

/// The seed: `own`, or the one of the environment. Printed, so that a failure can be repeated.
pub(super) fn seed(own: u64) -> u64 {
    let seed = number("STRANGLER_SIMULATION_SEED").unwrap_or(own);
    println!("seed {seed}");
    seed
}

/// `few` runs, as often as the environment says.
pub(super) fn runs(few: u32) -> u32 {
    let times = number("STRANGLER_SIMULATION_TIMES").and_then(|times| u32::try_from(times).ok()).unwrap_or(1);
    few.saturating_mul(times)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
