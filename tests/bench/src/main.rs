//! The side-by-side benchmark: CPU time per request of the whole proxy process, ours and its peers', in one
//! interleaved run.
//!
//! Each proxy has one worker, pinned to one core; load and upstream share the other. Rounds are short, of a
//! fixed request count, and shuffled, so that a drift of the machine's speed falls on everybody. The figure of
//! a proxy is its lowest round (noise only ever adds), and beside it the median of the per-round ratios.
//! Refuses to judge: it prints ratios and their spread.

mod cases;
mod load;
mod origin;
mod peers;
mod report;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;

use crate::cases::Case;
use crate::peers::Proxy;

/// Side-by-side benchmark.
#[derive(Debug, Parser)]
struct Arguments {
    /// The proxy's release binary.
    #[arg(long)]
    strangler: PathBuf,
    /// Rounds per proxy and case.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Only cases whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Multiplies every case's request count.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Seed of the shuffle.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Core for the proxy under test.
    #[arg(long, default_value_t = 0)]
    proxy_core: usize,
    /// Core for load and upstream.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Where the table is written; `-`: standard output only.
    #[arg(long, default_value = "tests/bench/RESULTS.md")]
    out: String,
}

/// One round of one proxy: what it cost.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// CPU nanoseconds of the proxy process per request.
    cpu_ns: f64,
    /// Requests that did not end as they should have.
    failed: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    peers::pin_self(arguments.load_core)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, run(&arguments))
}

async fn run(arguments: &Arguments) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(arguments.seed);
    let origin = origin::start().await?;
    let folder = tempfile::tempdir().context("no folder for the proxies' files")?;
    let mut sections = Vec::new();
    for case in cases::all() {
        if arguments.only.as_ref().is_some_and(|only| !case.name.contains(only.as_str())) {
            continue;
        }
        report::say(&format!("{}: {}", case.name, case.what))?;
        let mut proxies = peers::start(arguments, &case, origin, folder.path()).await?;
        let rounds = measure(arguments, &case, &mut proxies, &mut random).await?;
        let section = report::Section::new(&case, &proxies, rounds);
        report::say(&section.text())?;
        sections.push(section);
        for proxy in proxies {
            proxy.stop().await?;
        }
    }
    report::write(arguments, &sections)
}

async fn measure(
    arguments: &Arguments,
    case: &Case,
    proxies: &mut [Proxy],
    random: &mut fastrand::Rng,
) -> Result<Vec<Vec<Round>>> {
    let mut rounds = vec![Vec::with_capacity(arguments.rounds); proxies.len()];
    let requests = scaled(case.requests, arguments.scale);
    for proxy in proxies.iter() {
        load::run(proxy.address, case, requests / 4).await.context("warm-up")?;
    }
    for _ in 0..arguments.rounds {
        let mut order: Vec<usize> = (0..proxies.len()).collect();
        random.shuffle(&mut order);
        for index in order {
            let (Some(proxy), Some(rounds)) = (proxies.get(index), rounds.get_mut(index)) else { continue };
            let before = proxy.cpu_ns()?;
            let failed = load::run(proxy.address, case, requests).await?;
            let spent = proxy.cpu_ns()?.saturating_sub(before);
            rounds.push(Round { cpu_ns: spent as f64 / requests as f64, failed });
        }
    }
    Ok(rounds)
}

#[expect(clippy::cast_possible_truncation, reason = "a request count is far below 2^52")]
fn scaled(requests: u64, scale: f64) -> u64 {
    ((requests as f64 * scale) as u64).max(64)
}
