//! What the proxy says itself, what it maps, and what a configuration asks it to change.

use wire::case::{Case, Want, answer, gets, passes, request};
use wire::message::Message;
use wire::stage::Act;

use crate::setups::{AWAY, DEAD, OPERATIONS, PLAIN, PUBLIC, TRUSTED, get, ok};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = refused_connections();
    cases.extend(away());
    cases.extend(locations());
    cases.extend(operations());
    cases
}

fn is_identified(answer: &Message) -> bool {
    answer.values("x-request-id").len() == 1
}

fn has_type(answer: &Message, kind: &[u8]) -> bool {
    matches!(answer.values("content-type").as_slice(), [value] if value.starts_with(kind))
}

fn is_json(answer: &Message) -> bool {
    has_type(answer, b"application/json")
        && answer.body.starts_with(b"{")
        && answer.body.trim_ascii_end().ends_with(b"}")
}

fn is_html(answer: &Message) -> bool {
    has_type(answer, b"text/html") && answer.body.windows(1).any(|byte| byte == b"<")
}

fn is_text(answer: &Message) -> bool {
    has_type(answer, b"text/plain") && !answer.body.starts_with(b"<") && !answer.body.starts_with(b"{")
}

fn refused_connections() -> Vec<Case> {
    let gone =
        || answer(&[502, 503]).that("it has a request id", is_identified).mentions("proxy-status", "error=");
    let with =
        |name: &str, lines: &str, want: Want| Case::new(&DEAD, name).send(get("/a", lines)).want(gets(want));
    vec![
        with(
            "nobody there, told as JSON",
            "Accept: application/json\r\n",
            gone().that("it is JSON", is_json),
        ),
        with(
            "nobody there, told as HTML",
            "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n",
            gone().that("it is HTML", is_html),
        ),
        with("nobody there, told as text", "Accept: text/plain\r\n", gone().that("it is text", is_text)),
        with(
            "nobody there, by q-value",
            "Accept: text/html;q=0.1, application/json;q=0.9\r\n",
            gone().that("it is JSON", is_json),
        ),
        with("nobody there, and nothing accepted in particular", "", gone()),
        with(
            "nobody there, the client's own request id",
            "X-Request-Id: abc-123\r\n",
            gone().has("x-request-id", "abc-123"),
        ),
        with(
            "nobody there, and the upstream's address stays private",
            "",
            gone().that("no address in the body", |answer| {
                !answer.body.windows(9).any(|window| window == b"127.0.0.1")
            }),
        ),
        Case::new(&DEAD, "nobody there for HEAD")
            .to_head()
            .send("HEAD /a HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            .want(gets(gone().body(""))),
        Case::new(&DEAD, "nobody there for a POST")
            .send("POST /a HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello")
            .want(gets(gone()).any_end()),
        Case::new(&DEAD, "nobody there for an upgrade")
            .send(get("/a", "Connection: Upgrade\r\nUpgrade: websocket\r\n"))
            .want(gets(gone()).any_end()),
        Case::new(&DEAD, "nobody there for HTTP/1.0")
            .send("GET /a HTTP/1.0\r\nHost: shop.example\r\n\r\n")
            .want(gets(gone()).closed()),
        Case::new(&PLAIN, "a refusal names no upstream and has an id")
            .send("GET /a HTTP/1.1\r\nHost: user@shop.example\r\nAccept: application/json\r\n\r\n")
            .want(gets(answer(&[400])).closed()),
    ]
}

/// An extracted service that is away or misbehaves harms nobody else, and no write is made up for elsewhere.
fn away() -> Vec<Case> {
    let told =
        || answer(&[502, 503]).that("it has a request id", is_identified).mentions("proxy-status", "error=");
    let write = |target: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello")
    };
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    vec![
        Case::new(&AWAY, "a write to a slice that is away reaches nobody")
            .send(write("/payments/1"))
            .want(gets(told()).any_end()),
        Case::new(&AWAY, "an upgrade to a slice that is away reaches nobody")
            .send(get("/payments/1", socket))
            .want(gets(told()).any_end()),
        Case::new(&AWAY, "a write that an extracted service hangs up on reaches nobody else")
            .send(write("/products/1"))
            .extracted(vec![Act::Body, Act::Close])
            .want(gets(told()).any_end().sees(request().extracted().body("hello"))),
        Case::new(&AWAY, "an extracted service's own 503 to a write passes untouched")
            .send(write("/products/1"))
            .extracted(vec![
                Act::Body,
                Act::Send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nmine".to_vec()),
            ])
            .want(gets(answer(&[503]).lacks("proxy-status").body("mine")).sees(request().extracted())),
        Case::new(&AWAY, "an extracted service's answer that breaks off is not made whole by legacy")
            .send(get("/products/1", ""))
            .extracted(vec![
                Act::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec()),
                Act::Close,
            ])
            .want(gets(answer(&[200]).cut()).closed().sees(request().extracted())),
        Case::new(&AWAY, "the rest of the site goes on").send(get("/elsewhere", "")).want(passes(request())),
    ]
}

