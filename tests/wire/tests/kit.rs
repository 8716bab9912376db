//! The kit itself: a trivial forwarder that does right is found to do right, and each fault planted in it is
//! found by the case that is there for it. A table that cannot fail would show nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wire::case::{Case, answer, gets, passes, refused, request};
use wire::client::read_answer;
use wire::lane::play_all;
use wire::message::{self, Ending, Framing, Message};
use wire::stage::Act;
use wire::target::{Launch, Places, Running, Setup};
use wire::wire::{Cuts, Fault, Wire};

const PATIENCE: Duration = Duration::from_millis(500);

/// What a planted forwarder gets wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// Hands bytes through, whatever they are.
    Verbatim,
    /// Sends every request twice.
    Twice,
    /// Ends a broken answer as if it were whole.
    MendsAnswers,
    /// Ends a broken upload as if it were whole.
    MendsUploads,
    /// Writes more than the answer.
    Surplus,
    /// Goes on after a refusal.
    KeepsRefused,
    /// Refuses, but lets the request through.
    LeaksRefused,
    /// Loses all but the last of repeated lines.
    MergesLines,
    /// Lower-cases names.
    LowersNames,
    /// Gives each client the answer of the one before.
    Mixes,
    /// Takes what comes first for the whole head.
    ReadsOnce,
    /// Never answers.
    Silent,
}

#[derive(Debug)]
struct Forwarder(Planted);

#[derive(Debug)]
struct Listening {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Running for Listening {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
    }
}

impl Launch for Forwarder {
    fn launch(&self, _: &Setup, places: &Places) -> io::Result<Option<Box<dyn Running>>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopping, planted, upstream) = (Arc::clone(&stop), self.0, places.legacy);
        std::thread::spawn(move || {
            let before = Arc::new(std::sync::Mutex::new(None));
            for stream in listener.incoming() {
                if stopping.load(Ordering::Acquire) {
                    return;
                }
                let before = Arc::clone(&before);
                std::thread::spawn(move || forward(stream.unwrap(), upstream, planted, &before));
            }
        });
        Ok(Some(Box::new(Listening { address, stop })))
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }
}

type Before = std::sync::Mutex<Option<Vec<u8>>>;

fn forward(stream: TcpStream, upstream: SocketAddr, planted: Planted, before: &Before) {
    if planted == Planted::Verbatim {
        return relay(stream, upstream);
    }
    let mut client = Wire::new(stream, Duration::from_secs(10)).unwrap();
    loop {
        if planted == Planted::ReadsOnce
            && !client.fill().is_ok_and(|first| first.windows(4).any(|four| four == b"\r\n\r\n"))
        {
            return;
        }
        let refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        let mut request = match message::request_head(&mut client) {
            Ok(request) => request,
            Err(Fault::Ended(_)) => return,
            Err(Fault::Syntax(_)) => {
                if planted == Planted::LeaksRefused {
                    let mut upstream = Wire::connect(upstream, PATIENCE).unwrap();
                    drop(upstream.send(b"GET /leak HTTP/1.1\r\nHost: a\r\n\r\n"));
                    drop(read_answer(&mut upstream, false));
                }
                drop(client.send(refusal));
                if planted == Planted::KeepsRefused {
                    client.rest(&mut |_| {});
                }
                return;
            }
        };
        let mut body = Vec::new();
        let whole = message::body(&mut client, request.framing, &mut |piece| body.extend_from_slice(piece));
        request.body = body;
        if planted == Planted::Silent {
            client.rest(&mut |_| {});
            return;
        }
        let bytes = written(&request, whole.is_ok() || planted == Planted::MendsUploads, planted);
        let closing = request.values("connection").contains(&&b"close"[..]);
        for _ in 0..if planted == Planted::Twice { 2 } else { 1 } {
            let mut upstream = Wire::connect(upstream, PATIENCE).unwrap();
            drop(upstream.send(&bytes));
            if whole.is_err() && planted != Planted::MendsUploads {
                return;
            }
            let Ok(answered) = read_answer(&mut upstream, false) else { return };
            if planted == Planted::Twice {
                continue;
            }
            let cut = answered.message.ending != Ending::Whole;
            let mut answer = written(&answered.message, !cut || planted == Planted::MendsAnswers, planted);
            if planted == Planted::Surplus {
                answer.extend_from_slice(b"surplus");
            }
            if planted == Planted::Mixes {
                let previous = before.lock().unwrap().replace(answer.clone());
                answer = previous.unwrap_or(answer);
            }
            drop(client.send(&answer));
            if cut && planted != Planted::MendsAnswers {
                return;
            }
        }
        if planted == Planted::Twice {
            drop(client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        }
        if closing {
            return;
        }
    }
}

/// A message as it is passed on; `whole`: ended in order, whatever it announced.
fn written(message: &Message, whole: bool, planted: Planted) -> Vec<u8> {
    let mut bytes = [&message.start[..], b"\r\n"].concat();
    for (place, (name, value)) in message.headers.iter().enumerate() {
        let named = |(other, _): &(Vec<u8>, Vec<u8>)| other.eq_ignore_ascii_case(name);
        if planted == Planted::MergesLines && message.headers.iter().skip(place + 1).any(named) {
            continue;
        }
        if ["content-length", "transfer-encoding"].iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
        {
            continue;
        }
        let name = if planted == Planted::LowersNames { name.to_ascii_lowercase() } else { name.clone() };
        bytes.extend([&name[..], b": ", value, b"\r\n"].concat());
    }
    if message.framing == Framing::None {
        bytes.extend_from_slice(b"\r\n");
        return bytes;
    }
    let missing = if whole { 0 } else { 1 };
    bytes.extend(format!("Content-Length: {}\r\n\r\n", message.body.len() + missing).bytes());
    bytes.extend_from_slice(&message.body);
    bytes
}

fn relay(stream: TcpStream, upstream: SocketAddr) {
    let upstream = TcpStream::connect(upstream).unwrap();
    let (mut from, mut to) = (stream.try_clone().unwrap(), upstream.try_clone().unwrap());
    std::thread::spawn(move || {
        drop(io::copy(&mut from, &mut to));
        drop(to.shutdown(std::net::Shutdown::Write));
    });
    let (mut from, mut to) = (upstream, stream);
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(std::net::Shutdown::Both));
}

