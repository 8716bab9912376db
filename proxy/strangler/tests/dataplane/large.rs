//! Bodies that are large enough for the kernel to move them.

use std::io::{Read, Write};
use std::time::Duration;

use strangler::telemetry::Limit;

use crate::support::{Origin, Proxy, Wire, poll, status};

const GET: &str = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";

const MIB: usize = 1024 * 1024;

/// Bytes of which no two neighbourhoods are alike.
fn body(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(3);
    (0..length).map(|_| random.u8(..)).collect()
}

fn ok(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")
}

/// An origin that answers every request with so many bytes.
fn serving(length: usize) -> Proxy {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let answer = [ok(length).into_bytes(), body(length)].concat();
    origin.serve(move |_, _| answer.clone());
    proxy
}

/// Sends without waiting for the other side to read: its end is given back with what it sent.
fn sends(mut wire: Wire, bytes: Vec<u8>) -> std::thread::JoinHandle<Wire> {
    std::thread::spawn(move || {
        wire.send(bytes);
        wire
    })
}

#[test]
fn large_answers_arrive_byte_for_byte_one_behind_the_other() {
    let proxy = serving(16 * MIB);
    let mut client = proxy.connect();
    let expected = body(16 * MIB);
    for _ in 0..3 {
        client.send(GET);
        let (head, received) = client.message();
        assert_eq!(status(&head), 200);
        assert!(received == expected, "the same bytes");
    }
}

#[test]
fn a_large_answer_that_ends_with_its_connection_arrives_whole() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, "GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    upstream.send("HTTP/1.0 200 OK\r\n\r\n");
    drop(sends(upstream, body(4 * MIB)));
    client.head();
    let mut received = client.bytes(4 * MIB);
    client.stream.read_to_end(&mut received).unwrap();
    assert!(received == body(4 * MIB), "the same bytes, and nothing behind them");
}

#[test]
fn a_large_answer_that_is_cut_ends_where_it_was_cut() {
    for cut in [200_000, 300_001, MIB] {
        let origin = Origin::new();
        let proxy = Proxy::before(&origin);
        let (mut client, mut upstream) = proxy.asks(&origin, GET);
        upstream.send(ok(2 * MIB));
        client.head();
        drop(sends(upstream, body(cut)));
        assert!(client.bytes(cut) == body(cut), "what came is the client's");
        client.ended();
    }
}

#[test]
fn bytes_behind_a_large_answer_reach_nobody() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, upstream) = proxy.asks(&origin, GET);
    let evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let sending = sends(upstream, [ok(MIB).as_bytes(), &body(MIB), evil].concat());
    assert!(client.message().1 == body(MIB), "the same bytes");
    drop(sending.join().unwrap());
    client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut upstream = origin.accept();
    assert!(upstream.head().starts_with("GET /next "));
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
    assert_eq!(client.message().1, b"good");
}

#[test]
fn a_large_answer_that_begins_to_dribble_is_passed_on_piece_by_piece() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    upstream.send(ok(100 * MIB));
    client.head();
    for piece in [300_000, 1, 2, 20_000, 1, 300_000, 1] {
        let sending = sends(upstream, body(piece));
        assert!(client.bytes(piece) == body(piece), "{piece} bytes come at once");
        upstream = sending.join().unwrap();
    }
}

#[test]
fn a_reader_that_stops_holds_a_large_answer_back_and_loses_none_of_it() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    let length = 200 * MIB;
    upstream.send(ok(length));
    client.head();
    let piece = body(64 * 1024);
    upstream.stream.set_nonblocking(true).unwrap();
    let (mut sent, mut full) = (0, 0);
    while full < 100_000 {
        match upstream.stream.write(&piece[sent % piece.len()..]) {
            Ok(count) => (sent, full) = (sent + count, 0),
            Err(_full) => {
                full += 1;
                std::thread::yield_now();
            }
        }
        assert!(sent < length, "a client that reads nothing does not make the proxy take everything");
    }
    drop(upstream);
    let mut taken = 0;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = client.stream.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        for byte in &buffer[..count] {
            assert_eq!(*byte, piece[taken % piece.len()], "byte {taken} of {sent}");
            taken += 1;
        }
    }
    assert_eq!(taken, sent);
}

#[test]
fn more_slow_readers_than_there_are_pipes_get_their_answers_all_the_same() {
    let proxy = serving(6 * MIB);
    let mut clients: Vec<Wire> = (0..48).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        client.send(GET);
    }
    poll(|| (proxy.telemetry.limit(Limit::Pipes) > 0).then_some(())).expect("a want of pipes, counted");
    let expected = body(6 * MIB);
    for client in &mut clients {
        assert!(client.message().1 == expected, "the same bytes");
    }
}

#[test]
fn a_client_that_leaves_a_large_answer_is_noticed_and_its_pipe_is_nobody_elses() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    for _ in 0..40 {
        let (mut client, mut upstream) = proxy.asks(&origin, GET);
        upstream.send(ok(100 * MIB));
        client.head();
        let sending = std::thread::spawn(move || while upstream.stream.write_all(&[b'x'; 65536]).is_ok() {});
        client.bytes(100_000);
        drop(client);
        sending.join().unwrap();
    }
    proxy.counted(499);
    let (mut client, upstream) = proxy.asks(&origin, GET);
    let sending = sends(upstream, [ok(MIB).into_bytes(), body(MIB)].concat());
    assert!(client.message().1 == body(MIB), "the same bytes");
    drop(sending.join());
}

#[test]
fn other_clients_have_their_turn_while_a_large_answer_runs() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let (mut client, mut upstream) = proxy.asks(&origin, GET);
    upstream.send(ok(1_000_000 * MIB));
    client.head();
    std::thread::spawn(move || while upstream.stream.write_all(&[b'x'; 65536]).is_ok() {});
    let mut buffer = vec![0; MIB];
    std::thread::spawn(move || while client.stream.read(&mut buffer).is_ok_and(|count| count > 0) {});
    let mut other = proxy.connect();
    for _ in 0..50 {
        other.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(status(&other.head()), 200);
    }
}

#[test]
fn a_request_behind_a_large_upload_is_a_request_of_its_own() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let head = format!("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 2 * MIB);
    let behind = b"GET /behind HTTP/1.1\r\nHost: a\r\n\r\n";
    let client = proxy.connect();
    let sending = sends(client, [head.as_bytes(), &body(2 * MIB), behind].concat());
    let mut upstream = origin.accept();
    let (head, received) = upstream.message();
    assert!(head.starts_with("POST /up "));
    assert!(received == body(2 * MIB), "the same bytes");
    assert!(upstream.is_silent(Duration::from_millis(20)), "nothing of the next request");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let mut client = sending.join().unwrap();
    assert_eq!(status(&client.head()), 200);
    assert!(upstream.head().starts_with("GET /behind "));
}

#[test]
fn a_large_upload_that_is_cut_never_looks_complete() {
    let origin = Origin::new();
    let proxy = Proxy::before(&origin);
    let head = format!("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 2 * MIB);
    let (client, mut upstream) = proxy.asks(&origin, head);
    drop(sends(client, body(MIB)));
    assert!(upstream.bytes(MIB) == body(MIB), "what came is the upstream's");
    upstream.ended();
    proxy.counted(499);
}
