//! The state as text, readable at 80 columns and at 3 a.m.

mod slice;
mod upstreams;

use std::fmt::Write as _;

use strangler_core::lints::{Kind, Lint};

use super::Looked;
use crate::admin::guardrail::GuardrailReport;
use crate::admin::status::{SliceReport, StatusReport, StoppedReport, TrafficReport, UnmatchedReport};
use crate::cli::output::{Output, plural};
use crate::cli::report::page::Page;
use crate::live::report::ConfigurationReport;
use crate::live::retreat::LatchReport;

pub(super) use slice::slice;
use slice::standing;
use upstreams::upstreams;

/// Columns of a page.
const WIDTH: usize = 80;

/// Characters of a name that a table shows.
const NAME_MAX: usize = 20;

pub(super) fn status(report: &StatusReport, output: &Output) -> String {
    let mut text = format!("{}\n\n", output.bold(&report.sentence));
    slices(&mut text, &report.slices, &report.unmatched, output);
    retreats(&mut text, report, output);
    fallbacks(&mut text, &report.slices, output);
    sync_lags(&mut text, &report.slices, output);
    guardrails(&mut text, &report.slices, output);
    evidence(&mut text, &report.slices, output);
    copying_stopped(&mut text, &report.copying_stopped, output);
    lints(&mut text, &report.lints, output);
    configuration(&mut text, &report.configuration, output);
    upstreams(&mut text, &report.upstreams, output);
    let listen: Vec<String> = report.listen.iter().map(|address| format!("http://{address}")).collect();
    let _infallible = writeln!(
        text,
        "\n{} since {} on {}; admin on http://{}; version {}, pid {}",
        report.state,
        short(&report.started),
        listen.join(", "),
        report.admin,
        report.version,
        report.pid
    );
    text
}

/// What matters in one line: it changes when something happens, and not with every request.
pub(super) fn line(looked: &Looked) -> String {
    let told = |slice: &SliceReport| {
        let held = slice.retreat.as_ref().map(|_| " (retreat)").unwrap_or_default();
        format!("{} {}{held}, writer {}", slice.name, standing(slice), slice.writer)
    };
    match looked {
        Looked::Slice(report) => {
            let gate = report.slice.evidence.as_ref().and_then(|line| line.gate.clone());
            let gate = gate.map(|gate| format!(", gate {gate}")).unwrap_or_default();
            format!("{}{gate}, {}", told(&report.slice), plural(report.lints.len(), "lint"))
        }
        Looked::Whole(report) => {
            let slices: Vec<String> = report.slices.iter().map(told).collect();
            let generation = report.configuration.generation;
            format!("{} | generation {generation} | {}", report.sentence, slices.join("; "))
        }
    }
}

fn slices(text: &mut String, slices: &[SliceReport], unmatched: &UnmatchedReport, output: &Output) {
    let head = format!(
        "{:<20} {:<12} {:<9} {:>8} {:>10} {:>7} {:>8}",
        "SLICE", "PHASE", "WRITER", "LEGACY", "EXTRACTED", "PROXY", "ERRORS"
    );
    let _infallible = writeln!(text, "{}", output.bold(&head));
    for slice in slices {
        row(text, &slice.name, &standing(slice), &slice.writer, &slice.recent);
    }
    let rest = if unmatched.policy == "reject" { "rejected" } else { "legacy" };
    row(text, "(everything else)", rest, "legacy", &unmatched.recent);
    let _infallible = writeln!(text, "(requests of the last minute; errors: 500 and above)");
    for slice in slices.iter().filter(|slice| slice.overdue) {
        let date = slice.review_by.as_deref().unwrap_or_default();
        let line = format!("overdue since {date}: {} ({})", cut(&slice.name), slice.place);
        let _infallible = writeln!(text, "{}", output.alarming(&line));
    }
}

