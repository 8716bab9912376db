//! Reading HTTP/1.1 as strictly as the tests need it: a message is complete only if its framing says so.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;

/// Larger than anything that is sent here.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Bytes of one line, headers and chunk sizes alike.
const MAX_LINE: u64 = 16 * 1024;

/// The head of a request or an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) first: String,
    headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        lines.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    pub(crate) fn closes(&self) -> bool {
        self.get("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The second word of the first line: a request's target, an answer's status.
    pub(crate) fn second_word(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// How the body is framed; `unframed` where the head does not say.
    pub(crate) fn framing(&self, unframed: Framing) -> io::Result<Framing> {
        match (self.get("transfer-encoding"), self.get("content-length")) {
            (Some(_), None) => Ok(Framing::Chunked),
            (None, Some(length)) => {
                length.parse().map(Framing::Length).map_err(|_| invalid("a length is not a number"))
            }
            (None, None) => Ok(unframed),
            (Some(_), Some(_)) => Err(invalid("two framings")),
        }
    }
}

/// What tells the end of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    /// The end of the connection.
    End,
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// The next head; `None` where the connection ends cleanly before it.
pub(crate) async fn read_head(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Head>> {
    if reader.fill_buf().await?.is_empty() {
        return Ok(None);
    }
    let first = read_line(reader).await?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader).await?;
        if line.is_empty() {
            return Ok(Some(Head { first, headers }));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header without colon"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// A body to its end.
///
/// # Errors
///
/// When the connection ends before the body does.
pub(crate) async fn read_body(reader: &mut BufReader<TcpStream>, framing: Framing) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    match framing {
        Framing::Length(size) => read_piece(reader, size, &mut body).await?,
        Framing::End => {
            reader.take(u64::try_from(MAX_BODY).unwrap()).read_to_end(&mut body).await?;
        }
        Framing::Chunked => loop {
            let line = read_line(reader).await?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16)
                .map_err(|_| invalid("a chunk without size"))?;
            if size == 0 {
                while !read_line(reader).await?.is_empty() {}
                break;
            }
            read_piece(reader, size, &mut body).await?;
            if !read_line(reader).await?.is_empty() {
                return Err(invalid("a chunk is longer than its size"));
            }
        },
    }
    Ok(body)
}

async fn read_piece(reader: &mut BufReader<TcpStream>, size: usize, body: &mut Vec<u8>) -> io::Result<()> {
    let begun = body.len();
    if begun + size > MAX_BODY {
        return Err(invalid("a body larger than any that is sent"));
    }
    body.resize(begun + size, 0);
    reader.read_exact(&mut body[begun..]).await?;
    Ok(())
}

async fn read_line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = Vec::new();
    (&mut *reader).take(MAX_LINE).read_until(b'\n', &mut line).await?;
    let Some(text) = line.strip_suffix(b"\r\n") else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    Ok(String::from_utf8_lossy(text).into_owned())
}
