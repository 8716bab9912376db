//! What edits under load break: requests that fail and connections that are closed, ours and the peers'.
//!
//! Every edit changes what every answer says (`x-edit`), so that the moment in which it takes effect is seen
//! from outside. The next edit comes a little after that, while the load never stops.

use std::cell::Cell;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bench::cases::Case;
use bench::load::{self, Tally, contains, read_head};
use bench::peers::{self, Edits, Proxy, Setup};
use bench::report;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Connections that never stop asking; every third one writes.
const CLIENTS: usize = 32;

/// Between an edit's effect and the next edit.
const PAUSE: Duration = Duration::from_millis(250);

/// Measures every proxy in turn; a Markdown section.
pub(crate) async fn run(setup: &Setup<'_>, edits: u32) -> Result<String> {
    report::say(&format!("reloads: {edits} edits under load"))?;
    let mut text = format!(
        "### reloads\n\n{edits} edits while {CLIENTS} keep-alive connections ask all the time, every third with POST: ours by saving the\n\
         file, nginx by `HUP`, HAProxy by `USR2` to its master, as their users do. A client that lost its connection\n\
         connects again; whatever it had asked is a failure. *Closed*: connections that ended behind an answer that\n\
         said so. *In effect*: from the edit to the first answer on a new connection that shows it.\n\n\
         | proxy | requests | failed | of these cut in the answer | closed | in effect: median, most (ms) |\n|---|---|---|---|---|---|\n"
    );
    let setup = Setup { row: "reloads", edits: Edits::Number(0), ..setup.clone() };
    for proxy in peers::start(&setup).await? {
        let (tally, mut took) = one(&proxy, &setup, edits).await.with_context(|| proxy.name().to_owned())?;
        took.sort_unstable();
        let of = |index: usize| took.get(index).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3);
        let Tally { answered, failed, cut, closed } = tally;
        let (median, most) = (of(took.len() / 2), of(took.len().saturating_sub(1)));
        let requests = answered + failed;
        // Writing to a text does not fail.
        writeln!(
            text,
            "| {} | {requests} | {failed} | {cut} | {closed} | {median:.0}, {most:.0} |",
            proxy.name()
        )
        .ok();
        proxy.process.stop().await?;
    }
    Ok(text)
}

async fn one(proxy: &Proxy, setup: &Setup<'_>, edits: u32) -> Result<(Tally, Vec<Duration>)> {
    let stop = Rc::new(Cell::new(false));
    let read = Rc::new(Case::small().requests());
    let write = Rc::new(Case { body: 1024, ..Case::small() }.requests());
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| Rc::clone(if client % 3 == 0 { &write } else { &read })).collect();
    let (address, stopping) = (proxy.address, Rc::clone(&stop));
    let load = tokio::task::spawn_local(async move {
        load::run_while(address, &clients, false, Rc::new(move || !stopping.get())).await
    });
    let mut took = Vec::new();
    for number in 1..=edits {
        tokio::time::sleep(PAUSE).await;
        let begun = Instant::now();
        proxy.edit(setup, number).await?;
        let deadline = begun + Duration::from_secs(10);
        while !shows(address, number).await {
            if Instant::now() > deadline {
                bail!("edit {number} never took effect");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        took.push(begun.elapsed());
    }
    tokio::time::sleep(PAUSE).await;
    stop.set(true);
    Ok((load.await??, took))
}

/// Whether an answer on a new connection shows this edit. A probe that fails shows nothing, and is no request of
/// the load.
async fn shows(address: SocketAddr, number: u32) -> bool {
    let probe = async || -> Result<bool> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&Case { fresh: true, ..Case::small() }.render()).await?;
        let mut input = Vec::new();
        read_head(&mut stream, &mut input).await?;
        Ok(contains(&input, format!("\r\nx-edit: {number}\r\n").as_bytes()))
    };
    probe().await.unwrap_or(false)
}
