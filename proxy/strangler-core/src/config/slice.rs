//! `[slices.*]`: one slice, without its routes.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use super::code;
use super::defaults::{Defaults, merge};
use super::document::{Entry, Table, Value};
use super::net;
use super::policy::{self, Extras, Layers, PathName};
use super::problems::{Context, Problem};
use super::reader::{self, Item, Reader};
use super::route;
use super::source::Span;
use super::upstream::Upstreams;
use crate::matching::Pattern;
use crate::matching::path::PathRules;
use crate::snapshot::Canary;
use crate::snapshot::slice::SyncLag;
use crate::words::{Phase, Sync, Writer};

/// Every phase, for messages.
const PHASES: [&str; 5] = ["legacy", "shadow", "canary", "extracted", "retired"];

/// One slice and where it is written.
pub(super) struct SliceDraft<'v, 't> {
    pub(super) name: Arc<str>,
    /// Its name in the header.
    pub(super) span: Span,
    pub(super) upstream: Option<usize>,
    pub(super) phase: Phase,
    pub(super) phase_span: Option<Span>,
    pub(super) writer: Writer,
    pub(super) writer_span: Option<Span>,
    pub(super) sync: Option<Sync>,
    pub(super) sync_lag: Option<SyncLag>,
    pub(super) paths: PathRules,
    pub(super) version_from: Option<http::HeaderName>,
    pub(super) except: Vec<Pattern>,
    pub(super) team: Option<String>,
    pub(super) review_by: Option<jiff::civil::Date>,
    pub(super) layers: Rc<Layers<'t>>,
    pub(super) canary: CanaryDraft<'t>,
    /// Whether it has a `routes` that is no list.
    pub(super) routes_wrong: bool,
    /// Its table.
    pub(super) written: &'v Table<'t>,
    /// What stands in `routes`.
    pub(super) listed: &'v [Value<'t>],
}

/// A canary as merged and as compiled.
#[derive(Clone, Default)]
pub(super) struct CanaryDraft<'t> {
    /// Merged layers; `None`: the file has none.
    pub(super) table: Option<Table<'t>>,
    pub(super) canary: Option<Canary>,
    pub(super) path_names: Vec<PathName>,
}

impl<'t> CanaryDraft<'t> {
    /// Reads a `canary` over another one.
    pub(super) fn over(
        context: &Context<'t, '_>,
        under: &Table<'t>,
        item: Option<Item<'_, 't>>,
    ) -> Option<CanaryDraft<'t>> {
        let table = merge(under, &*policy::canary_table(context, item?)?);
        let mut path_names = Vec::new();
        let canary = policy::canary(context, &table, &mut path_names);
        Some(CanaryDraft { table: Some(table), canary, path_names })
    }

    /// Whether a share is written, right or wrong.
    pub(super) fn has_share(&self) -> bool {
        self.table.as_ref().is_some_and(|table| table.get("share").is_some())
    }
}

/// What every slice is read with.
pub(super) struct SliceReader<'c, 't, 'o> {
    pub(super) context: &'c Context<'t, 'o>,
    pub(super) defaults: &'c Defaults<'t>,
    pub(super) extras: &'c Extras<'c, 't>,
    /// Built-in values and `[defaults]`.
    pub(super) base: &'c Rc<Layers<'t>>,
}

