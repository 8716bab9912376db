//! Answers that come before their uploads end, and clients of HTTP/1.0 that stay.

use wire::case::{Case, Do, Outcome, Until, answer, gets, request};
use wire::stage::Act;

use crate::setups::{PLAIN, get, ok, post};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = early_answers();
    cases.extend(early_endings());
    cases.extend(expectations());
    cases.extend(old_clients());
    cases.extend(bodiless());
    cases
}

fn send(bytes: impl AsRef<[u8]>) -> Act {
    Act::Send(bytes.as_ref().to_vec())
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n";

/// The early answer, then either the end of the connection, or the next request's answer.
fn either(statuses: &[u16]) -> [Outcome; 2] {
    let first = || gets(answer(statuses).body("ok")).sees(request().maybe_cut());
    [first().closed(), first().then(answer(&[200]).body("second")).sees(request().target("/second"))]
}

fn early_answers() -> Vec<Case> {
    let mut cases = Vec::new();
    let second = get("/second", "");
    for (framing, lines, part, rest) in [
        ("by length", format!("Content-Length: {}\r\n", 5 + SMUGGLED.len()), "hello", SMUGGLED.to_owned()),
        (
            "in chunks",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "5\r\nhello\r\n",
            format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len()),
        ),
    ] {
        for (what, acts) in [
            ("and reads on", vec![Act::SomeBody(5), send(ok("", "ok")), Act::Body]),
            ("and closes", vec![Act::SomeBody(5), send(ok("Connection: close\r\n", "ok")), Act::Close]),
            ("and reads nothing", vec![send(ok("", "ok")), Act::Stall]),
        ] {
            let [closed, kept] = either(&[200]);
            cases.push(
                Case::new(&PLAIN, format!("an upstream that answers before an upload {framing} ends {what}"))
                    .send(post(&lines, part))
                    .until("\r\n\r\nok")
                    .send(format!("{rest}{second}"))
                    .legacy(acts)
                    .replies(ok("", "second"))
                    .want(closed)
                    .want(kept),
            );
        }
    }
    cases
}

/// A client that is still sending must get the answer, not a reset.
fn early_endings() -> Vec<Case> {
    let mut cases = Vec::new();
    let large = "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let body = "x".repeat(3_000_000);
    for (what, acts) in
        [("hangs up", vec![send(large), Act::Close]), ("reads nothing more", vec![send(large), Act::Stall])]
    {
        cases.push(
            Case::new(&PLAIN, format!("three megabytes to an upstream that refuses them and {what}"))
                .send(post("Content-Length: 3000000\r\nExpect: 100-continue\r\n", ""))
                .until("413")
                .send(&body)
                .legacy(acts.clone())
                .want(gets(answer(&[413]).body("ok")).any_end().sees(request().maybe_cut())),
        );
        cases.push(
            Case::new(
                &PLAIN,
                format!("a hundred kilobytes under way to an upstream that refuses and {what}"),
            )
            .send(post("Content-Length: 3000000\r\n", &"x".repeat(100_000)))
            .legacy(acts)
            .want(gets(answer(&[413]).body("ok")).any_end().sees(request().maybe_cut())),
        );
    }
    cases
}

fn expectations() -> Vec<Case> {
    let old = "POST /things HTTP/1.0\r\nHost: shop.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n";
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    vec![
        Case::new(&PLAIN, "a client of HTTP/1.0 that expects gets no 100, even if the upstream says it")
            .send(format!("{old}\r\nhello"))
            .legacy(vec![send(go_on), Act::Body, send(ok("", "ok"))])
            .want(gets(answer(&[200]).body("ok")).closed().sees(request().body("hello"))),
        Case::new(&PLAIN, "an expectation that nobody knows, with a body")
            .send(post("Content-Length: 5\r\nExpect: the-unexpected\r\n", "hello"))
            .want(gets(answer(&[200])).sees(request().body("hello").has("expect", "the-unexpected")))
            .want(gets(answer(&[417])).any_end()),
        Case::new(&PLAIN, "an expectation and a request behind its body")
            .send(post("Content-Length: 5\r\nExpect: 100-continue\r\n", ""))
            .until("100 Continue\r\n\r\n")
            .send(format!("hello{}", get("/second", "")))
            .legacy(vec![send(go_on), Act::Body, send(ok("", "ok"))])
            .want(
                gets(answer(&[200]).after(&[100]))
                    .then(answer(&[200]))
                    .sees(request().body("hello"))
                    .sees(request().target("/second")),
            ),
        Case::new(&PLAIN, "a refused expectation whose client sends a new request instead of the body")
            .send(post("Content-Length: 5\r\nExpect: 100-continue\r\n", ""))
            .until("403")
            .send(SMUGGLED)
            .legacy(vec![send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), Act::Stall])
            .want(gets(answer(&[403])).any_end().sees(request().maybe_cut())),
    ]
}

