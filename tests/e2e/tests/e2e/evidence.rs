//! From live traffic to a verdict: what a report says of copies that were really sent, and what a kill leaves of it.

use std::process::Output;
use std::time::{Duration, Instant};

use crate::replay::side::{Side, product};
use crate::support::client::Client;
use crate::support::proxy::{House, Proxy, SERVER, printed};
use crate::support::wait_for;

/// A monolith with a slice of it in shadow, and more lines for that slice.
fn house(legacy: &Side, extracted: &Side, more: &str) -> House {
    House::new(&format!(
        "version = 1\nlegacy = {:?}\n{SERVER}\n[slices.products]\nupstream = {:?}\nphase = \"shadow\"\n\
         sync = \"stateless\"\nroutes = [\"GET /products/{{id}}\"]\n{more}\n",
        legacy.url(),
        extracted.url()
    ))
}

/// Requests that the evidence has in some account.
fn ended(proxy: &Proxy) -> u64 {
    let report = proxy.admin_get("/api/report").json();
    report["slices"][0]["accounts"]["eligible"].as_u64().unwrap()
}

/// Copies that have ended, as the metrics tell before anything is kept.
fn copied(proxy: &Proxy) -> u64 {
    let metrics = proxy.admin_get("/metrics").text();
    let lines = metrics.lines().filter(|line| line.starts_with("strangler_shadow_total{"));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Sends so many requests and waits until all of them are in an account.
fn send(proxy: &Proxy, count: u64) {
    let before = ended(proxy);
    let mut client = Client::new(proxy.public);
    for number in 1..=count {
        assert_eq!(client.get(&format!("/products/{number}")).unwrap().status, 200);
        wait_for("the copy's account", || (ended(proxy) == before + number).then_some(()));
    }
}

#[track_caller]
fn exits(output: &Output, code: i32, part: &str) {
    let told = printed(output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(code), "{}", printed(output));
    assert!(told.contains(part), "`{part}` is not in: {}", printed(output));
}

/// Matches where the price is legacy's.
fn priced(price: &'static str) -> Side {
    Side::start(move |seen, _| (200, product(&seen.target, price)))
}

#[test]
fn a_report_of_live_traffic_ends_in_each_code() {
    let legacy = Side::good();
    let (same, other) = (priced("19.90"), priced("19.91"));
    let accept =
        "[[slices.products.compare.accept]]\nsignature = \"3f9c21ab\"\nwhy = \"x\"\nuntil = 2020-02-01";
    let lax = "gate = false";
    let expired = format!("{lax}\n{accept}");
    for (extracted, more, requests, arguments, code, part) in [
        (&same, lax, 3, &[][..], 0, "no difference counts in 3 comparisons"),
        (&other, lax, 3, &[], 1, "1 problem in 3 of 3 comparisons"),
        (&same, lax, 3, &["--format", "none"], 2, "invalid value"),
        (&same, lax, 0, &[], 4, "nothing was compared"),
        (&same, "", 3, &[], 4, "more needed"),
        (&same, &expired, 3, &[], 0, "no difference counts"),
        (&same, &expired, 3, &["--strict"], 5, "expired"),
        // Where several hold: 1 before 4 before 5.
        (&other, &expired, 3, &["--strict"], 1, "1 problem in 3 of 3"),
        (&other, "", 3, &[], 1, "1 problem in 3 of 3"),
        (&same, &expired, 0, &["--strict"], 4, "nothing was compared"),
    ] {
        let house = house(&legacy, extracted, more);
        let proxy = house.serve();
        send(&proxy, requests);
        let report = [&["report"], arguments].concat();
        exits(&proxy.ask(&report), code, part);
        let gone = [&report[..], &["--admin", "http://127.0.0.1:1"]].concat();
        let (nobody, part) =
            if code == 2 { (2, "invalid value") } else { (3, "no proxy answers at http://127.0.0.1:1") };
        exits(&house.command(&gone), nobody, part);
    }
}

#[test]
fn what_was_accepted_counts_no_more_at_once_and_again_when_its_time_is_over() {
    let (legacy, extracted) = (Side::good(), priced("19.91"));
    let house = house(&legacy, &extracted, "gate = false");
    let proxy = house.serve();
    send(&proxy, 3);
    exits(&proxy.ask(&["report"]), 1, "match 0, mismatch 3, ignored 0, not-compared 0");
    let report = proxy.admin_get("/api/report").json();
    let signature = report["slices"][0]["problems"][0]["signature"].as_str().unwrap().to_owned();
    let file = house.file();
    let accept = ["accept", &signature, "--why", "SHOP-412", "--until", "2099-01-01", "--config"];
    exits(&proxy.ask(&[&accept[..], &[file.to_str().unwrap()]].concat()), 0, "accepted until 2099-01-01");
    // No wait: the command has waited.
    exits(&proxy.ask(&["report"]), 0, "match 0, mismatch 0, ignored 3, not-compared 0");
    exits(&proxy.ask(&["report", "--strict"]), 0, "ignored 3");
    let generation = proxy.generation();
    house.edit("2099-01-01", "2020-01-01");
    proxy.wait_generation(generation + 1);
    exits(&proxy.ask(&["report"]), 1, "match 0, mismatch 3, ignored 0");
    exits(&proxy.ask(&["report", "--strict"]), 1, "expired");
}

/// When so many were known to have ended.
type Marks = Vec<(u64, Duration)>;

/// Sends one request after another for so long, and says of each when its account was known.
pub(super) fn mark(proxy: &Proxy, length: Duration, mut known: impl FnMut(u64) -> bool) -> (Marks, Duration) {
    let (began, mut marks) = (Instant::now(), Marks::new());
    let mut client = Client::new(proxy.public);
    for number in 1.. {
        assert_eq!(client.get(&format!("/products/{number}")).unwrap().status, 200);
        wait_for("what was sent", || known(number).then_some(()));
        marks.push((number, began.elapsed()));
        if began.elapsed() >= length {
            break;
        }
    }
    (marks, began.elapsed())
}

/// How many were known more than a second before this.
pub(super) fn older_than_a_second(marks: &Marks, at: Duration) -> u64 {
    let old = marks.iter().rev().find(|(_, known)| *known + Duration::from_secs(1) <= at);
    old.expect("it went on for longer than a second").0
}

#[test]
fn a_proxy_that_is_killed_while_it_shadows_loses_nothing_older_than_a_second() {
    let (legacy, extracted) = (Side::good(), priced("19.91"));
    let house = house(&legacy, &extracted, "");
    for killed in 1..=3 {
        let proxy = house.serve();
        let before = ended(&proxy);
        let known = |number| copied(&proxy) == number;
        let (marks, at) = mark(&proxy, Duration::from_millis(1500), known);
        proxy.crash();
        let proxy = house.serve();
        let report = proxy.admin_get("/api/report").json();
        let slice = &report["slices"][0];
        let (accounts, kept) = (&slice["accounts"], slice["accounts"]["compared"].as_u64().unwrap());
        let (older, all) = (before + older_than_a_second(&marks, at), before + marks.len() as u64);
        assert!((older..=all).contains(&kept), "kill {killed}: {kept} kept of {older}, and {all} in all");
        // What is kept fits together: the same count in the account and in the only problem.
        assert_eq!(
            (&accounts["mismatch"], &accounts["not_compared"]),
            (&kept.into(), &0.into()),
            "{slice:#}"
        );
        assert_eq!(slice["problems"][0]["requests"], kept, "{slice:#}");
        assert_eq!(slice["epoch"]["number"], 1, "{slice:#}");
        let lost = proxy.admin_get("/metrics").text();
        assert!(lost.contains("strangler_evidence_lost_total{what=\"rows\"} 0"), "{lost}");
        assert!(!house.data_dir().join("evidence.damaged.sqlite").exists());
    }
}
