//! Resource truth: memory and descriptors of the proxy before, during and after each attack, and what other
//! clients feel meanwhile. Writes `tests/bench/RESOURCES.md`.
//!
//! Owns the figures; `attacks` says what each attack does. Refuses to judge: it prints what it saw.

mod attacks;
mod origin;

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener as Port};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::{LocalSet, spawn_local};

use self::attacks::{
    exchange, get, half_uploads, hold_idle, pipelined, post, slow_heads, slow_reader, tiny_chunks,
};

const GIB: u64 = 1024 * 1024 * 1024;

/// Memory and descriptors of the proxy under attack.
#[derive(Debug, Parser)]
struct Arguments {
    /// The proxy's release binary.
    #[arg(long, default_value = "target/release/strangler")]
    strangler: PathBuf,
    /// Clients with slow heads.
    #[arg(long, default_value_t = 1000)]
    slow: usize,
    /// Idle connections; twice as many descriptors are needed here.
    #[arg(long, default_value_t = 5000)]
    idle: usize,
    /// Bytes of the large bodies.
    #[arg(long, default_value_t = GIB)]
    large: u64,
    /// Seconds that slow clients stay.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Where the table is written; `-`: standard output only.
    #[arg(long, default_value = "tests/bench/RESOURCES.md")]
    out: String,
}

/// What the proxy holds at one moment.
#[derive(Clone, Copy, Debug)]
struct Held {
    rss_kib: u64,
    /// Since the last reset.
    peak_kib: u64,
    descriptors: usize,
}

struct Proxy {
    _child: Child,
    pid: u32,
    address: SocketAddr,
}

impl Proxy {
    async fn start(program: &Path, folder: &Path, origin: SocketAddr) -> Result<Proxy> {
        let address = Port::bind(("127.0.0.1", 0))?.local_addr()?;
        let text = format!(
            "version = 1\nlegacy = \"http://{origin}\"\n[server]\nlisten = \"{address}\"\n\
             admin = \"127.0.0.1:0\"\ndata_dir = \"memory\"\nworkers = 2\naccess_log = \"off\"\n"
        );
        let file = folder.join("strangler.toml");
        std::fs::write(&file, text)?;
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(&file).kill_on_drop(true);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let pid = child.id().context("no process id")?;
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).await.is_err() {
            if child.try_wait()?.is_some() || Instant::now() > until {
                bail!("the proxy does not listen on {address}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Proxy { _child: child, pid, address })
    }

    fn held(&self) -> Result<Held> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.pid))?.count();
        Ok(Held { rss_kib: kib("VmRSS:"), peak_kib: kib("VmHWM:"), descriptors })
    }

    /// Makes the peak begin anew (`proc(5)`, `clear_refs`).
    fn reset_peak(&self) -> Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.pid), "5")?)
    }
}

/// One row of the table.
struct Row {
    attack: String,
    before: Held,
    during: Held,
    after: Held,
    /// Other clients' latency meanwhile: median, 99 %, most, in microseconds.
    latency: [u128; 3],
    requests: usize,
    note: String,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run(&arguments))
}

async fn run(arguments: &Arguments) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let origin = origin::start().await?;
    let proxy = Proxy::start(&arguments.strangler, folder.path(), origin).await?;
    let at = proxy.address;
    let Arguments { slow, idle, large, seconds, .. } = *arguments;
    let stay = Duration::from_secs(seconds);
    // Buffers that every thread needs once are not an attack's.
    get(at, 1024 * 1024).await?;
    let mut rows = vec![attack(&proxy, "nothing", async || Ok(pause(stay / 4).await)).await?];
    // First, so that nothing freed before is used; and twice: an allocator keeps what it has once had, but a
    // leak grows again.
    for name in ["idle connections", "idle connections, again"] {
        let hold = async || hold_idle(at, idle, &proxy).await;
        let mut row = attack(&proxy, &format!("{idle} {name}"), hold).await?;
        let more = row.during.rss_kib.saturating_sub(row.before.rss_kib);
        row.note = format!("{:.1} KiB more per idle connection", more as f64 / idle.max(1) as f64);
        rows.push(row);
    }
    let down = async || get(at, large).await;
    rows.push(attack(&proxy, &format!("{} MiB down", large >> 20), down).await?);
    rows.push(attack(&proxy, &format!("{} MiB up", large >> 20), async || post(at, large).await).await?);
    let reader = async || slow_reader(at, large, stay).await;
    rows.push(attack(&proxy, "a reader at 10 KB/s of an endless answer", reader).await?);
    let heads = async || slow_heads(at, slow, stay).await;
    rows.push(attack(&proxy, &format!("{slow} clients with slow heads"), heads).await?);
    let pipeline = async || pipelined(at, slow / 20, stay).await;
    rows.push(
        attack(&proxy, &format!("{} clients that pipeline and read nothing", slow / 20), pipeline).await?,
    );
    let half = async || half_uploads(at, slow, stay, &proxy).await;
    rows.push(attack(&proxy, &format!("{slow} uploads that stop half-way"), half).await?);
    rows.push(attack(&proxy, "an upload in chunks of one byte", async || tiny_chunks(at, stay).await).await?);
    let text = render(&rows);
    write_out(&arguments.out, &text)
}

