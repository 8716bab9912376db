//! The top level of all files: what stands where, and what included files may hold.

use std::collections::HashMap;

use super::code;
use super::document::{Document, Entry, Kind, Table, Value};
use super::problems::{Context, Problem};
use super::reader::{self, Item, Reader};
use super::source::Span;

/// The parts of a configuration, over all files.
pub(super) struct Parts<'v, 't> {
    pub(super) legacy: Option<Item<'v, 't>>,
    pub(super) unmatched: Option<Item<'v, 't>>,
    pub(super) server: Option<&'v Table<'t>>,
    pub(super) limits: Option<&'v Table<'t>>,
    pub(super) defaults: Option<&'v Table<'t>>,
    /// Sorted by name.
    pub(super) upstreams: Vec<(&'v Entry<'t>, &'v Table<'t>)>,
    /// Sorted by name.
    pub(super) slices: Vec<(&'v Entry<'t>, &'v Table<'t>)>,
    pub(super) routes: Vec<&'v Value<'t>>,
}

impl<'v, 't> Parts<'v, 't> {
    /// Takes the documents apart, the main one first.
    pub(super) fn read(
        context: &Context<'t, '_>,
        main: &'v Document<'t>,
        included: &'v [Document<'t>],
    ) -> Parts<'v, 't> {
        let mut reader = Reader::new("the main file", &main.root);
        version(context, main, reader.get("version"));
        let legacy = reader.get("legacy");
        if legacy.is_none() {
            let problem =
                Problem::new(code::MISSING_KEY, Span::new(main.file, 0..0), "the file has no `legacy`");
            context.report(problem.help("the monolith's URL: legacy = \"http://127.0.0.1:8000\""));
        }
        let unmatched = reader.get("unmatched");
        reader.read(context, "include", |context, item| reader::one_or_list(context, item, reader::string));
        let mut table = |key| reader.get(key).and_then(|item| reader::table(context, item));
        let server = table("server");
        let limits = table("limits");
        let defaults = table("defaults");
        reader.also(&["upstreams", "slices", "routes"]);
        reader.done(context);
        for document in included {
            only_parts(context, document);
        }
        let documents = || std::iter::once(main).chain(included);
        Parts {
            legacy,
            unmatched,
            server,
            limits,
            defaults,
            upstreams: named(context, documents(), "upstreams"),
            slices: named(context, documents(), "slices"),
            routes: documents().flat_map(|document| routes(context, document)).collect(),
        }
    }
}

fn version(context: &Context<'_, '_>, main: &Document<'_>, item: Option<Item<'_, '_>>) {
    let Some(item) = item else {
        let problem =
            Problem::new(code::MISSING_KEY, Span::new(main.file, 0..0), "the file has no `version`");
        context.report(problem.help("begin it with version = 1"));
        return;
    };
    match item.value.kind {
        Kind::Integer(Some(1)) => {}
        Kind::Integer(_) => {
            let message = "this program knows version 1 of the language";
            context.report(
                Problem::new(code::UNSUPPORTED_VERSION, item.value.span, message).help("version = 1"),
            );
        }
        _ => reader::wrong_type(context, item, "the number 1"),
    }
}

/// An included file holds upstreams, slices and routes, and includes nothing.
fn only_parts(context: &Context<'_, '_>, document: &Document<'_>) {
    const PARTS: [&str; 3] = ["upstreams", "slices", "routes"];
    const MAIN_ONLY: [&str; 7] =
        ["version", "legacy", "unmatched", "include", "server", "limits", "defaults"];
    for entry in &document.root.entries {
        if PARTS.contains(&&*entry.key) {
            continue;
        }
        if MAIN_ONLY.contains(&&*entry.key) {
            let message = match &*entry.key {
                "include" => "an included file cannot include others".to_owned(),
                key => format!("`{key}` has its place in the main file"),
            };
            let help = "an included file holds only [upstreams.*], [slices.*] and [[routes]]";
            context.report(Problem::new(code::NOT_IN_INCLUDED, entry.key_span, message).help(help));
        } else {
            let message = format!("unknown key `{}` in an included file", entry.key);
            let problem = Problem::new(code::UNKNOWN_KEY, entry.key_span, message)
                .help("an included file holds only [upstreams.*], [slices.*] and [[routes]]");
            context.report(problem.maybe_help(super::suggest::help(&entry.key, &PARTS)));
        }
    }
}

/// The tables below `[upstreams]` or `[slices]`, sorted by name; a second one of a name is an error.
fn named<'v, 't: 'v>(
    context: &Context<'t, '_>,
    documents: impl Iterator<Item = &'v Document<'t>>,
    key: &'static str,
) -> Vec<(&'v Entry<'t>, &'v Table<'t>)> {
    let mut first: HashMap<&str, Span> = HashMap::new();
    let mut all = Vec::new();
    for document in documents {
        let Some(entry) = document.root.get(key) else { continue };
        let Some(table) = reader::table(context, Item { key, value: &entry.value }) else { continue };
        for entry in &table.entries {
            let item = Item { key: &entry.key, value: &entry.value };
            let Some(table) = reader::table(context, item) else { continue };
            if entry.key.is_empty() || entry.key.contains(char::is_control) {
                let message = format!("a name in [{key}] is empty or holds a control character");
                let problem = Problem::new(code::BAD_VALUE, entry.key_span, message);
                context.report(
                    problem.help("it stands in commands, addresses and metrics: give it a short, plain one"),
                );
            }
            if let Some(first) = first.get(&*entry.key) {
                let message = format!("[{key}.{}] is defined in two files", entry.key);
                let problem = Problem::new(code::DUPLICATE_DEFINITION, entry.key_span, message);
                context.report(problem.help("rename one, or merge them").related(*first, "first here"));
                continue;
            }
            first.insert(&entry.key, entry.key_span);
            all.push((entry, table));
        }
    }
    all.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key));
    all
}

fn routes<'v, 't>(context: &Context<'t, '_>, document: &'v Document<'t>) -> &'v [Value<'t>] {
    let Some(entry) = document.root.get("routes") else { return &[] };
    match &entry.value.kind {
        Kind::List(values) => values,
        _ => {
            reader::wrong_type(
                context,
                Item { key: "routes", value: &entry.value },
                "a list of tables: [[routes]]",
            );
            &[]
        }
    }
}
