//! Counts are those of `decide`, and what cannot be known is not told as known.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::config::{LoadOptions, SourceText, Sources, load};
use crate::matching::RequestView;
use crate::matching::path::split_target;
use crate::routing::{Facts, Verdict, decide};
use crate::snapshot::Snapshot;
use crate::words::Owner;

fn snapshot(text: &str) -> Arc<Snapshot> {
    let text = format!("version = 1\nlegacy = \"http://127.0.0.1:8000\"\n{text}");
    let sources = Sources { main: SourceText { name: "a.toml".to_owned(), text }, included: Vec::new() };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    let loaded = load(&sources, &options);
    loaded.snapshot.ok_or(loaded.diagnostics).unwrap()
}

/// A slice `a` of `/a/**` whose cohort is by a header.
fn slice(policy: &str) -> Arc<Snapshot> {
    snapshot(&format!(
        "[slices.a]\nupstream = \"http://127.0.0.1:8001\"\nsync = \"stateless\"\nroutes = [\"/a/**\"]\n{policy}"
    ))
}

const BY_HEADER: &str = "cohort_by = [\"header:x-user\"]\n";

fn canary(share: &str) -> Arc<Snapshot> {
    slice(&format!("phase = \"canary\"\ncanary = \"{share}\"\n{BY_HEADER}"))
}

/// A request such as `GET /a/1` with header lines `name: value`.
struct Sent {
    method: String,
    target: String,
    headers: HeaderMap,
}

impl Sent {
    fn new(request: &str, lines: &[&str]) -> Sent {
        let (method, target) = request.split_once(' ').unwrap();
        let line = |line: &&str| -> (HeaderName, HeaderValue) {
            let (name, value) = line.split_once(": ").unwrap();
            (name.parse().unwrap(), value.parse().unwrap())
        };
        let headers = lines.iter().map(line).collect();
        Sent { method: method.to_owned(), target: target.to_owned(), headers }
    }

    fn view(&self) -> RequestView<'_> {
        let (path, query) = split_target(&self.target);
        RequestView {
            method: &self.method,
            host: "shop.example",
            path,
            query,
            headers: &self.headers,
            client_ip: None,
        }
    }
}

fn impact(
    before: &Snapshot,
    after: &Snapshot,
    requests: &[Sent],
    known: Known,
    bucket: impl Fn(&Sent) -> Option<Option<u16>>,
) -> TrafficImpact {
    let mut impact = Impact::new((before, Facts::NONE), (after, Facts::NONE));
    let none = HeaderMap::new();
    for request in requests {
        let mut view = request.view();
        if known == Known::Line {
            view = RequestView { headers: &none, query: None, ..view };
        }
        impact.add(&Remembered { view, known, bucket: bucket(request) });
    }
    impact.finish()
}

/// How often `decide` sends a request to extracted afterwards that it sent to legacy before, and the other way.
fn counted(before: &Snapshot, after: &Snapshot, requests: &[Sent]) -> (u64, u64) {
    let owner =
        |snapshot: &Snapshot, request: &Sent| match decide(snapshot, &request.view(), Facts::NONE).verdict {
            Verdict::Forward { owner, .. } => Some(owner),
            Verdict::Refuse(_) => None,
        };
    let moved = |from, to| {
        let is_it =
            |request: &&Sent| owner(before, request) == Some(from) && owner(after, request) == Some(to);
        requests.iter().filter(is_it).count() as u64
    };
    (moved(Owner::Legacy, Owner::Extracted), moved(Owner::Extracted, Owner::Legacy))
}

/// Reads and writes of keyed and unkeyed clients, in and out of the slice.
fn traffic(clients: u32) -> Vec<Sent> {
    let mut requests = Vec::new();
    for client in 0..clients {
        let key = format!("x-user: u{client}");
        requests.push(Sent::new(&format!("GET /a/{client}"), &[&key]));
        requests.push(Sent::new("POST /a/", &[&key]));
        requests.push(Sent::new("GET /b", &[&key]));
        if client % 10 == 0 {
            requests.push(Sent::new("GET /a/nobody", &[]));
        }
    }
    requests
}

