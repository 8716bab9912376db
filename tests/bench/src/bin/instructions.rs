//! Instructions per request of the request path, in user space, counted by callgrind.
//!
//! A count does not depend on the machine's speed or load, so one run before a change and one after it tell what
//! the change costs, to about a hundredth. The release binary runs under `valgrind --tool=callgrind` with one
//! worker on one core, load and origin on the other; counting is switched on only once connections, pools and
//! tables are warm. What the kernel does for a request is not in it: for that see the side-by-side run.
//!
//! ```text
//! cargo build --release -p strangler -p bench
//! target/release/instructions                                # this tree's binary, each case twice
//! target/release/instructions --before OLD --after NEW       # both, and the ratio
//! ```
//!
//! A copy of more than 2 KB counts one instruction for each byte, and costs far less: read ratios of large
//! answers with the profile (`--keep`, `callgrind_annotate`) beside them.
//!
//! Refuses to judge. Needs `valgrind`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bench::cases::Case;
use bench::peers::strangler;
use bench::process::{Process, free_address, pin_self, pinned};
use bench::report::say;
use bench::{load, origin};
use clap::Parser;

/// Instructions per request.
#[derive(Debug, Parser)]
struct Arguments {
    /// The proxy's release binary, where only one is looked at.
    #[arg(long, default_value = "target/release/strangler")]
    strangler: PathBuf,
    /// The binary before a change.
    #[arg(long, requires = "after")]
    before: Option<PathBuf>,
    /// The binary after it.
    #[arg(long, requires = "before")]
    after: Option<PathBuf>,
    /// Only cases whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Counted requests of one run.
    #[arg(long, default_value_t = 4_000)]
    requests: u64,
    /// Client connections. One: each request finds the proxy asleep. More: some share an awakening.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Runs of each binary and case, so that their spread is seen.
    #[arg(long, default_value_t = 2)]
    runs: usize,
    /// Core for the proxy.
    #[arg(long, default_value_t = 0)]
    proxy_core: usize,
    /// Core for load and upstream.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Keeps callgrind's files here, for `callgrind_annotate`.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// A request, and the configuration it meets.
struct Row {
    case: Case,
    /// What is added to the configuration of one moved slice.
    more: &'static str,
    /// The row that this one is compared with, in the same binary.
    against: Option<&'static str>,
}

/// A slice that no request of the load matches.
const ASIDE: &str = "[slices.aside]\nupstream = \"bench\"\nphase = \"legacy\"\nwriter = \"legacy\"\nroutes = [\"GET /aside/{id}\"]\n";

/// The same slice, shadowed.
const ASIDE_SHADOWED: &str = "[slices.aside]\nupstream = \"bench\"\nphase = \"shadow\"\nwriter = \"legacy\"\nsync = \"stateless\"\nroutes = [\"GET /aside/{id}\"]\n";

fn rows() -> Vec<Row> {
    let get = Case::small();
    let named = |name, what| Case { name, what, ..get.clone() };
    let row = |case| Row { case, more: "", against: None };
    vec![
        row(named("get", "GET, 64-byte answer")),
        row(Case { target: "/b/10240", ..named("get-10k", "GET, 10 KB answer by length") }),
        row(Case { target: "/b/10240?chunked", ..named("get-chunked", "GET, 10 KB answer in one chunk") }),
        row(Case { body: 1024, ..named("post-1k", "POST of 1 KB by length, 64-byte answer") }),
        row(Case { routes: 10_000, ..named("routes-10000", "GET, 64-byte answer, 10,000 routes") }),
        Row { more: ASIDE, ..row(named("aside", "GET beside a slice it does not match, not moved")) },
        Row {
            more: ASIDE_SHADOWED,
            against: Some("aside"),
            ..row(named("aside-shadow", "GET beside a slice it does not match, shadowed"))
        },
    ]
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    pin_self(arguments.load_core)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run(&arguments))
}

