//! Replaying a corpus: exit codes that never lie, and nothing sent that may have an effect.

pub(crate) mod side;

use std::fs;
use std::net::TcpListener;
use std::process::Output;

use serde_json::{Value, json};

use crate::reload::Site;
use crate::support::origin::Seen;
use crate::support::proxy::{House, printed};
use side::{Side, product};

const RULES: &str = r#"version = 1
legacy = "http://127.0.0.1:1"

[slices.products]
upstream = "http://127.0.0.1:2"
phase = "shadow"
sync = "stateless"
routes = ["GET /products/{id:int}", "POST /products", "GET /account"]
"#;

/// A request of the corpus, and what the monolith answered then.
fn exchange(method: &str, target: &str, headers: &Value, status: u16, body: &str) -> Value {
    json!({
        "kind": "exchange", "id": format!("id-{target}"), "at": "2026-11-20T10:00:00.000Z",
        "slice": "products", "route": "", "owner": "legacy",
        "request": { "method": method, "target": target, "headers": headers },
        "legacy": {
            "status": status, "headers": [["content-type", "application/json"]], "body": { "text": body }
        },
        "legacy_ms": 1.5
    })
}

/// So many products, all answered.
fn products(count: usize) -> Vec<Value> {
    let one = |id: usize| {
        let target = format!("/products/{id}");
        exchange("GET", &target, &json!([["host", "shop.example"]]), 200, &product(&target, "19.90"))
    };
    (1..=count).map(one).collect()
}

/// A folder with rules and a corpus.
struct Bench {
    house: House,
}

impl Bench {
    fn new(exchanges: &[Value]) -> Bench {
        Bench::with(RULES, None, exchanges)
    }

    fn with(rules: &str, bundle: Option<&Value>, exchanges: &[Value]) -> Bench {
        let house = House::new(rules);
        let header = json!({
            "kind": "header", "strangler_corpus": 1, "made": "2026-11-20T10:00:00Z", "by": "test", "key": "0"
        });
        let end = json!({ "kind": "end", "exchanges": exchanges.len() });
        let lines = std::iter::once(&header).chain(bundle).chain(exchanges).chain([&end]);
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        fs::write(house.folder().join("corpus"), text).unwrap();
        Bench { house }
    }

    fn replay(&self, primary: &str, candidate: &str, more: &[&str]) -> Output {
        let mut arguments = vec!["replay", "corpus", "--primary", primary, "--candidate", candidate];
        arguments.extend(["--config", "strangler.toml"]);
        arguments.extend(more);
        self.house.command(&arguments)
    }

    #[track_caller]
    fn exits(&self, primary: &str, candidate: &str, more: &[&str], code: i32, part: &str) -> Output {
        let output = self.replay(primary, candidate, more);
        assert_eq!(output.status.code(), Some(code), "{more:?}: {}", printed(&output));
        // Text is wrapped where the line ends.
        let told = printed(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(part), "`{part}` is not in: {}", printed(&output));
        output
    }
}

/// An address at which nobody answers.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn equal_answers_pass() {
    let (primary, candidate) = (Side::good(), Side::good());
    let bench = Bench::new(&products(5));
    let output = bench.exits(primary.url(), candidate.url(), &[], 0, "match 5, mismatch 0");
    assert!(
        printed(&output).starts_with("Pass: no difference counts in 5 comparisons."),
        "{}",
        printed(&output)
    );
    assert_eq!((primary.seen().len(), candidate.seen().len()), (5, 5));
    let one = &candidate.seen()[0];
    assert_eq!(one.header("host"), Some("shop.example"), "{one:?}");
    assert!(one.header("x-shadow-request").is_some_and(|id| id.starts_with("replay-")), "{one:?}");
}