/// What is held below its file's phase, by whom and why, and the way back.
fn retreats(text: &mut String, report: &StatusReport, output: &Output) {
    let held: Vec<_> =
        report.slices.iter().filter_map(|slice| slice.retreat.as_ref().map(|latch| (slice, latch))).collect();
    if held.is_empty() && report.retreats_unreadable.is_none() {
        return;
    }
    let _infallible = writeln!(text, "\n{}", output.bold("RETREATS"));
    let mut page = Page::new(WIDTH);
    if let Some(latch) = &report.retreats_unreadable {
        page.words("  ", &format!("The file of retreats could not be read: {}", latch.reason));
    }
    for (slice, latch) in held {
        page.words("  ", &held_sentence(slice, latch));
        page.words("    ", &format!("back: strangler resume {}", slice.name));
    }
    text.push_str(&page.into_text());
}

/// Slices whose reads legacy answers in place of the extracted service: clients see nothing of it.
fn fallbacks(text: &mut String, slices: &[SliceReport], output: &Output) {
    let failed: Vec<_> = slices.iter().filter(|slice| slice.fallbacks.count > 0).collect();
    if failed.is_empty() {
        return;
    }
    let _infallible = writeln!(text, "\n{}", output.bold("FALLBACKS"));
    let mut page = Page::new(WIDTH);
    for slice in failed {
        let recent = slice.recent_fallbacks.sentence(slice.recent.extracted);
        page.words("  ", &format!("{}: {recent}, in the last minute", slice.name));
        let all = slice.fallbacks.sentence(slice.traffic.extracted);
        page.words("    ", &format!("since start {all}"));
    }
    text.push_str(&page.into_text());
}

/// How late data is, of slices whose file says whom to ask.
fn sync_lags(text: &mut String, slices: &[SliceReport], output: &Output) {
    let mut asked = slices.iter().filter_map(|slice| Some((slice, slice.sync_lag.as_ref()?))).peekable();
    if asked.peek().is_none() {
        return;
    }
    let _infallible = writeln!(text, "\n{}", output.bold("SYNC LAG"));
    for (slice, lag) in asked {
        let mut page = Page::new(WIDTH);
        page.words("  ", &format!("{}: {}", slice.name, lag.sentence));
        if let Some(consequence) = &lag.consequence {
            page.words("    ", &format!("so {consequence}"));
        }
        let shown = page.into_text();
        text.push_str(&if lag.consequence.is_some() { output.alarming(&shown) } else { shown });
    }
}

/// Guardrails that are armed, alarms first to the eye.
fn guardrails(text: &mut String, slices: &[SliceReport], output: &Output) {
    let all: Vec<_> =
        slices.iter().flat_map(|slice| slice.guardrails.iter().map(move |one| (slice, one))).collect();
    if all.is_empty() {
        return;
    }
    let _infallible = writeln!(text, "\n{}", output.bold("GUARDRAILS"));
    for (slice, one) in all {
        guardrail(text, ("  ", &format!("{}: ", slice.name)), one, output);
    }
}

/// One guardrail; its first line begins with `lead` and `of`.
fn guardrail(text: &mut String, (lead, of): (&str, &str), guardrail: &GuardrailReport, output: &Output) {
    let mut page = Page::new(WIDTH);
    page.words(lead, &format!("{of}{}: {}", guardrail.state, guardrail.sentence));
    if let Some(warning) = &guardrail.warning {
        let help = guardrail.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        page.words(&format!("{}  ", " ".repeat(lead.len())), &format!("warning: {warning}{help}"));
    }
    let shown = page.into_text();
    let is_alarm = guardrail.state == "blocked";
    text.push_str(&if is_alarm { output.alarming(&shown) } else { shown });
}

fn held_sentence(slice: &SliceReport, latch: &LatchReport) -> String {
    format!(
        "{}: {} instead of {} since {}, by {}: {}",
        slice.name,
        slice.highest_effective_phase,
        slice.highest_phase,
        short(&latch.since),
        latch.who,
        latch.reason
    )
}

