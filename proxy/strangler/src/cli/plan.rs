//! `strangler plan`: what a configuration would do in place of another, before anybody lets it.

mod render;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::{Method, StatusCode};
use strangler_core::config::{Sources, parse_duration};
use strangler_core::evidence::verdict::State;
use strangler_core::plan::Impact;
use strangler_core::routing::Facts;

use super::output::Output;
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Failure, Outcome, client};
use crate::admin::plan::{InvalidReport, PlanBody};
use crate::admin::status::StatusReport;
use crate::live::compile::{self, Compiled};
use crate::live::source::Source;
use crate::plan::{self, PlanReport, recorded};

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// The configuration that might serve
    new: PathBuf,
    /// What it is compared with: a file, or `admin` for what the running proxy serves
    #[arg(long, value_name = "FILE|admin", default_value = "admin")]
    against: String,
    /// Requests to decide with both: a recording, an access log, or those of the last such as 24h that the running
    /// proxy remembers [default: all that it remembers, where it is asked]
    #[arg(long, value_name = "FILE|DURATION")]
    traffic: Option<String>,
    /// Fail where evidence is missing for what would get more traffic
    #[arg(long)]
    gate: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

/// Where requests come from.
#[derive(Debug, PartialEq, Eq)]
enum Traffic<'a> {
    /// Nowhere.
    None,
    /// The running proxy; of the last so long.
    Remembered(Option<Duration>),
    /// A file.
    File(&'a Path),
}

pub(super) fn run(arguments: &PlanArguments, output: &Output) -> Outcome {
    let PlanArguments { new, against, traffic, gate, admin } = arguments;
    let against = (against != "admin").then(|| Path::new(against));
    let traffic = match traffic.as_deref() {
        None if against.is_none() => Traffic::Remembered(None),
        None => Traffic::None,
        Some(text) => parse_duration(text)
            .map_or(Traffic::File(Path::new(text)), |duration| Traffic::Remembered(Some(duration))),
    };
    let new = read(new, output)?;
    let report = match (&traffic, against) {
        // A file's requests are decided here: they may be many.
        (Traffic::File(file), _) => {
            let old = match against {
                Some(file) => read(file, output)?,
                None => serving(admin, output)?,
            };
            let report = offline(&old, &new, Some(file), output)?;
            if *gate { with_gate(report, &old, &new, admin, output)? } else { report }
        }
        (Traffic::None, Some(file)) if !gate => offline(&read(file, output)?, &new, None, output)?,
        _ => {
            let against = against.map(|file| read(file, output)).transpose()?;
            let seconds = match traffic {
                Traffic::Remembered(duration) => duration.map(|duration| duration.as_secs()),
                _ => None,
            };
            let body = PlanBody {
                new: new.sources.clone().into(),
                against: against.map(|old| old.sources.into()),
                seconds,
                traffic: matches!(traffic, Traffic::Remembered(_)),
                gate: *gate,
            };
            match ask(admin, &body, output) {
                // A file that nobody could serve is the first thing to tell, and needs no proxy to be told.
                Err(failure) if failure.exit == Exit::Unreachable => {
                    compiled(&new, new.source.base(), output)?;
                    return Err(failure);
                }
                asked => asked?,
            }
        }
    };
    if output.json {
        output.json(&report);
    } else {
        output.text(&render::report(&report, output));
    }
    Ok(exit(&report))
}

/// A configuration as its files say it.
struct Texts {
    source: Source,
    sources: Sources,
}

fn read(file: &Path, output: &Output) -> Result<Texts, Failure> {
    let source = Source::for_command(file.to_owned());
    match source.read() {
        Ok(sources) => Ok(Texts { source, sources }),
        Err(unreadable) => {
            if !output.json {
                output.diagnostics(&unreadable.diagnostics);
            }
            Err(Failure::new(Exit::Invalid, format!("{} cannot be read", file.display())))
        }
    }
}