static NAIVE: Setup = Setup { name: "naive", toml: |_| String::new(), peer: None, fenced: true, slow: false };

fn post(lines: &str, body: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: a\r\n{lines}\r\n{body}")
}

fn cases() -> Vec<Case> {
    vec![
        Case::new(&NAIVE, "plain")
            .send("GET /a HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n")
            .want(passes(request().target("/a").lines("x-two", &["1", "2"]).raw("X-Two"))),
        Case::new(&NAIVE, "body")
            .send(post("Content-Length: 5\r\n", "hello"))
            .want(passes(request().framed(Framing::Length(5)).body("hello"))),
        Case::new(&NAIVE, "differing lengths")
            .send(post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"))
            .want(refused(&[400])),
        Case::new(&NAIVE, "smuggled")
            .send(post(
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
            ))
            .want(refused(&[400])),
        Case::new(&NAIVE, "close")
            .send("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .want(passes(request()).closed()),
        Case::new(&NAIVE, "cut answer")
            .send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
            .legacy(vec![
                Act::Body,
                Act::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello".to_vec()),
                Act::Close,
            ])
            .want(gets(answer(&[200]).cut()).closed().sees(request())),
        Case::new(&NAIVE, "cut upload")
            .send(post("Content-Length: 9\r\n", "hello"))
            .does(wire::case::Do::HalfClose)
            .want(gets(answer(&[400])).or_silence().any_end().sees(request().cut())),
    ]
}

/// The names of the cases that a forwarder with this fault fails.
fn failed(planted: Planted) -> Vec<String> {
    failed_with(planted, Cuts::Whole)
}

fn failed_with(planted: Planted, cuts: Cuts) -> Vec<String> {
    let verdicts = play_all(&Forwarder(planted), &cases(), 2, cuts);
    assert_eq!(verdicts.len(), cases().len());
    verdicts.into_iter().filter(|verdict| !verdict.wrong.is_empty()).map(|verdict| verdict.name).collect()
}

#[test]
fn a_forwarder_that_does_right_passes() {
    let verdicts = play_all(&Forwarder(Planted::Nothing), &cases(), 2, Cuts::Whole);
    for verdict in verdicts {
        assert!(verdict.wrong.is_empty() && !verdict.skipped, "{verdict:?}");
    }
}

#[test]
fn each_planted_fault_is_found_where_it_belongs() {
    for (planted, finds) in [
        (Planted::Verbatim, &["differing lengths", "smuggled"][..]),
        (Planted::Twice, &["plain", "body"]),
        (Planted::MendsAnswers, &["cut answer"]),
        (Planted::MendsUploads, &["cut upload"]),
        (Planted::Surplus, &["plain", "close"]),
        (Planted::KeepsRefused, &["differing lengths", "smuggled"]),
        (Planted::LeaksRefused, &["differing lengths"]),
        (Planted::MergesLines, &["plain"]),
        (Planted::LowersNames, &["plain"]),
        (Planted::Mixes, &["plain", "body"]),
    ] {
        let failed = failed(planted);
        for name in finds {
            assert!(
                failed.iter().any(|failed| failed == name),
                "{planted:?} passes {name:?}; it fails {failed:?}"
            );
        }
    }
}

#[test]
fn a_forwarder_that_trusts_segments_is_found_by_cutting_and_only_so() {
    assert_eq!(failed(Planted::ReadsOnce), Vec::<String>::new());
    assert!(failed_with(Planted::ReadsOnce, Cuts::Drawn(1)).len() > 2);
    assert_eq!(failed_with(Planted::Nothing, Cuts::Drawn(1)), Vec::<String>::new());
}

#[test]
fn a_fault_fails_no_case_that_it_does_not_touch() {
    for planted in [Planted::MendsAnswers, Planted::MendsUploads, Planted::MergesLines, Planted::LowersNames]
    {
        assert_eq!(failed(planted).len(), 1, "{planted:?}");
    }
}

#[test]
fn silence_is_a_failure_and_ends_in_time() {
    let begun = std::time::Instant::now();
    let verdicts = play_all(&Forwarder(Planted::Silent), &cases()[..1], 1, Cuts::Whole);
    assert!(!verdicts[0].wrong.is_empty());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
