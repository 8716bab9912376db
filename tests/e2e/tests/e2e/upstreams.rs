//! Services that die, come back, hang, are scaled out and in: who is asked, and what clients notice.

mod names;
mod scaling;

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::client::{Client, get};
use crate::support::origin::{Origin, Script};
use crate::support::proxy::{House, Proxy, SERVER};
use crate::support::service::product_service;
use crate::support::wait_for;

/// Legacy, and a slice whose reads and writes its extracted service answers.
fn moved(legacy: &Origin, endpoints: &[String], keys: &str) -> String {
    format!(
        "version = 1\nlegacy = \"{}\"\n{SERVER}[upstreams.products]\nendpoints = {endpoints:?}\n{keys}\n\
         [slices.products]\nupstream = \"products\"\nphase = \"extracted\"\nwriter = \"extracted\"\n\
         sync = \"stateless\"\nfallback = \"never\"\nroutes = [\"/products/**\"]\n",
        legacy.url()
    )
}

/// One label's value of a metric.
fn metric(proxy: &Proxy, series: &str) -> Option<f64> {
    let text = proxy.admin_get("/metrics").text();
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

fn breaker(proxy: &Proxy) -> Option<f64> {
    metric(proxy, "strangler_breaker_state{upstream=\"products\"}")
}

fn endpoints(proxy: &Proxy, state: &str) -> Option<f64> {
    metric(proxy, &format!("strangler_upstream_endpoints{{upstream=\"products\",state=\"{state}\"}}"))
}

#[test]
fn a_service_that_was_killed_has_its_clients_back_within_two_seconds_of_its_return() {
    let legacy = Origin::start("legacy");
    let house = House::new("");
    let (mut service, address) = product_service(house.folder(), 0);
    house.write(&moved(&legacy, &[format!("http://{address}")], ""));
    let proxy = house.serve();
    let mut client = Client::new(proxy.public);
    assert_eq!(client.get("/products/1").unwrap().status, 200);
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        service.kill();
        wait_for("the breaker to open", || {
            assert!(matches!(client.get("/products/1").unwrap().status, 502 | 503));
            (breaker(&proxy) == Some(2.0)).then_some(())
        });
        let refused = client.get("/products/1").unwrap();
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
        assert_eq!(client.get("/").unwrap().status, 200, "the rest of the site goes on");
        service = product_service(house.folder(), address.port()).0;
        let back = Instant::now();
        wait_for("the service to answer", || {
            (client.get("/products/1").unwrap().status == 200).then_some(())
        });
        fastest = fastest.min(back.elapsed());
        assert_eq!(breaker(&proxy), Some(0.0));
    }
    assert!(fastest <= Duration::from_secs(2), "{fastest:?}");
    proxy.wait_log("breaker opened");
    proxy.wait_log("breaker closed");
    let status = proxy.status();
    let upstreams = status["upstreams"].as_array().unwrap();
    let products = upstreams.iter().find(|upstream| upstream["name"] == "products").unwrap();
    assert_eq!(products["breaker"]["state"], "closed");
    assert!(products["breaker"]["why"].as_str().unwrap().contains("requests failed"), "{products}");
}

#[test]
fn a_service_that_hangs_is_left_alone_until_it_goes_on() {
    let legacy = Origin::start("legacy");
    let house = House::new("");
    let (mut service, address) = product_service(house.folder(), 0);
    let keys = "timeouts = { response = \"100ms\" }\nbreaker = { min_requests = 5, open = \"300ms\" }";
    house.write(&moved(&legacy, &[format!("http://{address}")], keys));
    let proxy = house.serve();
    let mut client = Client::new(proxy.public);
    service.signal(Signal::STOP).unwrap();
    for _ in 0..5 {
        assert_eq!(client.get("/products/1").unwrap().status, 504);
    }
    wait_for("a refusal", || (client.get("/products/1").unwrap().status == 503).then_some(()));
    service.signal(Signal::CONT).unwrap();
    wait_for("the service to answer", || (client.get("/products/1").unwrap().status == 200).then_some(()));
    assert_eq!(breaker(&proxy), Some(0.0));
}