#[test]
fn what_is_wholly_known_is_counted_as_decide_decides() {
    let requests = traffic(500);
    let all = [
        slice("phase = \"legacy\""),
        slice("phase = \"shadow\""),
        canary("5%"),
        canary("50%"),
        slice("phase = \"extracted\""),
        slice("phase = \"extracted\"\nwriter = \"extracted\""),
    ];
    for before in &all {
        for after in &all {
            let found = impact(before, after, &requests, Known::All, |_| None);
            let (up, down) = counted(before, after, &requests);
            assert_eq!(found.all.requests, requests.len() as u64);
            assert_eq!(found.all.to_extracted, Moved { known: up, expected: 0.0 });
            assert_eq!(found.all.to_legacy, Moved { known: down, expected: 0.0 });
            let of_routes: u64 = found.routes.iter().map(|route| route.moves.moved().known).sum();
            assert_eq!(of_routes, up + down);
        }
    }
    let found = impact(&all[0], &all[5], &requests, Known::All, |_| None);
    assert_eq!(found.all.writes.known, 500, "writes that another side takes are told apart");
}

#[test]
fn a_line_of_a_log_is_decided_by_its_bucket_where_the_cohort_is_the_same() {
    let requests = traffic(2_000);
    let (before, after) = (canary("5%"), canary("25%"));
    let bucket = |request: &Sent| {
        let decision = decide(&before, &request.view(), Facts::NONE);
        let is_canary = decision.phase == crate::words::Phase::Canary;
        is_canary.then_some(decision.bucket)
    };
    let found = impact(&before, &after, &requests, Known::Line, bucket);
    let (up, down) = counted(&before, &after, &requests);
    assert_eq!(
        (found.all.to_extracted, found.all.to_legacy.is_none()),
        (Moved { known: up, expected: 0.0 }, down == 0)
    );
    // Of another cohort the bucket says nothing.
    let other = slice("phase = \"canary\"\ncanary = \"25%\"\ncohort_by = [\"header:x-tenant\"]");
    let found = impact(&before, &other, &requests, Known::Line, bucket);
    assert!(found.all.to_extracted.expected > 0.0 && found.all.to_legacy.expected > 0.0, "{:?}", found.all);
}

#[test]
fn what_a_bucket_would_tell_is_expected_by_the_share() {
    let requests = traffic(2_000);
    let reads = 2_000.0 + 200.0;
    let check = |before: &Snapshot, after: &Snapshot, up: f64, down: f64| {
        let found = impact(before, after, &requests, Known::Line, |_| None).all;
        assert!((found.to_extracted.expected - up).abs() < 1e-6, "{found:?}");
        assert!((found.to_legacy.expected - down).abs() < 1e-6, "{found:?}");
        assert_eq!((found.to_extracted.known, found.to_legacy.known, found.undecided), (0, 0, 0));
    };
    check(&slice("phase = \"shadow\""), &canary("5%"), reads * 0.05, 0.0);
    check(&canary("5%"), &canary("25%"), reads * 0.2, 0.0);
    check(&canary("25%"), &canary("5%"), 0.0, reads * 0.2);
    check(&canary("25%"), &slice("phase = \"extracted\""), reads * 0.75, 0.0);
    check(&canary("25%"), &canary("25%"), 0.0, 0.0);
}

#[test]
fn pseudonyms_are_no_keys() {
    let hidden = |value: &str| Sent::new("GET /a/1", &[&format!("x-user: {value}")]);
    let requests = [hidden("redacted-header-0123456789abcdef"), hidden("on"), Sent::new("GET /a/1", &[])];
    let (before, after) = (slice("phase = \"shadow\""), canary("100%"));
    let found = impact(&before, &after, &requests, Known::Redacted, |_| None).all;
    // One is known, one is expected, and one without a key stays.
    assert_eq!(found.to_extracted, Moved { known: 1, expected: 1.0 });
    let found = impact(&before, &canary("10%"), &requests[..1], Known::Redacted, |_| None).all;
    assert_eq!(found.to_extracted, Moved { known: 0, expected: 0.1 });
    let listed = slice(&format!(
        "phase = \"canary\"\ncanary = {{ share = \"0%\", always = [\"header:x-user=on\"] }}\n{BY_HEADER}"
    ));
    let found = impact(&before, &listed, &requests, Known::Redacted, |_| None).all;
    assert_eq!(found.to_extracted.known, 1);
}

