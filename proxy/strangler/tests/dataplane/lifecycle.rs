//! Reloads, drains, the access log.

use std::time::Duration;

use strangler_core::snapshot::AccessLog;

use crate::support::{Origin, Proxy, Wire, extracted, header, legacy, poll, status};

const GET: &str = "GET /products HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_reload_changes_who_answers_and_disturbs_nothing_in_flight() {
    let (old, new) = (Origin::new(), Origin::new());
    let proxy = Proxy::before(&old);
    let mut client = proxy.connect();
    client.send(GET);
    let mut monolith = old.accept();
    monolith.head();
    proxy.reload(extracted(old.address(), new.address(), "routes = [\"/products\"]\nwriter = \"extracted\""));
    monolith.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold");
    assert_eq!(client.message().1, b"old");
    client.send(GET);
    let mut service = new.accept();
    service.head();
    service.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew");
    assert_eq!(client.message().1, b"new");
    proxy.reload(legacy(old.address()));
    client.send(GET);
    monolith.head();
    monolith.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold");
    assert_eq!(client.message().1, b"old", "the monolith's connection was kept through both reloads");
}

#[test]
fn a_drain_finishes_what_is_in_flight_and_closes_what_is_idle() {
    let origin = Origin::new();
    let mut proxy = Proxy::before(&origin);
    let mut idle = proxy.connect();
    idle.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    idle.head();
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    let drain = proxy.drain(Duration::from_secs(20));
    idle.ended();
    poll(|| std::net::TcpStream::connect(proxy.address).is_err().then_some(())).expect("no more connections");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let (head, body) = client.message();
    assert_eq!((status(&head), header(&head, "connection")), (200, Some("close")));
    assert_eq!(body, b"ok");
    client.ended();
    assert_eq!(drain.join().unwrap(), 0);
}

#[test]
fn a_drain_cuts_what_does_not_finish_within_its_grace() {
    let origin = Origin::new();
    let mut proxy = Proxy::start_with(legacy(origin.address()), 2);
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    assert_eq!(proxy.drain(Duration::from_millis(100)).join().unwrap(), 1);
    client.ended();
    upstream.ended();
}

#[test]
fn every_thread_takes_its_share_of_connections() {
    let address = Origin::new().serve(|_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
    let proxy = Proxy::start_with(legacy(address), 3);
    let mut clients: Vec<Wire> = (0..60).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        client.send(GET);
        assert_eq!(status(&client.head()), 200);
    }
}

#[test]
fn a_request_leaves_one_line_in_the_access_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let origin = Origin::new();
    let service = Origin::new();
    let proxy = Proxy::start(extracted(
        origin.address(),
        service.address(),
        "routes = [\"GET /products\"]\nwriter = \"extracted\"",
    ));
    proxy.telemetry.access_log.configure(&AccessLog::File(path.clone())).unwrap();
    let mut client = proxy.connect();
    client.send("GET /products?token=secret HTTP/1.1\r\nHost: a\r\nX-Request-Id: r1\r\n\r\n");
    let mut upstream = service.accept();
    upstream.head();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    client.message();
    let line = poll(|| std::fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'))).unwrap();
    assert!(!line.contains("secret"), "{line}");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let expected = serde_json::json!({
        "request_id": "r1", "client": "127.0.0.1", "method": "GET", "host": "a", "path": "/products",
        "status": 200, "route": "GET /products", "slice": "products", "phase": "extracted", "owner": "extracted",
        "effect": "read", "generation": 1, "endpoint": service.address().to_string(), "bytes_in": 0,
        "bytes_out": 5, "retries": 0,
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(line.get(key), Some(value), "{key} of {line}");
    }
}
