//! `strangler find`: who answered a request, and why.

use clap::Args;
use http::{Method, StatusCode};

use super::output::Output;
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Failure, Outcome, client};
use crate::admin::traffic::{FindReport, FoundReport};

#[derive(Debug, Args)]
pub(super) struct FindArguments {
    /// The request's id (`x-request-id`), or the id of a copy of it
    #[arg(value_name = "REQUEST-ID")]
    id: String,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(super) fn run(arguments: &FindArguments, output: &Output) -> Outcome {
    let target = AdminTarget::resolve(&arguments.admin)?;
    let path = format!("/api/find?id={}", client::encoded(&arguments.id));
    let answer = client::ask(&target, Method::GET, &path, None)?;
    if answer.status != StatusCode::OK {
        // Nobody is found: that is the answer, not a slip.
        let exit = (answer.status == StatusCode::NOT_FOUND).then_some(Exit::Failed);
        let failure = answer.into_failure();
        return Err(Failure { exit: exit.unwrap_or(failure.exit), ..failure });
    }
    let report: FindReport = answer.parse()?;
    if output.json {
        output.json(&report);
        return Ok(Exit::Pass);
    }
    for found in &report.found {
        output.text(&render(found));
    }
    Ok(Exit::Pass)
}

fn render(found: &FoundReport) -> String {
    let mut text = format!("{}  {} {} → {}\n", found.time, found.method, found.path, found.status);
    let by = if found.endpoint.is_empty() { String::new() } else { format!(", {}", found.endpoint) };
    text.push_str(&format!("  answered by {}{by}, in {:.1} ms\n", found.owner, found.duration_ms));
    text.push_str(&format!("  because {}\n", found.why));
    text.push_str(&format!("  request {}, configuration {}\n", found.request_id, found.generation));
    if found.retries > 0 {
        text.push_str(&format!("  {} extra tries\n", found.retries));
    }
    if !found.shadow_id.is_empty() {
        text.push_str(&format!("  copied as {}\n", found.shadow_id));
    }
    text
}
