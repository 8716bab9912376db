//! How bytes are cut into segments must not matter: many requests in one, one request in many; and how chunks
//! may be spelt (RFC 9112 section 7.1).

use std::time::Duration;

use wire::case::{Case, Do, End, Outcome, Test, answer, gets, passes, refused, request};
use wire::message::Framing;
use wire::stage::Act;

use crate::setups::{PLAIN, SLICES, get, ok, post};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = one_segment();
    cases.extend(pipelines_that_end());
    cases.extend(byte_by_byte());
    cases.extend(chunk_spellings());
    cases.extend(bad_chunk_spellings());
    cases
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";

fn one_segment() -> Vec<Case> {
    let by_length = post("Content-Length: 5\r\n", "hello");
    let by_chunks = post(CHUNKED, HELLO);
    let many: String = (0..50).map(|number| get(&format!("/{number}"), "")).collect();
    let mut fifty = passes(request().target("/0"));
    for number in 1..50 {
        fifty = fifty.then(answer(&[200])).sees(request().target(format!("/{number}")));
    }
    let five = || request().body("hello");
    let ok_answer = || answer(&[200]).body("ok");
    vec![
        Case::new(&PLAIN, "fifty requests in one segment are answered in their order").send(many).want(fifty),
        Case::new(&PLAIN, "uploads and readings in one segment stay apart")
            .send(format!("{by_length}{by_chunks}{}{by_chunks}{by_length}{}", get("/a", ""), get("/b", "")))
            .want(
                passes(five().framed(Framing::Length(5)))
                    .then(ok_answer())
                    .then(ok_answer())
                    .then(ok_answer())
                    .then(ok_answer())
                    .then(ok_answer())
                    .sees(five().framed(Framing::Chunked))
                    .sees(request().target("/a").framed(Framing::None))
                    .sees(five().framed(Framing::Chunked))
                    .sees(five().framed(Framing::Length(5)))
                    .sees(request().target("/b").framed(Framing::None)),
            ),
        Case::new(&SLICES, "requests to both sides in one segment are answered in their order")
            .send(format!("{}{}{}", get("/products/1", ""), get("/b", ""), get("/products/2", "")))
            .extracted(vec![Act::Body, Act::Send(ok("", "first").into())])
            .legacy(vec![Act::Body, Act::Send(ok("", "second").into())])
            .extracted(vec![Act::Body, Act::Send(ok("", "third").into())])
            .want(
                gets(answer(&[200]).body("first"))
                    .then(answer(&[200]).body("second"))
                    .then(answer(&[200]).body("third"))
                    .sees(request().target("/products/1").extracted())
                    .sees(request().target("/b"))
                    .sees(request().target("/products/2").extracted()),
            ),
        Case::new(&PLAIN, "a request and half of the next in one segment")
            .send(format!("{}GET /b HTTP/1.1\r\nHo", get("/a", "")))
            .until("ok")
            .send("st: shop.example\r\n\r\n")
            .want(passes(request().target("/a")).then(ok_answer()).sees(request().target("/b"))),
        Case::new(&PLAIN, "a head and half of its body in one segment")
            .send(post("Content-Length: 10\r\n", "hello"))
            .does(Do::Await(wire::case::Until::Body(0, 5)))
            .send(format!("world{}", get("/b", "")))
            .want(passes(request().body("helloworld")).then(ok_answer()).sees(request().target("/b"))),
        Case::new(&PLAIN, "empty lines between two requests in one segment")
            .send(format!("{by_length}\r\n{}", get("/b", "")))
            .want(passes(five()).then(ok_answer()).sees(request().target("/b"))),
        Case::new(&PLAIN, "a large upload and a request behind it")
            .send(format!("{}{}", post("Content-Length: 300000\r\n", &"x".repeat(300_000)), get("/b", "")))
            .want(
                passes(request().test(Test::BodyLength(300_000)))
                    .then(ok_answer())
                    .sees(request().target("/b")),
            ),
    ]
}

fn pipelines_that_end() -> Vec<Case> {
    let first = get("/first", "");
    let second = get("/second", "");
    vec![
        Case::new(&PLAIN, "nothing behind an upload that closes is run")
            .send(format!("{}{second}", post("Content-Length: 5\r\nConnection: close\r\n", "hello")))
            .want(passes(request().body("hello")).closed()),
        Case::new(&PLAIN, "nothing behind a request of HTTP/1.0 is run")
            .send(format!("GET /first HTTP/1.0\r\nHost: shop.example\r\n\r\n{second}"))
            .want(passes(request().target("/first")).closed()),
        Case::new(&PLAIN, "a client that pipelines and finishes sending is answered")
            .send(format!("{first}{second}"))
            .does(Do::HalfClose)
            .want(
                passes(request().target("/first"))
                    .then(answer(&[200]))
                    .sees(request().target("/second"))
                    .any_end()
                    .or_silence(),
            )
            .want(passes(request().target("/first")).any_end().or_silence())
            .want(gets(answer(&[200]).maybe_cut()).any_end().or_silence().sees(request().maybe_cut()))
            .want(
                gets(answer(&[200]))
                    .then(answer(&[200]).maybe_cut())
                    .any_end()
                    .or_silence()
                    .sees(request())
                    .sees(request().maybe_cut()),
            ),
        Case::new(&PLAIN, "behind an answer that is cut no pipelined request is answered")
            .send(format!("{first}{second}"))
            .replies_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            .want(gets(answer(&[200]).cut()).closed().sees(request().target("/first"))),
        Case::new(&PLAIN, "behind 502 a pipelined request is answered, or the connection closed")
            .send(format!("{first}{second}"))
            .replies_and_closes("garbage\r\n\r\n")
            .want(
                gets(answer(&[502]))
                    .then(answer(&[200]))
                    .sees(request().target("/first"))
                    .sees(request().target("/second")),
            )
            .want(gets(answer(&[502])).closed().sees(request().target("/first"))),
    ]
}

