//! Guardrails, as the admin listener tells them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strangler_core::guardrail::bound::Rate;
use strangler_core::guardrail::verdict::Verdict;
use strangler_core::guardrail::watcher::Standing;
use strangler_core::lints::{Kind, Lint};

use super::status::TrafficReport;
use crate::guard::Shown;

/// One guardrail of a slice that is armed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardrailReport {
    /// `hold` (too few reads to say), `within`, `broken`, or `blocked`: broken, and a retreat would serve stale data.
    pub state: String,
    /// In a sentence.
    pub sentence: String,
    /// Its window, in seconds.
    pub window_seconds: u64,
    /// How much of it has passed since it began, or began anew.
    pub covered_seconds: u64,
    /// Reads of keyed clients that the extracted service must have had within it.
    pub min_requests: u32,
    /// What legacy's part of them did.
    pub legacy: SideReport,
    /// What the extracted service's part of them did.
    pub extracted: SideReport,
    /// It will never decide at the rate seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// What to do about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// One side of a guardrail's window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SideReport {
    /// Reads of keyed clients.
    pub reads: u64,
    /// Those that failed.
    pub failed: u64,
    /// 95th percentile of the others, in milliseconds.
    pub p95_ms: Option<f64>,
}

impl GuardrailReport {
    /// A guardrail as it is told. `recent`: what the slice was asked in the last minute, with a key or without.
    pub fn of(slice: &str, shown: &Shown, recent: &TrafficReport) -> GuardrailReport {
        let Standing { watch, verdict, seen, covered, blocked, starved, armed: _ } = &shown.standing;
        let limits = &watch.guardrails;
        let state = match verdict {
            _ if *blocked => "blocked",
            Verdict::Hold => "hold",
            Verdict::Within => "within",
            Verdict::Broken(_) => "broken",
        };
        let (reads, failed) = (seen.extracted.all, seen.extracted.bad);
        let minutes = minutes(limits.window.as_secs());
        let sentence = match &shown.blocked {
            Some(blocked) => blocked.clone(),
            None => format!(
                "extracted {failed} of {reads} reads failed, legacy {} of {}, within {minutes}",
                seen.legacy.bad, seen.legacy.all
            ),
        };
        let min = limits.min_requests;
        let keyless = (seen.extracted.all + seen.legacy.all == 0).then(|| recent.legacy + recent.extracted);
        let (warning, help) = match keyless.filter(|requests| *requests > 0) {
            _ if !starved => (None, None),
            Some(requests) => {
                let requests =
                    if requests == 1 { "1 request".to_owned() } else { format!("{requests} requests") };
                let warning = format!(
                    "the guardrail of slice {slice} cannot decide: no read came with a cohort key in {minutes}, among \
                     {requests} in the last minute"
                );
                (Some(warning), Some("name something in `cohort_by` that clients send".to_owned()))
            }
            None => {
                let warning = format!(
                    "the guardrail of slice {slice} cannot decide: {reads} reads of keyed clients in {minutes}, it \
                     needs {min}"
                );
                (Some(warning), Some(Kind::GuardrailUndecided.help().to_owned()))
            }
        };
        GuardrailReport {
            state: state.to_owned(),
            sentence,
            window_seconds: limits.window.as_secs(),
            covered_seconds: covered.as_secs(),
            min_requests: min,
            legacy: side(seen.legacy, seen.legacy_p95),
            extracted: side(seen.extracted, seen.extracted_p95),
            warning,
            help,
        }
    }

    /// The warning as what traffic has taught.
    pub(super) fn lint(&self, slice: &str) -> Option<Lint> {
        Some(Lint {
            kind: Kind::GuardrailUndecided,
            slice: slice.to_owned(),
            route: String::new(),
            sentence: self.warning.clone()?,
            example: String::new(),
            seen: self.extracted.reads,
            last: Timestamp::now(),
            help: self.help.clone().unwrap_or_default(),
        })
    }
}

fn side(rate: Rate, p95: Option<u64>) -> SideReport {
    let millis = |micros: u64| f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1_000.0;
    SideReport { reads: rate.all, failed: rate.bad, p95_ms: p95.map(millis) }
}

fn minutes(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}
