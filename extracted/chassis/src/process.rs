//! The life of a process: bind, say where, serve until SIGINT or SIGTERM, leave with a code.
//!
//! The only line on standard output is `listening on http://ADDRESS:PORT`, so that whoever asked for
//! port 0 learns the port. It refuses to parse arguments: each binary has its own.

use std::future::Future;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Binds `listen`, announces the address and runs `serve` on a current-thread runtime until it returns.
///
/// `serve` gets the listener and a future that resolves on SIGINT or SIGTERM. Failures are written to
/// standard error; the code is then 1.
pub fn run<S, R>(name: &str, listen: &str, serve: S) -> ExitCode
where
    S: FnOnce(TcpListener, StopSignal) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.context("cannot start a runtime").and_then(|runtime| {
        runtime.block_on(async {
            let stop = StopSignal::install().context("cannot listen to signals")?;
            let listener =
                TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
            announce(&listener)?;
            Box::pin(serve(listener, stop)).await
        })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed too.
            drop(writeln!(std::io::stderr(), "{name}: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn announce(listener: &TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the listener has no address")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{address}").context("cannot say where it listens")?;
    out.flush().context("cannot say where it listens")
}

/// Resolves at the first SIGINT or SIGTERM.
#[derive(Debug)]
pub struct StopSignal {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl StopSignal {
    /// Takes the two signals over from the operating system's default.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn install() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for either signal.
    pub async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
