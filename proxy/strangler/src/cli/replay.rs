//! `strangler replay`: a corpus sent to both sides, compared, and judged for CI.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use http::{HeaderName, HeaderValue};
use strangler_core::compare::Compared;
use strangler_core::config::{self, Severity, SourceText};
use strangler_core::evidence::report::Strictness;
use strangler_core::evidence::verdict::State;
use strangler_core::snapshot::Snapshot;
use strangler_core::words::Share;

use super::output::Output;
use super::report::{Document, FormArguments, Format, Sides};
use super::{DEFAULT_FILE, Exit, Failure, Outcome, client};
use crate::corpus::{CorpusError, Ending, Limits, Reader};
use crate::live::compile;
use crate::live::source::Source;
use crate::replay::{
    Conclusion, Demands, FailOn, Gathered, Item, Judged, LeftOut, Loader, Methods, Pace, Primary, RunError,
    SelfTest, Settings, Side, as_recorded, with_context,
};

/// Bytes of a body that are compared, as `shadow.body_max` has it.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Of the bound against `--max-mismatch`, in hundredths of a percent.
const CONFIDENCE: u16 = 9_500;

/// Between two lines of progress on a terminal.
const PROGRESS_STEP: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// What `strangler record` or `strangler bundle` wrote
    corpus: PathBuf,
    /// Who is right: the monolith's address, or `recorded` for what it answered then
    #[arg(long, value_name = "URL|recorded", required_unless_present = "print_config")]
    primary: Option<String>,
    /// Who is to take over: the extracted service's address
    #[arg(long, value_name = "URL", required_unless_present = "print_config")]
    candidate: Option<String>,
    /// The rules [default: those of the bundle; of a corpus config/strangler.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only this slice
    #[arg(long, value_name = "SLICE")]
    slice: Option<String>,
    /// Which requests are sent: `safe`, `all`, or methods such as GET,POST
    #[arg(long, value_name = "METHODS", default_value = "safe")]
    methods: String,
    /// Requests at a time
    #[arg(long, value_name = "N", default_value = "4")]
    concurrency: NonZeroU16,
    /// When requests are sent
    #[arg(long, value_enum, default_value = "asap")]
    pace: PaceArgument,
    /// Where chance begins, so that a run can be repeated [default: drawn, and told]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// A header line on every request to the primary, such as 'authorization: Bearer …'
    #[arg(long, value_name = "LINE")]
    primary_header: Vec<String>,
    /// A header line on every request to the candidate
    #[arg(long, value_name = "LINE")]
    candidate_header: Vec<String>,
    /// A command that prints fresh credentials as header lines, run once for each recorded identity and side, with
    /// STRANGLER_IDENTITY, STRANGLER_SIDE and STRANGLER_URL set
    #[arg(long, value_name = "CMD")]
    identities: Option<String>,
    /// What fails a replay: a signature that the baseline does not have, any that nobody accepted, or none
    #[arg(long, value_enum, default_value = "new")]
    fail_on: FailOnArgument,
    /// Fewer comparisons are insufficient evidence
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_samples: u64,
    /// Mismatches must be rarer, at 95 % confidence, such as 0.5%
    #[arg(long, value_name = "SHARE")]
    max_mismatch: Option<ShareArgument>,
    /// Exit with 5 when an accepted difference has expired
    #[arg(long)]
    strict: bool,
    /// A request may take so long, such as 10s
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    timeout: DurationArgument,
    /// Do not ask again where answers differ
    #[arg(long)]
    no_recheck: bool,
    /// Put mistakes into the candidate's answers, and tell which the rules notice
    #[arg(long)]
    self_test: bool,
    /// Fail the self-test when fewer mistakes are noticed, such as 90%
    #[arg(long, value_name = "SHARE", requires = "self_test")]
    min_caught: Option<ShareArgument>,
    /// Print the rules of a bundle as a configuration, and send nothing
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    form: FormArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PaceArgument {
    /// As soon as there is room.
    Asap,
    /// As they came.
    Recorded,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailOnArgument {
    /// A signature that the baseline does not have.
    New,
    /// Any signature that nobody accepted.
    Any,
    /// None: only the rate and the amount of evidence are judged.
    Never,
}

/// A duration such as `10s`.
#[derive(Clone, Copy, Debug)]
struct DurationArgument(Duration);

impl std::str::FromStr for DurationArgument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<DurationArgument, &'static str> {
        let duration = config::parse_duration(text).filter(|duration| !duration.is_zero());
        duration.map(DurationArgument).ok_or("write a number and its unit, such as 250ms or 10s")
    }
}

