//! Where messages end, in both directions.

use crate::support::{Origin, Proxy, Wire, header, lines, status};

/// One exchange: what the origin answers to `request`, and what the client gets of it. The origin's connection
/// ends after its answer where `ends`.
fn exchange(request: &str, answer: &str, ends: bool) -> (Wire, Option<Wire>) {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (client, mut upstream) = proxy.asks(&origin, request);
    upstream.send(answer);
    // The proxy must outlive what the client reads of it.
    std::mem::forget(proxy);
    (client, (!ends).then_some(upstream))
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_head_answer_keeps_its_length_and_has_no_body() {
    let (mut client, _upstream) = exchange(
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
        false,
    );
    assert_eq!(client.head(), "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
    client.send("GET /no-host HTTP/1.1\r\n\r\n");
    assert_eq!(status(&client.head()), 400, "the next answer follows at once");
}

#[test]
fn a_head_answer_says_what_the_upstream_said_about_its_body() {
    for framing in ["", "Transfer-Encoding: chunked\r\n"] {
        let (mut client, _upstream) = exchange(
            "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
            &format!("HTTP/1.1 200 OK\r\n{framing}\r\n"),
            false,
        );
        assert_eq!(client.head(), format!("HTTP/1.1 200 OK\r\n{framing}\r\n"));
    }
}

#[test]
fn no_content_has_no_framing_and_not_modified_keeps_its_length() {
    let (mut client, _upstream) = exchange(GET, "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", false);
    assert_eq!(client.head(), "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n");
    let (mut client, _upstream) =
        exchange(GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: \"x\"\r\n\r\n", false);
    assert_eq!(client.head(), "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: \"x\"\r\n\r\n");
    client.send("GET /no-host HTTP/1.1\r\n\r\n");
    assert_eq!(status(&client.head()), 400, "nothing of a body is waited for");
}

#[test]
fn a_chunked_answer_stays_chunked_and_keeps_its_trailers() {
    let (mut client, _upstream) = exchange(
        "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
        false,
    );
    let head = client.head();
    assert_eq!(lines(&head), ["Trailer: X-Sum", "Transfer-Encoding: chunked"]);
    client.expect("3\r\nabc\r\n0\r\n");
    assert_eq!(client.head().to_ascii_lowercase(), "x-sum: 1\r\n\r\n");
}

#[test]
fn an_answer_that_ends_with_its_connection_is_chunked_for_a_client_that_knows_it() {
    let (mut client, upstream) = exchange(GET, "HTTP/1.1 200 OK\r\n\r\nabc", true);
    assert!(upstream.is_none());
    assert_eq!(header(&client.head(), "transfer-encoding"), Some("chunked"));
    client.expect("3\r\nabc\r\n0\r\n\r\n");
}

#[test]
fn a_client_of_http_1_0_gets_an_answer_that_ends_with_the_connection() {
    let (mut client, _upstream) = exchange(
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        false,
    );
    let (all, clean) = client.rest();
    let (head, body) = all.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK") && header(head, "transfer-encoding").is_none(), "{head}");
    assert_eq!((body, clean), ("abc", true));
}

#[test]
fn a_client_of_http_1_0_may_keep_its_connection() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    let mut upstream = None;
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let upstream = upstream.get_or_insert_with(|| origin.accept());
        let head = upstream.head();
        assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
        assert_eq!(header(&head, "host"), Some(&*origin.address().to_string()), "1.1 demands a host");
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let (head, body) = client.message();
        assert_eq!(header(&head, "connection"), Some("keep-alive"));
        assert_eq!(body, b"ok");
    }
}

#[test]
fn an_upstream_of_http_1_0_is_understood_and_not_asked_again_on_its_connection() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    for _ in 0..2 {
        client.send(GET);
        let mut upstream = origin.accept();
        upstream.head();
        upstream.send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok");
        let (head, body) = client.message();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert_eq!(body, b"ok");
        upstream.ended();
    }
}

#[test]
fn an_answer_shorter_than_its_framing_never_ends_cleanly() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
    ] {
        let (mut client, _) = exchange(GET, answer, true);
        let (all, _clean) = client.rest();
        let (_, body) = all.split_once("\r\n\r\n").unwrap();
        assert!(!body.contains("0\r\n\r\n") && body.len() < 10, "{answer:?} gave {body:?}");
    }
}

#[test]
fn a_reset_after_an_answer_without_a_length_began_is_no_clean_end() {
    let (mut client, upstream) = exchange(GET, "HTTP/1.1 200 OK\r\n\r\nabc", false);
    client.head();
    client.expect("3\r\nabc\r\n");
    let upstream = upstream.unwrap();
    socket2::SockRef::from(&upstream.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(upstream);
    assert_eq!(client.rest().0, "", "no last chunk");
}

#[test]
fn a_broken_answer_to_http_1_0_resets_the_connection() {
    let (mut client, _) = exchange(
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        true,
    );
    assert!(!client.rest().1, "an end would look like the body's");
}

#[test]
fn answers_that_break_the_rules_are_bad_gateways() {
    for answer in [
        "HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad Name: 1\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let (mut client, upstream) = exchange(GET, answer, false);
        let head = client.head();
        assert_eq!(status(&head), 502, "{answer:?}");
        assert!(header(&head, "proxy-status").unwrap().starts_with("strangler; error=http_"), "{head}");
        upstream.unwrap().ended();
    }
}

#[test]
fn an_oversized_head_from_an_upstream_is_a_bad_gateway() {
    let filler = format!("X-Fill: {}\r\n", "x".repeat(1000)).repeat(200);
    let (mut client, _upstream) = exchange(GET, &format!("HTTP/1.1 200 OK\r\n{filler}"), false);
    assert_eq!(status(&client.head()), 502);
}

#[test]
fn equal_repeated_lengths_are_made_one() {
    let (mut client, _upstream) =
        exchange(GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", false);
    let head = client.head();
    assert_eq!(lines(&head), ["Content-Length: 2"]);
    client.expect("ok");
}

#[test]
fn surplus_bytes_never_reach_another_answer() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    upstream.send(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    );
    assert_eq!(client.message().1, b"ok");
    client.send(GET);
    let mut next = origin.accept();
    next.head();
    next.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
    assert_eq!(client.message().1, b"good");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxGET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut upstream = origin.accept();
    for path in ["/1", "/2", "/3"] {
        let (head, _) = upstream.message();
        assert_eq!(head.split(' ').nth(1), Some(path));
        upstream.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{path}"));
    }
    for path in ["/1", "/2", "/3"] {
        assert_eq!(client.message().1, path.as_bytes());
    }
}