/// RFC 9112 section 9.3: clients of HTTP/1.0 that say so stay, wherever the answer's end can be told.
fn old_clients() -> Vec<Case> {
    let stays = |name: &str, method: &str| {
        let head = format!("{method} /a HTTP/1.0\r\nHost: shop.example\r\nConnection: keep-alive\r\n\r\n");
        Case::new(&PLAIN, name).send(head)
    };
    let kept = || answer(&[200]).mentions("connection", "keep-alive").lacks("transfer-encoding");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    vec![
        stays("HTTP/1.0 that asks to stay stays", "GET").want(gets(kept().body("ok")).sees(request())),
        stays("HTTP/1.0 that asks to stay in capitals stays", "GET")
            .until("ok")
            .send("GET /b HTTP/1.0\r\nHost: shop.example\r\nConnection: Keep-Alive\r\n\r\n")
            .want(gets(kept().body("ok")).then(kept()).sees(request()).sees(request().target("/b"))),
        stays("HTTP/1.0 that asks to stay stays behind HEAD", "HEAD")
            .to_head()
            .replies("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
            .want(gets(kept().has("content-length", "9")).sees(request())),
        stays("HTTP/1.0 that asks to stay is closed behind an answer without a length", "GET")
            .replies(chunked)
            .want(
                gets(answer(&[200]).lacks("transfer-encoding").body("hello").that(
                    "nobody says that it stays",
                    |answer| {
                        !answer
                            .values("connection")
                            .iter()
                            .any(|value| value.eq_ignore_ascii_case(b"keep-alive"))
                    },
                ))
                .closed()
                .sees(request()),
            ),
        stays("HTTP/1.0 is told about no upstream that closes", "GET")
            .replies_and_closes(ok("Connection: close\r\n", "ok"))
            .want(gets(kept().body("ok")).sees(request())),
        Case::new(&PLAIN, "HTTP/1.0 that says nothing is closed behind an upload")
            .send("POST /a HTTP/1.0\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello")
            .want(gets(answer(&[200]).body("ok")).closed().sees(request().body("hello"))),
    ]
}

/// Answers that have no body whatever they say (RFC 9112 section 6.3): the upstream's connection is used again.
fn bodiless() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, method, bytes, status) in [
        ("HEAD with chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200),
        ("HEAD with a length", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 200),
        ("304 with a length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", 304),
        ("304 with chunks", "GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304),
        ("204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("204 with a length of zero", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204),
        (
            "HEAD answered 304 with a length",
            "HEAD",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
            304,
        ),
    ] {
        let case = Case::new(&PLAIN, format!("{name} has no body and keeps both connections"))
            .send(format!("{method} /a HTTP/1.1\r\nHost: shop.example\r\n\r\n"))
            .until("\r\n\r\n")
            .does(Do::Await(Until::Requests(1)))
            .send(get("/second", ""))
            .replies(bytes)
            .replies(ok("", "second"));
        let case = if method == "HEAD" { case.to_head() } else { case };
        cases.push(
            case.want(
                gets(answer(&[status]).body(""))
                    .then(answer(&[200]).body("second"))
                    .sees(request())
                    .sees(request().target("/second"))
                    .that(
                        "one connection to the upstream",
                        |_, log| matches!(log.requests.as_slice(), [a, b] if a.connection == b.connection),
                    ),
            ),
        );
    }
    cases
}
