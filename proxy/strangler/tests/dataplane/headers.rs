//! What is added to a head, taken out of it, and mapped in it.

use crate::support::{Origin, Proxy, compiled, extracted, header, lines};

/// The head an upstream gets for a request with these lines.
fn forwarded(proxy: &Proxy, origin: &Origin, request: &str) -> String {
    let mut client = proxy.connect();
    client.send(request);
    let mut upstream = origin.accept();
    let head = upstream.head();
    upstream.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    client.head();
    head
}

#[test]
fn the_bytes_of_the_target_stay_as_they_came() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    for target in [
        "/a%2Fb/%7e",
        "//x//",
        "/a;b=c/d?x=%zz&y=a+b&&",
        "/?",
        "/p?q?r",
        "/%E2%82%AC?€",
        "/a/../b",
        "/\"{}|^",
    ] {
        let head = forwarded(&proxy, &origin, &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(head.split(' ').nth(1), Some(target));
    }
}

#[test]
fn an_absolute_target_is_forwarded_in_origin_form_under_its_own_host() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let head = forwarded(&proxy, &origin, "GET http://b.example:8/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert!(head.starts_with("GET /x?y HTTP/1.1\r\nHost: b.example:8\r\n"), "{head}");
    assert_eq!(header(&head, "x-forwarded-host"), Some("b.example:8"));
}

#[test]
fn an_untrusted_peer_cannot_say_who_it_is() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let head = forwarded(
        &proxy,
        &origin,
        "GET / HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /x\r\n\
         Forwarded: for=1.1.1.1\r\nX_Forwarded_For: 3.3.3.3\r\nX_Request_Id: 1\r\nX-Shadow-Request: 1\r\n\
         X_Fine: 1\r\n\r\n",
    );
    let forwarding: Vec<&str> = lines(&head)
        .into_iter()
        .filter(|line| {
            let line = line.to_ascii_lowercase().replace('_', "-");
            line.starts_with("x-forwarded") || line.starts_with("forwarded") || line.starts_with("x-shadow")
        })
        .collect();
    assert_eq!(
        forwarding,
        ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example"]
    );
    assert_eq!(header(&head, "x_fine"), Some("1"));
    assert_eq!(header(&head, "x_request_id"), None);
}

#[test]
fn a_trusted_peer_is_believed_and_appended() {
    let origin = Origin::new();
    let proxy = Proxy::start(compiled(&format!(
        "legacy = \"http://{}\"\n[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n",
        origin.address()
    )));
    let head = forwarded(
        &proxy,
        &origin,
        "GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: shop.example\r\nForwarded: for=9.9.9.9\r\n\r\n",
    );
    assert_eq!(header(&head, "x-forwarded-for"), Some("9.9.9.9, 127.0.0.1"));
    assert_eq!(header(&head, "x-forwarded-proto"), Some("https"));
    assert_eq!(header(&head, "x-forwarded-host"), Some("shop.example"));
    assert_eq!(header(&head, "forwarded"), Some("for=9.9.9.9"));
}

#[test]
fn what_belongs_to_one_connection_does_not_pass() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Mine, Host, Content-Length, X-Forwarded-For\r\n\
         Keep-Alive: timeout=1\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\nTE: trailers, gzip\r\n\
         X-Mine: 1\r\nUpgrade: websocket\r\nHTTP2-Settings: x\r\n\r\n",
    );
    let mut upstream = origin.accept();
    let head = upstream.head();
    for gone in ["connection", "keep-alive", "proxy-connection", "proxy-authorization", "x-mine", "upgrade"] {
        assert_eq!(header(&head, gone), None, "{gone} in {head}");
    }
    assert_eq!(header(&head, "te"), Some("trailers"));
    assert_eq!(header(&head, "host"), Some("a"));
    assert_eq!(header(&head, "x-forwarded-for"), Some("127.0.0.1"));
    upstream.send(
        "HTTP/1.1 200 OK\r\nConnection: X-Theirs\r\nX-Theirs: 1\r\nKeep-Alive: timeout=9\r\nUpgrade: h2c\r\n\
         Proxy-Connection: x\r\nContent-Length: 0\r\n\r\n",
    );
    let (all, _) = client.rest();
    let mut got = lines(&all);
    got.sort_unstable();
    assert_eq!(got, ["Content-Length: 0", "connection: close"]);
}

