//! The side-by-side benchmark: CPU time per request of the whole proxy process, ours and its peers', in one
//! interleaved run; then what an idle connection holds, and what twenty reloads under load break.
//!
//! Each proxy has one worker, pinned to one core; load and upstream share the other. Rounds are short, of a
//! fixed request count, and shuffled, so that a drift of the machine's speed falls on everybody. The figure of
//! a proxy is its lowest round (noise only ever adds), and beside it the median of the per-round ratios.
//! Refuses to judge: it prints ratios and their spread.

mod idle;
mod reloads;
mod shadow;

use std::path::PathBuf;

use anyhow::{Context, Result};
use bench::cases::{Case, all};
use bench::peers::{Copies, Edits, Proxy, Setup};
use bench::report::Round;
use bench::{load, origin, peers, process, report};
use clap::Parser;

/// Side-by-side benchmark.
#[derive(Debug, Parser)]
struct Arguments {
    /// The proxy's release binary.
    #[arg(long)]
    strangler: PathBuf,
    /// Rounds per proxy and case.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Only rows whose name contains one of these, separated by commas: a case's name, "shadow", "idle" or "reloads".
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
    /// Connections of the row "idle".
    #[arg(long, default_value_t = 5000)]
    idle: usize,
    /// Edits of the row "reloads".
    #[arg(long, default_value_t = 20)]
    edits: u32,
    /// Where the table is written; `-`: standard output only.
    #[arg(long, default_value = "tests/bench/RESULTS.md")]
    out: String,
}

impl Arguments {
    fn wants(&self, row: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.split(',').any(|part| row.contains(part)))
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    process::pin_self(arguments.load_core)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, run(&arguments))
}

async fn run(arguments: &Arguments) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(arguments.seed);
    let folder = tempfile::tempdir().context("no folder for the proxies' files")?;
    let setup = Setup {
        strangler: &arguments.strangler,
        core: arguments.proxy_core,
        origin: origin::start().await?,
        folder: folder.path(),
        row: "",
        routes: 1,
        edits: Edits::None,
        copies: Copies::None,
    };
    let mut sections = Vec::new();
    for case in all() {
        if !arguments.wants(case.name) {
            continue;
        }
        report::say(&format!("{}: {}", case.name, case.what))?;
        let setup = Setup { row: case.name, routes: case.routes, ..setup.clone() };
        let mut proxies = peers::start(&setup).await?;
        let rounds = measure(arguments, &case, &mut proxies, &mut random).await?;
        sections.push(report::section(&case, &proxies, rounds));
        for proxy in proxies {
            proxy.process.stop().await?;
        }
        sections.last().map_or(Ok(()), |section| report::say(section))?;
    }
    for case in shadow::cases() {
        if arguments.wants(case.name) {
            sections.push(shadow::run(&setup, &case, arguments, &mut random).await?);
            sections.last().map_or(Ok(()), |section| report::say(section))?;
        }
    }
    if arguments.wants("idle") {
        sections.push(idle::run(&setup, arguments.idle).await?);
        sections.last().map_or(Ok(()), |section| report::say(section))?;
    }
    if arguments.wants("reloads") {
        sections.push(reloads::run(&setup, arguments.edits).await?);
        sections.last().map_or(Ok(()), |section| report::say(section))?;
    }
    report::write(&arguments.out, arguments.rounds, arguments.seed, &sections)
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
            let before = proxy.process.cpu_ns()?;
            let tally = load::run(proxy.address, case, requests).await?;
            let spent = proxy.process.cpu_ns()?.saturating_sub(before);
            rounds.push(Round { cpu_ns: spent as f64 / requests as f64, failed: tally.failed });
        }
    }
    Ok(rounds)
}

#[expect(clippy::cast_possible_truncation, reason = "a request count is far below 2^52")]
fn scaled(requests: u64, scale: f64) -> u64 {
    ((requests as f64 * scale) as u64).max(64)
}
