//! The state of the proxy as one document: what `/api/status` sends and `strangler status` shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strangler_core::lints::Lint;
use strangler_core::snapshot::{Route, Slice, Snapshot};
use strangler_core::words::{Phase, SliceId, Writer};

use super::Admin;
use super::evidence::EvidenceLine;
use super::guardrail::GuardrailReport;
use super::recent::{self, Counts, Tally};
use super::upstreams::{self, UpstreamReport};
use crate::guard::Shown;
use crate::live::Running;
use crate::live::compile;
use crate::live::report::ConfigurationReport;
use crate::live::retreat::LatchReport;
use crate::telemetry::{Stopped, Telemetry};

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
        sentence: blocked(admin).unwrap_or_else(|| sentence(&state, &running, &configuration, &recent)),
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

/// Fewer requests say nothing about a rate.
const REQUESTS_MIN: u64 = 20;

/// The most urgent fact.
fn sentence(state: &str, running: &Running, configuration: &ConfigurationReport, recent: &Tally) -> String {
    let snapshot = &running.snapshot;
    if state == "draining" {
        return "Shutting down: requests in flight are being finished.".to_owned();
    }
    if let Some(sentence) = errors(&attributed(snapshot, recent)) {
        return sentence;
    }
    if let Some(rejected) = &configuration.rejected {
        let count = rejected.diagnostics.iter().filter(|d| d.severity == "error").count();
        let problems = if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
        let serving = if configuration.from_last_good {
            "the last good configuration".to_owned()
        } else {
            format!("generation {}", configuration.generation)
        };
        return format!("The files on disk are refused ({problems}): {serving} goes on serving.");
    }
    if let Some(sentence) = retreated(running) {
        return sentence;
    }
    if !configuration.restart_required.is_empty() {
        return format!("All serves; {} waits for a restart.", configuration.restart_required.join(", "));
    }
    let moved = (0..)
        .map(SliceId)
        .zip(&snapshot.slices)
        .filter(|(id, slice)| {
            running.facts().retreat(*id).unwrap_or(slice.phase).min(slice.phase) >= Phase::Extracted
        })
        .count();
    match snapshot.slices.len() {
        0 => "Legacy answers everything: no slice is configured.".to_owned(),
        1 if moved == 0 => "Legacy answers everything: the one slice has not been moved.".to_owned(),
        all if moved == 0 => format!("Legacy answers everything: none of {all} slices has been moved."),
        1 => "The one slice is answered by its extracted service.".to_owned(),
        all => format!("{moved} of {all} slices are answered by their extracted services."),
    }
}

/// A guardrail that calls for a retreat that cannot be: nothing is more urgent.
fn blocked(admin: &Admin) -> Option<String> {
    let standings = admin.parts.guardrails.standings();
    let mut all = standings.iter().flat_map(|(slice, shown)| shown.iter().map(move |one| (slice, one)));
    all.find_map(|(slice, one)| {
        one.blocked.as_ref()?;
        Some(format!(
            "The guardrail of slice {slice} is broken, and a retreat would serve stale data: see GUARDRAILS."
        ))
    })
}

/// Which slices are held below what the file says, if any are.
fn retreated(running: &Running) -> Option<String> {
    if running.latches.everywhere().is_some() {
        let sentence =
            "Retreats could not be read: every slice is held at shadow or below until it is resumed.";
        return Some(sentence.to_owned());
    }
    let held = running.snapshot.slices.iter().filter_map(|slice| {
        let latch = running.latches.get(&slice.name)?;
        Some((slice, latch))
    });
    let held: Vec<_> = held.collect();
    match held.as_slice() {
        [] => None,
        [(slice, latch)] => Some(format!(
            "Slice {name} has retreated to {}; `strangler resume {name}` lets it go on.",
            latch.to,
            name = slice.name
        )),
        several => {
            Some(format!("{} slices have retreated; `strangler resume` lets them go on.", several.len()))
        }
    }
}

/// Counts the failures that the proxy answered for a side (502, 503, 504) as that side's, where it is clear
/// which side that was.
fn attributed(snapshot: &Snapshot, recent: &Tally) -> Tally {
    let mut attributed = Tally::new();
    for ((slice, owner), counts) in recent {
        let (owner, requests) = match owner.as_str() {
            "proxy" => (side_of(snapshot, slice), counts.errors),
            owner => (owner, counts.requests),
        };
        let sum = attributed.entry((slice.clone(), owner.to_owned())).or_default();
        sum.requests += requests;
        sum.errors += counts.errors;
    }
    attributed
}

/// The side that takes all of a slice's requests; `proxy` where reads and writes go to different ones.
fn side_of(snapshot: &Snapshot, slice: &str) -> &'static str {
    let Some(slice) = snapshot.slices.iter().find(|known| *known.name == *slice) else { return "legacy" };
    let reads_moved = slice.phase >= Phase::Extracted;
    match (reads_moved, slice.writer) {
        (true, Writer::Extracted) => "extracted",
        (false, Writer::Legacy) => "legacy",
        _ => "proxy",
    }
}

/// Who fails most, if anybody does: "Errors come from extracted products, 12 %; legacy 0.1 %".
fn errors(recent: &Tally) -> Option<String> {
    let rate = |counts: &Counts| counts.errors.saturating_mul(10_000) / counts.requests.max(1);
    let enough = recent.iter().filter(|(_, counts)| counts.requests >= REQUESTS_MIN);
    // What the proxy answers itself, it answers because of somebody: where both fail alike, that one is named.
    let ((slice, owner), worst) =
        enough.max_by_key(|((_, owner), counts)| (rate(counts), owner != "proxy"))?;
    // Under 1 % nothing is said first; the table says it.
    if rate(worst) < 100 {
        return None;
    }
    let share = percent(rate(worst));
    let from = match slice.as_str() {
        "" => format!("{owner} (no slice)"),
        slice => format!("{owner} {slice}"),
    };
    let mut legacy = Counts::default();
    for (_, counts) in recent.iter().filter(|((_, owner), _)| owner == "legacy") {
        legacy.requests += counts.requests;
        legacy.errors += counts.errors;
    }
    let beside = match owner.as_str() {
        "legacy" => String::new(),
        _ if legacy.requests == 0 => String::new(),
        _ => format!("; legacy {}", percent(rate(&legacy))),
    };
    Some(format!("Errors come from {from}, {share}{beside}."))
}

fn percent(basis_points: u64) -> String {
    match (basis_points / 100, basis_points % 100 / 10) {
        (whole, 0) => format!("{whole} %"),
        (whole, tenths) => format!("{whole}.{tenths} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(rows: &[(&str, &str, u64, u64)]) -> Tally {
        let row = |(slice, owner, requests, errors): &(&str, &str, u64, u64)| {
            (((*slice).to_owned(), (*owner).to_owned()), Counts { requests: *requests, errors: *errors })
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn the_worst_owner_is_named_first() {
        let both = tally(&[("products", "extracted", 100, 12), ("products", "legacy", 1000, 1)]);
        assert_eq!(
            errors(&both).as_deref(),
            Some("Errors come from extracted products, 12 %; legacy 0.1 %.")
        );
        assert_eq!(errors(&tally(&[("products", "extracted", 19, 19)])), None);
        assert_eq!(errors(&tally(&[("products", "extracted", 1000, 9)])), None);
        assert_eq!(
            errors(&tally(&[("", "legacy", 40, 40)])).as_deref(),
            Some("Errors come from legacy (no slice), 100 %.")
        );
    }
}
