//! The stable set of clients that a canary sends to the extracted side.
//!
//! Owns the key of a client, its bucket and the verdict for one canary. Refuses state: a client's side
//! follows from its request and the share alone, so it is the same on every replica and after every restart,
//! and raising the share never moves a client back.

use std::borrow::Cow;
use std::fmt::Write as _;

use xxhash_rust::xxh3::xxh3_64;

use crate::matching::path::{percent_decoded, without_matrix};
use crate::matching::{Pattern, Reading, request};
use crate::snapshot::Canary;
use crate::snapshot::slice::{KeyMatch, KeySource};

/// Buckets there are: one per hundredth of a percent.
const BUCKETS: u64 = 10_000;

/// Bytes of most sources as text, with what stands around them.
const SOURCE_BYTES: usize = 48;

/// A client's key and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// The source that was present.
    pub source: &'a KeySource,
    /// Its value; never empty.
    pub value: Cow<'a, str>,
}

/// Whether a client is in the cohort, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership<'a> {
    /// In the cohort: the extracted side answers.
    pub member: bool,
    /// What decided.
    pub reason: Reason<'a>,
    /// The key, also where a list decided.
    pub key: Option<Key<'a>>,
    /// The bucket of the key.
    pub bucket: Option<u16>,
}

/// What decided about membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason<'a> {
    /// An entry of `never`, which is stronger than `always`.
    Never(&'a KeyMatch),
    /// An entry of `always`.
    Always(&'a KeyMatch),
    /// The bucket against the share.
    Share,
    /// The request has none of the sources.
    NoKey,
}

/// Whether the client of a request is in the cohort of a canary.
///
/// `name` is the cohort's name or the slice's; `pattern` is that of the winning route.
pub fn membership<'a>(
    reading: &'a Reading<'_>,
    pattern: &'a Pattern,
    name: &str,
    sources: &'a [KeySource],
    canary: &'a Canary,
) -> Membership<'a> {
    let key = key(reading, pattern, sources);
    let bucket = key.as_ref().map(|key| bucket(name, key.source, &key.value));
    let listed = |list: &'a [KeyMatch]| {
        list.iter()
            .find(|entry| value(reading, pattern, &entry.source).is_some_and(|value| *value == *entry.value))
    };
    let (member, reason) = if let Some(entry) = listed(&canary.never) {
        (false, Reason::Never(entry))
    } else if let Some(entry) = listed(&canary.always) {
        (true, Reason::Always(entry))
    } else {
        match bucket {
            Some(bucket) => (bucket < canary.share.basis_points(), Reason::Share),
            None => (false, Reason::NoKey),
        }
    };
    Membership { member, reason, key, bucket }
}

/// The client's key: the first source that is present.
pub fn key<'a>(reading: &'a Reading<'_>, pattern: &'a Pattern, sources: &'a [KeySource]) -> Option<Key<'a>> {
    sources.iter().find_map(|source| value(reading, pattern, source).map(|value| Key { source, value }))
}

/// The bucket of a key, `0..10_000`: XXH3-64 (seed 0) of the cohort's name, NUL, the source as configured, NUL
/// and the value.
pub fn bucket(name: &str, source: &KeySource, value: &str) -> u16 {
    let mut text = String::with_capacity(name.len() + value.len() + SOURCE_BYTES);
    text.push_str(name);
    text.push('\0');
    push_source(&mut text, source);
    text.push('\0');
    text.push_str(value);
    u16::try_from(xxh3_64(text.as_bytes()) % BUCKETS).unwrap_or(u16::MAX)
}

/// A source as it is configured, a header's name in lower case: `header:x-tenant`.
pub fn source_text(source: &KeySource) -> String {
    let mut text = String::new();
    push_source(&mut text, source);
    text
}

fn push_source(text: &mut String, source: &KeySource) {
    let (prefix, name) = match source {
        KeySource::Header(name) => ("header:", name.as_str()),
        KeySource::Cookie(name) => ("cookie:", name.as_str()),
        KeySource::Query(name) => ("query:", name.as_str()),
        KeySource::Path(name) => ("path:", name.as_str()),
        KeySource::HostLabel(_) => ("host-label:", ""),
        KeySource::ClientIp => ("client-ip", ""),
    };
    text.push_str(prefix);
    if let KeySource::HostLabel(label) = source {
        // Writing to a String cannot fail.
        write!(text, "{label}").unwrap_or_default();
    }
    let from = text.len();
    text.push_str(name);
    if matches!(source, KeySource::Header(_))
        && let Some(name) = text.get_mut(from..)
    {
        name.make_ascii_lowercase();
    }
}