fn copying_stopped(text: &mut String, stopped: &[StoppedReport], output: &Output) {
    for StoppedReport { slice, route, since, status } in stopped {
        let line = format!("copying stopped since {}: {} of {}", short(since), cut(route), cut(slice));
        let why = format!("  a copied write was answered {status} without X-Shadow-Mode: rollback");
        let _infallible = writeln!(text, "{}\n{why}", output.alarming(&line));
    }
}

/// What traffic has taught about the seam: what was seen, an example, what to do.
///
/// What guardrails warn of stands beside them.
fn lints(text: &mut String, lints: &[Lint], output: &Output) {
    let mut lints = lints.iter().filter(|lint| lint.kind != Kind::GuardrailUndecided).peekable();
    if lints.peek().is_none() {
        return;
    }
    let _infallible = writeln!(text, "\n{}", output.bold("LEARNED FROM TRAFFIC"));
    let mut page = Page::new(WIDTH);
    for lint in lints {
        let of = if lint.route.is_empty() { String::new() } else { format!("{}: ", lint.route) };
        page.words("  ", &format!("{of}{}, such as {} ({}×)", lint.sentence, lint.example, lint.seen));
        page.words("    ", &lint.help);
    }
    text.push_str(&page.into_text());
}

/// What comparisons have shown: of each slice of which any are expected one sentence.
fn evidence(text: &mut String, slices: &[SliceReport], output: &Output) {
    let mut lines = slices.iter().filter_map(|slice| slice.evidence.as_ref()).peekable();
    if lines.peek().is_none() {
        return;
    }
    let _infallible = writeln!(text, "\n{}", output.bold("EVIDENCE"));
    let mut page = Page::new(WIDTH);
    lines.for_each(|line| page.words("  ", &line.sentence));
    text.push_str(&page.into_text());
}

fn row(text: &mut String, name: &str, phase: &str, writer: &str, traffic: &TrafficReport) {
    let errors = traffic.legacy_errors + traffic.extracted_errors + traffic.proxy_errors;
    let _infallible = writeln!(
        text,
        "{:<20} {phase:<12} {writer:<9} {:>8} {:>10} {:>7} {errors:>8}",
        cut(name),
        traffic.legacy,
        traffic.extracted,
        traffic.proxy
    );
}

fn configuration(text: &mut String, configuration: &ConfigurationReport, output: &Output) {
    let hash: String = configuration.hash.chars().take(12).collect();
    let _infallible = writeln!(text, "\n{}", output.bold("CONFIGURATION"));
    let _infallible = writeln!(
        text,
        "  generation {} ({hash}) since {}, from {}",
        configuration.generation,
        short(&configuration.since),
        configuration.source.as_str()
    );
    let _infallible = writeln!(text, "  {}", configuration.files.join(", "));
    if configuration.from_last_good {
        let _infallible = writeln!(text, "  the last good configuration, kept from an earlier run");
    }
    if !configuration.restart_required.is_empty() {
        let _infallible =
            writeln!(text, "  waits for a restart: {}", configuration.restart_required.join(", "));
    }
    if let Some(rejected) = &configuration.rejected {
        let head = format!("STALE: the files on disk were refused at {}:", short(&rejected.at));
        let _infallible = writeln!(text, "  {}", output.alarming(&head));
        indented(text, rejected.diagnostics.iter().map(|diagnostic| diagnostic.text.as_str()));
    }
    if !configuration.warnings.is_empty() {
        let _infallible = writeln!(text, "  {}:", plural(configuration.warnings.len(), "warning"));
        indented(text, configuration.warnings.iter().map(|diagnostic| diagnostic.text.as_str()));
    }
}

fn indented<'a>(text: &mut String, blocks: impl Iterator<Item = &'a str>) {
    for line in blocks.flat_map(str::lines) {
        let _infallible = writeln!(text, "  {line}");
    }
}

/// A name that fits its column.
fn cut(name: &str) -> String {
    if name.chars().count() <= NAME_MAX {
        return name.to_owned();
    }
    let head: String = name.chars().take(NAME_MAX - 1).collect();
    format!("{head}…")
}

/// A time without fractions of a second.
fn short(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}

#[cfg(test)]
mod tests;
