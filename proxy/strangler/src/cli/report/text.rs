//! The report for people at a terminal.

use strangler_core::evidence::Example;
use strangler_core::evidence::report::{
    AccountsReport, LatencyReport, NoiseReport, Problem, RouteReport, RuleReport, SliceReport,
};
use strangler_core::evidence::verdict::{State, Verdict, grouped, percent};

use unicode_width::UnicodeWidthStr;

use super::page::{Page, cell};
use super::plain::{short, visible};
use super::{Document, reproduce};
use crate::cli::output::Output;

/// Hidden signatures that are listed; the rest are counted.
const HIDDEN_SHOWN: usize = 10;

pub(super) fn render(document: &Document<'_>, output: &Output, width: usize) -> String {
    let mut page = Page::new(width);
    page.painted("", &visible(&document.report.sentence), |line| output.bold(line));
    document.summary.iter().for_each(|line| page.words("", &visible(line)));
    if let Some(verdict) = document.verdict {
        page.blank();
        gate(&mut page, "Gate", verdict, output);
    }
    for slice in &document.report.slices {
        slice_part(&mut page, document, slice, output);
    }
    page.into_text()
}

fn slice_part(page: &mut Page, document: &Document<'_>, slice: &SliceReport, output: &Output) {
    page.blank();
    let SliceReport { epoch, .. } = slice;
    page.painted("", &format!("SLICE {}", visible(&slice.slice)), |line| output.bold(line));
    page.words("  ", &visible(&slice.sentence));
    let version = epoch.version.as_ref().map(|version| format!(", version {version}")).unwrap_or_default();
    page.words(
        "  Epoch     ",
        &visible(&format!("{} since {}{version}: {}", epoch.number, second(&epoch.began), epoch.cause)),
    );
    accounts(page, &slice.accounts);
    if let Some(latency) = &slice.latency {
        page.words("  Latency   ", &latency_words(latency));
    }
    if let Some(verdict) = &slice.gate {
        gate(page, "  Gate", verdict, output);
    }
    if !slice.problems.is_empty() {
        page.blank();
        let head = format!("PROBLEMS ({})", slice.problems.len());
        page.painted("  ", &head, |line| output.alarming(line));
        for (number, one) in slice.problems.iter().enumerate() {
            problem(page, document, slice, number + 1, one, output);
        }
    }
    hidden(page, &slice.hidden, output);
    noise(page, &slice.noise, output);
    rules(page, &slice.rules, output);
    routes(page, &slice.routes, output);
    if slice.late > 0 {
        page.words(
            "  ",
            &format!("{} requests came before this epoch and are in no account.", grouped(slice.late)),
        );
    }
}

/// The four accounts, and the rate that follows.
fn accounts(page: &mut Page, accounts: &AccountsReport) {
    page.words("  Accounts  ", &accounts_words(accounts));
    if accounts.compared > 0 {
        page.words(
            "  Rate      ",
            &format!(
                "{} of {} compared do not match",
                percent(accounts.mismatch_share),
                grouped(accounts.compared)
            ),
        );
    }
}

pub(super) fn accounts_words(accounts: &AccountsReport) -> String {
    let reasons: Vec<String> =
        accounts.reasons.iter().map(|(reason, count)| format!("{reason} {}", grouped(*count))).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    format!(
        "match {}, mismatch {}, ignored {}, not-compared {}{reasons}",
        grouped(accounts.matched),
        grouped(accounts.mismatch),
        grouped(accounts.ignored),
        grouped(accounts.not_compared)
    )
}

fn gate(page: &mut Page, name: &str, verdict: &Verdict, output: &Output) {
    let lead = format!("{name:<12}");
    page.painted(&lead, &visible(&verdict.sentence), |line| match verdict.state {
        State::Failed => output.alarming(line),
        State::Pass | State::Insufficient => line.to_owned(),
    });
    for condition in &verdict.conditions {
        let lead = format!("    {:<12}  {:<10}  ", condition.state.as_str(), condition.name);
        let figures = format!("{}; demanded: {}", condition.measured, condition.demanded);
        page.words(&lead, &visible(&figures));
    }
}

fn problem(
    page: &mut Page,
    document: &Document<'_>,
    slice: &SliceReport,
    number: usize,
    problem: &Problem,
    output: &Output,
) {
    let signature = problem.signature.as_deref().unwrap_or("(several)");
    let head = [signature, &problem.kind, &problem.path].join("  ");
    page.painted(&format!("  {number:>2}. "), &visible(&head), |line| output.bold(line));
    let lead = "      ";
    page.words(lead, &visible(&classes(problem)));
    page.words(lead, &visible(&share_words(slice, problem)));
    page.words(
        lead,
        &format!(
            "{} differences, from {} to {}",
            grouped(problem.differences),
            second(&problem.first),
            second(&problem.last)
        ),
    );
    if let Some(expired) = &problem.expired {
        page.painted(lead, &visible(&format!("expired: {expired}")), |line| output.alarming(line));
    }
    for example in &problem.examples {
        page.words("      e.g. ", &example_words(example));
    }
    if let Some(command) = reproduce(document, slice, problem) {
        page.line("      reproduce:");
        // In lines that a shell puts together again: wrapped anywhere else the command would be another.
        let lines =
            command.split(" <(").map(|part| part.to_owned()).collect::<Vec<_>>().join(" \\\n        <(");
        lines.lines().enumerate().for_each(|(index, line)| {
            page.line(&if index == 0 { format!("      {line}") } else { line.to_owned() });
        });
    }
}

