//! `strangler replay`: a corpus sent to both sides, compared, and judged for CI.

mod arguments;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use strangler_core::compare::Compared;
use strangler_core::config::suggest;
use strangler_core::config::{Severity, SourceText};
use strangler_core::evidence::report::Strictness;
use strangler_core::evidence::verdict::State;
use strangler_core::snapshot::Snapshot;
use strangler_core::words::Share;

pub(super) use arguments::ReplayArguments;
use arguments::{FailOnArgument, ShareArgument, settings};

use super::output::Output;
use super::report::{Document, Format, Sides};
use super::{DEFAULT_FILE, Exit, Failure, Outcome, client};
use crate::corpus::{CorpusError, Ending, Limits, Reader};
use crate::live::compile;
use crate::live::source::Source;
use crate::replay::{
    Conclusion, Demands, FailOn, Gathered, Item, Judged, LeftOut, Loader, RunError, SelfTest, Settings,
    as_recorded, with_context,
};

/// Of the bound against `--max-mismatch`, in hundredths of a percent.
const CONFIDENCE: u16 = 9_500;

/// Between two lines of progress on a terminal.
const PROGRESS_STEP: Duration = Duration::from_millis(200);

pub(super) fn run(arguments: &ReplayArguments, output: &Output) -> Outcome {
    let mut reader = opened(&arguments.corpus)?;
    if arguments.print_config {
        return print_config(&reader, arguments, output);
    }
    let snapshot = rules(&reader, arguments, output)?;
    if let Some(slice) = &arguments.slice
        && !snapshot.slices.iter().any(|known| *known.name == **slice)
    {
        let names: Vec<&str> = snapshot.slices.iter().map(|known| &*known.name).collect();
        let help = suggest::help(slice, &names).map(|help| format!("\n  {help}")).unwrap_or_default();
        return Err(Failure::new(Exit::Invalid, format!("there is no slice `{slice}` in the rules{help}")));
    }
    let settings = settings(arguments)?;
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let mut random = fastrand::Rng::with_seed(seed);
    let mut gathered = Gathered::new(&snapshot);
    let mut self_test = arguments.self_test.then(|| SelfTest { seed, ..SelfTest::default() });
    let mut progress = Progress::new(output);
    let baseline: BTreeSet<String> = reader
        .bundle()
        .into_iter()
        .flat_map(|bundle| &bundle.baseline)
        .map(|one| one.signature.clone())
        .collect();
    let mut tell = |item: &Item, judged: Option<Judged>| {
        progress.step();
        gathered.add(item, judged.as_ref());
        if let (
            Some(self_test),
            Some(Judged { compared: Compared::Compared(_), pair: Some((legacy, extracted)), .. }),
        ) = (&mut self_test, &judged)
        {
            with_context(&snapshot, &settings, item, |context| {
                self_test.add(context, &legacy.reply, &extracted.reply, &mut |n| random.usize(..n));
            });
        }
    };
    let left_out = Cell::new((0, 0));
    let ended = send(&mut reader, &snapshot, &settings, arguments.slice.clone(), &left_out, &mut tell)?;
    let (unrouted, elsewhere) = left_out.get();
    gathered.left_out(LeftOut::NoRoute, unrouted);
    gathered.left_out(LeftOut::OtherSlice, elsewhere);
    progress.end();
    let unreachable = match ended {
        Ok(()) => None,
        Err(error @ RunError::Identity(_)) => return Err(Failure::new(Exit::Unreachable, error.to_string())),
        Err(RunError::Corpus(error)) => return Err(corpus_failure(&arguments.corpus, &error)),
        Err(error) => Some(error.to_string()),
    };
    let torn = matches!(reader.ending(), Some(Ending::Torn));
    if torn {
        output.note(&format!(
            "{} ends where its writer was stopped: what came after is missing",
            arguments.corpus.display()
        ));
    }
    if let Some(self_test) = self_test {
        return Ok(told_self_test(&self_test, unreachable, arguments.min_caught, arguments, output));
    }
    let strictness = if arguments.strict { Strictness::Strict } else { Strictness::Usual };
    let conclusion = gathered.conclude(&Demands {
        fail_on: match arguments.fail_on {
            FailOnArgument::New => FailOn::New,
            FailOnArgument::Any => FailOn::Any,
            FailOnArgument::Never => FailOn::Never,
        },
        baseline,
        max_mismatch: arguments.max_mismatch.map(|ShareArgument(share)| share),
        min_samples: arguments.min_samples,
        confidence: Share::from_basis_points(CONFIDENCE).unwrap_or(Share::ALL),
        strictness,
    });
    let facts = RunFacts { unreachable, seed, torn };
    Ok(told(conclusion, facts, arguments, output))
}

