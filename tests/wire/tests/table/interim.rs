//! Interim answers: RFC 9110 section 15.2. A proxy forwards what it did not ask for itself, at once and as it
//! came, to clients that know them.

use wire::case::{Case, Do, Outcome, answer, gets, request};
use wire::client::Observed;
use wire::stage::{Act, Log};

use crate::setups::{PLAIN, get, ok, post};

const HINTS: &str =
    "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-CamelCase: a\r\nLink: </b.js>\r\n\r\n";

fn send(bytes: impl AsRef<[u8]>) -> Act {
    Act::Send(bytes.as_ref().to_vec())
}

/// The first interim answer is what the origin wrote, to the byte.
fn hints_as_they_came(observed: &Observed, _: &Log) -> bool {
    let interim = observed.answers.first().and_then(|answer| answer.interim.first());
    interim.is_some_and(|hints| hints.head == HINTS.as_bytes())
}

/// No interim answer has a line of this connection's own.
fn no_hop_lines(observed: &Observed, _: &Log) -> bool {
    observed.answers.iter().flat_map(|answer| &answer.interim).all(|interim| {
        ["connection", "keep-alive", "x-private"].iter().all(|name| interim.values(name).is_empty())
    })
}

fn fine(interim: &[u16]) -> Outcome {
    gets(answer(&[200]).body("ok").lacks("link").after(interim)).sees(request())
}

pub(crate) fn cases() -> Vec<Case> {
    let with = |name: &str, answer: &str| Case::new(&PLAIN, name).send(get("/a", "")).replies(answer);
    let final_answer = ok("", "ok");
    let mut cases = vec![
        with("early hints are relayed as they came", &format!("{HINTS}{final_answer}"))
            .want(fine(&[103]).that("as they came", hints_as_they_came)),
        with("102 is relayed", &format!("HTTP/1.1 102 Processing\r\n\r\n{final_answer}")).want(fine(&[102])),
        with("an interim status that nobody knows is relayed", &format!("HTTP/1.1 199 Own\r\n\r\n{final_answer}"))
            .want(fine(&[199])),
        with(
            "interim answers are relayed in their order",
            &format!("HTTP/1.1 102 Processing\r\n\r\n{HINTS}HTTP/1.1 102 Processing\r\n\r\n{final_answer}"),
        )
        .want(fine(&[102, 103, 102])),
        with("twenty interim answers are relayed", &format!("{}{final_answer}", HINTS.repeat(20)))
            .want(fine(&[103; 20])),
        with(
            "an interim answer's own connection is not the client's",
            &format!(
                "HTTP/1.1 103 Early Hints\r\nConnection: X-Private\r\nX-Private: a\r\nKeep-Alive: timeout=1\r\nLink: </a>\r\n\r\n{final_answer}"
            ),
        )
        .want(fine(&[103]).that("nothing of one hop", no_hop_lines)),
        Case::new(&PLAIN, "early hints are relayed before the answer is made")
            .send(get("/a", ""))
            .until("103 Early Hints")
            .does(Do::Open("made"))
            .legacy(vec![Act::Body, send(HINTS), Act::Gate("made"), send(&final_answer)])
            .want(fine(&[103])),
        Case::new(&PLAIN, "early hints that come one byte at a time")
            .send(get("/a", ""))
            .legacy(vec![Act::Body, Act::Dribble(format!("{HINTS}{final_answer}").into_bytes())])
            .want(fine(&[103]).that("as they came", hints_as_they_came)),
        Case::new(&PLAIN, "HTTP/1.0 gets no interim answers")
            .send("GET /a HTTP/1.0\r\nHost: shop.example\r\n\r\n")
            .replies(format!("{HINTS}HTTP/1.1 102 Processing\r\n\r\n{final_answer}"))
            .want(fine(&[]).closed()),
        Case::new(&PLAIN, "early hints before an answer without a body")
            .to_head()
            .send("HEAD /a HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            .replies(format!("{HINTS}HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"))
            .want(gets(answer(&[200]).has("content-length", "10").after(&[103])).sees(request())),
        Case::new(&PLAIN, "early hints of one answer are not the next one's")
            .send(format!("{}{}", get("/first", ""), get("/second", "")))
            .replies(format!("{HINTS}{final_answer}"))
            .replies(&final_answer)
            .want(fine(&[103]).then(answer(&[200])).sees(request().target("/second"))),
    ];
    cases.push(
        Case::new(&PLAIN, "early hints before 100 before an upload")
            .send(post("Content-Length: 5\r\nExpect: 100-continue\r\n", ""))
            .until("100 Continue\r\n\r\n")
            .send("hello")
            .legacy(vec![send(HINTS), send("HTTP/1.1 100 Continue\r\n\r\n"), Act::Body, send(&final_answer)])
            .want(gets(answer(&[200]).body("ok").after(&[103, 100])).sees(request().body("hello"))),
    );
    cases.push(
        Case::new(&PLAIN, "early hints in the middle of an upload")
            .send(post("Content-Length: 10\r\n", "hello"))
            .until("103 Early Hints")
            .send("world")
            .legacy(vec![Act::SomeBody(5), send(HINTS), Act::Body, send(&final_answer)])
            .want(gets(answer(&[200]).body("ok").after(&[103])).sees(request().body("helloworld"))),
    );
    cases
}
