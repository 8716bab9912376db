//! `strangler retreat`: an earlier phase, now, until somebody resumes the slice.

use clap::Args;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::output::Output;
use super::person::who;
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Failure, Outcome, client};
use crate::admin::status::SliceReport;
use crate::live::retreat::RetreatReport;

#[derive(Debug, Args)]
pub(super) struct RetreatArguments {
    /// The slice
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    slice: Option<String>,
    /// Every slice
    #[arg(long)]
    all: bool,
    /// To this phase: legacy, shadow, canary or extracted [default: `guardrails.retreat_to` of the slice]
    #[arg(long, value_name = "PHASE")]
    to: Option<String>,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Even if reads would be answered by a side that the writer's data does not reach
    #[arg(long)]
    accept_stale: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

/// What became of several retreats.
#[derive(Debug, Default, Serialize)]
struct AllReport {
    retreated: Vec<RetreatReport>,
    already: Vec<RetreatReport>,
    refused: Vec<RefusedReport>,
}

/// A slice that did not retreat.
#[derive(Debug, Serialize)]
struct RefusedReport {
    slice: String,
    error: String,
    help: String,
}

#[derive(Debug, Default, Deserialize)]
struct ProblemReport {
    #[serde(default)]
    error: String,
    #[serde(default)]
    help: String,
}

#[derive(Debug, Deserialize)]
struct Slices {
    slices: Vec<SliceReport>,
}

pub(super) fn run(arguments: &RetreatArguments, output: &Output) -> Outcome {
    if arguments.reason.trim().is_empty() {
        return Err(Failure::new(Exit::Invalid, "--reason is empty: the history keeps it"));
    }
    let target = AdminTarget::resolve(&arguments.admin)?;
    match &arguments.slice {
        Some(slice) => one(arguments, &target, slice, output),
        None => all(arguments, &target, output),
    }
}

fn one(arguments: &RetreatArguments, target: &AdminTarget, slice: &str, output: &Output) -> Outcome {
    let answer = ask(arguments, target, slice, arguments.to.as_deref())?;
    let Ok(report) = answer.parse::<RetreatReport>() else { return Err(answer.into_failure()) };
    if output.json {
        output.json(&report);
    } else {
        output.text(&told(&report));
    }
    Ok(if report.kept { Exit::Pass } else { Exit::Failed })
}

fn all(arguments: &RetreatArguments, target: &AdminTarget, output: &Output) -> Outcome {
    let answer = client::ask(target, Method::GET, "/api/slices", None)?;
    if answer.status != StatusCode::OK {
        return Err(answer.into_failure());
    }
    let Slices { slices } = answer.parse()?;
    let mut report = AllReport::default();
    let mut exits = vec![Exit::Pass];
    for slice in slices {
        let name = slice.name;
        let answer = ask(arguments, target, &name, arguments.to.as_deref())?;
        if let Ok(one) = answer.parse::<RetreatReport>() {
            exits.push(if one.kept { Exit::Pass } else { Exit::Failed });
            if one.outcome == "already" { &mut report.already } else { &mut report.retreated }.push(one);
            continue;
        }
        match answer.status {
            StatusCode::CONFLICT => {
                exits.push(Exit::Failed);
                let ProblemReport { error, help } = answer.parse()?;
                report.refused.push(RefusedReport { slice: name, error, help });
            }
            // Removed by an edit meanwhile: there is nothing to take back.
            StatusCode::NOT_FOUND => {}
            _ => return Err(answer.into_failure()),
        }
    }
    if output.json {
        output.json(&report);
    } else {
        output.text(&told_all(&report));
    }
    Ok(Exit::first(exits))
}

fn ask(
    arguments: &RetreatArguments,
    target: &AdminTarget,
    slice: &str,
    to: Option<&str>,
) -> Result<client::Answer, Failure> {
    let path = format!("/api/slices/{}/retreat", client::encoded(slice).replace('/', "%2F"));
    let mut body = serde_json::json!({
        "reason": arguments.reason,
        "accept_stale": arguments.accept_stale,
        "who": who(),
        "at_most": arguments.all,
    });
    if let (Some(to), Some(body)) = (to, body.as_object_mut()) {
        body.insert("to".to_owned(), to.into());
    }
    client::ask(target, Method::POST, &path, Some(&body))
}

fn told(report: &RetreatReport) -> String {
    let back = if report.outcome == "retreated" {
        format!("It stays there until `strangler resume {}`.\n", report.slice)
    } else {
        String::new()
    };
    format!("{}\n{back}", report.sentence)
}

fn told_all(report: &AllReport) -> String {
    let mut text = String::new();
    for one in &report.retreated {
        text.push_str(&format!("{}\n", one.sentence));
    }
    for one in &report.already {
        text.push_str(&format!("{}\n", one.sentence));
    }
    for RefusedReport { error, help, .. } in &report.refused {
        text.push_str(&format!("REFUSED: {error}\n  {help}\n"));
    }
    if !report.retreated.is_empty() {
        text.push_str("They stay there until `strangler resume SLICE`.\n");
    }
    if text.is_empty() {
        text.push_str("There is no slice.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_told_with_what_to_do() {
        let mut report = AllReport::default();
        assert_eq!(told_all(&report), "There is no slice.\n");
        report.refused.push(RefusedReport {
            slice: "a".to_owned(),
            error: "no".to_owned(),
            help: "do".to_owned(),
        });
        assert_eq!(told_all(&report), "REFUSED: no\n  do\n");
    }
}
