//! Making the report of a ledger under the rules of a snapshot.

use jiff::Timestamp;

use super::super::account::{Accounts, share};
use super::super::audit::audit;
use super::super::gate;
use super::super::judge::{self, Judged, JudgedRoute, Reach, Standing, requests_by_signature};
use super::super::latency::Latencies;
use super::super::ledger::Ledger;
use super::super::limits::Dropped;
use super::super::signatures::Entry;
use super::super::verdict::{State, grouped, percent};
use super::{
    AccountsReport, EpochReport, LatencyReport, NoiseReport, Problem, Report, RouteReport, SliceReport,
    VERSION,
};
use crate::snapshot::Snapshot;
use crate::words::{Phase, SliceId};

/// The report of every slice of a snapshot, or of one, at a moment.
///
/// `Err` tells that there is no slice of that name.
pub fn build(
    ledger: &Ledger,
    snapshot: &Snapshot,
    only: Option<&str>,
    now: Timestamp,
) -> Result<Report, super::super::UnknownSlice> {
    let ids = (0..).map(SliceId).zip(&snapshot.slices);
    let wanted: Vec<SliceId> =
        ids.filter(|(_, slice)| only.is_none_or(|only| only == &*slice.name)).map(|(id, _)| id).collect();
    if let (Some(only), true) = (only, wanted.is_empty()) {
        return Err(super::super::UnknownSlice(only.to_owned()));
    }
    let slices: Vec<SliceReport> =
        wanted.into_iter().filter_map(|id| build_slice(ledger, snapshot, id, now)).collect();
    Ok(Report { version: VERSION, at: now, sentence: sentence(&slices), slices })
}

/// The report of one slice; `None`: the ledger does not follow it.
pub fn build_slice(ledger: &Ledger, snapshot: &Snapshot, id: SliceId, now: Timestamp) -> Option<SliceReport> {
    let today = judge::day(now);
    let judged = judge::judge(ledger, snapshot, id, today)?;
    let accounts = judge::accounts(&judged);
    let gate = gate::verdict(&judged);
    let (problems, hidden) = problems(&judged);
    let span = gate::span(&judged);
    let mut latencies = Latencies::default();
    let mut dropped = Dropped::default();
    for route in &judged.routes {
        latencies.merge(&route.evidence.latencies);
        dropped.add(route.evidence.dropped);
    }
    let slice = judged.slice;
    let copied = |phase| matches!(phase, Phase::Shadow | Phase::Canary | Phase::Extracted);
    let expected = copied(slice.phase)
        || judged.routes.iter().any(|route| copied(route.route.phase))
        || accounts.compared() > 0;
    let sentence =
        slice_sentence(&slice.name, &accounts, &problems, gate.as_ref().map(|gate| &*gate.sentence));
    Some(SliceReport {
        slice: slice.name.to_string(),
        sentence,
        phase: slice.phase.as_str().to_owned(),
        team: slice.team.clone(),
        expected,
        epoch: EpochReport {
            number: judged.epoch.number,
            began: judged.epoch.began,
            cause: judged.epoch.cause.in_words(),
            version: judged.epoch.version.as_deref().map(str::to_owned),
        },
        accounts: AccountsReport::from(&accounts),
        first: span.map(|(first, _)| first),
        last: span.map(|(_, last)| last),
        gate,
        problems,
        hidden,
        noise: noise(&judged),
        rules: audit(&judged, today),
        routes: judged.routes.iter().map(route).collect(),
        latency: LatencyReport::of(&latencies),
        late: judged.late,
        dropped,
    })
}

/// Signatures that count, and those that are hidden, most frequent first.
fn problems(judged: &Judged<'_>) -> (Vec<Problem>, Vec<Problem>) {
    let mut all: Vec<(bool, Problem)> = Vec::new();
    for route in &judged.routes {
        let requests = requests_by_signature(route);
        let entries = route.evidence.signatures.entries().iter().zip(&route.standings).zip(requests);
        for ((entry, standing), requests) in entries.filter(|(_, requests)| *requests > 0) {
            all.push((standing.counts(), problem(route, entry, standing, requests)));
        }
    }
    all.sort_by(|(_, left), (_, right)| {
        let key = |one: &Problem| (std::cmp::Reverse(one.requests), one.route.clone(), one.path.clone());
        key(left).cmp(&key(right)).then_with(|| left.signature.cmp(&right.signature))
    });
    let (counting, hidden): (Vec<_>, Vec<_>) = all.into_iter().partition(|(counts, _)| *counts);
    let only = |list: Vec<(bool, Problem)>| list.into_iter().map(|(_, problem)| problem).collect();
    (only(counting), only(hidden))
}

