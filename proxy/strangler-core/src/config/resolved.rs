//! Every route's effective settings and where each value came from (`check --resolved`).
//!
//! Values are shown as the files spell them, variables unexpanded: what the environment holds is never shown.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;

use super::document::{Kind, Table, Value};
use super::policy::Layers;
use super::problems::Context;
use super::route::RouteDraft;
use super::slice::SliceDraft;
use super::source::{BUILT_IN, Span};

/// Every route of a configuration with its effective settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// By slice, those of a slice's `routes` first.
    pub routes: Vec<ResolvedRoute>,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResolvedRoute {
    /// Its id.
    pub id: String,
    /// Its match text.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Its slice.
    pub slice: String,
    /// `file:line` of its match text.
    pub place: String,
    /// What is decided per route or slice: phase, writer, sync and the like.
    pub settings: Vec<Setting>,
    /// Policy keys, dotted, in the order of the language. Shared by the routes of a slice without own policy.
    #[serde(serialize_with = "each")]
    pub policy: Arc<[Setting]>,
}

fn each<S: serde::Serializer>(settings: &Arc<[Setting]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(settings.iter())
}

/// One effective value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its key, dotted, such as `shadow.sample`.
    pub key: String,
    /// The value as a file spells it.
    pub value: String,
    /// `built-in default`, or `file:line`, with `[defaults]` where it stands there; several for a list that adds
    /// up over the layers.
    pub from: String,
}

impl Resolved {
    /// The routes as text, one paragraph each.
    pub fn render_text(&self) -> String {
        let mut out = String::new();
        for route in &self.routes {
            let ResolvedRoute { id, pattern, slice, place, settings, policy } = route;
            let named = if id == pattern { String::new() } else { format!(" ({pattern})") };
            let _infallible = writeln!(out, "route {id}{named} of slice {slice}, {place}");
            let all = || settings.iter().chain(policy.iter());
            let key_width = all().map(|setting| setting.key.chars().count()).max().unwrap_or(0);
            let value_width = all()
                .map(|setting| setting.value.chars().count())
                .filter(|width| *width <= 32)
                .max()
                .unwrap_or(0);
            for Setting { key, value, from } in all() {
                let _infallible = writeln!(out, "  {key:key_width$} = {value:value_width$}  # {from}");
            }
            out.push('\n');
        }
        out.truncate(out.trim_end_matches('\n').len());
        if !out.is_empty() {
            out.push('\n');
        }
        out
    }
}

/// What was read, to be shown.
pub(super) struct Resolver<'c, 't, 'o> {
    context: &'c Context<'t, 'o>,
    /// Values that stand in `[defaults]`.
    in_defaults: HashSet<Span>,
    /// Built-in values of what is no policy.
    slice: &'c Table<'t>,
    route: &'c Table<'t>,
}

