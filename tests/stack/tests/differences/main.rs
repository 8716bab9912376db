//! What a service answers otherwise than the monolith: exactly what was planted, each by its own switch.
//!
//! Answers are read raw from the socket and compared by the small differ here, which shares nothing with
//! the proxy's.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod corpus;
mod differ;
mod engine;
mod requests;
mod shadowed;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use chassis::client::Client;
use serde_json::{Value, json};
use stack::{Executable, Role, Stack, StackOptions};

use differ::{Finding, Lengths, ask, body_findings, findings};
use requests::{Request, all as all_requests};

const SERVICES: [Role; 4] =
    [Role::UserService, Role::ProductService, Role::OrderService, Role::PaymentService];

/// route, place, kind
type Expected = (&'static str, &'static str, &'static str);

/// Every planted difference, and everything that it changes. A switch that is not listed fails the tests.
#[rustfmt::skip]
const PLANTED: [(Role, &str, &[Expected]); 14] = [
    (Role::UserService, "missing-tier", &[
        ("GET /users", "$.items[*].loyalty_tier", "missing"),
        ("GET /users/{id}", "$.loyalty_tier", "missing"),
        ("GET /users/me", "$.loyalty_tier", "missing"),
    ]),
    (Role::UserService, "absent-for-null", &[
        ("GET /users", "$.items[*].phone", "missing"),
        ("GET /users/{id}", "$.phone", "missing"),
        ("GET /users/me", "$.phone", "missing"),
    ]),
    (Role::UserService, "lower-case-headers", &[("*", "headers", "spelling")]),
    (Role::ProductService, "price-as-text", &[
        ("GET /products", "$.items[*].price", "type"),
        ("GET /products/{id}", "$.price", "type"),
        ("POST /products/search", "$.items[*].price", "type"),
    ]),
    (Role::ProductService, "other-order", &[
        ("GET /products", "$.items", "order"),
        ("POST /products/search", "$.items", "order"),
    ]),
    (Role::ProductService, "moving-stock", &[
        ("GET /products", "$.items[*].stock", "value"),
        ("GET /products/{id}", "$.stock", "value"),
        ("POST /products/search", "$.items[*].stock", "value"),
    ]),
    // Against a monolith whose `generated_at` is fixed.
    (Role::ProductService, "generated-at", &[("GET /products", "$.generated_at", "value")]),
    (Role::ProductService, "lower-case-headers", &[("*", "headers", "spelling")]),
    (Role::OrderService, "rfc3339-times", &[
        ("GET /orders", "$.items[*].placed_at", "value"),
        ("GET /orders/{id}", "$.placed_at", "value"),
        ("GET /orders/mine", "$.items[*].placed_at", "value"),
    ]),
    (Role::OrderService, "not-found-as-200", &[("GET /orders/{id}", "status", "404 200")]),
    (Role::OrderService, "exact-rounding", &[
        ("GET /orders", "$.items[*].discount", "value"),
        ("GET /orders", "$.items[*].total", "value"),
        ("GET /orders/{id}", "$.discount", "value"),
        ("GET /orders/{id}", "$.total", "value"),
        ("GET /orders/mine", "$.items[*].discount", "value"),
        ("GET /orders/mine", "$.items[*].total", "value"),
    ]),
    (Role::OrderService, "lower-case-headers", &[("*", "headers", "spelling")]),
    (Role::PaymentService, "internal-redirect", &[
        ("GET /payments/{id}/receipt", "header:location", "value"),
    ]),
    (Role::PaymentService, "lower-case-headers", &[("*", "headers", "spelling")]),
];

fn expected(planted: impl Fn(Role, &str) -> bool) -> BTreeSet<Finding> {
    let planted = PLANTED.iter().filter(|(role, name, _)| planted(*role, name));
    planted
        .flat_map(|(_, _, changes)| changes.iter())
        .map(|(route, place, kind)| Finding::new(route, place, kind))
        .collect()
}

/// A monolith with a fixed `generated_at` if `fixed`, and the services with everything switched off.
fn stack(fixed: bool) -> Stack {
    let roles = Role::ALL.into_iter().filter(|role| *role != Role::Strangler).collect();
    let executable = Executable::with_word(env!("CARGO_BIN_EXE_demo"), "node");
    let mut options = StackOptions { roles, ..StackOptions::new(executable) }.without_differences();
    options.arguments.retain(|(role, _)| fixed || *role != Role::LegacyMonolith);
    Stack::start(options).unwrap()
}

fn addresses(stack: &Stack, service: Role) -> (SocketAddr, SocketAddr) {
    (stack.address(Role::LegacyMonolith).unwrap(), stack.address(service).unwrap())
}

async fn switch(stack: &Stack, service: Role, change: &Value) {
    let mut client = Client::new(stack.address(service).unwrap());
    let answer = client.post("/_faults", change).await.unwrap();
    assert_eq!(answer.status, 200, "{change}: {}", answer.text());
}

/// Everything in which the service's answers to all requests of its slice differ from the monolith's.
fn compared(stack: &Stack, service: Role, requests: &[Request], lengths: Lengths) -> BTreeSet<Finding> {
    let (monolith, extracted) = addresses(stack, service);
    let own = requests.iter().filter(|request| request.service == service);
    let mut found = BTreeSet::new();
    for request in own {
        let (left, right) = (ask(monolith, request), ask(extracted, request));
        found.extend(findings(request.route, &left, &right, lengths));
    }
    found
}

#[tokio::test]
async fn with_every_switch_off_nothing_differs() {
    let stack = stack(true);
    let requests = all_requests();
    for service in SERVICES {
        assert_eq!(
            compared(&stack, service, &requests, Lengths::Compared),
            BTreeSet::new(),
            "{}",
            service.name()
        );
    }
    stack.stop_all().unwrap();
}

#[tokio::test]
async fn each_switch_plants_exactly_its_difference_while_it_runs() {
    let stack = stack(true);
    let requests = all_requests();
    for service in SERVICES {
        for name in service.differences() {
            assert!(PLANTED.iter().any(|p| (p.0, p.1) == (service, name)), "{name} is not described");
            switch(&stack, service, &json!({ "with": [name] })).await;
            let found = compared(&stack, service, &requests, Lengths::FollowBodies);
            assert_eq!(found, expected(|role, n| (role, n) == (service, name)), "{name}");
            switch(&stack, service, &json!({ "without": [name] })).await;
        }
        assert_eq!(
            compared(&stack, service, &requests, Lengths::Compared),
            BTreeSet::new(),
            "{}",
            service.name()
        );
    }
    stack.stop_all().unwrap();
}

#[tokio::test]
async fn with_every_switch_on_everything_planted_differs_and_nothing_else() {
    let stack = stack(true);
    let requests = all_requests();
    for service in SERVICES {
        let names: Vec<_> = service.differences().collect();
        assert!(names.iter().any(|name| *name != "lower-case-headers"), "{} differs", service.name());
        switch(&stack, service, &json!({ "with": names })).await;
        assert_eq!(
            compared(&stack, service, &requests, Lengths::FollowBodies),
            expected(|role, _| role == service)
        );
    }
    stack.stop_all().unwrap();
}

/// What two answers of one side to the same request differ in.
fn itself(address: SocketAddr, requests: &[Request]) -> BTreeSet<Finding> {
    let twice = requests.iter().flat_map(|request| {
        let (first, second) = (ask(address, request), ask(address, request));
        findings(request.route, &first, &second, Lengths::Compared)
    });
    twice.collect()
}

#[tokio::test]
async fn only_the_timestamp_is_noise_and_only_the_stock_is_a_race() {
    let stack = stack(false);
    let requests: Vec<_> = all_requests();
    let monolith = stack.address(Role::LegacyMonolith).unwrap();
    let noise = BTreeSet::from([Finding::new("GET /products", "$.generated_at", "value")]);
    assert_eq!(itself(monolith, &requests), noise, "the monolith differs from itself in nothing else");

    let (_, products) = addresses(&stack, Role::ProductService);
    switch(&stack, Role::ProductService, &json!({"with": ["moving-stock"]})).await;
    let request = Request::get(Role::ProductService, "GET /products/{id}", "/products/5");
    let mut moved = Vec::new();
    for _ in 0..3 * product_service::RESERVED_EVERY {
        let (left, right) = (ask(monolith, &request), ask(products, &request));
        let found = body_findings(request.route, &left, &right);
        if !found.is_empty() {
            assert_eq!(found, BTreeSet::from([Finding::new("GET /products/{id}", "$.stock", "value")]));
            // Asked again at once, both agree.
            let (left, right) = (ask(monolith, &request), ask(products, &request));
            assert_eq!(body_findings(request.route, &left, &right), BTreeSet::new());
        }
        moved.push(!found.is_empty());
    }
    assert!(moved.contains(&true) && moved.contains(&false), "{moved:?}");
    stack.stop_all().unwrap();
}
