//! The report: one model from which every format is rendered, on the admin listener and the command line.
//!
//! Owns the fields, which are stable within a version, and the exit code that follows from them. Refuses
//! layout. Whatever text is in it was redacted before it reached the evidence.

mod build;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::account::Accounts;
use super::latency::Latencies;
use super::limits::Dropped;
use super::observation::Example;
use super::verdict::{State, Verdict};

pub use super::judge::day;
pub use build::{build, build_slice};

/// The version of the model: raised when a field changes its meaning or goes away.
pub const VERSION: u32 = 1;

/// What comparisons have shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// When it was made.
    pub at: Timestamp,
    /// All of it in one sentence.
    pub sentence: String,
    /// By name.
    pub slices: Vec<SliceReport>,
}

/// What comparisons have shown of one slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceReport {
    /// Its name.
    pub slice: String,
    /// In one sentence.
    pub sentence: String,
    /// The phase its file states.
    pub phase: String,
    /// Who moves it.
    pub team: Option<String>,
    /// Whether comparisons are expected: it is in a phase that copies requests, or has been compared.
    pub expected: bool,
    /// What the evidence is about.
    pub epoch: EpochReport,
    /// The four accounts.
    pub accounts: AccountsReport,
    /// First comparison.
    pub first: Option<Timestamp>,
    /// Last comparison.
    pub last: Option<Timestamp>,
    /// The gate; `None`: the file demands no evidence.
    pub gate: Option<Verdict>,
    /// Signatures that count, most frequent first.
    pub problems: Vec<Problem>,
    /// Signatures that are hidden, most frequent first.
    pub hidden: Vec<Problem>,
    /// Places at which legacy differs from itself.
    pub noise: Vec<NoiseReport>,
    /// What each rule hides.
    pub rules: Vec<RuleReport>,
    /// By id.
    pub routes: Vec<RouteReport>,
    /// Both sides' latencies over the same requests.
    pub latency: Option<LatencyReport>,
    /// Requests that came before the epoch and are in no account.
    pub late: u64,
    /// What did not fit into the tables.
    pub dropped: Dropped,
}

/// An epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// From 1.
    pub number: u32,
    /// Since when.
    pub began: Timestamp,
    /// Why it began, in words.
    pub cause: String,
    /// The extracted side's version.
    pub version: Option<String>,
}

/// The four accounts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccountsReport {
    /// All eligible requests.
    pub eligible: u64,
    /// Those compared: the next three together.
    pub compared: u64,
    /// No difference.
    #[serde(rename = "match")]
    pub matched: u64,
    /// Differences that count.
    pub mismatch: u64,
    /// Differences, all hidden.
    pub ignored: u64,
    /// Not compared.
    pub not_compared: u64,
    /// Not compared, by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Mismatches among those compared, 0..=1.
    pub mismatch_share: f64,
    /// Transient or unstable ones among those and the compared, 0..=1.
    pub unsettled_share: f64,
}

impl From<&Accounts> for AccountsReport {
    fn from(accounts: &Accounts) -> AccountsReport {
        AccountsReport {
            eligible: accounts.compared().saturating_add(accounts.all_not_compared()),
            compared: accounts.compared(),
            matched: accounts.matched,
            mismatch: accounts.mismatched,
            ignored: accounts.ignored,
            not_compared: accounts.all_not_compared(),
            reasons: accounts
                .not_compared
                .iter()
                .map(|(reason, count)| (reason.as_str().to_owned(), *count))
                .collect(),
            mismatch_share: accounts.mismatch_share(),
            unsettled_share: accounts.unsettled_share(),
        }
    }
}

/// All differences of one cause on one route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// Its name, eight hexadecimal digits; `None`: differences of many kinds that are not kept apart.
    pub signature: Option<String>,
    /// The route's id.
    pub route: String,
    /// Of which kind, in full; empty where they are not kept apart.
    pub kind: String,
    /// Where; empty where they are not kept apart.
    pub path: String,
    /// What legacy has there, in a word.
    pub legacy: String,
    /// What the extracted service has there, in a word.
    pub extracted: String,
    /// What makes one of the other.
    pub relation: Option<String>,
    /// In a sentence, for people.
    pub sentence: String,
    /// Requests with it.
    pub requests: u64,
    /// Differences, of which one request can have several.
    pub differences: u64,
    /// Requests with it among those compared on the route, 0..=1.
    pub share: f64,
    /// Seen first.
    pub first: Timestamp,
    /// Seen last.
    pub last: Timestamp,
    /// The smallest ones, redacted.
    pub examples: Vec<Example>,
    /// The rule that hides it, or `noise`.
    pub hidden_by: Option<String>,
    /// The `accept` that hid it until its day.
    pub expired: Option<String>,
}

impl Problem {
    /// What it is called: its signature, or `several` where kinds are not kept apart.
    pub fn name(&self) -> &str {
        self.signature.as_deref().unwrap_or("several")
    }
}

