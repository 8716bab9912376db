//! The live gate: whether the evidence of a slice is enough for its next phase.
//!
//! Owns the conditions and the figures that are shown for them. Refuses to act on them.
//!
//! | condition | holds |
//! |---|---|
//! | `mismatches` | the betting test shows that they are rarer than `mismatch_below`; failed where it shows the contrary |
//! | `coverage` | so many of the slice's routes were compared `min_per_route` times |
//! | `age` | from the first comparison to the last is `min_age` |
//! | `signatures` | none that counts is on more than 10 % of any route's comparisons; failed otherwise |
//! | `unsettled` | no more than 10 % of any route's comparisons were transient or unstable |
//!
//! The last bound is the one on signatures: what is set aside as a race must not be able to hide what would
//! block the gate if it were counted.

use std::time::Duration;

use jiff::Timestamp;

use super::account::share;
use super::betting::{self, Trials};
use super::judge::{Judged, JudgedRoute, Reach, Standing, requests_by_signature};
use super::route::COUNTS_PER_SHAPE;
use super::verdict::{Condition, State, Verdict, grouped, percent};
use crate::snapshot::policy::Gate;
use crate::words::Share;

/// A signature on more of a route's comparisons than this blocks the gate.
pub const SIGNATURE_CAP: f64 = 0.10;

/// More transient and unstable comparisons than this, on any route, and the rest proves nothing.
pub const UNSETTLED_CAP: f64 = 0.10;

/// The verdict; `None`: the file demands no evidence.
pub(super) fn verdict(judged: &Judged<'_>) -> Option<Verdict> {
    let gate = judged.slice.policy.gate.as_ref()?;
    let mut conditions = vec![mismatches(judged, gate), coverage(judged, gate), age(judged, gate)];
    conditions.extend(signatures(judged));
    conditions.extend(unsettled(judged));
    Some(Verdict::of(conditions))
}

fn mismatches(judged: &Judged<'_>, gate: &Gate) -> Condition {
    let trials = judged.routes.iter().fold(Trials::default(), |sum, route| Trials {
        good: sum.good.saturating_add(route.trials.good),
        bad: sum.bad.saturating_add(route.trials.bad),
    });
    let (limit, confidence) = (gate.mismatch_below, gate.confidence);
    let more = betting::more_needed(trials, limit, confidence);
    let state = if more == 0 {
        State::Pass
    } else if betting::shows_above(trials, limit, confidence) {
        State::Failed
    } else {
        State::Insufficient
    };
    let measured = match trials.all() {
        0 => "nothing counted".to_owned(),
        all => format!(
            "{} ({} of {} counted)",
            percent(share(trials.bad, all)),
            grouped(trials.bad),
            grouped(all)
        ),
    };
    let demanded = format!("below {limit} at {confidence} confidence");
    let sentence = match state {
        State::Pass => format!("mismatches are {measured}, shown to be {demanded}"),
        State::Failed => format!("mismatches are {measured}, and must be {demanded}"),
        State::Insufficient => {
            let needed = format!("{} more comparisons without a mismatch show {demanded}", grouped(more));
            format!("mismatches are {measured}; {needed}{}", exhausted(judged, trials, confidence))
        }
    };
    Condition {
        name: "mismatches".to_owned(),
        state,
        measured,
        demanded,
        sentence,
        more_needed: (state == State::Insufficient).then_some(more),
    }
}

/// A hint where more of the same requests would not count: which limit those that there are do show, for a service
/// that has no more kinds of requests.
fn exhausted(judged: &Judged<'_>, trials: Trials, confidence: Share) -> String {
    let shapes: usize = judged.routes.iter().map(|route| route.evidence.shapes.len()).sum();
    let full = judged
        .routes
        .iter()
        .flat_map(|route| route.evidence.shapes.values())
        .filter(|count| **count >= COUNTS_PER_SHAPE)
        .count();
    match (shapes, shapes - full) {
        (0, _) => String::new(),
        (_, 0) => {
            let shown = smallest_shown(trials, confidence);
            let shown = shown.map(|limit| format!("; what they show is `mismatch_below = \"{limit}\"`"));
            format!(
                ", of requests of other shapes: each counts {COUNTS_PER_SHAPE} times, and all {shapes} seen have{}",
                shown.unwrap_or_default()
            )
        }
        (_, open) => {
            format!(" (each shape of request counts {COUNTS_PER_SHAPE} times; {open} of {shapes} have room)")
        }
    }
}

