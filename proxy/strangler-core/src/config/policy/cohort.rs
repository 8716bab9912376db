//! Who belongs to the cohort: `cohort_by`, `cohort_cookie`, `canary`.

use std::borrow::Cow;

use super::super::code;
use super::super::document::{Entry, Kind, Table};
use super::super::problems::{Context, Problem};
use super::super::reader::{self, Item, Reader};
use super::super::source::Span;
use super::super::suggest;
use super::PathName;
use crate::snapshot::Canary;
use crate::snapshot::policy::CohortCookie;
use crate::snapshot::slice::{KeyMatch, KeySource};
use crate::words::Share;

const SOURCES: &str = "header:NAME, cookie:NAME, query:NAME, path:NAME, host-label:N or client-ip";

/// `cohort_by`.
pub(super) fn sources(
    context: &Context<'_, '_>,
    item: Item<'_, '_>,
    path_names: &mut Vec<PathName>,
) -> Option<Vec<KeySource>> {
    reader::one_or_list(context, item, |context, item| {
        let text = reader::text(context, item)?;
        let source = source(context, &text.value, text.written(), item.value.span)?;
        if let KeySource::Path(name) = &source {
            path_names.push(PathName { name: name.clone(), span: item.value.span, required: false });
        }
        Some(source)
    })
}

/// `header:NAME cookie:NAME query:NAME path:NAME host-label:N client-ip`.
fn source(context: &Context<'_, '_>, text: &str, written: &str, span: Span) -> Option<KeySource> {
    let (kind, name) = text.split_once(':').map_or((text, ""), |(kind, name)| (kind, name.trim()));
    let parsed = match kind {
        "client-ip" if name.is_empty() && !text.contains(':') => Some(KeySource::ClientIp),
        "header" => http::HeaderName::from_bytes(name.as_bytes())
            .ok()
            .map(|name| KeySource::Header(name.as_str().to_owned())),
        "cookie" if is_token(name) => Some(KeySource::Cookie(name.to_owned())),
        "query" if !name.is_empty() => Some(KeySource::Query(name.to_owned())),
        "path" if !name.is_empty() => Some(KeySource::Path(name.to_owned())),
        "host-label" => name.parse().ok().filter(|label| (1..=127).contains(label)).map(KeySource::HostLabel),
        _ => None,
    };
    if parsed.is_none() {
        const KINDS: [&str; 6] = ["header", "cookie", "query", "path", "host-label", "client-ip"];
        let message = format!("unknown cohort source `{written}`");
        let near = suggest::nearest(kind, KINDS).filter(|near| *near != kind && written == text);
        let help = near.map_or_else(|| format!("one of {SOURCES}"), |near| format!("did you mean `{near}`?"));
        context.report(Problem::new(code::UNKNOWN_COHORT_SOURCE, span, message).help(help));
    }
    parsed
}

/// A cookie's name (RFC 6265 section 4.1.1).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// `cohort_cookie`.
pub(super) fn cookie(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<CohortCookie> {
    let mut reader = Reader::new("`cohort_cookie`", reader::table(context, item)?);
    let name = reader.read(context, "name", |context, item| {
        let name = reader::name(context, item)?;
        if !is_token(name) {
            let why = "this is not a cookie's name";
            reader::refuse(context, item, code::BAD_VALUE, why, "letters, digits, `_` and `-`");
            return None;
        }
        Some(name.to_owned())
    });
    let max_age = reader.read(context, "max_age", reader::some_duration);
    reader.done(context);
    Some(CohortCookie { name: name?, max_age: max_age? })
}

/// A canary as a table: `"10%"` is short for the share.
pub(crate) fn canary_table<'v, 't>(
    context: &Context<'t, '_>,
    item: Item<'v, 't>,
) -> Option<Cow<'v, Table<'t>>> {
    match &item.value.kind {
        Kind::Table(table) => Some(Cow::Borrowed(table)),
        Kind::Text(_) | Kind::Integer(_) | Kind::Float(_) => {
            let share =
                Entry { key: Cow::Borrowed("share"), key_span: item.value.span, value: item.value.clone() };
            Some(Cow::Owned(Table { entries: vec![share] }))
        }
        _ => {
            reader::wrong_type(context, item, "a share such as \"10%\", or a table");
            None
        }
    }
}

/// A canary whose layers are merged; `None` without a share.
pub(crate) fn canary(
    context: &Context<'_, '_>,
    table: &Table<'_>,
    path_names: &mut Vec<PathName>,
) -> Option<Canary> {
    let mut reader = Reader::new("`canary`", table);
    let share = reader.read(context, "share", reader::share);
    let mut matches = |context: &Context<'_, '_>, item: Item<'_, '_>| {
        reader::list(context, item, |context, item| key_match(context, item, path_names))
    };
    let always = reader.read(context, "always", &mut matches).unwrap_or_default();
    let never = reader.read(context, "never", &mut matches).unwrap_or_default();
    let steps = reader.read(context, "steps", steps).unwrap_or_default();
    reader.done(context);
    Some(Canary { share: share?, always, never, steps })
}

fn key_match(
    context: &Context<'_, '_>,
    item: Item<'_, '_>,
    path_names: &mut Vec<PathName>,
) -> Option<KeyMatch> {
    let text = reader::text(context, item)?;
    let Some((from, value)) = text.value.split_once('=') else {
        let why = "it lacks `=` and the value";
        reader::refuse(context, item, code::BAD_VALUE, why, "such as header:x-tenant=acme-test");
        return None;
    };
    let written = text.written().split_once('=').map_or(text.written(), |(from, _)| from);
    let source = source(context, from.trim(), written.trim(), item.value.span)?;
    if let KeySource::Path(name) = &source {
        path_names.push(PathName { name: name.clone(), span: item.value.span, required: false });
    }
    Some(KeyMatch { source, value: value.to_owned() })
}

fn steps(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Vec<Share>> {
    let mut wrong = false;
    let steps = reader::list(context, item, |context, item| {
        let share = reader::share(context, item);
        wrong |= share.is_none();
        share
    })?;
    if wrong {
        return None;
    }
    let rising = steps.is_sorted_by(|a, b| a < b) && steps.first() != Some(&Share::NONE);
    if !rising || steps.is_empty() {
        let problem = Problem::new(code::BAD_VALUE, item.value.span, "`steps` must rise, from above 0%");
        context.report(problem.help("such as [\"1%\", \"5%\", \"25%\", \"50%\", \"100%\"]"));
        return None;
    }
    Some(steps)
}
