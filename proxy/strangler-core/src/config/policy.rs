//! Policy keys, merged over their layers and read as one.
//!
//! Layers: built-in values, `[defaults]`, slice, route. They are merged as written values, before typing, so
//! that every value keeps the place it came from. A route without policy keys shares its slice's [`Policy`].

mod cohort;
mod compare;
mod guard;
mod headers;
mod rewrite;
mod shadow;

use std::sync::Arc;
use std::time::Duration;

pub(super) use cohort::{canary, canary_table};
pub(super) use headers::header_name;

use super::code;
use super::defaults::merge;
use super::document::{Entry, Kind, Table};
use super::problems::{Context, Problem};
use super::reader::{self, Item, Reader};
use super::source::Span;
use crate::snapshot::policy::{Failure, Fallback};
use crate::snapshot::{Policy, TimeoutOverrides, Unavailable};

/// The keys of `[defaults]`, which slices and routes take too.
pub(super) const KEYS: [&str; 15] = [
    "cohort_by",
    "cohort",
    "cohort_cookie",
    "shadow",
    "compare",
    "fallback",
    "fallback_after",
    "guardrails",
    "gate",
    "unavailable",
    "timeouts",
    "rewrite",
    "request_headers",
    "response_headers",
    "read_your_writes",
];

/// One set of merged layers.
pub(super) struct Layers<'t> {
    /// As written, for the layers above and for showing where a value comes from.
    pub(super) table: Table<'t>,
    /// As compiled.
    pub(super) policy: Arc<Policy>,
    /// Path elements that it refers to, to be held against the patterns of its routes.
    pub(super) path_names: Vec<PathName>,
}

/// A reference to a named path element.
#[derive(Clone, Debug)]
pub(super) struct PathName {
    pub(super) name: String,
    pub(super) span: Span,
    /// Whether every route needs it: a rewrite cannot do without, a cohort key can be absent.
    pub(super) required: bool,
}

/// What reading a policy needs beside the policy.
pub(super) struct Extras<'c, 't> {
    /// Built-in values of an `unavailable` table.
    pub(super) unavailable: &'c Table<'t>,
}

/// Merges a layer over another; `None` where it has no policy keys, so that the lower one can be shared.
pub(super) fn layer<'t>(
    context: &Context<'t, '_>,
    extras: &Extras<'_, 't>,
    under: &Table<'t>,
    over: &Table<'t>,
) -> Option<Layers<'t>> {
    let written: Vec<Entry<'t>> =
        over.entries.iter().filter(|entry| KEYS.contains(&&*entry.key)).cloned().collect();
    if written.is_empty() {
        return None;
    }
    Some(layers(context, extras, merge(under, &Table { entries: written })))
}

/// Reads merged layers.
pub(super) fn layers<'t>(context: &Context<'t, '_>, extras: &Extras<'_, 't>, table: Table<'t>) -> Layers<'t> {
    let mut path_names = Vec::new();
    let mut reader = Reader::new("[defaults]", &table);
    let policy = Policy {
        timeouts: reader.read(context, "timeouts", timeouts).unwrap_or_default(),
        rewrite: reader.read(context, "rewrite", |c, item| rewrite::read(c, item, &mut path_names)).flatten(),
        request_headers: reader.read(context, "request_headers", headers::read).unwrap_or_default(),
        response_headers: reader.read(context, "response_headers", headers::read).unwrap_or_default(),
        cohort: reader.read(context, "cohort", reader::name).map(Arc::from),
        cohort_by: reader
            .read(context, "cohort_by", |c, item| cohort::sources(c, item, &mut path_names))
            .unwrap_or_default(),
        cohort_cookie: reader.read(context, "cohort_cookie", cohort::cookie),
        shadow: reader.read(context, "shadow", shadow::read),
        compare: reader.read(context, "compare", compare::read).unwrap_or_default(),
        fallback: reader.read(context, "fallback", fallback).unwrap_or_default(),
        fallback_after: reader.read(context, "fallback_after", reader::some_duration).unwrap_or_default(),
        guardrails: reader.read(context, "guardrails", guard::guardrails).flatten(),
        gate: reader.read(context, "gate", guard::gate).flatten(),
        unavailable: reader.read(context, "unavailable", |c, item| unavailable(c, extras, item)),
        read_your_writes: reader
            .read(context, "read_your_writes", reader::duration)
            .unwrap_or(Duration::ZERO),
    };
    Layers { table, policy: Arc::new(policy), path_names }
}

fn timeouts(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<TimeoutOverrides> {
    let mut reader = Reader::new("`timeouts`", reader::table(context, item)?);
    let timeouts = TimeoutOverrides {
        connect: reader.read(context, "connect", reader::some_duration),
        response: reader.read(context, "response", reader::some_duration),
        idle: reader.read(context, "idle", reader::some_duration),
    };
    reader.done(context);
    Some(timeouts)
}

const FALLBACK_HELP: &str =
    "\"auto\", \"never\", or a list of connect-error, timeout, 5xx and statuses such as 503";

fn fallback(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Fallback> {
    match &item.value.kind {
        Kind::Text(text) if text.value == "auto" => Some(Fallback::Auto),
        Kind::Text(text) if text.value == "never" => Some(Fallback::Never),
        Kind::List(list) if list.is_empty() => {
            reader::refuse(context, item, code::EMPTY_LIST, "an empty list says nothing", "write \"never\"");
            None
        }
        Kind::List(_) => reader::list(context, item, failure).map(Fallback::On),
        _ => {
            let problem = Problem::new(code::UNKNOWN_WORD, item.value.span, "`fallback` cannot be read");
            context.report(problem.help(FALLBACK_HELP));
            None
        }
    }
}

fn failure(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Failure> {
    let status = |number: i64| u16::try_from(number).ok().filter(|status| (400..=599).contains(status));
    let failure = match &item.value.kind {
        Kind::Integer(number) => number.and_then(status).map(Failure::Status),
        Kind::Text(text) => match &*text.value {
            "connect-error" => Some(Failure::ConnectError),
            "timeout" => Some(Failure::Timeout),
            "5xx" => Some(Failure::ServerError),
            other => other.parse().ok().and_then(status).map(Failure::Status),
        },
        _ => None,
    };
    if failure.is_none() {
        let message = "this is no failure that `fallback` knows";
        context.report(Problem::new(code::UNKNOWN_WORD, item.value.span, message).help(FALLBACK_HELP));
    }
    failure
}

fn unavailable<'t>(
    context: &Context<'t, '_>,
    extras: &Extras<'_, 't>,
    item: Item<'_, 't>,
) -> Option<Unavailable> {
    let table = merge(extras.unavailable, reader::table(context, item)?);
    let mut reader = Reader::new("`unavailable`", &table);
    let status: Option<u16> = reader.read(context, "status", |c, item| reader::integer(c, item, 400..=599));
    let retry_after = reader.read(context, "retry_after", reader::duration);
    let message = reader.read(context, "message", reader::any_string);
    reader.done(context);
    Some(Unavailable {
        status: http::StatusCode::from_u16(status?).ok()?,
        retry_after: retry_after?,
        message: message?,
    })
}
