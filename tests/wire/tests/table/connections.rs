//! Connections on both sides: reuse, retries, and clients that leave.

use wire::case::{Case, Do, Holds, Until, answer, gets, passes, request};
use wire::stage::Act;

use crate::setups::{PLAIN, get, ok, post};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = stale();
    cases.extend(never_twice());
    cases.extend(client_gone());
    cases
}

/// Another client's request leaves an idle connection to legacy, which then does what `acts` say with the
/// next request on it.
fn warmed(name: &str, acts: Vec<Act>) -> Case {
    let warm = get("/warm", "Connection: close\r\n");
    Case::new(&PLAIN, name)
        .does(Do::Other(warm.into_bytes()))
        .legacy(vec![Act::Body, Act::Send(ok("", "ok").into())])
        .legacy(acts)
}

const REUSED: (&str, Holds) = (
    "the idle connection was used",
    |_, log| matches!(log.requests.as_slice(), [first, second, ..] if first.connection == second.connection),
);

fn stale() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, act) in [("closed", Act::Close), ("reset", Act::Reset)] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            let case = warmed(
                &format!("{method} on an idle connection that is {what} under it is tried again"),
                vec![act.clone()],
            )
            .send(format!("{method} /a HTTP/1.1\r\nHost: shop.example\r\n\r\n"))
            .replies("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            let case = if method == "HEAD" { case.to_head() } else { case };
            cases.push(
                case.want(
                    gets(answer(&[200]))
                        .sees(request().target("/warm"))
                        .sees(request().target("/a"))
                        .sees(request().target("/a"))
                        .that(REUSED.0, REUSED.1),
                ),
            );
        }
        // Executed at most once: the application may have acted on it before it hung up.
        for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
            cases.push(
                warmed(
                    &format!("{method} on an idle connection that is {what} under it is never tried again"),
                    vec![Act::Body, act.clone()],
                )
                .send(format!("{method} /a HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello"))
                .want(
                    gets(answer(&[502]))
                        .any_end()
                        .sees(request().target("/warm"))
                        .sees(request().target("/a")),
                ),
            );
        }
    }
    for (name, text) in [
        ("a GET on a connection closed while idle", get("/a", "")),
        ("a POST on a connection closed while idle", post("Content-Length: 5\r\n", "hello")),
    ] {
        cases.push(
            Case::new(&PLAIN, name)
                .does(Do::Other(get("/warm", "Connection: close\r\n").into_bytes()))
                .does(Do::Open("idle"))
                .does(Do::Await(Until::ProxyClosed(0)))
                .send(text)
                .legacy(vec![Act::Body, Act::Send(ok("", "ok").into()), Act::Gate("idle"), Act::Close])
                .want(gets(answer(&[200])).sees(request()).sees(request())),
        );
    }
    cases.push(
        warmed(
            "a second request uses the connection of the first",
            vec![Act::Body, Act::Send(ok("", "ok").into())],
        )
        .send(get("/a", ""))
        .want(gets(answer(&[200])).sees(request()).sees(request()).that(REUSED.0, REUSED.1)),
    );
    cases.push(
        Case::new(&PLAIN, "an upstream's Connection: close is believed at once")
            .does(Do::Other(get("/warm", "Connection: close\r\n").into_bytes()))
            .send(post("Content-Length: 5\r\n", "hello"))
            .replies(ok("Connection: close\r\n", "ok"))
            .want(gets(answer(&[200])).sees(request()).sees(request()).that("on another connection", |_, log| {
                matches!(log.requests.as_slice(), [first, second] if first.connection != second.connection)
            })),
    );
    cases.push(
        Case::new(&PLAIN, "an upstream of HTTP/1.0 is not asked twice on one connection")
            .does(Do::Other(get("/warm", "Connection: close\r\n").into_bytes()))
            .send(get("/a", ""))
            .replies("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .want(gets(answer(&[200])).sees(request()).sees(request()).that("on another connection", |_, log| {
                matches!(log.requests.as_slice(), [first, second] if first.connection != second.connection)
            })),
    );
    cases
}

