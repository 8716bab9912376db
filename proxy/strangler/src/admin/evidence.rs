//! Evidence, as the admin listener tells it: the report, its differences, one line per slice; a new epoch.
//!
//! Owns asking the thread that holds the evidence. Refuses to judge: core does.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strangler_core::evidence::report::{self, AccountsReport, Problem, SliceReport};
use strangler_core::evidence::verdict::State;
use strangler_core::evidence::{Report, UnknownSlice};

use super::Admin;
use super::reply::Problem as Refusal;
use crate::live::report::Trigger;
use crate::store::Entry;
use crate::store::evidence::Losses;

/// How long what is told beside something else is waited for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

/// Characters of a reason that are kept.
const REASON_MAX: usize = 500;

/// What `POST /api/slices/NAME/evidence/restart` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartReport {
    /// The slice.
    pub slice: String,
    /// Its new epoch, from 1.
    pub epoch: u32,
    /// Why, as given.
    pub reason: String,
}

/// The body of that request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RestartBody {
    reason: String,
}

/// What comparisons have shown of one slice, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceLine {
    /// In a sentence.
    pub sentence: String,
    /// The epoch, from 1.
    pub epoch: u32,
    /// The four accounts.
    pub accounts: AccountsReport,
    /// Signatures that count.
    pub problems: usize,
    /// `pass`, `insufficient` or `failed`; `None`: the file demands no evidence.
    pub gate: Option<String>,
}

/// What did not get through, in the Prometheus text format.
pub(super) fn metrics(losses: &Losses) -> String {
    let Losses { dropped, failed_writes, lost_rows, pruned } = losses;
    format!(
        "# HELP strangler_evidence_lost_total What the evidence had no room for, could not write, or could not read.\n\
         # TYPE strangler_evidence_lost_total counter\n\
         strangler_evidence_lost_total{{what=\"observations\"}} {dropped}\n\
         strangler_evidence_lost_total{{what=\"writes\"}} {failed_writes}\n\
         strangler_evidence_lost_total{{what=\"rows\"}} {lost_rows}\n\
         strangler_evidence_lost_total{{what=\"pruned\"}} {pruned}\n"
    )
}

impl EvidenceLine {
    fn of(report: SliceReport) -> EvidenceLine {
        EvidenceLine {
            sentence: report.sentence,
            epoch: report.epoch.number,
            accounts: report.accounts,
            problems: report.problems.len(),
            gate: report.gate.map(|gate| gate.state.as_str().to_owned()),
        }
    }
}

/// Differences of one slice, as `/api/differences` tells them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceDifferences {
    /// The slice.
    pub slice: String,
    /// Those that count, most frequent first.
    pub differences: Vec<Problem>,
    /// Those that a rule or noise hides.
    pub hidden: Vec<Problem>,
    /// The four accounts that their shares are of.
    pub accounts: AccountsReport,
}

/// The report of all slices, or of one.
pub(super) async fn report(admin: &Admin, only: Option<&str>) -> Result<Report, Refusal> {
    let only = only.map(str::to_owned);
    let asked = admin
        .parts
        .evidence
        .ask(move |held| report::build(&held.ledger, &held.snapshot, only.as_deref(), Timestamp::now()));
    asked.await.map_err(|_| unavailable())?.map_err(|unknown| no_slice(admin, &unknown))
}

/// The report as far as it can be had soon: a disk that is full or slow must not keep anybody from asking how the
/// proxy is.
async fn soon(admin: &Admin, only: Option<&str>) -> Option<Report> {
    tokio::time::timeout(PATIENCE, report(admin, only)).await.ok()?.ok()
}

/// Differences by slice.
pub(super) async fn differences(
    admin: &Admin,
    only: Option<&str>,
) -> Result<BTreeMap<&'static str, Vec<SliceDifferences>>, Refusal> {
    let report = report(admin, only).await?;
    let slices = report.slices.into_iter().map(|slice| SliceDifferences {
        slice: slice.slice,
        differences: slice.problems,
        hidden: slice.hidden,
        accounts: slice.accounts,
    });
    Ok(BTreeMap::from([("slices", slices.collect())]))
}

