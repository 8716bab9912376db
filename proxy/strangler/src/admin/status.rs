//! The state of the proxy as one document: what `/api/status` sends and `strangler status` shows.
//!
//! Owns how it is gathered; its shape is in `report`, its first sentence in `sentence`.

mod report;
mod sentence;
mod spread;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use strangler_core::snapshot::{Route, Slice};
use strangler_core::words::{Phase, SliceId};

pub use report::{
    RouteReport, SliceDetailReport, SliceReport, StatusReport, StoppedReport, TrafficReport, UnmatchedReport,
};
use spread::Spread;

use super::Admin;
use super::evidence::EvidenceLine;
use super::fallbacks::FallbackReport;
use super::guardrail::GuardrailReport;
use super::lag::SyncLagReport;
use super::recent::{self, Counted};
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
    let total = recent::counted(&parts.telemetry);
    let state = parts.readiness.as_str().to_owned();
    let recent = admin.recent.since_oldest(&total);
    let slices = slice_reports(admin, &running, (&total, &recent), lines);
    StatusReport {
        sentence: sentence::blocked(admin).unwrap_or_else(|| {
            sentence::sentence(&state, &running, &configuration, &recent.answered, &slices)
        }),
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
        retreats_unreadable: running.latches.everywhere().map(|all| LatchReport::from(&all.latch)),
        lints: super::lints::lints(admin, &slices),
        slices,
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
    let total = recent::counted(&admin.parts.telemetry);
    let recent = admin.recent.since_oldest(&total);
    BTreeMap::from([("slices", slice_reports(admin, &running, (&total, &recent), lines))])
}

pub(super) fn slice(admin: &Admin, name: &str, mut lines: Lines) -> Option<SliceDetailReport> {
    let running = admin.parts.live.pin();
    let snapshot = &running.snapshot;
    let total = recent::counted(&admin.parts.telemetry);
    let recent = admin.recent.since_oldest(&total);
    let index = snapshot.slices.iter().position(|slice| *slice.name == *name)?;
    let id = SliceId(u32::try_from(index).ok()?);
    let slice = snapshot.slice(id);
    let routes = snapshot.routes.iter().filter(|route| route.slice == id);
    let standings = admin.parts.guardrails.standings();
    let report = SliceReport {
        evidence: lines.remove(name),
        ..slice_report(&running, id, &Spread::of(&running, id), (&total, &recent), &standings)
    };
    let learned = super::lints::lints(admin, std::slice::from_ref(&report));
    Some(SliceDetailReport {
        slice: report,
        lints: learned.into_iter().filter(|lint| lint.slice == name).collect(),
        routes: routes.map(|route| route_report(route, running.facts().retreat(id))).collect(),
        except: slice.except.iter().map(|pattern| pattern.text.clone()).collect(),
    })
}

fn slice_reports(
    admin: &Admin,
    running: &Running,
    counted: (&Counted, &Counted),
    mut lines: Lines,
) -> Vec<SliceReport> {
    let standings = admin.parts.guardrails.standings();
    let snapshot = &running.snapshot;
    let each = (0..).map(SliceId).zip(&snapshot.slices).zip(spread::of_slices(running));
    each.map(|((id, slice), spread)| SliceReport {
        evidence: lines.remove(&*slice.name),
        ..slice_report(running, id, &spread, counted, &standings)
    })
    .collect()
}

/// All but its evidence.
fn slice_report(
    running: &Running,
    id: SliceId,
    spread: &Spread,
    (total, recent): (&Counted, &Counted),
    standings: &BTreeMap<Arc<str>, Vec<Shown>>,
) -> SliceReport {
    let snapshot = &running.snapshot;
    let slice = snapshot.slice(id);
    let latch = running.latches.get(&slice.name);
    let (traffic, lately) = (traffic(total, &slice.name), traffic(recent, &slice.name));
    SliceReport {
        name: slice.name.to_string(),
        phase: slice.phase.as_str().to_owned(),
        effective_phase: effective(slice.phase, latch.map(|latch| latch.to)),
        highest_phase: spread.stated.as_str().to_owned(),
        highest_effective_phase: spread.highest.as_str().to_owned(),
        routes_elsewhere: spread.elsewhere,
        retreat: latch.map(LatchReport::from),
        writer: slice.writer.as_str().to_owned(),
        sync: slice.sync.map(|sync| sync.as_str().to_owned()),
        upstream: snapshot.upstream(slice.upstream).name.clone(),
        team: slice.team.clone(),
        review_by: slice.review_by.map(|date| date.to_string()),
        overdue: slice.review_by.is_some_and(|date| date < compile::today()),
        place: format!("{}:{}", slice.place.file, slice.place.line),
        route_count: spread.routes,
        share: share(slice, latch.map(|latch| latch.to)),
        fallbacks: FallbackReport::of(&total.fallbacks, &slice.name, traffic.extracted),
        recent_fallbacks: FallbackReport::of(&recent.fallbacks, &slice.name, lately.extracted),
        sync_lag: SyncLagReport::of(running, id, Instant::now()),
        guardrails: guardrails(&slice.name, standings, &lately),
        traffic,
        recent: lately,
        evidence: None,
    }
}

/// The share of its canary, where one runs.
fn share(slice: &Slice, latched: Option<Phase>) -> Option<String> {
    let is_canary = latched.map_or(slice.phase, |latched| latched.min(slice.phase)) == Phase::Canary;
    slice.canary.as_ref().filter(|_| is_canary).map(|canary| canary.share.to_string())
}

fn guardrails(
    slice: &str,
    standings: &BTreeMap<Arc<str>, Vec<Shown>>,
    recent: &TrafficReport,
) -> Vec<GuardrailReport> {
    let of_slice = standings.get(slice).map(Vec::as_slice).unwrap_or_default();
    of_slice.iter().map(|shown| GuardrailReport::of(slice, shown, recent)).collect()
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

fn traffic(counted: &Counted, slice: &str) -> TrafficReport {
    let of = |owner: &str| {
        counted.answered.get(&(slice.to_owned(), owner.to_owned())).copied().unwrap_or_default()
    };
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