/// How many requests have a problem, and the four accounts that its share is of.
pub(super) fn share_words(slice: &SliceReport, problem: &Problem) -> String {
    let route = slice.routes.iter().find(|route| route.route == problem.route);
    let accounts = route.map(|route| format!(": {}", accounts_words(&route.accounts))).unwrap_or_default();
    format!(
        "{} requests, {} of those compared on {}{accounts}",
        grouped(problem.requests),
        percent(problem.share),
        problem.route
    )
}

pub(super) fn classes(problem: &Problem) -> String {
    let relation = problem.relation.as_ref().map(|relation| format!(" ({relation})")).unwrap_or_default();
    match (problem.legacy.as_str(), problem.extracted.as_str()) {
        ("", "") => String::new(),
        (legacy, extracted) => format!("legacy {legacy} → extracted {extracted}{relation}"),
    }
}

pub(super) fn example_words(example: &Example) -> String {
    let value = |value: &Option<Box<str>>| value.as_deref().map_or_else(|| "nothing".to_owned(), short);
    format!(
        "{} {} at {}: legacy {}, extracted {} (request {})",
        visible(&example.method),
        short(&example.target),
        short(&example.path),
        value(&example.legacy),
        value(&example.extracted),
        visible(&example.request)
    )
}

fn hidden(page: &mut Page, hidden: &[Problem], output: &Output) {
    if hidden.is_empty() {
        return;
    }
    page.blank();
    page.painted("  ", &format!("HIDDEN ({})", hidden.len()), |line| output.bold(line));
    for one in hidden.iter().take(HIDDEN_SHOWN) {
        let by = one.hidden_by.as_deref().unwrap_or("a rule");
        let signature = one.signature.as_deref().unwrap_or("(several)");
        page.words(
            &format!("    {signature}  "),
            &visible(&format!(
                "{} {} on {}: {} requests, by {by}",
                one.kind,
                one.path,
                one.route,
                grouped(one.requests)
            )),
        );
    }
    if hidden.len() > HIDDEN_SHOWN {
        page.words("    ", &format!("and {} more", hidden.len() - HIDDEN_SHOWN));
    }
}

fn noise(page: &mut Page, noise: &[NoiseReport], output: &Output) {
    if noise.is_empty() {
        return;
    }
    page.blank();
    page.painted("  ", &format!("NOISE ({})", noise.len()), |line| output.bold(line));
    for one in noise {
        page.words("    ", &visible(&noise_words(one)));
    }
}

pub(super) fn noise_words(noise: &NoiseReport) -> String {
    let NoiseReport { route, path, kind, repeated, extracted_only, legacy_only, both, p_value, counts } =
        noise;
    let verdict =
        if *counts { "the service differs more, so it counts" } else { "values there do not count" };
    format!(
        "{kind} at {path} on {route}: of {} asked twice, only extracted differed {}, only legacy {}, both {} \
         (p = {p_value:.3}); {verdict}",
        grouped(*repeated),
        grouped(*extracted_only),
        grouped(*legacy_only),
        grouped(*both)
    )
}

fn rules(page: &mut Page, rules: &[RuleReport], output: &Output) {
    if rules.is_empty() {
        return;
    }
    page.blank();
    page.painted("  ", &format!("RULES ({})", rules.len()), |line| output.bold(line));
    for rule in rules {
        let words = rule_words(rule);
        let is_worrying = rule.expired || rule.dead || !rule.broad.is_empty();
        page.painted("    ", &visible(&words), |line| {
            if is_worrying { output.alarming(line) } else { line.to_owned() }
        });
    }
}

pub(super) fn rule_words(rule: &RuleReport) -> String {
    // It names the rule.
    let mut words = rule.sentence.clone();
    if let Some(why) = &rule.why {
        words.push_str(&format!("; why: {why}"));
    }
    match (rule.until, rule.expired) {
        (Some(until), true) => words.push_str(&format!("; expired on {until}")),
        (Some(until), false) => words.push_str(&format!("; until {until}")),
        (None, _) => {}
    }
    for broad in &rule.broad {
        words.push_str(&format!("; broad: {broad}"));
    }
    words
}

fn routes(page: &mut Page, routes: &[RouteReport], output: &Output) {
    if routes.is_empty() {
        return;
    }
    page.blank();
    // Names get what the figures leave.
    let longest = routes.iter().map(|route| route.route.width()).max().unwrap_or_default();
    let name = page.width().saturating_sub(4 + 5 * 10).min(longest.max("ROUTE".len()));
    let head = format!(
        "    {} {:>9} {:>9} {:>9} {:>9} {:>9}",
        cell("ROUTE", name),
        "MATCH",
        "MISMATCH",
        "IGNORED",
        "NOT-COMP.",
        "SHAPES"
    );
    page.line(&output.bold(&head));
    for route in routes {
        let RouteReport { accounts, .. } = route;
        page.line(&format!(
            "    {} {:>9} {:>9} {:>9} {:>9} {:>9}",
            cell(&visible(&route.route), name),
            grouped(accounts.matched),
            grouped(accounts.mismatch),
            grouped(accounts.ignored),
            grouped(accounts.not_compared),
            grouped(route.shapes)
        ));
        if let Some(why) = &route.never_compared {
            page.words("      ", &visible(&format!("never compared: {why}")));
        }
    }
}

pub(super) fn latency_words(latency: &LatencyReport) -> String {
    format!(
        "legacy p50 {} ms, p95 {} ms; extracted p50 {} ms, p95 {} ms; extracted slower in {} of {}",
        latency.legacy_p50_ms,
        latency.legacy_p95_ms,
        latency.extracted_p50_ms,
        latency.extracted_p95_ms,
        percent(latency.extracted_slower),
        grouped(latency.requests)
    )
}

/// A time without fractions of a second.
pub(super) fn second(time: &jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
