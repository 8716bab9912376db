//! The report as workflow commands: annotations of a run on GitHub.

use std::fmt::Write as _;

use strangler_core::evidence::verdict::{State, Verdict};

use super::plain::{command_message as message, command_property as property};
use super::text::{accounts_words, classes, example_words, rule_words, share_words};
use super::{Document, reproduce};
use crate::cli::Exit;

pub(super) fn render(document: &Document<'_>) -> String {
    let mut out = String::new();
    if let Some(verdict) = document.verdict {
        gate(&mut out, "gate of the replay", verdict, &document.summary.join("\n"));
    }
    for slice in &document.report.slices {
        for problem in &slice.problems {
            let title = format!("{}: {} {} ({})", slice.slice, problem.kind, problem.path, problem.name());
            let mut said = vec![
                problem.sentence.clone(),
                format!("{}; {}", classes(problem), share_words(slice, problem)),
            ];
            said.extend(problem.examples.first().map(|example| format!("e.g. {}", example_words(example))));
            said.extend(reproduce(document, slice, problem).map(|command| format!("reproduce: {command}")));
            let level = if document.tolerates(problem) { "notice" } else { "error" };
            command(&mut out, level, &title, &said.join("\n"));
        }
        if let Some(verdict) = &slice.gate {
            gate(&mut out, &format!("gate of {}", slice.slice), verdict, &accounts_words(&slice.accounts));
        }
        for rule in slice.rules.iter().filter(|rule| rule.expired || rule.dead || !rule.broad.is_empty()) {
            command(&mut out, "warning", &format!("rule of {}", slice.slice), &rule_words(rule));
        }
    }
    let summary = std::iter::once(&document.report.sentence).chain(document.summary);
    let summary: Vec<&str> = summary.map(String::as_str).collect();
    let level = if document.exit == Exit::Pass { "notice" } else { "error" };
    command(&mut out, level, &format!("strangler: {}", document.exit.meaning()), &summary.join("\n"));
    out
}

fn gate(out: &mut String, title: &str, verdict: &Verdict, figures: &str) {
    let text = format!("{}\n{figures}", verdict.sentence);
    match verdict.state {
        State::Pass => {}
        State::Failed => command(out, "error", title, &text),
        State::Insufficient => command(out, "warning", title, &text),
    }
}

fn command(out: &mut String, level: &str, title: &str, text: &str) {
    let _infallible = writeln!(out, "::{level} title={}::{}", property(title), message(text));
}
