//! `[[routes]]` and the entries of a slice's `routes`.

use std::rc::Rc;
use std::sync::Arc;

use super::code;
use super::defaults::Defaults;
use super::document::{Kind, Table, Text, Value};
use super::policy::{self, Extras, Layers};
use super::problems::{Context, Problem};
use super::reader::{self, Item, Reader};
use super::slice::{CanaryDraft, SliceDraft, read_phase};
use super::source::Span;
use crate::matching::path::PathRules;
use crate::matching::predicate::Condition;
use crate::matching::{Pattern, Predicates};
use crate::words::{Effect, Phase};

/// One route and where it is written.
pub(super) struct RouteDraft<'v, 't> {
    pub(super) id: Arc<str>,
    /// Where its `id` stands, if it has one.
    pub(super) id_span: Option<Span>,
    /// Its match text.
    pub(super) span: Span,
    /// Whether the match text holds something from the environment.
    pub(super) secret: bool,
    /// Index of its slice, by name.
    pub(super) slice: usize,
    pub(super) pattern: Pattern,
    pub(super) when: Predicates,
    pub(super) listed: bool,
    pub(super) effect: Option<Effect>,
    pub(super) priority: i64,
    /// Its own phase and where that stands.
    pub(super) phase: Option<(Phase, Span)>,
    /// Its own canary, merged over the slice's.
    pub(super) canary: Option<CanaryDraft<'t>>,
    /// Its own policy, merged over the slice's.
    pub(super) layers: Option<Rc<Layers<'t>>>,
    /// Its table, if it has one.
    pub(super) own: Option<&'v Table<'t>>,
    /// Its own `fallback`, where that is a list.
    pub(super) fallback_list: Option<Span>,
}

impl RouteDraft<'_, '_> {
    /// Whether any request that it takes counts as reading.
    pub(super) fn reads(&self) -> bool {
        crate::snapshot::slice::reads(&self.pattern, self.effect)
    }
}

/// What every route is read with.
pub(super) struct RouteReader<'c, 't, 'o> {
    pub(super) context: &'c Context<'t, 'o>,
    pub(super) defaults: &'c Defaults<'t>,
    pub(super) extras: &'c Extras<'c, 't>,
    pub(super) slices: &'c [SliceDraft<'c, 't>],
    /// Finds a slice by name.
    pub(super) slice_index: &'c dyn Fn(&str) -> Option<usize>,
}