/// A share such as `0.5%`.
#[derive(Clone, Copy, Debug)]
struct ShareArgument(Share);

impl std::str::FromStr for ShareArgument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ShareArgument, &'static str> {
        config::parse_share(text).map(ShareArgument).ok_or("write a share such as 0.5%")
    }
}

pub(super) fn run(arguments: &ReplayArguments, output: &Output) -> Outcome {
    let mut reader = opened(&arguments.corpus)?;
    if arguments.print_config {
        return print_config(&reader, arguments, output);
    }
    let snapshot = rules(&reader, arguments, output)?;
    if let Some(slice) = &arguments.slice
        && !snapshot.slices.iter().any(|known| *known.name == **slice)
    {
        return Err(Failure::new(Exit::Invalid, format!("there is no slice `{slice}` in the rules")));
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
            Some(Judged { compared: Compared::Compared(_), pair: Some((legacy, extracted)) }),
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
    if matches!(reader.ending(), Some(Ending::Torn)) {
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
    Ok(told(conclusion, unreachable, seed, arguments, output))
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

fn settings(arguments: &ReplayArguments) -> Result<Settings, Failure> {
    let invalid = |what: &str, why: String| Failure::new(Exit::Invalid, format!("{what}: {why}"));
    let DurationArgument(timeout) = arguments.timeout;
    let side = |what: &str, url: &str| {
        Side::parse(url, timeout, BODY_BYTES_MAX).map_err(|why| invalid(&format!("{what} {url}"), why))
    };
    let primary = match arguments.primary.as_deref() {
        Some("recorded") => Primary::Recorded,
        Some(url) => Primary::Live(side("--primary", url)?),
        None => return Err(invalid("--primary", "it is missing".to_owned())),
    };
    let candidate =
        arguments.candidate.as_deref().ok_or_else(|| invalid("--candidate", "it is missing".to_owned()))?;
    let lines = |what: &str, lines: &[String]| -> Result<Vec<(HeaderName, HeaderValue)>, Failure> {
        let line = |line: &String| {
            // Not repeated: it may hold a token.
            let bad = || invalid(what, "this is no header line; write 'name: value'".to_owned());
            let (name, value) = line.split_once(':').ok_or_else(bad)?;
            let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| bad())?;
            Ok((name, HeaderValue::from_str(value.trim()).map_err(|_| bad())?))
        };
        lines.iter().map(line).collect()
    };
    let methods = match arguments.methods.as_str() {
        "safe" => Methods::Safe,
        "all" => Methods::All,
        list => {
            let methods: Vec<String> = list.split(',').map(|method| method.trim().to_owned()).collect();
            let is_method = |method: &String| {
                !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
            };
            if !methods.iter().all(is_method) {
                return Err(invalid("--methods", "write safe, all, or methods such as GET,POST".to_owned()));
            }
            Methods::These(methods)
        }
    };
    Ok(Settings {
        candidate: side("--candidate", candidate)?,
        primary,
        methods,
        concurrency: arguments.concurrency,
        pace: match arguments.pace {
            PaceArgument::Asap => Pace::Asap,
            PaceArgument::Recorded => Pace::Recorded,
        },
        primary_headers: lines("--primary-header", &arguments.primary_header)?,
        candidate_headers: lines("--candidate-header", &arguments.candidate_header)?,
        identities: arguments.identities.clone(),
        recheck: !arguments.no_recheck,
    })
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

fn told(
    conclusion: Conclusion,
    unreachable: Option<String>,
    seed: u64,
    arguments: &ReplayArguments,
    output: &Output,
) -> Exit {
    let Conclusion { report, verdict, counts, mut summary, expired } = conclusion;
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
    let document =
        Document { report: &report, exit, summary: &summary, verdict: Some(&verdict), sides: &sides, more };
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
