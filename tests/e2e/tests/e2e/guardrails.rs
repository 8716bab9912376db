//! Guardrails: a slice that hurts its clients retreats by itself, and says why.

use crate::support::client::{Answer, Client};
use crate::support::origin::{Origin, Script};
use crate::support::proxy::{House, Proxy, SERVER, printed};
use crate::support::service::product_service;
use crate::support::wait_for;

/// A slice whose clients are told apart by a header, under limits that few reads decide about. How fast two programs
/// of a test answer is no matter here.
fn configuration(legacy: &str, products: &str, keys: &str) -> String {
    format!(
        "version = 1\nlegacy = \"{legacy}\"\n{SERVER}\n[slices.products]\nupstream = \"{products}\"\n\
         cohort_by = \"header:x-client\"\nroutes = [\"/products/**\"]\n{keys}\n\
         guardrails = {{ window = \"60s\", min_requests = 30, latency_p95 = {{ above_legacy = \"100000%\" }} }}\n"
    )
}

const CANARY: &str = "phase = \"canary\"\ncanary = \"50%\"\nsync = \"stateless\"";

/// A read of one client.
fn read(client: &mut Client, id: usize) -> Answer {
    client.send("GET", "/products/1", &[("x-client", &format!("client-{id}"))], b"").unwrap()
}

fn slice(proxy: &Proxy) -> serde_json::Value {
    proxy.admin_get("/api/slices/products").json()
}

fn history(proxy: &Proxy, event: &str) -> Vec<serde_json::Value> {
    let history = proxy.admin_get("/api/history?slice=products").json();
    let all = history["history"].as_array().unwrap().clone();
    all.into_iter().filter(|entry| entry["event"] == event).collect()
}

fn retreats(proxy: &Proxy, cause: &str) -> u64 {
    let series = format!("strangler_retreats_total{{slice=\"products\",cause=\"{cause}\"}} ");
    let text = proxy.admin_get("/metrics").text();
    text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap_or_default()
}

