//! Which edits would silently hand writes back to legacy.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use super::lost_writers;
use crate::config::{LoadOptions, SourceText, Sources, load};
use crate::snapshot::Snapshot;

fn snapshot(slices: &str) -> Option<Arc<Snapshot>> {
    let text = format!("version = 1\nlegacy = \"http://127.0.0.1:8000\"\n{slices}");
    let sources = Sources { main: SourceText { name: "s.toml".into(), text }, included: Vec::new() };
    let today = jiff::civil::date(2026, 1, 1);
    load(&sources, &LoadOptions { base: Path::new("."), env: &|_| None, today }).snapshot
}

const PAYMENTS: &str = r#"
[slices.payments]
upstream = "http://127.0.0.1:8004"
phase = "extracted"
writer = "extracted"
routes = ["/payments/**", "POST /refunds/{id:int}"]
"#;

/// Asserts the examples of what would be lost.
fn check(old: &str, new: &str, expected: &[&str]) {
    let (Some(old), Some(new)) = (snapshot(old), snapshot(new)) else { panic!("does not load") };
    let lost: Vec<String> =
        lost_writers(&old, &new).into_iter().map(|lost| format!("{} {}", lost.slice, lost.route)).collect();
    assert_eq!(lost, expected);
}

#[test]
fn an_unchanged_file_loses_nothing() {
    check(PAYMENTS, PAYMENTS, &[]);
}

#[test]
fn a_deleted_slice_loses_every_route() {
    check(PAYMENTS, "", &["payments /payments/**", "payments POST /refunds/{id:int}"]);
}

