//! What a person on call is told: reads that legacy answers in place of a service, data that is late, a guardrail that
//! cannot decide, and who is worth how much of an upstream. All of it is in the text, in the document and in the metrics.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::support::client::{Client, get, read_head};
use crate::support::origin::{Origin, Script};
use crate::support::proxy::{House, Proxy, SERVER, printed};
use crate::support::wait_for;

fn house(legacy: &Origin, extracted: &str, slice: &str) -> House {
    House::new(&format!(
        "version = 1\nlegacy = \"{}\"\n{SERVER}\n[slices.products]\nupstream = \"{extracted}\"\n\
         routes = [\"/products/**\"]\n{slice}\n",
        legacy.url()
    ))
}

/// A text without its line breaks and columns.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a series of `/metrics` says.
fn series(proxy: &Proxy, name: &str) -> Option<f64> {
    let text = proxy.admin_get("/metrics").text();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn what_legacy_answers_in_place_of_a_service_is_told_although_no_client_notices() {
    let (legacy, products) = (Origin::start("legacy"), Origin::start("products"));
    let slice = "phase = \"extracted\"\nsync = \"stateless\"\nguardrails = false";
    let house = house(&legacy, &products.url(), slice);
    let proxy = house.serve();
    for _ in 0..30 {
        assert_eq!(get(proxy.public, "/products/1").origin(), "products");
    }
    let quiet: Value = proxy.admin_get("/api/slices/products").json();
    assert_eq!(quiet["fallbacks"], serde_json::json!({"count": 0, "share": "0%", "reasons": {}}));
    assert!(!printed(&proxy.ask(&["status"])).contains("FALLBACKS"));
    products.script(Script::Status(503));
    for _ in 0..10 {
        assert_eq!(get(proxy.public, "/products/1").origin(), "legacy");
    }
    let wanted = serde_json::json!({"count": 10, "share": "25%", "reasons": {"503": 10}});
    let told = wait_for("the figures", || {
        let told: Value = proxy.admin_get("/api/slices/products").json();
        (told["fallbacks"] == wanted).then_some(told)
    });
    assert_eq!(told["recent_fallbacks"], wanted);
    assert_eq!(proxy.status()["slices"][0]["fallbacks"], wanted);
    assert_eq!(series(&proxy, "strangler_fallbacks_total{slice=\"products\",reason=\"503\"}"), Some(10.0));
    let text = printed(&proxy.ask(&["status"]));
    assert!(
        text.starts_with("Extracted products fails 25 % of its requests (503); legacy answers them.\n"),
        "{text}"
    );
    let all =
        "FALLBACKS products: 10 of 40 (25%): 503 10, in the last minute since start 10 of 40 (25%): 503 10";
    assert!(words(&text).contains(all), "{text}");
    let detail = printed(&proxy.ask(&["status", "products"]));
    assert!(words(&detail).contains("fallbacks 10 of 40 (25%): 503 10, in the last minute"), "{detail}");
}

/// Answers every request with what is put into it; an empty text is a 503.
pub(crate) fn probe(said: &Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let said = Arc::clone(said);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            if read_head(&mut reader).is_ok() {
                let body = said.lock().unwrap().clone();
                let status = if body.is_empty() { "503 No" } else { "200 OK" };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                drop(reader.get_mut().write_all(answer.as_bytes()));
            }
        }
    });
    format!("http://{address}/lag?key=4f1d7c0a9b3e5d2c")
}