fn opened(path: &Path) -> Result<Reader, Failure> {
    Reader::open(path, Limits::default()).map_err(|error| corpus_failure(path, &error))
}

fn corpus_failure(path: &Path, error: &CorpusError) -> Failure {
    Failure::new(Exit::Invalid, format!("{}: {error}", path.display()))
}

/// The rules that are compared by.
fn rules(reader: &Reader, arguments: &ReplayArguments, output: &Output) -> Result<Arc<Snapshot>, Failure> {
    let source = match (&arguments.config, reader.bundle()) {
        (Some(file), _) => Source::File(file.clone()),
        (None, Some(bundle)) => {
            let name = format!("{} (rules)", arguments.corpus.display());
            Source::Text(SourceText { name, text: bundle.configuration.clone() })
        }
        (None, None) => Source::File(PathBuf::from(DEFAULT_FILE)),
    };
    let named = match &source {
        Source::File(file) => file.display().to_string(),
        Source::Text(text) => text.name.clone(),
    };
    let diagnostics = match source.read() {
        Ok(sources) => {
            let loaded = compile::load(&sources, source.base());
            match loaded.snapshot {
                Some(snapshot) => return Ok(snapshot),
                None => loaded.diagnostics,
            }
        }
        Err(unreadable) => unreadable.diagnostics,
    };
    let errors: Vec<_> = diagnostics.into_iter().filter(|one| one.severity == Severity::Error).collect();
    if !output.json {
        output.diagnostics(&errors);
    }
    let message = format!("the rules cannot be had from {named}; --config names another file");
    Err(Failure::new(Exit::Invalid, message))
}

fn print_config(reader: &Reader, arguments: &ReplayArguments, output: &Output) -> Outcome {
    let Some(bundle) = reader.bundle() else {
        let message = format!(
            "{} is a corpus without rules; `strangler bundle` writes one with them",
            arguments.corpus.display()
        );
        return Err(Failure::new(Exit::Invalid, message));
    };
    if output.json {
        output.json(&serde_json::json!({ "slice": bundle.slice, "configuration": bundle.configuration }));
    } else {
        output.text(&bundle.configuration);
    }
    Ok(Exit::Pass)
}

/// Sends the corpus on a small runtime of its own.
fn send(
    reader: &mut Reader,
    snapshot: &Snapshot,
    settings: &Settings,
    slice: Option<String>,
    left_out: &Cell<(u64, u64)>,
    told: &mut dyn FnMut(&Item, Option<Judged>),
) -> Result<Result<(), RunError<CorpusError>>, Failure> {
    let mut loader = Loader::new(snapshot, slice);
    let items = std::iter::from_fn(|| {
        loop {
            let exchange = match reader.next_exchange() {
                Ok(exchange) => exchange?,
                Err(error) => return Some(Err(error)),
            };
            match loader.item(&exchange) {
                Ok(item) => return Some(Ok(item)),
                Err(LeftOut::NoRoute) => left_out.set((left_out.get().0 + 1, left_out.get().1)),
                Err(LeftOut::OtherSlice) => left_out.set((left_out.get().0, left_out.get().1 + 1)),
            }
        }
    });
    let redact = |item: &Item, reply| as_recorded(snapshot, item, reply);
    let runtime = client::runtime()?;
    Ok(runtime.block_on(crate::replay::run(items, snapshot, settings, &redact, told)))
}

