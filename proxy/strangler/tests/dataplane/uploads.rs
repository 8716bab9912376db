//! Request bodies on their way to an upstream.

use std::time::Duration;

use crate::support::{Origin, Proxy, header, legacy_with, status};

#[test]
fn a_chunked_upload_stays_chunked_with_its_trailers_and_passes_piece_by_piece() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut upstream = origin.accept();
    let head = upstream.head();
    assert_eq!(
        (header(&head, "transfer-encoding"), header(&head, "trailer")),
        (Some("chunked"), Some("X-Sum"))
    );
    client.send("3\r\nabc\r\n");
    upstream.expect("3\r\nabc\r\n");
    client.send("2;ext=1\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n");
    upstream.expect("2\r\nde\r\n0\r\n");
    assert_eq!(upstream.head().to_ascii_lowercase(), "x-sum: 7\r\n\r\n");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&client.head()), 200);
}

#[test]
fn a_get_with_chunks_is_forwarded_with_chunks() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    let mut upstream = origin.accept();
    assert_eq!(header(&upstream.head(), "transfer-encoding"), Some("chunked"));
    upstream.expect("1\r\nx\r\n0\r\n\r\n");
}

#[test]
fn an_aborted_upload_never_looks_complete() {
    for (head, piece) in [
        ("Content-Length: 10", "abc"),
        ("Transfer-Encoding: chunked", "3\r\nabc\r\n"),
        ("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n"),
    ] {
        let origin = Origin::new();
        let proxy = Proxy::before(&origin);
        let mut client = proxy.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n{piece}"));
        let mut upstream = origin.accept();
        upstream.head();
        upstream.read_until("abc");
        drop(client);
        let (rest, _) = upstream.rest();
        assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
        proxy.counted(499);
    }
}

#[test]
fn a_broken_chunk_ends_the_upload_and_is_a_bad_request() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    for broken in ["zz\r\n", "-1\r\n", "ffffffffffffffff1\r\n", "3\r\nabcX"] {
        let mut client = proxy.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
        let mut upstream = origin.accept();
        upstream.head();
        upstream.expect("1\r\nx\r\n");
        client.send(broken);
        let (rest, _) = upstream.rest();
        assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
        let (answer, _) = client.rest();
        assert_eq!(status(&answer), 400, "{broken:?}");
    }
}

#[test]
fn endless_chunk_extensions_and_trailers_are_cut() {
    let extension = format!("1;{}", "x".repeat(64 * 1024));
    let trailers = format!("0\r\n{}", "X-A: 1\r\n".repeat(40_000));
    for (endless, refused) in [(extension, 400), (trailers, 431)] {
        let origin = Origin::new();
        let proxy = Proxy::before(&origin);
        let mut client = proxy.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut upstream = origin.accept();
        upstream.head();
        client.send(endless);
        assert_eq!(status(&client.head()), refused);
        let (rest, _) = upstream.rest();
        assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
    }
}

#[test]
fn a_body_over_the_limit_is_refused_by_its_length_or_when_it_gets_there() {
    let origin = Origin::new();
    let proxy = Proxy::start(legacy_with(&[origin.address()], "", "[limits]\nbody = \"4B\""));
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    let head = client.head();
    assert_eq!((status(&head), header(&head, "connection")), (413, Some("close")));
    assert!(!origin.has_connection());

    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd");
    let mut upstream = origin.accept();
    assert_eq!(upstream.message().1, b"abcd");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&client.head()), 200);

    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    upstream.head();
    upstream.expect("3\r\nabc\r\n");
    client.send("2\r\nde\r\n");
    assert_eq!(status(&client.head()), 413);
    let (rest, _) = upstream.rest();
    assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
}

#[test]
fn a_body_that_stalls_or_crawls_is_cut() {
    for (limits, pieces) in [("body_timeout = \"200ms\"", 1), ("body_timeout = \"300ms\"", 3)] {
        let origin = Origin::new();
        let proxy = Proxy::start(legacy_with(&[origin.address()], "", &format!("[limits]\n{limits}")));
        let mut client = proxy.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
        let mut upstream = origin.accept();
        upstream.head();
        for _ in 0..pieces {
            client.send("x");
            upstream.expect("x");
        }
        let head = client.head();
        assert_eq!((status(&head), header(&head, "connection")), (408, Some("close")));
        upstream.ended();
    }
}

#[test]
fn a_body_is_not_asked_for_before_the_upstream_wants_it() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    let mut upstream = origin.accept();
    assert_eq!(header(&upstream.head(), "expect"), Some("100-continue"));
    assert!(client.is_silent(Duration::from_millis(100)));
    upstream.send("HTTP/1.1 100 Continue\r\n\r\n");
    client.expect("HTTP/1.1 100 Continue\r\n\r\n").send("abc");
    upstream.expect("abc").send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&client.head()), 200);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.head();
}

#[test]
fn an_upstream_that_knows_no_100_gets_the_body_after_a_moment() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy
        .asks(&origin, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    client.expect("HTTP/1.1 100 Continue\r\n\r\n").send("abc");
    upstream.expect("abc");
}

#[test]
fn an_early_final_answer_is_relayed_and_the_body_never_asked_for() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy
        .asks(&origin, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    upstream.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno");
    let (head, body) = client.message();
    assert_eq!((status(&head), &body[..]), (417, &b"no"[..]));
    assert_eq!(header(&head, "connection"), Some("close"));
    client.ended();
    upstream.ended();
}

#[test]
fn an_early_answer_during_an_upload_is_read_by_a_client_that_still_sends() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) =
        proxy.asks(&origin, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    upstream.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    for _ in 0..10 {
        client.send("x".repeat(10_000));
    }
    let (head, body) = client.message();
    assert_eq!((status(&head), &body[..]), (403, &b"no"[..]));
}

#[test]
fn a_client_that_leaves_cancels_the_upstream_request_at_once() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (client, mut upstream) = proxy.asks(&origin, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    drop(client);
    upstream.ended();
    proxy.counted(499);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_an_answer_is_noticed() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    client.head();
    client.expect("1\r\nx\r\n");
    drop(client);
    upstream.ended();
    proxy.counted(499);
}

#[test]
fn a_slow_reader_holds_the_upstream_back() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    client.head();
    upstream.stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let mut idle = 0;
    let piece = vec![b'x'; 64 * 1024];
    while idle < 200_000 {
        match std::io::Write::write(&mut upstream.stream, &piece) {
            Ok(count) => {
                sent += count;
                idle = 0;
            }
            Err(_full) => {
                idle += 1;
                std::thread::yield_now();
            }
        }
        assert!(sent < 100_000_000, "a client that reads nothing does not make the proxy take everything");
    }
}
