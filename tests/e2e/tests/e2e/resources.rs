//! Memory and descriptors stay flat under large bodies and many slow clients.
//!
//! Modest sizes, no times; `tests/bench` has the large figures.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::support::client::get;
use crate::support::proxy::{House, Proxy, SERVER};
use crate::support::wait_for;

/// Bytes of a body that nobody may hold as a whole.
const LARGE: u64 = 64 * 1024 * 1024;

/// What the proxy may grow by meanwhile: far less than the body, far more than its buffers.
const SLACK_KIB: u64 = 16 * 1024;

/// Clients that never finish their heads.
const SLOW: usize = 200;

/// Answers `/N` with N bytes; reads and drops bodies.
fn start_origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || drop(serve(stream)));
        }
    });
    address
}

fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut reader = std::io::BufReader::new(stream);
    loop {
        let (line, headers) = crate::support::client::read_head(&mut reader)?;
        let size = line.split(' ').nth(1).and_then(|target| target[1..].parse().ok()).unwrap_or(0);
        let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: u64 = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())?;
        let stream = reader.get_mut();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n")?;
        std::io::copy(&mut std::io::repeat(b'x').take(size), stream)?;
    }
}

struct Scene {
    _house: House,
    proxy: Proxy,
}

impl Scene {
    fn new() -> Scene {
        let house = House::new(&format!("version = 1\nlegacy = \"http://{}\"\n{SERVER}", start_origin()));
        let proxy = house.serve();
        // Both threads have buffers from here on.
        (0..8).for_each(|_| drop(get(proxy.public, "/1000000")));
        Scene { _house: house, proxy }
    }

    /// The most memory that was ever resident.
    fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.proxy.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.proxy.id())).unwrap().count()
    }

    #[track_caller]
    fn assert_flat(&self, before: u64) {
        let grown = self.peak_kib().saturating_sub(before);
        assert!(grown < SLACK_KIB, "grew by {grown} KiB");
    }
}

#[test]
fn a_large_answer_is_not_held_even_for_a_reader_that_stands_still() {
    let scene = Scene::new();
    let before = scene.peak_kib();
    let ask = || {
        let mut stream = TcpStream::connect(scene.proxy.public).unwrap();
        write!(stream, "GET /{LARGE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        stream
    };
    // They get a head, and then take nothing more.
    let standing: Vec<TcpStream> = (0..4).map(|_| ask()).collect();
    for mut stream in &standing {
        stream.read_exact(&mut [0; 12]).unwrap();
    }
    let mut reader = ask();
    let read = std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    assert!(read > LARGE, "{read} bytes");
    scene.assert_flat(before);
    drop(standing);
}

#[test]
fn a_large_upload_is_not_held() {
    let scene = Scene::new();
    let before = scene.peak_kib();
    let mut stream = TcpStream::connect(scene.proxy.public).unwrap();
    write!(stream, "POST /2 HTTP/1.1\r\nhost: x\r\ncontent-length: {LARGE}\r\n\r\n").unwrap();
    std::io::copy(&mut std::io::repeat(b'x').take(LARGE), &mut stream).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    scene.assert_flat(before);
}

#[test]
fn slow_clients_cost_little_and_leave_nothing_behind() {
    let scene = Scene::new();
    let (memory, before) = (scene.peak_kib(), scene.descriptors());
    let slow = |_| {
        let mut stream = TcpStream::connect(scene.proxy.public).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").unwrap();
        stream
    };
    let clients: Vec<TcpStream> = (0..SLOW).map(slow).collect();
    // A connection of the scene's own beginning may still have been open when `before` was counted.
    wait_for("all slow clients", || (scene.descriptors() + 8 >= before + SLOW).then_some(()));
    assert_eq!(get(scene.proxy.public, "/10").body, b"xxxxxxxxxx");
    scene.assert_flat(memory);
    drop(clients);
    // An idle connection to the origin may come or go meanwhile.
    wait_for("their descriptors", || (scene.descriptors() <= before + 8).then_some(()));
}
