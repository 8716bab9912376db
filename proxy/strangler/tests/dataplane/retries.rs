//! What is sent again, and what never is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::{Origin, Proxy, header, legacy, legacy_with, nobody, poll, status};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";

#[test]
fn a_safe_request_on_a_connection_that_closes_unanswered_is_sent_once_more() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    client.head();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nX-CASE: Kept\r\n\r\n");
    let first = upstream.head();
    drop(upstream);
    let mut second = origin.accept();
    assert_eq!(second.head(), first, "the same request, to the letter");
    second.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&client.head()), 200);

    client.send(GET);
    second.head();
    drop(second);
    let mut third = origin.accept();
    third.head();
    drop(third);
    let head = client.head();
    assert_eq!(status(&head), 502, "once is enough");
    assert_eq!(header(&head, "proxy-status"), Some("strangler; error=connection_terminated"));
}

#[test]
fn an_answer_that_has_begun_is_not_asked_for_again() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    client.head();
    client.send(GET);
    upstream.head();
    upstream.send("HTTP/1.1 2");
    drop(upstream);
    assert_eq!(status(&client.head()), 502);
    assert!(!origin.has_connection());
}

#[test]
fn a_post_reaches_at_most_one_application() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    client.send(POST);
    let mut upstream = origin.accept();
    upstream.message();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    client.head();
    client.send(POST);
    upstream.message();
    drop(upstream);
    assert_eq!(status(&client.head()), 502);
    assert!(!origin.has_connection(), "nothing is sent again");
}

#[test]
fn an_unsafe_request_takes_no_connection_that_the_upstream_has_closed() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    for _ in 0..20 {
        let mut client = proxy.connect();
        client.send(GET);
        let mut upstream = origin.accept();
        upstream.head();
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        client.head();
        drop(upstream);
        client.send(POST);
        let mut fresh = origin.accept();
        fresh.message();
        fresh.send("HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(status(&client.head()), 201);
    }
}

#[test]
fn an_unsafe_request_takes_no_connection_that_was_idle_for_a_second() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    client.head();
    assert!(upstream.is_silent(Duration::from_millis(1050)));
    client.send(POST);
    let mut fresh = origin.accept();
    fresh.message();
    fresh.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&client.head()), 201);
}

#[test]
fn an_idle_connection_is_closed_after_pool_idle_and_earlier_when_the_upstream_says_so() {
    for (keys, hint) in [
        ("pool_idle = \"100ms\"", ""),
        ("", "Keep-Alive: timeout=1\r\n"),
        ("", "Keep-Alive: max=9, timeout=0\r\n"),
    ] {
        let origin = Origin::new();
        let proxy = Proxy::start(legacy_with(&[origin.address()], keys, ""));
        let mut client = proxy.connect();
        client.send(GET);
        let mut upstream = origin.accept();
        upstream.head();
        upstream.send(format!("HTTP/1.1 200 OK\r\n{hint}Content-Length: 0\r\n\r\n"));
        client.head();
        let gone = "strangler_connections{side=\"upstream\"} 0";
        let metrics = || proxy.telemetry.render_prometheus(&proxy.live.pin());
        poll(|| metrics().contains(gone).then_some(()))
            .unwrap_or_else(|| panic!("{keys} {hint}: {}", metrics()));
        upstream.ended();
    }
}

fn counting(origin: Origin) -> (SocketAddr, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let address = origin.serve(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    (address, count)
}

#[test]
fn a_refused_connection_leads_to_another_endpoint_for_safe_and_unsafe_requests() {
    let (address, count) = counting(Origin::new());
    let proxy =
        Proxy::start(legacy_with(&[nobody(), address], "retries = { attempts = 1, budget = \"100%\" }", ""));
    let mut client = proxy.connect();
    for index in 0..40 {
        client.send(if index % 2 == 0 { GET } else { POST });
        assert_eq!(status(&client.head()), 200);
    }
    assert_eq!(count.load(Ordering::Relaxed), 40, "each exactly once");
}

#[test]
fn a_dead_endpoint_beside_a_living_one_costs_no_request() {
    let (address, _) = counting(Origin::new());
    let proxy = Proxy::start(legacy_with(&[nobody(), address], "", ""));
    let mut client = proxy.connect();
    for _ in 0..300 {
        client.send(GET);
        assert_eq!(status(&client.head()), 200);
    }
}

#[test]
fn retries_end_with_their_budget() {
    let keys = "retries = { attempts = 1, budget = \"0%\" }";
    let proxy = Proxy::start(legacy_with(&[nobody(), nobody()], keys, ""));
    let mut client = proxy.connect();
    for _ in 0..50 {
        client.send(GET);
        assert_eq!(status(&client.message().0), 502);
    }
    let metrics = proxy.telemetry.render_prometheus(&proxy.live.pin());
    assert!(!metrics.contains("strangler_limits_total{limit=\"retry_budget\"} 0"), "{metrics}");
}

#[test]
fn an_upstream_that_comes_back_is_used_at_once() {
    let address = Origin::new().address();
    let proxy = Proxy::start(legacy(address));
    let mut client = proxy.connect();
    client.send(GET);
    assert_eq!(status(&client.message().0), 502);
    let back = std::net::TcpListener::bind(address).unwrap();
    client.send(GET);
    let (stream, _) = back.accept().unwrap();
    let mut upstream = crate::support::Wire::new(stream);
    upstream.head();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&client.head()), 200);
}
