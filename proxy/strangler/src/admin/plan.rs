//! `POST /api/plan`: what a configuration would do in place of the one that serves, to routes, to the requests that are
//! remembered, and whether there is evidence for what would get more traffic.
//!
//! Owns asking what only this process knows: what serves, its retreats, the last requests, the evidence. Changes nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strangler_core::config::{SourceText, Sources};
use strangler_core::evidence::report::build_slice;
use strangler_core::evidence::verdict::State;
use strangler_core::evidence::{Basis, Ledger};
use strangler_core::plan::{Impact, Known, Raised, Remembered, raised};
use strangler_core::routing::{Facts, RequestView};
use strangler_core::snapshot::Snapshot;
use strangler_core::words::SliceId;

use super::Admin;
use super::reply::{Problem, Reply, json};
use super::traffic::unavailable;
use crate::live::Running;
use crate::live::compile::{self, Compiled};
use crate::live::report::DiagnosticReport;
use crate::live::source::Source;
use crate::plan::{GateReport, PlanReport, TrafficReport, compare};
use crate::telemetry::feed::Ended;

/// Bytes of a request body: a configuration of many thousands of routes.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The body of that request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanBody {
    /// The configuration that might serve.
    pub(crate) new: Texts,
    /// What it is compared with; `None`: what serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) against: Option<Texts>,
    /// Of the requests that are remembered, those of the last so many seconds; `None`: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<u64>,
    /// Whether remembered requests are looked at.
    #[serde(default)]
    pub(crate) traffic: bool,
    /// Whether evidence is asked for.
    #[serde(default)]
    pub(crate) gate: bool,
}

/// Texts of a configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Texts {
    main: Text,
    #[serde(default)]
    included: Vec<Text>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: String,
    text: String,
}

impl From<Sources> for Texts {
    fn from(sources: Sources) -> Texts {
        let text = |source: SourceText| Text { name: source.name, text: source.text };
        Texts { main: text(sources.main), included: sources.included.into_iter().map(text).collect() }
    }
}

impl From<Texts> for Sources {
    fn from(texts: Texts) -> Sources {
        let text = |text: Text| SourceText { name: text.name, text: text.text };
        Sources { main: text(texts.main), included: texts.included.into_iter().map(text).collect() }
    }
}

/// A configuration that cannot serve.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InvalidReport {
    /// Which of the two: its main file.
    pub(crate) file: String,
    /// Everything that is wrong.
    pub(crate) diagnostics: Vec<DiagnosticReport>,
}

pub(super) async fn plan(admin: &Admin, body: &[u8]) -> Result<Reply, Problem> {
    let body: PlanBody = serde_json::from_slice(body).map_err(|error| {
        let help = "`strangler plan` sends what is read here";
        Problem::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}"), help)
    })?;
    let running = admin.parts.live.pin();
    // The new configuration would stand where the one that serves does: its relative paths are taken from there.
    let main = admin.parts.configuration.report().files.into_iter().next().unwrap_or_default();
    let base = Source::File(main.into()).base().to_owned();
    let telemetry = Arc::clone(&admin.parts.telemetry);
    // Thousands of routes and requests take a moment, which others need not wait for.
    let worked_out = tokio::task::spawn_blocking(move || {
        work_out(&body, &base, &running, |since| telemetry.feed.since(since))
            .map(|planned| (body.gate, planned))
    });
    let worked_out = worked_out.await.map_err(|_| {
        let error = "the plan could not be worked out".to_owned();
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, error, "ask again")
    })?;
    let (gate, Planned { report, before, after }) = match worked_out {
        Ok(planned) => planned,
        Err(invalid) => return Ok(json(StatusCode::UNPROCESSABLE_ENTITY, &invalid)),
    };
    if !gate {
        return Ok(json(StatusCode::OK, &report));
    }
    let raised = raised(&before, &after);
    let asked = admin.parts.evidence.ask(move |held| evidence(&held.ledger, &held.snapshot, &after, &raised));
    let gate = asked.await.map_err(unavailable)?;
    Ok(json(StatusCode::OK, &report.with_gate(gate)))
}

struct Planned {
    report: PlanReport,
    before: Arc<Snapshot>,
    after: Arc<Snapshot>,
}

