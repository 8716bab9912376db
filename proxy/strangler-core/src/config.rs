//! TOML text → checked → compiled: a [`Snapshot`], or every problem at once.
//!
//! Owns the configuration language: spans, includes, environment values, defaults, merging, diagnostics.
//! Refuses files and the environment itself: texts and values are arguments.

//!
//! The order of reading: `source` (texts and places) → `document` (TOML with spans, variables expanded) →
//! `defaults` (layers merged) → typed readers per table → `check` (what needs the whole) → `load` (compiled).

mod check;
pub mod code;
mod defaults;
pub mod diagnostic;
mod document;
mod excerpt;
mod expand;
mod load;
mod net;
mod parts;
mod policy;
mod problems;
mod reader;
pub mod resolved;
pub(crate) mod response_path;
mod route;
mod server;
mod slice;
mod source;
pub mod suggest;
mod unbuilt;
mod units;
mod upstream;

use std::path::Path;
use std::sync::Arc;

pub use code::Code;
pub use diagnostic::{Diagnostic, Excerpt, Severity};
pub use excerpt::excerpt;
pub use resolved::Resolved;

use crate::snapshot::{Place, Server, Snapshot};
use document::{Kind, Table};
use problems::Context;
use source::Files;

/// One file, as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// The file as the user named it; shown in diagnostics.
    pub name: String,
    /// Its whole text.
    pub text: String,
}

/// The main file and what it includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The main file.
    pub main: SourceText,
    /// Included files, sorted by name.
    pub included: Vec<SourceText>,
}

/// What a configuration depends on beside its text.
#[derive(Clone, Copy)]
pub struct LoadOptions<'a> {
    /// The main file's folder, from which relative paths are taken.
    pub base: &'a Path,
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Today in UTC, for `review_by` and `until`.
    pub today: jiff::civil::Date,
}

/// The outcome of reading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The compiled configuration; `None` where a diagnostic is an error.
    pub snapshot: Option<Arc<Snapshot>>,
    /// All errors and warnings, ordered by place.
    pub diagnostics: Vec<Diagnostic>,
    /// Keys that the file sets and this version does not build: errors for `run` and reload (so that nothing
    /// is accepted and ignored), notes for `check`.
    pub not_built: Vec<Diagnostic>,
}

/// The `include` patterns of a main file, relative to its folder, as far as it can be read. Variables are left
/// as written; see [`include_patterns_with`].
pub fn include_patterns(main: &SourceText) -> Vec<String> {
    include_patterns_with(main, &|_| None)
}

/// The `include` patterns of a main file, relative to its folder, with the environment's values in place of
/// variables. A pattern with a variable that is not set is left as written.
pub fn include_patterns_with(main: &SourceText, env: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    includes(main, env).into_iter().map(|include| include.pattern).collect()
}

/// An `include` pattern and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// As [`include_patterns_with`] gives it.
    pub pattern: String,
    /// Where it stands in the main file.
    pub place: Place,
    /// What to show of its line.
    pub excerpt: Option<Excerpt>,
}

/// [`include_patterns_with`], each with its place: for saying which of them names a file that cannot be read.
pub fn includes(main: &SourceText, env: &dyn Fn(&str) -> Option<String>) -> Vec<Include> {
    let sources = Sources { main: main.clone(), included: Vec::new() };
    let options = LoadOptions { base: Path::new(""), env, today: jiff::civil::Date::ZERO };
    let context = Context::new(Files::new(defaults::TEXT, &sources), options);
    let (_, documents) = load::read_documents(&context);
    let broken = context.count() > 0;
    let value = documents.first().and_then(|document| document.root.get("include")).map(|entry| &entry.value);
    let text = |value: &document::Value<'_>| {
        let text = value.as_text()?;
        let pattern = if broken && text.is_expanded() { text.written() } else { &text.value }.to_owned();
        let (place, excerpt) = (context.files.place(value.span), context.files.excerpt(value.span));
        Some(Include { pattern, place, excerpt })
    };
    match value.map(|value| (value, &value.kind)) {
        Some((value, Kind::Text(_))) => text(value).into_iter().collect(),
        Some((_, Kind::List(values))) => values.iter().filter_map(text).collect(),
        _ => Vec::new(),
    }
}

/// Reads a configuration.
pub fn load(sources: &Sources, options: &LoadOptions<'_>) -> Loaded {
    load::load(sources, options)
}

/// Every route's effective settings and where each value came from; `None` where [`load`] finds an error.
pub fn resolve(sources: &Sources, options: &LoadOptions<'_>) -> Option<Resolved> {
    load::resolve(sources, options)
}

/// `[server]` of a main file that need not be sound: what can be read is read, the rest is built in. For
/// finding the admin listener and the data folder of a proxy whose configuration is broken.
pub fn server_of(main: &SourceText, options: &LoadOptions<'_>) -> Server {
    let sources = Sources { main: main.clone(), included: Vec::new() };
    let context = Context::new(Files::new(defaults::TEXT, &sources), *options);
    let (defaults, documents) = load::read_documents(&context);
    let empty = Table::default();
    let document = documents.first().and_then(|document| document.root.get("server"));
    let mut written = document.and_then(|entry| entry.value.as_table()).unwrap_or(&empty).clone();
    // A key that cannot be read gives way to its built-in value. Each is tried by itself: what was told of it
    // before, or is one problem too many, would not be told again.
    written.entries.retain(|entry| {
        let alone = Context::new(Files::new(defaults::TEXT, &sources), *options);
        server::server(&alone, &defaults, &Table { entries: vec![entry.clone()] });
        // These two are about what is missing beside a readable value.
        !context.is_distrusted(entry.value.span)
            && !alone.any_since(0, |problem| {
                ![code::PUBLIC_ADMIN, code::INSECURE_PUBLIC_URL].contains(&problem.code)
            })
    });
    server::server(&context, &defaults, &written).server
}

/// A duration as configurations have it: `250ms 5s 10m 1h 7d`; `None`: it is none, such as a bare number.
pub fn parse_duration(text: &str) -> Option<std::time::Duration> {
    units::duration(text).ok()
}

/// A share as configurations have it: `0%` to `100%`, not finer than 0.01 %; `None`: it is none.
pub fn parse_share(text: &str) -> Option<crate::words::Share> {
    units::share(text).ok()
}

/// The shares that a canary goes through where the file does not say.
pub fn built_in_steps() -> Vec<crate::words::Share> {
    let nothing = SourceText { name: String::new(), text: String::new() };
    let sources = Sources { main: nothing, included: Vec::new() };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::Date::ZERO };
    let context = Context::new(Files::new(defaults::TEXT, &sources), options);
    let (defaults, _) = load::read_documents(&context);
    let canary = defaults.section("canary");
    let Some(Kind::List(steps)) = canary.get("steps").map(|entry| &entry.value.kind) else {
        return Vec::new();
    };
    steps.iter().filter_map(|step| parse_share(&step.as_text()?.value)).collect()
}

/// SHA-256 over the names and texts of all files, in lower-case hexadecimal.
pub fn content_hash(sources: &Sources) -> String {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    for source in std::iter::once(&sources.main).chain(&sources.included) {
        for part in [&source.name, &source.text] {
            hasher.update(part.len().to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