#[test]
fn a_deleted_route_is_lost_alone() {
    check(
        PAYMENTS,
        &PAYMENTS.replace(r#", "POST /refunds/{id:int}""#, ""),
        &["payments POST /refunds/{id:int}"],
    );
}

#[test]
fn saying_legacy_is_enough() {
    check(PAYMENTS, &PAYMENTS.replace(r#""extracted""#, r#""legacy""#), &[]);
}

#[test]
fn leaving_the_writer_out_is_not_saying_it() {
    let silent = PAYMENTS.replace("writer = \"extracted\"\n", "sync = \"both\"\n");
    check(PAYMENTS, &silent, &["payments /payments/**", "payments POST /refunds/{id:int}"]);
}

#[test]
fn a_renamed_slice_that_keeps_its_writer_loses_nothing() {
    check(PAYMENTS, &PAYMENTS.replace("slices.payments", "slices.pay"), &[]);
}

#[test]
fn a_narrower_route_loses_what_lies_below_it() {
    check(PAYMENTS, &PAYMENTS.replace("/payments/**", "/payments/{id}"), &["payments /payments/**"]);
}

#[test]
fn an_exception_takes_writes_back() {
    let excepted = format!("{PAYMENTS}except = [\"/payments/webhook\"]\n");
    check(PAYMENTS, &excepted, &["payments /payments/**"]);
}

#[test]
fn a_more_specific_slice_that_does_not_say_its_writer_takes_writes_back() {
    let other = "[slices.other]\nupstream = \"http://127.0.0.1:8005\"\nroutes = [\"POST /{area}/capture\"]\n";
    check(
        PAYMENTS,
        &format!("{PAYMENTS}{}", other.replace("POST /{area}/capture", "POST /payments/capture")),
        &["payments /payments/**"],
    );
    check(PAYMENTS, &format!("{PAYMENTS}{other}"), &[]);
    let stated = other.replace("routes", "writer = \"legacy\"\nroutes").replace("{area}", "payments");
    check(PAYMENTS, &format!("{PAYMENTS}{stated}"), &[]);
}

#[test]
fn an_overlap_that_neither_example_hits_is_found() {
    let old = PAYMENTS.replace("/payments/**", "/{area}/capture");
    let crossing = "[slices.other]\nupstream = \"http://127.0.0.1:8005\"\nroutes = [\"/payments/{what}\"]\n";
    check(&old, &format!("{old}{crossing}"), &["payments /{area}/capture"]);
}

#[test]
fn a_route_whose_condition_is_a_regex_must_go_on_in_some_slice() {
    let regex = "[[routes]]\nmatch = \"/v2/**\"\nslice = \"payments\"\nwhen = { header = { x-v = { regex = \"^2\" } } }\n";
    check(&format!("{PAYMENTS}{regex}"), PAYMENTS, &["payments /v2/**"]);
    check(&format!("{PAYMENTS}{regex}"), &format!("{regex}{PAYMENTS}"), &[]);
}

#[test]
fn what_lies_deeper_than_any_new_pattern_is_lost_as_well() {
    let to = |routes: &str| PAYMENTS.replace("\"/payments/**\"", routes);
    let three = "\"/payments\", \"/payments/\", \"/payments/{a}\", \"/payments/{a}/\", \"/payments/{a}/{b}\"";
    check(PAYMENTS, &to(three), &["payments /payments/**"]);
    check(PAYMENTS, &to(&format!("{three}, \"/payments/{{a}}/{{b}}/**\"")), &[]);
    // A slash too many is refused as a near miss, so legacy gets nothing of it.
    let slashless = three.replace(", \"/payments/{a}/\"", "");
    check(PAYMENTS, &to(&format!("{slashless}, \"/payments/{{a}}/{{b}}/**\"")), &[]);
}

#[test]
fn a_condition_that_takes_fewer_values_loses_the_others() {
    let of = |condition: &str| {
        format!(
            "[slices.a]\nupstream = \"http://127.0.0.1:8004\"\nphase = \"extracted\"\nwriter = \"extracted\"\n\
             routes = [{{ id = \"r\", match = \"/a\", when = {condition} }}]\n"
        )
    };
    let lost = |old: &str, new: &str| check(&of(old), &of(new), &["a r"]);
    let kept = |old: &str, new: &str| check(&of(old), &of(new), &[]);
    for name in ["header = { x", "cookie = { x", "query = { x"] {
        let when = |condition: &str| format!("{{ {name} = {condition} }} }}");
        lost(&when("{ in = [\"1\", \"2\", \"3\"] }"), &when("{ in = [\"1\", \"3\"] }"));
        lost(&when("{ in = [\"1\", \"2\"] }"), &when("\"1\""));
        kept(&when("{ in = [\"1\", \"2\"] }"), &when("{ in = [\"2\", \"1\", \"4\"] }"));
        kept(&when("{ in = [\"1\", \"2\"] }"), &when("{ present = true }"));
        lost(&when("{ present = true }"), &when("{ in = [\"1\", \"2\"] }"));
        lost(&when("{ regex = \"^(acme|mega)$\" }"), &when("{ regex = \"^acme$\" }"));
        lost(&when("{ regex = \"^v[1-3]$\" }"), &when("{ regex = \"^v[12]$\" }"));
        kept(&when("{ regex = \"^acme$\" }"), &when("{ regex = \"^(mega|acme)$\" }"));
    }
}

#[test]
fn reads_may_go_back_freely() {
    let reads =
        PAYMENTS.replace("/payments/**", "GET /payments/**").replace(r#", "POST /refunds/{id:int}""#, "");
    check(&reads, "", &[]);
}

#[test]
fn a_file_cut_anywhere_never_loses_a_write() {
    // Either the cut file is refused, or what it loses is found, or it still sends the write to the same side.
    let whole = format!(
        "{PAYMENTS}except = [\"GET /payments/callback\"]\n[[routes]]\nmatch = \"POST /payments/search\"\nslice = \"payments\"\n\
         effect = \"read\"\n[[routes]]\nmatch = \"GET /payments/confirm\"\nslice = \"payments\"\neffect = \"write\"\n"
    );
    let old = snapshot(&whole).unwrap();
    let mut applied = 0;
    for cut in 0..=whole.len() {
        let Some(new) = snapshot(&whole[..cut]) else { continue };
        if !lost_writers(&old, &new).is_empty() {
            continue;
        }
        applied += 1;
        for (method, path) in [
            ("POST", "/payments"),
            ("DELETE", "/payments/1/2"),
            ("POST", "/refunds/7"),
            ("GET", "/payments/confirm"),
            ("PUT", "/payments/search"),
        ] {
            let headers = http::HeaderMap::new();
            let view = crate::matching::RequestView {
                method,
                host: "shop.example",
                path,
                query: None,
                headers: &headers,
                client_ip: None,
            };
            let decision = super::decide(&new, &view, super::Facts::NONE);
            let legacy = matches!(
                decision.verdict,
                super::Verdict::Forward { owner: crate::words::Owner::Legacy, .. }
            );
            assert!(!legacy, "cut at {cut}: {method} {path} goes to legacy");
        }
    }
    assert!(applied > 0);
}