#[test]
fn a_slice_whose_service_was_killed_retreats_by_itself_and_goes_on_when_it_is_told() {
    let legacy = Origin::start("legacy");
    let house = House::new("");
    let (mut service, address) = product_service(house.folder(), 0);
    house.write(&configuration(&legacy.url(), &format!("http://{address}"), CANARY));
    let proxy = house.serve();
    let mut client = Client::new(proxy.public);
    let mut extracted = 0;
    for id in 0..100 {
        let answer = read(&mut client, id);
        assert_eq!(answer.status, 200);
        extracted += usize::from(answer.origin() != "legacy");
    }
    assert!((30..70).contains(&extracted), "{extracted} of 100 at 50 %");
    let begun = client.post("/products/1", b"x").unwrap();
    assert_eq!(begun.origin(), "legacy", "writes stay with the writer");
    service.kill();
    let mut id = 0;
    wait_for("the slice to retreat", || {
        for _ in 0..20 {
            id += 1;
            let answer = read(&mut client, id % 100);
            assert_eq!((answer.status, answer.origin().len() > 5), (200, true), "legacy answers instead");
        }
        (slice(&proxy)["effective_phase"] == "shadow").then_some(())
    });
    assert_eq!(slice(&proxy)["retreat"]["cause"], "guardrail");
    let told = wait_for("the history", || history(&proxy, "retreated").pop());
    assert_eq!((told["who"].as_str(), told["source"].as_str()), (Some("guardrail"), Some("guardrail")));
    let figures = &told["figures"];
    let count = |key: &str, of: &str| figures[key][of].as_u64().unwrap();
    assert!(count("extracted", "failed") > 0 && count("extracted", "reads") >= 30, "{figures}");
    assert_eq!(count("legacy", "failed"), 0, "{figures}");
    assert!(figures["bound"].as_f64().unwrap() >= figures["limit"].as_f64().unwrap(), "{figures}");
    let shown = proxy.ask(&["history", "--slice", "products"]);
    let text = printed(&shown);
    assert!(
        text.contains("of the extracted service's reads failed") || text.contains("reads failed"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(retreats(&proxy, "guardrail"), 1);
    service = product_service(house.folder(), address.port()).0;
    assert_eq!(proxy.ask(&["resume", "products"]).status.code(), Some(0));
    wait_for("the cohort to be answered by the service", || {
        let mut all = (0..100).map(|id| read(&mut client, id));
        all.any(|answer| answer.origin() != "legacy").then_some(())
    });
    // What was seen before is not held against it: as many reads again as decided then, all of them well.
    wait_for("another judgement", || {
        (0..100).for_each(|id| assert_eq!(read(&mut client, id).status, 200));
        let guardrail = slice(&proxy)["guardrails"][0].clone();
        (guardrail["state"] == "within" && guardrail["extracted"]["reads"].as_u64()? >= 200).then_some(())
    });
    assert_eq!(slice(&proxy)["effective_phase"], "canary");
    assert_eq!(retreats(&proxy, "guardrail"), 1);
    drop(service);
}

#[test]
fn what_breaks_both_sides_is_no_reason_to_change_them() {
    let (legacy, products) = (Origin::start("legacy"), Origin::start("products"));
    for origin in [&legacy, &products] {
        origin.script(Script::Status(500));
    }
    let house = House::new(&configuration(&legacy.url(), &products.url(), CANARY));
    let proxy = house.serve();
    let mut client = Client::new(proxy.public);
    wait_for("a judgement", || {
        (0..100).for_each(|id| assert_eq!(read(&mut client, id).status, 500));
        let guardrail = slice(&proxy)["guardrails"][0].clone();
        (guardrail["state"] == "within" && guardrail["extracted"]["failed"].as_u64()? >= 100).then_some(())
    });
    assert_eq!(slice(&proxy)["effective_phase"], "canary");
    assert_eq!(retreats(&proxy, "guardrail"), 0);
}

#[test]
fn a_guardrail_is_armed_while_the_file_is_stale_and_what_it_did_outlives_a_crash() {
    let (legacy, products) = (Origin::start("legacy"), Origin::start("products"));
    let house = House::new(&configuration(&legacy.url(), &products.url(), CANARY));
    let proxy = house.serve();
    house.edit("phase = \"canary\"", "phase = \"canry\"");
    proxy.wait_stale(true);
    products.script(Script::Status(500));
    let mut client = Client::new(proxy.public);
    wait_for("the slice to retreat", || {
        (0..50).for_each(|id| drop(read(&mut client, id)));
        // Told once it is on disk.
        (history(&proxy, "retreated").len() == 1).then_some(())
    });
    proxy.crash();
    let proxy = house.serve();
    assert_eq!(slice(&proxy)["effective_phase"], "shadow");
    assert_eq!(slice(&proxy)["retreat"]["cause"], "guardrail");
}

#[test]
fn a_retreat_that_would_serve_stale_data_is_an_alarm_instead() {
    let (legacy, products) = (Origin::start("legacy"), Origin::start("products"));
    let keys = "phase = \"extracted\"\nwriter = \"extracted\"\nsync = \"to-extracted\"";
    let house = House::new(&configuration(&legacy.url(), &products.url(), keys));
    let proxy = house.serve();
    products.script(Script::Status(500));
    let mut client = Client::new(proxy.public);
    wait_for("the alarm", || {
        (0..50).for_each(|id| assert!(read(&mut client, id).status >= 500));
        (retreats(&proxy, "blocked") == 1).then_some(())
    });
    wait_for("the status to show it", || {
        (slice(&proxy)["guardrails"][0]["state"] == "blocked").then_some(())
    });
    assert_eq!(slice(&proxy)["effective_phase"], "extracted", "nothing moved");
    (0..50).for_each(|id| assert_ne!(read(&mut client, id).origin(), "legacy"));
    let shown = printed(&proxy.ask(&["status"]));
    assert!(shown.starts_with("The guardrail of slice products is broken"), "{shown}");
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("does not reach"), "{shown}");
    proxy.wait_log("guardrail: ");
    let told = wait_for("the history", || {
        let told = history(&proxy, "guardrail-blocked");
        (!told.is_empty()).then_some(told)
    });
    assert_eq!(told.len(), 1, "once in an episode");
    assert!(told[0]["figures"]["extracted"]["failed"].as_u64().unwrap() >= 30, "{}", told[0]);
    assert_eq!((retreats(&proxy, "blocked"), retreats(&proxy, "guardrail")), (1, 0));
}
