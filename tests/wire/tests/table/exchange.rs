//! One exchange: expectations, upgrades, bodiless answers, trailers, interim answers, streaming.

use std::time::Duration;

use wire::case::{Case, Do, End, Outcome, Test, Until, Want, answer, gets, passes, request};
use wire::message::Framing;
use wire::stage::Act;

use crate::setups::{PLAIN, SLICES, TIMES, get, ok, post};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = expectations();
    cases.extend(upgrades());
    cases.extend(switches());
    cases.extend(bodiless());
    cases.extend(framings());
    cases.extend(trailers());
    cases.extend(interim());
    cases.extend(streaming());
    cases
}

fn send(bytes: impl AsRef<[u8]>) -> Act {
    Act::Send(bytes.as_ref().to_vec())
}

fn body(bytes: impl AsRef<[u8]>) -> Do {
    Do::Send(bytes.as_ref().to_vec())
}

fn expectations() -> Vec<Case> {
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    let expecting = post("Content-Length: 5\r\nExpect: 100-continue\r\n", "");
    vec![
        Case::new(&PLAIN, "100 comes when the upstream is ready, and not before")
            .send(&expecting)
            .does(Do::Await(Until::Requests(1)))
            .does(Do::Open("ready"))
            .until("100 Continue\r\n\r\n")
            .does(body("hello"))
            .legacy(vec![Act::Gate("ready"), send(go_on), Act::Body, send(ok("", "ok"))])
            .want(gets(answer(&[200]).body("ok").after(&[100])).sees(request().body("hello"))),
        Case::new(&PLAIN, "an early final answer is relayed, without 100")
            .send(&expecting)
            .legacy(vec![send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"), Act::Stall])
            .want(gets(answer(&[417])).any_end().sees(request().maybe_cut().body(""))),
        Case::new(&PLAIN, "a body that was refused is never run as a request")
            .send(&expecting)
            .until("HTTP/1.1 403")
            .does(body("GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n"))
            .legacy(vec![send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), Act::Stall])
            .want(gets(answer(&[403])).any_end().sees(request().maybe_cut())),
        Case::new(&PLAIN, "a client that expects, and sends at once")
            .send(post("Content-Length: 5\r\nExpect: 100-continue\r\n", "hello"))
            .want(gets(answer(&[200]).after_any()).sees(request().body("hello"))),
        Case::new(&PLAIN, "a client that expects, and an upstream that says 100")
            .send(post("Content-Length: 5\r\nExpect: 100-Continue\r\n", "hello"))
            .legacy(vec![send(go_on), Act::Body, send(ok("", "ok"))])
            .want(gets(answer(&[200]).after_any()).sees(request().body("hello"))),
        Case::new(&PLAIN, "chunks after 100")
            .send(post("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", ""))
            .until("100 Continue\r\n\r\n")
            .does(body("5\r\nhello\r\n0\r\n\r\n"))
            .legacy(vec![send(go_on), Act::Body, send(ok("", "ok"))])
            .want(gets(answer(&[200]).after(&[100])).sees(request().body("hello"))),
        Case::new(&PLAIN, "an expectation without a body")
            .send(get("/a", "Expect: 100-continue\r\n"))
            .want(gets(answer(&[200]).after_any()).sees(request())),
        Case::new(&PLAIN, "an expectation in HTTP/1.0 is ignored")
            .send("POST /a HTTP/1.0\r\nHost: shop.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
            .want(passes(request().body("hello")).closed()),
        Case::new(&PLAIN, "an expectation that nobody knows")
            .send(get("/a", "Expect: the-unexpected\r\n"))
            .want(passes(request()))
            .want(gets(answer(&[417])).any_end()),
        Case::new(&PLAIN, "an early final answer to a long body is relayed")
            .send(post("Content-Length: 1000000\r\n", &"x".repeat(1000)))
            .legacy(vec![send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"), Act::Stall])
            .want(gets(answer(&[413]).body("big")).any_end().sees(request().maybe_cut())),
    ]
}

fn websocket(lines: &str) -> String {
    get("/socket", &format!("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\n{lines}"))
}

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: def\r\n\r\n";

fn asked() -> Want {
    {
        request()
            .has("upgrade", "websocket")
            .has("sec-websocket-key", "abc")
            .that("Connection names Upgrade alone", |message| {
                matches!(message.values("connection").as_slice(), [value] if value.eq_ignore_ascii_case(b"upgrade"))
            })
    }
}

fn upgrades() -> Vec<Case> {
    let switched = || answer(&[101]).has("upgrade", "websocket").has("sec-websocket-accept", "def");
    vec![
        Case::new(&PLAIN, "a WebSocket is tunnelled both ways and closed both ways")
            .send(websocket(""))
            .until("\r\n\r\n")
            .does(body(b"ping\0\xff"))
            .until("ping\0")
            .does(Do::HalfClose)
            .legacy(vec![send(SWITCH), Act::Echo])
            .want(gets(switched().body(b"ping\0\xff")).closed().sees(asked())),
        Case::new(&SLICES, "a WebSocket to an extracted service")
            .send("GET /products/socket HTTP/1.1\r\nHost: shop.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\n\r\n")
            .until("\r\n\r\n")
            .does(body("ping"))
            .until("ping")
            .does(Do::HalfClose)
            .extracted(vec![send(SWITCH), Act::Echo])
            .want(gets(switched().body("ping")).closed().sees(asked().extracted())),
        Case::new(&PLAIN, "a tunnel's first bytes may come before its 101")
            .send(format!("{}ping", websocket("")))
            .until("ping")
            .does(Do::HalfClose)
            .legacy(vec![send(SWITCH), Act::Echo])
            .want(gets(switched().body("ping")).closed().sees(asked())),
        Case::new(&PLAIN, "a tunnel's bytes behind its 101 are not lost")
            .send(websocket(""))
            .until("hello")
            .does(Do::HalfClose)
            .legacy(vec![send(format!("{SWITCH}hello")), Act::Echo])
            .want(gets(switched().body("hello")).closed().sees(asked())),
        Case::new(&PLAIN, "an upstream that ends its tunnel ends the client's")
            .send(websocket(""))
            .legacy(vec![send(format!("{SWITCH}bye")), Act::Close])
            .want(gets(switched().body("bye")).closed().sees(asked())),
        Case::new(&PLAIN, "a tunnel is idle longer than an answer may be")
            .send(websocket(""))
            .until("\r\n\r\n")
            .does(Do::Drip(b"pin".to_vec(), 1, Duration::from_millis(120)))
            .does(body("g"))
            .until("g")
            .does(Do::HalfClose)
            .legacy(vec![send(SWITCH), Act::Echo])
            .want(gets(switched()).closed().sees(asked())),
        Case::new(&PLAIN, "an upgrade that is declined is an ordinary exchange")
            .send(websocket(""))
            .replies(ok("", "no"))
            .want(gets(answer(&[200]).body("no").lacks("upgrade")).sees(asked())),
        Case::new(&PLAIN, "an upgrade that needs something else is told so")
            .send(websocket(""))
            .replies("HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n")
            .want(gets(answer(&[426]).has("sec-websocket-version", "13")).sees(asked())),
    ]
}

/// Protocols that were not asked for, or not offered.
fn switches() -> Vec<Case> {
    let bad = || gets(answer(&[502])).any_end();
    vec![
        Case::new(&PLAIN, "101 that nobody asked for").send(get("/a", "")).legacy(vec![send(SWITCH), Act::Echo]).want(bad().sees(request())),
        Case::new(&PLAIN, "101 to a POST that nobody asked for")
            .send(post("Content-Length: 5\r\n", "hello"))
            .legacy(vec![Act::Body, send(SWITCH), Act::Echo])
            .want(bad().sees(request())),
        Case::new(&PLAIN, "101 to another protocol than was asked for")
            .send(websocket(""))
            .legacy(vec![send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: irc\r\n\r\n"), Act::Echo])
            .want(bad().sees(asked())),
        Case::new(&PLAIN, "101 that names no protocol")
            .send(websocket(""))
            .legacy(vec![send("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Act::Echo])
            .want(bad().sees(asked())),
        Case::new(&PLAIN, "101 to what was asked for as h2c")
            .send(get("/a", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"))
            .legacy(vec![send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"), Act::Echo])
            .want(bad().sees(request().lacks("upgrade"))),
        Case::new(&PLAIN, "h2c beside another protocol is left out")
            .send(get("/a", "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n"))
            .want(passes(request().has("upgrade", "websocket")))
            .want(passes(request().lacks("upgrade"))),
        Case::new(&PLAIN, "an upgrade in HTTP/1.0 is ignored")
            .send("GET /a HTTP/1.0\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            .want(passes(request().lacks("upgrade")).closed()),
        Case::new(&PLAIN, "an upgrade is never tried twice")
            .send(websocket(""))
            .legacy(vec![Act::Close])
            .want(bad().sees(asked())),
    ]
}

fn bodiless() -> Vec<Case> {
    let head =
        |name: &str| Case::new(&PLAIN, name).to_head().send("HEAD /a HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    let heads = || request().start("HEAD /a HTTP/1.1");
    let status = |name: &str, answer: &str| Case::new(&PLAIN, name).send(get("/a", "")).replies(answer);
    vec![
        head("HEAD keeps the length of what it does not get")
            .replies("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: \"a\"\r\n\r\n")
            .want(gets(answer(&[200]).has("content-length", "1000").has("etag", "\"a\"")).sees(heads())),
        head("HEAD of something in chunks")
            .replies("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .want(gets(answer(&[200]).body("")).sees(heads())),
        head("HEAD of something without framing")
            .replies("HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n")
            .want(gets(answer(&[200]).has("x-a", "b").body("")).sees(heads())),
        head("HEAD of nothing")
            .replies("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n")
            .want(gets(answer(&[404]).has("content-length", "9")).sees(heads())),
        head("a body that HEAD should not have got meets nobody")
            .replies("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .want(gets(answer(&[200]).body("")).sees(heads()))
            .as_written(),
        status("204 has no body and no length", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n")
            .want(gets(answer(&[204]).has("x-a", "b")).sees(request())),
        status(
            "204 loses the length that it may not have",
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        )
        .want(gets(answer(&[204])).sees(request())),
        status(
            "204 with a body that it may not have",
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
        )
        .as_written()
        .want(gets(answer(&[204])).sees(request()))
        .want(gets(answer(&[502])).any_end().sees(request())),
        status("204 in chunks", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
            .as_written()
            .want(gets(answer(&[204])).sees(request()))
            .want(gets(answer(&[502])).any_end().sees(request())),
        status(
            "304 keeps the length of what it does not send",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: \"a\"\r\n\r\n",
        )
        .want(gets(answer(&[304]).has("etag", "\"a\"").has("content-length", "1000")).sees(request())),
        status("304 without a length", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n")
            .want(gets(answer(&[304]).has("etag", "\"a\"").lacks("content-length")).sees(request())),
        status(
            "304 with a body that it may not have",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello",
        )
        .as_written()
        .want(gets(answer(&[304])).sees(request())),
        status("205 with nothing", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n")
            .want(gets(answer(&[205]).has("content-length", "0")).sees(request())),
    ]
}

fn framings() -> Vec<Case> {
    let status = |name: &str, answer: &str| Case::new(&PLAIN, name).send(get("/a", "")).replies(answer);
    let big = "x".repeat(1_000_000);
    vec![
        status("an answer by length keeps its length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            .want(gets(answer(&[200]).framed(Framing::Length(5)).body("hello")).sees(request())),
        status("an answer of length zero", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .want(gets(answer(&[200]).framed(Framing::Length(0))).sees(request())),
        status(
            "an answer in chunks stays in chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n",
        )
        .want(
            gets(answer(&[200]).framed(Framing::Chunked).body("hello").lacks("content-length"))
                .sees(request()),
        ),
        status(
            "an answer in chunks of capitals and zeros",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n000A\r\n0123456789\r\n00\r\n\r\n",
        )
        .want(gets(answer(&[200]).body("0123456789")).sees(request())),
        Case::new(&PLAIN, "an answer up to the end of its connection")
            .send(get("/a", ""))
            .replies_and_closes("HTTP/1.1 200 OK\r\n\r\nhello")
            .want(gets(answer(&[200]).framed(Framing::Chunked).body("hello")).sees(request()))
            .want(gets(answer(&[200]).framed(Framing::UntilClose).body("hello")).closed().sees(request())),
        Case::new(&PLAIN, "an answer up to the end of its connection, to HTTP/1.0")
            .send("GET /a HTTP/1.0\r\nHost: shop.example\r\n\r\n")
            .replies_and_closes("HTTP/1.1 200 OK\r\n\r\nhello")
            .want(gets(answer(&[200]).body("hello")).closed().sees(request())),
        status("an error with a body", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops")
            .want(
                gets(answer(&[500]).start("HTTP/1.1 500 Internal Server Error").body("oops")).sees(request()),
            ),
        status("a status that nobody knows", "HTTP/1.1 599 Own Words\r\nContent-Length: 2\r\n\r\nok")
            .want(gets(answer(&[599]).start("HTTP/1.1 599 Own Words").body("ok")).sees(request())),
        status("a reason in other words", "HTTP/1.1 200 Fine, thanks\r\nContent-Length: 2\r\n\r\nok")
            .want(gets(answer(&[200]).start("HTTP/1.1 200 Fine, thanks")).sees(request())),
        status("a status line without a reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok")
            .want(gets(answer(&[200]).body("ok")).sees(request())),
        Case::new(&PLAIN, "a megabyte down by length")
            .send(get("/a", ""))
            .replies(ok("", &big))
            .want(gets(answer(&[200]).test(Test::BodyLength(1_000_000))).sees(request())),
        Case::new(&PLAIN, "a megabyte up by length")
            .send(post("Content-Length: 1000000\r\n", &big))
            .want(passes(request().test(Test::BodyLength(1_000_000)))),
        Case::new(&PLAIN, "a megabyte up in chunks")
            .send(post("Transfer-Encoding: chunked\r\n", &format!("F4240\r\n{big}\r\n0\r\n\r\n")))
            .want(passes(request().test(Test::BodyLength(1_000_000)))),
        Case::new(&PLAIN, "an answer that comes one byte at a time")
            .send(get("/a", ""))
            .legacy(vec![Act::Dribble(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec(),
            )])
            .want(gets(answer(&[200]).body("hello")).sees(request())),
    ]
}

fn trailers() -> Vec<Case> {
    let with = |name: &str, lines: &str, answer: &str| {
        Case::new(&PLAIN, name).send(get("/a", lines)).replies(answer)
    };
    let announced = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: abc\r\n\r\n";
    vec![
        with("an answer's trailers are relayed to who takes them", "TE: trailers\r\n", announced)
            .want(gets(answer(&[200]).body("hello").lacks("x-sum").test(Test::Trailer("x-sum".into(), "abc".into()))).sees(request())),
        with("an answer's trailers are never headers", "", announced)
            .want(gets(answer(&[200]).body("hello").lacks("x-sum")).sees(request())),
        with(
            "framing among an answer's trailers changes nothing",
            "TE: trailers\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length, Set-Cookie\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n",
        )
        .want(gets(answer(&[200]).body("hello").lacks("content-length").that("no length as a trailer", |message| message.trailers.is_empty())).sees(request()))
        .want(gets(answer(&[200]).body("hello").cut()).any_end().sees(request())),
    ]
}

fn interim() -> Vec<Case> {
    let with = |name: &str, answer: &str| Case::new(&PLAIN, name).send(get("/a", "")).replies(answer);
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    let fine = || gets(answer(&[200]).body("ok").after_any()).sees(request());
    vec![
        with("early hints do not stand for the answer", &format!("{hints}{}", ok("", "ok"))).want(fine()),
        with(
            "102 does not stand for the answer",
            &format!("HTTP/1.1 102 Processing\r\n\r\n{}", ok("", "ok")),
        )
        .want(fine()),
        with("100 that nobody waits for does not stand for the answer", &format!("{go_on}{}", ok("", "ok")))
            .want(fine()),
        with("several interim answers", &format!("{go_on}{hints}{hints}{}", ok("", "ok"))).want(fine()),
        with(
            "an interim answer with a length",
            &format!("HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n{}", ok("", "ok")),
        )
        .want(fine())
        .want(gets(answer(&[502])).any_end().sees(request())),
        Case::new(&PLAIN, "a great many interim answers")
            .as_written()
            .send(get("/a", ""))
            .legacy(vec![Act::Repeat(go_on.as_bytes().to_vec(), 20_000), send(ok("", "ok"))])
            .want(fine())
            .want(gets(answer(&[502]).after_any()).any_end().sees(request())),
        Case::new(&PLAIN, "an interim answer and then nothing")
            .send(get("/a", ""))
            .legacy(vec![send(go_on), Act::Close])
            .want(gets(answer(&[502]).after_any()).any_end().sees(request())),
    ]
}

fn streaming() -> Vec<Case> {
    let stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let eventually = |outcome: Outcome| Outcome { end: End::Any, ..outcome };
    let cases = vec![
        Case::new(&PLAIN, "each event is passed on before the next one is made")
            .send(get("/events", "Accept: text/event-stream\r\n"))
            .until("one")
            .does(Do::Open("two"))
            .until("two")
            .does(Do::Open("end"))
            .legacy(vec![
                send(format!("{stream}3\r\none\r\n")),
                Act::Gate("two"),
                send("3\r\ntwo\r\n"),
                Act::Gate("end"),
                send("0\r\n\r\n"),
            ])
            .want(gets(answer(&[200]).body("onetwo")).sees(request())),
        Case::new(&PLAIN, "an answer's head is passed on before its body is there")
            .send(get("/a", ""))
            .until("\r\n\r\n")
            .does(Do::Open("body"))
            .legacy(vec![send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), Act::Gate("body"), send("ok")])
            .want(gets(answer(&[200]).body("ok")).sees(request())),
        Case::new(&PLAIN, "events up to the end of the connection are passed on at once")
            .send(get("/events", ""))
            .until("one")
            .does(Do::Open("two"))
            .legacy(vec![send("HTTP/1.1 200 OK\r\n\r\none"), Act::Gate("two"), send("two"), Act::Close])
            .want(eventually(gets(answer(&[200]).body("onetwo")).sees(request()))),
        Case::new(&PLAIN, "an upload by length is passed on before it is whole")
            .send(post("Content-Length: 10\r\n", "hello"))
            .does(Do::Await(Until::Body(0, 5)))
            .does(body("world"))
            .want(passes(request().body("helloworld"))),
        Case::new(&PLAIN, "an upload in chunks is passed on before it is whole")
            .send(post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"))
            .does(Do::Await(Until::Body(0, 5)))
            .does(body("5\r\nworld\r\n0\r\n\r\n"))
            .want(passes(request().body("helloworld"))),
        Case::new(&PLAIN, "an answer may begin before the upload ends")
            .send(post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"))
            .until("one")
            .does(body("5\r\nworld\r\n0\r\n\r\n"))
            .legacy(vec![send(format!("{stream}3\r\none\r\n")), Act::Body, send("3\r\ntwo\r\n0\r\n\r\n")])
            .want(gets(answer(&[200]).body("onetwo")).sees(request().body("helloworld"))),
        Case::new(&TIMES, "a slow upload is not the upstream's slowness")
            .send(post("Content-Length: 11\r\n", ""))
            .does(Do::Drip(b"very slowly".to_vec(), 1, Duration::from_millis(80)))
            .want(passes(request().body("very slowly"))),
    ];
    // What is waited for must not be in two chunks.
    cases.into_iter().map(Case::as_written).collect()
}
