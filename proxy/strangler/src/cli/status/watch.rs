//! `status --watch`: redrawn every second on a terminal, one line per change elsewhere.
//!
//! On a terminal `q` and Ctrl-C end it, and the terminal is left as it was. Elsewhere nothing but text is written.

use std::io::{IsTerminal, Read, stdin};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcsetattr};

use super::{StatusArguments, WATCH_STEP, render};
use crate::cli::output::Output;
use crate::cli::target::AdminTarget;
use crate::cli::{Exit, Failure, Outcome, client};

/// Clears the screen and goes to its first cell.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// What ends it: `q`, and Ctrl-C as a terminal sends it while it makes no signal of it.
const ENDS: [u8; 3] = [b'q', b'Q', 3];

pub(super) fn run(target: &AdminTarget, arguments: &StatusArguments, output: &Output) -> Outcome {
    let slice = arguments.slice.as_deref();
    if output.is_terminal() { redraw(target, slice, output) } else { lines(target, slice, output) }
}

/// The whole state, again and again.
fn redraw(target: &AdminTarget, slice: Option<&str>, output: &Output) -> Outcome {
    let keys = Keys::open();
    loop {
        let text = seen(super::look(target, slice, output))?;
        output.text(&format!("{CLEAR}{text}\nq: end\n"));
        if keys.ended()? {
            return Ok(Exit::Pass);
        }
    }
}

/// One line per change; with `--json` one document per look.
fn lines(target: &AdminTarget, slice: Option<&str>, output: &Output) -> Outcome {
    let mut last = String::new();
    loop {
        let line = if output.json {
            seen(super::look(target, slice, output))?
        } else {
            let line = seen(super::report(target, slice).map(|report| render::line(&report)))?;
            format!("{}\n", line.trim_end().lines().next().unwrap_or_default())
        };
        if output.json || line != last {
            let time = crate::live::report::now();
            output.text(&if output.json { line.clone() } else { format!("{time} {line}") });
            last = line;
        }
        if pause()? {
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

/// Waits for the next look; whether Ctrl-C came first.
fn pause() -> Result<bool, Failure> {
    let runtime = client::runtime()?;
    Ok(runtime.block_on(async { tokio::time::timeout(WATCH_STEP, tokio::signal::ctrl_c()).await.is_ok() }))
}

/// Keys as they are pressed; the terminal is as it was once this is dropped.
struct Keys(Option<Termios>);

impl Keys {
    fn open() -> Keys {
        let input = stdin();
        if !input.is_terminal() || !isatty(&input) {
            return Keys(None);
        }
        let Ok(before) = tcgetattr(&input) else { return Keys(None) };
        let mut raw = before.clone();
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        // A read returns with a key, or after ten tenths of a second without one.
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = 10;
        let is_set = tcsetattr(&input, OptionalActions::Now, &raw).is_ok();
        Keys(is_set.then_some(before))
    }

    /// Waits about a second; whether somebody wants it to end.
    fn ended(&self) -> Result<bool, Failure> {
        if self.0.is_none() {
            return pause();
        }
        let mut key = [0];
        Ok(match stdin().lock().read(&mut key) {
            Ok(0) => false,
            Ok(_) => ENDS.contains(&key[0]),
            Err(_) => true,
        })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // The process ends: there is nobody to tell.
            let _restored = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}