impl<'t> SliceReader<'_, 't, '_> {
    /// Reads one slice.
    pub(super) fn read<'v>(
        &self,
        entry: &'v Entry<'t>,
        written: &'v Table<'t>,
        upstreams: &mut Upstreams<'_, 't>,
    ) -> SliceDraft<'v, 't> {
        let context = self.context;
        let what = format!("[slices.{}]", entry.key);
        // What a person wrote is looked at first, so that spans of built-in values are never shown.
        let built_in = self.defaults.section("slice");
        let mut reader = Reader::new(what.clone(), written);
        reader.also(&policy::KEYS);
        let built_in_writer = built_in.get("writer").map(|entry| Item { key: "writer", value: &entry.value });
        let built_in_phase = built_in.get("phase").map(|entry| Item { key: "phase", value: &entry.value });
        let upstream = match reader.get("upstream") {
            Some(item) => upstreams.resolve(context, item),
            None => {
                let message = format!("{what} has no `upstream`");
                let help = "the extracted service: its URL, or the name of an [upstreams.*] table";
                context.report(Problem::new(code::MISSING_KEY, entry.key_span, message).help(help));
                None
            }
        };
        let phase = reader.get("phase");
        let writer = reader.get("writer");
        let paths = written.get("paths").map(|entry| Item { key: "paths", value: &entry.value });
        let paths = self.paths(paths);
        reader.also(&["paths"]);
        let except = reader.read(context, "except", |context, item| {
            reader::list(context, item, |context, item| route::pattern(context, item, paths))
        });
        let routes = reader.get("routes");
        let listed = routes.and_then(|item| list_values(context, item));
        let canary = CanaryDraft::over(context, &self.defaults.section("canary"), reader.get("canary"));
        let layers = policy::layer(context, self.extras, &self.base.table, written).map(Rc::new);
        let draft = SliceDraft {
            name: (&*entry.key).into(),
            span: entry.key_span,
            upstream,
            phase: phase
                .or(built_in_phase)
                .and_then(|item| read_phase(context, item))
                .unwrap_or(Phase::Legacy),
            phase_span: phase.map(|item| item.value.span),
            writer: writer
                .or(built_in_writer)
                .and_then(|item| read_writer(context, item))
                .unwrap_or(Writer::Legacy),
            writer_span: writer.map(|item| item.value.span),
            sync: reader.read(context, "sync", read_sync),
            sync_lag: reader.read(context, "sync_lag", sync_lag),
            paths,
            version_from: reader.read(context, "version_from", version_from),
            except: except.unwrap_or_default(),
            team: reader.read(context, "team", reader::string),
            review_by: reader.read(context, "review_by", reader::date),
            layers: layers.unwrap_or_else(|| Rc::clone(self.base)),
            canary: canary.unwrap_or_default(),
            written,
            routes_wrong: routes.is_some() && listed.is_none(),
            listed: listed.unwrap_or_default(),
        };
        reader.done(context);
        self.overdue(written, &draft);
        draft
    }

    fn overdue(&self, written: &Table<'t>, draft: &SliceDraft<'_, 't>) {
        if let (Some(day), Some(entry)) = (draft.review_by, written.get("review_by"))
            && day < self.context.options.today
        {
            let message = format!("slice `{}` was to be reviewed by {day}", draft.name);
            let help = "finish the move, or set a later day";
            self.context.report(Problem::new(code::OVERDUE_REVIEW, entry.value.span, message).help(help));
        }
    }

    fn paths(&self, item: Option<Item<'_, 't>>) -> PathRules {
        let built_in = self.defaults.section("slice");
        let empty = Table::default();
        let under = built_in.get("paths").and_then(|entry| entry.value.as_table()).unwrap_or(&empty);
        let over = item.and_then(|item| reader::table(self.context, item));
        let table = over.map_or(Cow::Borrowed(under), |over| Cow::Owned(merge(under, over)));
        let mut reader = Reader::new("`paths`", &table);
        let mut is = |key: &'static str, off: &'static str, on: &'static str| {
            let from_word = |word: &str| (word == on).then_some(true).or((word == off).then_some(false));
            let read = |c: &Context<'_, '_>, item: Item<'_, '_>| reader::word(c, item, &[off, on], from_word);
            reader.read(self.context, key, read).unwrap_or(false)
        };
        let rules = PathRules {
            trailing_slash_same: is("trailing_slash", "significant", "same"),
            case_insensitive: is("case", "sensitive", "insensitive"),
            matrix_ignored: is("matrix", "significant", "ignore"),
        };
        reader.done(self.context);
        rules
    }
}

/// A phase.
pub(super) fn read_phase(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Phase> {
    reader::word_coded(context, item, code::UNKNOWN_PHASE, &PHASES, Phase::from_word)
}

fn read_writer(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Writer> {
    reader::word(context, item, &["legacy", "extracted", "by-cohort"], Writer::from_word)
}

fn read_sync(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Sync> {
    let words = ["stateless", "shared", "to-extracted", "to-legacy", "both"];
    reader::word(context, item, &words, Sync::from_word)
}

/// The values of a list, to be read one by one later.
pub(super) fn list_values<'v, 't>(context: &Context<'t, '_>, item: Item<'v, 't>) -> Option<&'v [Value<'t>]> {
    if let super::document::Kind::List(values) = &item.value.kind {
        return Some(values);
    }
    reader::wrong_type(context, item, "a list");
    None
}

fn sync_lag(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<SyncLag> {
    let table = reader::table(context, item)?;
    let mut reader = Reader::new("`sync_lag`", table);
    let url = reader.read(context, "url", |context, item| {
        let text = reader::name(context, item)?;
        let authority_end = text.find("://").map(|at| {
            text.get(at + 3..).and_then(|rest| rest.find('/')).map_or(text.len(), |end| at + 3 + end)
        });
        let origin =
            authority_end.and_then(|end| text.get(..end)).ok_or("a URL begins with http:// or https://");
        let sound = origin.and_then(net::parse_origin).and_then(|origin| {
            if text.bytes().all(|b| b.is_ascii_graphic()) { Ok(origin) } else { Err("a URL has no spaces") }
        });
        if let Err(why) = sound {
            reader::refuse(context, item, code::BAD_URL, why, "such as http://127.0.0.1:8004/sync/lag");
            return None;
        }
        Some(text.to_owned())
    });
    let max = reader.read(context, "max", reader::some_duration);
    reader.done(context);
    for key in ["url", "max"] {
        if table.get(key).is_none() {
            let message = format!("`sync_lag` needs `{key}`");
            let help = "such as { url = \"http://127.0.0.1:8004/sync/lag\", max = \"5s\" }";
            context.report(Problem::new(code::MISSING_KEY, item.value.span, message).help(help));
        }
    }
    Some(SyncLag { url: url?, max: max? })
}

fn version_from(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<http::HeaderName> {
    let text = reader::text(context, item)?;
    let Some(name) = text.value.strip_prefix("header:") else {
        let why = "the version is taken from a header";
        reader::refuse(context, item, code::BAD_VALUE, why, "such as header:x-version");
        return None;
    };
    policy::header_name(context, name.trim(), text.written(), item.value.span)
}
