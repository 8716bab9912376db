//! The shape of the document: what is told, in which words. Refuses to find anything out.

use serde::{Deserialize, Serialize};
use strangler_core::lints::Lint;

use crate::admin::evidence::EvidenceLine;
use crate::admin::fallbacks::FallbackReport;
use crate::admin::guardrail::GuardrailReport;
use crate::admin::lag::SyncLagReport;
use crate::admin::upstreams::UpstreamReport;
use crate::live::report::ConfigurationReport;
use crate::live::retreat::LatchReport;

/// The whole state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusReport {
    /// What a person must know first, in one sentence.
    pub sentence: String,
    /// `starting`, `serving` or `draining`.
    pub state: String,
    /// Of the program.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// When the process started, RFC 3339 in UTC.
    pub started: String,
    /// Public addresses as bound.
    pub listen: Vec<String>,
    /// Admin address as bound.
    pub admin: String,
    /// The configuration, and what is wrong with the files on disk.
    pub configuration: ConfigurationReport,
    /// What happens to requests that no route takes.
    pub unmatched: UnmatchedReport,
    /// All slices, by name.
    pub slices: Vec<SliceReport>,
    /// The file of retreats could not be read: what holds every slice until each has been resumed.
    #[serde(default)]
    pub retreats_unreadable: Option<LatchReport>,
    /// What traffic has taught about the seam between the two sides.
    #[serde(default)]
    pub lints: Vec<Lint>,
    /// Routes whose copying has stopped.
    #[serde(default)]
    pub copying_stopped: Vec<StoppedReport>,
    /// All upstreams, by name.
    pub upstreams: Vec<UpstreamReport>,
}

/// A route whose copying has stopped: a copied write was not rolled back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoppedReport {
    /// Its slice.
    pub slice: String,
    /// Its id.
    pub route: String,
    /// When the reply came that did not say `X-Shadow-Mode: rollback`, RFC 3339 in UTC.
    pub since: String,
    /// Status of that reply.
    pub status: u16,
}

/// Requests that no route takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UnmatchedReport {
    /// `legacy` or `reject`.
    pub policy: String,
    /// Who answered them.
    pub traffic: TrafficReport,
    /// The same of the last minute.
    #[serde(default)]
    pub recent: TrafficReport,
}

/// One slice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SliceReport {
    /// Its name.
    pub name: String,
    /// Phase of its file.
    pub phase: String,
    /// Phase in effect: of the file or of a retreat, whichever is lower.
    pub effective_phase: String,
    /// Highest phase that the file states of its routes: a route may have a phase of its own.
    #[serde(default)]
    pub highest_phase: String,
    /// The same in effect.
    #[serde(default)]
    pub highest_effective_phase: String,
    /// How many of its routes are in effect in another phase than it.
    #[serde(default)]
    pub routes_elsewhere: usize,
    /// The share of clients that the extracted service answers, where a canary runs.
    #[serde(default)]
    pub share: Option<String>,
    /// Who owns the data.
    pub writer: String,
    /// How the sides' data are kept in step, where the file says.
    pub sync: Option<String>,
    /// The extracted service.
    pub upstream: String,
    /// Who moves it.
    pub team: Option<String>,
    /// When it should be done, as a date.
    pub review_by: Option<String>,
    /// That date is past.
    pub overdue: bool,
    /// Where it is written, `file:line`.
    pub place: String,
    /// How many routes it has.
    pub route_count: usize,
    /// Its share of the traffic.
    pub traffic: TrafficReport,
    /// The same of the last minute.
    #[serde(default)]
    pub recent: TrafficReport,
    /// Reads that legacy was asked because the extracted service failed them, since the process started.
    #[serde(default)]
    pub fallbacks: FallbackReport,
    /// The same of the last minute.
    #[serde(default)]
    pub recent_fallbacks: FallbackReport,
    /// How late the data of the side that does not write is, where the file says whom to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_lag: Option<SyncLagReport>,
    /// What holds it below its file's phase, until somebody resumes it.
    #[serde(default)]
    pub retreat: Option<LatchReport>,
    /// Its guardrails, where the extracted side answers and they are armed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<GuardrailReport>,
    /// What comparisons have shown, where they are expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceLine>,
}

/// Who answered how many requests since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficReport {
    /// By legacy.
    pub legacy: u64,
    /// By the extracted service.
    pub extracted: u64,
    /// By the proxy itself.
    pub proxy: u64,
    /// Of legacy's, from 500 on.
    pub legacy_errors: u64,
    /// Of the extracted service's, from 500 on.
    pub extracted_errors: u64,
    /// Of the proxy's own, from 500 on.
    pub proxy_errors: u64,
}

/// One slice with its routes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SliceDetailReport {
    /// The slice.
    #[serde(flatten)]
    pub slice: SliceReport,
    /// What traffic has taught about it.
    #[serde(default)]
    pub lints: Vec<Lint>,
    /// What it takes.
    pub routes: Vec<RouteReport>,
    /// What its `routes` would take but stays with legacy.
    pub except: Vec<String>,
}

/// One route.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteReport {
    /// Unique.
    pub id: String,
    /// What it matches.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Phase of its file.
    pub phase: String,
    /// Phase in effect: of the file or of a retreat, whichever is lower.
    #[serde(default)]
    pub effective_phase: String,
    /// Declared effect; by method where there is none.
    pub effect: Option<String>,
    /// Where it is written, `file:line`.
    pub place: String,
}
