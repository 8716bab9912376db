//! `status --watch`: redrawn every second on a terminal, one line per change elsewhere.
//!
//! On a terminal `q` and Ctrl-C end it. However it ends, by a key, a signal or a failure, and whatever it waits for at
//! that moment, the terminal is left as it was. Elsewhere nothing but text is written, until nobody reads it any more.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::keys::Keys;
use super::screen::Screen;
use super::{StatusArguments, WATCH_STEP, render};
use crate::cli::output::Output;
use crate::cli::target::AdminTarget;
use crate::cli::{Exit, Failure, Outcome, client};

pub(super) fn run(target: &AdminTarget, arguments: &StatusArguments, output: &Output) -> Outcome {
    let slice = arguments.slice.as_deref();
    client::runtime()?.block_on(async {
        // Before the terminal is changed: from here on no signal ends the process by itself.
        let ends = Ends::listen()?;
        if output.is_terminal() {
            redraw(ends, target, slice, output).await
        } else {
            lines(ends, target, slice, output).await
        }
    })
}

/// The whole state, again and again.
async fn redraw(mut ends: Ends, target: &AdminTarget, slice: Option<&str>, output: &Output) -> Outcome {
    ends.keys = Keys::open();
    let mut screen = Screen::new();
    loop {
        let Some(looked) = ends.before(super::look(target, slice, output)).await else {
            return Ok(Exit::Pass);
        };
        let is_read = output.try_text(&screen.draw(&seen(looked)?)).is_ok();
        if !is_read || ends.before(tokio::time::sleep(WATCH_STEP)).await.is_none() {
            return Ok(Exit::Pass);
        }
    }
}

/// One line per change; with `--json` one document per look.
async fn lines(mut ends: Ends, target: &AdminTarget, slice: Option<&str>, output: &Output) -> Outcome {
    let mut last = String::new();
    loop {
        let look = async {
            if output.json {
                return super::look(target, slice, output).await;
            }
            super::report(target, slice).await.map(|report| render::line(&report))
        };
        let Some(looked) = ends.before(look).await else { return Ok(Exit::Pass) };
        let mut line = seen(looked)?;
        if !output.json {
            line = format!("{}\n", line.trim_end().lines().next().unwrap_or_default());
        }
        if output.json || line != last {
            let time = crate::live::report::now();
            let told = if output.json { line.clone() } else { format!("{time} {line}") };
            if output.try_text(&told).is_err() {
                return Ok(Exit::Pass);
            }
            last = line;
        }
        if ends.before(tokio::time::sleep(WATCH_STEP)).await.is_none() {
            return Ok(Exit::Pass);
        }
    }
}

/// The proxy may be restarting: that is worth watching too.
fn seen(looked: Result<String, Failure>) -> Result<String, Failure> {
    match looked {
        Err(failure) if failure.exit == Exit::Unreachable => Ok(format!("{}\n", failure.message)),
        looked => looked,
    }
}

/// What ends it.
struct Ends {
    signals: [Signal; 4],
    keys: Option<Keys>,
}

impl Ends {
    fn listen() -> Result<Ends, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::new(Exit::Failed, format!("no signals: {error}")));
        let signals = [
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
            listen(SignalKind::quit())?,
        ];
        Ok(Ends { signals, keys: None })
    }

    /// Waits for something; `None`: it is to end first.
    async fn before<T>(&mut self, something: impl Future<Output = T>) -> Option<T> {
        let [interrupt, terminate, hang_up, quit] = &mut self.signals;
        let keys = async {
            match &mut self.keys {
                Some(keys) => keys.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
            _ = hang_up.recv() => None,
            _ = quit.recv() => None,
            () = keys => None,
            done = something => Some(done),
        }
    }
}