#[test]
fn conditions_on_what_is_not_known_leave_a_request_undecided() {
    let conditional = snapshot(
        "[slices.a]\nupstream = \"http://127.0.0.1:8001\"\nphase = \"extracted\"\nsync = \"stateless\"\n\
         [[routes]]\nmatch = \"/a/**\"\nslice = \"a\"\nwhen = { header = { x-beta = \"1\" } }\n",
    );
    let before = slice("phase = \"shadow\"");
    let requests = [
        Sent::new("GET /a/1", &["x-beta: 1"]),
        Sent::new("GET /a/1", &[]),
        Sent::new("GET /other", &["x-beta: 1"]),
    ];
    let all = impact(&before, &conditional, &requests, Known::All, |_| None).all;
    assert_eq!((all.to_extracted.known, all.undecided), (1, 0));
    let line = impact(&before, &conditional, &requests, Known::Line, |_| None).all;
    assert_eq!((line.moved().is_none(), line.undecided), (true, 2));
    let hidden = [Sent::new("GET /a/1", &["x-beta: redacted-header-0123456789abcdef"])];
    assert_eq!(impact(&before, &conditional, &hidden, Known::Redacted, |_| None).all.undecided, 1);
}

#[test]
fn a_configuration_changes_nothing_against_itself() {
    let requests = traffic(100);
    for snapshot in [canary("5%"), slice("phase = \"extracted\""), slice("phase = \"shadow\"")] {
        for known in [Known::All, Known::Redacted, Known::Line] {
            let found = impact(&snapshot, &snapshot, &requests, known, |_| None);
            assert!(found.all.moved().is_none() && found.routes.is_empty(), "{found:?}");
        }
        assert!(route_changes((&snapshot, Facts::NONE), (&snapshot, Facts::NONE)).is_empty());
    }
}

#[test]
fn routes_say_where_they_stand_before_and_after() {
    let changes = route_changes((&canary("5%"), Facts::NONE), (&canary("25%"), Facts::NONE));
    let shown: Vec<String> = changes
        .iter()
        .map(|change| {
            let of = |one: &Option<Standing>| one.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{}: {} → {}", change.route, of(&change.before), of(&change.after))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "/a/**: canary 5%: reads legacy and extracted, writes legacy → canary 25%: reads legacy and extracted, writes legacy"
        ]
    );
    let retreats = [Some(crate::words::Phase::Shadow)];
    let latched = Facts { retreats: &retreats, ..Facts::NONE };
    assert!(
        route_changes((&canary("5%"), latched), (&canary("25%"), latched)).is_empty(),
        "a retreat holds both"
    );
    let empty = snapshot("");
    let gone = route_changes((&canary("5%"), Facts::NONE), (&empty, Facts::NONE));
    assert!(gone.len() == 1 && gone[0].after.is_none());
}

#[test]
fn what_gets_more_traffic_is_told() {
    let check = |before: &Snapshot, after: &Snapshot, wanted: bool| {
        assert_eq!(!raised(before, after).is_empty(), wanted);
    };
    let empty = snapshot("");
    let (shadow, extracted) = (slice("phase = \"shadow\""), slice("phase = \"extracted\""));
    check(&shadow, &canary("5%"), true);
    check(&canary("5%"), &canary("25%"), true);
    check(&canary("25%"), &canary("5%"), false);
    check(&canary("5%"), &extracted, true);
    check(&extracted, &shadow, false);
    check(&empty, &shadow, false);
    check(&empty, &extracted, true);
    check(&extracted, &empty, false);
    check(&extracted, &extracted, false);
}