fn work_out(
    body: &PlanBody,
    base: &Path,
    running: &Running,
    remembered: impl FnOnce(Timestamp) -> Vec<Ended>,
) -> Result<Planned, InvalidReport> {
    let after = compiled(&body.new, base)?;
    let (before, against) = match &body.against {
        Some(texts) => (compiled(texts, base)?.snapshot, texts.main.name.clone()),
        None => (Arc::clone(&running.snapshot), format!("what serves (generation {})", running.generation)),
    };
    // Retreats hold whatever the file says, each by the name of its slice.
    let (held_before, held_after) =
        (running.latches.phases(&before), running.latches.phases(&after.snapshot));
    let (facts_before, facts_after) =
        (Facts { retreats: &held_before, ..Facts::NONE }, Facts { retreats: &held_after, ..Facts::NONE });
    let mut report = compare((&before, facts_before), (&after, facts_after), &against);
    if body.traffic {
        let mut impact = Impact::new((&before, facts_before), (&after.snapshot, facts_after));
        let now = Timestamp::now();
        let since = body.seconds.and_then(|seconds| now.checked_sub(Duration::from_secs(seconds)).ok());
        let all = remembered(since.unwrap_or(Timestamp::MIN));
        for ended in &all {
            let own = body.against.is_none() && ended.generation == running.generation;
            add(&mut impact, ended, own);
        }
        let at = |ended: Option<&Ended>| ended.map(|ended| format!("{:.3}", ended.time));
        report = report.with_traffic(TrafficReport {
            source: "the proxy's memory".to_owned(),
            first: at(all.first()),
            last: at(all.last()),
            impact: impact.finish(),
        });
    }
    Ok(Planned { report, before, after: after.snapshot })
}

/// Counts one request. Its bucket is worth something only where the configuration that drew it is the one that is
/// compared with.
fn add(impact: &mut Impact<'_>, ended: &Ended, own: bool) {
    let headers = http::HeaderMap::new();
    let view = RequestView {
        method: &ended.method,
        host: &ended.host,
        path: &ended.path,
        query: None,
        headers: &headers,
        client_ip: ended.client,
    };
    let bucket = (own && ended.phase == "canary").then_some(ended.bucket);
    impact.add(&Remembered { view, known: Known::Line, bucket });
}

fn compiled(texts: &Texts, base: &Path) -> Result<Compiled, InvalidReport> {
    let sources: Sources = texts.clone().into();
    compile::compile(&sources, base).map_err(|diagnostics| InvalidReport {
        file: texts.main.name.clone(),
        diagnostics: DiagnosticReport::all(&diagnostics),
    })
}

/// Evidence for each slice that would get more traffic, under the new configuration's rules.
fn evidence(ledger: &Ledger, serving: &Snapshot, after: &Snapshot, raised: &[Raised]) -> Vec<GateReport> {
    raised.iter().filter_map(|one| judged(ledger, serving, after, one)).collect()
}

/// `None`: the new configuration demands no evidence.
fn judged(ledger: &Ledger, serving: &Snapshot, after: &Snapshot, raised: &Raised) -> Option<GateReport> {
    let slice = after.slice(raised.slice);
    slice.policy.gate.as_ref()?;
    let report = |state, sentence: String, more_needed| {
        let (slice, route) = (slice.name.to_string(), raised.route.clone());
        Some(GateReport { slice, route, state, sentence, more_needed })
    };
    let old = (0..).map(SliceId).zip(&serving.slices).find(|(_, old)| old.name == slice.name);
    let Some((old, _)) = old else {
        return report(State::Insufficient, "nothing was compared: the slice is new".to_owned(), 0);
    };
    let basis = Basis::of(serving, old).superseded_by(&Basis::of(after, raised.slice));
    if let Some(cause) = basis {
        let why = format!("what was compared would no longer count: {}", cause.in_words());
        return report(State::Insufficient, why, 0);
    }
    let verdict = build_slice(ledger, after, raised.slice, Timestamp::now()).and_then(|report| report.gate);
    match verdict {
        Some(verdict) => report(verdict.state, verdict.sentence, verdict.more_needed),
        None => report(State::Insufficient, "nothing was compared".to_owned(), 0),
    }
}
