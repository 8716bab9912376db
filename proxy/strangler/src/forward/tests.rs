//! What the unit tests of this room share.

use std::path::Path;
use std::sync::Arc;

use strangler_core::config::{LoadOptions, SourceText, Sources, load};
use strangler_core::snapshot::{Limits, Snapshot};

use crate::http1::Fields;

/// A compiled configuration.
pub(crate) fn compiled(text: &str) -> Snapshot {
    let main = SourceText { name: "test.toml".to_owned(), text: text.to_owned() };
    let sources = Sources { main, included: Vec::new() };
    let options = LoadOptions { base: Path::new("."), env: &|_| None, today: jiff::civil::date(2026, 1, 1) };
    let loaded = load(&sources, &options);
    let snapshot = loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    Arc::into_inner(snapshot).unwrap()
}

/// The defaults of `[limits]`.
pub(crate) fn limits() -> Limits {
    snapshot(&["http://127.0.0.1:1"]).limits
}

/// A configuration with one upstream, legacy, at these origins.
pub(crate) fn snapshot(origins: &[&str]) -> Snapshot {
    compiled(&format!("version = 1\nlegacy = \"monolith\"\n[upstreams.monolith]\nendpoints = {origins:?}\n"))
}

/// Header lines.
pub(crate) fn fields(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in lines {
        fields.append(name.as_bytes(), value.as_bytes());
    }
    fields
}

/// The same, back.
pub(crate) fn lines(fields: &Fields) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    fields.iter().map(|line| (text(line.name), text(line.value))).collect()
}
