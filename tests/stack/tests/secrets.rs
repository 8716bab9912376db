//! What is planted is really on the wire, through the proxy and between it and the monolith.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use stack::secrets::{Kind, Secret, plant};
use stack::{Executable, Role, Stack, StackOptions};

/// What was heard, each direction of each connection by itself, so that no message is cut by another.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

/// Passes bytes on to `target` and keeps what it hears of both sides. Its threads end with the test.
fn listen_in(target: SocketAddr) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let all = Arc::clone(&heard);
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(target).unwrap();
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let heard = Arc::clone(&heard);
                thread::spawn(move || pass_on(from, to, &heard));
            }
        }
    });
    (address, all)
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, heard: &Heard) {
    let mut buffer = vec![0; 64 * 1024];
    let place = {
        let mut heard = heard.lock().unwrap();
        heard.push(Vec::new());
        heard.len() - 1
    };
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..read).unwrap();
        // Kept before it goes on: whoever has the answer finds the question here.
        heard.lock().unwrap().get_mut(place).unwrap().extend_from_slice(bytes);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    // The other side may have closed already.
    drop(to.shutdown(Shutdown::Write));
}

/// As it was sent; a card's number also when only its digits were, whatever was between them.
fn is_in(heard: &[Vec<u8>], secret: &Secret) -> bool {
    let contains = |bytes: &str, text: &str| !text.is_empty() && bytes.contains(text);
    heard.iter().any(|bytes| {
        let bytes = String::from_utf8_lossy(bytes);
        let digits = || contains(&joined(&bytes), &joined(&secret.text));
        contains(&bytes, &secret.text) || secret.kind == Kind::CardNumber && digits()
    })
}

fn joined(text: &str) -> String {
    text.replace("%20", "").replace([' ', '-'], "")
}

#[tokio::test]
async fn every_planted_secret_was_on_the_wire() {
    let executable = Executable::with_word(env!("CARGO_BIN_EXE_demo"), "node");
    let options = StackOptions { roles: vec![Role::LegacyMonolith], ..StackOptions::new(executable) };
    let stack = Stack::start(options).unwrap();
    let (shop, heard) = listen_in(stack.address(Role::LegacyMonolith).unwrap());
    let mails = stack.database(Role::LegacyMonolith);
    let planted = plant(shop, &mails).await.unwrap();
    let heard = heard.lock().unwrap().clone();
    for kind in Kind::ALL {
        assert!(planted.iter().any(|secret| secret.kind == kind), "no {kind:?} was planted");
    }
    for secret in &planted {
        assert!(secret.text.len() >= 16, "{secret:?} might be found by chance");
        assert!(is_in(&heard, secret), "{secret:?} was never sent");
    }
    // Nothing is found of what was not planted: the search itself can fail.
    let other = plant(stack.address(Role::LegacyMonolith).unwrap(), &mails).await.unwrap();
    assert!(!other.iter().any(|secret| is_in(&heard, secret)));
    stack.stop_all().unwrap();
}

#[tokio::test]
async fn secrets_are_planted_through_the_proxy_as_well() {
    let executable = Executable::with_word(env!("CARGO_BIN_EXE_demo"), "node");
    let stack = Stack::start(StackOptions::new(executable)).unwrap();
    let mails = stack.database(Role::LegacyMonolith);
    let planted = plant(stack.address(Role::Strangler).unwrap(), &mails).await.unwrap();
    assert!(planted.len() > 30, "{}", planted.len());
    stack.stop_all().unwrap();
}
