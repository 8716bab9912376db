//! What a run found: ratios and their spread, never bare times of a shared machine.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, Result};

use crate::cases::Case;
use crate::peers::Proxy;

/// One round of one proxy: what it cost.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// CPU nanoseconds of the proxy process per request.
    pub cpu_ns: f64,
    /// Requests that did not end as they should have.
    pub failed: u64,
}

#[derive(Debug)]
struct Row {
    proxy: &'static str,
    /// Lowest round against the lowest round of the better peer.
    lowest_ratio: f64,
    /// Quartiles of this proxy's rounds against the same round of the better peer.
    paired: [f64; 3],
    /// Third quartile of its rounds against its lowest: how noisy the run was.
    spread: f64,
    failed: u64,
    resident_kib: u64,
}

/// A case's rounds as a Markdown section: `rounds[i]` belongs to `proxies[i]`, of which the first is ours.
#[must_use]
pub fn section(case: &Case, proxies: &[Proxy], rounds: Vec<Vec<Round>>) -> String {
    let lowest: Vec<f64> = rounds
        .iter()
        .map(|rounds| rounds.iter().map(|round| round.cpu_ns).fold(f64::INFINITY, f64::min))
        .collect();
    let better = (1..lowest.len()).min_by(|a, b| f64::total_cmp(&value(&lowest, *a), &value(&lowest, *b)));
    let better = better.unwrap_or(0);
    let peer = rounds.get(better).cloned().unwrap_or_default();
    let rows: Vec<Row> = proxies
        .iter()
        .zip(rounds)
        .enumerate()
        .map(|(index, (proxy, rounds))| {
            let mut paired: Vec<f64> =
                rounds.iter().zip(&peer).map(|(own, peer)| own.cpu_ns / peer.cpu_ns).collect();
            let mut own: Vec<f64> = rounds.iter().map(|round| round.cpu_ns).collect();
            paired.sort_by(f64::total_cmp);
            own.sort_by(f64::total_cmp);
            Row {
                proxy: proxy.name(),
                lowest_ratio: value(&lowest, index) / value(&lowest, better),
                paired: [quantile(&paired, 1), quantile(&paired, 2), quantile(&paired, 3)],
                spread: quantile(&own, 3) / value(&own, 0),
                failed: rounds.iter().map(|round| round.failed).sum(),
                resident_kib: proxy.process.memory().map_or(0, |memory| memory.resident_kib),
            }
        })
        .collect();
    let mut text = format!("### {}\n\n{}\n\n", case.name, case.what);
    text.push_str(
        "| proxy | CPU per request, lowest round (ratio) | paired rounds: quartiles | spread | failed | resident |\n\
         |---|---|---|---|---|---|\n",
    );
    for row in &rows {
        let [q1, q2, q3] = row.paired;
        // Writing to a text does not fail.
        writeln!(
            text,
            "| {} | {:.2} | {q1:.2} · {q2:.2} · {q3:.2} | {:.2} | {} | {:.1} MiB |",
            row.proxy,
            row.lowest_ratio,
            row.spread,
            row.failed,
            row.resident_kib as f64 / 1024.0
        )
        .ok();
    }
    text
}

/// Writes the report of a whole run to `out`, unless that is `-`.
///
/// # Errors
/// When it cannot be written.
pub fn write(out: &str, rounds: usize, seed: u64, sections: &[String]) -> Result<()> {
    if out == "-" {
        return Ok(());
    }
    let mut text = String::from(
        "# Side-by-side results\n\nWritten by `tests/bench/run`. CPU time of the whole proxy process per request, one worker on one core, load and\n\
         upstream on the other; rounds interleaved and shuffled. *Ratio*: lowest round against the better peer's lowest\n\
         round. *Paired*: quartiles of round-by-round ratios. *Spread*: third quartile against the lowest of the same\n\
         proxy's rounds. Ratios only: absolute times of a shared machine mean nothing elsewhere.\n\n",
    );
    writeln!(text, "{rounds} rounds, seed {seed}, {}.\n", jiff::Timestamp::now().strftime("%Y-%m-%d"))?;
    for section in sections {
        writeln!(text, "{section}")?;
    }
    std::fs::write(out, text).with_context(|| format!("{out} cannot be written"))
}

/// Says a line of progress.
///
/// # Errors
/// When standard output is gone.
pub fn say(text: &str) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}

fn value(values: &[f64], index: usize) -> f64 {
    values.get(index).copied().unwrap_or(f64::NAN)
}

fn quantile(sorted: &[f64], quarter: usize) -> f64 {
    value(sorted, sorted.len().saturating_sub(1) * quarter / 4)
}
