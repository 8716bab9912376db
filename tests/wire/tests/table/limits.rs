//! The limits of what is taken from clients, on both sides of each, and time-outs towards both sides.

use std::time::Duration;

use wire::case::{Case, Do, Outcome, answer, gets, passes, refused, request};
use wire::stage::Act;

use crate::setups::{LIMITS, PLAIN, TIMES, get, ok, post};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = sizes();
    cases.extend(bodies());
    cases.extend(defaults());
    cases.extend(slow_clients());
    cases.extend(slow_upstreams());
    cases
}

fn lines(count: usize) -> String {
    (0..count).map(|number| format!("X-{number}: a\r\n")).collect()
}

fn sizes() -> Vec<Case> {
    let target = |length: usize| format!("/{}", "t".repeat(length - 1));
    vec![
        Case::new(&LIMITS, "a head below the limit")
            .send(get("/a", &format!("X-A: {}\r\n", "v".repeat(3_900))))
            .want(passes(request())),
        Case::new(&LIMITS, "a head above the limit")
            .send(get("/a", &format!("X-A: {}\r\n", "v".repeat(4_200))))
            .want(refused(&[431])),
        Case::new(&LIMITS, "a head far above the limit")
            .send(get("/a", &format!("X-A: {}\r\n", "v".repeat(1_000_000))))
            .want(refused(&[431])),
        Case::new(&LIMITS, "a head above the limit that never ends")
            .send(format!("GET /a HTTP/1.1\r\nHost: shop.example\r\nX-A: {}", "v".repeat(20_000)))
            .want(refused(&[431])),
        Case::new(&LIMITS, "as many header lines as allowed")
            .send(get("/a", &lines(19)))
            .want(passes(request())),
        Case::new(&LIMITS, "a header line too many").send(get("/a", &lines(20))).want(refused(&[431])),
        Case::new(&LIMITS, "far too many header lines").send(get("/a", &lines(150))).want(refused(&[431])),
        Case::new(&LIMITS, "a target as long as allowed")
            .send(get(&target(1024), ""))
            .want(passes(request().target(target(1024)))),
        Case::new(&LIMITS, "a target a byte too long").send(get(&target(1025), "")).want(refused(&[414])),
        Case::new(&LIMITS, "a query a byte too long")
            .send(get(&format!("/?{}", "q".repeat(1023)), ""))
            .want(refused(&[414])),
        Case::new(&LIMITS, "a target far too long")
            .send(get(&target(100_000), ""))
            .want(refused(&[414, 431])),
        Case::new(&LIMITS, "a method that never ends")
            .send("G".repeat(1_000_000))
            .want(refused(&[400, 414, 431]).or_silence()),
        Case::new(&LIMITS, "empty lines that never end")
            .send("\r\n".repeat(500_000))
            .want(Outcome { answers: Vec::new(), ..refused(&[400]) })
            .want(refused(&[400, 408, 431]).or_silence()),
    ]
}

fn bodies() -> Vec<Case> {
    let chunk = |length: usize| format!("{length:x}\r\n{}\r\n0\r\n\r\n", "b".repeat(length));
    let too_much = || gets(answer(&[413])).closed().sees(request().cut());
    vec![
        Case::new(&LIMITS, "a body as long as allowed")
            .send(post("Content-Length: 8192\r\n", &"b".repeat(8192)))
            .want(passes(request().body("b".repeat(8192)))),
        Case::new(&LIMITS, "a length a byte above the limit")
            .send(post("Content-Length: 8193\r\n", &"b".repeat(8193)))
            .want(refused(&[413])),
        Case::new(&LIMITS, "a length far above the limit, of which nothing is sent")
            .send(post("Content-Length: 9000000000000000000\r\n", ""))
            .want(refused(&[400, 413])),
        Case::new(&LIMITS, "a length above the limit that is expected")
            .send(post("Content-Length: 8193\r\nExpect: 100-continue\r\n", ""))
            .want(refused(&[413])),
        Case::new(&LIMITS, "a chunk as long as allowed")
            .send(post("Transfer-Encoding: chunked\r\n", &chunk(8192)))
            .want(passes(request().body("b".repeat(8192)))),
        Case::new(&LIMITS, "chunks a byte above the limit")
            .send(post("Transfer-Encoding: chunked\r\n", &chunk(8193)))
            .want(refused(&[413]))
            .want(too_much()),
        Case::new(&LIMITS, "chunks that never end")
            .send(post("Transfer-Encoding: chunked\r\n", "1000\r\n"))
            .send("b".repeat(4096))
            .send("\r\n1000\r\n")
            .send("b".repeat(4096))
            .send("\r\n1\r\nb")
            .want(too_much())
            .want(refused(&[413])),
    ]
}

