//! The state as text, readable at 80 columns and at 3 a.m.

use std::fmt::Write as _;

use strangler_core::lints::Lint;

use super::Looked;
use crate::admin::status::{
    SliceDetailReport, SliceReport, StatusReport, StoppedReport, TrafficReport, UnmatchedReport,
};
use crate::admin::upstreams::{EndpointReport, UpstreamReport};
use crate::cli::output::{Output, plural};
use crate::cli::report::page::Page;
use crate::live::report::ConfigurationReport;
use crate::live::retreat::LatchReport;

/// Columns of a page.
const WIDTH: usize = 80;

/// Characters of a name that a table shows.
const NAME_MAX: usize = 20;

pub(super) fn status(report: &StatusReport, output: &Output) -> String {
    let mut text = format!("{}\n\n", output.bold(&report.sentence));
    slices(&mut text, &report.slices, &report.unmatched, output);
    retreats(&mut text, report, output);
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

pub(super) fn slice(report: &SliceDetailReport, output: &Output) -> String {
    let SliceDetailReport { slice, lints: learned, routes, except } = report;
    let mut text = format!("{}\n\n", output.bold(&slice_sentence(slice)));
    let optional = |text: &Option<String>| text.clone().unwrap_or_else(|| "not said".to_owned());
    let rows = [
        ("phase", phase(slice)),
        ("writer", slice.writer.clone()),
        ("sync", optional(&slice.sync)),
        ("upstream", slice.upstream.clone()),
        ("team", optional(&slice.team)),
        ("review by", review(slice)),
        ("written at", slice.place.clone()),
        ("last minute", traffic(&slice.recent)),
        ("since start", traffic(&slice.traffic)),
        ("evidence", slice.evidence.as_ref().map_or("none".to_owned(), |line| line.sentence.clone())),
    ];
    for (name, value) in rows {
        let _infallible = writeln!(text, "  {name:<12}{value}");
    }
    if let Some(latch) = &slice.retreat {
        let mut page = Page::new(WIDTH);
        page.words("  retreat     ", &held_sentence(slice, latch));
        page.words("              ", &format!("back: strangler resume {}", slice.name));
        text.push_str(&page.into_text());
    }
    let _infallible = writeln!(text, "\n{}", output.bold(&plural(routes.len(), "route")));
    for route in routes {
        let effect = route.effect.as_ref().map(|effect| format!("  effect {effect}")).unwrap_or_default();
        let phase =
            if route.phase == slice.phase { String::new() } else { format!("  phase {}", route.phase) };
        let _infallible = writeln!(text, "  {}{phase}{effect}  ({})", route.pattern, route.place);
    }
    for pattern in except {
        let _infallible = writeln!(text, "  except {pattern}");
    }
    lints(&mut text, learned, output);
    text
}

fn phase(slice: &SliceReport) -> String {
    if slice.effective_phase == slice.phase {
        standing(slice)
    } else {
        format!("{} (the file says {})", slice.effective_phase, slice.phase)
    }
}

/// Its effective phase, with the share of its canary.
pub(super) fn standing(slice: &SliceReport) -> String {
    let share = slice.share.as_ref().map(|share| format!(" {share}")).unwrap_or_default();
    format!("{}{share}", slice.effective_phase)
}

fn slice_sentence(slice: &SliceReport) -> String {
    if let Some(share) = &slice.share {
        return format!(
            "Reads of {} are answered by the extracted service {} for {share} of clients, by legacy for the others; \
             writes go to {}.",
            slice.name, slice.upstream, slice.writer
        );
    }
    let owner = if matches!(slice.effective_phase.as_str(), "extracted" | "retired") {
        format!("the extracted service {}", slice.upstream)
    } else {
        "legacy".to_owned()
    };
    format!("Reads of {} are answered by {owner}; writes go to {}.", slice.name, slice.writer)
}

fn review(slice: &SliceReport) -> String {
    match (&slice.review_by, slice.overdue) {
        (None, _) => "not said".to_owned(),
        (Some(date), false) => date.clone(),
        (Some(date), true) => format!("{date} (overdue)"),
    }
}

fn traffic(traffic: &TrafficReport) -> String {
    let side = |name: &str, count: u64, errors: u64| match errors {
        0 => format!("{name} {count}"),
        errors => format!("{name} {count} ({errors} failed)"),
    };
    [
        side("legacy", traffic.legacy, traffic.legacy_errors),
        side("extracted", traffic.extracted, traffic.extracted_errors),
        side("proxy", traffic.proxy, traffic.proxy_errors),
    ]
    .join(", ")
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

/// Guardrails that are armed, alarms first to the eye.
fn guardrails(text: &mut String, slices: &[SliceReport], output: &Output) {
    let all: Vec<_> =
        slices.iter().flat_map(|slice| slice.guardrails.iter().map(move |one| (slice, one))).collect();
    if all.is_empty() {
        return;
    }
    let _infallible = writeln!(text, "\n{}", output.bold("GUARDRAILS"));
    for (slice, guardrail) in all {
        let mut page = Page::new(WIDTH);
        page.words("  ", &format!("{}: {}: {}", slice.name, guardrail.state, guardrail.sentence));
        if let Some(warning) = &guardrail.warning {
            page.words("    ", &format!("warning: {warning}"));
        }
        let shown = page.into_text();
        let is_alarm = guardrail.state == "blocked";
        text.push_str(&if is_alarm { output.alarming(&shown) } else { shown });
    }
}

fn held_sentence(slice: &SliceReport, latch: &LatchReport) -> String {
    format!(
        "{}: {} instead of {} since {}, by {}: {}",
        slice.name,
        slice.effective_phase,
        slice.phase,
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
fn lints(text: &mut String, lints: &[Lint], output: &Output) {
    if lints.is_empty() {
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

fn upstreams(text: &mut String, upstreams: &[UpstreamReport], output: &Output) {
    let head = format!("  {:<20} {:<44} {:>11}", "UPSTREAM", "ENDPOINT", "IN FLIGHT");
    let _infallible = writeln!(text, "\n{}", output.bold(&head));
    for upstream in upstreams {
        for endpoint in &upstream.endpoints {
            let mark = if upstream.is_legacy { "*" } else { " " };
            let name = cut(&upstream.name);
            let _infallible =
                writeln!(text, "{mark} {name:<20} {:<44} {:>11}", shown(endpoint), endpoint.in_flight);
            if !matches!(endpoint.state.as_str(), "available" | "") {
                left_alone(text, &endpoint.state, &endpoint.since, &endpoint.why, output);
            }
        }
        if let Some(breaker) = upstream.breaker.as_ref().filter(|breaker| breaker.state != "closed") {
            let state = format!("breaker {}", breaker.state);
            left_alone(text, &state, &Some(breaker.since.clone()), &breaker.why, output);
        }
    }
    let _infallible = writeln!(text, "* legacy");
}

/// An endpoint as written, with its address where that says more.
fn shown(endpoint: &EndpointReport) -> String {
    match &endpoint.address {
        Some(address) if !endpoint.url.ends_with(address.as_str()) => format!("{} {address}", endpoint.url),
        _ => endpoint.url.clone(),
    }
}

/// Who is not asked, since when and why.
fn left_alone(text: &mut String, state: &str, since: &Option<String>, why: &Option<String>, output: &Output) {
    let since = since.as_ref().map(|since| format!(" since {}", short(since))).unwrap_or_default();
    let line = format!("{state}{since}");
    let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let _infallible = writeln!(text, "    {}{why}", output.alarming(&line));
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
mod tests {
    #![allow(clippy::unwrap_used, reason = "helpers of tests")]

    use super::*;
    use crate::live::report::{DiagnosticReport, RejectedReport, Trigger};

    fn slice_report(name: &str, extracted: u64, errors: u64) -> SliceReport {
        SliceReport {
            name: name.to_owned(),
            phase: "extracted".to_owned(),
            effective_phase: "extracted".to_owned(),
            writer: "extracted".to_owned(),
            sync: None,
            share: None,
            upstream: name.to_owned(),
            team: None,
            review_by: Some("2020-01-01".to_owned()),
            overdue: true,
            place: "config/strangler.toml:12".to_owned(),
            route_count: 2,
            traffic: TrafficReport::default(),
            recent: TrafficReport { extracted, extracted_errors: errors, ..TrafficReport::default() },
            retreat: None,
            guardrails: Vec::new(),
            evidence: None,
        }
    }

    fn report() -> StatusReport {
        let diagnostic = DiagnosticReport {
            severity: "error".to_owned(),
            code: "unknown-key".to_owned(),
            file: Some("config/strangler.toml".to_owned()),
            line: Some(7),
            column: Some(1),
            message: "unknown key `phse`".to_owned(),
            help: None,
            related: Vec::new(),
            text: "error[unknown-key] config/strangler.toml:7:1 unknown key `phse`\n".to_owned(),
        };
        StatusReport {
            sentence: "The files on disk are refused (1 error): generation 3 goes on serving.".to_owned(),
            state: "serving".to_owned(),
            version: "0.1.0".to_owned(),
            pid: 1,
            started: "2026-01-01T00:00:00.000Z".to_owned(),
            listen: vec!["127.0.0.1:8080".to_owned()],
            admin: "127.0.0.1:9090".to_owned(),
            configuration: ConfigurationReport {
                generation: 3,
                hash: "0123456789abcdef".to_owned(),
                since: "2026-01-01T00:00:00.123Z".to_owned(),
                source: Trigger::Watch,
                files: vec!["config/strangler.toml".to_owned()],
                stale: true,
                from_last_good: false,
                warnings: Vec::new(),
                rejected: Some(RejectedReport {
                    at: "2026-01-01T00:01:00.000Z".to_owned(),
                    hash: None,
                    source: Trigger::Watch,
                    diagnostics: vec![diagnostic],
                }),
                restart_required: vec!["server.listen".to_owned()],
            },
            unmatched: UnmatchedReport {
                policy: "legacy".to_owned(),
                traffic: TrafficReport::default(),
                recent: TrafficReport::default(),
            },
            slices: vec![slice_report("a-slice-with-a-very-long-name", 1_234_567, 12)],
            retreats_unreadable: None,
            lints: Vec::new(),
            copying_stopped: vec![StoppedReport {
                slice: "payments".to_owned(),
                route: "POST /payments".to_owned(),
                since: "2026-01-01T00:01:00.000Z".to_owned(),
                status: 201,
            }],
            upstreams: Vec::new(),
        }
    }

    #[test]
    fn the_sentence_comes_first_and_every_line_fits() {
        let text = status(&report(), &Output::new(true));
        assert!(text.starts_with("The files on disk are refused"));
        for line in text.lines() {
            assert!(line.chars().count() <= 80 || line.contains(" since "), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_shown_with_its_line() {
        let text = status(&report(), &Output::new(true));
        for wanted in [
            "config/strangler.toml:7:1 unknown key `phse`",
            "waits for a restart: server.listen",
            "overdue since 2020-01-01",
            "a-slice-with-a-very…",
            "POST /payments of payments\n  a copied write was answered 201 without X-Shadow-Mode: rollback\n",
        ] {
            assert!(text.contains(wanted), "{wanted} is missing in:\n{text}");
        }
    }
}
