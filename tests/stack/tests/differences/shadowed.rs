//! The whole of it: the proxy shadows every read of every slice while customers read, and its report names each
//! planted difference once, leaves out what is noise, and sets the race aside.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chassis::client::Client;
use serde_json::Value;
use stack::rules::in_shadow;
use stack::{Config, Executable, Role, Stack, StackOptions};

use crate::differ::ask;
use crate::engine::PROBLEMS;
use crate::requests::{Request, all as all_requests};

/// How long comparisons may take to be counted.
const PATIENCE: Duration = Duration::from_secs(60);

/// The whole demonstration with every slice in phase shadow. The file asks again so often a second; here
/// everything is sent in a few.
fn shadowing() -> Stack {
    let rules = in_shadow(&["users", "products", "orders", "payments"]).unwrap();
    let executable = Executable::with_word(env!("CARGO_BIN_EXE_demo"), "node");
    let config = Config::Own(rules.replace("\"20/s\"", "\"1000000/s\""));
    Stack::start(StackOptions { config, ..StackOptions::new(executable) }).unwrap()
}

/// Whether it is in a slice, and so copied.
fn is_copied(request: &Request) -> bool {
    ["GET", "HEAD", "POST"].contains(&request.method())
}

/// The report's slices, once all these requests are in an account.
async fn report(stack: &Stack, copied: u64) -> Vec<Value> {
    let mut admin = Client::new(stack.admin().unwrap());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let report = admin.get("/api/report").await.unwrap().json();
        let slices = report["slices"].as_array().cloned().unwrap_or_default();
        let eligible: u64 = slices.iter().filter_map(|slice| slice["accounts"]["eligible"].as_u64()).sum();
        if eligible == copied {
            return slices;
        }
        assert!(Instant::now() < deadline && eligible < copied, "{eligible} of {copied}: {report:#}");
    }
}

/// Waits until so many copies have ended, in whatever account.
async fn wait_for(admin: &mut Client, copied: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metrics = admin.get("/metrics").await.unwrap().text();
        let lines = metrics.lines().filter(|line| line.starts_with("strangler_shadow_total{"));
        let ended: u64 = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
        if ended == copied {
            return;
        }
        assert!(Instant::now() < deadline && ended < copied, "{ended} of {copied}:\n{metrics}");
    }
}

fn texts<const N: usize>(of: &Value, names: [&str; N]) -> [String; N] {
    names.map(|name| of[name].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn the_report_names_each_planted_difference_once() {
    let stack = shadowing();
    let proxy = stack.address(Role::Strangler).unwrap();
    let mut admin = Client::new(stack.admin().unwrap());
    let mut copied = 0;
    for request in all_requests() {
        ask(proxy, &request);
        // One after the other, as gently as the demonstration's own traffic: nothing is shed.
        copied += u64::from(is_copied(&request));
        wait_for(&mut admin, copied).await;
    }
    let slices = report(&stack, copied).await;
    let problems: Vec<_> = slices.iter().flat_map(|slice| slice["problems"].as_array().unwrap()).collect();
    let found: BTreeSet<_> =
        problems.iter().map(|problem| texts(problem, ["route", "path", "kind", "relation"])).collect();
    let planted = PROBLEMS.iter().map(|(a, b, c, d)| [a, b, c, d].map(|text| (*text).to_owned()));
    let is_noise = |path: &str| path == "$.generated_at";
    let is_race = |path: &str| path.ends_with(".stock");
    let expected = planted.filter(|[_, path, ..]| !is_noise(path) && !is_race(path)).collect();
    assert_eq!(found, expected);
    assert_eq!(problems.len(), expected.len(), "each once");
    let signatures: BTreeSet<_> = problems.iter().map(|problem| problem["signature"].as_str()).collect();
    assert_eq!(signatures.len(), problems.len());

    let products = slices.iter().find(|slice| slice["slice"] == "products").unwrap();
    let noise = products["noise"].as_array().unwrap();
    let noise: Vec<_> = noise.iter().map(|noise| texts(noise, ["route", "path"])).collect();
    assert_eq!(noise, [["GET /products".to_owned(), "$.generated_at".to_owned()]]);

    // A stock that moves is all that differs in product 5.
    let request = Request::get(Role::ProductService, "GET /products/{id}", "/products/5");
    for _ in 0..2 * product_service::RESERVED_EVERY {
        ask(proxy, &request);
        copied += 1;
        wait_for(&mut admin, copied).await;
    }
    let slices = report(&stack, copied).await;
    let products = slices.iter().find(|slice| slice["slice"] == "products").unwrap();
    let moved = products["accounts"]["reasons"]["transient"].as_u64();
    assert!(moved > Some(0), "{:#}", products["accounts"]);
    let problems = products["problems"].as_array().unwrap();
    assert!(!problems.iter().any(|problem| is_race(problem["path"].as_str().unwrap())), "{problems:#?}");
    stack.stop_all().unwrap();
}