#[test]
fn a_regression_fails_and_is_named_once() {
    let primary = Side::good();
    let candidate = Side::start(|seen, _| (200, product(&seen.target, "\"19.90\"")));
    let bench = Bench::new(&products(40));
    let output = bench.exits(primary.url(), candidate.url(), &["--json"], 1, "body.type");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["exit_code"], 1);
    let problems = report["slices"][0]["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!((&problems[0]["requests"], &problems[0]["path"]), (&json!(40), &json!("$.price")));
    assert_eq!(problems[0]["examples"].as_array().unwrap().len(), 3);
    // The same, known when the corpus was made, is no regression; nor is one that is accepted.
    let signature = problems[0]["signature"].as_str().unwrap();
    let known = json!({
        "kind": "bundle", "slice": "products", "configuration": RULES, "hash": "0",
        "baseline": [{ "signature": signature, "route": "GET /products/{id:int}", "kind": "body.type",
            "path": "$.price", "requests": 3 }]
    });
    let bundle = Bench::with(RULES, Some(&known), &products(40));
    let arguments = ["replay", "corpus", "--primary", primary.url(), "--candidate", candidate.url()];
    let output = bundle.house.command(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(printed(&output).contains(signature), "known differences are shown: {}", printed(&output));
    bundle.exits(primary.url(), candidate.url(), &["--fail-on", "any"], 1, signature);
    bundle.exits(primary.url(), candidate.url(), &["--max-mismatch", "1%"], 1, "mismatches");
    let accept = ["accept", signature, "--why", "SHOP-1", "--until", "2099-01-01", "--slice", "products"];
    let accept: Vec<&str> = accept.into_iter().chain(["--config", "strangler.toml"]).collect();
    let accepted = bench.house.command(&accept);
    assert_eq!(accepted.status.code(), Some(0), "{}", printed(&accepted));
    bench.exits(primary.url(), candidate.url(), &[], 0, "ignored 40");
}

#[test]
fn nothing_compared_is_never_a_pass() {
    let side = Side::good();
    let none = Bench::new(&[]);
    none.exits(side.url(), side.url(), &[], 4, "Insufficient evidence: nothing was compared.");
    let unrouted = Bench::new(&[exchange("GET", "/elsewhere", &json!([]), 200, "{}")]);
    unrouted.exits(side.url(), side.url(), &[], 4, "not sent: 1 because no route takes them.");
    let unsafe_only = Bench::new(&[exchange("POST", "/products", &json!([]), 200, "{}")]);
    unsafe_only.exits(side.url(), side.url(), &[], 4, "not sent: 1 because of their method.");
    assert_eq!(side.seen(), [], "nothing that may have an effect is sent unasked");
    unsafe_only.exits(side.url(), side.url(), &["--methods", "POST"], 0, "match 1");
    assert_eq!(side.seen().len(), 2);
    let few = Bench::new(&products(3));
    few.exits(side.url(), side.url(), &["--min-samples", "10"], 4, "7 more needed");
    few.exits(side.url(), side.url(), &["--max-mismatch", "1%"], 4, "more needed");
    few.exits(side.url(), side.url(), &["--self-test", "--slice", "products"], 0, "mistakes were noticed");
}

#[test]
fn refused_credentials_on_both_sides_are_no_evidence() {
    let refuses = || Side::start(|_, _| (401, "{\"error\": \"expired\"}".to_owned()));
    let (primary, candidate) = (refuses(), refuses());
    let credentials = json!([["authorization", "Bearer redacted-token-0011223344556677"]]);
    for recorded in [200, 401] {
        let bench = Bench::new(&[exchange("GET", "/account", &credentials, recorded, "{\"a\": 1}")]);
        bench.exits(primary.url(), candidate.url(), &[], 4, "not-compared 1");
    }
    // Recorded answers are held against a candidate that refuses what it cannot know.
    let bench = Bench::new(&[exchange("GET", "/account", &credentials, 200, "{\"a\": 1}")]);
    bench.exits("recorded", candidate.url(), &[], 4, "stale 1");
}

#[test]
fn fresh_identities_make_evidence_of_it_again() {
    let knows = || {
        Side::start(|seen, _| match seen.header("authorization") {
            Some("Bearer fresh") => (200, "{\"a\": 1}".to_owned()),
            _ => (401, "{}".to_owned()),
        })
    };
    let (primary, candidate) = (knows(), knows());
    let of = |token: &str| json!([["authorization", format!("Bearer redacted-token-{token}")]]);
    let bench = Bench::new(&[
        exchange("GET", "/account", &of("0011223344556677"), 200, "{\"a\": 1}"),
        exchange("GET", "/account", &of("0011223344556677"), 200, "{\"a\": 1}"),
        exchange("GET", "/account", &of("8899aabbccddeeff"), 200, "{\"a\": 1}"),
    ]);
    let command = "echo \"$STRANGLER_SIDE $STRANGLER_IDENTITY\" >> asked; echo 'authorization: Bearer fresh'";
    bench.exits(primary.url(), candidate.url(), &["--identities", command], 0, "match 3");
    let mut asked: Vec<String> =
        fs::read_to_string(bench.house.folder().join("asked")).unwrap().lines().map(str::to_owned).collect();
    asked.sort();
    let of = |side: &str, token: &str| format!("{side} Bearer redacted-token-{token}");
    let wanted = [
        of("candidate", "0011223344556677"),
        of("candidate", "8899aabbccddeeff"),
        of("primary", "0011223344556677"),
        of("primary", "8899aabbccddeeff"),
    ];
    assert_eq!(asked, wanted, "once for each identity and side");
    bench.exits(primary.url(), candidate.url(), &["--identities", "exit 9"], 3, "exit status: 9");
}

#[test]
fn a_corpus_that_no_longer_holds_is_insufficient() {
    let gone = || {
        Side::start(|seen, _| match &*seen.target {
            "/products/1" | "/products/2" => (404, "{}".to_owned()),
            target => (200, product(target, "19.90")),
        })
    };
    let (primary, candidate) = (gone(), gone());
    Bench::new(&products(60)).exits(primary.url(), candidate.url(), &[], 0, "stale 2");
    Bench::new(&products(20)).exits(primary.url(), candidate.url(), &[], 4, "the corpus no longer holds");
}

#[test]
fn a_side_that_is_not_there_is_named() {
    let side = Side::good();
    let gone = nobody();
    let bench = Bench::new(&products(3));
    bench.exits(side.url(), &gone, &[], 3, &gone);
    bench.exits(&gone, side.url(), &[], 3, &gone);
}

#[test]
fn a_shape_that_was_never_compared_is_missed() {
    let primary = Side::start(|seen, _| match seen.target.contains('?') {
        true => (500, "{}".to_owned()),
        false => (200, product(&seen.target, "19.90")),
    });
    let candidate = Side::good();
    let mut exchanges = products(60);
    exchanges.push(exchange(
        "GET",
        "/products/7?currency=EUR",
        &json!([]),
        200,
        &product("/products/7", "19.90"),
    ));
    let bench = Bench::new(&exchanges);
    bench.exits(primary.url(), candidate.url(), &[], 4, "GET /products/7?currency=EUR");
}

#[test]
fn an_accepted_difference_that_has_expired_is_told_when_asked_for() {
    let side = Side::good();
    let accept =
        "[[slices.products.compare.accept]]\nsignature = \"3f9c21ab\"\nwhy = \"x\"\nuntil = 2020-01-01\n";
    let rules = format!("{RULES}\n{accept}");
    let bench = Bench::with(&rules, None, &products(3));
    bench.exits(side.url(), side.url(), &[], 0, "expired on 2020-01-01");
    bench.exits(side.url(), side.url(), &["--strict"], 5, "expired on 2020-01-01");
    // What is worse is told instead.
    let bad = Side::start(|seen, _| (200, product(&seen.target, "1")));
    bench.exits(side.url(), bad.url(), &["--strict"], 1, "body.value");
    bench.exits(side.url(), side.url(), &["--strict", "--min-samples", "9"], 4, "insufficient");
    bench.exits(side.url(), &nobody(), &["--strict"], 3, "cannot be reached");
}

#[test]
fn what_cannot_be_read_is_told_before_anything_is_sent() {
    let side = Side::good();
    let bench = Bench::new(&products(1));
    fs::write(bench.house.folder().join("junk"), "junk\n").unwrap();
    let url = side.url();
    for (arguments, part) in [
        (vec!["replay", "none", "--primary", url, "--candidate", url], "none"),
        (vec!["replay", "junk", "--primary", url, "--candidate", url], "no corpus"),
        (vec!["replay", "corpus", "--candidate", url], "--primary"),
        (vec!["replay", "corpus", "--primary", "https://a", "--candidate", url], "plain HTTP"),
        (vec!["replay", "corpus", "--primary", url, "--candidate", url], "config/strangler.toml"),
        (vec!["replay", "corpus", "--primary", url, "--candidate", url, "--methods", "safe,"], "--methods"),
        (vec!["replay", "corpus", "--primary", url, "--candidate", url, "--candidate-header", "x"], "header"),
        (vec!["replay", "corpus", "--primary", url, "--candidate", url, "--slice", "none"], "none"),
        (vec!["replay", "corpus", "--print-config"], "without rules"),
    ] {
        let mut arguments = arguments;
        if !part.contains("config") && !arguments.contains(&"--print-config") {
            arguments.extend(["--config", "strangler.toml"]);
        }
        let output = bench.house.command(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", printed(&output));
        assert!(printed(&output).contains(part), "{arguments:?}: {}", printed(&output));
    }
    assert_eq!(side.seen(), []);
}

#[test]
fn a_race_that_is_over_when_asked_again_is_no_mismatch() {
    let primary = Side::good();
    // Wrong the first time only.
    let candidate =
        Side::start(|seen, count| (200, product(&seen.target, if count == 0 { "18.00" } else { "19.90" })));
    let bench = Bench::new(&products(30));
    bench.exits(primary.url(), candidate.url(), &["--concurrency", "1"], 0, "transient 1");
    assert_eq!(candidate.seen().len(), 31);
    // Every second answer wrong is no race.
    let fickle = || {
        Side::start(|seen, count| {
            (200, product(&seen.target, if count % 2 == 0 { "18.00" } else { "19.90" }))
        })
    };
    bench.exits(primary.url(), fickle().url(), &["--concurrency", "1"], 4, "transient or unstable");
    bench.exits(primary.url(), fickle().url(), &["--concurrency", "1", "--no-recheck"], 1, "body.");
}

#[test]
fn what_the_primary_differs_in_from_itself_is_noise_when_it_was_asked_twice() {
    let told = |seen: &Seen, count: usize, price: &str| {
        let product = product(&seen.target, price);
        product.replace("{\"id\"", &format!("{{\"generated_at\": {count}, \"id\""))
    };
    let side = |price: &'static str, from: usize| {
        Side::start(move |seen, count| (200, told(seen, from + count, price)))
    };
    let (primary, candidate, wrong) = (side("19.90", 0), side("19.90", 1_000_000), side("19.91", 1_000_000));
    let bench = Bench::new(&products(30));
    // Nobody knows which values are noise: all that differs is asked again, and too much of it is unstable.
    bench.exits(primary.url(), candidate.url(), &[], 4, "transient or unstable");
    bench.exits(primary.url(), candidate.url(), &["--repeat", "50%"], 0, "match 0, mismatch 0, ignored 30");
    // Noise hides values of its own place only.
    bench.exits(primary.url(), wrong.url(), &["--repeat", "50%"], 1, "$.price");
    let rules = format!("{RULES}\n[slices.products.shadow]\nrepeat = \"50%\"\n");
    let of_rules = Bench::with(&rules, None, &products(30));
    of_rules.exits(primary.url(), candidate.url(), &[], 0, "ignored 30");
    of_rules.exits(primary.url(), candidate.url(), &["--repeat", "0%"], 4, "transient or unstable");
}

#[test]
fn recorded_answers_stand_in_for_the_monolith() {
    let candidate = Side::good();
    let bench = Bench::new(&products(5));
    bench.exits("recorded", candidate.url(), &[], 0, "match 5");
    let bad = Side::start(|seen, _| (200, product(&seen.target, "\"19.90\"")));
    bench.exits("recorded", bad.url(), &[], 1, "body.type");
    // What was redacted then is redacted now.
    let told = |value: &str| format!("{{\"id\": 1, \"password\": \"{value}\"}}");
    let then = told("redacted-password-0011223344556677");
    let bench = Bench::new(&[exchange("GET", "/products/1", &json!([]), 200, &then)]);
    let candidate = Side::start(move |_, _| (200, told("hunter2")));
    let output = bench.exits("recorded", candidate.url(), &["--json"], 0, "\"match\": 1");
    assert!(!printed(&output).contains("hunter2"), "{}", printed(&output));
}

#[test]
fn what_bundle_writes_is_what_replay_reads() {
    let site = Site::new();
    let side = Side::good();
    let text = site.configuration("legacy").replace("\"/products/**\"", "\"GET /products/{id:int}\"");
    let proxy_house = House::new(&text);
    let proxy = proxy_house.serve();
    let bench = Bench::new(&products(5));
    let corpus = bench.house.folder().join("corpus");
    let bundle = bench.house.folder().join("bundle");
    let (corpus, bundle) = (corpus.to_str().unwrap(), bundle.to_str().unwrap());
    let made = proxy.ask(&["bundle", "products", "--corpus", corpus, "--out", bundle]);
    assert_eq!(made.status.code(), Some(0), "{}", printed(&made));
    let rules = bench.house.command(&["replay", "bundle", "--print-config"]);
    assert_eq!(rules.status.code(), Some(0), "{}", printed(&rules));
    fs::write(bench.house.folder().join("rules.toml"), &rules.stdout).unwrap();
    for more in [vec![], vec!["--config", "rules.toml"]] {
        let mut arguments = vec!["replay", "bundle", "--primary", side.url(), "--candidate", side.url()];
        arguments.extend(more);
        let output = bench.house.command(&arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", printed(&output));
        assert!(printed(&output).contains("match 5, mismatch 0"), "{}", printed(&output));
    }
    let accept = ["accept", "3f9c21ab", "--why", "x", "--until", "2099-01-01", "--slice", "products"];
    let accept: Vec<&str> = accept.into_iter().chain(["--config", "rules.toml"]).collect();
    let accepted = bench.house.command(&accept);
    assert_eq!(accepted.status.code(), Some(0), "{}", printed(&accepted));
}

#[test]
fn given_headers_go_to_the_side_they_are_for() {
    let (primary, candidate) = (Side::good(), Side::good());
    let bench = Bench::new(&products(1));
    let more = ["--primary-header", "x-a: 1", "--candidate-header", "x-b: 2", "--candidate-header", "x-b: 3"];
    bench.exits(primary.url(), candidate.url(), &more, 0, "match 1");
    let (one, other) = (&primary.seen()[0], &candidate.seen()[0]);
    assert_eq!((one.header("x-a"), one.header("x-b")), (Some("1"), None));
    let lines = other.headers.iter().filter(|(name, _)| name == "x-b").count();
    assert_eq!((other.header("x-a"), lines), (None, 2));
}

#[test]
fn the_self_test_tells_which_mistakes_the_rules_hide() {
    let side = Side::good();
    let rules = format!(
        "{RULES}\n[slices.products.compare]\nignore = [\"$.price\"]\narrays = {{ \"$.tags\" = \"unordered\" }}\n"
    );
    let bench = Bench::with(&rules, None, &products(10));
    let output =
        bench.exits(side.url(), side.url(), &["--self-test", "--seed", "7", "--json"], 0, "self_test");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mutations = &report["self_test"]["mutations"];
    for (mutation, made, caught) in [
        // Of each product: id, name, price and tags; price is ignored.
        ("field-dropped", 40, 30),
        ("type-changed", 50, 40),
        ("plus-one", 20, 10),
        ("reordered", 10, 0),
        ("server-error", 10, 10),
        ("truncated", 10, 10),
    ] {
        let count = &mutations[mutation];
        assert_eq!((&count["made"], &count["caught"]), (&json!(made), &json!(caught)), "{mutation}: {count}");
    }
    assert_eq!(mutations["plus-one"]["hidden"], json!({ "ignore \"$.price\"": 10 }));
    assert_eq!(mutations["reordered"]["hidden"], json!({ "arrays \"$.tags\" = \"unordered\"": 10 }));
    bench.exits(side.url(), side.url(), &["--self-test", "--min-caught", "90%"], 1, "hidden by ignore");
    bench.exits(side.url(), side.url(), &["--self-test", "--min-caught", "50%"], 0, "neighbours swapped");
    Bench::new(&[]).exits(side.url(), side.url(), &["--self-test"], 4, "Insufficient evidence");
}

#[test]
fn every_form_of_the_report_can_be_had() {
    let primary = Side::good();
    let candidate = Side::start(|seen, _| (200, product(&seen.target, "1")));
    let bench = Bench::new(&products(3));
    for (format, part) in [
        ("text", "SLICE products"),
        ("json", "\"verdict\""),
        ("junit", "<testsuites name=\"strangler\""),
        ("markdown", "## Strangler: failed"),
        ("github", "::error title=products%3A body.value $.price"),
    ] {
        bench.exits(primary.url(), candidate.url(), &["--format", format], 1, part);
    }
}
