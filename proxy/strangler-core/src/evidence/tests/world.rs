//! A configuration, a ledger, and requests as the comparison would report them.

use std::path::Path as FilePath;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::super::report::{self, Report};
use super::super::{Example, Ledger, Limits, Noted, Observation, Outcome, PairedLatency, Repeated};
use crate::compare::{
    Class, Compared, Context, Difference, Findings, Kind, NotCompared, Path, Relation, Side,
};
use crate::config::{LoadOptions, SourceText, Sources, load};
use crate::snapshot::Snapshot;

/// What every configuration of these tests begins with: a slice `products` in shadow.
pub(super) const PRODUCTS: &str = r#"
legacy = "http://127.0.0.1:8000"
[slices.products]
upstream = "http://127.0.0.1:8002"
phase = "shadow"
sync = "stateless"
routes = ["GET /products", "GET /products/{id}", "POST /products"]
"#;

pub(super) const LIST: &str = "GET /products";
pub(super) const ONE: &str = "GET /products/{id}";

/// A difference in few words: path, kind, how many.
pub(super) type Fault<'a> = (&'a str, Kind, u32);

pub(super) struct World {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) ledger: Ledger,
    pub(super) now: Timestamp,
    requests: u64,
}

/// The snapshot of a configuration.
pub(super) fn snapshot(text: &str) -> Arc<Snapshot> {
    let main = SourceText { name: "f".to_owned(), text: format!("version = 1\n{text}") };
    let options =
        LoadOptions { base: FilePath::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    let loaded = load(&Sources { main, included: Vec::new() }, &options);
    let shown: Vec<&str> = loaded.diagnostics.iter().map(|one| &*one.message).collect();
    loaded.snapshot.unwrap_or_else(|| panic!("{shown:?}"))
}

impl World {
    pub(super) fn new(text: &str) -> World {
        World::bounded(text, Limits::DEFAULT)
    }

    pub(super) fn bounded(text: &str, limits: Limits) -> World {
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let snapshot = snapshot(text);
        let mut ledger = Ledger::new(limits);
        ledger.follow(&snapshot, now);
        World { snapshot, ledger, now, requests: 0 }
    }

    /// Reloads another configuration.
    pub(super) fn reload(&mut self, text: &str) -> Vec<super::super::Cause> {
        self.snapshot = snapshot(text);
        self.ledger.follow(&self.snapshot, self.now).into_iter().map(|(_, cause)| cause).collect()
    }

    pub(super) fn pass(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).unwrap();
    }

    /// A request of a new shape, compared.
    pub(super) fn compared(&mut self, route: &str, faults: &[Fault<'_>]) -> Noted {
        let observation = self.observation(route, faults);
        self.ledger.observe(&observation)
    }

    /// So many of them.
    pub(super) fn compared_times(&mut self, times: u32, route: &str, faults: &[Fault<'_>]) {
        for _ in 0..times {
            self.compared(route, faults);
        }
    }

    pub(super) fn not_compared(&mut self, route: &str, reason: NotCompared) -> Noted {
        let mut observation = self.observation(route, &[]);
        observation.outcome = Outcome::NotCompared(reason);
        self.ledger.observe(&observation)
    }

    pub(super) fn observation(&mut self, route: &str, faults: &[Fault<'_>]) -> Observation {
        self.requests += 1;
        let slice = Arc::from("products");
        let found = self.snapshot.routes.iter().find(|one| &*one.id == route).unwrap().clone();
        let rules = &found.policy.compare;
        let today = report::day(self.now);
        let context = Context {
            rules,
            route,
            method: "GET",
            target: "/a/b",
            today,
            legacy: Side::default(),
            extracted: Side::default(),
        };
        let mut findings = Findings::new(&context);
        for (path, kind, times) in faults {
            for _ in 0..*times {
                findings.add(difference(path, *kind));
            }
        }
        let compared = Compared::Compared(findings.finish());
        let (at, request) = (self.now, self.requests);
        let example = |finding: &crate::compare::Finding| {
            let text = |value: &Option<String>| value.as_deref().map(Into::into);
            Some(Example {
                request: format!("r{request}").into(),
                at,
                method: "GET".into(),
                target: "/products".into(),
                path: finding.difference.path.to_string().into(),
                legacy: text(&finding.difference.left_value),
                extracted: text(&finding.difference.right_value),
            })
        };
        Observation {
            slice,
            route: found.id.clone(),
            at,
            shape: self.requests,
            version: None,
            outcome: Outcome::of(&compared, rules, today, example),
            latency: Some(PairedLatency {
                legacy: std::time::Duration::from_millis(10),
                extracted: std::time::Duration::from_millis(20),
            }),
            repeated: None,
        }
    }

    pub(super) fn report(&self) -> Report {
        report::build(&self.ledger, &self.snapshot, None, self.now).unwrap()
    }

    /// Whether the report shows any eligible request.
    pub(super) fn accounts_shown(&self) -> bool {
        self.report().slices[0].accounts.eligible > 0
    }

    /// Match, mismatch, ignored and not compared.
    pub(super) fn accounts(&self) -> [u64; 4] {
        let report = self.report();
        let accounts = &report.slices[0].accounts;
        assert_eq!(accounts.eligible, accounts.compared + accounts.not_compared);
        [accounts.matched, accounts.mismatch, accounts.ignored, accounts.not_compared]
    }
}

/// Legacy asked twice: values at these paths differ in its second answer, and in the extracted service's.
pub(super) fn twice(legacy: &[&str], extracted: &[&str]) -> Repeated {
    let places = |paths: &[&str]| paths.iter().map(|path| (path.parse().unwrap(), Kind::BodyValue)).collect();
    Repeated { legacy: places(legacy), extracted: places(extracted) }
}

pub(super) fn difference(path: &str, kind: Kind) -> Difference {
    let path: Path = path.parse().unwrap();
    let relation = (kind == Kind::BodyType).then_some(Relation::StringNumber);
    let (left, right) = match kind {
        Kind::BodyType => (Class::Decimal, Class::String),
        Kind::BodyMissing => (Class::String, Class::Absent),
        _ => (Class::String, Class::String),
    };
    Difference::new(path, kind, left, right).related(relation).showing(Some(b"old"), Some(b"new"))
}
