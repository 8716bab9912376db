//! A plan as text, readable at 80 columns.

use std::fmt::Write as _;

use strangler_core::evidence::verdict::{State, grouped};
use strangler_core::plan::{RouteChange, RouteMoves};

use crate::cli::output::Output;
use crate::cli::report::page::Page;
use crate::plan::{GateReport, PlanReport, TrafficReport, about};

/// Columns of a page.
const WIDTH: usize = 80;

/// Routes, and their requests, that are shown.
const ROUTES_MAX: usize = 50;

pub(super) fn report(report: &PlanReport, output: &Output) -> String {
    let mut text = String::new();
    let mut page = Page::new(WIDTH);
    page.words("", &report.sentence);
    text.push_str(&output.bold(page.into_text().trim_end()));
    text.push('\n');
    section(&mut text, output, "CHANGES", report.changes.iter().map(String::as_str));
    routes(&mut text, output, &report.routes);
    if let Some(traffic) = &report.traffic {
        requests(&mut text, output, traffic);
    }
    if let Some(gate) = &report.gate {
        evidence(&mut text, output, gate);
    }
    if !report.restart_required.is_empty() {
        let _infallible = writeln!(text, "\nwaits for a restart: {}", report.restart_required.join(", "));
    }
    for diagnostic in report.refused.iter().chain(&report.warnings) {
        let _infallible = write!(text, "\n{}", diagnostic.text);
    }
    text
}

fn section<'a>(text: &mut String, output: &Output, head: &str, lines: impl Iterator<Item = &'a str>) {
    let mut page = Page::new(WIDTH);
    lines.for_each(|line| page.words("  ", line));
    let lines = page.into_text();
    if !lines.trim().is_empty() {
        let _infallible = write!(text, "\n{}\n{lines}", output.bold(head));
    }
}

fn routes(text: &mut String, output: &Output, routes: &[RouteChange]) {
    let shown: Vec<String> = routes
        .iter()
        .take(ROUTES_MAX)
        .flat_map(|change| {
            let side = |name: &str, one: &Option<strangler_core::plan::Standing>, none: &str| {
                let standing = one.as_ref().map_or_else(|| none.to_owned(), ToString::to_string);
                format!("  {name} {standing}")
            };
            let slice = change.after.as_ref().or(change.before.as_ref()).map(|one| one.slice.clone());
            [
                format!("{} ({})", change.route, slice.unwrap_or_default()),
                side("before", &change.before, "not there"),
                side("after ", &change.after, "gone"),
            ]
        })
        .collect();
    let more = routes.len().saturating_sub(ROUTES_MAX);
    let rest = (more > 0).then(|| format!("and {} more", grouped(more as u64)));
    section(text, output, "ROUTES", shown.iter().map(String::as_str).chain(rest.as_deref()));
}

fn requests(text: &mut String, output: &Output, traffic: &TrafficReport) {
    let all = &traffic.impact.all;
    let mut lines = vec![match (&traffic.first, &traffic.last) {
        (Some(first), Some(last)) => {
            format!("{} requests of {}, from {first} to {last}", grouped(all.requests), traffic.source)
        }
        _ => format!("{} requests of {}", grouped(all.requests), traffic.source),
    }];
    for RouteMoves { route, slice: _, moves } in traffic.impact.routes.iter().take(ROUTES_MAX) {
        let name = if route.is_empty() { "(no route)" } else { route.as_str() };
        let undecided = match moves.undecided {
            0 => String::new(),
            some => format!(", {} cannot be told", grouped(some)),
        };
        lines.push(format!(
            "{name}: {} of {} change sides (to extracted {}, to legacy {}){undecided}",
            about(&moves.moved()),
            grouped(moves.requests),
            about(&moves.to_extracted),
            about(&moves.to_legacy)
        ));
    }
    let more = traffic.impact.routes.len().saturating_sub(ROUTES_MAX);
    if more > 0 {
        lines.push(format!("and {} more routes", grouped(more as u64)));
    }
    if !all.writes.is_none() {
        lines.push(format!(
            "{} of those that change sides are writes: another side owns them",
            about(&all.writes)
        ));
    }
    if all.moved().expected > 0.0 {
        lines.push(
            "\"about\": the client's bucket is not remembered, so that its share is expected".to_owned(),
        );
    }
    if all.undecided > 0 {
        lines.push(
            "not told: routes have conditions on header lines or queries, which are not remembered"
                .to_owned(),
        );
    }
    section(text, output, "REQUESTS", lines.iter().map(String::as_str));
}

fn evidence(text: &mut String, output: &Output, gate: &[GateReport]) {
    let none = ["nothing gets more traffic of which evidence is demanded".to_owned()];
    let lines: Vec<String> = gate
        .iter()
        .map(|one| match one.state {
            State::Pass => format!("{}: pass", one.slice),
            _ => format!("{}: {}", one.slice, one.sentence),
        })
        .collect();
    let lines = if lines.is_empty() { none.to_vec() } else { lines };
    section(text, output, "EVIDENCE", lines.iter().map(String::as_str));
}
