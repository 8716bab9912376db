//! What comparing two JSON answers costs: a small one, a list, and lists made to cost.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a program for developers"
)]
use bytes::Bytes;
use std::time::Instant;
use strangler_core::compare::{Context, End, Reply, Side, compare};
use strangler_core::snapshot::Compare;
use strangler_core::snapshot::compare::{ArrayRule, BodyPath};

fn reply(body: String) -> Reply {
    Reply {
        end: End::Complete,
        status: 200,
        headers: std::iter::once(("Content-Type", "application/json")).collect(),
        body: Bytes::from(body),
    }
}

fn list(count: usize, make: impl Fn(usize) -> String) -> String {
    format!("[{}]", (0..count).map(make).collect::<Vec<_>>().join(","))
}

fn main() {
    let product = |n: usize, at: usize| {
        format!(
            "{{\"id\":{n},\"name\":\"Product number {n}\",\"price\":{n}.25,\"stock\":{},\"tags\":[\"a\",\"b\"],\"at\":\"2025-11-03T08:12:{:02}Z\"}}",
            n % 7,
            at % 60
        )
    };
    let unordered = Compare {
        arrays: vec![(BodyPath { text: "$".into(), steps: vec![] }, ArrayRule::Unordered)],
        ..Compare::default()
    };
    let plain = Compare::default();
    let cases: Vec<(&str, String, String, &Compare)> = vec![
        ("one product, same bytes", product(1, 1), product(1, 1), &plain),
        ("one product, one value", product(1, 1), product(1, 2), &plain),
        ("20 products, one value each", list(20, |n| product(n, 1)), list(20, |n| product(n, 2)), &plain),
        (
            "20 products, spaces only",
            list(20, |n| product(n, 1)),
            list(20, |n| product(n, 1)).replace(',', ", "),
            &plain,
        ),
        (
            "6000 products (1 MB), one value each",
            list(6000, |n| product(n, 1)),
            list(6000, |n| product(n, 2)),
            &plain,
        ),
        (
            "6000 products reversed",
            list(6000, |n| product(n, 1)),
            list(6000, |n| product(5999 - n, 2)),
            &plain,
        ),
        (
            "500000 zeros and ones",
            list(500_000, |n| (n * n % 7 % 2).to_string()),
            list(500_000, |n| (n * n % 11 % 2).to_string()),
            &plain,
        ),
        (
            "150000 numbers, all other",
            list(150_000, |n| n.to_string()),
            list(150_000, |n| (n + 150_000).to_string()),
            &plain,
        ),
        (
            "150000 numbers, unordered, half other",
            list(150_000, |n| n.to_string()),
            list(150_000, |n| (n + 75_000).to_string()),
            &unordered,
        ),
        (
            "unordered 6000 products",
            list(6000, |n| product(n, 1)),
            list(6000, |n| product(5999 - n, 2)),
            &unordered,
        ),
    ];
    for (name, left, right, rules) in cases {
        let context = Context {
            rules,
            route: "r",
            method: "GET",
            target: "/a/b",
            today: jiff::civil::date(2026, 1, 1),
            legacy: Side::default(),
            extracted: Side::default(),
        };
        let (left, right) = (reply(left), reply(right));
        println!("{name:45} {:10.1} µs  ({} bytes)", best(&context, &left, &right) * 1e6, left.body.len());
    }
}

/// Seconds of the quickest comparison.
fn best(context: &Context<'_>, left: &Reply, right: &Reply) -> f64 {
    let mut best = f64::MAX;
    let mut rounds = 0;
    let begin = Instant::now();
    while rounds < 3 || begin.elapsed().as_millis() < 300 {
        let start = Instant::now();
        std::hint::black_box(compare(context, left, right));
        best = best.min(start.elapsed().as_secs_f64());
        rounds += 1;
    }
    best
}
