//! Instructions per request of the request path, in user space, counted by callgrind.
//!
//! A count does not depend on the machine's speed or load, so one run before a change and one after it tell what
//! the change costs, to about a hundredth. The release binary runs under `valgrind --tool=callgrind` with one
//! worker on one core, load and origin on the other; counting is switched on only once connections, pools and
//! tables are warm. Only the data thread counts: what others do meanwhile (checks, guardrails, learning routes) goes
//! by the clock, and under callgrind a second has a fiftieth of its requests. What the kernel does for a request is
//! not in it: for that see the side-by-side run.
//!
//! ```text
//! cargo build --release -p strangler -p bench
//! target/release/instructions                                # this tree's binary, each case twice
//! target/release/instructions --before OLD --after NEW       # both, and the ratio
//! ```
//!
//! What the binary before a change does not know yet it meets with another configuration: a canary with reads of
//! either side, whose mean it is compared with.
//!
//! A copy of more than 2 KB counts one instruction for each byte, and costs far less: read ratios of large
//! answers with the profile (`--keep`, `callgrind_annotate`) beside them.
//!
//! Refuses to judge. Needs `valgrind`.

mod rows;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bench::cases::Case;
use bench::process::{Process, free_address, pin_self, pinned};
use bench::report::say;
use bench::{load, origin};
use clap::Parser;
use rows::{Configuration, Row, Sides, rows};

/// Requests before it is counted: more than there is room for in what remembers the last ones, so that what a
/// process that has just started does for the first ones only is not counted.
const WARM_UP_MIN: u64 = 5_000;

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
    /// Only cases whose name contains one of these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
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

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    pin_self(arguments.load_core)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run(&arguments))
}

async fn run(arguments: &Arguments) -> Result<()> {
    let ((legacy, _), (extracted, answered)) =
        (origin::start_counting().await?, origin::start_counting().await?);
    let sides = Sides { legacy, extracted };
    let folder = tempfile::tempdir()?;
    if let Some(keep) = &arguments.keep {
        std::fs::create_dir_all(keep)?;
    }
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
    for Row { case, after, before, against } in rows() {
        let only = &arguments.only;
        if !only.is_empty() && !only.iter().any(|part| case.name.contains(part.as_str())) {
            continue;
        }
        let case = Case { connections: *connections, ..case };
        let mut cells = Vec::new();
        let mut lowest = Vec::new();
        for (index, binary) in binaries.iter().enumerate() {
            let own = [after];
            let met = if binaries.len() == 2 && index == 0 && !before.is_empty() { before } else { &own };
            let mut counts = Vec::new();
            for run in 0..*runs {
                let mut sum = Some(0.0);
                for (turn, configuration) in met.iter().enumerate() {
                    let place = Place {
                        sides,
                        answered: &answered,
                        folder: arguments.keep.as_deref().unwrap_or(folder.path()),
                        name: format!("{}-{index}-{run}-{turn}", case.name),
                    };
                    let count = count(arguments, binary, &case, *configuration, &place).await?;
                    sum = sum.zip(count).map(|(sum, count)| sum + count);
                }
                counts.push(sum.map(|sum| sum / met.len() as f64));
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
    sides: Sides,
    /// Requests that the extracted side has answered so far.
    answered: &'p Rc<Cell<u64>>,
    folder: &'p Path,
    name: String,
}

/// One run: instructions per request; `None` where this binary does not know the configuration.
async fn count(
    arguments: &Arguments,
    binary: &Path,
    case: &Case,
    configuration: Configuration,
    place: &Place<'_>,
) -> Result<Option<f64>> {
    let address = free_address()?;
    let file = place.folder.join(format!("{}.toml", place.name));
    let out = place.folder.join(format!("callgrind.out.{}", place.name));
    std::fs::write(&file, configuration.text(address, place.sides, case.routes))?;
    let run = |mut command: tokio::process::Command| {
        command.arg("run").arg("--config").arg(&file);
        Process::start(command, address, Duration::from_secs(60))
    };
    // Without valgrind first: what it refuses then is the configuration.
    match run(pinned(arguments.proxy_core, binary)).await {
        Ok(process) => process.stop().await?,
        Err(_) => return Ok(None),
    }
    // What an earlier run left where files are kept is not this one's.
    for file in thread_files(&out)? {
        std::fs::remove_file(file)?;
    }
    let mut command = pinned(arguments.proxy_core, Path::new("valgrind"));
    command.args(["--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes", "--quiet"]);
    command.arg(format!("--callgrind-out-file={}", out.display())).arg(binary);
    let process = run(command).await.context("under valgrind")?;
    let pid = process.pid();
    let warm = load::run(address, case, WARM_UP_MIN.max(arguments.requests / 4)).await?;
    at_rest(&process).await?;
    control(pid, "on").await?;
    let before = place.answered.get();
    let tally = load::run(address, case, arguments.requests).await?;
    let extracted = place.answered.get() - before;
    control(pid, "off").await?;
    process.stop().await?;
    if warm.failed + tally.failed > 0 {
        bail!("{}: {} requests failed", case.name, warm.failed + tally.failed);
    }
    // A canary that one side answers alone is none.
    if configuration.is_shared()
        && !(arguments.requests * 2 / 5..=arguments.requests * 3 / 5).contains(&extracted)
    {
        bail!("{}: of {} requests the extracted side answered {extracted}", case.name, arguments.requests);
    }
    let most = data_thread(&out)?.with_context(|| format!("no totals in {}-*", out.display()))?;
    Ok(Some(most as f64 / arguments.requests as f64))
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

/// What the data thread has executed: nobody else does as much. `None` where nothing was counted.
fn data_thread(out: &Path) -> Result<Option<u64>> {
    let mut most = None;
    for file in thread_files(out)? {
        most = most.max(total(&std::fs::read_to_string(file)?));
    }
    Ok(most)
}

/// Callgrind's files of a run's threads.
fn thread_files(out: &Path) -> Result<Vec<PathBuf>> {
    let (Some(folder), Some(name)) = (out.parent(), out.file_name()) else { return Ok(Vec::new()) };
    let start = format!("{}-", name.to_string_lossy());
    let is_thread = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().strip_prefix(&start).is_some_and(is_thread) {
            files.push(entry.path());
        }
    }
    Ok(files)
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
    fn of_all_threads_the_one_that_did_most_is_counted_and_none_of_another_run() {
        let folder = tempfile::tempdir().unwrap();
        for (name, total) in
            [("x-01", 5), ("x-02", 70), ("x-03", 6), ("x-1-01", 900), ("x", 800), ("xy-01", 950)]
        {
            std::fs::write(folder.path().join(name), format!("totals: {total}\n")).unwrap();
        }
        assert_eq!(data_thread(&folder.path().join("x")).unwrap(), Some(70));
        assert_eq!(data_thread(&folder.path().join("y")).unwrap(), None);
    }

    #[test]
    fn the_total_is_the_sum_of_all_parts_and_missing_where_there_is_none() {
        assert_eq!(total("events: Ir\nfn=(1) a\n1 5\ntotals: 5\npart: 2\ntotals: 7 3\n"), Some(12));
        assert_eq!(total("totals: x"), None);
        assert_eq!(total("totals: 0\n"), None);
        assert_eq!(total("events: Ir\n"), None);
    }
}
