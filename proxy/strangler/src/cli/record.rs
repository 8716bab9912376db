//! `strangler record`: redacted exchanges into a file, as they happen.
//!
//! What comes from the proxy is redacted already; this command only packs it, two frames a second, so that what is there
//! when it is killed can be read.

use std::io::{IsTerminal, Write, stderr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::client::{self, Pieces};
use super::output::{Output, plural};
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Failure, Outcome};
use crate::corpus::{CorpusError, End, Header, Line, Writer};

/// What has come survives a kill so long after; losing "nothing older than a second" is promised.
const FLUSH_STEP: Duration = Duration::from_millis(500);

/// A line of the proxy is never longer: two bodies of the largest `body_max` in escapes have room.
const LINE_BYTES_MAX: usize = 256 << 20;

#[derive(Debug, Args)]
pub(super) struct RecordArguments {
    /// The corpus to write, in place of one that is there
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Only this slice
    #[arg(long)]
    slice: Option<String>,
    /// Stop after this time, such as 10m [default: until interrupted]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    length: Option<Duration>,
    /// Stop after so many exchanges
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    #[command(flatten)]
    admin: AdminArguments,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Recorded {
    pub(super) file: String,
    pub(super) exchanges: u64,
    pub(super) dropped: u64,
    /// The proxy ended the recording, and not its loss.
    pub(super) whole: bool,
}

pub(super) fn run(arguments: &RecordArguments, output: &Output) -> Outcome {
    let target = AdminTarget::resolve(&arguments.admin)?;
    let wanted = Wanted { slice: arguments.slice.clone(), length: arguments.length, max: arguments.max };
    let recorded = record(&target, &wanted, &arguments.out, None)?;
    tell(&recorded, output)
}

/// Says what was recorded. Nothing at all is no corpus to judge anything by.
pub(super) fn tell(recorded: &Recorded, output: &Output) -> Outcome {
    if output.json {
        output.json(recorded);
    } else {
        let exchanges = plural(usize::try_from(recorded.exchanges).unwrap_or(usize::MAX), "exchange");
        output.line(&format!("{exchanges} in {}", recorded.file));
        if recorded.dropped > 0 {
            output.line(&format!(
                "{} were left out: they came faster than they could be written",
                recorded.dropped
            ));
        }
        if !recorded.whole {
            output.line("the proxy went away before the recording ended; what came before is whole");
        }
        if recorded.exchanges == 0 {
            output.line("only requests of slices are recorded, in whatever phase: see `strangler status`");
        }
    }
    Ok(match (recorded.exchanges, recorded.whole) {
        (0, _) => Exit::Insufficient,
        (_, false) => Exit::Unreachable,
        (_, true) => Exit::Pass,
    })
}

/// What to record.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) slice: Option<String>,
    pub(super) length: Option<Duration>,
    pub(super) max: Option<u64>,
}

/// Records into a file, after a bundle's own line where there is one.
pub(super) fn record(
    target: &AdminTarget,
    wanted: &Wanted,
    out: &Path,
    bundle: Option<Line>,
) -> Result<Recorded, Failure> {
    let mut path = "/api/record?".to_owned();
    if let Some(slice) = &wanted.slice {
        path.push_str(&format!("slice={}&", client::encoded(slice)));
    }
    if let Some(max) = wanted.max {
        path.push_str(&format!("max={max}&"));
    }
    if let Some(length) = wanted.length {
        path.push_str(&format!("seconds={}&", length.as_secs().max(1)));
    }
    client::runtime()?.block_on(async {
        let mut lines = Lines {
            pieces: client::stream(target, path.trim_end_matches(['&', '?'])).await?,
            held: Vec::new(),
        };
        let Some(Line::Header(header)) = lines.next().await? else {
            return Err(Failure::new(Exit::Unreachable, "the proxy's answer is of another version"));
        };
        receive(&mut lines, header, out, bundle).await
    })
}

async fn receive(
    lines: &mut Lines,
    header: Header,
    out: &Path,
    bundle: Option<Line>,
) -> Result<Recorded, Failure> {
    let cannot = |error: CorpusError| {
        Failure::new(Exit::Invalid, format!("{} cannot be written: {error}", out.display()))
    };
    let mut writer = Writer::create(out, header).map_err(cannot)?;
    if let Some(bundle) = &bundle {
        writer.line(bundle).map_err(cannot)?;
    }
    let mut progress = Progress::new();
    let mut flush = tokio::time::interval(FLUSH_STEP);
    let mut end: Option<End> = None;
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        let line = tokio::select! {
            line = lines.next() => line?,
            _ = flush.tick() => {
                writer.flush().map_err(cannot)?;
                progress.show(writer.exchanges());
                continue;
            }
            _ = &mut interrupted => {
                end = Some(End { exchanges: writer.exchanges(), dropped: 0 });
                None
            }
        };
        match line {
            Some(Line::End(last)) => end = Some(last),
            Some(line @ Line::Exchange(_)) => writer.line(&line).map_err(cannot)?,
            Some(Line::Header(_) | Line::Bundle(_) | Line::Unknown) => {}
            None => break,
        }
        if end.is_some() {
            break;
        }
    }
    progress.end();
    let (exchanges, dropped) = (writer.exchanges(), end.as_ref().map_or(0, |end| end.dropped));
    match &end {
        Some(_) => drop(writer.end(dropped).map_err(cannot)?),
        None => writer.flush().map_err(cannot)?,
    }
    Ok(Recorded { file: out.display().to_string(), exchanges, dropped, whole: end.is_some() })
}

/// Lines of the proxy's answer.
struct Lines {
    pieces: Pieces,
    held: Vec<u8>,
}

impl Lines {
    /// The next line; `None`: the answer has ended.
    async fn next(&mut self) -> Result<Option<Line>, Failure> {
        loop {
            while let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                if line.len() > 1 {
                    return match serde_json::from_slice(&line) {
                        Ok(line) => Ok(Some(line)),
                        Err(error) => {
                            let why = format!("the proxy's answer cannot be read: {error}");
                            Err(Failure::new(Exit::Unreachable, why))
                        }
                    };
                }
            }
            if self.held.len() > LINE_BYTES_MAX {
                return Err(Failure::new(Exit::Unreachable, "a line of the proxy's answer is too long"));
            }
            match self.pieces.next().await {
                Some(piece) => self.held.extend_from_slice(&piece),
                None => return Ok(None),
            }
        }
    }
}

/// How far it is, for somebody who looks at a terminal.
struct Progress {
    started: Instant,
    shows: bool,
}

impl Progress {
    fn new() -> Progress {
        Progress { started: Instant::now(), shows: stderr().is_terminal() }
    }

    fn show(&self, exchanges: u64) {
        if self.shows {
            let seconds = self.started.elapsed().as_secs();
            drop(write!(stderr(), "\r{exchanges} exchanges, {seconds} s ").and_then(|()| stderr().flush()));
        }
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.shows) {
            drop(writeln!(stderr()));
        }
    }
}

/// A duration as the configuration writes it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 =
        number.parse().map_err(|_| "write a number with its unit, such as 30s, 10m or 1h".to_owned())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("the unit is s, m, h or d, such as 10m".to_owned()),
    };
    number
        .checked_mul(seconds)
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| "the time is zero or too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, wanted) in [
            ("30s", Some(30)),
            ("10m", Some(600)),
            ("2h", Some(7200)),
            ("1d", Some(86_400)),
            ("10", None),
            ("m", None),
            ("0s", None),
            ("1w", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(duration(text).ok(), wanted.map(Duration::from_secs), "{text}");
        }
    }
}
