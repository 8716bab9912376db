//! What the proxy knows of the requests that were: the inventory of routes, one request among the last, a recording.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::reload::Site;
use crate::support::client::{get, post, send};
use crate::support::proxy::{House, printed};

fn inventory(proxy: &crate::support::proxy::Proxy) -> Value {
    let output = proxy.ask(&["inventory", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_inventory_lists_what_was_called_and_survives_a_restart() {
    let site = Site::new();
    let house = House::new(&site.configuration("extracted"));
    let mut proxy = house.serve();
    assert!(printed(&proxy.ask(&["inventory"])).starts_with("No request has been seen yet"));
    for id in 0..5 {
        get(proxy.public, &format!("/products/{id}?q=secret"));
        post(proxy.public, &format!("/orders/{id}/lines"), b"x");
    }
    get(proxy.public, "/password/reset/XK42-99");
    get(proxy.public, "/Products/7");
    let report = inventory(&proxy);
    let row = |path: &str| {
        let templates = report["templates"].as_array().unwrap();
        let found = templates.iter().find(|template| template["path"] == path);
        found.unwrap_or_else(|| panic!("{path} is missing: {report:#}")).clone()
    };
    assert_eq!(report["requests"], 12);
    let products = row("/products/{id}");
    assert_eq!(
        (&products["calls"], &products["owner"], &products["slice"]),
        (&5.into(), &"extracted".into(), &"products".into())
    );
    let lines = row("/orders/{id}/lines");
    assert_eq!(
        (&lines["write_share"], &lines["owner"], &lines["methods"][0]["method"]),
        (&1.0.into(), &"legacy".into(), &"POST".into())
    );
    assert_eq!(row("/Products/{id}")["near_misses"], 1);
    row("/password/reset/{code}");
    let text = printed(&proxy.ask(&["inventory", "--legacy"]));
    assert!(text.contains("/orders/{id}/lines") && !text.contains("/products/{id}"), "{text}");
    proxy.signal("TERM");
    proxy.wait_end();
    let proxy = house.serve();
    assert_eq!(inventory(&proxy), report);
}

#[test]
fn a_request_is_found_by_its_id_with_the_reason_for_its_answer() {
    let site = Site::new();
    let house = House::new(&site.configuration("extracted"));
    let proxy = house.serve();
    send(proxy.public, "GET", "/products/7?q=hidden", &[("x-request-id", "r-extracted")]);
    send(proxy.public, "POST", "/products/7", &[("x-request-id", "r-write"), ("content-length", "0")]);
    send(proxy.public, "GET", "/reset/XK42-99", &[("x-request-id", "r-unmatched")]);
    for (id, part) in [
        ("r-extracted", "answered by extracted, http://127.0.0.1:"),
        ("r-extracted", "slice `products` is in phase extracted"),
        ("r-write", "a write goes to the writer of slice `products`"),
        ("r-unmatched", "no route matched, so that legacy answers"),
        ("r-unmatched", "GET /reset/redacted-code-"),
    ] {
        let output = proxy.ask(&["find", id]);
        assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
        assert!(printed(&output).contains(part), "`{part}` is not in: {}", printed(&output));
        assert!(
            !printed(&output).contains("XK42") && !printed(&output).contains("hidden"),
            "{}",
            printed(&output)
        );
    }
    let json = proxy.ask(&["find", "r-write", "--json"]);
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&report["found"][0]["owner"], &report["found"][0]["status"]),
        (&"legacy".into(), &200.into())
    );
    assert_eq!(proxy.ask(&["find", "r-none"]).status.code(), Some(1));
    assert_eq!(proxy.admin_get("/api/find").status, 400);
    assert_eq!(proxy.admin_get("/api/find?id=r-none").status, 404);
    assert_eq!(send(proxy.admin, "POST", "/api/find?id=r-write", &[]).status, 405);
}

#[test]
fn a_recording_without_an_exchange_is_insufficient_and_readable() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    let out = house.folder().join("a.jsonl.zst");
    let file = out.to_str().unwrap();
    let output = proxy.ask(&["record", "--out", file, "--for", "1s", "--slice", "products"]);
    assert_eq!(output.status.code(), Some(4), "{}", printed(&output));
    assert!(fs::metadata(&out).unwrap().len() > 0);
    let unknown = proxy.ask(&["record", "--out", file, "--slice", "none"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", printed(&unknown));
    let unwritable = proxy.ask(&["record", "--out", "/no/such/folder/a", "--for", "1s"]);
    assert_eq!(unwritable.status.code(), Some(2), "{}", printed(&unwritable));
    assert_eq!(proxy.ask(&["record", "--out", file, "--for", "10"]).status.code(), Some(2));
}

#[test]
fn a_bundle_has_the_rules_of_its_slice_and_its_exchanges_of_a_corpus() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/demonstration.jsonl.zst");
    let out = house.folder().join("bundle.jsonl.zst");
    let arguments = [
        "bundle",
        "products",
        "--out",
        out.to_str().unwrap(),
        "--corpus",
        corpus.to_str().unwrap(),
        "--json",
    ];
    let output = proxy.ask(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["exchanges"].as_u64().unwrap() > 0, "{report}");
    let rules = house.command(&["replay", out.to_str().unwrap(), "--print-config"]);
    let told = printed(&rules);
    assert!(told.contains("/products/**") && told.contains("[slices.products"), "{told}");
    assert!(!told.contains(&site.products.url()), "addresses mean nothing elsewhere: {told}");
    let over_itself = proxy.ask(&[
        "bundle",
        "products",
        "--out",
        corpus.to_str().unwrap(),
        "--corpus",
        corpus.to_str().unwrap(),
    ]);
    assert_eq!(over_itself.status.code(), Some(2), "{}", printed(&over_itself));
    assert_eq!(proxy.ask(&["bundle", "none", "--out", out.to_str().unwrap()]).status.code(), Some(2));
}
