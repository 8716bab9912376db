//! Connections that become something else than HTTP.

use std::time::Duration;

use crate::support::{Origin, Proxy, Wire, header, legacy, lines, status};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: x\r\n\r\n";
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: y\r\n\r\n";

fn tunnel(proxy: &Proxy, origin: &Origin) -> (Wire, Wire) {
    let mut client = proxy.connect();
    client.send(UPGRADE);
    let mut upstream = origin.accept();
    let head = upstream.head();
    assert_eq!((header(&head, "connection"), header(&head, "upgrade")), (Some("Upgrade"), Some("websocket")));
    upstream.send(ACCEPTED);
    let head = client.head();
    assert_eq!(status(&head), 101);
    let mut got = lines(&head);
    got.sort_unstable();
    assert_eq!(got, ["Connection: Upgrade", "Sec-WebSocket-Accept: y", "Upgrade: websocket"]);
    (client, upstream)
}

#[test]
fn an_accepted_upgrade_is_a_tunnel_that_survives_reloads_and_half_closes() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = tunnel(&proxy, &origin);
    client.send("ping");
    upstream.expect("ping").send("pong");
    client.expect("pong");
    for _ in 0..3 {
        proxy.reload(legacy(origin.address()));
    }
    client.send("more");
    upstream.expect("more");
    client.finish_sending();
    upstream.ended();
    upstream.send("last words");
    drop(upstream);
    assert_eq!(client.rest(), ("last words".to_owned(), true));
    assert_eq!(proxy.counted(101), "legacy");
}

#[test]
fn bytes_right_behind_the_heads_are_not_lost() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, format!("{UPGRADE}early"));
    upstream.send(format!("{ACCEPTED}hello"));
    client.head();
    client.expect("hello");
    upstream.expect("early");
}

#[test]
fn a_refused_upgrade_is_an_answer_like_any_other() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, UPGRADE);
    upstream.send(
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
    );
    let head = client.head();
    assert_eq!((status(&head), header(&head, "upgrade")), (426, None));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.head();
}

#[test]
fn a_switch_to_something_else_than_was_asked_is_a_bad_gateway() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, UPGRADE);
    upstream.send(ACCEPTED.replace("websocket", "irc"));
    let head = client.head();
    assert_eq!(status(&head), 502);
    assert_eq!(header(&head, "proxy-status"), Some("strangler; error=http_upgrade_failed"));
    upstream.ended();
}

#[test]
fn an_upgrade_to_h2c_is_not_offered() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
    );
    let mut upstream = origin.accept();
    let head = upstream.head();
    for gone in ["upgrade", "connection", "http2-settings"] {
        assert_eq!(header(&head, gone), None, "{gone}");
    }
}

#[test]
fn a_client_that_leaves_its_tunnel_takes_the_upstream_along() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (client, mut upstream) = tunnel(&proxy, &origin);
    drop(client);
    upstream.ended();
}

#[test]
fn a_tunnel_lasts_to_the_end_of_the_grace() {
    let origin = Origin::new();
    let mut proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = tunnel(&proxy, &origin);
    let drain = proxy.drain(Duration::from_millis(300));
    client.send("still");
    upstream.expect("still");
    client.ended();
    upstream.ended();
    assert_eq!(drain.join().unwrap(), 1);
}
