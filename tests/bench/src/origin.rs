//! The upstream: answers `/b/N` with N bytes, reading and dropping any body. As cheap as it can be, because it
//! shares its core with the load.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Starts the origin on a free port of the loopback interface.
pub(crate) async fn start() -> Result<SocketAddr> {
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

async fn serve(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut input = Vec::with_capacity(16 * 1024);
    let mut answer: Option<(usize, Vec<u8>)> = None;
    loop {
        let Some((head, size, body)) = crate::load::read_head(&mut stream, &mut input).await? else {
            return Ok(());
        };
        while input.len() < head + body {
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        }
        input.drain(..head + body);
        if answer.as_ref().is_none_or(|(of, _)| *of != size) {
            answer = Some((size, render(size)));
        }
        if let Some((_, bytes)) = &answer {
            stream.write_all(bytes).await?;
        }
    }
}

fn render(size: usize) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    bytes.resize(bytes.len() + size, b'x');
    bytes
}
