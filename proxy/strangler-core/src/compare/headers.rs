//! Header fields: which are compared, and what means the same.
//!
//! Owns the letter of each header that has one: lists are sets, parameters have no order, Locations are compared
//! after both sides' own origins are taken out. All others are compared as they stand, several lines of one name
//! like one with commas. Refuses `Set-Cookie` (see `cookies`).

mod location;
mod normal;

pub(super) use normal::policy;

use super::fields::{self, Field, Fields, pieces};
use super::{Class, Context, Difference, FieldLines, Kind, Path, value};

/// What is known of the bodies: validators speak of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bodies {
    /// Byte for byte the same, codings undone.
    Same,
    /// Different bytes that mean the same.
    Equal,
    /// They differ, or there are none to be seen.
    Different,
}

/// Never compared: each tells when, by whom or over which connection, and not what was answered.
const NEVER: &[&str] = &[
    "age",
    "content-encoding",
    "content-length",
    "date",
    "server",
    "via",
    // Of the connection (RFC 9110 §7.6.1), and what older software takes for such.
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // The names of one request and one trace.
    "amz-sdk-invocation-id",
    "b3",
    "baggage",
    "cf-ray",
    "correlation-id",
    "fly-request-id",
    "request-id",
    "sentry-trace",
    "trace-id",
    "traceparent",
    "traceresponse",
    "tracestate",
    "uber-trace-id",
    "x-amz-cf-id",
    "x-amz-id-2",
    "x-amz-request-id",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-github-request-id",
    "x-ms-request-id",
    "x-request-id",
    "x-requestid",
    "x-shopify-request-id",
    "x-span-id",
    "x-trace-id",
    "x-transaction-id",
    "x-vercel-id",
    // Marks of a copy, and a dry run's echo of one.
    "x-shadow-mode",
    "x-shadow-request",
    // Compared as cookies.
    "set-cookie",
];

/// Families of such names.
const NEVER_PREFIXES: &[&str] = &["x-b3-", "x-datadog-"];

/// The differences of two replies' header fields, by name.
pub(super) fn differences(
    context: &Context<'_>,
    left: &Fields<'_>,
    right: &Fields<'_>,
    bodies: Bodies,
) -> Vec<Difference> {
    let nominated: Vec<String> = [left, right].iter().flat_map(|fields| nominated(fields)).collect();
    let is_hop = |name: &[u8]| nominated.iter().any(|other| other.as_bytes().eq_ignore_ascii_case(name));
    let differing = left.beside(right).filter(|(_, one, other)| !fields::are_same(one, other));
    let compared = differing.filter(|(name, ..)| is_compared(name) && !is_hop(name));
    compared.filter_map(|(name, one, other)| difference(context, name, (one, other), bodies)).collect()
}

/// Whether these lines make no difference, as can be seen line by line: the same lines in the same order, but for
/// values that are never compared. Where they do not, a closer look may still find none.
pub(super) fn are_alike(left: &FieldLines, right: &FieldLines) -> bool {
    // These are not compared as they stand, and yet say something: of cookies, of the body, of other lines.
    let tells = |name: &[u8]| {
        ["set-cookie", "content-encoding", "connection"]
            .iter()
            .any(|telling| telling.as_bytes().eq_ignore_ascii_case(name))
    };
    left.len() == right.len()
        && left.iter().zip(right.iter()).all(|((name, value), (other, theirs))| {
            name.eq_ignore_ascii_case(other) && (value == theirs || !is_compared(name) && !tells(name))
        })
}

/// Whether a header of this name is compared at all.
fn is_compared(name: &[u8]) -> bool {
    let begins = |prefix: &&str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    !NEVER.iter().any(|never| never.as_bytes().eq_ignore_ascii_case(name))
        && !NEVER_PREFIXES.iter().any(begins)
}

/// The fields that `Connection` declares to be of the connection.
fn nominated(fields: &Fields<'_>) -> Vec<String> {
    let value = fields.value("connection").unwrap_or_default();
    pieces(&value, ',').into_iter().map(str::to_owned).collect()
}

/// The difference of one header, whose lines are not the same.
fn difference(
    context: &Context<'_>,
    name: &[u8],
    (left, right): (&[Field<'_>], &[Field<'_>]),
    bodies: Bodies,
) -> Option<Difference> {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let name = name.as_str();
    let is_validator = matches!(name, "etag" | "last-modified");
    if is_validator && bodies == Bodies::Different {
        return None;
    }
    let path = Path::Header(name.into());
    let (left, right) = match (fields::joined(left), fields::joined(right)) {
        (Some(left), Some(right)) => (left, right),
        (Some(left), None) => {
            let difference = Difference::new(path, Kind::HeaderMissing, class(&left), Class::Absent);
            return Some(difference.showing(Some(left.as_bytes()), None));
        }
        (None, right) => {
            let right = right?;
            let difference = Difference::new(path, Kind::HeaderExtra, Class::Absent, class(&right));
            return Some(difference.showing(None, Some(right.as_bytes())));
        }
    };
    // An entity tag names bytes: other bytes of the same meaning have another one.
    let names_other_bytes = name == "etag" && bodies == Bodies::Equal;
    if names_other_bytes || normal::is_same(name, &left, &right) {
        return None;
    }
    let (one, other) = match name {
        "location" | "content-location" => (
            location::mapped(&left, context.legacy.origins, context.target),
            location::mapped(&right, context.extracted.origins, context.target),
        ),
        _ => (left.clone(), right.clone()),
    };
    if one == other {
        return None;
    }
    let difference = Difference::new(path, Kind::HeaderValue, class(&one), class(&other));
    let related = difference.related(value::of_texts(one.as_bytes(), other.as_bytes()));
    Some(related.showing(Some(left.as_bytes()), Some(right.as_bytes())))
}

fn class(text: &str) -> Class {
    value::class_of(text.as_bytes())
}

#[cfg(test)]
mod tests;
