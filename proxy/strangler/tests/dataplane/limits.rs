//! What is too much, too slow, or too many.

use std::time::{Duration, Instant};

use crate::support::{Origin, Proxy, header, legacy_with, poll, status};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn limited(origin: &Origin, upstream: &str, limits: &str) -> Proxy {
    Proxy::start(legacy_with(&[origin.address()], upstream, &format!("[limits]\n{limits}")))
}

#[test]
fn a_head_that_dribbles_is_answered_408() {
    let origin = Origin::new();
    let proxy = limited(&origin, "", "header_timeout = \"300ms\"");
    let mut client = proxy.connect();
    let began = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    assert!(client.is_silent(Duration::from_millis(150)));
    client.send("X-Slow: 1\r\n");
    let (answer, _) = client.rest();
    assert_eq!(status(&answer), 408);
    assert!(began.elapsed() < Duration::from_secs(3), "each byte does not buy more time");
}

#[test]
fn a_second_head_that_dribbles_is_answered_408_too() {
    let origin = Origin::new();
    let proxy = limited(&origin, "", "header_timeout = \"300ms\"");
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    upstream.send("HTTP/1.1 204 No Content\r\n\r\n");
    client.head();
    client.send("GET");
    let (answer, _) = client.rest();
    assert_eq!(status(&answer), 408);
}

#[test]
fn a_connection_without_a_request_is_closed_in_silence() {
    let origin = Origin::new();
    let proxy = limited(&origin, "", "header_timeout = \"100ms\"\nidle_timeout = \"200ms\"");
    proxy.connect().ended();
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    assert!(client.is_silent(Duration::from_millis(400)), "a request in flight is not idle");
    upstream.send("HTTP/1.1 204 No Content\r\n\r\n");
    client.head();
    client.ended();
}

#[test]
fn an_upstream_that_does_not_answer_is_a_gateway_timeout() {
    let origin = Origin::new();
    let proxy = limited(&origin, "timeouts = { response = \"200ms\" }", "");
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    let (head, _) = client.message();
    assert_eq!(status(&head), 504);
    assert_eq!(header(&head, "proxy-status"), Some("strangler; error=http_response_timeout"));
    upstream.ended();
    client.send(GET);
    let mut upstream = origin.accept();
    upstream.head();
    upstream.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(status(&client.head()), 204, "the client's connection stays");
}

#[test]
fn an_answer_that_stalls_breaks_off() {
    let origin = Origin::new();
    let proxy = limited(&origin, "timeouts = { idle = \"200ms\" }", "");
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    let (all, _) = client.rest();
    assert!(all.ends_with("1\r\nx\r\n"), "{all}");
    upstream.ended();
}

#[test]
fn requests_above_max_in_flight_are_told_to_come_back() {
    let origin = Origin::new();
    let proxy = limited(&origin, "max_in_flight = 1", "");
    let (mut first, mut upstream) = proxy.asks(&origin, GET);
    let mut second = proxy.connect();
    second.send(GET);
    let (head, _) = second.message();
    assert_eq!((status(&head), header(&head, "retry-after")), (503, Some("1")));
    assert_eq!(header(&head, "proxy-status"), Some("strangler; error=connection_limit_reached"));
    upstream.send("HTTP/1.1 204 No Content\r\n\r\n");
    first.head();
    second.send(GET);
    upstream.head();
}

#[test]
fn requests_wait_for_a_connection_under_max_connections() {
    let origin = Origin::new();
    let proxy = limited(&origin, "max_connections = 1\ntimeouts = { connect = \"5s\" }", "");
    let (mut first, mut upstream) = proxy.asks(&origin, GET);
    let mut second = proxy.connect();
    second.send(GET);
    assert!(second.is_silent(Duration::from_millis(100)));
    assert!(!origin.has_connection());
    upstream.send("HTTP/1.1 204 No Content\r\n\r\n");
    first.head();
    let mut upstream = origin.accept();
    upstream.head();
    upstream.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(status(&second.head()), 204);
}

#[test]
fn a_connection_that_is_idle_on_one_thread_makes_room_for_another() {
    let address = Origin::new().serve(|_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
    let proxy = Proxy::start_with(legacy_with(&[address], "max_connections = 1", ""), 4);
    for _ in 0..30 {
        let mut client = proxy.connect();
        client.send(GET);
        assert_eq!(status(&client.head()), 200);
    }
}

#[test]
fn no_connection_in_time_under_max_connections_is_a_503() {
    let origin = Origin::new();
    let proxy = limited(&origin, "max_connections = 1\ntimeouts = { connect = \"100ms\" }", "");
    let (_first, _upstream) = proxy.asks(&origin, GET);
    let mut second = proxy.connect();
    second.send(GET);
    let (head, _) = second.message();
    assert_eq!((status(&head), header(&head, "retry-after")), (503, Some("1")));
}

#[test]
fn accepting_pauses_above_the_limit_of_connections() {
    let origin = Origin::new();
    let proxy = limited(&origin, "", "connections = 1");
    let mut first = proxy.connect();
    first.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    first.head();
    let mut second = proxy.connect();
    second.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(second.is_silent(Duration::from_millis(100)));
    drop(first);
    assert_eq!(status(&second.head()), 200);
}

#[test]
fn every_place_can_be_taken_whichever_thread_a_connection_comes_to() {
    let origin = Origin::new();
    let snapshot = legacy_with(&[origin.address()], "", "[limits]\nconnections = 3");
    let proxy = Proxy::start_with(snapshot, 4);
    for _ in 0..10 {
        let mut clients: Vec<_> = (0..3).map(|_| proxy.connect()).collect();
        for client in &mut clients {
            client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(status(&client.head()), 200);
        }
    }
}

#[test]
fn counts_and_gauges_follow_connections() {
    let origin = Origin::new();
    let proxy = limited(&origin, "", "");
    let metric = |line: &str| {
        poll(|| {
            proxy
                .telemetry
                .render_prometheus(&proxy.live.pin())
                .lines()
                .find(|found| *found == line)
                .map(drop)
        })
        .unwrap_or_else(|| panic!("no {line}"));
    };
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    metric("strangler_connections{side=\"client\"} 1");
    metric("strangler_connections{side=\"upstream\"} 1");
    upstream.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    client.head();
    drop(client);
    metric("strangler_connections{side=\"client\"} 0");
    metric("strangler_connections{side=\"upstream\"} 0");
    metric(
        "strangler_requests_total{slice=\"\",route=\"\",owner=\"legacy\",role=\"primary\",code=\"204\"} 1",
    );
}
