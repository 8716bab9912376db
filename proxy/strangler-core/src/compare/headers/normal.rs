//! What the values of known headers mean, whatever their spelling.

use std::collections::BTreeSet;

use super::super::dates;
use super::super::fields::{pieces, unquoted};
use super::super::media::MediaType;

/// How far apart two dates may be that were made for the same moment, in seconds: the sides are not asked at once.
const SAME_MOMENT_SECONDS: u64 = 5;

/// How the values of a header are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// As they stand.
    Literal,
    /// As one word without case.
    Word,
    /// As a set of words without case.
    Words,
    /// As a set of words with case.
    CaseWords,
    /// As a set of parts, each a word with parameters.
    Parts,
    /// As one word with parameters.
    Part,
    /// As a set of directives between semicolons.
    Directives,
    /// As a content security policy.
    Policy,
    /// As a media type.
    Media,
    /// As a moment.
    Moment,
}

fn reading(name: &str) -> Reading {
    match name {
        "accept-ch"
        | "accept-encoding"
        | "accept-ranges"
        | "access-control-allow-headers"
        | "access-control-expose-headers"
        | "cdn-cache-control"
        | "clear-site-data"
        | "content-language"
        | "critical-ch"
        | "pragma"
        | "referrer-policy"
        | "surrogate-control"
        | "vary"
        | "x-robots-tag"
        | "cache-control" => Reading::Words,
        "access-control-allow-methods"
        | "allow"
        | "dav"
        | "surrogate-key"
        | "timing-allow-origin"
        | "public" => Reading::CaseWords,
        "accept-patch" | "accept-post" | "alt-svc" | "link" | "permissions-policy" | "preference-applied"
        | "server-timing" => Reading::Parts,
        "content-disposition" => Reading::Part,
        "feature-policy" | "strict-transport-security" | "x-xss-protection" => Reading::Directives,
        "content-security-policy" | "content-security-policy-report-only" => Reading::Policy,
        "content-type" => Reading::Media,
        "expires" => Reading::Moment,
        "x-content-type-options"
        | "x-frame-options"
        | "cross-origin-opener-policy"
        | "cross-origin-embedder-policy"
        | "cross-origin-resource-policy" => Reading::Word,
        _ => Reading::Literal,
    }
}

/// Whether two values of the header `name`, in lower case, mean the same.
pub(super) fn is_same(name: &str, left: &str, right: &str) -> bool {
    let both = |normal: fn(&str) -> BTreeSet<String>| normal(left) == normal(right);
    match reading(name) {
        Reading::Literal => left == right,
        Reading::Word => left.eq_ignore_ascii_case(right),
        Reading::Words => both(|value| pieces(value, ',').into_iter().map(argument).collect()),
        Reading::CaseWords => both(|value| pieces(value, ',').into_iter().map(str::to_owned).collect()),
        Reading::Parts => both(|value| pieces(value, ',').into_iter().map(part).collect()),
        Reading::Part => part(left) == part(right),
        Reading::Directives => both(|value| pieces(value, ';').into_iter().map(argument).collect()),
        Reading::Policy => both(|value| pieces(value, ',').into_iter().map(policy).collect()),
        Reading::Media => match (MediaType::parse(left), MediaType::parse(right)) {
            (Some(left), Some(right)) => left.normal() == right.normal(),
            _ => left == right,
        },
        Reading::Moment => match (dates::seconds(left), dates::seconds(right)) {
            (Some(left), Some(right)) => left.abs_diff(right) <= SAME_MOMENT_SECONDS,
            // What is no date is in the past (RFC 9111 §5.3).
            (None, None) => true,
            _ => false,
        },
    }
}

/// `Max-Age="60"` and `max-age=60`: without case and quotes.
fn argument(piece: &str) -> String {
    let lower = piece.to_ascii_lowercase();
    match lower.split_once('=') {
        Some((name, value)) => format!("{}={}", name.trim(), unquoted(value)),
        None => lower,
    }
}

/// A word and its parameters, which have no order, and whose names have no case.
fn part(piece: &str) -> String {
    let mut words = pieces(piece, ';').into_iter();
    let mut normal = words.next().unwrap_or_default().to_owned();
    let mut parameters: Vec<String> = words
        .map(|word| match word.split_once('=') {
            Some((name, value)) => format!("{}={}", name.trim().to_ascii_lowercase(), unquoted(value)),
            None => word.to_ascii_lowercase(),
        })
        .collect();
    parameters.sort_unstable();
    for parameter in parameters {
        normal.push(';');
        normal.push_str(&parameter);
    }
    normal
}

/// One policy: its directives and their sources have no order, and a nonce is another one every time.
pub(in crate::compare) fn policy(text: &str) -> String {
    let directive = |piece: &str| {
        let mut words = piece.split_ascii_whitespace();
        let name = words.next().unwrap_or_default().to_ascii_lowercase();
        let source = |word: &str| {
            let is_nonce = word.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("'nonce-"));
            if is_nonce { "'nonce'".to_owned() } else { word.to_owned() }
        };
        let sources: BTreeSet<String> = words.map(source).collect();
        format!("{name} {}", sources.into_iter().collect::<Vec<_>>().join(" "))
    };
    let directives: BTreeSet<String> =
        text.split(';').map(str::trim).filter(|p| !p.is_empty()).map(directive).collect();
    directives.into_iter().collect::<Vec<_>>().join(";")
}
