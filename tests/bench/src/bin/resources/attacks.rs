//! What the attackers do, and what a good client does.
//!
//! Owns the bytes on the wire; measures nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Held, Proxy};

/// Bytes that are written or read at once.
pub(crate) const PIECE: usize = 64 * 1024;

pub(crate) async fn exchange(stream: &mut TcpStream, size: u64) -> Result<()> {
    stream.write_all(format!("GET /{size} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await?;
    let (_, mut got) = read_head(stream).await?.context("no answer")?;
    let mut buffer = vec![0; PIECE];
    while got < size {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            bail!("cut after {got} of {size} bytes");
        }
        got += u64::try_from(read)?;
    }
    Ok(())
}

pub(crate) async fn get(address: SocketAddr, size: u64) -> Result<Option<Held>> {
    exchange(&mut TcpStream::connect(address).await?, size).await?;
    Ok(None)
}

pub(crate) async fn post(address: SocketAddr, size: u64) -> Result<Option<Held>> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("POST /2 HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    send(&mut stream, size).await?;
    let (head, _) = read_head(&mut stream).await?.context("no answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("not 200: {head}");
    }
    Ok(None)
}

pub(crate) async fn send(stream: &mut TcpStream, size: u64) -> Result<()> {
    let piece = vec![b'x'; PIECE];
    let mut left = size;
    while left > 0 {
        let next = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        stream.write_all(piece.get(..next).unwrap_or_default()).await?;
        left -= u64::try_from(next)?;
    }
    Ok(())
}

pub(crate) async fn slow_reader(address: SocketAddr, size: u64, stay: Duration) -> Result<Option<Held>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET /{size} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await?;
    let until = Instant::now() + stay;
    let mut buffer = [0; 1000];
    while Instant::now() < until {
        if stream.read(&mut buffer).await? == 0 {
            bail!("the slow reader was cut");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(None)
}

/// One byte of a head every now and then.
pub(crate) async fn slow_heads(address: SocketAddr, count: usize, stay: Duration) -> Result<Option<Held>> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /1 HTTP/1.1\r\nhost: x\r\nx-slow: ").await?;
        streams.push(stream);
    }
    let until = Instant::now() + stay;
    while Instant::now() < until {
        for stream in &mut streams {
            // The proxy may have lost its patience with some.
            drop(stream.write_all(b"a").await);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(None)
}

/// Connections that were used once and then stay.
pub(crate) async fn hold_idle(address: SocketAddr, count: usize, proxy: &Proxy) -> Result<Option<Held>> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await?;
        exchange(&mut stream, 100).await?;
        streams.push(stream);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    proxy.held().map(Some)
}

/// Reads one head; with it, how many bytes of a body came along.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Result<Option<(String, u64)>> {
    let mut input = Vec::with_capacity(4096);
    loop {
        if let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(input.get(..end).unwrap_or_default()).into_owned();
            return Ok(Some((head, u64::try_from(input.len() - end - 4)?)));
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(None);
        }
    }
}

/// Clients that send requests for as long as they are taken, and read no answer.
pub(crate) async fn pipelined(address: SocketAddr, count: usize, stay: Duration) -> Result<Option<Held>> {
    let requests = b"GET /10000 HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    let until = tokio::time::Instant::now() + stay;
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await?;
        let requests = requests.clone();
        clients.push(tokio::task::spawn_local(async move {
            let flood = async { while stream.write_all(&requests).await.is_ok() {} };
            // It is stopped by the proxy, which takes no more, or by the time.
            drop(tokio::time::timeout_at(until, flood).await);
            tokio::time::sleep_until(until).await;
        }));
    }
    for client in clients {
        client.await?;
    }
    Ok(None)
}

/// Uploads of which the second half never comes; what the proxy holds while they wait.
pub(crate) async fn half_uploads(
    address: SocketAddr,
    count: usize,
    stay: Duration,
    proxy: &Proxy,
) -> Result<Option<Held>> {
    let half = vec![b'x'; 10_000];
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"POST /2 HTTP/1.1\r\nhost: x\r\ncontent-length: 20000\r\n\r\n").await?;
        stream.write_all(&half).await?;
        streams.push(stream);
    }
    tokio::time::sleep(stay / 2).await;
    proxy.held().map(Some)
}

/// An upload whose framing is five times its content.
pub(crate) async fn tiny_chunks(address: SocketAddr, stay: Duration) -> Result<Option<Held>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"POST /2 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await?;
    let chunks = b"1\r\nx\r\n".repeat(PIECE / 6);
    let until = Instant::now() + stay;
    while Instant::now() < until {
        stream.write_all(&chunks).await?;
    }
    stream.write_all(b"0\r\n\r\n").await?;
    let (head, _) = read_head(&mut stream).await?.context("no answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("not 200: {head}");
    }
    Ok(None)
}