#[test]
fn how_late_the_data_is_is_told_with_its_age_and_what_follows() {
    let (legacy, products) = (Origin::start("legacy"), Origin::start("products"));
    let said = Arc::new(Mutex::new("{\"lag_ms\": 150}".to_owned()));
    let slice = format!(
        "phase = \"extracted\"\nwriter = \"extracted\"\nsync = \"both\"\n\
         sync_lag = {{ url = \"{}\", max = \"200ms\" }}",
        probe(&said)
    );
    let house = house(&legacy, &products.url(), &slice);
    let proxy = house.serve();
    let lag = || -> Value { proxy.admin_get("/api/slices/products").json()["sync_lag"].clone() };
    let state = |state: &str| {
        wait_for(&format!("the lag to be {state}"), || {
            let lag = lag();
            (lag["state"] == state).then_some(lag)
        })
    };
    let text = || printed(&proxy.ask(&["status"]));
    let seconds = || series(&proxy, "strangler_sync_lag_seconds{slice=\"products\"}");
    let within = || series(&proxy, "strangler_sync_lag_within{slice=\"products\"}");

    let told = state("within");
    assert_eq!((told["lag_ms"].as_f64(), told["max_ms"].as_u64()), (Some(150.0), Some(200)));
    assert!(told["age_ms"].is_u64() && told["consequence"].is_null(), "{told}");
    assert_eq!((seconds(), within()), (Some(0.15), Some(1.0)));
    assert!(words(&text()).contains("SYNC LAG products: 150 ms, within 200 ms"), "{}", text());

    *said.lock().unwrap() = "{\"lag_ms\": 72000}".to_owned();
    let told = state("late");
    assert_eq!(told["lag_ms"].as_f64(), Some(72_000.0), "{told}");
    assert_eq!((seconds(), within()), (Some(72.0), Some(0.0)));
    let sentence = "The sync lag of products is 1 min 12 s, more than 200 ms: legacy answers no read in place of its \
                    service, and a retreat is refused.";
    assert!(text().starts_with(sentence), "{}", text());
    assert_eq!(proxy.status()["sentence"], sentence);
    products.script(Script::Status(503));
    assert_eq!(get(proxy.public, "/products/1").status, 503, "as it says: legacy does not answer");
    assert_eq!(proxy.ask(&["retreat", "products", "--reason", "it fails"]).status.code(), Some(1));

    said.lock().unwrap().clear();
    let told = state("unknown");
    assert_eq!(told["lag_ms"].as_f64(), Some(72_000.0), "what was said last");
    assert_eq!(told["error"], "answered 503");
    assert!(told["age_ms"].as_u64().unwrap() >= 200, "{told}");
    assert_eq!((seconds(), within()), (None, Some(0.0)));
    let detail = printed(&proxy.ask(&["status", "products"]));
    assert!(
        words(&detail).contains("sync lag unknown: answered 503 (last 1 min 12 s said"),
        "the last is told with its age: {detail}"
    );
    proxy.wait_log("the lag of synchronisation cannot be asked for");
    for told in [proxy.log(), text(), proxy.status().to_string()] {
        assert!(!told.contains("4f1d7c0a9b3e5d2c"), "a secret of the address: {told}");
    }
}

