//! The gate of a corpus: whether a replay, looked at once, shows enough.
//!
//! Owns the conditions. A corpus is a fixed sample, so that the exact bound of one look applies
//! ([`super::binomial::upper_bound`]).

use super::account::share;
use super::binomial;
use super::verdict::{Condition, State, Verdict, grouped, percent};
use crate::words::Share;

/// More recorded exchanges than this that no longer hold, and the corpus is too old to say anything.
pub const STALE_CAP: f64 = 0.05;

/// What a replay found, and what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Compared exchanges.
    pub compared: u64,
    /// Mismatches among them.
    pub mismatched: u64,
    /// Exchanges that no longer hold: the primary disagreed with the recorded status class, or both sides
    /// refused the recorded credentials.
    pub stale: u64,
    /// Distinct shapes in the corpus.
    pub shapes: u64,
    /// Of those, compared at least once.
    pub shapes_compared: u64,
    /// Signatures that count and are not in the baseline, in hexadecimal.
    pub new_signatures: Vec<String>,
    /// `--max-mismatch`; `None`: any rate that the baseline has.
    pub max_mismatch: Option<Share>,
    /// Of the bound against `max_mismatch`.
    pub confidence: Share,
    /// `--min-samples`; at least 1 whatever it says.
    pub min_samples: u64,
}

/// The verdict on a replay.
pub fn verdict(replay: &Replay) -> Verdict {
    let mut conditions = vec![samples(replay), stale(replay), shapes(replay), baseline(replay)];
    conditions.extend(replay.max_mismatch.map(|limit| mismatches(replay, limit)));
    Verdict::of(conditions)
}

fn condition(name: &str, state: State, measured: String, demanded: String, sentence: String) -> Condition {
    Condition { name: name.to_owned(), state, measured, demanded, sentence, more_needed: None }
}

fn samples(replay: &Replay) -> Condition {
    let wanted = replay.min_samples.max(1);
    let missing = wanted.saturating_sub(replay.compared);
    let state = if missing == 0 { State::Pass } else { State::Insufficient };
    let measured = format!("{} compared", grouped(replay.compared));
    let sentence = match missing {
        0 => measured.clone(),
        _ => format!("{measured}, {} are demanded", grouped(wanted)),
    };
    let more_needed = (missing > 0).then_some(missing);
    Condition { more_needed, ..condition("samples", state, measured, grouped(wanted), sentence) }
}

fn stale(replay: &Replay) -> Condition {
    let share = share(replay.stale, replay.compared.saturating_add(replay.stale));
    let state = if share > STALE_CAP { State::Insufficient } else { State::Pass };
    let measured = format!("{} stale ({})", percent(share), grouped(replay.stale));
    let demanded = format!("at most {} stale", percent(STALE_CAP));
    let sentence = match state {
        State::Pass => measured.clone(),
        _ => format!("{measured}: the corpus no longer holds, record it anew or bring fresh identities"),
    };
    condition("stale", state, measured, demanded, sentence)
}

fn shapes(replay: &Replay) -> Condition {
    let missing = replay.shapes.saturating_sub(replay.shapes_compared);
    let state = if missing == 0 { State::Pass } else { State::Insufficient };
    let measured =
        format!("{} of {} shapes compared", grouped(replay.shapes_compared), grouped(replay.shapes));
    let sentence = match missing {
        0 => measured.clone(),
        _ => format!("{measured}: {} were never compared", grouped(missing)),
    };
    condition("shapes", state, measured, "every shape compared".to_owned(), sentence)
}

fn baseline(replay: &Replay) -> Condition {
    let new = &replay.new_signatures;
    let state = if new.is_empty() { State::Pass } else { State::Failed };
    let measured = format!("{} new", grouped(new.len() as u64));
    let sentence = if new.is_empty() {
        "no signature is new".to_owned()
    } else {
        let shown: Vec<&str> = new.iter().take(6).map(String::as_str).collect();
        let rest = if new.len() > shown.len() { ", …" } else { "" };
        let noun = if new.len() == 1 { "signature is" } else { "signatures are" };
        format!("{} {noun} new: {}{rest}", grouped(new.len() as u64), shown.join(", "))
    };
    condition("baseline", state, measured, "no new signature".to_owned(), sentence)
}

