//! The built-in values of every key that has one, and merging over them.
//!
//! `defaults.toml` is the only place where a default is written. It is read like any other file and lies under
//! what a person wrote, so that the same readers, the same merging and the same record of where a value comes
//! from serve both.

use std::borrow::Cow;

use super::document::{Entry, Kind, Table, Value};

/// The text of the built-in defaults.
pub(super) const TEXT: &str = include_str!("defaults.toml");

/// Lists that add up over the layers instead of replacing one another.
const ADDING: [&str; 4] = ["redact", "ignore", "accept", "remove"];

/// The built-in values, by section of `defaults.toml`.
pub(super) struct Defaults<'t>(pub(super) Table<'t>);

impl<'t> Defaults<'t> {
    /// A section's table.
    pub(super) fn section(&self, name: &str) -> Cow<'_, Table<'t>> {
        match self.0.get(name).map(|entry| &entry.value.kind) {
            Some(Kind::Table(table)) => Cow::Borrowed(table),
            _ => Cow::Owned(Table::default()),
        }
    }

    /// A section with a table of the file over it.
    pub(super) fn under(&self, name: &str, over: &Table<'t>) -> Table<'t> {
        merge(&self.section(name), over)
    }
}

/// Two layers as one: tables merge key by key, some lists add up, everything else is replaced.
pub(super) fn merge<'t>(under: &Table<'t>, over: &Table<'t>) -> Table<'t> {
    let mut entries: Vec<Entry<'t>> = Vec::with_capacity(under.entries.len() + over.entries.len());
    for below in &under.entries {
        entries.push(over.get(&below.key).map_or_else(|| below.clone(), |above| merge_entry(below, above)));
    }
    entries.extend(over.entries.iter().filter(|above| under.get(&above.key).is_none()).cloned());
    Table { entries }
}

fn merge_entry<'t>(under: &Entry<'t>, over: &Entry<'t>) -> Entry<'t> {
    let kind = match (&under.value.kind, &over.value.kind) {
        (Kind::Table(under), Kind::Table(over)) => Kind::Table(merge(under, over)),
        (Kind::List(under), Kind::List(above)) if ADDING.contains(&&*over.key) => {
            Kind::List(under.iter().chain(above).cloned().collect())
        }
        (_, kind) => kind.clone(),
    };
    Entry { key: over.key.clone(), key_span: over.key_span, value: Value { kind, span: over.value.span } }
}
