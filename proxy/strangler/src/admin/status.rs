//! The state of the proxy as one document: what `/api/status` sends and `strangler status` shows.
//!
//! Owns how it is gathered; its shape is in `report`, its first sentence in `sentence`.

mod report;
mod sentence;

use std::collections::BTreeMap;
use std::sync::Arc;

use strangler_core::snapshot::{Route, Slice};
use strangler_core::words::{Phase, SliceId};

pub use report::{
    RouteReport, SliceDetailReport, SliceReport, StatusReport, StoppedReport, TrafficReport, UnmatchedReport,
};

use super::Admin;
use super::evidence::EvidenceLine;
use super::guardrail::GuardrailReport;
use super::recent::{self, Tally};
use super::upstreams;
use crate::guard::Shown;
use crate::live::Running;
use crate::live::compile;
use crate::live::retreat::LatchReport;
use crate::telemetry::{Stopped, Telemetry};

/// What comparisons have shown, by slice.
pub(super) type Lines = BTreeMap<String, EvidenceLine>;

pub(super) fn status(admin: &Admin, lines: Lines) -> StatusReport {
    let parts = &admin.parts;
    let running = parts.live.pin();
    let configuration = parts.configuration.report();
    let total = recent::tally(&parts.telemetry);
    let state = parts.readiness.as_str().to_owned();
    let recent = admin.recent.since_oldest(&total);
    StatusReport {
        sentence: sentence::blocked(admin)
            .unwrap_or_else(|| sentence::sentence(&state, &running, &configuration, &recent)),
        state,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: admin.started.clone(),
        listen: parts.listen.iter().map(ToString::to_string).collect(),
        admin: parts.admin.to_string(),
        unmatched: UnmatchedReport {
            policy: running.snapshot.unmatched.as_str().to_owned(),
            traffic: traffic(&total, ""),
            recent: traffic(&recent, ""),
        },
        slices: slice_reports(admin, &running, (&total, &recent), lines),
        retreats_unreadable: running.latches.everywhere().map(|all| LatchReport::from(&all.latch)),
        lints: super::lints::lints(admin),
        copying_stopped: copying_stopped(&parts.telemetry),
        upstreams: upstreams::report(&running),
        configuration,
    }
}

fn copying_stopped(telemetry: &Telemetry) -> Vec<StoppedReport> {
    let report = |stopped: Stopped| StoppedReport {
        slice: stopped.slice.to_string(),
        route: stopped.route.to_string(),
        since: format!("{:.3}", stopped.since),
        status: stopped.status,
    };
    telemetry.stopped().into_iter().map(report).collect()
}

pub(super) fn slices(admin: &Admin, lines: Lines) -> BTreeMap<&'static str, Vec<SliceReport>> {
    let running = admin.parts.live.pin();
    let total = recent::tally(&admin.parts.telemetry);
    let recent = admin.recent.since_oldest(&total);
    BTreeMap::from([("slices", slice_reports(admin, &running, (&total, &recent), lines))])
}

pub(super) fn slice(admin: &Admin, name: &str, mut lines: Lines) -> Option<SliceDetailReport> {
    let running = admin.parts.live.pin();
    let snapshot = &running.snapshot;
    let total = recent::tally(&admin.parts.telemetry);
    let recent = admin.recent.since_oldest(&total);
    let index = snapshot.slices.iter().position(|slice| *slice.name == *name)?;
    let id = SliceId(u32::try_from(index).ok()?);
    let slice = snapshot.slice(id);
    let routes = snapshot.routes.iter().filter(|route| route.slice == id);
    Some(SliceDetailReport {
        slice: SliceReport {
            evidence: lines.remove(name),
            guardrails: guardrails(name, &admin.parts.guardrails.standings()),
            ..slice_report(&running, slice, routes.clone().count(), (&total, &recent))
        },
        lints: super::lints::lints(admin).into_iter().filter(|lint| lint.slice == name).collect(),
        routes: routes.map(|route| route_report(route, running.facts().retreat(id))).collect(),
        except: slice.except.iter().map(|pattern| pattern.text.clone()).collect(),
    })
}

