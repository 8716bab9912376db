//! How edits read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use super::diff;
use crate::config::{LoadOptions, SourceText, Sources, load};
use crate::snapshot::Snapshot;

const BASE: &str = r#"
version = 1
legacy = "http://127.0.0.1:8000"

[slices.products]
upstream = "http://127.0.0.1:8002"
phase = "legacy"
sync = "stateless"
routes = ["GET /products", { match = "GET /products/{id}", timeouts = { response = "3s" } }]
"#;

fn snapshot(text: &str) -> Arc<Snapshot> {
    let sources =
        Sources { main: SourceText { name: "s.toml".into(), text: text.into() }, included: Vec::new() };
    let today = jiff::civil::date(2026, 1, 1);
    load(&sources, &LoadOptions { base: Path::new("."), env: &|_| None, today }).snapshot.unwrap()
}

/// Edits the base file and asserts how the change is told.
fn check(from: &str, to: &str, expected: &[&str]) {
    assert!(BASE.contains(from), "{from}");
    let found = diff(&snapshot(BASE), &snapshot(&BASE.replace(from, to)));
    let told: Vec<String> = found.changes.iter().map(ToString::to_string).collect();
    assert_eq!(told, expected);
    assert!(found.restart_required.is_empty());
}

#[test]
fn a_snapshot_does_not_differ_from_itself() {
    assert!(diff(&snapshot(BASE), &snapshot(BASE)).is_empty());
    // Neither does the same meaning written otherwise.
    assert!(diff(&snapshot(BASE), &snapshot(&BASE.replace("\n\n", "\n# a comment\n"))).is_empty());
}

#[test]
fn a_phase_is_told_once_and_not_for_each_route() {
    check(r#"phase = "legacy""#, r#"phase = "extracted""#, &["slice products: phase legacy → extracted"]);
}

#[test]
fn writer_and_phase_are_told_together() {
    check(
        r#"phase = "legacy""#,
        "phase = \"extracted\"\nwriter = \"extracted\"",
        &["slice products: phase legacy → extracted, writer legacy → extracted"],
    );
}

#[test]
fn routes_come_and_go() {
    check(r#""GET /products","#, "", &["route GET /products removed"]);
    check(r#"["GET /products","#, r#"["GET /products", "GET /prices","#, &["route GET /prices added"]);
}

#[test]
fn a_route_tells_its_own_policy() {
    check("3s", "4s", &["route GET /products/{id}: policy changed"]);
}

#[test]
fn an_upstream_named_by_its_url_is_another_upstream() {
    check(
        "8002",
        "8003",
        &[
            "upstream http://127.0.0.1:8002 removed",
            "upstream http://127.0.0.1:8003 added",
            "slice products: upstream http://127.0.0.1:8002 → http://127.0.0.1:8003",
        ],
    );
}

#[test]
fn static_keys_are_told_apart() {
    let moved = format!("{BASE}[server]\nlisten = \"127.0.0.1:9999\"\nrequest_id = false\n");
    let found = diff(&snapshot(BASE), &snapshot(&moved));
    assert_eq!(found.restart_required, ["server.listen"]);
    let told: Vec<String> = found.changes.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["proxy: server.request_id true → false"]);
}
