//! Trailers both ways: RFC 9110 section 6.5 and RFC 9112 section 7.1.2. They pass as trailers to whoever speaks
//! chunks, announced or not; framing, routing and connection fields among them are dropped; none becomes a header.

use std::time::Duration;

use wire::case::{Case, Do, Test, Want, answer, gets, passes, request};
use wire::message::{Framing, Message};
use wire::stage::Act;

use crate::setups::{PLAIN, get, post};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = down();
    cases.extend(up());
    cases.extend(forbidden());
    cases
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n";

/// The trailer lines are exactly these, spelt so, in this order.
fn exactly(message: &Message, lines: &[(&str, &str)]) -> bool {
    message.trailers.len() == lines.len()
        && message
            .trailers
            .iter()
            .zip(lines)
            .all(|((name, value), wanted)| name == wanted.0.as_bytes() && value == wanted.1.as_bytes())
}

fn sum(want: Want) -> Want {
    want.body("hello").lacks("x-sum").test(Test::Trailer("x-sum".into(), "abc".into()))
}

fn down() -> Vec<Case> {
    let one = format!("{CHUNKED}X-Sum: abc\r\n\r\n");
    let announced = one.replace("\r\n\r\n5", "\r\nTrailer: X-Sum\r\n\r\n5");
    let with = |name: &str, lines: &str, answer: &str| {
        Case::new(&PLAIN, name).send(get("/a", lines)).replies(answer)
    };
    let relayed = || gets(sum(answer(&[200]).framed(Framing::Chunked))).sees(request());
    vec![
        with("an answer's trailers need no TE", "", &announced).want(relayed()),
        with("an answer's trailers need no announcement", "TE: trailers\r\n", &one).want(relayed()),
        with("an answer's trailers need neither TE nor announcement", "", &one).want(relayed()),
        with("the announcement of an answer's trailers passes", "TE: trailers\r\n", &announced)
            .want(gets(sum(answer(&[200]).has("trailer", "X-Sum"))).sees(request())),
        with(
            "an answer's trailers keep case, order and repetition",
            "TE: trailers\r\n",
            &format!("{CHUNKED}X-CamelCase: 1\r\nx-b: 2\r\nX-CAMELCASE: 3\r\nx-b:\r\n\r\n"),
        )
        .want(
            gets(answer(&[200]).body("hello").that("the trailers as they came", |message| {
                exactly(message, &[("X-CamelCase", "1"), ("x-b", "2"), ("X-CAMELCASE", "3"), ("x-b", "")])
            }))
            .sees(request()),
        ),
        with(
            "trailers behind no body at all",
            "TE: trailers\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: abc\r\n\r\n",
        )
        .want(
            gets(answer(&[200]).body("").lacks("x-sum").test(Test::Trailer("x-sum".into(), "abc".into())))
                .sees(request()),
        ),
        Case::new(&PLAIN, "HTTP/1.0 gets no trailers, and the rest whole")
            .send("GET /a HTTP/1.0\r\nHost: shop.example\r\n\r\n")
            .replies(&one)
            .want(
                gets(answer(&[200]).body("hello").lacks("x-sum").lacks("transfer-encoding").lacks("trailer"))
                    .closed()
                    .sees(request()),
            ),
        Case::new(&PLAIN, "trailers that come one byte at a time")
            .send(get("/a", ""))
            .legacy(vec![Act::Body, Act::Dribble(one.clone().into_bytes())])
            .want(relayed()),
        Case::new(&PLAIN, "trailers of one answer are not the next one's")
            .send(format!("{}{}", get("/first", ""), get("/second", "")))
            .replies(&one)
            .replies(format!("{CHUNKED}\r\n"))
            .want(relayed().then(answer(&[200]).body("hello").test(Test::NoTrailers)).sees(request())),
        Case::new(&PLAIN, "an answer whose trailers are cut is cut")
            .send(get("/a", ""))
            .until("hello")
            .as_written()
            .does(Do::Open("seen"))
            .legacy(vec![
                Act::Body,
                Act::Send(CHUNKED.as_bytes().to_vec()),
                Act::Gate("seen"),
                Act::Send(b"X-Sum: a".to_vec()),
                Act::Close,
            ])
            .want(gets(answer(&[200]).cut()).closed().sees(request())),
    ]
}

fn up() -> Vec<Case> {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let body = "5\r\nhello\r\n0\r\nX-Sum: abc\r\n\r\n";
    let relayed = || passes(sum(request().framed(Framing::Chunked)));
    vec![
        Case::new(&PLAIN, "an upload's trailers need no announcement")
            .send(post(chunked, body))
            .want(relayed()),
        Case::new(&PLAIN, "the announcement of an upload's trailers passes")
            .send(post(&format!("{chunked}Trailer: X-Sum\r\n"), body))
            .want(passes(sum(request().has("trailer", "X-Sum")))),
        Case::new(&PLAIN, "an upload's trailers keep case, order and repetition")
            .send(post(chunked, "5\r\nhello\r\n0\r\nX-CamelCase: 1\r\nx-b: 2\r\nX-CAMELCASE: 3\r\n\r\n"))
            .want(passes(request().body("hello").that("the trailers as they came", |message| {
                exactly(message, &[("X-CamelCase", "1"), ("x-b", "2"), ("X-CAMELCASE", "3")])
            }))),
        Case::new(&PLAIN, "an upload whose trailers come one byte at a time")
            .send(post(chunked, ""))
            .does(Do::Drip(body.as_bytes().to_vec(), 1, Duration::from_millis(1)))
            .want(relayed()),
        Case::new(&PLAIN, "a request behind an upload's trailers is a request of its own")
            .send(format!("{}{}", post(chunked, body), get("/second", "")))
            .want(relayed().then(answer(&[200])).sees(request().target("/second").lacks("x-sum"))),
    ]
}

/// RFC 9110 section 6.5.1: framing, routing and connection control have no place among trailers.
fn forbidden() -> Vec<Case> {
    let lines = [
        "Content-Length: 50",
        "Transfer-Encoding: gzip",
        "Host: evil.example",
        "Connection: close",
        "X-Forwarded-For: 192.0.2.66",
        "X-Forwarded-Host: evil.example",
        "Via: 1.1 evil",
    ];
    let only_sum = |message: &Message| exactly(message, &[("X-Sum", "abc")]);
    let mut cases = Vec::new();
    for line in lines {
        let body = format!("5\r\nhello\r\n0\r\n{line}\r\nX-Sum: abc\r\n\r\n");
        cases.push(
            Case::new(&PLAIN, format!("{line} among an upload's trailers is dropped"))
                .send(post("Transfer-Encoding: chunked\r\n", &body))
                .want(passes(
                    request()
                        .body("hello")
                        .has("host", "shop.example")
                        .lacks("content-length")
                        .has("x-forwarded-for", "127.0.0.1")
                        .has("x-forwarded-host", "shop.example")
                        .that("the other trailer alone", only_sum),
                )),
        );
    }
    for line in ["Content-Length: 50", "Transfer-Encoding: gzip", "Connection: close"] {
        cases.push(
            Case::new(&PLAIN, format!("{line} among an answer's trailers is dropped"))
                .send(get("/a", "TE: trailers\r\n"))
                .replies(format!("{CHUNKED}{line}\r\nX-Sum: abc\r\n\r\n"))
                .want(
                    gets(
                        answer(&[200])
                            .body("hello")
                            .lacks("content-length")
                            .that("the other trailer alone", only_sum),
                    )
                    .sees(request()),
                ),
        );
    }
    cases
}
