//! Two replies to one request, compared.
//!
//! An input is `METHOD MODE`, a line `legacy` and a line `extracted`, each followed by a status, header lines, a
//! blank line and the body, which may be any bytes.

use bytes::Bytes;
use strangler_core::compare::{Account, Compared, Context, End, MOST_VALUE_BYTES, Reply, Side, compare};
use strangler_core::snapshot::Compare;
use strangler_core::snapshot::compare::CompareMode;

/// Comparing takes any bytes; it says the same twice; a reply does not differ from itself; whether two replies
/// differ does not depend on which is which; and no example is longer than it may be.
pub fn compare_reply(bytes: &[u8]) {
    let Some((head, rest)) = split(bytes, b"\nlegacy\n") else { return };
    let Some((left, right)) = split(rest, b"\nextracted\n") else { return };
    let head = String::from_utf8_lossy(head);
    let (method, mode) = head.split_once(' ').unwrap_or((&head, ""));
    let mode = if mode == "shape" { CompareMode::Shape } else { CompareMode::Full };
    let rules = Compare { mode, ..Compare::default() };
    let origins = |own: &str| [own.to_owned(), "https://shop.example".to_owned()];
    let (ours, theirs) = (origins("http://legacy:8000"), origins("http://extracted:8002"));
    let context = Context {
        rules: &rules,
        route: "r",
        method,
        target: "/a/b",
        today: jiff::civil::date(2026, 1, 1),
        legacy: Side { origins: &ours },
        extracted: Side { origins: &theirs },
    };
    let (left, right) = (reply(left), reply(right));
    let there = compare(&context, &left, &right);
    assert_eq!(there, compare(&context, &left, &right), "it says the same twice");
    bounded(&there);
    let turned = Context { legacy: context.extracted, extracted: context.legacy, ..context };
    let back = compare(&turned, &right, &left);
    if let (Compared::Compared(_), Compared::Compared(_)) = (&there, &back) {
        assert_eq!(there.account(), back.account(), "it is the same from the other side");
    }
    let itself = Context { extracted: context.legacy, ..context };
    assert_eq!(
        compare(&itself, &left, &left).account(),
        Account::Match,
        "a reply does not differ from itself"
    );
}

fn bounded(compared: &Compared) {
    let Compared::Compared(comparison) = compared else { return };
    for finding in comparison.differences.iter().chain(&comparison.hidden) {
        let one = &finding.difference;
        for value in [&one.left_value, &one.right_value].into_iter().flatten() {
            assert!(value.len() <= MOST_VALUE_BYTES, "an example of {} bytes", value.len());
        }
        let path = one.path.to_string();
        assert_eq!(path.parse().as_ref(), Ok(&one.path), "a path is read again");
    }
}

fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((bytes.get(..at)?, bytes.get(at + mark.len()..)?))
}

fn reply(bytes: &[u8]) -> Reply {
    let (head, body) = split(bytes, b"\n\n").unwrap_or((bytes, b""));
    let mut lines = head.split(|b| *b == b'\n');
    let status =
        lines.next().and_then(|line| std::str::from_utf8(line).ok()).and_then(|line| line.parse().ok());
    Reply {
        end: End::Complete,
        status: status.unwrap_or(200),
        headers: lines
            .take(100)
            .filter_map(|line| split(line, b":").map(|(name, value)| (name, value.trim_ascii())))
            .collect(),
        body: Bytes::copy_from_slice(body),
    }
}
