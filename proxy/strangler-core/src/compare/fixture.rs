//! Rules and contexts for tests of comparing.

use std::path::Path;

use super::{Context, Side};
use crate::config::{LoadOptions, SourceText, Sources, load};
use crate::snapshot::Compare;

/// The day on which tests compare.
pub(super) const TODAY: jiff::civil::Date = jiff::civil::date(2026, 1, 15);

/// The rules of a `compare` table's text.
pub(super) fn rules(text: &str) -> Compare {
    let text = format!(
        "version = 1\nlegacy = \"http://127.0.0.1:1\"\n[slices.a]\nupstream = \"http://127.0.0.1:2\"\n\
         routes = [\"/a\"]\n[slices.a.compare]\n{text}\n"
    );
    let main = SourceText { name: "strangler.toml".into(), text };
    let options = LoadOptions { base: Path::new("."), env: &|_| None, today: TODAY };
    let loaded = load(&Sources { main, included: Vec::new() }, &options);
    let snapshot = loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    snapshot.routes[0].policy.compare.clone()
}

/// A context of these rules.
pub(super) fn context(rules: &Compare) -> Context<'_> {
    Context {
        rules,
        route: "GET /a",
        method: "GET",
        target: "/a/b",
        today: TODAY,
        legacy: Side::default(),
        extracted: Side::default(),
    }
}