fn problem(route: &JudgedRoute<'_>, entry: &Entry, standing: &Standing, requests: u64) -> Problem {
    let what = entry.what.as_ref();
    let (hidden_by, expired) = match standing {
        Standing::Counts => (None, None),
        Standing::Expired(text) => (None, Some(text.to_string())),
        Standing::Hidden(text) => (Some(text.to_string()), None),
        Standing::Noise => (Some("noise".to_owned()), None),
    };
    let share = share(requests, route.accounts.compared());
    let sentence = match what {
        Some(what) => {
            let relation =
                what.relation.as_ref().map(|relation| format!(" ({relation})")).unwrap_or_default();
            format!(
                "{} at {}: {} → {}{relation}, {} of the route's comparisons",
                what.kind,
                what.path,
                what.left,
                what.right,
                percent(share)
            )
        }
        None => format!(
            "differences of many kinds that are not kept apart, {} of the route's comparisons",
            percent(share)
        ),
    };
    let text = |part: fn(&super::super::Difference) -> String| what.map(part).unwrap_or_default();
    Problem {
        signature: what.map(|what| what.signature.to_string()),
        route: route.route.id.to_string(),
        kind: text(|what| what.kind.as_str().to_owned()),
        path: text(|what| what.path.to_string()),
        legacy: text(|what| what.left.to_string()),
        extracted: text(|what| what.right.to_string()),
        relation: what.and_then(|what| what.relation.as_deref().map(str::to_owned)),
        sentence,
        requests,
        differences: entry.times,
        share,
        first: entry.first,
        last: entry.last,
        examples: entry.examples.clone(),
        hidden_by,
        expired,
    }
}

fn noise(judged: &Judged<'_>) -> Vec<NoiseReport> {
    let places = judged.routes.iter().flat_map(|route| route.noisy.iter().map(move |place| (route, place)));
    places
        .map(|(route, place)| NoiseReport {
            route: route.route.id.to_string(),
            path: place.path.to_string(),
            kind: place.kind.as_str().to_owned(),
            repeated: route.evidence.repeated,
            extracted_only: place.counts.extracted_only,
            legacy_only: place.counts.legacy_only,
            both: place.counts.both,
            p_value: place.counts.p_value(),
            counts: place.beyond,
        })
        .collect()
}

fn route(route: &JudgedRoute<'_>) -> RouteReport {
    let evidence = route.evidence;
    let never_compared = match route.reach {
        Reach::Compared => None,
        Reach::NotCopied => Some("its requests may have an effect and are not copied".to_owned()),
        Reach::OtherPhase => Some(format!("its own phase is {}", route.route.phase)),
    };
    let requests = requests_by_signature(route);
    let counting =
        route.standings.iter().zip(requests).filter(|(one, requests)| one.counts() && *requests > 0);
    let problems = counting.count() as u64;
    RouteReport {
        route: route.route.id.to_string(),
        accounts: AccountsReport::from(&route.accounts),
        never_compared,
        shapes: evidence.shapes.len() as u64,
        counted: route.trials.all(),
        counted_mismatches: route.trials.bad,
        demanded: route.route.policy.gate.as_ref().map_or(0, |gate| gate.min_per_route),
        problems,
        first: evidence.span.map(|(first, _)| first),
        last: evidence.span.map(|(_, last)| last),
        latency: LatencyReport::of(&evidence.latencies),
    }
}

fn slice_sentence(name: &str, accounts: &Accounts, problems: &[Problem], gate: Option<&str>) -> String {
    let gate = gate.map(|sentence| format!("; gate: {sentence}")).unwrap_or_default();
    if accounts.compared() == 0 {
        let not = match accounts.all_not_compared() {
            0 => String::new(),
            count => format!(", {} requests could not be", grouped(count)),
        };
        return format!("{name}: nothing was compared{not}{gate}");
    }
    let compared = grouped(accounts.compared());
    let found = match problems.len() {
        0 => format!("no difference counts in {compared} comparisons"),
        count => {
            let noun = if count == 1 { "problem" } else { "problems" };
            let (bad, share) = (grouped(accounts.mismatched), percent(accounts.mismatch_share()));
            format!("{count} {noun} in {bad} of {compared} comparisons ({share})")
        }
    };
    format!("{name}: {found}{gate}")
}

fn sentence(slices: &[SliceReport]) -> String {
    let expected: Vec<&SliceReport> = slices.iter().filter(|slice| slice.expected).collect();
    if let [only] = slices {
        return only.sentence.clone();
    }
    if expected.is_empty() {
        return "nothing was compared: no slice is in a phase that copies requests".to_owned();
    }
    let problems: usize = expected.iter().map(|slice| slice.problems.len()).sum();
    let compared: u64 = expected.iter().map(|slice| slice.accounts.compared).sum();
    let mismatched: u64 = expected.iter().map(|slice| slice.accounts.mismatch).sum();
    let waiting: Vec<&str> = expected
        .iter()
        .filter(|slice| {
            slice.accounts.compared == 0
                || slice.gate.as_ref().is_some_and(|gate| gate.state == State::Insufficient)
        })
        .map(|slice| &*slice.slice)
        .collect();
    let waiting = match waiting.as_slice() {
        [] => String::new(),
        names => format!("; too little evidence of {}", names.join(", ")),
    };
    let compared = grouped(compared);
    match problems {
        0 => format!("no difference counts in {compared} comparisons{waiting}"),
        1 => format!("1 problem in {} of {compared} comparisons{waiting}", grouped(mismatched)),
        count => format!("{count} problems in {} of {compared} comparisons{waiting}", grouped(mismatched)),
    }
}