impl<'c, 't, 'o> Resolver<'c, 't, 'o> {
    pub(super) fn new(
        context: &'c Context<'t, 'o>,
        written_defaults: Option<&Table<'t>>,
        slice: &'c Table<'t>,
        route: &'c Table<'t>,
    ) -> Resolver<'c, 't, 'o> {
        let mut in_defaults = HashSet::new();
        if let Some(table) = written_defaults {
            collect_spans(table, &mut in_defaults);
        }
        Resolver { context, in_defaults, slice, route }
    }

    /// Shows every route.
    pub(super) fn resolve(&self, slices: &[SliceDraft<'_, 't>], routes: &[RouteDraft<'_, 't>]) -> Resolved {
        let mut shared: HashMap<*const Layers<'t>, Arc<[Setting]>> = HashMap::new();
        let mut shown = Vec::with_capacity(routes.len());
        for route in routes {
            let Some(slice) = slices.get(route.slice) else { continue };
            let layers = route.layers.as_ref().unwrap_or(&slice.layers);
            let policy = shared.entry(Rc::as_ptr(layers)).or_insert_with(|| {
                let mut settings = Vec::new();
                self.flatten("", &layers.table, &mut settings);
                settings.into()
            });
            shown.push(ResolvedRoute {
                id: route.id.to_string(),
                pattern: self.pattern(route),
                slice: slice.name.to_string(),
                place: self.origin_of(route.span),
                settings: self.settings(slice, route),
                policy: Arc::clone(policy),
            });
        }
        shown.sort_by(|one, other| one.slice.cmp(&other.slice));
        Resolved { routes: shown }
    }

    /// The match text, with variables unexpanded.
    fn pattern(&self, route: &RouteDraft<'_, 't>) -> String {
        if !route.secret {
            return route.pattern.text.clone();
        }
        self.context.files.slice(route.span).trim_matches(['"', '\'']).to_owned()
    }

    fn settings(&self, slice: &SliceDraft<'_, 't>, route: &RouteDraft<'_, 't>) -> Vec<Setting> {
        let built_in = |table: &Table<'t>, key: &str| table.get(key).map(|entry| entry.value.clone());
        let own =
            |key: &str| route.own.as_ref().and_then(|own| own.get(key)).map(|entry| entry.value.clone());
        let of_slice = |key: &str| slice.written.get(key).map(|entry| entry.value.clone());
        let mut settings = Vec::new();
        let mut show = |key: &str, value: Option<Value<'t>>| {
            if let Some(value) = value {
                self.show(key, &value, &mut settings);
            }
        };
        show("upstream", of_slice("upstream"));
        show("phase", own("phase").or_else(|| of_slice("phase")).or_else(|| built_in(self.slice, "phase")));
        show("writer", of_slice("writer").or_else(|| built_in(self.slice, "writer")));
        for key in ["sync", "sync_lag", "version_from", "team", "review_by"] {
            show(key, of_slice(key));
        }
        show("effect", own("effect"));
        show("priority", own("priority").or_else(|| built_in(self.route, "priority")));
        show("when", own("when"));
        let canary = route.canary.as_ref().unwrap_or(&slice.canary);
        if let Some(table) = &canary.table {
            self.flatten("canary", table, &mut settings);
        }
        settings
    }

    fn flatten(&self, prefix: &str, table: &Table<'t>, settings: &mut Vec<Setting>) {
        for entry in &table.entries {
            let key = bare_or_quoted(&entry.key);
            let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
            self.show(&key, &entry.value, settings);
        }
    }

    fn show(&self, key: &str, value: &Value<'t>, settings: &mut Vec<Setting>) {
        match &value.kind {
            Kind::Table(table) if !table.entries.is_empty() => self.flatten(key, table, settings),
            _ => {
                let from = self.origins(value);
                settings.push(Setting { key: key.to_owned(), value: self.spelt(value), from });
            }
        }
    }

    /// A value as a file spells it.
    fn spelt(&self, value: &Value<'t>) -> String {
        match &value.kind {
            Kind::Text(text) => format!("{:?}", text.written()),
            Kind::List(values) => {
                let inner: Vec<String> = values.iter().map(|value| self.spelt(value)).collect();
                format!("[{}]", inner.join(", "))
            }
            Kind::Table(table) => {
                let spell = |entry: &super::document::Entry<'t>| {
                    format!("{} = {}", entry.key, self.spelt(&entry.value))
                };
                let inner: Vec<String> = table.entries.iter().map(spell).collect();
                if inner.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", inner.join(", ")) }
            }
            Kind::Integer(_) | Kind::Float(_) | Kind::Bool(_) | Kind::Date(_) => {
                self.context.files.slice(value.span).to_owned()
            }
        }
    }

    /// Where a value stands; for a list, where its entries stand.
    fn origins(&self, value: &Value<'t>) -> String {
        let Kind::List(values) = &value.kind else { return self.origin_of(value.span) };
        let mut places: Vec<String> = values.iter().map(|value| self.origin_of(value.span)).collect();
        places.dedup();
        if places.is_empty() {
            return self.origin_of(value.span);
        }
        places.join(", ")
    }

    fn origin_of(&self, span: Span) -> String {
        if span.file == BUILT_IN {
            return "built-in default".to_owned();
        }
        let place = self.context.files.place(span);
        let layer = if self.in_defaults.contains(&span) { " [defaults]" } else { "" };
        format!("{}:{}{layer}", place.file, place.line)
    }
}

/// A key as it would be written.
fn bare_or_quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if bare { key.to_owned() } else { format!("{key:?}") }
}

fn collect_spans(table: &Table<'_>, spans: &mut HashSet<Span>) {
    for entry in &table.entries {
        collect_value(&entry.value, spans);
    }
}

fn collect_value(value: &Value<'_>, spans: &mut HashSet<Span>) {
    spans.insert(value.span);
    match &value.kind {
        Kind::Table(table) => collect_spans(table, spans),
        Kind::List(values) => values.iter().for_each(|value| collect_value(value, spans)),
        _ => {}
    }
}
