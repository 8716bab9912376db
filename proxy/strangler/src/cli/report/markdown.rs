//! The report as Markdown, such as for a comment on a pull request.

use std::fmt::Write as _;

use strangler_core::evidence::report::{Problem, SliceReport};
use strangler_core::evidence::verdict::{Verdict, grouped, percent};

use super::plain::{code, html, markdown as text};
use super::text::{accounts_words, classes, latency_words, noise_words, rule_words, second, share_words};
use super::{Document, reproduce};

pub(super) fn render(document: &Document<'_>) -> String {
    let mut out = format!("## Strangler: {}\n\n", text(document.exit.meaning()));
    let _infallible = writeln!(out, "{}\n", text(&document.report.sentence));
    for line in document.summary {
        let _infallible = writeln!(out, "{}\n", text(line));
    }
    if let Some(verdict) = document.verdict {
        gate(&mut out, verdict);
    }
    for slice in &document.report.slices {
        slice_part(&mut out, document, slice);
    }
    out
}

fn slice_part(out: &mut String, document: &Document<'_>, slice: &SliceReport) {
    let _infallible = writeln!(out, "### Slice {}\n\n{}\n", text(&slice.slice), text(&slice.sentence));
    let accounts = &slice.accounts;
    let _infallible = writeln!(
        out,
        "| match | mismatch | ignored | not compared | share of mismatches |\n|---:|---:|---:|---:|---:|\n\
         | {} | {} | {} | {} | {} |\n",
        grouped(accounts.matched),
        grouped(accounts.mismatch),
        grouped(accounts.ignored),
        grouped(accounts.not_compared),
        if accounts.compared == 0 { "–".to_owned() } else { percent(accounts.mismatch_share) }
    );
    if !accounts.reasons.is_empty() {
        let _infallible = writeln!(out, "{}\n", text(&accounts_words(accounts)));
    }
    if let Some(verdict) = &slice.gate {
        gate(out, verdict);
    }
    if !slice.problems.is_empty() {
        problems(out, document, slice);
    }
    let lists: [(&str, Vec<String>); 3] = [
        ("Rules", slice.rules.iter().map(rule_words).collect()),
        ("Noise", slice.noise.iter().map(noise_words).collect()),
        ("Hidden", slice.hidden.iter().map(hidden_words).collect()),
    ];
    for (name, lines) in lists.iter().filter(|(_, lines)| !lines.is_empty()) {
        let _infallible = writeln!(out, "**{name}**\n");
        for line in lines {
            let _infallible = writeln!(out, "- {}", text(line));
        }
        out.push('\n');
    }
    routes(out, slice);
    if let Some(latency) = &slice.latency {
        let _infallible = writeln!(out, "{}\n", text(&format!("Latency: {}", latency_words(latency))));
    }
}

fn gate(out: &mut String, verdict: &Verdict) {
    let _infallible = writeln!(out, "**Gate**: {}\n", text(&verdict.sentence));
    out.push_str("| condition | state | measured | demanded |\n|---|---|---|---|\n");
    for condition in &verdict.conditions {
        let _infallible = writeln!(
            out,
            "| {} | {} | {} | {} |",
            text(&condition.name),
            condition.state.as_str(),
            text(&condition.measured),
            text(&condition.demanded)
        );
    }
    out.push('\n');
}

fn problems(out: &mut String, document: &Document<'_>, slice: &SliceReport) {
    out.push_str(
        "| signature | kind | path | route | requests | share | what |\n|---|---|---|---|---:|---:|---|\n",
    );
    for problem in &slice.problems {
        let _infallible = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            code(problem.name()),
            text(&problem.kind),
            code(&problem.path),
            code(&problem.route),
            grouped(problem.requests),
            percent(problem.share),
            text(&classes(problem))
        );
    }
    out.push('\n');
    for problem in &slice.problems {
        details(out, document, slice, problem);
    }
}

fn details(out: &mut String, document: &Document<'_>, slice: &SliceReport, problem: &Problem) {
    let signature = problem.name();
    let _infallible = writeln!(
        out,
        "<details><summary><code>{}</code> {}</summary>\n\n{}; {} differences, from {} to {}.\n",
        // Within an HTML element on its own line nothing is Markdown (CommonMark, 4.6).
        html(signature),
        html(&problem.sentence),
        text(&share_words(slice, problem)),
        grouped(problem.differences),
        text(&second(&problem.first)),
        text(&second(&problem.last))
    );
    if let Some(expired) = &problem.expired {
        let _infallible = writeln!(out, "Expired: {}\n", text(expired));
    }
    for example in &problem.examples {
        let _infallible = writeln!(out, "- {}", text(&super::text::example_words(example)));
    }
    if let Some(command) = reproduce(document, slice, problem) {
        let _infallible = writeln!(out, "\nReproduce: {}", code(&command));
    }
    out.push_str("\n</details>\n\n");
}

fn hidden_words(problem: &Problem) -> String {
    format!(
        "{} {} {} on {}: {} requests, by {}",
        problem.name(),
        problem.kind,
        problem.path,
        problem.route,
        grouped(problem.requests),
        problem.hidden_by.as_deref().unwrap_or("a rule")
    )
}

fn routes(out: &mut String, slice: &SliceReport) {
    if slice.routes.is_empty() {
        return;
    }
    out.push_str(
        "<details><summary>Routes</summary>\n\n| route | match | mismatch | ignored | not compared | shapes |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    for route in &slice.routes {
        let name = match &route.never_compared {
            None => code(&route.route),
            Some(why) => format!("{} (never compared: {})", code(&route.route), text(why)),
        };
        let _infallible = writeln!(
            out,
            "| {name} | {} | {} | {} | {} | {} |",
            grouped(route.accounts.matched),
            grouped(route.accounts.mismatch),
            grouped(route.accounts.ignored),
            grouped(route.accounts.not_compared),
            grouped(route.shapes)
        );
    }
    out.push_str("\n</details>\n\n");
}
