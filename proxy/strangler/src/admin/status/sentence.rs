//! What a person must know first, in one sentence: the most urgent fact, and only that.

use std::collections::BTreeMap;

use strangler_core::words::{Phase, Writer};

use super::spread::{self, Spread};
use crate::admin::Admin;
use crate::admin::recent::{Counts, Tally};
use crate::admin::status::SliceReport;
use crate::live::Running;
use crate::live::report::ConfigurationReport;

/// Fewer requests say nothing about a rate.
const REQUESTS_MIN: u64 = 20;

/// The most urgent fact.
pub(super) fn sentence(
    state: &str,
    running: &Running,
    configuration: &ConfigurationReport,
    recent: &Tally,
    slices: &[SliceReport],
) -> String {
    if state == "draining" {
        return "Shutting down: requests in flight are being finished.".to_owned();
    }
    if let Some(sentence) = errors(&attributed(running, recent)).or_else(|| falling_back(slices)) {
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
    if let Some(sentence) = retreated(running).or_else(|| late(slices)) {
        return sentence;
    }
    if !configuration.restart_required.is_empty() {
        return format!("All serves; {} waits for a restart.", configuration.restart_required.join(", "));
    }
    let standings: Vec<Standing> = spread::of_slices(running).iter().map(Standing::of).collect();
    who_answers(&standings)
}

/// How far a slice has been moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Legacy answers all of its reads.
    NotMoved,
    /// The extracted service answers a cohort, of all routes or of some.
    Canary,
    /// Some of its routes are further than others, and answered by the extracted service.
    InPart,
    /// The extracted service answers all of its reads.
    Moved,
}

impl Standing {
    fn of(spread: &Spread) -> Standing {
        match (spread.lowest >= Phase::Extracted, spread.highest) {
            (true, _) => Standing::Moved,
            (false, highest) if highest < Phase::Canary => Standing::NotMoved,
            (false, Phase::Canary) => Standing::Canary,
            (false, _) => Standing::InPart,
        }
    }
}

/// Who answers, given how far each slice has been moved.
fn who_answers(slices: &[Standing]) -> String {
    let count = |wanted| slices.iter().filter(|standing| **standing == wanted).count();
    let (moved, canaries, parts) = (count(Standing::Moved), count(Standing::Canary), count(Standing::InPart));
    let run = match (parts, canaries + parts) {
        (0, 1) => "runs as a canary",
        (0, _) => "run as canaries",
        (_, 1) => "is moved in part",
        _ => "are moved in part",
    };
    match (slices.len(), moved, canaries + parts) {
        (0, ..) => "Legacy answers everything: no slice is configured.".to_owned(),
        (1, 0, 0) => "Legacy answers everything: the one slice has not been moved.".to_owned(),
        (all, 0, 0) => format!("Legacy answers everything: none of {all} slices has been moved."),
        (1, 0, _) if parts == 1 => {
            "The one slice is moved in part: its extracted service answers some of its routes.".to_owned()
        }
        (1, 0, _) => {
            "The one slice runs as a canary: its extracted service answers the cohort, legacy the others."
                .to_owned()
        }
        (1, ..) => "The one slice is answered by its extracted service.".to_owned(),
        (all, 0, some) => format!("{some} of {all} slices {run}; legacy answers everything else."),
        (all, _, 0) => format!("{moved} of {all} slices are answered by their extracted services."),
        (all, _, some) => {
            format!("{moved} of {all} slices are answered by their extracted services; {some} {run}.")
        }
    }
}

/// A guardrail that calls for a retreat that cannot be: nothing is more urgent.
pub(super) fn blocked(admin: &Admin) -> Option<String> {
    let standings = admin.parts.guardrails.standings();
    let mut all = standings.iter().flat_map(|(slice, shown)| shown.iter().map(move |one| (slice, one)));
    all.find_map(|(slice, one)| {
        one.blocked.as_ref()?;
        Some(format!(
            "The guardrail of slice {slice} is broken, and a retreat would serve stale data: see GUARDRAILS."
        ))
    })
}