/// The smallest limit, in tenths of a percent, that mismatches are shown to be below; none above a half.
fn smallest_shown(trials: Trials, confidence: Share) -> Option<Share> {
    let mut limits = (1..=500).filter_map(|tenths| Share::from_basis_points(tenths * 10));
    limits.find(|limit| betting::shows_below(trials, *limit, confidence))
}

fn coverage(judged: &Judged<'_>, gate: &Gate) -> Condition {
    let reachable: Vec<(&JudgedRoute<'_>, u64)> = judged
        .routes
        .iter()
        .filter(|route| route.reach == Reach::Compared)
        .filter_map(|route| Some((route, u64::from(route.route.policy.gate.as_ref()?.min_per_route))))
        .collect();
    let mut missing: Vec<(u64, &str)> = reachable
        .iter()
        .map(|(route, wanted)| (wanted.saturating_sub(route.accounts.compared()), &*route.route.id))
        .filter(|(missing, _)| *missing > 0)
        .collect();
    missing.sort_unstable();
    let (all, covered) = (reachable.len() as u64, (reachable.len() - missing.len()) as u64);
    let points = u64::from(gate.coverage.basis_points());
    let wanted = (all * points).div_ceil(10_000);
    let lacking = wanted.saturating_sub(covered);
    let more: u64 = missing
        .iter()
        .take(usize::try_from(lacking).unwrap_or(usize::MAX))
        .map(|(missing, _)| *missing)
        .sum();
    let state = if all > 0 && lacking == 0 { State::Pass } else { State::Insufficient };
    let measured = format!("{covered} of {all} routes");
    let demanded = format!("{} of the routes compared {} times each", gate.coverage, gate.min_per_route);
    let sentence = if all == 0 {
        "no route of the slice has requests that are compared".to_owned()
    } else if state == State::Pass {
        format!("{measured} are compared often enough")
    } else {
        let first: Vec<String> = missing
            .iter()
            .take(3)
            .map(|(missing, id)| format!("`{id}` {} more", grouped(*missing)))
            .collect();
        let others = missing.len().saturating_sub(3);
        let others = if others > 0 { format!(" and {others} other routes") } else { String::new() };
        format!("{measured} are compared often enough, {wanted} must be: {}{others}", first.join(", "))
    };
    let more_needed = (state == State::Insufficient && all > 0).then_some(more);
    Condition { name: "coverage".to_owned(), state, measured, demanded, sentence, more_needed }
}

fn age(judged: &Judged<'_>, gate: &Gate) -> Condition {
    let age = span(judged).map_or(Duration::ZERO, |(first, last)| between(first, last));
    let met = age >= gate.min_age && span(judged).is_some();
    let (measured, demanded) = (in_words(age), in_words(gate.min_age));
    let sentence = if met {
        format!("comparisons span {measured}")
    } else {
        let rest = in_words(gate.min_age.saturating_sub(age));
        format!("comparisons span {measured}, {demanded} are demanded: {rest} more")
    };
    let state = if met { State::Pass } else { State::Insufficient };
    Condition { name: "age".to_owned(), state, measured, demanded, sentence, more_needed: None }
}

/// One condition that holds, or one for each route that fails it.
fn signatures(judged: &Judged<'_>) -> Vec<Condition> {
    let demanded = format!("no signature on more than {} of any route", percent(SIGNATURE_CAP));
    let worst = judged.routes.iter().filter_map(worst_signature).collect::<Vec<_>>();
    let failing: Vec<Condition> = worst
        .iter()
        .filter(|(share, ..)| *share > SIGNATURE_CAP)
        .map(|(share, name, id)| {
            let measured = format!("{} of `{id}`", percent(*share));
            Condition {
                name: "signatures".to_owned(),
                state: State::Failed,
                sentence: format!(
                    "{name} is on {measured}, and no signature may be on more than {}",
                    percent(SIGNATURE_CAP)
                ),
                measured,
                demanded: demanded.clone(),
                more_needed: None,
            }
        })
        .collect();
    if !failing.is_empty() {
        return failing;
    }
    let greatest = worst.iter().map(|(share, ..)| *share).fold(0.0, f64::max);
    let compared = judged.routes.iter().any(|route| route.accounts.compared() > 0);
    vec![Condition {
        name: "signatures".to_owned(),
        state: if compared { State::Pass } else { State::Insufficient },
        measured: if compared {
            format!("{} at most", percent(greatest))
        } else {
            "nothing compared".to_owned()
        },
        sentence: if compared {
            format!("no signature is on more than {} of any route", percent(greatest))
        } else {
            "nothing was compared".to_owned()
        },
        demanded,
        more_needed: None,
    }]
}

/// The most frequent signature of a route that counts: its share, name, and the route.
fn worst_signature<'a>(route: &JudgedRoute<'a>) -> Option<(f64, String, &'a str)> {
    let requests = requests_by_signature(route);
    let compared = route.accounts.compared();
    let entries = route.evidence.signatures.entries();
    let counting =
        entries.iter().zip(&route.standings).zip(requests).filter(|((_, one), _)| Standing::counts(one));
    let ((entry, _), requests) = counting.max_by_key(|(_, requests)| *requests)?;
    let name = match &entry.what {
        Some(what) => format!("{} ({} at {})", what.signature, what.kind, what.path),
        None => "differences that are not kept apart".to_owned(),
    };
    Some((share(requests, compared), name, &route.route.id))
}

