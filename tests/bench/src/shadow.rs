//! What copying and comparing every request costs: ours with and without, and nginx with and without `mirror`, all in
//! one interleaved run.
//!
//! The load is paced: where a core is used up, ours drops copies before clients wait, and what was dropped costs nothing.
//! A round ends when every thread of the proxy sleeps, so that a copy's cost falls on the round of its request. What
//! of the copies was really compared is asked of our own metrics, and shown.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bench::cases::Case;
use bench::peers::{self, Copies, Kind, Proxy, Setup};
use bench::process::Process;
use bench::{load, report};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Arguments, scaled};

/// Looks at sleeping threads, one after the other, that make a rest.
const LOOKS: u32 = 5;

/// Each client asks once in so long, or as soon as it has its answer: 8,000 requests a second.
const PERIOD: Duration = Duration::from_millis(4);

/// What is asked for.
pub(crate) fn cases() -> Vec<Case> {
    let json = Case {
        name: "shadow-json",
        what: "GET, 300 bytes of JSON, 32 keep-alive connections",
        target: "/b/300?json",
        ..Case::small()
    };
    vec![Case { name: "shadow", ..Case::small() }, json]
}

/// One of the five.
struct Runner {
    name: &'static str,
    proxy: Proxy,
    cpu_ns: Vec<f64>,
    failed: u64,
}

/// Requests that were to be compared, and those that were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Accounts {
    all: u64,
    compared: u64,
}

/// Measures a case; a Markdown section.
pub(crate) async fn run(
    setup: &Setup<'_>,
    case: &Case,
    arguments: &Arguments,
    random: &mut fastrand::Rng,
) -> Result<String> {
    report::say(&format!("{}: {}", case.name, case.what))?;
    let mut runners = Vec::new();
    for (kind, copies, name, row) in [
        (Kind::Strangler, Copies::Off, "strangler", "off"),
        (Kind::Strangler, Copies::All, "strangler, each copied and compared", "all"),
        (Kind::Nginx, Copies::Off, "nginx", "off"),
        (Kind::Nginx, Copies::All, "nginx, each mirrored", "all"),
        (Kind::Nginx, Copies::AllFresh, "nginx, each mirrored, connections not kept", "fresh"),
    ] {
        let row = format!("{}-{row}", case.name);
        let setup = Setup { row: &row, copies, ..setup.clone() };
        if let Some(proxy) = peers::start_one(kind, &setup).await? {
            runners.push(Runner { name, proxy, cpu_ns: Vec::new(), failed: 0 });
        }
    }
    let requests = scaled(case.requests, arguments.scale);
    for runner in &runners {
        load::run(runner.proxy.address, case, requests / 4).await.context("warm-up")?;
        at_rest(&runner.proxy.process).await?;
    }
    let admin = runners.get(1).map(|runner| runner.proxy.admin).context("nobody copies")?;
    let before = accounts(admin).await?;
    for _ in 0..arguments.rounds {
        let mut order: Vec<usize> = (0..runners.len()).collect();
        random.shuffle(&mut order);
        for index in order {
            let Some(runner) = runners.get_mut(index) else { continue };
            let cpu = runner.proxy.process.cpu_ns()?;
            runner.failed += load::run_paced(runner.proxy.address, case, requests, PERIOD).await?.failed;
            at_rest(&runner.proxy.process).await?;
            let spent = runner.proxy.process.cpu_ns()?.saturating_sub(cpu);
            runner.cpu_ns.push(spent as f64 / requests as f64);
        }
    }
    let after = accounts(admin).await?;
    let seen = Accounts { all: after.all - before.all, compared: after.compared - before.compared };
    let sent = requests * u64::try_from(arguments.rounds)?;
    let text = section(case, &runners, seen, sent);
    for runner in runners {
        runner.proxy.process.stop().await?;
    }
    Ok(text)
}

fn section(case: &Case, runners: &[Runner], seen: Accounts, sent: u64) -> String {
    let mut text = format!(
        "### {}\n\n{}, 8,000 requests a second. CPU time per request: the lowest round against the other's lowest, and quartiles of round-by-round ratios. Of {sent} requests {} were to be copied,\n\
         and {} of these ({:.1} %) were compared.\n\n\
         | proxy | ÷ strangler without copies | ÷ nginx without | ÷ nginx, each mirrored | ÷ nginx, mirrored, not kept | failed |\n|---|---|---|---|---|---|\n",
        case.name,
        case.what,
        seen.all,
        seen.compared,
        seen.compared as f64 * 100.0 / seen.all as f64,
    );
    for runner in runners {
        let against = |base: usize| {
            let Some(base) = runners.get(base) else { return "–".to_owned() };
            let mut ratios: Vec<f64> =
                runner.cpu_ns.iter().zip(&base.cpu_ns).map(|(own, base)| own / base).collect();
            ratios.sort_by(f64::total_cmp);
            let quantile = |quarter| {
                ratios.get(ratios.len().saturating_sub(1) * quarter / 4).copied().unwrap_or(f64::NAN)
            };
            let lowest = |runner: &Runner| runner.cpu_ns.iter().copied().fold(f64::INFINITY, f64::min);
            let ratio = lowest(runner) / lowest(base);
            format!("{ratio:.2} ({:.2} · {:.2} · {:.2})", quantile(1), quantile(2), quantile(3))
        };
        let (ours, plain, mirrored, fresh) = (against(0), against(2), against(3), against(4));
        // Writing to a text does not fail.
        writeln!(text, "| {} | {ours} | {plain} | {mirrored} | {fresh} | {} |", runner.name, runner.failed)
            .ok();
    }
    text
}

/// Waits until nothing of a proxy wants to run.
async fn at_rest(process: &Process) -> Result<()> {
    let mut asleep = 0;
    for _ in 0..5_000 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        asleep = if process.sleeps()? { asleep + 1 } else { 0 };
        if asleep == LOOKS {
            return Ok(());
        }
    }
    bail!("the proxy never rests")
}

async fn accounts(admin: SocketAddr) -> Result<Accounts> {
    let mut stream = TcpStream::connect(admin).await.context("no admin listener")?;
    stream
        .write_all(format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(read_accounts(&text))
}

/// Sums the shadow accounts of Prometheus' text.
fn read_accounts(text: &str) -> Accounts {
    let mut accounts = Accounts::default();
    for line in text.lines().filter(|line| line.starts_with("strangler_shadow_total{")) {
        let count = line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
        accounts.all += count;
        if !line.contains("account=\"not-compared\"") {
            accounts.compared += count;
        }
    }
    accounts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_compared_is_among_all_and_not_among_the_compared() {
        let text = "# TYPE strangler_shadow_total counter\n\
                    strangler_shadow_total{slice=\"s\",account=\"match\",reason=\"\"} 7\n\
                    strangler_shadow_total{slice=\"s\",account=\"mismatch\",reason=\"\"} 2\n\
                    strangler_shadow_total{slice=\"s\",account=\"not-compared\",reason=\"shed\"} 5\n\
                    strangler_requests_total{slice=\"s\"} 100\n";
        assert_eq!(read_accounts(text), Accounts { all: 14, compared: 9 });
    }
}
