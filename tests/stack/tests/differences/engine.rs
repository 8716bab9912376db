//! What the proxy's own comparison makes of the planted differences: on each route one signature for each, of
//! the right kind and relation, and nothing beside them. Spelling of header names is no difference.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use strangler_core::compare::{Compared, Context, End, Reply, Side, Signature, compare};
use strangler_core::snapshot::Compare;

use crate::differ::{Raw, ask};
use crate::requests::{Request, all as all_requests};
use crate::{SERVICES, addresses, stack, switch};

/// route, path, kind, relation
pub(crate) type Problem = (&'static str, &'static str, &'static str, &'static str);

/// With every switch on, against a monolith whose `generated_at` is fixed.
#[rustfmt::skip]
pub(crate) const PROBLEMS: [Problem; 26] = [
    ("GET /users", "$.items[*].loyalty_tier", "body.missing", ""),
    ("GET /users", "$.items[*].phone", "body.null_vs_absent", "null↔absent"),
    ("GET /users/me", "$.loyalty_tier", "body.missing", ""),
    ("GET /users/me", "$.phone", "body.null_vs_absent", "null↔absent"),
    ("GET /users/{id}", "$.loyalty_tier", "body.missing", ""),
    ("GET /users/{id}", "$.phone", "body.null_vs_absent", "null↔absent"),
    ("GET /products", "$.generated_at", "body.value", ""),
    ("GET /products", "$.items", "body.order", "permutation"),
    ("GET /products", "$.items[*].price", "body.type", "string↔number"),
    ("GET /products", "$.items[*].stock", "body.value", ""),
    ("GET /products/{id}", "$.price", "body.type", "string↔number"),
    ("GET /products/{id}", "$.stock", "body.value", ""),
    ("POST /products/search", "$.items", "body.order", "permutation"),
    ("POST /products/search", "$.items[*].price", "body.type", "string↔number"),
    ("POST /products/search", "$.items[*].stock", "body.value", ""),
    ("GET /orders", "$.items[*].discount", "body.value", ""),
    ("GET /orders", "$.items[*].placed_at", "body.time_format", "time -01:00"),
    ("GET /orders", "$.items[*].total", "body.value", ""),
    ("GET /orders/mine", "$.items[*].discount", "body.value", ""),
    ("GET /orders/mine", "$.items[*].placed_at", "body.time_format", "time -01:00"),
    ("GET /orders/mine", "$.items[*].total", "body.value", ""),
    ("GET /orders/{id}", "$.discount", "body.value", ""),
    ("GET /orders/{id}", "$.placed_at", "body.time_format", "time -01:00"),
    ("GET /orders/{id}", "$.total", "body.value", ""),
    ("GET /orders/{id}", "status", "status", ""),
    ("GET /payments/{id}/receipt", "header:location", "header.value", "prefix added"),
];

fn reply(raw: &Raw) -> Reply {
    let headers = raw.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    Reply {
        end: End::Complete,
        status: raw.status,
        headers: headers.collect(),
        body: raw.body.clone().into(),
    }
}

/// What it is, and the signatures that say so.
fn problems(request: &Request, left: &Raw, right: &Raw) -> Vec<([String; 4], Signature)> {
    // The name under which the shop is public, which is where the requests go.
    let public = Side { origins: &["http://shop.example".to_owned()] };
    let context = Context {
        rules: &Compare::default(),
        route: request.route,
        method: request.method(),
        target: request.bytes.split(' ').nth(1).unwrap(),
        today: "2026-11-21".parse().unwrap(),
        legacy: public,
        extracted: public,
    };
    let Compared::Compared(comparison) = compare(&context, &reply(left), &reply(right)) else {
        panic!("{request:?} was not compared");
    };
    assert_eq!((comparison.hidden.len(), comparison.dropped), (0, 0));
    let problems = comparison.differences.into_iter().map(|finding| {
        let difference = finding.difference;
        let relation = difference.relation.map(|relation| relation.to_string()).unwrap_or_default();
        let path = difference.path.general().to_string();
        let kind = difference.kind.as_str().to_owned();
        ([request.route.to_owned(), path, kind, relation], finding.signature)
    });
    problems.collect()
}

#[tokio::test]
async fn the_comparison_makes_one_problem_per_route_of_each_planted_difference() {
    let stack = stack(true);
    let requests = all_requests();
    let mut found: BTreeMap<[String; 4], BTreeSet<String>> = BTreeMap::new();
    for service in SERVICES {
        let names: Vec<_> = service.differences().collect();
        switch(&stack, service, &json!({ "with": names })).await;
        let (monolith, extracted) = addresses(&stack, service);
        for request in requests.iter().filter(|request| request.service == service) {
            let (left, right) = (ask(monolith, request), ask(extracted, request));
            for (problem, signature) in problems(request, &left, &right) {
                found.entry(problem).or_default().insert(signature.to_string());
            }
        }
    }
    let expected: BTreeSet<_> =
        PROBLEMS.iter().map(|(a, b, c, d)| [a, b, c, d].map(|text| (*text).to_owned())).collect();
    assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), expected);
    for (problem, signatures) in &found {
        assert_eq!(signatures.len(), 1, "{problem:?} is {signatures:?}");
    }
    let distinct: BTreeSet<_> = found.values().flatten().collect();
    assert_eq!(distinct.len(), PROBLEMS.len(), "no two problems share a signature");
}