/// One condition that holds, or one for each route that fails it.
fn unsettled(judged: &Judged<'_>) -> Vec<Condition> {
    let cap = percent(UNSETTLED_CAP);
    let demanded = format!("at most {cap} of any route transient or unstable");
    let condition = |state, measured: String, sentence| Condition {
        name: "unsettled".to_owned(),
        state,
        measured,
        demanded: demanded.clone(),
        sentence,
        more_needed: None,
    };
    let failing: Vec<Condition> = judged
        .routes
        .iter()
        .filter(|route| route.accounts.unsettled_share() > UNSETTLED_CAP)
        .map(|route| {
            let (id, accounts) = (&route.route.id, &route.accounts);
            let measured = format!("{} of `{id}`", percent(accounts.unsettled_share()));
            let sentence = format!(
                "{measured} ({} comparisons) were transient or unstable, at most {cap} may be",
                grouped(accounts.unsettled())
            );
            condition(State::Insufficient, measured, sentence)
        })
        .collect();
    if !failing.is_empty() {
        return failing;
    }
    let greatest = judged.routes.iter().map(|route| route.accounts.unsettled_share()).fold(0.0, f64::max);
    let measured = format!("{} at most", percent(greatest));
    let sentence = format!("{measured} of any route were transient or unstable");
    vec![condition(State::Pass, measured, sentence)]
}

/// First and last comparison of a slice.
pub(super) fn span(judged: &Judged<'_>) -> Option<(Timestamp, Timestamp)> {
    let spans = judged.routes.iter().filter_map(|route| route.evidence.span);
    spans.reduce(|sum, one| (sum.0.min(one.0), sum.1.max(one.1)))
}

fn between(first: Timestamp, last: Timestamp) -> Duration {
    Duration::try_from(last.duration_since(first)).unwrap_or(Duration::ZERO)
}

/// A duration in its two largest units: `1d 4h`, `35m`, `12s`.
pub(super) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, length) in units {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        }
        if parts.len() == 2 || (!parts.is_empty() && count == 0) {
            break;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}