impl<'t> RouteReader<'_, 't, '_> {
    /// Reads an entry of a slice's `routes`.
    pub(super) fn listed<'v>(&self, slice: usize, value: &'v Value<'t>) -> Option<RouteDraft<'v, 't>> {
        match &value.kind {
            Kind::Text(text) => {
                let item = Item { key: "routes", value };
                self.finish(
                    slice,
                    true,
                    (text, value.span, pattern(self.context, item, self.rules(slice))?),
                    None,
                )
            }
            Kind::Table(table) => {
                let mut reader = Reader::new("a route", table);
                let matched = self.matched(&mut reader, value.span, |_| Some(slice))?;
                self.finish(slice, true, matched, Some((reader, table)))
            }
            _ => {
                let item = Item { key: "routes", value };
                reader::wrong_type(self.context, item, "a match text or a table with `match`");
                None
            }
        }
    }

    /// Reads one `[[routes]]`.
    pub(super) fn stated<'v>(&self, value: &'v Value<'t>) -> Option<RouteDraft<'v, 't>> {
        let Kind::Table(table) = &value.kind else {
            reader::wrong_type(self.context, Item { key: "routes", value }, "a table: [[routes]]");
            return None;
        };
        let mut reader = Reader::new("[[routes]]", table);
        let slice = match reader.get("slice") {
            Some(item) => self.slice(item),
            None => {
                let problem = Problem::new(code::MISSING_KEY, value.span, "a route needs a `slice`");
                self.context.report(problem.help("the name of a [slices.*] table"));
                None
            }
        };
        let matched = self.matched(&mut reader, value.span, |_| slice);
        let index = slice.unwrap_or(usize::MAX);
        let rest = matched.and_then(|matched| self.finish(index, false, matched, Some((reader, table))));
        rest.filter(|_| slice.is_some())
    }

    fn rules(&self, slice: usize) -> PathRules {
        self.slices.get(slice).map(|slice| slice.paths).unwrap_or_default()
    }

    fn slice(&self, item: Item<'_, 't>) -> Option<usize> {
        let text = reader::text(self.context, item)?;
        let found = (self.slice_index)(&text.value);
        if found.is_none() && !self.context.is_full() {
            let message = format!("unknown slice `{}`", text.written());
            let names = self.slices.iter().map(|slice| &*slice.name);
            let help = match super::suggest::nearest(text.written(), names) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("add [slices.{}], or name one that is there", text.written()),
            };
            self.context.report(Problem::new(code::UNKNOWN_SLICE, item.value.span, message).help(help));
        }
        found
    }

    /// The `match` of a route's table.
    fn matched<'v>(
        &self,
        reader: &mut Reader<'v, 't>,
        span: Span,
        slice: impl Fn(()) -> Option<usize>,
    ) -> Option<(&'v Text<'t>, Span, Pattern)> {
        let Some(item) = reader.get("match") else {
            let problem = Problem::new(code::MISSING_KEY, span, "a route needs a `match`");
            self.context.report(problem.help("such as match = \"GET /products/{id}\""));
            return None;
        };
        let rules = slice(()).map(|slice| self.rules(slice)).unwrap_or_default();
        let pattern = pattern(self.context, item, rules)?;
        Some((item.value.as_text()?, item.value.span, pattern))
    }

    fn finish<'v>(
        &self,
        slice: usize,
        listed: bool,
        (text, span, pattern): (&Text<'t>, Span, Pattern),
        own: Option<(Reader<'v, 't>, &'v Table<'t>)>,
    ) -> Option<RouteDraft<'v, 't>> {
        let context = self.context;
        let mut draft = RouteDraft {
            id: text.written().into(),
            id_span: None,
            span,
            secret: text.is_expanded(),
            slice,
            pattern,
            when: Predicates::default(),
            listed,
            effect: None,
            priority: 0,
            phase: None,
            canary: None,
            layers: None,
            own: own.as_ref().map(|(_, table)| *table),
            fallback_list: None,
        };
        let built_in = self.defaults.section("route");
        let built_in = built_in.get("priority").map(|entry| Item { key: "priority", value: &entry.value });
        let Some((mut reader, table)) = own else {
            draft.priority = built_in.and_then(|item| priority(context, item)).unwrap_or_default();
            return Some(draft);
        };
        reader.also(&policy::KEYS);
        let id = reader.get("id");
        if let Some(name) = id.and_then(|item| reader::name(context, item)) {
            draft.id = name.into();
            draft.id_span = id.map(|item| item.value.span);
        }
        draft.when = reader.read(context, "when", predicates).unwrap_or_default();
        draft.effect = reader.read(context, "effect", |context, item| {
            reader::word(context, item, &["read", "write"], Effect::from_word)
        });
        let priority_item = reader.get("priority").or(built_in);
        draft.priority = priority_item.and_then(|item| priority(context, item)).unwrap_or_default();
        let phase = reader.get("phase");
        draft.phase = phase.and_then(|item| Some((read_phase(context, item)?, item.value.span)));
        let slice = self.slices.get(slice);
        let built_in = self.defaults.section("canary");
        let under = slice.and_then(|slice| slice.canary.table.as_ref()).unwrap_or(&built_in);
        draft.canary = CanaryDraft::over(context, under, reader.get("canary"));
        draft.layers = slice
            .and_then(|slice| policy::layer(context, self.extras, &slice.layers.table, table))
            .map(Rc::new);
        draft.fallback_list = table
            .get("fallback")
            .filter(|entry| matches!(entry.value.kind, Kind::List(_)))
            .map(|entry| entry.value.span);
        reader.done(context);
        Some(draft)
    }
}

fn priority(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<i64> {
    reader::integer(context, item, -1_000_000..=1_000_000)
}

/// A match text.
pub(super) fn pattern(context: &Context<'_, '_>, item: Item<'_, '_>, rules: PathRules) -> Option<Pattern> {
    let text = reader::text(context, item)?;
    let error = match Pattern::parse(&text.value, rules) {
        Ok(pattern) => return Some(pattern),
        Err(error) => error,
    };
    if text.is_expanded() {
        let message = format!("`{}` is no match text once its variables are filled in", text.written());
        let help = "[METHOD[,METHOD…]] [HOST]/PATH, such as GET /products/{id}";
        context.report(Problem::new(code::BAD_MATCH, item.value.span, message).help(help));
        return None;
    }
    let span = inside(context, item.value.span, &text.value, error.span);
    let help = error.help.unwrap_or_else(|| "write [METHOD] [HOST]/PATH, such as GET /products/{id}".into());
    context.report(Problem::new(code::BAD_MATCH, span, error.message).help(help));
    None
}

/// Bytes of a decoded text as bytes of the file, where the file spells the text as it is.
fn inside(context: &Context<'_, '_>, span: Span, text: &str, range: std::ops::Range<usize>) -> Span {
    let spelt = context.files.slice(span);
    let plain = spelt.len() == text.len() + 2 && spelt.get(1..=text.len()) == Some(text);
    if !plain {
        return span;
    }
    let end = range.end.min(text.len());
    let start = range.start.min(end);
    let whole = text.is_char_boundary(start) && text.is_char_boundary(end);
    if whole { Span { start: span.start + 1 + start, end: span.start + 1 + end, ..span } } else { span }
}

/// `when`.
fn predicates(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Predicates> {
    let mut reader = Reader::new("`when`", reader::table(context, item)?);
    let mut named = |key: &'static str| -> Vec<(String, Span, Condition)> {
        let table = reader.get(key).and_then(|item| reader::table(context, item));
        let entries = table.map(|table| table.entries.as_slice()).unwrap_or_default();
        let read = |entry: &super::document::Entry<'_>| {
            let condition = condition(context, Item { key: &entry.key, value: &entry.value })?;
            Some((entry.key.clone().into_owned(), entry.key_span, condition))
        };
        entries.iter().filter_map(read).collect()
    };
    let headers = named("header");
    let cookies = named("cookie");
    let query = named("query");
    let accept = reader.read(context, "accept", media_type);
    reader.done(context);
    let plain = |(name, _, condition): (String, Span, Condition)| (name, condition);
    let headers = headers.into_iter().filter_map(|(name, span, condition)| {
        Some((policy::header_name(context, &name, &name, span)?, condition))
    });
    Some(Predicates {
        headers: headers.collect(),
        cookies: cookies.into_iter().map(plain).collect(),
        query: query.into_iter().map(plain).collect(),
        accept,
    })
}