fn mismatches(replay: &Replay, limit: Share) -> Condition {
    let (bad, all, confidence) = (replay.mismatched, replay.compared, replay.confidence);
    let bound = binomial::upper_bound(bad, all, confidence);
    let demanded = format!("below {limit} at {confidence} confidence");
    let measured = format!(
        "{} ({} of {}), at most {}",
        percent(share(bad, all)),
        grouped(bad),
        grouped(all),
        percent(bound)
    );
    let limit_share = binomial::probability(limit);
    // No sample shows a rate of nothing, and every one a rate of at most all: these are said of the sample.
    let met = match limit {
        Share::NONE => all > 0 && bad == 0,
        Share::ALL => all > 0,
        _ => bound < limit_share,
    };
    let (state, more) = if met {
        (State::Pass, None)
    } else if all > 0 && share(bad, all) >= limit_share {
        (State::Failed, None)
    } else {
        (State::Insufficient, Some(binomial::more_needed(bad, all, confidence, limit)))
    };
    let sentence = match more {
        Some(more) => {
            format!("mismatches are {measured}; {} more without one show {demanded}", grouped(more))
        }
        None if state == State::Pass => format!("mismatches are {measured}, which is {demanded}"),
        None => format!("mismatches are {measured}, and must be {demanded}"),
    };
    Condition { more_needed: more, ..condition("mismatches", state, measured, demanded, sentence) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Replay {
        Replay {
            compared: 1_000,
            mismatched: 0,
            stale: 0,
            shapes: 12,
            shapes_compared: 12,
            new_signatures: Vec::new(),
            max_mismatch: Share::from_basis_points(50),
            confidence: Share::from_basis_points(9_500).unwrap(),
            min_samples: 100,
        }
    }

    #[test]
    fn each_condition_decides() {
        let check = |change: fn(&mut Replay), state: State, named: &str| {
            let mut replay = good();
            change(&mut replay);
            let verdict = verdict(&replay);
            assert_eq!(verdict.state, state, "{verdict:?}");
            let deciding: Vec<&str> = verdict
                .conditions
                .iter()
                .filter(|one| one.state == state && state != State::Pass)
                .map(|one| &*one.name)
                .collect();
            assert_eq!(deciding.join(" "), named);
        };
        check(|_| {}, State::Pass, "");
        check(|replay| replay.compared = 99, State::Insufficient, "samples mismatches");
        check(
            |replay| (replay.compared, replay.min_samples) = (0, 0),
            State::Insufficient,
            "samples mismatches",
        );
        check(|replay| replay.stale = 52, State::Pass, "");
        check(|replay| replay.stale = 53, State::Insufficient, "stale");
        check(|replay| replay.shapes_compared = 11, State::Insufficient, "shapes");
        check(|replay| replay.new_signatures.push("3f9c21ab".to_owned()), State::Failed, "baseline");
        check(|replay| replay.mismatched = 1, State::Pass, "");
        check(|replay| replay.mismatched = 2, State::Insufficient, "mismatches");
        check(|replay| replay.mismatched = 5, State::Failed, "mismatches");
        check(|replay| (replay.mismatched, replay.max_mismatch) = (900, None), State::Pass, "");
        check(|replay| replay.max_mismatch = Some(Share::NONE), State::Pass, "");
        check(
            |replay| (replay.mismatched, replay.max_mismatch) = (1, Some(Share::NONE)),
            State::Failed,
            "mismatches",
        );
        check(|replay| (replay.mismatched, replay.max_mismatch) = (1_000, Some(Share::ALL)), State::Pass, "");
    }
}