fn never_twice() -> Vec<Case> {
    let begun = |bytes: &str| vec![Act::Send(bytes.into()), Act::Close];
    vec![
        Case::new(&PLAIN, "a GET on a fresh connection is not tried again")
            .send(get("/a", ""))
            .legacy(vec![Act::Close])
            .want(gets(answer(&[502])).any_end().sees(request())),
        warmed("a GET is not tried again once an answer has begun", begun("HTTP/1.1 2"))
            .send(get("/a", ""))
            .want(gets(answer(&[502])).any_end().sees(request()).sees(request())),
        warmed("a GET is not tried again after an interim answer", begun("HTTP/1.1 103 Early Hints\r\n\r\n"))
            .send(get("/a", ""))
            .want(gets(answer(&[502]).after_any()).any_end().sees(request()).sees(request())),
        warmed("a GET is not tried again after garbage", begun("garbage\r\n\r\n"))
            .send(get("/a", ""))
            .want(gets(answer(&[502])).any_end().sees(request()).sees(request())),
        warmed(
            "a GET whose answer was broken off is not tried again",
            begun("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
        )
        .send(get("/a", ""))
        .want(gets(answer(&[200]).cut()).closed().sees(request()).sees(request())),
        warmed("a GET that is closed under twice is tried twice at most", vec![Act::Close])
            .legacy(vec![Act::Close])
            .send(get("/a", ""))
            .want(gets(answer(&[502])).any_end().sees(request()).sees(request()).sees(request())),
        warmed("a GET with a body is whole wherever it is tried", vec![Act::Body, Act::Close])
            .send("GET /a HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello")
            .want(gets(answer(&[502])).any_end().sees(request()).sees(request().body("hello")))
            .want(
                gets(answer(&[200]))
                    .sees(request())
                    .sees(request().body("hello"))
                    .sees(request().body("hello")),
            ),
    ]
}

fn client_gone() -> Vec<Case> {
    let gone = |name: &str, text: String, leave: Do, acts: Vec<Act>| {
        Case::new(&PLAIN, name)
            .send(text)
            .does(Do::Await(Until::Requests(1)))
            .does(leave)
            .does(Do::Await(Until::ProxyClosed(0)))
            .legacy(acts)
    };
    let mut cases = Vec::new();
    for (how, leave) in [("closes", Do::Close), ("resets", Do::Reset)] {
        cases.push(
            gone(
                &format!("a client that {how} while it waits ends the upstream's request"),
                get("/a", ""),
                leave.clone(),
                vec![Act::Stall],
            )
            .want(gets(answer(&[])).any_end().sees(request())),
        );
        for (framing, lines, part) in [
            ("by length", "Content-Length: 10\r\n", "hello"),
            ("in chunks", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"),
        ] {
            cases.push(
                gone(
                    &format!("an upload {framing} whose client {how} never looks complete"),
                    post(lines, part),
                    leave.clone(),
                    vec![Act::Body, Act::Close],
                )
                .want(gets(answer(&[])).any_end().sees(request().cut().body("hello"))),
            );
        }
    }
    cases.push(
        Case::new(&PLAIN, "a client that leaves inside an answer ends the upstream's")
            .send(get("/a", ""))
            .until("one")
            .as_written()
            .does(Do::Close)
            .does(Do::Await(Until::ProxyClosed(0)))
            .legacy(vec![
                Act::Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n".to_vec()),
                Act::Stall,
            ])
            .want(gets(answer(&[])).any_end().sees(request())),
    );
    cases.push(
        Case::new(&PLAIN, "a client that has finished sending may still be answered")
            .send(get("/a", ""))
            .does(Do::HalfClose)
            .want(passes(request().maybe_cut()).any_end().or_silence())
            .want(gets(answer(&[200])).or_silence().any_end())
            .want(gets(answer(&[200]).maybe_cut()).sees(request().maybe_cut()).any_end()),
    );
    cases.push(
        Case::new(&PLAIN, "a client that says nothing and leaves")
            .does(Do::Close)
            .want(gets(answer(&[])).any_end()),
    );
    cases.push(
        Case::new(&PLAIN, "a client that leaves inside a head")
            .send("GET /a HTTP/1.1\r\nHost: sh")
            .does(Do::Close)
            .want(gets(answer(&[])).any_end()),
    );
    cases
}
