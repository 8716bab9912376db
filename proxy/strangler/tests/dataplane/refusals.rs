//! Requests that get no further than the proxy.

use crate::support::{Origin, Proxy, Wire, extracted, header, nobody, status};

/// Sends bytes and returns the answer's status; the upstream sees nothing of it, and the connection ends where
/// `closes`.
fn check(request: &str, expected: u16) {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    client.send(request);
    let head = client.head();
    assert_eq!(status(&head), expected, "{request:?}\n{head}");
    assert!(!origin.has_connection(), "{request:?} reached the upstream");
}

#[test]
fn malformed_requests_are_refused() {
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nB@d: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
        "G@T\0 / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        check(request, 400);
    }
}

#[test]
fn what_the_codec_refuses_is_counted_too() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    proxy.connect().send("GET / HTTP/1.1\r\nHost : a\r\n\r\n").head();
    assert_eq!(proxy.counted(400), "proxy");
}

#[test]
fn connect_and_trace_are_not_served() {
    check("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405);
    check("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405);
}

#[test]
fn what_is_too_large_is_refused_with_its_own_status() {
    check(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(17 * 1024)), 414);
    check(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100 * 1024)), 414);
    check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-A: 1\r\n".repeat(101)), 431);
    check(&format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", "x".repeat(70 * 1024)), 431);
}

#[test]
fn options_about_the_proxy_are_answered_by_it() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    let (head, _) = client.message();
    assert_eq!(status(&head), 200);
    assert!(header(&head, "allow").unwrap().contains("PATCH"));
    assert!(!origin.has_connection());
}

#[test]
fn a_length_beside_chunks_is_refused_or_forgotten_and_ends_the_connection() {
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let origin = Origin::new();
        let address = origin.serve(|head, body| {
            assert!(!head.contains("smuggled"), "{head}");
            assert!(header(head, "content-length").is_none() || header(head, "transfer-encoding").is_none());
            let _ = body;
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
        });
        let proxy = Proxy::start(crate::support::legacy(address));
        let mut client = proxy.connect();
        client.send(request);
        let (all, _) = client.rest();
        assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{all}");
    }
}

#[test]
fn an_answer_of_the_proxy_says_what_happened_in_the_clients_format() {
    let gone = nobody();
    let proxy = Proxy::start(crate::support::legacy(gone));
    let mut client = proxy.connect();
    let mut ask = |accept: &str| {
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: my-id\r\nAccept: {accept}\r\n\r\n"));
        let (head, body) = client.message();
        assert_eq!(status(&head), 502);
        assert_eq!(header(&head, "proxy-status"), Some("strangler; error=connection_refused"));
        assert_eq!(header(&head, "x-request-id"), Some("my-id"));
        (header(&head, "content-type").unwrap().to_owned(), String::from_utf8(body).unwrap())
    };
    let (kind, body) = ask("application/json");
    assert_eq!(kind, "application/json");
    assert!(body.contains("\"request_id\":\"my-id\"") && body.contains("\"status\":502"), "{body}");
    let (kind, body) = ask("text/html,*/*;q=0.8");
    assert!(kind.starts_with("text/html") && body.contains("<h1>Bad Gateway</h1>"), "{kind} {body}");
    let (kind, body) = ask("*/*");
    assert!(kind.starts_with("text/plain") && body.contains("my-id"), "{kind} {body}");
    assert!(!body.contains(&gone.to_string()), "inside addresses stay inside");
    assert_eq!(proxy.counted(502), "proxy");
}

#[test]
fn ambiguous_paths_are_refused_as_soon_as_a_slice_exists() {
    let (legacy, service) = (Origin::new(), Origin::new());
    let proxy = Proxy::start(extracted(
        legacy.address(),
        service.address(),
        "routes = [\"/products/**\"]\nwriter = \"extracted\"\n",
    ));
    let mut client: Option<Wire> = None;
    for path in ["/a/../products", "/a/%2e%2e/b", "/a/..%2fb", "/a/..;/b", "/a\\b", "/a%00", "/a%zz", "/."] {
        let client = client.get_or_insert_with(|| proxy.connect());
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let (head, _) = client.message();
        assert_eq!(status(&head), 400, "{path}");
        assert_eq!(header(&head, "proxy-status"), Some("strangler; error=http_request_denied"));
    }
    client.unwrap().send("POST /Products/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(proxy.counted(400), "proxy");
    assert!(!legacy.has_connection() && !service.has_connection());
}

#[test]
fn a_request_that_came_through_twice_is_a_loop() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut upstream = origin.accept();
    let own = header(&upstream.head(), "via").unwrap().to_owned();
    upstream.send("HTTP/1.1 204 No Content\r\n\r\n");
    client.head();
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nVia: {own}, 1.1 other, {own}\r\n\r\n"));
    let head = client.head();
    assert_eq!(status(&head), 508);
    assert_eq!(header(&head, "proxy-status"), Some("strangler; error=proxy_loop_detected"));
}
