//! Listens in on what a client and a server say to each other, and takes it apart into exchanges.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What was said on one connection: by the client, by the server.
pub(crate) type Said = [Vec<u8>; 2];

/// Every connection so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Said>>>);

/// One message, as it came.
#[derive(Debug)]
pub(crate) struct Message {
    /// The first line's words.
    pub(crate) first: Vec<String>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// Passes bytes on to `target` and keeps them. The threads end with the test.
pub(crate) fn listen_in(target: SocketAddr) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let all = heard.clone();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(target).unwrap();
            let connection = {
                let mut said = heard.0.lock().unwrap();
                said.push(Said::default());
                said.len() - 1
            };
            for (side, from, to) in [(0, &client, &server), (1, &server, &client)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let heard = heard.clone();
                thread::spawn(move || pass_on(from, to, &heard, connection, side));
            }
        }
    });
    (address, all)
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, heard: &Heard, connection: usize, side: usize) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        // Kept before it goes on: whoever has the answer finds the question here.
        heard.0.lock().unwrap()[connection][side].extend_from_slice(&buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // The other side may have closed already.
    drop(to.shutdown(Shutdown::Write));
}

impl Heard {
    /// Everything, each side of each connection by itself.
    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().iter().flatten().cloned().collect()
    }

    /// Every request with its answer. Only for connections whose messages have a Content-Length or no body.
    pub(crate) fn exchanges(&self) -> Vec<(Message, Message)> {
        let said = self.0.lock().unwrap().clone();
        let pairs = said.into_iter().flat_map(|[client, server]| {
            let (requests, answers) = (messages(&client), messages(&server));
            assert_eq!(requests.len(), answers.len());
            requests.into_iter().zip(answers)
        });
        pairs.collect()
    }
}

fn messages(mut bytes: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap().split(' ').map(str::to_owned).collect();
        let headers: Vec<_> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .collect();
        let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = length.map_or(0, |(_, value)| String::from_utf8_lossy(value).parse().unwrap());
        let (body, rest) = bytes[end + 4..].split_at(length);
        messages.push(Message { first, headers, body: body.to_vec() });
        bytes = rest;
    }
    messages
}
