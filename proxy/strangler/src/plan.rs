//! What an edit would do, as it is told: by the command line from files, by the admin listener from what serves.
//!
//! Owns the shape of that and the sentence. Refuses to decide: core does, with the `decide` that serves.

pub mod recorded;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use strangler_core::evidence::verdict::{State, grouped};
use strangler_core::plan::{Moved, Moves, RouteChange, TrafficImpact, route_changes};
use strangler_core::routing::{self, Facts};
use strangler_core::snapshot::Snapshot;

use crate::live::compile::{self, Compiled};
use crate::live::report::DiagnosticReport;

/// What an edit would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanReport {
    /// All of it in a sentence.
    pub sentence: String,
    /// What it is compared with.
    pub against: String,
    /// Every difference between the two configurations, one sentence each.
    pub changes: Vec<String>,
    /// Every route that would stand elsewhere.
    pub routes: Vec<RouteChange>,
    /// Static keys whose new values wait for a restart.
    pub restart_required: Vec<String>,
    /// Why a reload would refuse it.
    pub refused: Vec<DiagnosticReport>,
    /// Worth knowing about the new configuration.
    pub warnings: Vec<DiagnosticReport>,
    /// What becomes of remembered requests; absent where none were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficReport>,
    /// Evidence for every slice of which the extracted service would answer more; absent where it was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Vec<GateReport>>,
}

/// What becomes of remembered requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrafficReport {
    /// Where they are remembered.
    pub source: String,
    /// When the first of them came, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// When the last of them came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// The counts.
    #[serde(flatten)]
    pub impact: TrafficImpact,
}

/// Evidence for one slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// The slice.
    pub slice: String,
    /// A route of it of which the extracted service would answer more.
    pub route: String,
    /// Whether there is enough of it.
    pub state: State,
    /// Why, in a sentence.
    pub sentence: String,
    /// Comparisons that are needed at least; 0: more of them alone would not change it.
    pub more_needed: u64,
}

/// What an edit would do to the configuration; requests and evidence are told beside it.
pub fn compare(before: (&Snapshot, Facts<'_>), after: (&Compiled, Facts<'_>), against: &str) -> PlanReport {
    let (old, new) = (before.0, &*after.0.snapshot);
    let diff = routing::diff(old, new);
    let mut report = PlanReport {
        sentence: String::new(),
        against: against.to_owned(),
        changes: diff.changes.iter().map(ToString::to_string).collect(),
        routes: route_changes(before, (new, after.1)),
        restart_required: diff.restart_required.iter().map(|key| (*key).to_owned()).collect(),
        refused: DiagnosticReport::all(&compile::lost_writers(old, new)),
        warnings: DiagnosticReport::all(&after.0.warnings),
        traffic: None,
        gate: None,
    };
    report.sentence = sentence(&report);
    report
}

impl PlanReport {
    /// With what becomes of remembered requests.
    #[must_use]
    pub fn with_traffic(mut self, traffic: TrafficReport) -> PlanReport {
        self.traffic = Some(traffic);
        self.sentence = sentence(&self);
        self
    }

    /// With the evidence for what would get more traffic.
    #[must_use]
    pub fn with_gate(self, gate: Vec<GateReport>) -> PlanReport {
        PlanReport { gate: Some(gate), ..self }
    }
}

/// `1 route`, `2 routes`.
fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{} {word}s", grouped(count as u64)) }
}

/// A count, and whether it is an expectation.
pub fn about(moved: &Moved) -> String {
    let all = grouped(moved.about());
    if moved.expected > 0.0 { format!("about {all}") } else { all }
}

fn sentence(report: &PlanReport) -> String {
    let what = match (report.routes.len(), report.changes.len()) {
        _ if !report.refused.is_empty() => {
            "A reload would refuse this: writes would go back to legacy, which does not own their data"
                .to_owned()
        }
        (0, 0) if report.restart_required.is_empty() => "Nothing changes".to_owned(),
        (0, 0) => format!("Nothing changes before a restart ({})", report.restart_required.join(", ")),
        (0, changes) => format!("{}, and every route stands where it stood", counted(changes, "change")),
        (1, _) => "1 route stands elsewhere".to_owned(),
        (routes, _) => format!("{} stand elsewhere", counted(routes, "route")),
    };
    match &report.traffic {
        Some(traffic) if traffic.impact.all.requests == 0 => {
            format!("{what}; no request is remembered to tell what that does.")
        }
        Some(traffic) => format!("{what}; {}.", moves(&traffic.impact.all)),
        None => format!("{what}."),
    }
}

/// What becomes of requests, in half a sentence.
fn moves(moves: &Moves) -> String {
    let moved = moves.moved();
    let asked = counted(usize::try_from(moves.requests).unwrap_or(usize::MAX), "remembered request");
    let undecided = match moves.undecided {
        0 => String::new(),
        some => format!(", {} cannot be told", grouped(some)),
    };
    if moved.is_none() {
        return format!("none of {asked} changes sides{undecided}");
    }
    let parts: Vec<String> = [
        (&moves.to_extracted, "legacy → extracted"),
        (&moves.to_legacy, "extracted → legacy"),
        (&moves.refused, "refused"),
        (&moves.taken, "no longer refused"),
    ]
    .iter()
    .filter(|(moved, _)| !moved.is_none())
    .map(|(moved, what)| format!("{} {what}", about(moved)))
    .collect();
    format!("{} of {asked} change sides: {}{undecided}", about(&moved), parts.join(", "))
}
