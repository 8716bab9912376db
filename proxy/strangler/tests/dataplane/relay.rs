//! Requests and answers pass as they came.

use std::time::Duration;

use crate::support::{Origin, Proxy, header, lines, status};

#[test]
fn a_request_and_its_answer_pass_and_both_connections_are_kept() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    client.send("GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    let mut upstream = origin.accept();
    let head = upstream.head();
    assert!(head.starts_with("GET /a HTTP/1.1\r\nHost: shop.example\r\n"), "{head}");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: x\r\n\r\nhello");
    assert_eq!(client.head(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: x\r\n\r\n");
    client.expect("hello");

    client.send("POST /b HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\n\r\nabc");
    let (head, body) = upstream.message();
    assert_eq!((header(&head, "content-length"), &body[..]), (Some("3"), &b"abc"[..]));
    upstream.send("HTTP/1.1 201 Made Up\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 201 Made Up\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn header_case_order_and_repetitions_stay_in_both_directions() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    client.send(
        "GET / HTTP/1.1\r\nHoSt: a\r\nX-ONE: 1\r\nConnection: x-drop\r\nx-Two: 2\r\nX-Drop: 1\r\n\
         X-tHree:  3 \r\nx-two: 2b\r\nX-Empty:\r\nCookie: a=1\r\n\r\n",
    );
    let mut upstream = origin.accept();
    let head = upstream.head();
    assert_eq!(
        lines(&head)[..7],
        ["HoSt: a", "X-ONE: 1", "x-Two: 2", "X-tHree: 3", "x-two: 2b", "X-Empty:", "Cookie: a=1"]
    );
    upstream.send(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nConnection: keep-alive\r\nServer: Old/1\r\nset-cookie: b=2\r\n\
         ETag: W/\"x\"\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\nX-Last: 1\r\n\r\n",
    );
    assert_eq!(
        lines(&client.head()),
        [
            "Set-Cookie: a=1",
            "Server: Old/1",
            "set-cookie: b=2",
            "ETag: W/\"x\"",
            "Content-Length: 0",
            "X-Last: 1"
        ]
    );
}

#[test]
fn an_event_stream_is_passed_on_piece_by_piece() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    assert_eq!(status(&client.head()), 200);
    for _ in 0..3 {
        upstream.send("data: x\n\n");
        client.expect("9\r\ndata: x\n\n\r\n");
    }
    drop(upstream);
    client.expect("0\r\n\r\n");
    assert!(client.is_silent(Duration::from_millis(20)), "the client's connection stays");
}
