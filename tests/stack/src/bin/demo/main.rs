//! `cargo demo`: the whole demonstration, with gentle traffic, until Ctrl-C.
//!
//! It plays every role itself (`demo node ROLE …`), reads the repository's own `config/strangler.toml`, and
//! tells every ten seconds who answered what. It refuses ports that somebody else has, and says which.

mod summary;
mod traffic;

use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chassis::process::StopSignal;
use clap::Parser;
use stack::{Config, Executable, Ports, Role, Stack, StackOptions, node_main};

/// The word after which this program is a node.
const NODE: &str = "node";

/// A monolith, four services extracted from it, the proxy in front, and gentle traffic
#[derive(Debug, Parser)]
#[command(name = "cargo demo", version)]
struct Arguments {
    /// Seven ports in a row from here on (proxy, admin, monolith, services); 0 takes free ones
    #[arg(long, env = "DEMO_PORT_BASE", value_name = "PORT")]
    port_base: Option<u16>,
    /// The rules to run with [default: config/strangler.toml of the repository]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Requests per second; 0 sends none
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=200))]
    rate: u32,
    /// Seconds between two lines of the summary
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Stop by itself after so many seconds
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|first| first == NODE) {
        return node_main(std::iter::once(OsString::from(NODE)).chain(arguments));
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody is left to tell when the streams are closed.
            drop(error.print());
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match demonstrate(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "demo: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A line for whoever watches; a closed standard output is no reason to stop the system.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}"));
    drop(out.flush());
}

fn demonstrate(arguments: &Arguments) -> anyhow::Result<()> {
    let ports = match arguments.port_base {
        None => Ports::Documented,
        Some(0) => Ports::Free,
        Some(base) if base > u16::MAX - 7 => bail!("--port-base {base} leaves no room for seven ports"),
        Some(base) => Ports::From(base),
    };
    let taken = ports.taken();
    if !taken.is_empty() {
        let list: Vec<_> = taken.iter().map(|(name, port)| format!("{port} ({name})")).collect();
        bail!(
            "somebody already listens on {}.\n  Choose seven other ports in a row with `cargo demo --port-base 18000` or DEMO_PORT_BASE=18000.",
            list.join(", ")
        );
    }
    let config = match &arguments.config {
        Some(path) => path.clone(),
        None => repository_config()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before the first child: Ctrl-C during the start must not leave any behind.
        let stop = StopSignal::install()?;
        let executable = Executable::with_word(std::env::current_exe()?, NODE);
        let options = StackOptions { ports, config: Config::Live(config), ..StackOptions::new(executable) };
        say("Starting the monolith, four services and the proxy …");
        let starting = tokio::task::spawn_blocking(|| Stack::start(options));
        let mut stack = starting.await.context("starting was interrupted")??;
        introduce(&stack, ports)?;
        let outcome = watch(&mut stack, arguments, stop).await;
        say("Stopping …");
        tokio::task::spawn_blocking(|| stack.stop_all()).await.context("stopping was interrupted")??;
        outcome
    })
}

/// `config/strangler.toml`, from the current folder upwards, else from where cargo says this package is.
fn repository_config() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir()?;
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let found = here
        .ancestors()
        .chain(package.ancestors())
        .map(|folder| folder.join("config/strangler.toml"))
        .find(|path| path.is_file());
    found.context("there is no config/strangler.toml here or above; name a file with --config")
}

fn introduce(stack: &Stack, ports: Ports) -> anyhow::Result<()> {
    let (proxy, admin) = (stack.address(Role::Strangler)?, stack.admin()?);
    let config = shortest(stack.config());
    let extra = if ports == Ports::Documented { String::new() } else { format!(" --admin http://{admin}") };
    say(&format!(
        "
  Storefront   http://{proxy}
  Admin        http://{admin}

  The monolith is http://{}; the services are
  users http://{}, products http://{}, orders http://{}, payments http://{}.
  Logs and databases: {}

  Three things to try:
  1. In {config}, under [slices.products], change  phase = \"shadow\"  to  phase = \"extracted\",
     save, and watch the lines below. Then change it back.
  2. In another terminal:  cargo strangler report{extra}
     Reads of products and users are copied to their services: this is what the answers differ in.
  3. And:                  cargo strangler explain{extra} GET http://{proxy}/products/1

  Ctrl-C stops everything.
",
        stack.address(Role::LegacyMonolith)?,
        stack.address(Role::UserService)?,
        stack.address(Role::ProductService)?,
        stack.address(Role::OrderService)?,
        stack.address(Role::PaymentService)?,
        stack.folder().display(),
    ));
    Ok(())
}

/// A path as somebody in the current folder would type it.
fn shortest(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// Traffic and summary until a signal, the end of the time, or the end of a process.
async fn watch(stack: &mut Stack, arguments: &Arguments, stop: StopSignal) -> anyhow::Result<()> {
    let (proxy, admin): (SocketAddr, SocketAddr) = (stack.address(Role::Strangler)?, stack.admin()?);
    let counts = traffic::Counts::default();
    let sent = async {
        if arguments.rate == 0 {
            std::future::pending().await
        } else {
            traffic::send(proxy, arguments.rate, &counts).await
        }
    };
    let told = summary::tell(admin, Duration::from_secs(arguments.every), &counts);
    let over = async {
        match arguments.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let lost = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if let Some(role) = stack.ended() {
                let log = std::fs::read_to_string(stack.log(role)).unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(8).collect();
                let last: Vec<_> = last.into_iter().rev().collect();
                return anyhow::anyhow!("{} has ended:\n{}", role.name(), last.join("\n"));
            }
        }
    };
    tokio::select! {
        () = stop.wait() => Ok(()),
        () = over => Ok(()),
        () = sent => Ok(()),
        () = told => Ok(()),
        error = lost => Err(error),
    }
}
