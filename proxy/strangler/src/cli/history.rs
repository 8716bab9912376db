//! `strangler history`: what has happened, who did it and why, at 80 columns.

use clap::Args;
use http::{Method, StatusCode};

use super::output::Output;
use super::report::page::Page;
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Outcome, client};
use crate::store::{Entry, History};

/// Columns of a page.
const WIDTH: usize = 80;

#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// Only what concerns this slice
    #[arg(long, value_name = "SLICE")]
    slice: Option<String>,
    /// How many events to show
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) fn run(arguments: &HistoryArguments, output: &Output) -> Outcome {
    let target = AdminTarget::resolve(&arguments.admin)?;
    let mut path = format!("/api/history?limit={}", arguments.limit);
    if let Some(slice) = &arguments.slice {
        path.push_str(&format!("&slice={}", client::encoded(slice)));
    }
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
    let at = entry.at.split_once('.').map_or(entry.at.clone(), |(seconds, _)| format!("{seconds}Z"));
    let mut page = Page::new(WIDTH);
    let source = entry.source.as_str();
    page.words(
        "",
        &format!("{at}  {:<18}  {source:<9}  generation {}  {hash}", entry.event, entry.generation),
    );
    for line in entry.changes.iter().chain(&entry.diagnostics) {
        page.words("    ", line);
    }
    let said = |lead: &str, text: &Option<String>| text.as_ref().map(|text| (lead.to_owned(), text.clone()));
    for (lead, text) in [said("    by  ", &entry.who), said("    why ", &entry.why)].into_iter().flatten() {
        page.words(&lead, &text);
    }
    for line in figures(entry.figures.as_ref()) {
        page.words("    ", &line);
    }
    if !entry.restart_required.is_empty() {
        page.words("    waits for a restart: ", &entry.restart_required.join(", "));
    }
    page.into_text()
}

/// What a judgement rested on: its sentences where it has some, else all of it.
fn figures(figures: Option<&serde_json::Value>) -> Vec<String> {
    let Some(figures) = figures else { return Vec::new() };
    match figures.get("sentences").and_then(serde_json::Value::as_array) {
        Some(lines) => lines.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect(),
        None => vec![figures.to_string()],
    }
}
