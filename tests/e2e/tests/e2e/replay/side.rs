//! One side of a replay: answers as a function says, and remembers what it was asked.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::client::read_head;
use crate::support::origin::Seen;

/// Status and JSON body for a request, and the how manyth request it is, from 0.
type Says = dyn Fn(&Seen, usize) -> (u16, String) + Send + Sync;

/// A running side; its threads end with the process.
pub(crate) struct Side {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Side {
    pub(crate) fn start(says: impl Fn(&Seen, usize) -> (u16, String) + Send + Sync + 'static) -> Side {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let says: Arc<Says> = Arc::new(says);
        let remembered = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (says, seen) = (Arc::clone(&says), Arc::clone(&remembered));
                thread::spawn(move || drop(converse(stream, &*says, &seen)));
            }
        });
        Side { url, seen }
    }

    /// One that answers every product as the monolith does.
    pub(crate) fn good() -> Side {
        Side::start(|seen, _| (200, product(&seen.target, "19.90")))
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// A product at a price, as it is written.
pub(crate) fn product(target: &str, price: &str) -> String {
    let id = target.split(['/', '?']).nth(2).unwrap_or("0");
    format!("{{\"id\": {id}, \"name\": \"Cup\", \"price\": {price}, \"tags\": [\"a\", \"b\"]}}")
}

fn converse(stream: TcpStream, says: &Says, seen: &Mutex<Vec<Seen>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let (line, headers) = read_head(&mut reader)?;
        let mut words = line.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut request = Seen { method, target, headers, body: Vec::new() };
        if let Some(length) = request.header("content-length") {
            request.body.resize(length.parse().unwrap(), 0);
            reader.read_exact(&mut request.body)?;
        }
        let count = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let (status, body) = says(&request, count);
        let answer = format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        reader.get_mut().write_all(answer.as_bytes())?;
    }
}
