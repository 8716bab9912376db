//! What `strangler replay` is told, and the settings that follow from it.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use http::{HeaderName, HeaderValue};
use strangler_core::config;
use strangler_core::words::Share;

use crate::cli::report::FormArguments;
use crate::cli::{Exit, Failure};
use crate::replay::{Methods, Pace, Primary, Settings, Side};

/// Bytes of a body that are compared, as `shadow.body_max` has it.
const BODY_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArguments {
    /// What `strangler record` or `strangler bundle` wrote
    pub(super) corpus: PathBuf,
    /// Who is right: the monolith's address, or `recorded` for what it answered then
    #[arg(long, value_name = "URL|recorded", required_unless_present = "print_config")]
    pub(super) primary: Option<String>,
    /// Who is to take over: the extracted service's address
    #[arg(long, value_name = "URL", required_unless_present = "print_config")]
    pub(super) candidate: Option<String>,
    /// The rules [default: those of the bundle; of a corpus config/strangler.toml]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Only this slice
    #[arg(long, value_name = "SLICE")]
    pub(super) slice: Option<String>,
    /// Which requests are sent: `safe`, `all`, or methods such as GET,POST
    #[arg(long, value_name = "METHODS", default_value = "safe")]
    pub(super) methods: String,
    /// Requests at a time
    #[arg(long, value_name = "N", default_value = "4")]
    pub(super) concurrency: NonZeroU16,
    /// When requests are sent
    #[arg(long, value_enum, default_value = "asap")]
    pub(super) pace: PaceArgument,
    /// Where chance begins, so that a run can be repeated [default: drawn, and told]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// A header line on every request to the primary, such as 'authorization: Bearer …'
    #[arg(long, value_name = "LINE")]
    pub(super) primary_header: Vec<String>,
    /// A header line on every request to the candidate
    #[arg(long, value_name = "LINE")]
    pub(super) candidate_header: Vec<String>,
    /// A command that prints fresh credentials as header lines, run once for each recorded identity and side, with
    /// STRANGLER_IDENTITY, STRANGLER_SIDE and STRANGLER_URL set
    #[arg(long, value_name = "CMD")]
    pub(super) identities: Option<String>,
    /// What fails a replay: a signature that the baseline does not have, any that nobody accepted, or none
    #[arg(long, value_enum, default_value = "new")]
    pub(super) fail_on: FailOnArgument,
    /// Fewer comparisons are insufficient evidence
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) min_samples: u64,
    /// Mismatches must be rarer, at 95 % confidence, such as 0.5%
    #[arg(long, value_name = "SHARE")]
    pub(super) max_mismatch: Option<ShareArgument>,
    /// Exit with 5 when an accepted difference has expired
    #[arg(long)]
    pub(super) strict: bool,
    /// A request may take so long, such as 10s
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub(super) timeout: DurationArgument,
    /// Do not ask again where answers differ
    #[arg(long)]
    pub(super) no_recheck: bool,
    /// Ask a live primary twice for so many of the reads, such as 10%, to learn what differs by itself [default:
    /// `shadow.repeat` of the rules]
    #[arg(long, value_name = "SHARE")]
    pub(super) repeat: Option<ShareArgument>,
    /// Put mistakes into the candidate's answers, and tell which the rules notice
    #[arg(long)]
    pub(super) self_test: bool,
    /// Fail the self-test when fewer mistakes are noticed, such as 90%
    #[arg(long, value_name = "SHARE", requires = "self_test")]
    pub(super) min_caught: Option<ShareArgument>,
    /// Print the rules of a bundle as a configuration, and send nothing
    #[arg(long)]
    pub(super) print_config: bool,
    #[command(flatten)]
    pub(super) form: FormArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum PaceArgument {
    /// As soon as there is room.
    Asap,
    /// As they came.
    Recorded,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FailOnArgument {
    /// A signature that the baseline does not have.
    New,
    /// Any signature that nobody accepted.
    Any,
    /// None: only the rate and the amount of evidence are judged.
    Never,
}

/// A duration such as `10s`.
#[derive(Clone, Copy, Debug)]
pub(super) struct DurationArgument(pub(super) Duration);

impl std::str::FromStr for DurationArgument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<DurationArgument, &'static str> {
        let duration = config::parse_duration(text).filter(|duration| !duration.is_zero());
        duration.map(DurationArgument).ok_or("write a number and its unit, such as 250ms or 10s")
    }
}

/// A share such as `0.5%`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShareArgument(pub(super) Share);

impl std::str::FromStr for ShareArgument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ShareArgument, &'static str> {
        config::parse_share(text).map(ShareArgument).ok_or("write a share such as 0.5%")
    }
}

/// How a corpus is sent, as the arguments say.
pub(super) fn settings(arguments: &ReplayArguments) -> Result<Settings, Failure> {
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
        repeat: arguments.repeat.map(|ShareArgument(share)| share),
    })
}
