//! What one decision costs as routes become many.
//!
//! `cargo run --release --example lookup_cost -- ROUTES DECISIONS` compiles so many routes and decides so many
//! requests, three of four of which match. Instructions per decision are the difference between two runs under
//! `valgrind --tool=callgrind`, one of them with 0 decisions, divided by the number of decisions; without
//! valgrind the time per decision that is printed will do.

#![expect(clippy::print_stdout, reason = "a program that prints its result")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use strangler_core::config::{LoadOptions, SourceText, Sources, load};
use strangler_core::routing::{Facts, RequestView, decide};

fn main() -> Result<(), String> {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let (Some(Ok(routes)), Some(Ok(decisions))) = (numbers.next(), numbers.next()) else {
        return Err("usage: lookup_cost ROUTES DECISIONS".to_owned());
    };
    let main = SourceText { name: "bench.toml".to_owned(), text: configuration(routes) };
    let sources = Sources { main, included: Vec::new() };
    let today = jiff::civil::Date::constant(2026, 1, 1);
    let options = LoadOptions { base: Path::new("."), env: &|_| None, today };
    let started = Instant::now();
    let loaded = load(&sources, &options);
    let compiled = started.elapsed();
    let Some(snapshot) = loaded.snapshot else { return Err(format!("{:?}", loaded.diagnostics)) };

    let paths = paths(routes);
    let headers = http::HeaderMap::new();
    let mut matched = 0_usize;
    let started = Instant::now();
    for path in paths.iter().cycle().take(decisions) {
        let view = RequestView {
            method: "GET",
            host: "shop.example",
            path,
            query: None,
            headers: &headers,
            client_ip: None,
        };
        let decision = decide(black_box(&snapshot), black_box(&view), Facts::NONE);
        matched += usize::from(black_box(decision).route.is_some());
    }
    let decided = started.elapsed();
    println!(
        "{routes} routes compiled in {compiled:?}; {matched} of {decisions} requests matched in {decided:?}"
    );
    Ok(())
}

/// One slice with so many routes, spread over areas of a site.
fn configuration(routes: usize) -> String {
    let list: Vec<String> =
        (0..routes).map(|n| format!("  \"GET /area{}/thing{n}/{{id:int}}\",\n", n % 100)).collect();
    format!(
        "version = 1\nlegacy = \"http://127.0.0.1:1\"\n\n[slices.s]\nupstream = \"http://127.0.0.1:2\"\nroutes = [\n{}]\n",
        list.concat()
    )
}

/// Eight paths from the whole range of routes, of which every fourth is one that no route takes. Equally long
/// whatever the number of routes, so that only the look-up differs.
fn paths(routes: usize) -> Vec<String> {
    (0..8)
        .map(|at| {
            let n = at * routes / 8;
            let prefix = format!("/area{}/thing{n}/{}", n % 100, if at % 4 == 3 { "x" } else { "7" });
            let rest = "7".repeat(32_usize.saturating_sub(prefix.len()));
            prefix + &rest
        })
        .collect()
}
