//! Who is left alone, for how long, and what says nothing about an upstream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::Duration;

use strangler_core::upstreams::{BreakerPosition, State};

use crate::support::{Origin, Proxy, Wire, compiled, extracted, header, legacy_with, nobody, poll, status};

const GET: &str = "GET /products/1 HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /products/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";

/// A service that answers what it is told to.
struct Service {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    asked: Arc<AtomicU32>,
}

impl Service {
    fn new(status: u16) -> Service {
        let (status, asked) = (Arc::new(AtomicU16::new(status)), Arc::new(AtomicU32::new(0)));
        let (says, counts) = (Arc::clone(&status), Arc::clone(&asked));
        let address = Origin::new().serve(move |_, _| {
            counts.fetch_add(1, Ordering::Relaxed);
            format!("HTTP/1.1 {} Said\r\nContent-Length: 0\r\n\r\n", says.load(Ordering::Relaxed))
                .into_bytes()
        });
        Service { address, status, asked }
    }

    fn says(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// One extracted service behind a named upstream with these keys, and no fallback.
fn moved(addresses: &[SocketAddr], keys: &str) -> strangler_core::snapshot::Snapshot {
    let endpoints: Vec<String> = addresses.iter().map(|address| format!("http://{address}")).collect();
    compiled(&format!(
        "legacy = \"http://127.0.0.1:1\"\n[upstreams.products]\nendpoints = {endpoints:?}\n{keys}\n\
         [slices.products]\nupstream = \"products\"\nphase = \"extracted\"\nsync = \"stateless\"\n\
         writer = \"extracted\"\nfallback = \"never\"\nroutes = [\"/products/**\"]\n"
    ))
}

/// Asks once, on a connection that stays.
fn ask(client: &mut Wire, request: &str) -> (u16, String) {
    client.send(request);
    let (head, _) = client.message();
    (status(&head), head)
}

fn position(proxy: &Proxy, name: &str) -> BreakerPosition {
    let running = proxy.live.pin();
    let upstream = running.upstreams.iter().find(|upstream| upstream.name == name).unwrap();
    upstream.breaker().unwrap().position
}

fn states(proxy: &Proxy, name: &str) -> Vec<State> {
    let running = proxy.live.pin();
    let upstream = running.upstreams.iter().find(|upstream| upstream.name == name).unwrap();
    upstream.members().all.iter().map(|member| member.state).collect()
}

fn metrics(proxy: &Proxy) -> String {
    proxy.telemetry.render_prometheus(&proxy.live.pin())
}

#[test]
fn a_breaker_opens_on_failures_and_closes_on_the_first_answer() {
    let service = Service::new(500);
    let proxy = Proxy::start(moved(&[service.address], "breaker = { min_requests = 6, open = \"300ms\" }"));
    let mut client = proxy.connect();
    for at in 0..6 {
        assert_eq!(ask(&mut client, if at % 2 == 0 { GET } else { POST }).0, 500, "its own answers pass");
    }
    let (code, head) = ask(&mut client, GET);
    assert_eq!((code, header(&head, "retry-after")), (503, Some("1")));
    assert_eq!(header(&head, "proxy-status"), Some("strangler; error=destination_unavailable"));
    assert_eq!(service.asked(), 6, "it is left alone");
    assert!(metrics(&proxy).contains("strangler_breaker_state{upstream=\"products\"} 2"));

    service.says(200);
    poll(|| (ask(&mut client, GET).0 == 200).then_some(())).expect("it recovers");
    assert_eq!(position(&proxy, "products"), BreakerPosition::Closed);
    assert_eq!(ask(&mut client, POST).0, 200);
    assert!(metrics(&proxy).contains("strangler_breaker_state{upstream=\"products\"} 0"));
}

#[test]
fn an_extracted_service_has_a_breaker_without_saying_so_and_legacy_has_none() {
    let (legacy, service) = (Service::new(503), Service::new(503));
    let proxy = Proxy::start(extracted(
        legacy.address,
        service.address,
        "routes = [\"/products/**\"]\nfallback = \"never\"",
    ));
    let mut client = proxy.connect();
    let mine: Vec<Option<String>> =
        (0..30).map(|_| header(&ask(&mut client, GET).1, "proxy-status").map(str::to_owned)).collect();
    assert!(mine[..20].iter().all(Option::is_none), "{mine:?}");
    assert!(mine[20..].iter().all(Option::is_some), "{mine:?}");
    for _ in 0..50 {
        let (_, head) = ask(&mut client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(header(&head, "proxy-status"), None);
    }
    assert_eq!((legacy.asked(), service.asked()), (50, 20));
    assert!(!metrics(&proxy).contains("strangler_breaker_state{upstream=\"http://127.0.0.1:1\"}"));
}

#[test]
fn one_probe_at_a_time_finds_out_and_the_others_do_not_wait() {
    let origin = Origin::new();
    let proxy = Proxy::start(moved(&[origin.address()], "breaker = { min_requests = 1, open = \"700ms\" }"));
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    upstream.send("HTTP/1.1 500 Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.head();
    drop(upstream);
    // Whoever is not answered at once is the probe.
    let (mut probing, mut upstream) = poll(|| {
        let mut client = proxy.connect();
        client.send(POST);
        let upstream = origin.accept_unless(|| client.has_answer())?;
        Some((client, upstream))
    })
    .expect("a probe");
    assert_eq!(position(&proxy, "products"), BreakerPosition::HalfOpen);
    for _ in 0..5 {
        assert_eq!(ask(&mut proxy.connect(), GET).0, 503, "only one probe is under way");
    }
    upstream.message();
    upstream.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&probing.head()), 201);
    assert_eq!(position(&proxy, "products"), BreakerPosition::Closed);
}

#[test]
fn answers_that_break_off_open_a_breaker() {
    let origin = Origin::new();
    let proxy = Proxy::start(moved(&[origin.address()], "breaker = { min_requests = 3, open = \"1m\" }"));
    for _ in 0..3 {
        let (mut client, mut upstream) = proxy.asks(&origin, GET);
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort");
        drop(upstream);
        client.rest();
    }
    assert_eq!(ask(&mut proxy.connect(), GET).0, 503);
    assert_eq!(position(&proxy, "products"), BreakerPosition::Open);
}

#[test]
fn what_clients_do_opens_no_breaker() {
    let origin = Origin::new();
    let proxy = Proxy::start(moved(&[origin.address()], "breaker = { min_requests = 1, open = \"1m\" }"));
    for answer in ["404 No", "429 Slowly", "501 What", "505 Which"] {
        let (mut client, mut upstream) = proxy.asks(&origin, GET);
        upstream.send(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        client.head();
    }
    for request in [GET, POST, "POST /products/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"] {
        let (client, mut upstream) = proxy.asks(&origin, request);
        drop(client);
        // The cut is what the origin sees of a client that left.
        upstream.rest();
    }
    assert_eq!(position(&proxy, "products"), BreakerPosition::Closed);
}

#[test]
fn refused_connections_and_time_outs_open_a_breaker() {
    let nobody = nobody();
    let silent = Origin::new();
    for (address, code) in [(nobody, 502), (silent.address(), 504)] {
        let keys = "breaker = { min_requests = 3, open = \"1m\" }\ntimeouts = { response = \"50ms\" }\nretries = { attempts = 0 }";
        let proxy = Proxy::start(moved(&[address], keys));
        let mut client = proxy.connect();
        for _ in 0..3 {
            assert_eq!(ask(&mut client, GET).0, code);
        }
        assert_eq!(ask(&mut client, GET).0, 503);
    }
}

#[test]
fn of_three_endpoints_the_failing_one_is_ejected_and_returns_when_it_is_well() {
    let services = [Service::new(200), Service::new(200), Service::new(503)];
    let addresses = services.each_ref().map(|service| service.address);
    let proxy = Proxy::start(legacy_with(&addresses, "", ""));
    let mut client = proxy.connect();
    let mut failed = 0;
    for _ in 0..200 {
        failed += u32::from(ask(&mut client, GET).0 == 503);
    }
    assert!((5..=7).contains(&failed), "{failed} of 200 failed");
    assert_eq!(states(&proxy, "monolith"), [State::Available, State::Available, State::Ejected]);
    assert!(
        metrics(&proxy).contains("strangler_upstream_endpoints{upstream=\"monolith\",state=\"ejected\"} 1")
    );
    services[2].says(200);
    let before = services[2].asked();
    poll(|| {
        assert_eq!(ask(&mut client, GET).0, 200);
        (services[2].asked() > before + 10).then_some(())
    })
    .expect("it is asked again");
    assert_eq!(states(&proxy, "monolith"), [State::Available; 3]);
}

#[test]
fn where_all_endpoints_fail_half_of_them_at_most_are_ejected() {
    for (count, ejected) in [(1, 0), (2, 1), (3, 1), (4, 2)] {
        let services: Vec<Service> = (0..count).map(|_| Service::new(500)).collect();
        let addresses: Vec<SocketAddr> = services.iter().map(|service| service.address).collect();
        let proxy = Proxy::start(legacy_with(&addresses, "", ""));
        let mut client = proxy.connect();
        for _ in 0..100 {
            assert_eq!(ask(&mut client, GET).0, 500, "somebody is asked");
        }
        let found = states(&proxy, "monolith").iter().filter(|state| **state == State::Ejected).count();
        assert_eq!(found, ejected, "of {count}");
    }
}

#[test]
fn an_ejected_endpoint_is_asked_where_the_others_are_gone_and_serves_at_once() {
    let service = Service::new(500);
    let nobody = nobody();
    let proxy = Proxy::start(legacy_with(&[service.address, nobody], "", ""));
    let mut client = proxy.connect();
    while states(&proxy, "monolith")[0] != State::Ejected {
        ask(&mut client, GET);
    }
    service.says(200);
    assert_eq!(ask(&mut client, POST).0, 200);
    assert_eq!(states(&proxy, "monolith")[0], State::Available);
}

#[test]
fn a_reload_keeps_what_is_known_of_endpoints_and_breakers_that_stay() {
    let (bad, good) = (Service::new(500), Service::new(200));
    let keys = "breaker = { min_requests = 20, error_rate = \"100%\" }";
    let proxy = Proxy::start(moved(&[bad.address, good.address], keys));
    let mut client = proxy.connect();
    while states(&proxy, "products")[0] != State::Ejected {
        ask(&mut client, GET);
    }
    let other = Service::new(200);
    proxy.reload(moved(&[other.address, bad.address, good.address], keys));
    assert_eq!(states(&proxy, "products"), [State::Available, State::Ejected, State::Available]);
    assert_eq!(ask(&mut client, GET).0, 200);

    let keys = "breaker = { min_requests = 2, open = \"1m\" }";
    let proxy = Proxy::start(moved(&[bad.address], keys));
    let mut client = proxy.connect();
    (0..2).for_each(|_| drop(ask(&mut client, GET)));
    for (addresses, code) in [(vec![bad.address, good.address], 503), (vec![good.address], 503)] {
        proxy.reload(moved(&addresses, keys));
        assert_eq!(ask(&mut client, GET).0, code, "{addresses:?}");
    }
    proxy.reload(moved(&[other.address], keys));
    assert_eq!(ask(&mut client, GET).0, 200, "another service has a breaker of its own");
}

#[test]
fn max_in_flight_counts_over_all_threads() {
    let origin = Origin::new();
    let proxy = Proxy::start_with(legacy_with(&[origin.address()], "max_in_flight = 8", ""), 4);
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut client = proxy.connect();
        client.send(GET);
        held.push((client, origin.accept()));
    }
    for _ in 0..16 {
        assert_eq!(ask(&mut proxy.connect(), GET).0, 503);
    }
    held.clear();
    let upstream = &proxy.live.pin().upstreams[0];
    poll(|| (upstream.in_flight() == 0).then_some(())).expect("every place is given back");
}

#[test]
fn connections_to_an_endpoint_that_is_gone_are_closed_and_requests_there_finish() {
    let (leaving, staying) = (Origin::new(), Service::new(200));
    let keys = "pool_idle = \"1h\"";
    let proxy = Proxy::start(legacy_with(&[leaving.address()], keys, ""));
    let (mut first, mut idle) = proxy.asks(&leaving, GET);
    let (mut second, mut busy) = proxy.asks(&leaving, GET);
    idle.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    first.head();
    proxy.reload(legacy_with(&[staying.address], keys, ""));
    idle.ended();
    busy.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(status(&second.head()), 200);
    second.expect("ok");
    busy.ended();
    assert_eq!(ask(&mut first, GET).0, 200);
    assert_eq!(staying.asked(), 1);
}

#[test]
fn a_retry_budget_holds_over_all_threads() {
    let (nobody, other) = (nobody(), nobody());
    let keys = "retries = { attempts = 1, budget = \"0%\" }";
    let proxy = Proxy::start_with(legacy_with(&[nobody, other], keys, ""), 4);
    for _ in 0..60 {
        let mut client = proxy.connect();
        client.stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(ask(&mut client, GET).0, 502);
    }
    let text = metrics(&proxy);
    let refused: u32 = text
        .lines()
        .find_map(|line| line.strip_prefix("strangler_limits_total{limit=\"retry_budget\"} "))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(refused, 50, "ten retries were allowed, on whatever thread");
}