#[test]
fn a_request_gets_an_id_a_trace_and_a_via() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let head = forwarded(&proxy, &origin, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(header(&head, "x-request-id").unwrap().len(), 32);
    assert_eq!(header(&head, "traceparent").unwrap().len(), 55);
    assert!(header(&head, "via").unwrap().starts_with("1.1 strangler-"));
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: mine\r\nTraceparent: {trace}\r\nVia: 1.0 x\r\n\r\n"
    );
    let head = forwarded(&proxy, &origin, &request);
    assert_eq!(header(&head, "x-request-id"), Some("mine"));
    assert_eq!(header(&head, "traceparent"), Some(trace));
    assert!(head.contains("Via: 1.0 x\r\n"), "{head}");
}

#[test]
fn ids_are_not_made_where_the_file_says_so() {
    let origin = Origin::new();
    let proxy = Proxy::start(compiled(&format!(
        "legacy = \"http://{}\"\n[server]\nrequest_id = false\n",
        origin.address()
    )));
    let head = forwarded(&proxy, &origin, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((header(&head, "x-request-id"), header(&head, "traceparent")), (None, None));
}

#[test]
fn a_redirect_to_the_upstreams_own_origin_leads_to_the_public_one() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let mut client = proxy.connect();
    let own = origin.address();
    let mut upstream = None;
    for (location, expected) in [
        (format!("http://{own}/a?b"), "http://shop.example/a?b"),
        ("/relative".to_owned(), "/relative"),
        ("https://elsewhere.example/".to_owned(), "https://elsewhere.example/"),
    ] {
        client.send("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        let upstream = upstream.get_or_insert_with(|| origin.accept());
        upstream.head();
        upstream.send(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(header(&client.head(), "location"), Some(expected));
    }
}

#[test]
fn rewrites_and_header_operations_are_for_the_extracted_side_only() {
    let (legacy, service) = (Origin::new(), Origin::new());
    let proxy = Proxy::start(extracted(
        legacy.address(),
        service.address(),
        "routes = [\"/products/**\"]\nwriter = \"extracted\"\n\
         rewrite = { strip_prefix = \"/products\", add_prefix = \"/v2\", host = \"inner.example\" }\n\
         request_headers = { set = { \"x-from\" = \"edge\" }, remove = [\"x-secret\"] }\n\
         response_headers = { set = { \"x-by\" = \"new\" }, remove = [\"server\"] }\n",
    ));
    let mut client = proxy.connect();
    client.send("GET /products/7%2f8?x HTTP/1.1\r\nHost: a\r\nX-Secret: 1\r\n\r\n");
    let mut upstream = service.accept();
    let head = upstream.head();
    assert!(head.starts_with("GET /v2/7%2f8?x HTTP/1.1\r\nHost: inner.example\r\n"), "{head}");
    assert_eq!(header(&head, "x-forwarded-prefix"), Some("/products"));
    assert_eq!(header(&head, "x-forwarded-host"), Some("a"));
    assert_eq!((header(&head, "x-from"), header(&head, "x-secret")), (Some("edge"), None));
    upstream.send(
        "HTTP/1.1 200 OK\r\nServer: x\r\nLocation: http://inner.example/y\r\nContent-Length: 0\r\n\r\n",
    );
    let head = client.head();
    assert_eq!((header(&head, "x-by"), header(&head, "server")), (Some("new"), None));
    assert_eq!(header(&head, "location"), Some("http://a/y"));

    client.send("GET /other HTTP/1.1\r\nHost: a\r\nX-Secret: 1\r\n\r\n");
    let mut upstream = legacy.accept();
    let head = upstream.head();
    assert_eq!((header(&head, "x-from"), header(&head, "x-secret")), (None, Some("1")));
    upstream.send("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(lines(&client.head()), ["Server: x", "Content-Length: 0"]);
}
