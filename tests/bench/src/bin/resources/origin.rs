//! The upstream of the attacks. Answers, and judges nothing.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use super::attacks::{PIECE, read_head, send};

/// Answers `/N` with N bytes, after reading and dropping any body. Has a runtime of its own.
pub(crate) async fn start() -> Result<SocketAddr> {
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, async move {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            // Who asked is waiting.
            tell.send(listener.local_addr()?).ok();
            loop {
                let (stream, _) = listener.accept().await?;
                // A client that leaves in the middle is no news to an origin.
                spawn_local(async move { serve(stream).await.ok() });
            }
        })
    });
    told.await.context("the origin did not start")
}

async fn serve(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; PIECE];
    while let Some((head, mut got)) = read_head(&mut stream).await? {
        let size: u64 =
            head.split(' ').nth(1).and_then(|target| target.get(1..)?.parse().ok()).unwrap_or_default();
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<u64>().ok());
        if head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked") {
            read_chunks(&mut stream).await?;
        }
        while got < length.unwrap_or_default() {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            got += u64::try_from(read)?;
        }
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n").as_bytes()).await?;
        send(&mut stream, size).await?;
    }
    Ok(())
}

/// Reads and drops chunks, none of which holds what the last one looks like.
async fn read_chunks(stream: &mut TcpStream) -> Result<()> {
    const LAST: &[u8] = b"0\r\n\r\n";
    let mut bytes = Vec::with_capacity(PIECE);
    while !bytes.ends_with(LAST) {
        let keep = bytes.len().saturating_sub(LAST.len());
        bytes.drain(..keep);
        if stream.read_buf(&mut bytes).await? == 0 {
            bail!("cut");
        }
    }
    Ok(())
}