fn defaults() -> Vec<Case> {
    let long = |length: usize| format!("/{}", "t".repeat(length - 1));
    vec![
        Case::new(&PLAIN, "by default, a hundred header lines")
            .send(get("/a", &lines(99)))
            .want(passes(request())),
        Case::new(&PLAIN, "by default, not a line more").send(get("/a", &lines(100))).want(refused(&[431])),
        Case::new(&PLAIN, "by default, a head of 63 KiB")
            .send(get("/a", &format!("X-A: {}\r\n", "v".repeat(63 * 1024))))
            .want(passes(request())),
        Case::new(&PLAIN, "by default, no head of 65 KiB")
            .send(get("/a", &format!("X-A: {}\r\n", "v".repeat(65 * 1024))))
            .want(refused(&[431])),
        Case::new(&PLAIN, "by default, a target of 16 KiB")
            .send(get(&long(16 * 1024), ""))
            .want(passes(request())),
        Case::new(&PLAIN, "by default, no target of a byte more")
            .send(get(&long(16 * 1024 + 1), ""))
            .want(refused(&[414])),
        Case::new(&PLAIN, "by default, no target of 64 KiB")
            .send(get(&long(60 * 1024), ""))
            .want(refused(&[414])),
    ]
}

fn slow_clients() -> Vec<Case> {
    let cut_upload = || gets(answer(&[408])).or_silence().closed().sees(request().cut());
    vec![
        Case::new(&LIMITS, "a head that stops")
            .send("GET /a HTTP/1.1\r\nHost: shop.exa")
            .want(refused(&[408]).or_silence()),
        Case::new(&LIMITS, "a head that comes too slowly")
            .does(Do::Drip(get("/a", &"X-A: b\r\n".repeat(10)).into_bytes(), 8, Duration::from_millis(60)))
            .want(refused(&[408]).or_silence()),
        Case::new(&LIMITS, "a connection that says nothing").want(refused(&[408]).or_silence()),
        Case::new(&LIMITS, "a connection that is idle too long")
            .send(get("/a", ""))
            .want(passes(request()).closed()),
        Case::new(&LIMITS, "a second head that stops")
            .send(get("/a", ""))
            .until("ok")
            .send("GET /b HTTP/1.1\r\n")
            .want(passes(request()).then(answer(&[408])).or_silence().closed()),
        Case::new(&LIMITS, "a body by length that stops")
            .send(post("Content-Length: 10\r\n", "hello"))
            .want(cut_upload()),
        Case::new(&LIMITS, "a body in chunks that stops")
            .send(post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"))
            .want(cut_upload()),
        Case::new(&LIMITS, "a body that never begins")
            .send(post("Content-Length: 10\r\n", ""))
            .want(cut_upload()),
        Case::new(&LIMITS, "a body that is slow, but moves")
            .send(post("Content-Length: 11\r\n", ""))
            .does(Do::Drip(b"very slowly".to_vec(), 1, Duration::from_millis(90)))
            .want(passes(request().body("very slowly"))),
    ]
}

fn slow_upstreams() -> Vec<Case> {
    let late = || {
        gets(
            answer(&[504])
                .that("it says whose fault it is", |answer| answer.values("proxy-status").len() == 1),
        )
        .any_end()
        .sees(request())
    };
    let cut = || gets(answer(&[200]).cut()).closed().sees(request());
    let stalls = |name: &str, bytes: &str| {
        Case::new(&TIMES, name).send(get("/a", "")).legacy(vec![Act::Send(bytes.into()), Act::Stall])
    };
    vec![
        Case::new(&TIMES, "an upstream that is silent")
            .send(get("/a", ""))
            .legacy(vec![Act::Stall])
            .want(late()),
        Case::new(&TIMES, "an upstream that is silent about a POST")
            .send(post("Content-Length: 5\r\n", "hello"))
            .legacy(vec![Act::Body, Act::Stall])
            .want(late()),
        stalls("an upstream that stops inside its head", "HTTP/1.1 200 OK\r\nX-A: ").want(late()),
        stalls("an upstream that only ever says 100", "HTTP/1.1 100 Continue\r\n\r\n").want({
            let mut outcome = late();
            outcome.answers = vec![answer(&[504]).after_any()];
            outcome
        }),
        stalls(
            "an upstream that stops inside a body by length",
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        )
        .want(cut()),
        stalls(
            "an upstream that stops inside its chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        )
        .want(cut()),
        stalls("an upstream that stops inside a body up to its end", "HTTP/1.1 200 OK\r\n\r\nhello")
            .want(cut()),
        stalls("an upstream that stops before a body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
            .want(cut()),
        Case::new(&TIMES, "an upstream that was late is left, and the next client served")
            .send(get("/a", ""))
            .until("504")
            .send(get("/b", ""))
            .legacy(vec![Act::Stall])
            .replies(ok("", "ok"))
            .want(
                gets(answer(&[504]))
                    .then(answer(&[200]).body("ok"))
                    .sees(request())
                    .sees(request().target("/b")),
            ),
    ]
}