/// The value of a source in a request; an empty one counts as absent. Path and query values are
/// percent-decoded, an IPv4-mapped address counts as IPv4.
pub(crate) fn value<'a>(
    reading: &'a Reading<'_>,
    pattern: &'a Pattern,
    source: &KeySource,
) -> Option<Cow<'a, str>> {
    let view = reading.view;
    let value = match source {
        KeySource::Header(name) => request::header(view.headers, name),
        KeySource::Cookie(name) => request::cookie(view.headers, name),
        KeySource::Query(name) => request::query_parameter(view.query, name),
        KeySource::Path(name) => {
            let sent = pattern.param(view.path, name)?;
            let element = if pattern.rules.matrix_ignored { without_matrix(sent) } else { sent };
            Some(percent_decoded(element))
        }
        KeySource::HostLabel(label) => {
            let index = usize::try_from(*label).ok()?.checked_sub(1)?;
            reading.host.split('.').nth(index).map(Cow::Borrowed)
        }
        KeySource::ClientIp => view.client_ip.map(|address| Cow::Owned(address.to_canonical().to_string())),
    };
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::RequestView;
    use crate::matching::path::PathRules;
    use crate::words::Share;
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn canary(points: u16, always: Vec<KeyMatch>, never: Vec<KeyMatch>) -> Canary {
        Canary { share: Share::from_basis_points(points).unwrap(), always, never, steps: Vec::new() }
    }

    fn header_match(name: &str, value: &str) -> KeyMatch {
        KeyMatch { source: KeySource::Header(name.into()), value: value.into() }
    }

    fn request_headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn with<R>(lines: &[(&'static str, &'static str)], test: impl FnOnce(&Reading<'_>, &Pattern) -> R) -> R {
        let headers = request_headers(lines);
        let view = RequestView {
            method: "GET",
            host: "Acme.shop.example:80",
            path: "/t/a%20b/x",
            query: Some("tenant=q%31&empty="),
            headers: &headers,
            client_ip: Some("::ffff:10.0.0.1".parse().unwrap()),
        };
        let pattern = Pattern::parse("/t/{tenant}/**", PathRules::default()).unwrap();
        test(&Reading::new(&view), &pattern)
    }

    #[test]
    fn a_bucket_is_the_documented_hash() {
        let table: &[(&str, KeySource, &str, &[u8])] = &[
            ("payments", KeySource::Header("X-Tenant".into()), "acme", b"payments\0header:x-tenant\0acme"),
            ("checkout", KeySource::Cookie("Sid".into()), "1", b"checkout\0cookie:Sid\x001"),
            ("s", KeySource::HostLabel(2), "shop", b"s\0host-label:2\0shop"),
            ("s", KeySource::ClientIp, "10.0.0.1", b"s\0client-ip\x0010.0.0.1"),
        ];
        for (name, source, value, bytes) in table {
            let wanted = xxh3_64(bytes) % 10_000;
            assert_eq!(u64::from(bucket(name, source, value)), wanted, "{name} {source:?}");
        }
    }

    #[test]
    fn every_source_yields_its_value_and_an_empty_one_counts_as_absent() {
        with(&[("x-tenant", "acme"), ("x-empty", ""), ("cookie", "sid=7; none=")], |reading, pattern| {
            let table = [
                (KeySource::Header("x-tenant".into()), Some("acme")),
                (KeySource::Header("x-empty".into()), None),
                (KeySource::Header("x-other".into()), None),
                (KeySource::Cookie("sid".into()), Some("7")),
                (KeySource::Cookie("none".into()), None),
                (KeySource::Query("tenant".into()), Some("q1")),
                (KeySource::Query("empty".into()), None),
                (KeySource::Path("tenant".into()), Some("a b")),
                (KeySource::Path("other".into()), None),
                (KeySource::HostLabel(1), Some("acme")),
                (KeySource::HostLabel(3), Some("example")),
                (KeySource::HostLabel(4), None),
                (KeySource::HostLabel(0), None),
                (KeySource::ClientIp, Some("10.0.0.1")),
            ];
            for (source, wanted) in table {
                assert_eq!(value(reading, pattern, &source).as_deref(), wanted, "{source:?}");
            }
        });
    }

    #[test]
    fn the_first_present_source_is_the_key() {
        with(&[("x-empty", ""), ("x-b", "b")], |reading, pattern| {
            let sources =
                [KeySource::Header("x-empty".into()), KeySource::Header("x-b".into()), KeySource::ClientIp];
            let canary = canary(10_000, vec![], vec![]);
            let membership = membership(reading, pattern, "s", &sources, &canary);
            assert_eq!(membership.key.map(|key| key.value.into_owned()).as_deref(), Some("b"));
            assert_eq!(membership.bucket, Some(bucket("s", &sources[1], "b")));
            assert!(membership.member);
        });
    }

    #[test]
    fn never_is_stronger_than_always_and_both_than_the_share() {
        with(&[("x-tenant", "acme")], |reading, pattern| {
            let listed = || vec![header_match("x-tenant", "acme")];
            let other = || vec![header_match("x-tenant", "other")];
            for (points, always, never, member) in [
                (0, listed(), vec![], true),
                (10_000, vec![], listed(), false),
                (10_000, listed(), listed(), false),
                (0, other(), other(), false),
                (10_000, other(), other(), false),
            ] {
                // Without any source of `cohort_by`.
                let canary = canary(points, always, never);
                assert_eq!(membership(reading, pattern, "s", &[], &canary).member, member);
            }
        });
    }

    #[test]
    fn without_a_key_legacy_answers_even_at_a_share_of_everybody() {
        with(&[], |reading, pattern| {
            let canary = canary(10_000, vec![], vec![]);
            let sources = [KeySource::Header("x-tenant".into())];
            let membership = membership(reading, pattern, "s", &sources, &canary);
            assert_eq!(
                (membership.member, membership.reason, membership.bucket),
                (false, Reason::NoKey, None)
            );
        });
    }

    #[test]
    fn raising_the_share_never_moves_a_client_back() {
        let source = KeySource::Cookie("id".into());
        for client in 0..500 {
            let bucket = bucket("s", &source, &client.to_string());
            let mut before = false;
            for share in (0..=10_000).step_by(100) {
                let member = bucket < share;
                assert!(member || !before, "client {client} at {share}");
                before = member;
            }
            assert!(before, "everybody is in at 100 %");
        }
    }
}
