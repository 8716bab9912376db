//! What is learned from paths, and that learning has bounds.

use super::*;
use crate::matching::path::PathRules;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn call<'a>(method: &'a str, path: &'a str) -> Call<'a> {
    Call {
        at: at(0),
        method,
        path,
        route: None,
        slice: None,
        owner: "legacy",
        status: 200,
        writes: false,
        near_miss: false,
        stands_for: 1,
    }
}

fn templates(inventory: &Inventory) -> Vec<String> {
    inventory
        .report()
        .templates
        .iter()
        .map(|template| format!("{} {}", template.calls, template.path))
        .collect()
}

fn check(paths: &[&str], wanted: &[&str]) {
    let mut inventory = Inventory::default();
    for path in paths {
        inventory.note(&call("GET", path));
    }
    assert_eq!(templates(&inventory), wanted, "{paths:?}");
}

#[test]
fn ids_collapse() {
    check(
        &["/orders/1", "/orders/22", "/orders/333/lines/4"],
        &["2 /orders/{id}", "1 /orders/{id}/lines/{id}"],
    );
    check(&["/u/550e8400-e29b-41d4-a716-446655440000"], &["1 /u/{uuid}"]);
    check(&["/d/2026-11-21", "/o/ORD-2024-0017", "/h/3f9c21ab"], &["1 /d/{date}", "1 /h/{id}", "1 /o/{id}"]);
    check(&["/", "/a/", "/a", "//b"], &["1 /", "1 //b", "1 /a", "1 /a/"]);
    check(
        &["/v2/products/best-sellers", "/v2/products/new"],
        &["1 /v2/products/best-sellers", "1 /v2/products/new"],
    );
    check(&["/cart;jsessionid=abc/items"], &["1 /cart/items"]);
}

#[test]
fn no_secret_is_a_template() {
    check(&["/reset/XK42ab", "/reset/qwertz"], &["2 /reset/{code}"]);
    check(
        &["/u/ann@mail.example.com", "/c/4111111111111111", "/t/sk9fJ2kLq83NvXz71QwEr5Ty"],
        &["1 /c/{card}", "1 /t/{token}", "1 /u/{email}"],
    );
    check(&["/s/%E2%82%AC%20sign"], &["1 /s/{text}"]);
}

#[test]
fn a_route_tells_which_elements_are_names() {
    let mut inventory = Inventory::default();
    let pattern = Pattern::parse("GET /shops/{shop}/items/**", PathRules::default()).unwrap();
    for path in ["/shops/berlin/items/7", "/shops/paris/items/8", "/shops/rome/items"] {
        let owner = if path.contains("rome") { "extracted" } else { "legacy" };
        inventory.note(&Call {
            route: Some(("shop-items", &pattern)),
            slice: Some("shops"),
            owner,
            ..call("GET", path)
        });
    }
    let report = inventory.report();
    assert_eq!(templates(&inventory), ["2 /shops/{shop}/items/{id}", "1 /shops/{shop}/items"]);
    assert_eq!(report.templates[0].slice.as_deref(), Some("shops"));
    assert_eq!(report.templates[0].route.as_deref(), Some("shop-items"));
    assert_eq!(report.templates[1].owner, "extracted");
}

#[test]
fn calls_are_told_by_method_with_their_share_of_writes() {
    let mut inventory = Inventory::default();
    inventory.note(&Call { stands_for: 3, ..call("GET", "/a/1") });
    inventory.note(&Call {
        writes: true,
        status: 201,
        at: at(60),
        owner: "extracted",
        ..call("POST", "/a/2")
    });
    inventory.note(&Call { near_miss: true, status: 404, ..call("ge\u{7}t", "/a/2") });
    let report = inventory.report();
    let template = &report.templates[0];
    assert_eq!((report.requests, template.calls, template.near_misses), (5, 5, 1));
    assert!((template.write_share - 0.2).abs() < 1e-9);
    assert_eq!(template.owner, "legacy 80 %, extracted 20 %");
    assert_eq!((template.first, template.last), (at(0), at(60)));
    let methods: Vec<&str> = template.methods.iter().map(|method| method.method.as_str()).collect();
    assert_eq!(methods, ["GET", "(other)", "POST"]);
    assert_eq!(template.methods[2].statuses["2xx"], 1);
}

#[test]
fn too_many_names_are_values() {
    let mut inventory = Inventory::default();
    for n in 0..1000 {
        let word: String = format!("{n:03}").bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        inventory.note(&call("GET", &format!("/tags/{word}/posts")));
        inventory.note(&call("GET", "/tags/popular"));
    }
    let report = inventory.report();
    assert!(report.templates.len() < 80, "{}", report.templates.len());
    assert_eq!(report.requests, 2000);
    assert_eq!(report.templates[0].path, "/tags/popular", "what is called often keeps its name");
    assert!(
        report.templates.iter().any(|template| template.path == "/tags/{name}/posts" && template.calls > 900)
    );
}

#[test]
fn hostile_paths_do_not_make_it_grow() {
    let mut inventory = Inventory::default();
    let mut state = 7u64;
    for _ in 0..20_000 {
        let mut path = String::new();
        for _ in 0..5 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let word: String =
                (0..4).map(|at| char::from(b'a' + (state >> (13 * at + 9) & 15) as u8)).collect();
            path.push('/');
            path.push_str(&word);
        }
        inventory.note(&call("GET", &path));
    }
    inventory.note(&call("GET", &"/x".repeat(5000)));
    let report = inventory.report();
    assert_eq!(report.requests, 20_001);
    assert!(report.templates.len() <= 8_192, "{}", report.templates.len());
}

#[test]
fn what_was_stored_is_restored() {
    let mut inventory = Inventory::default();
    for n in 0..300 {
        let word: String = format!("{n:03}").bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        inventory.note(&call("GET", &format!("/tags/{word}")));
        inventory.note(&call("POST", "/orders/7"));
    }
    let Changes::All(rows) = inventory.take_changes() else { panic!("names were merged") };
    let mut restored = Inventory::restore(rows);
    assert_eq!(restored.report().templates, inventory.report().templates);
    assert_eq!(restored.take_changes(), Changes::Rows(Vec::new()));
    restored.note(&call("POST", "/orders/8"));
    let Changes::Rows(rows) = restored.take_changes() else { panic!("nothing was merged") };
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].0.as_str(), rows[0].2.calls), ("/orders/{id}", 301));
}
