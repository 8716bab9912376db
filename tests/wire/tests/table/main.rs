//! The raw table: cases of "The letter of HTTP", of forwarding and of the limits, judged on both sides.
//!
//! Each case is played twice: as it is written, and with its bytes cut elsewhere.
//! `WIRE_ONLY=text` plays only the cases whose names contain the text. The ignored test plays the same
//! table against peers (`WIRE_TARGET=nginx,haproxy`) and prints what they fail.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test tells on its own output"
)]

mod answers;
mod connections;
mod exchange;
mod headers;
mod interim;
mod limits;
mod pieces;
mod request_framing;
mod request_syntax;
mod response;
mod setups;
mod spelling;
mod target;
mod trailers;
mod uploads;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use wire::case::Case;
use wire::lane::{Verdict, play_all};
use wire::target::{Launch, Rival, Strangler};
use wire::wire::Cuts;

fn table() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(request_framing::cases());
    cases.extend(request_syntax::cases());
    cases.extend(target::cases());
    cases.extend(headers::cases());
    cases.extend(exchange::cases());
    cases.extend(response::cases());
    cases.extend(connections::cases());
    cases.extend(limits::cases());
    cases.extend(answers::cases());
    cases.extend(trailers::cases());
    cases.extend(interim::cases());
    cases.extend(spelling::cases());
    cases.extend(pieces::cases());
    cases.extend(uploads::cases());
    cases
}

fn play(launch: &dyn Launch, cuts: Cuts) -> (usize, Vec<Verdict>, usize) {
    let mut cases = table();
    if let Ok(only) = std::env::var("WIRE_ONLY") {
        cases.retain(|case| case.name.contains(&only));
    }
    let begun = Instant::now();
    let verdicts = play_all(launch, &cases, 8, cuts);
    let played = verdicts.iter().filter(|verdict| !verdict.skipped).count();
    let failed: Vec<Verdict> = verdicts.iter().filter(|verdict| !verdict.wrong.is_empty()).cloned().collect();
    for verdict in &failed {
        println!("FAILED [{}] {}", verdict.setup, verdict.name);
        for sentence in &verdict.wrong {
            println!("    {sentence}");
        }
    }
    for verdict in verdicts.iter().filter(|verdict| verdict.took > Duration::from_secs(2)) {
        println!("slow: {:?} [{}] {}", verdict.took, verdict.setup, verdict.name);
    }
    println!("{played} cases in {:?}, {} failed", begun.elapsed(), failed.len());
    (played, failed, verdicts.len())
}

#[test]
fn every_case_holds_on_both_sides_of_the_proxy() {
    let strangler = Strangler { program: PathBuf::from(env!("CARGO_BIN_EXE_wire-strangler")) };
    let (played, failed, all) = play(&strangler, Cuts::Whole);
    assert_eq!(played, all, "every case is played");
    assert!(failed.is_empty(), "{} of {played} cases failed; they are named above", failed.len());
}

/// Where bytes are cut into segments is the network's business. `WIRE_CUTS=7` draws other cuts.
#[test]
fn every_case_holds_wherever_its_bytes_are_cut() {
    let strangler = Strangler { program: PathBuf::from(env!("CARGO_BIN_EXE_wire-strangler")) };
    let seed = std::env::var("WIRE_CUTS").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let (played, failed, all) = play(&strangler, Cuts::Drawn(seed));
    assert_eq!(played, all, "every case is played");
    assert!(failed.is_empty(), "{} of {played} cases failed with WIRE_CUTS={seed}", failed.len());
}

#[test]
fn the_table_is_large_and_no_case_is_told_twice() {
    let cases = table();
    let mut names = HashSet::new();
    let twice: Vec<&str> =
        cases.iter().map(|case| case.name.as_str()).filter(|name| !names.insert(*name)).collect();
    assert!(twice.is_empty(), "told twice: {twice:?}");
    assert!(cases.len() >= 150, "{} cases", cases.len());
    assert!(cases.iter().all(|case| !case.outcomes.is_empty()), "every case wants something");
}

#[test]
#[ignore = "compares peers, which need not be installed: WIRE_TARGET=nginx,haproxy"]
fn how_peers_do_at_the_same_table() {
    let names = std::env::var("WIRE_TARGET").unwrap_or_else(|_| "nginx,haproxy".to_owned());
    for name in names.split(',') {
        let Some(rival) = Rival::named(name) else {
            panic!("no peer is called {name}");
        };
        println!("== {name}");
        let (played, failed, _) = play(&rival, Cuts::Whole);
        println!("== {name} fails {} of {played}", failed.len());
    }
}