/// What is told of a run beside what it has found.
struct RunFacts {
    /// Why it ended before its corpus did.
    unreachable: Option<String>,
    seed: u64,
    /// Whether the corpus ends where its writer was stopped.
    torn: bool,
}

fn told(conclusion: Conclusion, facts: RunFacts, arguments: &ReplayArguments, output: &Output) -> Exit {
    let RunFacts { unreachable, seed, torn } = facts;
    let Conclusion { report, verdict, counts, mut summary, tolerated, expired } = conclusion;
    let by_verdict = match verdict.state {
        State::Pass => Exit::Pass,
        State::Failed => Exit::Failed,
        State::Insufficient => Exit::Insufficient,
    };
    let failed = verdict.conditions.iter().any(|condition| condition.state == State::Failed);
    let exit = Exit::first(
        [
            Some(by_verdict),
            failed.then_some(Exit::Failed),
            expired.then_some(Exit::Expired),
            unreachable.is_some().then_some(Exit::Unreachable),
        ]
        .into_iter()
        .flatten(),
    );
    if torn {
        summary.push("The corpus ends where its writer was stopped: what came after is missing.".to_owned());
    }
    if let Some(why) = &unreachable {
        summary.insert(0, format!("The replay ended early: {why}."));
    }
    let mut sides = Sides::new();
    if let (Some(primary), Some(candidate)) = (&arguments.primary, &arguments.candidate)
        && primary != "recorded"
    {
        let both = (primary.clone(), candidate.clone());
        sides.extend(report.slices.iter().map(|slice| (slice.slice.clone(), both.clone())));
    }
    let mut more = serde_json::Map::new();
    more.insert("replay".to_owned(), serde_json::to_value(&counts).unwrap_or_default());
    more.insert("verdict".to_owned(), serde_json::to_value(&verdict).unwrap_or_default());
    more.insert("seed".to_owned(), seed.into());
    more.insert("torn".to_owned(), torn.into());
    let document = Document {
        report: &report,
        exit,
        summary: &summary,
        verdict: Some(&verdict),
        tolerated: &tolerated,
        sides: &sides,
        more,
    };
    document.print(arguments.form.format, output);
    if let Some(why) = unreachable {
        output.failure(&why);
    }
    exit
}

fn told_self_test(
    self_test: &SelfTest,
    unreachable: Option<String>,
    min_caught: Option<ShareArgument>,
    arguments: &ReplayArguments,
    output: &Output,
) -> Exit {
    let (made, caught) = self_test.total();
    // In whole numbers: 90 % of 10 are 9.
    let is_below = |ShareArgument(share): ShareArgument| {
        u128::from(caught) * 10_000 < u128::from(made) * u128::from(share.basis_points())
    };
    let exit = Exit::first(
        [
            unreachable.is_some().then_some(Exit::Unreachable),
            (made == 0).then_some(Exit::Insufficient),
            min_caught.is_some_and(is_below).then_some(Exit::Failed),
        ]
        .into_iter()
        .flatten(),
    );
    if output.json || arguments.form.format == Format::Json {
        output.json(&serde_json::json!({ "self_test": self_test, "exit_code": exit.code() }));
    } else {
        output.text(&super::report::self_test(self_test));
    }
    if let Some(why) = unreachable {
        output.failure(&why);
    }
    exit
}

/// How far a replay is, on a terminal.
struct Progress {
    is_shown: bool,
    done: u64,
    told: Instant,
}

impl Progress {
    fn new(output: &Output) -> Progress {
        let is_shown = !output.json && std::io::stderr().is_terminal();
        Progress { is_shown, done: 0, told: Instant::now() }
    }

    fn step(&mut self) {
        self.done += 1;
        if self.is_shown && self.told.elapsed() >= PROGRESS_STEP {
            self.told = Instant::now();
            drop(write!(std::io::stderr(), "\r{} exchanges replayed", self.done));
        }
    }

    fn end(&self) {
        if self.is_shown {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
    }
}
