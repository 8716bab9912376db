//! A hundred thousand requests that all differ, for six reasons: what the report makes of them, and what that takes.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Copying;
use super::case::{Case, Client};
use super::worst::{self, Act, Priority};

/// Reasons for which an answer differs.
pub(crate) const CAUSES: u64 = 6;

/// Copies that may be under way: beyond, some would be shed, and not compared.
const AHEAD: u64 = 200;

/// Requests between two looks.
const STEP: u64 = 100;

/// The answer for a product; `other`: for its number's reason otherwise than the monolith's.
pub(crate) fn body(id: u64, other: bool) -> String {
    let cause = if other { id % CAUSES } else { CAUSES };
    let price = match cause {
        0 => "\"19.90\"",
        5 => "19.91",
        _ => "19.90",
    };
    let name = if cause == 1 { String::new() } else { format!("\"name\":\"Cup number {id}\",") };
    let tags = if cause == 2 { "[\"b\",\"a\"]" } else { "[\"a\",\"b\"]" };
    let seen = if cause == 3 { "" } else { "\"seen\":null," };
    let at = if cause == 4 { "2026-01-01T01:00:00+01:00" } else { "2026-01-01T00:00:00Z" };
    format!("{{\"id\":{id},{name}{seen}\"price\":{price},\"tags\":{tags},\"at\":\"{at}\"}}")
}

/// Sends them, and tells what was kept of them.
pub(crate) fn measure(program: &Path, requests: u64) -> Result<String> {
    let (legacy, extracted) = (worst::start(Act::Products, Priority::Usual)?, Act::OtherProducts);
    let case = Case::start(program, "causes", extracted, Copying::On, legacy)?;
    let mut client = Client::connect(case.address)?;
    let first_kib = case.peak_kib()?;
    let mut figures = Vec::new();
    for sent in 0..requests {
        client.get(&format!("/products/{sent}"))?;
        if sent % STEP == 0 {
            while case.ended()? + AHEAD < sent {
                std::thread::yield_now();
            }
        }
        if [requests / 10, requests / 2].contains(&(sent + 1)) {
            figures.push((sent + 1, case.held()?));
        }
    }
    let report = case.report(requests)?;
    figures.push((requests, case.held()?));
    let problems = report.matches("\"kind\": \"body.").count() + report.matches("\"kind\":\"body.").count();
    if !report.contains(&format!("{requests}")) {
        bail!("not all of them are mismatches: {report}");
    }
    let mut text = format!(
        "\n## Many requests, few causes\n\n{requests} requests for as many products, every one answered otherwise \
         by the service, for {CAUSES} reasons:\nthe report has {problems} problems. Resident memory was at most \
         {first_kib} KiB before the first.\n\n| requests | peak memory (KiB) | data directory (KiB) |\n|---:|---:|---:|\n"
    );
    for (sent, (peak, disk)) in figures {
        // Writing to a text does not fail.
        writeln!(text, "| {sent} | {peak} | {disk} |").ok();
    }
    let of = |name: &str| report.lines().find(|line| line.contains(name)).map(str::trim).map(str::to_owned);
    let accounts = of("\"mismatch\"").context("the report has accounts")?;
    writeln!(text, "\nIn the report: `{}`.", accounts.trim_end_matches(',')).ok();
    Ok(text)
}
