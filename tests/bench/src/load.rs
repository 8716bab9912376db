//! The load: a fixed number of requests over a fixed number of connections, each answer read to its end.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cases::Case;

/// Sends `requests` requests and returns how many did not end as they should have.
pub(crate) async fn run(address: SocketAddr, case: &Case, requests: u64) -> Result<u64> {
    let left = Rc::new(Cell::new(requests));
    let failed = Rc::new(Cell::new(0_u64));
    let request = Rc::new(render(case));
    let mut clients = Vec::new();
    for _ in 0..case.connections {
        let (left, failed, request) = (Rc::clone(&left), Rc::clone(&failed), Rc::clone(&request));
        let fresh = case.fresh;
        clients.push(tokio::task::spawn_local(async move {
            while left.get() > 0 {
                if client(address, &request, fresh, &left).await.is_err() {
                    failed.set(failed.get() + 1);
                }
            }
        }));
    }
    for client in clients {
        client.await.context("a client died")?;
    }
    Ok(failed.get())
}

/// One connection: requests until none is left, or one only where each has its own connection.
async fn client(address: SocketAddr, request: &[u8], fresh: bool, left: &Cell<u64>) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut input = Vec::with_capacity(64 * 1024);
    while left.get() > 0 {
        left.set(left.get() - 1);
        stream.write_all(request).await?;
        let Some((head, _, mut body)) = read_head(&mut stream, &mut input).await? else {
            bail!("closed before an answer");
        };
        if !input.starts_with(b"HTTP/1.1 200") {
            bail!("not 200");
        }
        let got = input.len() - head;
        input.clear();
        body = body.saturating_sub(got);
        while body > 0 {
            let read = stream.read_buf(&mut input).await?;
            if read == 0 {
                bail!("cut");
            }
            body = body.saturating_sub(read);
            input.clear();
        }
        if fresh {
            return Ok(());
        }
    }
    Ok(())
}

fn render(case: &Case) -> Vec<u8> {
    let common = "Host: shop.example\r\nUser-Agent: bench/1\r\nAccept: */*\r\n";
    let close = if case.fresh { "Connection: close\r\n" } else { "" };
    let (target, body) = (case.target, case.body);
    if body == 0 {
        return format!("GET {target} HTTP/1.1\r\n{common}{close}\r\n").into_bytes();
    }
    let mut bytes = format!(
        "POST {target} HTTP/1.1\r\n{common}{close}Content-Type: text/plain\r\nContent-Length: {body}\r\n\r\n"
    )
    .into_bytes();
    bytes.resize(bytes.len() + body, b'y');
    bytes
}

/// Reads until a whole head is in `input`: its length, the number that ends its target, and its body's length.
/// `None` where the peer closed between two messages.
pub(crate) async fn read_head(
    stream: &mut TcpStream,
    input: &mut Vec<u8>,
) -> Result<Option<(usize, usize, usize)>> {
    let mut scanned = 0;
    loop {
        if let Some(end) =
            input.get(scanned..).and_then(|rest| rest.windows(4).position(|w| w == b"\r\n\r\n"))
        {
            let head = scanned + end + 4;
            let bytes = input.get(..head).unwrap_or_default();
            return Ok(Some((head, number_after(bytes, b"/b/"), number_after_header(bytes))));
        }
        scanned = input.len().saturating_sub(3);
        if stream.read_buf(input).await? == 0 {
            if input.is_empty() {
                return Ok(None);
            }
            bail!("closed inside a head");
        }
    }
}

fn number_after_header(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length: ";
    head.windows(NAME.len())
        .position(|window| window.eq_ignore_ascii_case(NAME))
        .map_or(0, |at| digits(head.get(at + NAME.len()..).unwrap_or_default()))
}

fn number_after(head: &[u8], needle: &[u8]) -> usize {
    head.windows(needle.len())
        .position(|window| window == needle)
        .map_or(0, |at| digits(head.get(at + needle.len()..).unwrap_or_default()))
}

fn digits(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |value, byte| value * 10 + usize::from(byte - b'0'))
}
