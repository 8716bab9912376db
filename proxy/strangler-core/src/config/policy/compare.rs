//! `compare`: how two responses are compared.

use super::super::code;
use super::super::document::{Kind, Table};
use super::super::problems::{Context, Problem};
use super::super::reader::{self, Item, Reader};
use super::super::response_path;
use super::super::suggest;
use crate::decimal::Decimal;
use crate::snapshot::compare::{
    Accept, Accepted, AcceptedPath, ArrayRule, BodyPath, Compare, CompareMode, KINDS, Redact, ResponsePath,
    kinds,
};

/// Reads `compare`.
pub(super) fn read(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Compare> {
    let mode = |word: &str| match word {
        "full" => Some(CompareMode::Full),
        "shape" => Some(CompareMode::Shape),
        _ => None,
    };
    let mut reader = Reader::new("`compare`", reader::table(context, item)?);
    let compare = Compare {
        ignore: reader.read(context, "ignore", ignores).unwrap_or_default(),
        arrays: reader.read(context, "arrays", |c, item| by_path(c, item, array_rule)).unwrap_or_default(),
        numbers: reader.read(context, "numbers", |c, item| by_path(c, item, tolerance)).unwrap_or_default(),
        mode: reader
            .read(context, "mode", |c, item| reader::word(c, item, &["full", "shape"], mode))
            .unwrap_or_default(),
        redact: reader.read(context, "redact", |c, item| reader::list(c, item, redact)).unwrap_or_default(),
        accept: reader.read(context, "accept", |c, item| reader::list(c, item, accept)).unwrap_or_default(),
    };
    reader.done(context);
    Some(compare)
}

/// Reports a path that cannot be read.
fn bad_path(
    context: &Context<'_, '_>,
    span: super::super::source::Span,
    written: &str,
    why: &str,
    help: &str,
) {
    let message = format!("`{written}`: {why}");
    context.report(Problem::new(code::BAD_PATH, span, message).help(help));
}

const IGNORE_HELP: &str =
    "such as $.items[*].id, $..request_id, $['a b'], header:x-runtime or cookie:session";

fn ignores(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Vec<ResponsePath>> {
    reader::list(context, item, response)
}

fn response(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<ResponsePath> {
    let text = reader::text(context, item)?;
    let parsed = match text.value.split_once(':') {
        Some(("header", name)) => header(name).map(ResponsePath::Header),
        Some(("cookie", name)) => cookie(name).map(ResponsePath::Cookie),
        _ => response_path::body(&text.value).map(ResponsePath::Body),
    };
    parsed.map_err(|why| bad_path(context, item.value.span, text.written(), why, IGNORE_HELP)).ok()
}

fn header(name: &str) -> Result<String, &'static str> {
    let name =
        http::HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| "this is not a header name")?;
    Ok(name.as_str().to_owned())
}

fn cookie(name: &str) -> Result<String, &'static str> {
    let name = name.trim();
    if super::cohort::is_token(name) { Ok(name.to_owned()) } else { Err("this is not a cookie's name") }
}

fn field(name: &str) -> Result<String, &'static str> {
    if name.is_empty() { Err("the name is missing") } else { Ok(name.to_owned()) }
}

fn redact(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Redact> {
    const HELP: &str = "such as $..iban, query:token, form:pin, path:code, header:x-key or cookie:session";
    let text = reader::text(context, item)?;
    let parsed = match text.value.split_once(':') {
        Some(("header", name)) => header(name).map(Redact::Header),
        Some(("cookie", name)) => cookie(name).map(Redact::Cookie),
        Some(("query", name)) => field(name).map(Redact::Query),
        Some(("form", name)) => field(name).map(Redact::Form),
        Some(("path", name)) => field(name).map(Redact::Path),
        _ => response_path::body(&text.value).map(Redact::Body),
    };
    parsed.map_err(|why| bad_path(context, item.value.span, text.written(), why, HELP)).ok()
}

/// A table whose keys are paths into the body.
fn by_path<T>(
    context: &Context<'_, '_>,
    item: Item<'_, '_>,
    read: impl Fn(&Context<'_, '_>, Item<'_, '_>) -> Option<T>,
) -> Option<Vec<(BodyPath, T)>> {
    let table = reader::table(context, item)?;
    let read_entry = |entry: &super::super::document::Entry<'_>| {
        let path = response_path::body(&entry.key)
            .map_err(|why| bad_path(context, entry.key_span, &entry.key, why, "such as \"$.items\""));
        let value = read(context, Item { key: &entry.key, value: &entry.value });
        Some((path.ok()?, value?))
    };
    Some(table.entries.iter().filter_map(read_entry).collect())
}