/// What the running proxy serves, where the file at hand says the same.
fn serving(admin: &AdminArguments, output: &Output) -> Result<Texts, Failure> {
    let target = AdminTarget::resolve(admin)?;
    let answer = client::ask(&target, Method::GET, "/api/status", None)?;
    if answer.status != StatusCode::OK {
        return Err(answer.into_failure());
    }
    let status: StatusReport = answer.parse()?;
    let texts = read(&admin.config, output)?;
    let configuration = &status.configuration;
    if crate::edit::hash_for(&texts.sources, &configuration.files).as_ref() != Some(&configuration.hash) {
        let message = format!(
            "the running proxy serves something else than {} says, so that requests of a file cannot be decided \
             against it here: name what to compare with, by --config or by --against FILE",
            admin.config.display()
        );
        return Err(Failure::new(Exit::Invalid, message));
    }
    Ok(texts)
}

/// Everything from files.
fn offline(old: &Texts, new: &Texts, traffic: Option<&Path>, output: &Output) -> Result<PlanReport, Failure> {
    // The new configuration would stand where the old one does: its relative paths are taken from there.
    let base = old.source.base();
    let (before, after) = (compiled(old, base, output)?, compiled(new, base, output)?);
    let against = old.sources.main.name.as_str();
    let report = plan::compare((&before.snapshot, Facts::NONE), (&after, Facts::NONE), against);
    let Some(file) = traffic else { return Ok(report) };
    let impact = Impact::new((&before.snapshot, Facts::NONE), (&after.snapshot, Facts::NONE));
    let traffic = recorded::count(file, impact)
        .map_err(|error| Failure::new(Exit::Invalid, format!("{}: {error}", file.display())))?;
    Ok(report.with_traffic(traffic))
}

fn compiled(texts: &Texts, base: &Path, output: &Output) -> Result<Compiled, Failure> {
    compile::compile(&texts.sources, base).map_err(|diagnostics| {
        if !output.json {
            output.diagnostics(&diagnostics);
        }
        let file = &texts.sources.main.name;
        Failure::new(Exit::Invalid, format!("{file} is invalid: see `strangler check {file}`"))
    })
}

/// The evidence, which only the running proxy has.
fn with_gate(
    report: PlanReport,
    old: &Texts,
    new: &Texts,
    admin: &AdminArguments,
    output: &Output,
) -> Result<PlanReport, Failure> {
    let body = PlanBody {
        new: new.sources.clone().into(),
        against: Some(old.sources.clone().into()),
        seconds: None,
        traffic: false,
        gate: true,
    };
    let asked = ask(admin, &body, output)?;
    Ok(report.with_gate(asked.gate.unwrap_or_default()))
}

fn ask(admin: &AdminArguments, body: &PlanBody, output: &Output) -> Result<PlanReport, Failure> {
    let target = AdminTarget::resolve(admin)?;
    let body = serde_json::to_value(body)
        .map_err(|error| Failure::new(Exit::Invalid, format!("this cannot be asked: {error}")))?;
    let answer = client::ask(&target, Method::POST, "/api/plan", Some(&body))?;
    match answer.status {
        StatusCode::OK => answer.parse(),
        StatusCode::UNPROCESSABLE_ENTITY => {
            let InvalidReport { file, diagnostics } = answer.parse()?;
            if !output.json {
                diagnostics.iter().for_each(|diagnostic| output.text(&diagnostic.text));
            }
            Err(Failure::new(Exit::Invalid, format!("{file} is invalid: see `strangler check {file}`")))
        }
        _ => Err(answer.into_failure()),
    }
}

/// 1 where a reload would refuse it or a gate is not met, 4 where evidence is missing.
fn exit(report: &PlanReport) -> Exit {
    let refused = (!report.refused.is_empty()).then_some(Exit::Failed);
    let gates = report.gate.iter().flatten().map(|gate| match gate.state {
        State::Pass => Exit::Pass,
        State::Insufficient => Exit::Insufficient,
        State::Failed => Exit::Failed,
    });
    Exit::first(gates.chain(refused))
}