async fn pause(time: Duration) -> Option<Held> {
    tokio::time::sleep(time).await;
    None
}

/// Runs an attack beside a client that asks all the time, and looks at the proxy before, during and after.
async fn attack(proxy: &Proxy, name: &str, run: impl AsyncFnOnce() -> Result<Option<Held>>) -> Result<Row> {
    let before = proxy.held()?;
    proxy.reset_peak()?;
    let stop = Rc::new(Cell::new(false));
    let times = Rc::new(RefCell::new(Vec::new()));
    let probe = spawn_local(probe(proxy.address, Rc::clone(&stop), Rc::clone(&times)));
    let begun = Instant::now();
    let watched = proxy_descriptors(proxy, Rc::clone(&stop));
    let watching = spawn_local(watched);
    let held = run().await.with_context(|| name.to_owned())?;
    let took = begun.elapsed();
    let mut during = held.map_or_else(|| proxy.held(), Ok)?;
    during.peak_kib = proxy.held()?.peak_kib;
    stop.set(true);
    probe.await??;
    during.descriptors = during.descriptors.max(watching.await?);
    // The proxy notices that clients have gone.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = proxy.held()?;
    let mut times = times.take();
    times.sort_unstable();
    let part = |hundredth: usize| times.get((times.len().saturating_sub(1)) * hundredth / 100).copied();
    let latency = [50, 99, 100].map(|hundredth| part(hundredth).unwrap_or_default());
    let note = format!("{:.1} s", took.as_secs_f64());
    Ok(Row { attack: name.to_owned(), before, during, after, latency, requests: times.len(), note })
}

/// The most descriptors seen until it is told to stop.
fn proxy_descriptors(proxy: &Proxy, stop: Rc<Cell<bool>>) -> impl Future<Output = usize> + use<> {
    let folder = format!("/proc/{}/fd", proxy.pid);
    async move {
        let mut most = 0;
        while !stop.get() {
            most = most.max(std::fs::read_dir(&folder).map_or(0, Iterator::count));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        most
    }
}

/// Another client: a small request every few milliseconds, on one connection.
async fn probe(address: SocketAddr, stop: Rc<Cell<bool>>, times: Rc<RefCell<Vec<u128>>>) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    while !stop.get() {
        let begun = Instant::now();
        exchange(&mut stream, 100).await?;
        times.borrow_mut().push(begun.elapsed().as_micros());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

fn render(rows: &[Row]) -> String {
    let mut text = String::from(
        "# Resources\n\nWhat the proxy holds before, during and after each attack, and what another client feels \
         meanwhile (a small\nGET every 2 ms on one kept connection; load, origin and proxy share one machine). \
         Written by\n`cargo build --release -p strangler && cargo run --release -p bench --bin resources`.\n\n\
         Resident memory stays where it was after many connections: the allocator keeps what they freed, and the \
         second\nround of idle connections shows how much of it is used again.\n\n\
         | attack | RSS before → peak → after (KiB) | descriptors before → most → after | others: median, 99 %, \
         most (ms) of requests | |\n|---|---|---|---|---|\n",
    );
    for Row { attack, before, during, after, latency, requests, note } in rows {
        let [median, most_of_hundred, most] = latency.map(|micros| micros as f64 / 1000.0);
        // Writing to a text does not fail.
        writeln!(
            text,
            "| {attack} | {} → {} → {} | {} → {} → {} | {median:.2}, {most_of_hundred:.2}, {most:.2} of {requests} \
             | {note} |",
            before.rss_kib,
            during.peak_kib,
            after.rss_kib,
            before.descriptors,
            during.descriptors,
            after.descriptors
        )
        .ok();
    }
    text
}

fn write_out(out: &str, text: &str) -> Result<()> {
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    if out != "-" {
        std::fs::write(out, text).with_context(|| format!("{out} cannot be written"))?;
    }
    Ok(())
}