/// A place at which legacy differs from itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseReport {
    /// The route's id.
    pub route: String,
    /// Where.
    pub path: String,
    /// For which kind.
    pub kind: String,
    /// Requests for which legacy was asked twice, on this route.
    pub repeated: u64,
    /// Only the extracted service's answer differed.
    pub extracted_only: u64,
    /// Only legacy's second answer differed.
    pub legacy_only: u64,
    /// Both differed.
    pub both: u64,
    /// Probability of such counts if the service is equivalent.
    pub p_value: f64,
    /// Whether mismatches there count: the service differs more than legacy does.
    pub counts: bool,
}

/// One rule and what it hides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleReport {
    /// Its text: `ignore $.generated_at`, `accept 3f9c21ab`.
    pub rule: String,
    /// In a sentence, for people.
    pub sentence: String,
    /// Why a difference is accepted.
    pub why: Option<String>,
    /// The last day on which it is.
    pub until: Option<jiff::civil::Date>,
    /// Whether that day is past: it hides nothing any more.
    pub expired: bool,
    /// Requests with a difference that it matches.
    pub requests: u64,
    /// Differences that it matches.
    pub differences: u64,
    /// Signatures among them.
    pub signatures: u64,
    /// Their kinds, in full.
    pub kinds: Vec<String>,
    /// Whether it matches nothing although its routes have been compared.
    pub dead: bool,
    /// Why it hides more than a rule should; empty: it does not.
    pub broad: Vec<String>,
}

/// What is known of one route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteReport {
    /// Its id.
    pub route: String,
    /// The four accounts.
    pub accounts: AccountsReport,
    /// Why its requests are never compared; `None`: they can be.
    pub never_compared: Option<String>,
    /// Distinct shapes of requests.
    pub shapes: u64,
    /// Comparisons that the gate counts: at most twenty of each shape.
    pub counted: u64,
    /// Mismatches among them.
    pub counted_mismatches: u64,
    /// Comparisons that the gate demands of this route.
    pub demanded: u32,
    /// Signatures that count.
    pub problems: u64,
    /// First comparison.
    pub first: Option<Timestamp>,
    /// Last comparison.
    pub last: Option<Timestamp>,
    /// Both sides' latencies over the same requests.
    pub latency: Option<LatencyReport>,
}

/// Both sides' latencies over the same requests, in milliseconds; each within 2 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyReport {
    /// Requests.
    pub requests: u64,
    /// Legacy's median.
    pub legacy_p50_ms: f64,
    /// Legacy's 95th percentile.
    pub legacy_p95_ms: f64,
    /// The extracted service's median.
    pub extracted_p50_ms: f64,
    /// The extracted service's 95th percentile.
    pub extracted_p95_ms: f64,
    /// Share of requests for which the extracted service took longer, 0..=1.
    pub extracted_slower: f64,
}

impl LatencyReport {
    fn of(latencies: &Latencies) -> Option<LatencyReport> {
        let milliseconds = |sketch: &super::Sketch, percent| {
            sketch.percentile(percent).map(|duration| (duration.as_secs_f64() * 1e5).round() / 1e2)
        };
        Some(LatencyReport {
            requests: latencies.legacy.count(),
            legacy_p50_ms: milliseconds(&latencies.legacy, 50)?,
            legacy_p95_ms: milliseconds(&latencies.legacy, 95)?,
            extracted_p50_ms: milliseconds(&latencies.extracted, 50)?,
            extracted_p95_ms: milliseconds(&latencies.extracted, 95)?,
            extracted_slower: super::account::share(latencies.extracted_slower, latencies.legacy.count()),
        })
    }
}

/// Whether an expired `accept` is told by the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// It is only shown.
    Usual,
    /// It is told (`--strict`).
    Strict,
}

/// An end that a report can have, beside a pass; several may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// A signature counts that nobody accepted, or a gate failed: exit code 1.
    Failed,
    /// Nothing was compared, or a gate lacks evidence: exit code 4.
    Insufficient,
    /// An accepted difference has expired: exit code 5.
    Expired,
}

impl End {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            End::Failed => 1,
            End::Insufficient => 4,
            End::Expired => 5,
        }
    }
}

impl Report {
    /// Every end that holds, the one to tell first. None: a pass.
    pub fn ends(&self, strictness: Strictness) -> Vec<End> {
        let mut ends = Vec::new();
        let expected: Vec<&SliceReport> = self.slices.iter().filter(|slice| slice.expected).collect();
        let gates =
            |state| expected.iter().any(|one| one.gate.as_ref().is_some_and(|gate| gate.state == state));
        if self.slices.iter().any(|slice| !slice.problems.is_empty()) || gates(State::Failed) {
            ends.push(End::Failed);
        }
        let nothing = expected.iter().any(|slice| slice.accounts.compared == 0) || expected.is_empty();
        if nothing || gates(State::Insufficient) {
            ends.push(End::Insufficient);
        }
        let expired = self.slices.iter().flat_map(|slice| &slice.rules).any(|rule| rule.expired);
        if strictness == Strictness::Strict && expired {
            ends.push(End::Expired);
        }
        ends
    }

    /// The exit code: the first of the ends that hold, 0 where none does.
    pub fn exit_code(&self, strictness: Strictness) -> u8 {
        self.ends(strictness).first().map_or(0, |end| end.code())
    }
}