#[test]
fn a_guardrail_that_cannot_decide_is_warned_of_by_status_and_by_check_alike() {
    let (legacy, products) = (Origin::start("legacy"), Origin::start("products"));
    let slice = "phase = \"canary\"\ncanary = \"50%\"\nsync = \"stateless\"\ncohort_by = \"header:x-client\"\n\
                 guardrails = { window = \"1s\", min_requests = 1000000 }";
    let house = house(&legacy, &products.url(), slice);
    let proxy = house.serve();
    let admin = format!("http://{}", proxy.admin);
    let check =
        |more: &[&str]| house.command(&[&["check", "strangler.toml", "--admin", &admin], more].concat());
    let warning = |part: &str| {
        wait_for(&format!("the warning: {part}"), || {
            let status = proxy.status();
            let told = status["slices"][0]["guardrails"][0]["warning"].as_str()?.to_owned();
            told.contains(part).then_some((told, status))
        })
    };
    // Nobody comes: nothing says that clients have no key.
    warning("0 reads of keyed clients in 1 s, it needs 1000000");

    for _ in 0..10 {
        assert_eq!(get(proxy.public, "/products/1").origin(), "legacy", "a client without a key");
    }
    let (told, status) = warning("no read came with a cohort key in 1 s, among");
    let lint = &status["lints"][0];
    assert_eq!(
        (lint["kind"].as_str(), lint["sentence"].as_str()),
        (Some("guardrail-undecided"), Some(&*told))
    );
    assert_eq!(proxy.admin_get("/api/slices/products").json()["lints"][0]["sentence"], *told);
    for shown in [printed(&proxy.ask(&["status"])), printed(&proxy.ask(&["status", "products"]))] {
        assert_eq!(words(&shown).matches(&words(&told)).count(), 1, "once, beside the guardrail: {shown}");
        assert!(words(&shown).contains("name something in `cohort_by` that clients send"), "{shown}");
    }
    let checked = check(&[]);
    assert_eq!(checked.status.code(), Some(0), "{}", printed(&checked));
    let line = house.read().lines().position(|line| line == "[slices.products]").unwrap() + 1;
    let wanted = format!("warning[guardrail-undecided] strangler.toml:{line}:");
    assert!(printed(&checked).contains(&wanted), "{wanted} is missing:\n{}", printed(&checked));
    assert!(printed(&checked).contains(&told), "the same words:\n{}", printed(&checked));
    assert_eq!(check(&["--strict"]).status.code(), Some(1));

    let mut client = Client::new(proxy.public);
    wait_for("keyed reads to be told", || {
        for id in 0..20 {
            client.send("GET", "/products/1", &[("x-client", &format!("c{id}"))], b"").unwrap();
        }
        let status = proxy.status();
        let told = status["slices"][0]["guardrails"][0]["warning"].as_str()?;
        (told.contains("reads of keyed clients") && !told.contains(": 0 reads")).then_some(())
    });
    house.edit("min_requests = 1000000", "min_requests = 1");
    proxy.wait_generation(2);
    wait_for("no warning", || {
        for id in 0..20 {
            client.send("GET", "/products/1", &[("x-client", &format!("c{id}"))], b"").unwrap();
        }
        let guardrail = proxy.status()["slices"][0]["guardrails"][0].clone();
        (guardrail["state"] == "within" && guardrail["warning"].is_null()).then_some(())
    });
    assert_eq!(proxy.status()["lints"], serde_json::json!([]));
    assert_eq!(check(&["--strict"]).status.code(), Some(0));
}

#[test]
fn the_share_that_each_endpoint_is_worth_is_shown() {
    let (legacy, first, second) = (Origin::start("legacy"), Origin::start("one"), Origin::start("two"));
    let house = house(&legacy, "pool", "phase = \"extracted\"\nsync = \"stateless\"");
    let (one, two) = (first.url(), second.url());
    let pool = format!(
        "[upstreams.pool]\nendpoints = [\"{one}\", {{ url = \"{two}\", weight = 3 }}]\n\
         health = {{ path = \"/health\", interval = \"100ms\", unhealthy = 1, healthy = 1 }}\n"
    );
    house.write(&format!("{}{pool}", house.read()));
    let proxy = house.serve();
    let shares = || {
        let status = proxy.status();
        let upstreams = status["upstreams"].as_array().unwrap().clone();
        let pool = upstreams.into_iter().find(|upstream| upstream["name"] == "pool").unwrap();
        let endpoints = pool["endpoints"].as_array().unwrap().clone();
        endpoints.iter().map(|one| one["share"].as_str().unwrap_or("none").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shares(), ["25%", "75%"]);
    let text = printed(&proxy.ask(&["status"]));
    let row = |url: &str| text.lines().find(|line| line.contains(url)).unwrap().to_owned();
    assert!(row(&one).contains(" 25% ") && row(&two).contains(" 75% "), "{text}");
    second.script(Script::Status(500));
    wait_for("the sick one to have none", || (shares() == ["100%", "0%"]).then_some(()));
    first.script(Script::Status(500));
    wait_for("nobody to be asked", || (shares() == ["none", "none"]).then_some(()));
}
