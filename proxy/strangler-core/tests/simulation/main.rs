//! Random sequences of requests, edits, retreats, failures, crashes and recoveries, and what must hold in all of them.
//!
//! Pure: a virtual clock, one seed for everything that chance decides, no sockets, no files. What decides is the
//! program's own code; what judges is written here from scratch ([`judge`]). Each invariant is shown to be able to fail
//! by mistakes that are put in on purpose ([`sabotage`]).
//!
//! `STRANGLER_SIMULATION_SEED` sets the first seed, `STRANGLER_SIMULATION_TIMES` multiplies the number of sequences.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken simulation fails its test"
)]

mod chance;
mod file;
mod guard;
mod judge;
mod leg;
mod process;
mod request;
mod sabotage;
mod script;
mod shrink;
mod tally;
mod upstream;
mod world;

use judge::Invariant;
use sabotage::Sabotage;
use tally::Tally;
use world::{Trace, run};

/// Sequences that are tried at least.
const SEQUENCES: u64 = 1_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn seeds() -> std::ops::Range<u64> {
    let first = number("STRANGLER_SIMULATION_SEED").unwrap_or(1);
    let times = number("STRANGLER_SIMULATION_TIMES").unwrap_or(1);
    first..first + SEQUENCES * times
}

#[test]
fn a_thousand_sequences_keep_every_invariant() {
    let seeds = seeds();
    println!("seeds {} to {}", seeds.start, seeds.end - 1);
    let mut sum = Tally::default();
    for seed in seeds {
        let script = chance::script(seed);
        let outcome = run(&script, None, Trace::Off);
        if outcome.violation.is_some() {
            panic!("seed {seed}\n{}", shrink::shortest(&script, None));
        }
        sum = sum.plus(outcome.tally);
    }
    for invariant in Invariant::ALL {
        println!("holds: {}", invariant.says());
    }
    println!("{sum:#?}");
    assert!(sum.guarded > 0 && sum.alarms > 0, "guardrails were never needed");
}

#[test]
fn every_mistake_is_found_and_by_the_invariant_that_it_breaks() {
    let mut wrong = Vec::new();
    for (sabotage, invariant) in Sabotage::ALL {
        let found = seeds().find_map(|seed| {
            let script = chance::script(seed);
            let violation = run(&script, Some(sabotage), Trace::Off).violation?;
            Some((seed, violation))
        });
        match found {
            Some((seed, found)) if found.invariant == invariant => {
                println!("{sabotage:?}: seed {seed}: {} ({})", invariant.says(), found.what);
            }
            other => wrong.push(format!("{sabotage:?}: {other:?}, not {invariant:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_invariant_has_a_mistake_that_breaks_it() {
    for invariant in Invariant::ALL {
        assert!(Sabotage::ALL.iter().any(|(_, broken)| *broken == invariant), "{invariant:?}");
    }
}

#[test]
fn a_sequence_that_fails_is_made_short_and_fails_each_time() {
    let sabotage = Some(Sabotage::RepeatAfterReset);
    let fails = |seed: &u64| run(&chance::script(*seed), sabotage, Trace::Off).violation.is_some();
    let seed = seeds().find(fails).expect("a seed that fails");
    let script = chance::script(seed);
    let text = shrink::shortest(&script, sabotage);
    println!("{text}");
    assert_eq!(text, shrink::shortest(&script, sabotage));
    assert!(text.lines().count() < 30, "{text}");
}
