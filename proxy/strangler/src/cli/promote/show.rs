//! What `promote` prints: the change as a patch, and one sentence.

use strangler_core::evidence::verdict::{State, Verdict};

use super::PromoteReport;
use super::live::Made;
use crate::cli::Exit;
use crate::cli::output::Output;
use crate::cli::report::page::Page;

/// Columns of a page.
const WIDTH: usize = 80;

/// It stands there already.
pub(super) fn nowhere(report: &PromoteReport<'_>, output: &Output) {
    if output.json {
        return output.json(report);
    }
    output.line(&format!("{} stands at {} already: nothing was changed.", report.slice, report.to));
}

/// The gate does not let it pass: every condition, measured against demanded.
pub(super) fn not_met(report: &PromoteReport<'_>, output: &Output) {
    if output.json {
        return output.json(report);
    }
    let PromoteReport { slice, from, to, gate, .. } = report;
    let Some(gate) = gate else { return };
    let what = match gate.state {
        State::Failed => "the gate is not met",
        State::Insufficient if gate.more_needed > 0 => "the gate needs more evidence",
        _ => "the gate lacks evidence",
    };
    output.line(&output.bold(&format!("{slice} stays at {from}: {what} for {to}.")));
    output.text(&conditions(gate));
    notes(report, output);
}

fn conditions(gate: &Verdict) -> String {
    let mut page = Page::new(WIDTH);
    for condition in &gate.conditions {
        let needed = match condition.more_needed {
            Some(more) if more > 0 && condition.state == State::Insufficient => {
                format!("; {} more needed", strangler_core::evidence::verdict::grouped(more))
            }
            _ => String::new(),
        };
        let line = format!(
            "{} {}: {}; demanded {}{needed}",
            condition.state.as_str(),
            condition.name,
            condition.measured,
            condition.demanded
        );
        page.words("  ", &line);
    }
    page.into_text()
}

/// The patch instead of the edit: whoever may write the file applies it.
pub(super) fn printed(report: &PromoteReport<'_>, output: &Output) -> Exit {
    if output.json {
        output.json(report);
        return Exit::Invalid;
    }
    output.text(&output.patch(&report.patch));
    if let (Some(why), Some(file)) = (&report.read_only, &report.file) {
        output.note(&format!(
            "{} cannot be written ({why}); apply this patch where the file comes from, such as with `patch -p1`",
            file.display()
        ));
    }
    for note in &report.notes {
        output.note(note);
    }
    Exit::Invalid
}

/// The edit was made.
pub(super) fn made(report: &PromoteReport<'_>, output: &Output) {
    if output.json {
        return output.json(report);
    }
    output.text(&output.patch(&report.patch));
    let PromoteReport { slice, from, to, live, .. } = report;
    let moved = format!("{slice}: {from} → {to}.");
    match live {
        Some(Made::Live { generation }) => output.line(&format!("{moved} Generation {generation} serves.")),
        Some(Made::Rejected { generation, diagnostics }) => {
            for diagnostic in diagnostics {
                output.text(&diagnostic.text);
            }
            output.line(&format!(
                "{moved} It is written, but the running proxy refuses it: generation {generation} goes on serving."
            ));
        }
        Some(Made::NotSeen { seconds }) => output.line(&format!(
            "{moved} It is written, but the running proxy does not serve it after {seconds} s; see `strangler status`."
        )),
        None => {}
    }
    notes(report, output);
}

fn notes(report: &PromoteReport<'_>, output: &Output) {
    for note in &report.notes {
        output.line(&format!("note: {note}"));
    }
}
