//! Match texts and paths: what is read, its normal form, and lookup against a look at every pattern.

use http::HeaderMap;
use strangler_core::matching::path::{self, Ambiguity, PathRules};
use strangler_core::matching::predicate::Predicates;
use strangler_core::matching::table::Entry;
use strangler_core::matching::{Pattern, Reading, RequestView, Table};
use strangler_core::words::SliceId;

/// Patterns that are compiled together.
const MOST_PATTERNS: usize = 8;

/// Match texts, one per line, then, after an empty line, requests: `METHOD HOST PATH`. A text that begins with
/// a digit is read by the path rules of that number.
///
/// # Panics
///
/// Where a property does not hold.
pub fn pattern(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (texts, requests) = text.split_once("\n\n").unwrap_or((&text, ""));
    let patterns: Vec<Pattern> =
        texts.lines().filter_map(|line| parsed(line, rules(line))).take(MOST_PATTERNS).collect();
    let when = Predicates::default();
    let entry = |pattern| Entry { pattern, when: &when, priority: 0, slice: SliceId(0), listed: false };
    let entries: Vec<Entry<'_>> = patterns.iter().map(entry).collect();
    let (table, _conflicts) = Table::build(&entries, &[]);
    let headers = HeaderMap::new();
    let ask = |method: &str, host: &str, path: &str| {
        let view = RequestView { method, host, path, query: None, headers: &headers, client_ip: None };
        find(&table, &patterns, &Reading::new(&view));
    };
    for line in requests.lines().take(MOST_PATTERNS) {
        let mut words = line.splitn(3, ' ');
        let (Some(method), Some(host), Some(path)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        forms(path);
        if path.starts_with('/') {
            ask(method, host, path);
        }
    }
    for pattern in &patterns {
        let example = pattern.example();
        ask(&example.method, &example.host, &example.path);
    }
}

fn rules(line: &str) -> PathRules {
    let number = line.bytes().next().filter(u8::is_ascii_digit).unwrap_or(b'0');
    PathRules {
        trailing_slash_same: number & 1 != 0,
        case_insensitive: number & 2 != 0,
        matrix_ignored: number & 4 != 0,
    }
}

/// A match text is read, or refused at a place that is in it.
fn parsed(line: &str, rules: PathRules) -> Option<Pattern> {
    let text = line.trim_start_matches(|c: char| c.is_ascii_digit());
    match Pattern::parse(text, rules) {
        Ok(pattern) => {
            assert_eq!(pattern.text, text, "a match text is kept as it was written");
            let example = pattern.example();
            let normal = path::normal(&example.path);
            assert!(pattern.matches_path(&normal), "{text:?} does not match its own example {example}");
            assert_eq!(path::ambiguity(&example.path), None, "{text:?} can only match what is refused");
            Some(pattern)
        }
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{text:?}: {error:?} is not in the text");
            assert!(!error.message.is_empty(), "{text:?}");
            None
        }
    }
}

/// The trie finds a pattern iff one matches, and finds one that does.
fn find(table: &Table, patterns: &[Pattern], reading: &Reading<'_>) {
    let matches = |pattern: &Pattern, method: &str| {
        (!pattern.methods().is_named() || pattern.methods().names(method))
            && pattern.host().matches(&reading.host)
            && pattern.matches_path(&reading.path)
    };
    // GET implies HEAD unless a HEAD route matches.
    let any = |pattern: &Pattern| {
        matches(pattern, reading.method) || (reading.method == "HEAD" && matches(pattern, "GET"))
    };
    match table.find(reading) {
        Some(found) => {
            let pattern = patterns.get(found.0 as usize);
            assert!(pattern.is_some_and(any), "{:?} found {pattern:?}", reading.view);
        }
        None => {
            let missed = patterns.iter().find(|pattern| any(pattern));
            assert_eq!(missed, None, "{:?} found nothing", reading.view);
        }
    }
}

/// Normal forms and ambiguity of any path.
fn forms(sent: &str) {
    let found = path::ambiguity(sent);
    assert_eq!(found.is_some(), is_ambiguous(sent), "{sent:?}: {found:?}");
    let normal = path::normal(sent);
    assert_eq!(
        normal.matches('/').count(),
        sent.matches('/').count(),
        "elements are neither joined nor split"
    );
    assert_eq!(path::normal(&normal), normal, "normal twice: {sent:?}");
    assert_eq!(path::ambiguity(&normal).is_some(), found.is_some(), "{sent:?} and {normal:?}");
    if found != Some(Ambiguity::InvalidEscape) {
        assert_eq!(path::percent_decoded(&normal), path::percent_decoded(sent), "one meaning: {sent:?}");
        assert!(normal.is_ascii(), "{normal:?}");
    }
    for number in b'0'..b'8' {
        let rules = rules(char::from(number).encode_utf8(&mut [0; 4]));
        let loose = path::loosened(&normal, rules);
        assert_eq!(path::loosened(&loose, rules), loose, "loosened twice: {sent:?}");
    }
}

/// What counts as ambiguous, read plainly: decode once, cut at slashes, drop parameters.
fn is_ambiguous(sent: &str) -> bool {
    let mut decoded = Vec::new();
    let mut rest = sent.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else { return true };
        if byte == 0 {
            return true;
        }
        decoded.push(byte);
        rest = after.get(2..).unwrap_or_default();
    }
    let name = |segment: &[u8]| segment.split(|byte| *byte == b';').next().map(<[u8]>::to_vec);
    decoded.contains(&b'\\')
        || decoded.split(|byte| *byte == b'/').filter_map(name).any(|name| name == b"." || name == b"..")
}
