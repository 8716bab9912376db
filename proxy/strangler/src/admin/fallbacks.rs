//! Reads that legacy answered because the extracted service failed them, as the admin listener tells them.
//!
//! Clients see nothing of them: where nobody looks at these figures, a service may fail for days unnoticed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strangler_core::words::Share;

/// Reads that legacy was asked, by slice and why.
pub(super) type FallbackTally = BTreeMap<(String, String), u64>;

/// What became of reads that the extracted service failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FallbackReport {
    /// Legacy was asked so many.
    pub count: u64,
    /// Their share of what the extracted service was to answer, such as `"2.5%"`; none where that was nothing.
    #[serde(default)]
    pub share: Option<String>,
    /// By what failed: `connect-error`, `timeout`, `broken`, `no-endpoint`, `breaker-open`, `shed`, or a status.
    #[serde(default)]
    pub reasons: BTreeMap<String, u64>,
}

impl FallbackReport {
    /// Of one slice, whose extracted service answered `extracted` requests itself.
    pub(super) fn of(tally: &FallbackTally, slice: &str, extracted: u64) -> FallbackReport {
        let of_slice = tally.iter().filter(|((name, _), count)| name == slice && **count > 0);
        let reasons: BTreeMap<String, u64> =
            of_slice.map(|((_, reason), count)| (reason.clone(), *count)).collect();
        let count = reasons.values().sum();
        FallbackReport { count, share: share(count, extracted.saturating_add(count)), reasons }
    }

    /// The most frequent failure.
    pub(super) fn main_reason(&self) -> Option<&str> {
        self.reasons.iter().max_by_key(|(_, count)| **count).map(|(reason, _)| reason.as_str())
    }

    /// In a sentence, without a full stop: `12 of 100 (12%): timeout 10, 503 2`.
    pub fn sentence(&self, extracted: u64) -> String {
        let reasons: Vec<String> =
            self.reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        match &self.share {
            Some(share) if self.count > 0 => {
                let all = extracted.saturating_add(self.count);
                format!("{} of {all} ({share}): {}", self.count, reasons.join(", "))
            }
            _ => "none".to_owned(),
        }
    }
}

/// A part of a whole, in hundredths of a percent rounded down; what is less, but not nothing, is told so.
pub(super) fn share(part: u64, whole: u64) -> Option<String> {
    let points = part.saturating_mul(10_000).checked_div(whole)?;
    let share = Share::from_basis_points(u16::try_from(points).ok()?)?;
    Some(if share == Share::NONE && part > 0 { "<0.01%".to_owned() } else { share.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_what_the_extracted_service_was_to_answer() {
        let row = |slice: &str, reason: &str, count| ((slice.to_owned(), reason.to_owned()), count);
        let tally = FallbackTally::from([
            row("orders", "timeout", 10),
            row("orders", "503", 2),
            row("orders", "broken", 0),
            row("users", "timeout", 7),
        ]);
        let orders = FallbackReport::of(&tally, "orders", 88);
        assert_eq!((orders.count, orders.share.as_deref()), (12, Some("12%")));
        assert_eq!(orders.sentence(88), "12 of 100 (12%): 503 2, timeout 10");
        assert_eq!(orders.main_reason(), Some("timeout"));
        let none = FallbackReport::of(&tally, "products", 88);
        assert_eq!((none.sentence(88), none.share.as_deref()), ("none".to_owned(), Some("0%")));
        assert_eq!(FallbackReport::of(&tally, "products", 0), FallbackReport::default());
    }

    #[test]
    fn a_share_is_never_rounded_to_nothing() {
        for (part, whole, wanted) in [
            (0, 0, None),
            (0, 5, Some("0%")),
            (1, 3, Some("33.33%")),
            (1, 1_000_000, Some("<0.01%")),
            (5, 5, Some("100%")),
        ] {
            assert_eq!(share(part, whole).as_deref(), wanted, "{part} of {whole}");
        }
    }
}
