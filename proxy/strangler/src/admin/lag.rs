//! How late the data of the side that does not write is (`sync_lag`), as the admin listener tells it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use strangler_core::routing::fallback::LagState;
use strangler_core::words::{Phase, SliceId, Writer};

use crate::live::Running;

/// How late the data of a slice is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncLagReport {
    /// `within` the limit, `late`, or `unknown`: nobody has said, or not lately.
    pub state: String,
    /// What was said last, in milliseconds, however long ago.
    pub lag_ms: Option<f64>,
    /// How long ago that was, in milliseconds.
    pub age_ms: Option<u64>,
    /// `sync_lag.max`, in milliseconds.
    pub max_ms: u64,
    /// Why the last question had no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// All that in a sentence.
    pub sentence: String,
    /// What follows for clients while it is late or unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consequence: Option<String>,
}

impl SyncLagReport {
    /// Of one slice; none where its file does not say whom to ask.
    pub(super) fn of(running: &Running, id: SliceId, now: Instant) -> Option<SyncLagReport> {
        let slice = running.snapshot.slice(id);
        let max = slice.sync_lag.as_ref()?.max;
        let shown = running.lags.shown(id, now)?;
        let said = shown.last.map(|(lag, age)| format!("{} said {} ago", words(lag), words(age)));
        let (state, sentence) = match (shown.state, said) {
            (LagState::Behind(lag), _) if lag <= max => {
                ("within", format!("{}, within {}", words(lag), words(max)))
            }
            (LagState::Behind(lag), _) => ("late", format!("{}, more than {}", words(lag), words(max))),
            (LagState::Unknown, said) => {
                let why = shown.fault.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                let said = said.map_or("nothing said yet".to_owned(), |said| format!("last {said}"));
                ("unknown", format!("unknown{why} ({said})"))
            }
        };
        let latched = running.facts().retreat(id);
        let phase = latched.map_or(slice.phase, |latched| latched.min(slice.phase));
        let is_late = state == "late" || (state == "unknown" && shown.fault.is_some());
        Some(SyncLagReport {
            state: state.to_owned(),
            lag_ms: shown.last.map(|(lag, _)| lag.as_secs_f64() * 1_000.0),
            age_ms: shown.last.map(|(_, age)| millis(age)),
            max_ms: millis(max),
            error: shown.fault,
            sentence,
            consequence: consequence(slice.writer, phase).filter(|_| is_late).map(str::to_owned),
        })
    }
}

/// What clients notice of late data, if anything.
fn consequence(writer: Writer, phase: Phase) -> Option<&'static str> {
    match (writer, phase >= Phase::Canary) {
        (Writer::Legacy, false) => None,
        (Writer::Legacy, true) => Some("reads of its extracted service may be stale"),
        (_, true) => Some("legacy answers no read in place of its service, and a retreat is refused"),
        (_, false) => Some("reads from legacy may be stale"),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A time for people: tenths of a second below a minute.
fn words(time: Duration) -> String {
    match (time.as_secs(), time.subsec_millis() / 100) {
        (0, _) => format!("{} ms", time.as_millis()),
        (seconds @ ..60, 0) => format!("{seconds} s"),
        (seconds @ ..60, tenths) => format!("{seconds}.{tenths} s"),
        (seconds, _) => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_short_as_they_can_be() {
        for (millis, wanted) in
            [(0, "0 ms"), (999, "999 ms"), (1_000, "1 s"), (1_250, "1.2 s"), (61_900, "1 min 1 s")]
        {
            assert_eq!(words(Duration::from_millis(millis)), wanted);
        }
    }

    #[test]
    fn late_data_matters_where_somebody_reads_it() {
        for (writer, phase, wanted) in [
            (Writer::Legacy, Phase::Shadow, None),
            (Writer::Legacy, Phase::Canary, Some("extracted service may be stale")),
            (Writer::Extracted, Phase::Extracted, Some("a retreat is refused")),
            (Writer::Extracted, Phase::Shadow, Some("reads from legacy may be stale")),
        ] {
            let told = consequence(writer, phase);
            let is_wanted = match wanted {
                None => told.is_none(),
                Some(wanted) => told.is_some_and(|told| told.contains(wanted)),
            };
            assert!(is_wanted, "{writer:?} {phase}: {told:?}");
        }
    }
}
