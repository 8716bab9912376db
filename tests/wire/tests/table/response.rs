//! What upstreams get wrong: "From upstreams" of the letter of HTTP. The client sees a 502 or a broken answer,
//! never a wrong one, and the next client sees nothing of it.

use wire::case::{Case, Do, Outcome, answer, gets, request};
use wire::stage::Act;

use crate::setups::{PLAIN, get, ok};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = heads();
    cases.extend(lenient_heads());
    cases.extend(statuses());
    cases.extend(silence());
    cases.extend(cut_bodies());
    cases.extend(surplus());
    cases
}

/// The proxy says 502 itself, and the request was made once.
fn bad_gateway() -> Outcome {
    gets(answer(&[502]).that("it says whose fault it is", |answer| answer.values("proxy-status").len() == 1))
        .any_end()
        .sees(request())
}

/// The answer began, and must be visibly broken off.
fn broken() -> Outcome {
    gets(answer(&[200]).cut()).closed().sees(request())
}

fn heads() -> Vec<Case> {
    let long = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\nContent-Length: 2\r\n\r\nok", "x".repeat(4_000_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nok", "X-A: b\r\n".repeat(100_000));
    let bad: Vec<(&str, &[u8])> = vec![
        ("a status of letters", b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nok"),
        ("a status of two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("a status of four digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("a negative status", b"HTTP/1.1 -20 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("no status", b"HTTP/1.1\r\nContent-Length: 2\r\n\r\nok"),
        ("no version", b"200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("another protocol's status line", b"ICY 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("a misspelt version in a status line", b"HTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("HTTP/2.0 in a status line", b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("an answer of HTTP/0.9", b"<html>hello</html>\r\n\r\n"),
        ("an answer of binary garbage", b"\0\x01\x02\x03\xff\xfe\r\n\r\n\r\n"),
        ("an answer in TLS", b"\x15\x03\x03\0\x02\x02\x0a\r\n\r\n"),
        ("a NUL in a reason", b"HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nok"),
        ("differing lengths in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!"),
        ("a list of differing lengths in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok!"),
        ("a negative length in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"),
        ("a length with a plus in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"),
        ("a hexadecimal length in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok"),
        ("a length of letters in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"),
        ("an empty length in an answer", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok"),
        ("a length beyond 64 bits in an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nok"),
        (
            "length and encoding in an answer",
            b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        (
            "encoding and length in an answer",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        ("gzip as an answer's transfer encoding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok"),
        (
            "gzip before chunked in an answer",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        (
            "chunked twice in an answer",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        ("a NUL in an answer's value", b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok"),
        ("a bare CR in an answer's value", b"HTTP/1.1 200 OK\r\nX-A: a\rX-B: c\r\nContent-Length: 2\r\n\r\nok"),
        ("a control byte in an answer's value", b"HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 2\r\n\r\nok"),
        ("a blank in an answer's name", b"HTTP/1.1 200 OK\r\nX A: a\r\nContent-Length: 2\r\n\r\nok"),
        ("a blank before an answer's colon", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
        ("an empty name in an answer", b"HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 2\r\n\r\nok"),
        ("a line without a colon in an answer", b"HTTP/1.1 200 OK\r\nbroken\r\nContent-Length: 2\r\n\r\nok"),
        ("an answer's head of four megabytes", long.as_bytes()),
        ("a hundred thousand lines in an answer", many.as_bytes()),
    ];
    let mut cases = Vec::new();
    for (name, bytes) in bad {
        cases.push(
            Case::new(&PLAIN, name)
                .send(get("/a", ""))
                .legacy(vec![Act::Body, Act::Send(bytes.to_vec()), Act::Close])
                .want(bad_gateway()),
        );
    }
    cases
}

/// What a client of such an upstream would rather have, if it can be had exactly.
fn lenient_heads() -> Vec<Case> {
    let lines = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nok", "X-A: b\r\n".repeat(150));
    let taken = || gets(answer(&[200]).body("ok")).sees(request());
    let mut cases = Vec::new();
    for (name, bytes) in [
        (
            "the same length twice in an answer",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        ),
        ("a list of equal lengths in an answer", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"),
        ("a status line that ends behind its status", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"),
        ("two blanks in a status line", "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("an answer's lines that end in a bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
        ("a folded line in an answer", "HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 2\r\n\r\nok"),
        ("an empty line before an answer", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("a hundred and fifty lines in an answer", lines.as_str()),
    ] {
        cases.push(
            Case::new(&PLAIN, name)
                .send(get("/a", ""))
                .replies_and_closes(bytes)
                .want(bad_gateway())
                .want(taken()),
        );
    }
    cases
}

fn statuses() -> Vec<Case> {
    let mut cases = Vec::new();
    for status in ["000", "099", "600", "999"] {
        cases.push(
            Case::new(&PLAIN, format!("status {status} is refused"))
                .send(get("/a", ""))
                .replies(format!("HTTP/1.1 {status} Odd\r\nContent-Length: 2\r\n\r\nok"))
                .want(bad_gateway()),
        );
    }
    for status in [200, 201, 226, 299, 300, 418, 451, 499, 511, 599] {
        cases.push(
            Case::new(&PLAIN, format!("status {status} passes"))
                .send(get("/a", ""))
                .replies(format!("HTTP/1.1 {status} Own\r\nContent-Length: 2\r\n\r\nok"))
                .want(gets(answer(&[status]).body("ok")).sees(request())),
        );
    }
    cases
}

/// Upstreams that hang up.
fn silence() -> Vec<Case> {
    let post = "POST /a HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello";
    let half = b"HTTP/1.1 200 OK\r\nContent-Le".to_vec();
    let mut cases = Vec::new();
    for (name, request, acts) in [
        ("a GET that is hung up on", get("/a", ""), vec![Act::Close]),
        ("a GET that is reset", get("/a", ""), vec![Act::Reset]),
        ("a POST that is hung up on", post.to_owned(), vec![Act::Body, Act::Close]),
        ("a POST that is reset", post.to_owned(), vec![Act::Body, Act::Reset]),
        ("an answer's head that is cut", get("/a", ""), vec![Act::Send(half.clone()), Act::Close]),
        ("an answer's head that is reset", get("/a", ""), vec![Act::Send(half), Act::Reset]),
    ] {
        cases.push(Case::new(&PLAIN, name).send(request).legacy(acts).want(bad_gateway()));
    }
    cases.push(
        Case::new(&PLAIN, "a POST that is hung up on before its body was read")
            .send(post)
            .legacy(vec![Act::Close])
            .want(gets(answer(&[502])).any_end().sees(request().maybe_cut())),
    );
    cases
}

fn cut_bodies() -> Vec<Case> {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut cases = Vec::new();
    for (name, bytes) in [
        (
            "an answer shorter than its length",
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_owned(),
        ),
        ("an answer's chunks without the last one", format!("{chunked}5\r\nhello\r\n")),
        ("an answer's chunk that is cut", format!("{chunked}a\r\nhello")),
        ("an answer that ends inside the last chunk", format!("{chunked}5\r\nhello\r\n0\r\n")),
        (
            "an answer's chunk size that is no number",
            format!("{chunked}5\r\nhello\r\nxyz\r\nhello\r\n0\r\n\r\n"),
        ),
        ("an answer's negative chunk size", format!("{chunked}5\r\nhello\r\n-5\r\nhello\r\n0\r\n\r\n")),
        (
            "an answer's chunk size beyond 64 bits",
            format!("{chunked}5\r\nhello\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ),
        ("an answer's chunk longer than its size", format!("{chunked}3\r\nhello\r\n0\r\n\r\n")),
        ("an answer's broken trailer", format!("{chunked}5\r\nhello\r\n0\r\nbroken\r\n\r\n")),
    ] {
        for (how, act) in [("and closed", Act::Close), ("and reset", Act::Reset)] {
            // Where the head and the fault come in one read, a proxy may still say 502.
            cases.push(
                Case::new(&PLAIN, format!("{name}, {how}"))
                    .send(get("/a", ""))
                    .until("\r\n\r\n")
                    .does(Do::Open("seen"))
                    .legacy(split(&bytes, act))
                    .want(broken())
                    .want(bad_gateway()),
            );
        }
    }
    cases.extend(cut_without_a_length());
    cases
}

/// Answers whose end only their connection tells, and what does not end.
fn cut_without_a_length() -> Vec<Case> {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let to_the_end = "HTTP/1.1 200 OK\r\n\r\nhello";
    let mut cases = Vec::new();
    let old = "GET /a HTTP/1.0\r\nHost: shop.example\r\n\r\n".to_owned();
    for (name, request) in [
        ("a reset in an answer up to the end of its connection", get("/a", "")),
        ("a reset in an answer up to the end of its connection, to HTTP/1.0", old),
    ] {
        cases.push(
            Case::new(&PLAIN, name)
                .send(request)
                .until("hello")
                .as_written()
                .does(Do::Open("seen"))
                .legacy(vec![Act::Body, Act::Send(to_the_end.into()), Act::Gate("seen"), Act::Reset])
                .want(broken()),
        );
    }
    cases.push(
        Case::new(&PLAIN, "an answer shorter than its length, to HTTP/1.0")
            .send("GET /a HTTP/1.0\r\nHost: shop.example\r\n\r\n")
            .replies_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            .want(broken()),
    );
    cases.push(
        Case::new(&PLAIN, "an answer in cut chunks, to HTTP/1.0")
            .send("GET /a HTTP/1.0\r\nHost: shop.example\r\n\r\n")
            .until("hello")
            .as_written()
            .does(Do::Open("seen"))
            .legacy(vec![Act::Send(format!("{chunked}5\r\nhello\r\n").into()), Act::Gate("seen"), Act::Close])
            .want(broken()),
    );
    cases.push(
        Case::new(&PLAIN, "an endless chunk extension in an answer")
            .send(get("/a", ""))
            .replies_and_closes(format!("{chunked}5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(1_000_000)))
            .want(broken().or_silence())
            .want(bad_gateway())
            .want(gets(answer(&[200]).body("hello")).sees(request())),
    );
    cases.push(
        Case::new(&PLAIN, "endless trailers in an answer")
            .send(get("/a", ""))
            .replies_and_closes(format!("{chunked}5\r\nhello\r\n0\r\n{}\r\n", "X-A: b\r\n".repeat(200_000)))
            .want(broken().or_silence())
            .want(bad_gateway()),
    );
    cases
}

/// The head and the first bytes of the body; the rest once the client has seen the head.
fn split(bytes: &str, end: Act) -> Vec<Act> {
    let head = bytes.find("\r\n\r\n").map_or(0, |place| place + 4);
    let (head, body) = bytes.split_at(head);
    let (first, rest) = body.split_at(body.len().min(3));
    vec![
        Act::Body,
        Act::Send(format!("{head}{first}").into()),
        Act::Gate("seen"),
        Act::Send(rest.into()),
        end,
    ]
}

/// Bytes behind an answer: nobody may get them.
fn surplus() -> Vec<Case> {
    let second = ok("X-Stolen: yes\r\n", "stolen");
    let fine = || gets(answer(&[200]).body("ok")).sees(request());
    let twice = || fine().then(answer(&[200]).body("mine").lacks("x-stolen")).sees(request().target("/mine"));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let mut cases = Vec::new();
    for (name, bytes) in [
        ("bytes behind an answer by length", format!("{}surplus", ok("", "ok"))),
        ("a second answer behind an answer by length", format!("{}{second}", ok("", "ok"))),
        ("a second answer behind the last chunk", format!("{chunked}{second}")),
        ("garbage behind the last chunk", format!("{chunked}\0\0\0")),
        ("an empty line behind an answer", format!("{}\r\n", ok("", "ok"))),
    ] {
        cases.push(
            Case::new(&PLAIN, format!("{name} meets nobody"))
                .send(get("/a", ""))
                .until("ok")
                .send(get("/mine", ""))
                .replies(bytes)
                .replies(ok("", "mine"))
                .want(twice()),
        );
    }
    for (name, first, head) in [
        ("a second answer behind 304", "HTTP/1.1 304 Not Modified\r\n\r\n", false),
        ("a second answer behind 204", "HTTP/1.1 204 No Content\r\n\r\n", false),
        ("a second answer behind HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", true),
    ] {
        let method = if head { "HEAD" } else { "GET" };
        let case = Case::new(&PLAIN, format!("{name} meets nobody"))
            .send(format!("{method} /a HTTP/1.1\r\nHost: shop.example\r\n\r\n"))
            .until("\r\n\r\n")
            .send(get("/mine", ""))
            .replies(format!("{first}{second}"))
            .replies(ok("", "mine"));
        let case = if head { case.to_head() } else { case };
        let outcome = gets(answer(&[200, 204, 304])).then(answer(&[200]).body("mine").lacks("x-stolen"));
        cases.push(case.want(outcome.sees(request()).sees(request().target("/mine"))));
    }
    cases.push(
        Case::new(&PLAIN, "an answer on an idle connection meets nobody")
            .send(get("/a", ""))
            .until("ok")
            .does(Do::Open("idle"))
            .does(Do::Await(wire::case::Until::ProxyClosed(0)))
            .send(get("/mine", ""))
            .legacy(vec![
                Act::Body,
                Act::Send(ok("", "ok").into()),
                Act::Gate("idle"),
                Act::Send(second.into()),
            ])
            .replies(ok("", "mine"))
            .want(twice()),
    );
    // What comes after the next request was sent cannot be told from its answer.
    cases.into_iter().map(Case::as_written).collect()
}