fn byte_by_byte() -> Vec<Case> {
    let slowly = |bytes: String| Do::Drip(bytes.into_bytes(), 1, Duration::from_millis(1));
    let whole =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    vec![
        Case::new(&PLAIN, "a body by length that comes one byte at a time")
            .does(slowly(post("Content-Length: 5\r\n", "hello")))
            .want(passes(request().framed(Framing::Length(5)).body("hello"))),
        Case::new(&PLAIN, "chunks that come one byte at a time")
            .does(slowly(post(CHUNKED, "3;a=\"b\"\r\nhel\r\n02\r\nlo\r\n00;x\r\n\r\n")))
            .want(passes(request().framed(Framing::Chunked).body("hello"))),
        Case::new(&PLAIN, "an upload and a request behind it that come three bytes at a time")
            .does(Do::Drip(
                post(CHUNKED, "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n").into_bytes(),
                3,
                Duration::from_millis(1),
            ))
            .until("ok")
            .does(Do::Drip(get("/b", "").into_bytes(), 3, Duration::from_millis(1)))
            .want(passes(request().body("hello")).then(answer(&[200])).sees(request().target("/b"))),
        Case::new(&PLAIN, "an answer in chunks that comes one byte at a time, and one behind it")
            .send(get("/a", ""))
            .legacy(vec![Act::Body, Act::Dribble(whole.into())])
            .want(gets(answer(&[200]).framed(Framing::Chunked).body("hello")).sees(request())),
        Case::new(&PLAIN, "an answer by length that comes one byte at a time")
            .send(get("/a", ""))
            .legacy(vec![Act::Body, Act::Dribble(ok("X-CamelCase: a\r\n", "hello").into_bytes())])
            .want(gets(answer(&[200]).raw("X-CamelCase: a\r\n").body("hello")).sees(request())),
        Case::new(&PLAIN, "a broken chunk that comes one byte at a time never looks whole")
            .does(slowly(post(CHUNKED, "3\r\nhel\r\n2\rlo\r\n0\r\n\r\n")))
            .want(broken()),
    ]
}

/// The proxy answers 400 or closes, and the origin, if it heard of the request, knows that it is broken.
fn broken() -> Outcome {
    gets(answer(&[400, 413])).or_silence().closed().sees(request().cut())
}

fn chunk_spellings() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, body) in [
        ("a last chunk of twenty zeros", format!("5\r\nhello\r\n{}\r\n\r\n", "0".repeat(20))),
        ("a chunk size with twenty zeros before it", format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(20))),
        ("a chunk extension with escapes in quotes", "5;a=\"b\\\"; c\\\\\"\r\nhello\r\n0\r\n\r\n".to_owned()),
        ("a chunk extension without a value", "5;a;b;c\r\nhello\r\n0;d\r\n\r\n".to_owned()),
        ("a chunk extension that looks like a size", "5;5\r\nhello\r\n0\r\n\r\n".to_owned()),
        ("a chunk extension that looks like a request", "5;GET / HTTP/1.1\r\nhello\r\n0\r\n\r\n".to_owned()),
    ] {
        let case = Case::new(&PLAIN, format!("{name} is read"));
        cases.push(
            case.send(format!("{}{}", post(CHUNKED, &body), get("/b", ""))).want(
                passes(request().framed(Framing::Chunked).body("hello"))
                    .then(answer(&[200]))
                    .sees(request().target("/b")),
            ),
        );
    }
    cases
}

/// Spellings by which two peers could see two bodies.
fn bad_chunk_spellings() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, body) in [
        ("a chunk size behind a blank", " 5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size ended by a bare LF", "5\nhello\r\n0\r\n\r\n"),
        ("a chunk ended by a bare LF", "5\r\nhello\n0\r\n\r\n"),
        ("a chunk extension ended by a bare LF", "5;a\nhello\r\n0\r\n\r\n"),
        ("a last chunk ended by a bare LF", "5\r\nhello\r\n0\n\r\n"),
        ("a body ended by a bare LF", "5\r\nhello\r\n0\r\n\n"),
        ("a trailer ended by a bare LF", "5\r\nhello\r\n0\r\nX-A: b\n\r\n"),
        ("a NUL in a chunk extension", "5;a\0b\r\nhello\r\n0\r\n\r\n"),
        ("a chunk of two CRs", "5\r\nhello\r\r\n0\r\n\r\n"),
        ("an underscore in a chunk size", "0_5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size that overflows behind zeros", "00010000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("a folded trailer", "5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n"),
    ] {
        let case = Case::new(&PLAIN, format!("{name} is refused")).send(post(CHUNKED, body));
        let either = Outcome { end: End::Any, ..broken() };
        cases.push(case.does(Do::HalfClose).want(refused(&[400]).or_silence()).want(either));
    }
    cases
}
