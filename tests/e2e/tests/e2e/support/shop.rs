//! Two sides of one shop over one store: whoever answers, a cart holds what was put into it.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::client::read_head;

/// Things in each cart, by its path.
type Store = Arc<Mutex<BTreeMap<String, u64>>>;

/// What one side was asked by clients; copies of requests are counted apart.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) reads: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) copies: AtomicU64,
}

/// One side; its threads end with the process.
pub(crate) struct Side {
    pub(crate) address: SocketAddr,
    asked: Arc<Asked>,
}

impl Side {
    fn start(name: &'static str, store: &Store) -> Side {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Asked::default());
        let (store, counts) = (Arc::clone(store), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (store, counts) = (Arc::clone(&store), Arc::clone(&counts));
                thread::spawn(move || drop(converse(stream, name, &store, &counts)));
            }
        });
        Side { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn reads(&self) -> u64 {
        self.asked.reads.load(Ordering::Relaxed)
    }

    pub(crate) fn writes(&self) -> u64 {
        self.asked.writes.load(Ordering::Relaxed)
    }
}

/// A shop of two sides.
pub(crate) struct Shop {
    pub(crate) legacy: Side,
    pub(crate) extracted: Side,
}

impl Shop {
    pub(crate) fn start() -> Shop {
        let store = Store::default();
        Shop { legacy: Side::start("legacy", &store), extracted: Side::start("extracted", &store) }
    }
}

/// GET tells how many things are in a cart, POST puts one more into it and tells how many there are now.
fn converse(stream: TcpStream, name: &str, store: &Store, asked: &Asked) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let (line, headers) = read_head(&mut reader)?;
        let header = |wanted: &str| headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(wanted));
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if let Some((_, length)) = header("content-length") {
            let mut body = vec![0; length.parse().map_err(|_| io::ErrorKind::InvalidData)?];
            reader.read_exact(&mut body)?;
        }
        let is_write = method != "GET";
        let count = match (is_write, header("x-shadow-request")) {
            (_, Some(_)) => &asked.copies,
            (true, None) => &asked.writes,
            (false, None) => &asked.reads,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let things = {
            let mut store = store.lock().unwrap();
            let cart = store.entry(path.to_owned()).or_default();
            *cart += u64::from(is_write);
            *cart
        };
        let body = format!("{{\"things\": {things}}}");
        let answer = format!(
            "HTTP/1.1 200 OK\r\nx-origin: {name}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        reader.get_mut().write_all(answer.as_bytes())?;
    }
}