fn slice_reports(
    admin: &Admin,
    running: &Running,
    tallies: (&Tally, &Tally),
    mut lines: Lines,
) -> Vec<SliceReport> {
    let standings = admin.parts.guardrails.standings();
    let snapshot = &running.snapshot;
    let mut counts = vec![0_usize; snapshot.slices.len()];
    for route in &snapshot.routes {
        if let Some(count) = counts.get_mut(route.slice.0 as usize) {
            *count += 1;
        }
    }
    let counted = snapshot.slices.iter().zip(counts);
    counted
        .map(|(slice, routes)| SliceReport {
            evidence: lines.remove(&*slice.name),
            guardrails: guardrails(&slice.name, &standings),
            ..slice_report(running, slice, routes, tallies)
        })
        .collect()
}

fn slice_report(
    running: &Running,
    slice: &Slice,
    route_count: usize,
    (total, recent): (&Tally, &Tally),
) -> SliceReport {
    let snapshot = &running.snapshot;
    let latch = running.latches.get(&slice.name);
    SliceReport {
        name: slice.name.to_string(),
        phase: slice.phase.as_str().to_owned(),
        effective_phase: effective(slice.phase, latch.map(|latch| latch.to)),
        retreat: latch.map(LatchReport::from),
        writer: slice.writer.as_str().to_owned(),
        sync: slice.sync.map(|sync| sync.as_str().to_owned()),
        upstream: snapshot.upstream(slice.upstream).name.clone(),
        team: slice.team.clone(),
        review_by: slice.review_by.map(|date| date.to_string()),
        overdue: slice.review_by.is_some_and(|date| date < compile::today()),
        place: format!("{}:{}", slice.place.file, slice.place.line),
        route_count,
        share: share(slice, latch.map(|latch| latch.to)),
        traffic: traffic(total, &slice.name),
        recent: traffic(recent, &slice.name),
        guardrails: Vec::new(),
        evidence: None,
    }
}

/// The share of its canary, where one runs.
fn share(slice: &Slice, latched: Option<Phase>) -> Option<String> {
    let is_canary = latched.map_or(slice.phase, |latched| latched.min(slice.phase)) == Phase::Canary;
    slice.canary.as_ref().filter(|_| is_canary).map(|canary| canary.share.to_string())
}

fn guardrails(slice: &str, standings: &BTreeMap<Arc<str>, Vec<Shown>>) -> Vec<GuardrailReport> {
    let of_slice = standings.get(slice).map(Vec::as_slice).unwrap_or_default();
    of_slice.iter().map(|shown| GuardrailReport::of(slice, shown)).collect()
}

fn effective(stated: Phase, latched: Option<Phase>) -> String {
    latched.map_or(stated, |latched| latched.min(stated)).as_str().to_owned()
}

fn route_report(route: &Route, latched: Option<Phase>) -> RouteReport {
    RouteReport {
        id: route.id.to_string(),
        pattern: route.pattern.text.clone(),
        phase: route.phase.as_str().to_owned(),
        effective_phase: effective(route.phase, latched),
        effect: route.effect.map(|effect| effect.as_str().to_owned()),
        place: format!("{}:{}", route.place.file, route.place.line),
    }
}

fn traffic(total: &Tally, slice: &str) -> TrafficReport {
    let of = |owner: &str| total.get(&(slice.to_owned(), owner.to_owned())).copied().unwrap_or_default();
    let (legacy, extracted, proxy) = (of("legacy"), of("extracted"), of("proxy"));
    TrafficReport {
        legacy: legacy.requests,
        extracted: extracted.requests,
        proxy: proxy.requests,
        legacy_errors: legacy.errors,
        extracted_errors: extracted.errors,
        proxy_errors: proxy.errors,
    }
}
