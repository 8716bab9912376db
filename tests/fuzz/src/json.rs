//! Two JSON bodies, compared under rules.
//!
//! An input is lines of rules, a line `legacy`, a body, a line `extracted`, a body. A rule is `ignore PATH`, `unordered
//! PATH`, `by KEY PATH`, `within NUMBER PATH`, or `shape`; a path is steps parted by `/`: a name, `*`, `#3`, and `**` before
//! a step that may be any number of levels down.

use bytes::Bytes;
use strangler_core::compare::{Account, Compared, Comparison, Context, End, Reply, Side, compare};
use strangler_core::decimal::Decimal;
use strangler_core::snapshot::Compare;
use strangler_core::snapshot::compare::{ArrayRule, BodyPath, CompareMode, ResponsePath, Select, Step};

/// Rules and steps that one input may have.
const MOST: usize = 16;

/// Comparing takes any bytes under any rules; it says the same twice; a body does not differ from itself; no rule
/// makes a difference where there is none; what is hidden names a rule, what counts does not.
///
/// # Panics
///
/// Where a property does not hold.
pub fn compare_json(bytes: &[u8]) {
    let Some((head, rest)) = split(bytes, b"legacy\n") else { return };
    let Some((left, right)) = split(rest, b"\nextracted\n") else { return };
    let rules = rules(&String::from_utf8_lossy(head));
    let found = compared(&rules, left, right);
    assert_eq!(found, compared(&rules, left, right), "it says the same twice");
    sound(&found);
    assert_eq!(compared(&rules, left, left).account(), Account::Match, "a body does not differ from itself");
    let plain = compared(&Compare::default(), left, right);
    sound(&plain);
    if plain.account() == Account::Match {
        assert_eq!(found.account(), Account::Match, "no rule makes a difference where there is none");
    }
    let back = compared(&Compare::default(), right, left);
    assert_eq!(plain.account(), back.account(), "it is the same from the other side");
    if plain.account() == Account::Match && is_json(left) {
        let spaced = [left, b" \n\t"].concat();
        let respelt = compared(&Compare::default(), &spaced, right).account();
        assert_eq!(respelt, Account::Match, "white space around a text means nothing");
    }
}

fn is_json(text: &[u8]) -> bool {
    // Asked of the comparison: against something that is JSON, what is not makes a parse difference.
    let found = compared(&Compare::default(), text, b"[\"no text says this\"]");
    !found.differences.iter().any(|finding| finding.difference.kind.word() == "parse")
}

fn compared(rules: &Compare, left: &[u8], right: &[u8]) -> Comparison {
    let context = Context {
        rules,
        route: "r",
        method: "GET",
        target: "/a/b",
        today: jiff::civil::date(2026, 1, 1),
        legacy: Side::default(),
        extracted: Side::default(),
    };
    match compare(&context, &reply(left), &reply(right)) {
        Compared::Compared(comparison) => comparison,
        Compared::NotCompared(reason) => unreachable!("both replies are whole: {reason:?}"),
    }
}

fn reply(body: &[u8]) -> Reply {
    let headers = std::iter::once(("Content-Type", "application/json")).collect();
    Reply { end: End::Complete, status: 200, headers, body: Bytes::copy_from_slice(body) }
}

fn sound(found: &Comparison) {
    for finding in &found.differences {
        assert!(finding.verdict.counts() && finding.times > 0);
        let path = finding.difference.path.to_string();
        assert_eq!(path.parse().as_ref(), Ok(&finding.difference.path), "a path is read again");
    }
    assert!(found.hidden.iter().all(|finding| !finding.verdict.counts() && finding.times > 0));
}

fn rules(text: &str) -> Compare {
    let mut rules = Compare::default();
    for line in text.lines().take(MOST) {
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("shape"), ..) => rules.mode = CompareMode::Shape,
            (Some("ignore"), Some(path), _) => rules.ignore.push(ResponsePath::Body(body_path(path))),
            (Some("unordered"), Some(path), _) => rules.arrays.push((body_path(path), ArrayRule::Unordered)),
            (Some("by"), Some(key), Some(path)) => {
                rules.arrays.push((body_path(path), ArrayRule::By(key.to_owned())));
            }
            (Some("within"), Some(number), Some(path)) => {
                if let Some(number) = Decimal::read(number.as_bytes()).filter(|number| !number.is_negative())
                {
                    rules.numbers.push((body_path(path), number));
                }
            }
            _ => {}
        }
    }
    rules
}

fn body_path(text: &str) -> BodyPath {
    let step = |text: &str| {
        let (descendant, text) = text.strip_prefix("**").map_or((false, text), |rest| (true, rest));
        let index = text.strip_prefix('#').and_then(|digits| digits.parse().ok());
        let select = match index {
            Some(index) => Select::Index(index),
            None if text == "*" => Select::Any,
            None => Select::Name(text.to_owned()),
        };
        Step { descendant, select }
    };
    let steps = text.split('/').filter(|text| !text.is_empty()).take(MOST).map(step).collect();
    BodyPath { text: text.to_owned(), steps }
}

fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((bytes.get(..at)?, bytes.get(at + mark.len()..)?))
}
