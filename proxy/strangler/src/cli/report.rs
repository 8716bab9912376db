//! `strangler report`: the comparison so far, as people, test reporters or pull requests read it.
//!
//! Owns asking for the report and the five ways of writing it, which `replay` shares. Refuses to judge: the
//! figures, verdicts and exit codes are those of the model.

mod github;
mod junit;
mod markdown;
pub(super) mod page;
mod plain;
mod selftest;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, ValueEnum};
use http::{Method, StatusCode};
use serde::Serialize;
use strangler_core::evidence::Report;
use strangler_core::evidence::report::{Problem, SliceReport, Strictness};
use strangler_core::evidence::verdict::Verdict;

pub(super) use selftest::self_test;

use super::output::Output;
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Failure, Outcome, client};
use crate::admin::status::StatusReport;

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// Only this slice
    #[arg(long, value_name = "SLICE")]
    slice: Option<String>,
    #[command(flatten)]
    form: FormArguments,
    /// Exit with 5 when an accepted difference has expired
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

/// How a report is written.
#[derive(Debug, Args)]
pub(super) struct FormArguments {
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// A form of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people at a terminal.
    Text,
    /// The whole model.
    Json,
    /// For test reporters.
    Junit,
    /// For a comment on a pull request.
    Markdown,
    /// Annotations of a workflow on GitHub.
    Github,
}

/// Addresses of both sides, by slice: legacy's, the extracted service's.
pub(super) type Sides = BTreeMap<String, (String, String)>;

/// What is written.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) report: &'a Report,
    /// How the command ends.
    pub(super) exit: Exit,
    /// Sentences that follow the first.
    pub(super) summary: &'a [String],
    /// The verdict on all of it, where there is one beside those of the slices.
    pub(super) verdict: Option<&'a Verdict>,
    /// Names of problems that are told, and do not fail the command.
    pub(super) tolerated: &'a BTreeSet<String>,
    pub(super) sides: &'a Sides,
    /// What a command adds to the model in JSON.
    pub(super) more: serde_json::Map<String, serde_json::Value>,
}

/// The model as `--format json` has it.
#[derive(Debug, Serialize)]
struct JsonReport<'a> {
    #[serde(flatten)]
    report: &'a Report,
    exit_code: u8,
    #[serde(flatten)]
    more: &'a serde_json::Map<String, serde_json::Value>,
}

impl Document<'_> {
    /// Whether a problem is only told.
    fn tolerates(&self, problem: &Problem) -> bool {
        self.tolerated.contains(problem.name())
    }

    /// Prints it. `--json` is short for `--format json`.
    pub(super) fn print(&self, format: Format, output: &Output) {
        let format = if output.json { Format::Json } else { format };
        match format {
            Format::Json => output.json(&JsonReport {
                report: self.report,
                exit_code: self.exit.code(),
                more: &self.more,
            }),
            Format::Text => output.text(&text::render(self, output, page::width())),
            Format::Junit => output.text(&junit::render(self)),
            Format::Markdown => output.text(&markdown::render(self)),
            Format::Github => output.text(&github::render(self)),
        }
    }
}

pub(super) fn run(arguments: &ReportArguments, output: &Output) -> Outcome {
    let ReportArguments { slice, form, strict, admin } = arguments;
    let target = AdminTarget::resolve(admin)?;
    let report = ask(&target, slice.as_deref())?;
    let strictness = if *strict { Strictness::Strict } else { Strictness::Usual };
    let exit = exit_of(&report, strictness);
    // Only for the commands that reproduce a difference: the report is whole without.
    let sides = sides(&target).unwrap_or_default();
    let document = Document {
        report: &report,
        exit,
        summary: &[],
        verdict: None,
        tolerated: &BTreeSet::new(),
        sides: &sides,
        more: serde_json::Map::new(),
    };
    document.print(form.format, output);
    Ok(exit)
}

/// The report of the running proxy, of one slice or all.
pub(super) fn ask(target: &AdminTarget, slice: Option<&str>) -> Result<Report, Failure> {
    let path = slice.map_or_else(
        || "/api/report".to_owned(),
        |slice| format!("/api/report?slice={}", client::encoded(slice)),
    );
    let answer = client::ask(target, Method::GET, &path, None)?;
    if answer.status != StatusCode::OK {
        return Err(answer.into_failure());
    }
    answer.parse()
}

/// How a command that shows this report ends.
pub(super) fn exit_of(report: &Report, strictness: Strictness) -> Exit {
    Exit::first(report.ends(strictness).into_iter().filter_map(|end| Exit::from_code(end.code())))
}

/// Where both sides of each slice are.
fn sides(target: &AdminTarget) -> Result<Sides, Failure> {
    let status: StatusReport = client::ask(target, Method::GET, "/api/status", None)?.parse()?;
    let first = |name: Option<&str>| {
        let known = status.upstreams.iter().find(|known| match name {
            Some(name) => known.name == name,
            None => known.is_legacy,
        });
        known.and_then(|known| known.endpoints.first()).map(|endpoint| endpoint.url.clone())
    };
    let legacy = first(None);
    let both = |slice: &crate::admin::status::SliceReport| {
        Some((slice.name.clone(), (legacy.clone()?, first(Some(&slice.upstream))?)))
    };
    Ok(status.slices.iter().filter_map(both).collect())
}

/// A command that shows a difference again; none where the request's body would be needed and was not kept.
fn reproduce(document: &Document<'_>, slice: &SliceReport, problem: &Problem) -> Option<String> {
    let (legacy, extracted) = document.sides.get(&slice.slice)?;
    let example =
        problem.examples.iter().find(|example| matches!(&*example.method, "GET" | "HEAD" | "OPTIONS"))?;
    let method = match &*example.method {
        "GET" => String::new(),
        "HEAD" => " -I".to_owned(),
        other => format!(" -X {other}"),
    };
    let fetch = |base: &str| {
        let url = format!("{}{}", base.trim_end_matches('/'), example.target);
        format!("<(curl -si{method} {})", plain::shell(&url))
    };
    Some(format!("diff {} {}", fetch(legacy), fetch(extracted)))
}
