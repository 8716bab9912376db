//! Replies written as text, and what they differ in as text: for the tests of this folder.

use bytes::Bytes;

use super::{Account, Compared, Context, End, NotCompared, Reply, Side, compare};
use crate::snapshot::Compare;

/// A reply: `200` and header lines, a blank line, the body.
pub(super) fn reply(text: &str) -> Reply {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let status = lines.next().unwrap().parse().unwrap();
    let headers =
        lines.map(|line| line.split_once(':').unwrap()).map(|(name, value)| (name, value.trim())).collect();
    Reply { end: End::Complete, status, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
}

/// With another body.
pub(super) fn with_body(head: &str, body: &[u8]) -> Reply {
    Reply { body: Bytes::copy_from_slice(body), ..reply(head) }
}

/// That ended otherwise.
pub(super) fn ending(reply: Reply, end: End) -> Reply {
    Reply { end, ..reply }
}

/// Compares under rules, on 2026-01-01; legacy is `http://legacy:8000`, extracted `http://extracted:8002`, both
/// are `https://shop.example`.
pub(super) fn compared(rules: &Compare, method: &str, legacy: &Reply, extracted: &Reply) -> Compared {
    let origins = |own: &str| vec![own.to_owned(), "https://shop.example".to_owned()];
    let (ours, theirs) = (origins("http://legacy:8000"), origins("http://extracted:8002"));
    let context = Context {
        rules,
        route: "r",
        method,
        target: "/a/b",
        today: jiff::civil::date(2026, 1, 1),
        legacy: Side { origins: &ours },
        extracted: Side { origins: &theirs },
    };
    compare(&context, legacy, extracted)
}

/// The differences that count, as `path kind`, or why nothing was compared.
pub(super) fn found(legacy: &Reply, extracted: &Reply) -> Vec<String> {
    described(&compared(&Compare::default(), "GET", legacy, extracted))
}

/// As [`found`].
pub(super) fn described(compared: &Compared) -> Vec<String> {
    match compared {
        Compared::NotCompared(reason) => vec![reason.as_str().to_owned()],
        Compared::Compared(comparison) => {
            let shown =
                |finding: &super::Finding| format!("{} {}", finding.difference.path, finding.difference.kind);
            comparison.differences.iter().map(shown).collect()
        }
    }
}

/// That these replies differ in exactly this, and the other way round in the same with missing and extra
/// exchanged.
pub(super) fn check(legacy: &Reply, extracted: &Reply, expected: &[&str]) {
    assert_eq!(found(legacy, extracted), expected, "{legacy:?}\n{extracted:?}");
    assert_eq!(compared(&Compare::default(), "GET", legacy, legacy).account(), self_account(legacy));
}

fn self_account(reply: &Reply) -> Account {
    match reply.end {
        End::Complete => Account::Match,
        End::Truncated | End::Failed(_) => Account::NotCompared(NotCompared::LegacyFailed),
        End::TooLarge => Account::NotCompared(NotCompared::BodyTooLarge),
    }
}
