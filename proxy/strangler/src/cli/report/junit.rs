//! The report as JUnit XML, as test reporters read it: a suite per slice, a case per route, problem and gate.
//!
//! Too little evidence is an error, never a pass: a reporter that shows no failures must mean that there are
//! none.

use std::fmt::Write as _;

use strangler_core::evidence::report::{Problem, SliceReport};
use strangler_core::evidence::verdict::{State, Verdict};

use super::plain::xml;
use super::text::{accounts_words, classes, example_words, share_words};
use super::{Document, reproduce};
use crate::cli::Exit;

/// One test case.
struct Case {
    class: String,
    name: String,
    outcome: Outcome,
}

enum Outcome {
    Passed { said: String },
    Failed { message: String, said: String },
    Unclear { message: String, said: String },
    Skipped { message: &'static str },
}

pub(super) fn render(document: &Document<'_>) -> String {
    let mut suites: Vec<(String, Vec<Case>)> =
        document.report.slices.iter().map(|slice| (slice.slice.clone(), cases(document, slice))).collect();
    let mut whole = Vec::new();
    if let Some(verdict) = document.verdict {
        whole.push(gate("strangler.replay", verdict, document.summary.join("\n")));
    }
    if suites.iter().all(|(_, cases)| cases.is_empty()) && whole.is_empty() {
        let message = document.report.sentence.clone();
        let outcome = Outcome::Unclear { message, said: String::new() };
        whole.push(Case { class: "strangler".to_owned(), name: "comparison".to_owned(), outcome });
    }
    if !whole.is_empty() {
        suites.insert(0, ("strangler".to_owned(), whole));
    }
    let all: Vec<&Case> = suites.iter().flat_map(|(_, cases)| cases).collect();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _infallible = writeln!(out, "<testsuites name=\"strangler\" {}>", counts(&all));
    for (name, cases) in &suites {
        let cases: Vec<&Case> = cases.iter().collect();
        let time = super::text::second(&document.report.at);
        let _infallible = writeln!(
            out,
            "  <testsuite name=\"{}\" {} skipped=\"{}\" timestamp=\"{}\">",
            xml(name),
            counts(&cases),
            cases.iter().filter(|case| matches!(case.outcome, Outcome::Skipped { .. })).count(),
            time.trim_end_matches('Z')
        );
        cases.iter().for_each(|case| write(&mut out, case));
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn counts(cases: &[&Case]) -> String {
    let failures = cases.iter().filter(|case| matches!(case.outcome, Outcome::Failed { .. })).count();
    let errors = cases.iter().filter(|case| matches!(case.outcome, Outcome::Unclear { .. })).count();
    format!("tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" time=\"0\"", cases.len())
}

fn write(out: &mut String, case: &Case) {
    let Case { class, name, outcome } = case;
    let _infallible =
        writeln!(out, "    <testcase classname=\"{}\" name=\"{}\" time=\"0\">", xml(class), xml(name));
    let _infallible = match outcome {
        Outcome::Passed { said } => writeln!(out, "      <system-out>{}</system-out>", xml(said)),
        Outcome::Failed { message, said } => writeln!(
            out,
            "      <failure type=\"difference\" message=\"{}\">{}</failure>",
            xml(message),
            xml(said)
        ),
        Outcome::Unclear { message, said } => writeln!(
            out,
            "      <error type=\"insufficient\" message=\"{}\">{}</error>",
            xml(message),
            xml(said)
        ),
        Outcome::Skipped { message } => writeln!(out, "      <skipped message=\"{}\"/>", xml(message)),
    };
    out.push_str("    </testcase>\n");
}

fn cases(document: &Document<'_>, slice: &SliceReport) -> Vec<Case> {
    let mut cases = Vec::new();
    let class = |route: &str| format!("{}.{route}", slice.slice);
    for route in &slice.routes {
        let said = accounts_words(&route.accounts);
        let outcome = match (&route.never_compared, route.accounts.compared) {
            (Some(why), _) => Outcome::Passed { said: format!("never compared: {why}") },
            // What the verdict does without cannot be an error beside a pass.
            (None, 0) if document.exit == Exit::Pass => Outcome::Skipped { message: "nothing was compared" },
            (None, 0) if slice.expected => {
                Outcome::Unclear { message: "nothing was compared".to_owned(), said }
            }
            (None, _) => Outcome::Passed { said },
        };
        cases.push(Case { class: class(&route.route), name: "compared".to_owned(), outcome });
    }
    for problem in &slice.problems {
        let name = [&problem.kind, &problem.path, problem.name()].join(" ");
        let said = said(document, slice, problem);
        let message = problem.sentence.clone();
        let outcome = if document.tolerates(problem) {
            Outcome::Passed { said: format!("tolerated: {message}\n{said}") }
        } else {
            Outcome::Failed { message, said }
        };
        cases.push(Case { class: class(&problem.route), name, outcome });
    }
    if let Some(verdict) = &slice.gate {
        cases.push(gate(&slice.slice, verdict, accounts_words(&slice.accounts)));
    }
    cases
}

fn said(document: &Document<'_>, slice: &SliceReport, problem: &Problem) -> String {
    let mut lines =
        vec![classes(problem), share_words(slice, problem), format!("{} differences", problem.differences)];
    lines.extend(problem.examples.iter().map(|example| format!("e.g. {}", example_words(example))));
    lines.extend(reproduce(document, slice, problem).map(|command| format!("reproduce: {command}")));
    lines.join("\n")
}

fn gate(class: &str, verdict: &Verdict, figures: String) -> Case {
    let mut said = vec![figures];
    said.extend(verdict.conditions.iter().map(|one| {
        format!("{} {}: {}; demanded: {}", one.name, one.state.as_str(), one.measured, one.demanded)
    }));
    let said = said.join("\n");
    let message = verdict.sentence.clone();
    let outcome = match verdict.state {
        State::Pass => Outcome::Passed { said },
        State::Failed => Outcome::Failed { message, said },
        State::Insufficient => Outcome::Unclear { message, said },
    };
    Case { class: class.to_owned(), name: "gate".to_owned(), outcome }
}