fn array_rule(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<ArrayRule> {
    let text = reader::text(context, item)?;
    let rule = match &*text.value {
        "ordered" => Some(ArrayRule::Ordered),
        "unordered" => Some(ArrayRule::Unordered),
        other => {
            other.strip_prefix("by:").filter(|key| !key.is_empty()).map(|key| ArrayRule::By(key.to_owned()))
        }
    };
    if rule.is_none() {
        let message = format!("unknown value `{}` of `{}`", text.written(), item.key);
        let problem = Problem::new(code::UNKNOWN_WORD, item.value.span, message);
        context.report(problem.help("\"ordered\", \"unordered\", or \"by:KEY\" such as \"by:id\""));
    }
    rule
}

fn tolerance(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Decimal> {
    let number = match &item.value.kind {
        Kind::Float(number) => Decimal::read(number.as_bytes()),
        Kind::Integer(number) => number.and_then(|number| Decimal::read(number.to_string().as_bytes())),
        _ => {
            reader::wrong_type(context, item, "a number, the absolute tolerance");
            return None;
        }
    };
    let number = number.filter(|number| !number.is_negative());
    if number.is_none() {
        let message = format!("the tolerance of `{}` must be zero or more", item.key);
        context.report(Problem::new(code::BAD_NUMBER, item.value.span, message).help("such as 0.01"));
    }
    number
}

fn accept(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Accept> {
    let table = reader::table(context, item)?;
    let mut reader = Reader::new("`accept`", table);
    let signature = reader.get("signature");
    let path = reader.get("path");
    let kind = reader.get("kind");
    let why = reader.read(context, "why", reader::string);
    let until_item = reader.get("until");
    let until = until_item.and_then(|item| reader::date(context, item));
    reader.done(context);
    for key in ["why", "until"] {
        required(context, item, table, key);
    }
    if let (Some(until), Some(item)) = (until, until_item)
        && until < context.options.today
    {
        let message = format!("this difference was accepted until {until}");
        let help = "settle the difference, or give it a later day";
        context.report(Problem::new(code::EXPIRED_ACCEPT, item.value.span, message).help(help));
    }
    let what = match (signature, path) {
        (Some(signature), None) => {
            if let Some(kind) = kind {
                let help = "a signature already has a kind; leave it out";
                reader::refuse(context, kind, code::BAD_VALUE, "this goes with `path` only", help);
            }
            signature_text(context, signature).map(Accepted::Signature)
        }
        (None, Some(path)) => accepted_path(context, path, kind),
        (first, _) => {
            let message = match first {
                Some(_) => "an accepted difference has `signature` or `path`, not both",
                None => "an accepted difference needs `signature` or `path`",
            };
            let help = "such as signature = \"3f9c21ab\", or path = \"$.total\" with kind = \"value\"";
            context.report(Problem::new(code::MISSING_KEY, item.value.span, message).help(help));
            None
        }
    };
    Some(Accept { what: what?, why: why?, until: until? })
}

fn required(context: &Context<'_, '_>, item: Item<'_, '_>, table: &Table<'_>, key: &str) {
    if table.get(key).is_none() {
        let message = format!("an accepted difference needs `{key}`");
        let help = "such as why = \"legacy rounds wrongly, SHOP-412\" and until = 2027-02-01";
        context.report(Problem::new(code::MISSING_KEY, item.value.span, message).help(help));
    }
}

fn signature_text(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<String> {
    let text = reader::name(context, item)?;
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) || text.len() != 8 {
        let help = "`strangler report` shows it, such as 3f9c21ab";
        reader::refuse(context, item, code::BAD_VALUE, "a signature is eight hexadecimal digits", help);
        return None;
    }
    Some(text.to_ascii_lowercase())
}

fn accepted_path(
    context: &Context<'_, '_>,
    path: Item<'_, '_>,
    kind: Option<Item<'_, '_>>,
) -> Option<Accepted> {
    let is_status = path.value.as_text().is_some_and(|text| text.value == "status");
    let path = if is_status {
        Some(AcceptedPath::Status)
    } else {
        response(context, path).map(AcceptedPath::Response)
    };
    let kind = kind.map(|item| {
        let text = reader::name(context, item)?;
        if kinds().contains_key(text) {
            return Some(text.to_owned());
        }
        let parts = KINDS.iter().flat_map(|(part, words)| words.iter().chain(std::iter::once(part))).copied();
        let near = suggest::nearest(text.rsplit('.').next().unwrap_or(text), parts);
        let help =
            near.map_or("such as value or body.value".to_owned(), |near| format!("did you mean `{near}`?"));
        reader::refuse(context, item, code::UNKNOWN_WORD, "this is no kind of difference", &help);
        None
    });
    let kind = match kind {
        None => None,
        Some(read) => Some(read?),
    };
    Some(Accepted::Path { path: path?, kind })
}