fn condition(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Condition> {
    const HELP: &str =
        "a text, { present = true }, { absent = true }, { in = [\"a\", \"b\"] } or { regex = \"^a\" }";
    let table = match &item.value.kind {
        Kind::Text(text) => return Some(Condition::Equals(text.value.clone().into_owned())),
        Kind::Table(table) => table,
        _ => {
            reader::wrong_type(context, item, "a text or a condition");
            return None;
        }
    };
    let mut reader = Reader::new("a condition", table);
    let present = reader.get("present").map(|item| is_true(context, item).map(|()| Condition::Present));
    let absent = reader.get("absent").map(|item| is_true(context, item).map(|()| Condition::Absent));
    let among = reader.get("in").map(|item| among(context, item));
    let regex = reader.get("regex").map(|item| regex(context, item));
    reader.done(context);
    let mut stated = [present, absent, among, regex].into_iter().flatten();
    match (stated.next(), stated.next()) {
        (Some(condition), None) => condition,
        (first, _) => {
            let message = if first.is_some() {
                format!("the condition on `{}` says more than one thing", item.key)
            } else {
                format!("the condition on `{}` says nothing", item.key)
            };
            context.report(Problem::new(code::BAD_VALUE, item.value.span, message).help(HELP));
            None
        }
    }
}

fn is_true(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<()> {
    if reader::boolean(context, item)? {
        return Some(());
    }
    let other = if item.key == "present" { "{ absent = true }" } else { "{ present = true }" };
    let problem = Problem::new(code::BAD_VALUE, item.value.span, format!("`{}` can only be true", item.key));
    context.report(problem.help(format!("write {other} instead")));
    None
}

fn among(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Condition> {
    let values = reader::list(context, item, reader::any_string)?;
    if values.is_empty() {
        reader::refuse(
            context,
            item,
            code::EMPTY_LIST,
            "nothing is in an empty list",
            "such as [\"2\", \"3\"]",
        );
        return None;
    }
    Some(Condition::In(values))
}

fn regex(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Condition> {
    let text = reader::text(context, item)?;
    let error = match regex::RegexBuilder::new(&text.value).size_limit(1 << 20).build() {
        Ok(regex) => return Some(Condition::Regex(regex)),
        Err(error) => error,
    };
    // The library's message quotes the expression, which may hold a value from the environment.
    let shown = error.to_string();
    let why = shown.lines().last().unwrap_or_default().trim_start_matches("error: ");
    let message = match (&error, text.is_expanded()) {
        (regex::Error::CompiledTooBig(_), _) => "the regular expression is too big".to_owned(),
        (_, true) => "the regular expression does not compile".to_owned(),
        (_, false) => format!("the regular expression does not compile: {why}"),
    };
    let help = "in a TOML text in single quotes, backslashes stand for themselves";
    context.report(Problem::new(code::BAD_REGEX, item.value.span, message).help(help));
    None
}

fn media_type(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<String> {
    let text = reader::name(context, item)?.to_ascii_lowercase();
    let token = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    let sound = text.split_once('/').is_some_and(|(kind, subtype)| {
        !kind.is_empty() && !subtype.is_empty() && token(kind) && token(subtype)
    });
    if !sound {
        let help = "a type and a subtype, such as application/json";
        reader::refuse(context, item, code::BAD_VALUE, "this is not a media type", help);
        return None;
    }
    Some(text)
}