async fn run(arguments: &Arguments) -> Result<()> {
    let origin = origin::start().await?;
    let folder = tempfile::tempdir()?;
    let binaries: Vec<&Path> = match (&arguments.before, &arguments.after) {
        (Some(before), Some(after)) => vec![before, after],
        _ => vec![&arguments.strangler],
    };
    let Arguments { requests, connections, runs, .. } = arguments;
    say(&format!(
        "Instructions per request in user space: {requests} requests over {connections} connection(s), {runs} run(s).\n\n\
         | case | {} |\n|---|{}",
        if binaries.len() == 2 { "before: each run | after: each run | after ÷ before" } else { "each run" },
        "---|".repeat(if binaries.len() == 2 { 3 } else { 1 })
    ))?;
    // The lowest count of each row and binary so far.
    let mut known: Vec<(&'static str, Vec<Option<f64>>)> = Vec::new();
    for Row { case, more, against } in rows() {
        if arguments.only.as_ref().is_some_and(|only| !case.name.contains(only.as_str())) {
            continue;
        }
        let case = Case { connections: *connections, ..case };
        let mut cells = Vec::new();
        let mut lowest = Vec::new();
        for (index, binary) in binaries.iter().enumerate() {
            let mut counts = Vec::new();
            for run in 0..*runs {
                let place = Place {
                    origin,
                    folder: arguments.keep.as_deref().unwrap_or(folder.path()),
                    name: format!("{}-{index}-{run}", case.name),
                };
                counts.push(count(arguments, binary, &case, more, &place).await?);
            }
            lowest.push(counts.iter().flatten().copied().reduce(f64::min));
            cells.push(cell(&counts));
        }
        if let [Some(before), Some(after)] = lowest.as_slice() {
            cells.push(format!("{:.3}", after / before));
        }
        let beside = against.and_then(|name| known.iter().find(|(known, _)| *known == name));
        let beside = beside.map_or_else(String::new, |(name, base)| {
            let ratios = lowest.iter().zip(base).filter_map(|(own, base)| Some((*own)? / (*base)?));
            let ratios: Vec<String> = ratios.map(|ratio| format!("{ratio:.3}")).collect();
            if ratios.is_empty() { String::new() } else { format!(" ({} × {name})", ratios.join(", ")) }
        });
        say(&format!("| {}: {}{beside} | {} |", case.name, case.what, cells.join(" | ")))?;
        known.push((case.name, lowest));
    }
    Ok(())
}

fn cell(counts: &[Option<f64>]) -> String {
    let text = |count: &Option<f64>| {
        count.map_or("refuses the configuration".to_owned(), |count| format!("{count:.0}"))
    };
    counts.iter().map(text).collect::<Vec<_>>().join(", ")
}

struct Place<'p> {
    origin: SocketAddr,
    folder: &'p Path,
    name: String,
}

/// One run: instructions per request; `None` where this binary does not know the configuration.
async fn count(
    arguments: &Arguments,
    binary: &Path,
    case: &Case,
    more: &str,
    place: &Place<'_>,
) -> Result<Option<f64>> {
    let address = free_address()?;
    let file = place.folder.join(format!("{}.toml", place.name));
    let out = place.folder.join(format!("callgrind.out.{}", place.name));
    // Nothing but requests shall happen while it is counted.
    std::fs::write(&file, strangler(address, place.origin, case.routes, "watch = false\n", more))?;
    let run = |mut command: tokio::process::Command| {
        command.arg("run").arg("--config").arg(&file);
        Process::start(command, address, Duration::from_secs(60))
    };
    // Without valgrind first: what it refuses then is the configuration.
    match run(pinned(arguments.proxy_core, binary)).await {
        Ok(process) => process.stop().await?,
        Err(_) => return Ok(None),
    }
    let mut command = pinned(arguments.proxy_core, Path::new("valgrind"));
    command.args(["--tool=callgrind", "--instr-atstart=no", "--quiet"]);
    command.arg(format!("--callgrind-out-file={}", out.display())).arg(binary);
    let process = run(command).await.context("under valgrind")?;
    let pid = process.pid();
    let warm = load::run(address, case, arguments.requests / 4).await?;
    at_rest(&process).await?;
    control(pid, "on").await?;
    let tally = load::run(address, case, arguments.requests).await?;
    control(pid, "off").await?;
    process.stop().await?;
    if warm.failed + tally.failed > 0 {
        bail!("{}: {} requests failed", case.name, warm.failed + tally.failed);
    }
    let text = std::fs::read_to_string(&out).with_context(|| format!("no {}", out.display()))?;
    Ok(Some(total(&text).context("no total in callgrind's file")? as f64 / arguments.requests as f64))
}

/// Waits until every thread sleeps: what a start leaves behind is no request's. On a busy machine a thread may
/// want a core for long without getting it, so what counts is whether it wants one.
async fn at_rest(process: &Process) -> Result<()> {
    let mut asleep = 0;
    for _ in 0..1_200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        asleep = if process.sleeps()? { asleep + 1 } else { 0 };
        if asleep == 6 {
            return Ok(());
        }
    }
    bail!("the proxy never rests")
}

/// Switches counting on or off.
async fn control(pid: u32, state: &str) -> Result<()> {
    let mut command = tokio::process::Command::new("callgrind_control");
    let output = command.args(["-i", state, &pid.to_string()]).output().await;
    let output = output.context("callgrind_control cannot be started")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !said.contains("OK") {
        bail!("callgrind_control -i {state}: {said}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// The sum over all parts of a callgrind file; `None` where nothing was counted.
fn total(text: &str) -> Option<u64> {
    let totals = text.lines().filter_map(|line| line.strip_prefix("totals:"));
    let sum: Option<u64> = totals.map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).sum();
    sum.filter(|sum| *sum > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_sum_of_all_parts_and_missing_where_there_is_none() {
        assert_eq!(total("events: Ir\nfn=(1) a\n1 5\ntotals: 5\npart: 2\ntotals: 7 3\n"), Some(12));
        assert_eq!(total("totals: x"), None);
        assert_eq!(total("totals: 0\n"), None);
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn a_row_is_compared_only_with_a_row_before_it() {
        let rows = rows();
        for (index, row) in rows.iter().enumerate() {
            let Some(against) = row.against else { continue };
            assert!(rows[..index].iter().any(|before| before.case.name == against), "{against}");
        }
    }
}
