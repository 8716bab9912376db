//! What clients feel of a shadow that does its worst: latency of small reads with copying off and with a shadow that
//! answers, waits ten seconds, is dead, resets, never ends or is huge, in one interleaved run; and what the proxy holds.
//! Writes `tests/bench/SHADOWS.md`.
//!
//! ```text
//! cargo build --release -p strangler -p bench && target/release/shadows
//! ```
//!
//! Each case has a proxy of its own; all share the origin. A round asks each of them so many times, in another order
//! each round, so that what the machine does meanwhile falls on all alike, and is divided by the case without copies of
//! the same round. That case is there twice: how far the two are apart is what noise does. Shadows run at the lowest
//! priority, as they would on a machine of their own. Refuses to judge.

mod case;
mod causes;
mod worst;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;

use self::case::{Case, Client};
use self::worst::{Act, Priority};

/// Latency of clients beside shadows that do their worst.
#[derive(Debug, Parser)]
struct Arguments {
    /// The proxy's release binary.
    #[arg(long, default_value = "target/release/strangler")]
    strangler: PathBuf,
    /// Rounds.
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// Requests of each case in a round.
    #[arg(long, default_value_t = 250)]
    requests: usize,
    /// Microseconds between two requests.
    #[arg(long, default_value_t = 2000)]
    pause: u64,
    /// Requests that all differ, of few causes.
    #[arg(long, default_value_t = 100_000)]
    differing: u64,
    /// Where the table is written; `-`: standard output only.
    #[arg(long, default_value = "tests/bench/SHADOWS.md")]
    out: String,
    /// Plays one shadow instead; for this program itself.
    #[arg(long, hide = true)]
    act: Option<Act>,
}

/// What is measured: the shadow, and whether anything is copied.
const CASES: [(&str, Act, Copying); 9] = [
    ("off", Act::Answer, Copying::Off),
    ("off, again", Act::Answer, Copying::Off),
    ("answers alike", Act::Answer, Copying::On),
    ("answers otherwise", Act::Differ, Copying::On),
    ("waits 10 s", Act::Wait, Copying::On),
    ("dead", Act::Dead, Copying::On),
    ("resets", Act::Reset, Copying::On),
    ("never ends", Act::Endless, Copying::On),
    ("256 MiB each", Act::Huge, Copying::On),
];

/// Whether a case copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copying {
    Off,
    On,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.act {
        Some(act) => worst::play(act),
        None => measure(&arguments),
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let origin = worst::start(Act::Answer, Priority::Usual)?;
    let mut cases = Vec::new();
    for (name, act, copying) in CASES {
        cases.push(Case::start(&arguments.strangler, name, act, copying, origin)?);
    }
    let mut clients: Vec<Client> =
        cases.iter().map(|case| Client::connect(case.address)).collect::<Result<_>>()?;
    let pause = Duration::from_micros(arguments.pause);
    // Pools, tables and caches are warm, and what the cases hold is what they hold in use.
    for client in &mut clients {
        client.ask(arguments.requests, pause)?;
    }
    let mut rounds: Vec<Vec<[f64; 3]>> = Vec::new();
    let begun = Instant::now();
    for round in 0..arguments.rounds {
        let mut order: Vec<usize> = (0..cases.len()).collect();
        fastrand::Rng::with_seed(round as u64).shuffle(&mut order);
        let mut of_round = vec![[0.0; 3]; cases.len()];
        for at in order {
            let client = clients.get_mut(at).context("a client for each case")?;
            let times = client.ask(arguments.requests, pause)?;
            if let Some(figures) = of_round.get_mut(at) {
                *figures = [50, 99, 100].map(|hundredth| percentile(&times, hundredth));
            }
        }
        rounds.push(of_round);
    }
    let took = begun.elapsed();
    drop(clients);
    let asked = (arguments.rounds + 1) * arguments.requests;
    let mut text = heading(arguments, took);
    for (at, case) in cases.iter().enumerate() {
        text.push_str(&case.row(&summary(&rounds, at), asked)?);
    }
    drop(cases);
    if arguments.differing > 0 {
        text.push_str(&causes::measure(&arguments.strangler, arguments.differing)?);
    }
    std::io::stdout().write_all(text.as_bytes())?;
    if arguments.out != "-" {
        std::fs::write(&arguments.out, text)
            .with_context(|| format!("{} cannot be written", arguments.out))?;
    }
    Ok(())
}

/// Paired ratios of one case to the first, over the rounds.
struct Summary {
    /// Median latency in microseconds: the median over the rounds.
    median_us: f64,
    /// Ratios of a round's median: the median over the rounds, and the middle half of them.
    median: [f64; 3],
    /// The same of the 99th percentile.
    most_of_hundred: [f64; 3],
    /// The slowest request of all, in milliseconds.
    slowest_ms: f64,
}

fn summary(rounds: &[Vec<[f64; 3]>], at: usize) -> Summary {
    let of = |figure: usize| -> Vec<(f64, f64)> {
        let pair = |round: &Vec<[f64; 3]>| Some((*round.get(at)?.get(figure)?, *round.first()?.get(figure)?));
        rounds.iter().filter_map(pair).collect()
    };
    let ratios = |figure| {
        let ratios = sorted(of(figure).into_iter().map(|(own, off)| own / off).collect());
        [50, 25, 75].map(|hundredth| percentile(&ratios, hundredth))
    };
    let medians = sorted(of(0).into_iter().map(|(own, _)| own).collect());
    let slowest = of(2).into_iter().map(|(own, _)| own).fold(0.0, f64::max);
    Summary {
        median_us: percentile(&medians, 50),
        median: ratios(0),
        most_of_hundred: ratios(1),
        slowest_ms: slowest / 1000.0,
    }
}

fn sorted(mut figures: Vec<f64>) -> Vec<f64> {
    figures.sort_unstable_by(f64::total_cmp);
    figures
}

fn percentile(sorted: &[f64], hundredth: usize) -> f64 {
    sorted.get(sorted.len().saturating_sub(1) * hundredth / 100).copied().unwrap_or_default()
}

fn heading(arguments: &Arguments, took: Duration) -> String {
    format!(
        "# Shadows at their worst\n\nWhat a client feels of copying, by what becomes of the copy: a small GET every \
         {} µs on one kept connection,\n{} rounds of {} requests of each case in random order ({:.0} s). Ratios are \
         to the first row in the same round:\nthe median over the rounds, and the middle half of them; the second \
         row is the first once more, and shows what is\nnoise. Load, proxies, origin and shadows share one machine \
         of {} cores; shadows have the lowest priority there.\nWritten by `cargo build --release -p strangler -p \
         bench && target/release/shadows`.\n\nEvery copy is in an account: their sum is the number of requests.\n\n\
         | the shadow | median (µs) | ratio of medians | ratio of 99 % | slowest (ms) | peak memory (KiB) | \
         accounts |\n|---|---:|---|---|---:|---:|---|\n",
        arguments.pause,
        arguments.rounds,
        arguments.requests,
        took.as_secs_f64(),
        std::thread::available_parallelism().map_or(0, usize::from),
    )
}

/// Somewhere to listen, where nobody does.
fn nobody() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
