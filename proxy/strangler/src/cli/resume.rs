//! `strangler resume`: lifts a retreat, so that the file's phase is in effect again.

use clap::Args;
use http::{Method, StatusCode};

use super::output::Output;
use super::person::who;
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Failure, Outcome, client};
use crate::live::retreat::ResumeReport;

#[derive(Debug, Args)]
pub(super) struct ResumeArguments {
    /// The slice
    slice: String,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(super) fn run(arguments: &ResumeArguments, output: &Output) -> Outcome {
    let target = AdminTarget::resolve(&arguments.admin)?;
    let path = format!("/api/slices/{}/resume", client::encoded(&arguments.slice).replace('/', "%2F"));
    let body = serde_json::json!({ "reason": arguments.reason, "who": who() });
    let answer = client::ask(&target, Method::POST, &path, Some(&body))?;
    match answer.status {
        StatusCode::OK => {}
        // The retreat stays: lifting it could not be written.
        StatusCode::INTERNAL_SERVER_ERROR => {
            return Err(Failure { exit: Exit::Failed, ..answer.into_failure() });
        }
        _ => return Err(answer.into_failure()),
    }
    let report: ResumeReport = answer.parse()?;
    if output.json {
        output.json(&report);
    } else {
        output.line(&report.sentence);
    }
    Ok(Exit::Pass)
}
