//! `strangler evidence restart`: a new epoch of a slice's evidence, with the reason in the history.

use clap::{Args, Subcommand};
use http::{Method, StatusCode};

use super::output::Output;
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Failure, Outcome, client};

#[derive(Debug, Args)]
pub(super) struct EvidenceArguments {
    #[command(subcommand)]
    command: EvidenceCommand,
}

#[derive(Debug, Subcommand)]
enum EvidenceCommand {
    /// Begin a new epoch: what was compared before no longer counts
    Restart(RestartArguments),
}

#[derive(Debug, Args)]
struct RestartArguments {
    /// The slice
    slice: String,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(super) fn run(arguments: &EvidenceArguments, output: &Output) -> Outcome {
    let EvidenceCommand::Restart(RestartArguments { slice, reason, admin }) = &arguments.command;
    if reason.trim().is_empty() {
        return Err(Failure::new(Exit::Invalid, "--reason is empty: the history keeps it"));
    }
    let target = AdminTarget::resolve(admin)?;
    let path = format!("/api/slices/{}/evidence/restart", client::encoded(slice).replace('/', "%2F"));
    let body = serde_json::json!({ "reason": reason });
    let answer = client::ask(&target, Method::POST, &path, Some(&body))?;
    if answer.status != StatusCode::OK {
        return Err(answer.into_failure());
    }
    let restarted: crate::admin::evidence::RestartReport = answer.parse()?;
    if output.json {
        output.json(&restarted);
    } else {
        output.line(&format!(
            "The evidence of slice {} starts anew: epoch {}. What was compared before no longer counts.",
            restarted.slice, restarted.epoch
        ));
    }
    Ok(Exit::Pass)
}
