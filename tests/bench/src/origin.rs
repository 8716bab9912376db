//! The upstream: answers `/b/N` with N bytes, `/b/N?chunked` in one chunk of N, and `/b/N?json` with an object of
//! about N bytes, reading and dropping any body. As cheap as it can be, because it shares its core with the load.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Starts the origin on a free port of the loopback interface, in this thread's local set.
///
/// # Errors
/// When there is no port.
pub async fn start() -> Result<SocketAddr> {
    Ok(start_counting().await?.0)
}

/// The same, and how many requests it has answered.
///
/// # Errors
/// When there is no port.
pub async fn start_counting() -> Result<(SocketAddr, Rc<Cell<u64>>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let answered = Rc::new(Cell::new(0));
    let counter = Rc::clone(&answered);
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counter = Rc::clone(&counter);
            // A client that leaves in the middle is no news to an origin.
            tokio::task::spawn_local(async move { serve(stream, &counter).await.ok() });
        }
    });
    Ok((address, answered))
}

/// What an answer is, and how its end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A text with a length.
    Length,
    /// A text in one chunk.
    Chunked,
    /// JSON with a length.
    Json,
}

async fn serve(mut stream: TcpStream, answered: &Cell<u64>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut input = Vec::with_capacity(16 * 1024);
    let mut answer: Option<((usize, Kind), Vec<u8>)> = None;
    loop {
        let Some((head, size, body)) = crate::load::read_head(&mut stream, &mut input).await? else {
            return Ok(());
        };
        let line = input.get(..head.min(64)).unwrap_or_default();
        let says = |what: &[u8]| line.windows(what.len()).any(|window| window == what);
        let kind = match (says(b"?chunked "), says(b"?json ")) {
            (true, _) => Kind::Chunked,
            (_, true) => Kind::Json,
            _ => Kind::Length,
        };
        let asked = (size, kind);
        while input.len() < head + body {
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        }
        input.drain(..head + body);
        if answer.as_ref().is_none_or(|(of, _)| *of != asked) {
            answer = Some((asked, render(asked)));
        }
        if let Some((_, bytes)) = &answer {
            stream.write_all(bytes).await?;
            answered.set(answered.get() + 1);
        }
    }
}

fn render((size, kind): (usize, Kind)) -> Vec<u8> {
    let text = "x".repeat(size);
    let head = |media: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n");
    match kind {
        Kind::Length => format!("{}Content-Length: {size}\r\n\r\n{text}", head("text/plain")),
        Kind::Chunked => {
            let head = head("text/plain");
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{text}\r\n0\r\n\r\n")
        }
        Kind::Json => {
            let body = json(size);
            format!("{}Content-Length: {}\r\n\r\n{body}", head("application/json"), body.len())
        }
    }
    .into_bytes()
}

/// A list as shops give it, of at least so many bytes.
fn json(size: usize) -> String {
    let mut items = Vec::new();
    let mut length = 40;
    while length < size {
        let at = items.len();
        let item =
            format!("{{\"id\":{at},\"name\":\"Item {at}\",\"price\":\"19.90\",\"tags\":[\"new\",\"b\"]}}");
        length += item.len() + 1;
        items.push(item);
    }
    format!("{{\"items\":[{}],\"next\":null,\"total\":{}}}", items.join(","), items.len())
}
