//! `check --resolved`: what holds for a route, and where it was said.
#![allow(clippy::expect_used, clippy::panic, reason = "a test may stop")]

use std::path::Path;

use expect_test::{Expect, expect};
use strangler_core::config::{self, LoadOptions, Resolved, SourceText, Sources};

const MAIN: &str = r#"version = 1
legacy = "http://127.0.0.1:8000"
include = ["routes/*.toml"]

[defaults]
fallback_after = "2s"
timeouts = { response = "10s", idle = "1m" }
response_headers = { remove = ["server"] }
compare = { ignore = ["$.generated_at"] }

[slices.products]
upstream = "http://${PRODUCTS:-127.0.0.1}:8002"
phase = "extracted"
sync = "stateless"
routes = ["GET /products"]
timeouts = { response = "3s" }
response_headers = { set = { x-served-by = "${SECRET}" }, remove = ["x-powered-by"] }
"#;

const INCLUDED: &str = r#"[[routes]]
id = "search"
match = "POST /products/search"
slice = "products"
effect = "read"
timeouts = { response = "1s" }
compare = { ignore = ["$.took"] }
"#;

fn resolve(main: &str) -> Option<Resolved> {
    let source = |name: &str, text: &str| SourceText { name: name.to_owned(), text: text.to_owned() };
    let sources = Sources {
        main: source("strangler.toml", main),
        included: vec![source("routes/products.toml", INCLUDED)],
    };
    let env = |name: &str| (name == "SECRET").then(|| "hunter2".to_owned());
    config::resolve(
        &sources,
        &LoadOptions { base: Path::new(""), env: &env, today: jiff::civil::date(2026, 6, 1) },
    )
}

/// The lines that were not left at their built-in value.
fn check(text: &str, wanted: &Expect) {
    let lines = text.lines().filter(|line| !line.ends_with("built-in default"));
    let squeezed: Vec<String> =
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    wanted.assert_eq(&squeezed.join("\n"));
}

#[test]
fn every_value_tells_where_it_came_from() {
    let text = resolve(MAIN).expect("a sound configuration").render_text();
    check(
        &text,
        &expect![[r#"
            route GET /products of slice products, strangler.toml:15
            upstream = "http://${PRODUCTS:-127.0.0.1}:8002" # strangler.toml:12
            phase = "extracted" # strangler.toml:13
            sync = "stateless" # strangler.toml:14
            fallback_after = "2s" # strangler.toml:6 [defaults]
            response_headers.set.x-served-by = "${SECRET}" # strangler.toml:17
            response_headers.remove = ["server", "x-powered-by"] # strangler.toml:8 [defaults], strangler.toml:17
            compare.ignore = ["$.generated_at"] # strangler.toml:9 [defaults]
            timeouts.response = "3s" # strangler.toml:16
            timeouts.idle = "1m" # strangler.toml:7 [defaults]

            route search (POST /products/search) of slice products, routes/products.toml:3
            upstream = "http://${PRODUCTS:-127.0.0.1}:8002" # strangler.toml:12
            phase = "extracted" # strangler.toml:13
            sync = "stateless" # strangler.toml:14
            effect = "read" # routes/products.toml:5
            fallback_after = "2s" # strangler.toml:6 [defaults]
            response_headers.set.x-served-by = "${SECRET}" # strangler.toml:17
            response_headers.remove = ["server", "x-powered-by"] # strangler.toml:8 [defaults], strangler.toml:17
            compare.ignore = ["$.generated_at", "$.took"] # strangler.toml:9 [defaults], routes/products.toml:7
            timeouts.response = "1s" # routes/products.toml:6
            timeouts.idle = "1m" # strangler.toml:7 [defaults]"#]],
    );
    assert!(text.contains("\n  shadow.sample "), "built-in values are shown too: {text}");
}

#[test]
fn a_faulty_configuration_resolves_to_nothing() {
    assert_eq!(resolve(&MAIN.replace("phase", "phse")), None);
    assert_eq!(resolve(&MAIN.replace("version = 1", "version = ")), None);
}

#[test]
fn the_serialised_form_names_key_value_and_origin() {
    let json = serde_json::to_value(resolve(MAIN)).expect("JSON");
    let route = json.pointer("/routes/0").expect("a route");
    assert_eq!(route.get("match"), Some(&serde_json::json!("GET /products")));
    let policy = route.get("policy").and_then(|policy| policy.as_array()).expect("a policy");
    let wanted = serde_json::json!({"key": "fallback_after", "value": "\"2s\"", "from": "strangler.toml:6 [defaults]"});
    assert!(policy.contains(&wanted), "{policy:?}");
}
