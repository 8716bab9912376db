//! Ten thousand routes load as ten do: one policy per slice, nothing quadratic.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a test may stop and tell")]

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use strangler_core::config::{self, LoadOptions, SourceText, Sources};

/// `[[routes]]` and slices' `routes`, half of each, over a hundred slices.
fn configuration() -> String {
    let mut text = "version = 1\nlegacy = \"http://127.0.0.1:8000\"\n".to_owned();
    for slice in 0..100 {
        let port = 9100 + slice;
        let _infallible = write!(
            text,
            "\n[slices.s{slice}]\nupstream = \"http://127.0.0.1:{port}\"\ntimeouts = {{ response = \"3s\" }}\nroutes = ["
        );
        for route in 0..50 {
            let _infallible = write!(text, "\"GET /s{slice}/listed/{route}/{{id:int}}/**\", ");
        }
        text.push_str("]\n");
    }
    for route in 0..5000 {
        let slice = route % 100;
        let _infallible = write!(
            text,
            "\n[[routes]]\nid = \"r{route}\"\nmatch = \"/s{slice}/stated/{route}/{{name}}\"\nslice = \"s{slice}\"\neffect = \"read\"\n"
        );
    }
    text
}

#[test]
fn ten_thousand_routes_share_the_policies_of_their_slices() {
    let main = SourceText { name: "strangler.toml".to_owned(), text: configuration() };
    let sources = Sources { main, included: Vec::new() };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    let started = Instant::now();
    let loaded = config::load(&sources, &options);
    let took = started.elapsed();
    let snapshot = loaded.snapshot.expect("a snapshot");
    eprintln!("10,000 routes took {took:?}");
    assert_eq!(snapshot.routes.len(), 10_000);
    assert!(loaded.diagnostics.is_empty() && loaded.not_built.is_empty());
    let policies: HashSet<_> = snapshot.routes.iter().map(|route| Arc::as_ptr(&route.policy)).collect();
    assert_eq!(policies.len(), 100);
}

#[test]
fn as_many_problems_are_bounded() {
    let text = configuration()
        .replace("effect = \"read\"", "efect = \"read\"")
        .replace("slice = \"s", "slice = \"t");
    let sources =
        Sources { main: SourceText { name: "strangler.toml".to_owned(), text }, included: Vec::new() };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    let loaded = config::load(&sources, &options);
    assert!(loaded.snapshot.is_none());
    assert_eq!(loaded.diagnostics.len(), 1000);
}
