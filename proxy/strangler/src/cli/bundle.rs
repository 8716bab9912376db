//! `strangler bundle`: rules, known differences and exchanges of a slice in one file, for the service's own repository.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::{Method, StatusCode};

use super::output::Output;
use super::record::{Recorded, Wanted, duration, record, tell};
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Failure, Outcome, client};
use crate::corpus::{CorpusError, Ending, Header, Limits, Line, Reader, Writer};

/// Without a corpus, exchanges are recorded for so long at most.
const LENGTH_DEFAULT: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(super) struct BundleArguments {
    /// The slice
    slice: String,
    /// The bundle to write, in place of one that is there
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Take the slice's exchanges from this corpus, instead of recording some now
    #[arg(long, value_name = "FILE", conflicts_with_all = ["length", "max"])]
    corpus: Option<PathBuf>,
    /// Record for this time [default: 1m]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    length: Option<Duration>,
    /// Record at most so many exchanges
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(super) fn run(arguments: &BundleArguments, output: &Output) -> Outcome {
    let target = AdminTarget::resolve(&arguments.admin)?;
    let path = format!("/api/bundle?slice={}", client::encoded(&arguments.slice));
    let answer = client::ask(&target, Method::GET, &path, None)?;
    if answer.status != StatusCode::OK {
        return Err(answer.into_failure());
    }
    let bundle: Line = answer.parse()?;
    let recorded = match &arguments.corpus {
        Some(corpus) => copy(corpus, &arguments.slice, &bundle, &arguments.out)?,
        None => {
            let length = arguments.length.or(arguments.max.is_none().then_some(LENGTH_DEFAULT));
            let wanted = Wanted { slice: Some(arguments.slice.clone()), length, max: arguments.max };
            record(&target, &wanted, &arguments.out, Some(bundle))?
        }
    };
    tell(&recorded, output)
}

/// Exchanges of one slice out of a corpus.
fn copy(corpus: &Path, slice: &str, bundle: &Line, out: &Path) -> Result<Recorded, Failure> {
    let from = |error: CorpusError| Failure::new(Exit::Invalid, format!("{}: {error}", corpus.display()));
    let to = |error: CorpusError| {
        Failure::new(Exit::Invalid, format!("{} cannot be written: {error}", out.display()))
    };
    if is_same(corpus, out) {
        return Err(Failure::new(
            Exit::Invalid,
            "the bundle cannot be written over the corpus it is made of",
        ));
    }
    let mut reader = Reader::open(corpus, Limits::default()).map_err(from)?;
    let header = Header { slice: Some(slice.to_owned()), ..Header::now(reader.header().key.clone(), None) };
    let mut writer = Writer::create(out, header).map_err(to)?;
    writer.line(bundle).map_err(to)?;
    while let Some(exchange) = reader.next_exchange().map_err(from)? {
        if exchange.slice == slice {
            writer.line(&Line::Exchange(Box::new(exchange))).map_err(to)?;
        }
    }
    let dropped = match reader.ending() {
        Some(Ending::Whole(end)) => end.dropped,
        Some(Ending::Torn) | None => 0,
    };
    let exchanges = writer.exchanges();
    drop(writer.end(dropped).map_err(to)?);
    Ok(Recorded { file: out.display().to_string(), exchanges, dropped, whole: true })
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