fn locations() -> Vec<Case> {
    let redirect =
        |location: &str| format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let mut cases = Vec::new();
    for (setup, where_) in [(&PLAIN, "on a first day"), (&PUBLIC, "with a public URL")] {
        for (location, mapped) in [
            ("http://@LEGACY@/login?a=http://@LEGACY@/#b", "http://shop.example/login?a=http://"),
            ("http://@LEGACY@/", "http://shop.example/"),
            ("/login?a=b", "/login?a=b"),
            ("login", "login"),
            ("http://other.example/login", "http://other.example/login"),
            ("https://other.example:8443/", "https://other.example:8443/"),
        ] {
            let want = answer(&[302]).that("one Location", |answer| answer.values("location").len() == 1);
            let want = if location.contains("?a=http") {
                want.mentions("location", mapped)
            } else {
                want.has("location", mapped)
            };
            cases.push(
                Case::new(setup, format!("{where_}, Location {location}"))
                    .send(get("/a", ""))
                    .replies(redirect(location))
                    .want(gets(want).sees(request())),
            );
        }
    }
    for location in ["http://@LEGACY@.evil.example/", "http://@LEGACY@@evil.example/", "http://@LEGACY@0/"] {
        cases.push(
            Case::new(&PLAIN, format!("Location {location} is somebody else's"))
                .send(get("/a", ""))
                .replies(redirect(location))
                .want(gets(answer(&[302]).mentions("location", "127.0.0.1")).sees(request())),
        );
    }
    cases.extend([
        Case::new(&PLAIN, "an upstream's origin alone")
            .send(get("/a", ""))
            .replies(redirect("http://@LEGACY@"))
            .want(gets(answer(&[302]).has("location", "http://shop.example")).sees(request()))
            .want(gets(answer(&[302]).has("location", "http://shop.example/")).sees(request())),
        Case::new(&PLAIN, "a created thing's Location")
            .send("POST /a HTTP/1.1\r\nHost: shop.example:8080\r\nContent-Length: 5\r\n\r\nhello")
            .replies("HTTP/1.1 201 Created\r\nLocation: http://@LEGACY@/a/1\r\nContent-Length: 0\r\n\r\n")
            .want(gets(answer(&[201]).has("location", "http://shop.example:8080/a/1")).sees(request())),
        Case::new(&TRUSTED, "a Location behind an edge that speaks https")
            .send(get("/a", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: edge.example\r\n"))
            .replies(redirect("http://@LEGACY@/login"))
            .want(gets(answer(&[302]).has("location", "https://edge.example/login")).sees(request())),
        Case::new(&PUBLIC, "an extracted service's own Location")
            .send(get("/products/1", ""))
            .extracted(vec![Act::Body, Act::Send(redirect("http://@EXTRACTED@/products/2").into())])
            .want(
                gets(answer(&[302]).has("location", "http://shop.example/products/2"))
                    .sees(request().extracted()),
            ),
        Case::new(&PLAIN, "an address in a body is not touched")
            .send(get("/a", ""))
            .replies("HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\nhttp://127.0.0.1:1/login")
            .want(gets(answer(&[200]).body("http://127.0.0.1:1/login")).sees(request())),
    ]);
    cases
}

fn operations() -> Vec<Case> {
    let moved = |name: &str, target: &str, want: Want| {
        Case::new(&OPERATIONS, name).send(get(target, "")).want(passes(want.extracted()))
    };
    vec![
        moved("a prefix is stripped, and said", "/strip/a//b%2f?c=d", request().target("/a//b%2f?c=d").has("x-forwarded-prefix", "/strip")),
        moved("a prefix is stripped to the root", "/strip", request().target("/").has("x-forwarded-prefix", "/strip")),
        moved("a prefix is stripped to the root with a query", "/strip?c", request().target("/?c")),
        moved("a prefix is replaced", "/swap/a?b", request().target("/v2/a?b")),
        moved("a Host is rewritten", "/hosted/a", request().target("/hosted/a").has("host", "rewritten.example").has("x-forwarded-host", "shop.example")),
        moved("an upstream's Host is a name of its own", "/named/a", request().has("host", "internal.example").has("x-forwarded-host", "shop.example")),
        moved("an upstream's Host is its endpoint", "/endpoint/a", request().has("x-forwarded-host", "shop.example").that("an address", |message| {
            matches!(message.values("host").as_slice(), [host] if host.starts_with(b"127.0.0.1:"))
        })),
        Case::new(&OPERATIONS, "header lines are set and removed both ways")
            .send(get("/headers/a", "X-From: client\r\nX-Internal: a\r\nx-internal: b\r\nX-Other: c\r\n"))
            .extracted(vec![Act::Body, Act::Send(ok("X-Secret: a\r\nX-Served: nobody\r\nX-Other: b\r\n", "ok").into())])
            .want(
                gets(answer(&[200]).has("x-served", "extracted").lacks("x-secret").has("x-other", "b"))
                    .sees(request().extracted().has("x-from", "edge").lacks("x-internal").has("x-other", "c")),
            ),
        Case::new(&OPERATIONS, "what is not moved is not changed")
            .send(get("/elsewhere", "X-Internal: a\r\n"))
            .want(passes(request().has("x-internal", "a").lacks("x-from").lacks("x-forwarded-prefix"))),
    ]
}
