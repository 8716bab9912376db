//! The upstream: answers `/b/N` with N bytes, and `/b/N?chunked` in one chunk of N, reading and dropping any
//! body. As cheap as it can be, because it shares its core with the load.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Starts the origin on a free port of the loopback interface, in this thread's local set.
///
/// # Errors
/// When there is no port.
pub async fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that leaves in the middle is no news to an origin.
            tokio::task::spawn_local(async move { serve(stream).await.ok() });
        }
    });
    Ok(address)
}

/// How an answer's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length,
    Chunked,
}

async fn serve(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut input = Vec::with_capacity(16 * 1024);
    let mut answer: Option<((usize, Framing), Vec<u8>)> = None;
    loop {
        let Some((head, size, body)) = crate::load::read_head(&mut stream, &mut input).await? else {
            return Ok(());
        };
        let line = input.get(..head.min(64)).unwrap_or_default();
        let chunked = line.windows(9).any(|window| window == b"?chunked ");
        let asked = (size, if chunked { Framing::Chunked } else { Framing::Length });
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
        }
    }
}

fn render((size, framing): (usize, Framing)) -> Vec<u8> {
    let body = "x".repeat(size);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
    match framing {
        Framing::Length => format!("{head}Content-Length: {size}\r\n\r\n{body}").into_bytes(),
        Framing::Chunked => {
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n").into_bytes()
        }
    }
}
