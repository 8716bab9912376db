//! `strangler history`: every configuration that served or was refused.

use clap::Args;
use http::{Method, StatusCode};

use super::output::Output;
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Outcome, client};
use crate::store::{Entry, History};

#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// How many events to show
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) fn run(arguments: &HistoryArguments, output: &Output) -> Outcome {
    let target = AdminTarget::resolve(&arguments.admin)?;
    let path = format!("/api/history?limit={}", arguments.limit);
    let answer = client::ask(&target, Method::GET, &path, None)?;
    if answer.status != StatusCode::OK {
        return Err(answer.into_failure());
    }
    let history: History = answer.parse()?;
    if output.json {
        output.json(&history);
        return Ok(Exit::Pass);
    }
    if history.history.is_empty() {
        output.line("Nothing has happened yet.");
    }
    for entry in &history.history {
        output.text(&render(entry));
    }
    Ok(Exit::Pass)
}

fn render(entry: &Entry) -> String {
    let hash: String = entry.hash.as_deref().unwrap_or("-").chars().take(8).collect();
    let mut text = format!(
        "{}  {:<8}  {:<6}  generation {}  {hash}\n",
        entry.at,
        entry.event,
        entry.source.as_str(),
        entry.generation
    );
    for line in entry.changes.iter().chain(&entry.diagnostics) {
        text.push_str(&format!("    {line}\n"));
    }
    if !entry.restart_required.is_empty() {
        text.push_str(&format!("    waits for a restart: {}\n", entry.restart_required.join(", ")));
    }
    text
}