/// One line for each slice of which comparisons are expected. Empty where nobody can be asked: whoever wants to know
/// how the proxy is must not be kept from it.
pub(super) async fn lines(admin: &Admin, only: Option<&str>) -> BTreeMap<String, EvidenceLine> {
    let Some(report) = soon(admin, only).await else { return BTreeMap::new() };
    let expected = report.slices.into_iter().filter(|slice| slice.expected);
    expected.map(|slice| (slice.slice.clone(), EvidenceLine::of(slice))).collect()
}

/// What has been compared of the route and slice that a request would take, in lines for people.
pub(super) async fn of_route(admin: &Admin, slice: &str, route: &str) -> Vec<String> {
    let Some(report) = soon(admin, Some(slice)).await else { return Vec::new() };
    let Some(slice) = report.slices.into_iter().find(|slice| slice.expected) else { return Vec::new() };
    let mut lines = Vec::new();
    if let Some(route) = slice.routes.iter().find(|known| known.route == route) {
        let accounts = &route.accounts;
        lines.push(match &route.never_compared {
            Some(why) => format!("this route is never compared: {why}"),
            None => format!(
                "this route: match {}, mismatch {}, ignored {}, not-compared {}",
                accounts.matched, accounts.mismatch, accounts.ignored, accounts.not_compared
            ),
        });
    }
    lines.push(slice.sentence);
    if let Some(gate) = slice.gate.filter(|gate| gate.state != State::Pass) {
        let missing = gate.conditions.iter().filter(|condition| condition.state != State::Pass);
        lines.extend(missing.map(|condition| format!("gate: {}", condition.sentence)));
    }
    lines
}

/// Begins a new epoch and tells the history.
pub(super) async fn restart(admin: &Admin, slice: &str, body: &[u8]) -> Result<RestartReport, Refusal> {
    let bad = |error: String| Refusal::new(StatusCode::BAD_REQUEST, error, "send {\"reason\": \"why\"}");
    let RestartBody { reason } =
        serde_json::from_slice(body).map_err(|error| bad(format!("the body cannot be read: {error}")))?;
    let reason: String = reason.trim().chars().filter(|c| !c.is_control()).take(REASON_MAX).collect();
    if reason.is_empty() {
        return Err(bad("`reason` is empty: the history keeps it".to_owned()));
    }
    let (name, why): (Arc<str>, String) = (slice.into(), reason.clone());
    let asked = admin.parts.evidence.ask(move |held| {
        let known = held.snapshot.slices.iter().any(|slice| *slice.name == *name);
        let known = known.then_some(()).ok_or_else(|| UnknownSlice(name.to_string()));
        known.and_then(|()| held.ledger.restart(&name, &why, Timestamp::now()))
    });
    let epoch = asked.await.map_err(|_| unavailable())?.map_err(|unknown| no_slice(admin, &unknown))?;
    let entry = Entry {
        slice: Some(slice.to_owned()),
        why: Some(reason.clone()),
        changes: vec![format!("the evidence of slice `{slice}` starts anew with epoch {epoch}: {reason}")],
        ..Entry::new("evidence-restarted", Trigger::Admin, admin.parts.live.pin().generation)
    };
    tracing::info!(slice, epoch, reason, "evidence starts anew");
    if let Err(error) = admin.parts.store.append(&entry) {
        tracing::error!(%error, "the history was not written");
    }
    Ok(RestartReport { slice: slice.to_owned(), epoch, reason })
}

fn no_slice(admin: &Admin, unknown: &UnknownSlice) -> Refusal {
    Refusal::no_slice(&admin.parts.live.pin().snapshot, &unknown.0)
}

fn unavailable() -> Refusal {
    let error = "the evidence cannot be asked now".to_owned();
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error, "ask again in a moment")
}
