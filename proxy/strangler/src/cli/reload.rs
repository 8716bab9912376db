//! `strangler reload`: asks the running proxy to read its files now.

use clap::Args;
use http::{Method, StatusCode};

use super::output::{Output, plural};
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Outcome, client};
use crate::live::report::{DiagnosticReport, ReloadReport};

#[derive(Debug, Args)]
pub(super) struct ReloadArguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// Let writes go back to legacy although the file does not say `writer = "legacy"`
    #[arg(long)]
    allow_writer_change: bool,
}

pub(super) fn run(arguments: &ReloadArguments, output: &Output) -> Outcome {
    let target = AdminTarget::resolve(&arguments.admin)?;
    let body = serde_json::json!({ "allow_writer_change": arguments.allow_writer_change });
    let answer = client::ask(&target, Method::POST, "/api/reload", Some(&body))?;
    if !matches!(answer.status, StatusCode::OK | StatusCode::UNPROCESSABLE_ENTITY) {
        return Err(answer.into_failure());
    }
    let report: ReloadReport = answer.parse()?;
    if output.json {
        output.json(&report);
    } else {
        output.text(&render(&report));
    }
    Ok(match report {
        ReloadReport::Unchanged { .. } | ReloadReport::Applied { .. } => Exit::Pass,
        ReloadReport::Rejected { diagnostics, .. } if is_only_refused(&diagnostics) => Exit::Failed,
        ReloadReport::Rejected { .. } => Exit::Invalid,
    })
}

/// The configuration is valid, but the change was refused.
fn is_only_refused(diagnostics: &[DiagnosticReport]) -> bool {
    let mut errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == "error").peekable();
    errors.peek().is_some() && errors.all(|error| error.code == "lost-writer")
}

fn render(report: &ReloadReport) -> String {
    match report {
        ReloadReport::Unchanged { generation, restart_required, .. } => {
            format!("Nothing changed: generation {generation} serves.\n{}", restart(restart_required))
        }
        ReloadReport::Applied { generation, changes, warnings, restart_required, .. } => {
            let changes: String = changes.iter().map(|change| format!("  {change}\n")).collect();
            let warnings: String = warnings.iter().map(|warning| warning.text.as_str()).collect();
            format!("{warnings}Generation {generation} serves.\n{changes}{}", restart(restart_required))
        }
        ReloadReport::Rejected { generation, diagnostics, .. } => {
            let text: String = diagnostics.iter().map(|diagnostic| diagnostic.text.as_str()).collect();
            let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == "error").count();
            format!("{text}Refused ({}): generation {generation} goes on serving.\n", plural(errors, "error"))
        }
    }
}

fn restart(keys: &[String]) -> String {
    if keys.is_empty() { String::new() } else { format!("Waits for a restart: {}.\n", keys.join(", ")) }
}
