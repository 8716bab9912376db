//! What an idle keep-alive connection holds in the proxy's memory: fresh, and after one request.
//!
//! The difference of resident memory with and without so many connections, divided by their number. What the
//! kernel holds for a socket is not in it, and is the same for everybody.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bench::cases::Case;
use bench::load::{self, read_head};
use bench::peers::{self, Proxy, Setup};
use bench::process::Memory;
use bench::report;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Measures every proxy in turn; a Markdown section.
pub(crate) async fn run(setup: &Setup<'_>, connections: usize) -> Result<String> {
    report::say(&format!("idle: {connections} connections"))?;
    let mut text = format!(
        "### idle\n\nBytes of resident memory per idle keep-alive connection, {connections} of them: resident memory with them less\n\
         resident memory without, by number. *Heap*: pages that no file backs, alone. *Again*: as many new ones after\n\
         the first were closed.\n\n\
         | proxy | fresh: resident (heap) | after one request each | again, after one request each |\n|---|---|---|---|\n"
    );
    for proxy in peers::start(&Setup { row: "idle", ..setup.clone() }).await? {
        let figures = one(&proxy, connections).await.with_context(|| proxy.name().to_owned())?;
        let [fresh, used, again] = figures;
        // Writing to a text does not fail.
        writeln!(text, "| {} | {fresh} | {used} | {again} |", proxy.name()).ok();
        proxy.process.stop().await?;
    }
    Ok(text)
}

async fn one(proxy: &Proxy, count: usize) -> Result<[String; 3]> {
    // What every proxy needs once, however many connections there are, is no connection's.
    load::run(proxy.address, &Case::small(), 1_000).await?;
    settled(proxy, 0).await?;
    let base = proxy.process.memory()?;
    let idle = proxy.process.descriptors()?;
    let per = |now: Memory| {
        let bytes = |now: u64, before: u64| now.saturating_sub(before) * 1024 / count.max(1) as u64;
        format!(
            "{} ({})",
            bytes(now.resident_kib, base.resident_kib),
            bytes(now.anonymous_kib, base.anonymous_kib)
        )
    };
    let mut streams = connect(proxy.address, count).await?;
    settled(proxy, idle + count).await?;
    let fresh = per(proxy.process.memory()?);
    ask_each(&mut streams).await?;
    let used = per(proxy.process.memory()?);
    drop(streams);
    let deadline = Instant::now() + PATIENCE;
    while proxy.process.descriptors()? > idle + count / 100 {
        pause(deadline, "the proxy keeps connections whose clients have gone").await?;
    }
    let mut streams = connect(proxy.address, count).await?;
    settled(proxy, idle + count).await?;
    ask_each(&mut streams).await?;
    let again = per(proxy.process.memory()?);
    Ok([fresh, used, again])
}

const PATIENCE: Duration = Duration::from_secs(10);

async fn pause(deadline: Instant, what: &str) -> Result<()> {
    if Instant::now() > deadline {
        bail!("{what}");
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    Ok(())
}

/// Waits until the proxy has accepted so much, and its memory stays the same for a tenth of a second.
async fn settled(proxy: &Proxy, descriptors: usize) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    // A few of those before may have been upstream connections that are gone by now.
    while proxy.process.descriptors()? + 100 < descriptors {
        pause(deadline, "the proxy does not take every connection").await?;
    }
    let mut last = proxy.process.memory()?.resident_kib;
    let mut same = 0;
    while same < 10 {
        pause(deadline, "the proxy's memory never rests").await?;
        let now = proxy.process.memory()?.resident_kib;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    Ok(())
}

async fn connect(address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        streams.push(TcpStream::connect(address).await.context("a connection that is to be idle")?);
    }
    Ok(streams)
}

/// One request on each, one after another, so that hardly an upstream connection is needed.
async fn ask_each(streams: &mut [TcpStream]) -> Result<()> {
    let request = Case::small().render();
    let mut input = Vec::with_capacity(4096);
    for stream in streams {
        stream.write_all(&request).await?;
        input.clear();
        let (head, _, body) = read_head(stream, &mut input).await?.context("closed while idle")?;
        while input.len() < head + body {
            if tokio::io::AsyncReadExt::read_buf(stream, &mut input).await? == 0 {
                bail!("cut");
            }
        }
        if !input.starts_with(b"HTTP/1.1 200") {
            bail!("not 200");
        }
    }
    Ok(())
}
