//! `strangler accept`: a known difference is written into the configuration, for a time.

use std::path::PathBuf;

use clap::Args;
use http::{Method, StatusCode};
use jiff::civil::Date;
use serde::Serialize;
use strangler_core::compare::Signature;
use strangler_core::evidence::report::SliceReport;

use super::output::Output;
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Failure, Outcome, client};
use crate::admin::status::StatusReport;
use crate::edit::{Acceptance, Change, EditError, Proposal, propose};
use crate::live::compile;
use crate::live::report::ReloadReport;
use crate::live::source::Source;

#[derive(Debug, Args)]
pub(super) struct AcceptArguments {
    /// Which differences, as `strangler report` shows it, such as 3f9c21ab
    signature: Signature,
    /// Why, for whoever reads it later, such as "legacy rounds wrongly, SHOP-412"
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// The last day on which it is accepted, in UTC, such as 2027-02-01
    #[arg(long, value_name = "DATE")]
    until: Date,
    /// The slice it belongs to [default: the one in which the running proxy has seen it]
    #[arg(long, value_name = "SLICE")]
    slice: Option<String>,
    /// Print the change as a patch instead of making it
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

/// What was done, as JSON.
#[derive(Debug, Serialize)]
struct AcceptReport<'a> {
    signature: String,
    slice: &'a str,
    why: &'a str,
    until: String,
    file: PathBuf,
    /// Whether the file says it now.
    written: bool,
    /// What changes in it; empty where it said so before.
    patch: String,
    /// Why the file was not written, where that was not wished for.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only: Option<String>,
    /// What the running proxy made of it; absent where none was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    reload: Option<ReloadReport>,
}

pub(super) fn run(arguments: &AcceptArguments, output: &Output) -> Outcome {
    let AcceptArguments { signature, why, until, slice, print, admin } = arguments;
    if why.trim().is_empty() {
        return Err(Failure::new(Exit::Invalid, "--why is empty: say why, for whoever reads it later"));
    }
    let today = compile::today();
    if *until < today {
        let message = format!("--until {until} is in the past (today is {today}): nothing would be accepted");
        return Err(Failure::new(Exit::Invalid, message));
    }
    let slice = match slice {
        Some(slice) => slice.clone(),
        None => seen_in(&AdminTarget::resolve(admin)?, *signature)?,
    };
    let acceptance = Acceptance { signature: signature.to_string(), why: why.clone(), until: *until };
    let source = Source::File(admin.config.clone());
    let proposal =
        propose(&source, &slice, &Change::Accept(acceptance)).map_err(|error| output.edit_failure(&error))?;
    let mut report = AcceptReport {
        signature: signature.to_string(),
        slice: &slice,
        why,
        until: until.to_string(),
        file: proposal.file().to_owned(),
        written: false,
        patch: proposal.patch(),
        read_only: None,
        reload: None,
    };
    if *print {
        return Ok(printed(&report, output));
    }
    match proposal.write() {
        Ok(()) => report.written = true,
        Err(EditError::ReadOnly { why, .. }) => {
            report.read_only = Some(why);
            return Ok(printed(&report, output));
        }
        Err(error) => return Err(output.edit_failure(&error)),
    }
    written(&proposal, report, admin, output)
}

/// The patch instead of the edit: whoever may write the file applies it.
fn printed(report: &AcceptReport<'_>, output: &Output) -> Exit {
    if output.json {
        output.json(report);
        return Exit::Invalid;
    }
    output.text(&report.patch);
    let file = report.file.display();
    if report.patch.is_empty() {
        output.note(&format!("{file} says so already"));
    } else if let Some(why) = &report.read_only {
        output.note(&format!(
            "{file} cannot be written ({why}); apply this patch where the file comes from, such as with `patch -p1`"
        ));
    }
    Exit::Invalid
}

/// After the edit: lets the running proxy read it, where there is one.
fn written(
    proposal: &Proposal,
    mut report: AcceptReport<'_>,
    admin: &AdminArguments,
    output: &Output,
) -> Outcome {
    let asked = AdminTarget::resolve(admin).and_then(|target| reload(&target, proposal, admin));
    let (live, exit) = match &asked {
        Ok(Some(ReloadReport::Applied { generation, .. } | ReloadReport::Unchanged { generation, .. })) => {
            (format!("Generation {generation} serves."), Exit::Pass)
        }
        Ok(Some(ReloadReport::Rejected { generation, .. })) => (
            format!(
                "The running proxy refuses its configuration (see `strangler status`): generation {generation} \
                 goes on serving."
            ),
            Exit::Failed,
        ),
        // Only who names a proxy expects one.
        Err(failure) if admin.admin.is_some() => (failure.message.clone(), failure.exit),
        Ok(None) | Err(_) => {
            let message =
                "No running proxy was found that serves this file; it takes effect where it is read next.";
            (message.to_owned(), Exit::Pass)
        }
    };
    report.reload = asked.ok().flatten();
    if output.json {
        output.json(&report);
        return Ok(exit);
    }
    let AcceptReport { signature, slice, until, .. } = &report;
    let what = if proposal.is_empty() { "said so already" } else { "written" };
    output.line(&format!(
        "{signature} of slice {slice} is accepted until {until} ({}: {what}). {live}",
        proposal.file().display()
    ));
    Ok(exit)
}

/// Has the running proxy read its files; `None`: the one that answers there serves something else, and nobody named
/// it.
fn reload(
    target: &AdminTarget,
    proposal: &Proposal,
    admin: &AdminArguments,
) -> Result<Option<ReloadReport>, Failure> {
    if admin.admin.is_none() {
        let status: StatusReport = client::ask(target, Method::GET, "/api/status", None)?.parse()?;
        let (hash, files) = (Some(status.configuration.hash), &status.configuration.files);
        if ![proposal.hash_before_for(files), proposal.hash_for(files)].contains(&hash) {
            return Ok(None);
        }
    }
    let answer = client::ask(target, Method::POST, "/api/reload", Some(&serde_json::json!({})))?;
    match answer.status {
        StatusCode::OK | StatusCode::UNPROCESSABLE_ENTITY => answer.parse().map(Some),
        _ => Err(answer.into_failure()),
    }
}

/// The slice in which the running proxy has seen a signature.
fn seen_in(target: &AdminTarget, signature: Signature) -> Result<String, Failure> {
    let report = super::report::ask(target, None)?;
    let wanted = signature.to_string();
    let has = |slice: &&SliceReport| {
        let mut all = slice.problems.iter().chain(&slice.hidden);
        all.any(|problem| problem.signature.as_deref() == Some(&*wanted))
    };
    let slices: Vec<&str> = report.slices.iter().filter(has).map(|slice| &*slice.slice).collect();
    match slices.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Err(Failure::new(
            Exit::Failed,
            format!(
                "the running proxy has seen no difference {wanted}; `strangler report` lists those it has seen, \
                 and --slice accepts one beforehand"
            ),
        )),
        several => Err(Failure::new(
            Exit::Invalid,
            format!("{wanted} has been seen in {}: say which with --slice", several.join(" and ")),
        )),
    }
}