#[test]
fn of_three_processes_the_dead_one_is_left_alone_and_nobody_notices() {
    let legacy = Origin::start("legacy");
    let house = House::new("");
    let mut services: Vec<_> = (0..3).map(|_| product_service(house.folder(), 0)).collect();
    let urls: Vec<String> = services.iter().map(|(_, address)| format!("http://{address}")).collect();
    house.write(&moved(&legacy, &urls, ""));
    let proxy = house.serve();
    let mut clients: Vec<Client> = (0..4).map(|_| Client::new(proxy.public)).collect();
    let mut ask_all = || {
        for client in &mut clients {
            // Idle connections of a process that was killed close without a word: reads may be sent again.
            assert_eq!(client.get("/products/1").unwrap().status, 200);
        }
    };
    (0..50).for_each(|_| ask_all());
    services[1].0.kill();
    wait_for("the dead one to be ejected", || {
        ask_all();
        (endpoints(&proxy, "ejected") == Some(1.0)).then_some(())
    });
    (0..50).for_each(|_| ask_all());
    services[1] = product_service(house.folder(), services[1].1.port());
    wait_for("all three to be asked", || {
        ask_all();
        (endpoints(&proxy, "available") == Some(3.0)).then_some(())
    });
}

#[test]
fn an_endpoint_whose_checks_fail_is_out_and_comes_back() {
    let legacy = Origin::start("legacy");
    let (one, two) = (Origin::start("one"), Origin::start("two"));
    let keys = "health = { path = \"/health\", interval = \"20ms\", timeout = \"5s\", healthy = 2, unhealthy = 2 }\nbreaker = false";
    let house = House::new(&moved(&legacy, &[one.url(), two.url()], keys));
    let proxy = house.serve();
    wait_for("a check", || one.seen().into_iter().find(|seen| seen.target == "/health"));
    assert!(legacy.seen().is_empty(), "nobody is asked whose file does not say so");

    one.script(Script::Status(503));
    wait_for("one to be out", || (endpoints(&proxy, "unhealthy") == Some(1.0)).then_some(()));
    let mut client = Client::new(proxy.public);
    for _ in 0..50 {
        assert_eq!(client.get("/products/1").unwrap().origin(), "two");
    }
    proxy.wait_log("GET /health was answered 503");

    two.script(Script::Status(500));
    wait_for("both to be out", || (endpoints(&proxy, "unhealthy") == Some(2.0)).then_some(()));
    let refused = client.get("/products/1").unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));

    one.script(Script::Answer);
    wait_for("one to be back", || (endpoints(&proxy, "available") == Some(1.0)).then_some(()));
    assert_eq!(client.get("/products/1").unwrap().origin(), "one");
}

#[test]
fn checks_follow_reloads_at_once() {
    let legacy = Origin::start("legacy");
    let service = Origin::start("service");
    let without = moved(&legacy, &[service.url()], "breaker = false");
    let with =
        moved(&legacy, &[service.url()], "breaker = false\nhealth = { interval = \"20ms\", unhealthy = 1 }");
    let house = House::new(&without);
    let proxy = house.serve();
    service.script(Script::Status(500));
    assert_eq!(get(proxy.public, "/products/1").status, 500);
    house.write(&with);
    wait_for("the service to be out", || (get(proxy.public, "/products/1").status == 503).then_some(()));
    house.write(&without);
    wait_for("the service to be asked", || (get(proxy.public, "/products/1").status == 500).then_some(()));
    let asked = service.seen().len();
    assert_eq!(get(proxy.public, "/products/2").status, 500);
    assert_eq!(get(proxy.public, "/products/3").status, 500);
    assert_eq!(service.seen().len(), asked + 2, "nobody else asks any more");
}