/// Whose reads legacy answers, where these are many: clients see nothing of it, and no error shows it.
fn falling_back(slices: &[SliceReport]) -> Option<String> {
    let rate = |slice: &SliceReport| {
        let (failed, answered) = (slice.recent_fallbacks.count, slice.recent.extracted);
        failed.saturating_mul(10_000) / failed.saturating_add(answered).max(1)
    };
    let enough = |slice: &&SliceReport| {
        slice.recent_fallbacks.count.saturating_add(slice.recent.extracted) >= REQUESTS_MIN
    };
    let worst = slices.iter().filter(enough).max_by_key(|slice| rate(slice))?;
    // As with errors: under 1 % nothing is said first.
    if rate(worst) < 100 {
        return None;
    }
    let reason = worst.recent_fallbacks.main_reason().unwrap_or_default();
    Some(format!(
        "Extracted {} fails {} of its requests ({reason}); legacy answers them.",
        worst.name,
        percent(rate(worst))
    ))
}

/// Data that is late, or may be, where clients notice.
fn late(slices: &[SliceReport]) -> Option<String> {
    slices.iter().find_map(|slice| {
        let lag = slice.sync_lag.as_ref()?;
        let consequence = lag.consequence.as_ref()?;
        Some(format!("The sync lag of {} is {}: {consequence}.", slice.name, lag.sentence))
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
fn attributed(running: &Running, recent: &Tally) -> Tally {
    let slices = running.snapshot.slices.iter().zip(spread::of_slices(running));
    let slices: BTreeMap<&str, (Spread, Writer)> =
        slices.map(|(slice, spread)| (&*slice.name, (spread, slice.writer))).collect();
    let mut attributed = Tally::new();
    for ((slice, owner), counts) in recent {
        let (owner, requests) = match owner.as_str() {
            "proxy" => (side_of(slices.get(slice.as_str()).copied()), counts.errors),
            owner => (owner, counts.requests),
        };
        let sum = attributed.entry((slice.clone(), owner.to_owned())).or_default();
        sum.requests += requests;
        sum.errors += counts.errors;
    }
    attributed
}

/// The side that takes all of a slice's requests; `proxy` where reads and writes go to different ones.
fn side_of(slice: Option<(Spread, Writer)>) -> &'static str {
    let Some((spread, writer)) = slice else { return "legacy" };
    match (Standing::of(&spread), writer) {
        (Standing::Moved, Writer::Extracted) => "extracted",
        (Standing::NotMoved, Writer::Legacy) => "legacy",
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
    fn legacy_answers_everything_only_where_it_does() {
        use Standing::{Canary, InPart, Moved, NotMoved};
        for (slices, told) in [
            (&[][..], "Legacy answers everything: no slice is configured."),
            (&[NotMoved], "Legacy answers everything: the one slice has not been moved."),
            (&[NotMoved, NotMoved], "Legacy answers everything: none of 2 slices has been moved."),
            (
                &[Canary],
                "The one slice runs as a canary: its extracted service answers the cohort, legacy the others.",
            ),
            (&[InPart], "The one slice is moved in part: its extracted service answers some of its routes."),
            (&[Moved], "The one slice is answered by its extracted service."),
            (&[Canary, NotMoved], "1 of 2 slices runs as a canary; legacy answers everything else."),
            (&[Canary, Canary], "2 of 2 slices run as canaries; legacy answers everything else."),
            (&[Canary, InPart], "2 of 2 slices are moved in part; legacy answers everything else."),
            (&[Moved, NotMoved], "1 of 2 slices are answered by their extracted services."),
            (
                &[Moved, InPart, NotMoved],
                "1 of 3 slices are answered by their extracted services; 1 is moved in part.",
            ),
        ] {
            assert_eq!(who_answers(slices), told);
        }
    }

    #[test]
    fn what_the_proxy_answers_is_a_sides_only_where_one_takes_everything() {
        let check = |phases: (Phase, Phase), writer, side: &str| {
            let (lowest, highest) = phases;
            let spread = Spread { routes: 2, elsewhere: 1, stated: highest, lowest, highest };
            assert_eq!(side_of(Some((spread, writer))), side, "{phases:?} {writer:?}");
        };
        check((Phase::Legacy, Phase::Shadow), Writer::Legacy, "legacy");
        check((Phase::Legacy, Phase::Shadow), Writer::Extracted, "proxy");
        check((Phase::Canary, Phase::Canary), Writer::Legacy, "proxy");
        check((Phase::Shadow, Phase::Extracted), Writer::Legacy, "proxy");
        check((Phase::Extracted, Phase::Retired), Writer::Extracted, "extracted");
        assert_eq!(side_of(None), "legacy");
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
