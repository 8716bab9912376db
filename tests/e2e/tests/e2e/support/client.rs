//! A small HTTP/1.1 client that keeps its connection and notices when the other side closes it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::DEADLINE;

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// As sent, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The origin that answered, as it says itself.
    pub(crate) fn origin(&self) -> &str {
        self.header("x-origin").unwrap_or("nobody")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }
}

/// One kept connection.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
    /// Connections that the other side closed although it had not said so.
    pub(crate) closed: u32,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Client {
        Client { address, connection: None, closed: 0 }
    }

    pub(crate) fn get(&mut self, target: &str) -> io::Result<Answer> {
        self.send("GET", target, &[], b"")
    }

    pub(crate) fn post(&mut self, target: &str, body: &[u8]) -> io::Result<Answer> {
        self.send("POST", target, &[], body)
    }

    /// Sends one request on the kept connection, or on a new one where there is none.
    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let is_kept = self.connection.is_some();
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let request = request(method, target, &self.address.to_string(), headers, body);
        let answer =
            connection.get_mut().write_all(&request).and_then(|()| read_answer(&mut connection, method));
        match answer {
            Ok((answer, may_keep)) => {
                if may_keep {
                    self.connection = Some(connection);
                } else {
                    self.closed += 1;
                }
                Ok(answer)
            }
            Err(error) => {
                if is_kept {
                    self.closed += 1;
                }
                Err(error)
            }
        }
    }

    /// Opens a stream of events on a connection of its own.
    pub(crate) fn stream(&mut self, target: &str) -> io::Result<EventStream> {
        let mut reader = self.connect()?;
        let request = request("GET", target, &self.address.to_string(), &[], b"");
        reader.get_mut().write_all(&request)?;
        read_head(&mut reader)?;
        Ok(EventStream { reader })
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(BufReader::new(stream))
    }
}

/// One request on a connection of its own.
#[track_caller]
pub(crate) fn get(address: SocketAddr, target: &str) -> Answer {
    Client::new(address).get(target).unwrap_or_else(|error| panic!("GET {target}: {error}"))
}

/// One request with a body on a connection of its own.
#[track_caller]
pub(crate) fn post(address: SocketAddr, target: &str, body: &[u8]) -> Answer {
    Client::new(address).post(target, body).unwrap_or_else(|error| panic!("POST {target}: {error}"))
}

/// One request of any shape on a connection of its own.
#[track_caller]
pub(crate) fn send(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    Client::new(address)
        .send(method, target, headers, b"")
        .unwrap_or_else(|error| panic!("{method} {target}: {error}"))
}

fn request(method: &str, target: &str, host: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str(&format!("host: {host}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Reads status line and headers; the lines without their ends.
pub(crate) fn read_head(reader: &mut impl BufRead) -> io::Result<(String, Vec<(String, String)>)> {
    let first = read_line(reader)?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok((first, headers));
        }
        let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_answer(reader: &mut BufReader<TcpStream>, method: &str) -> io::Result<(Answer, bool)> {
    let (status, headers) = loop {
        let (line, headers) = read_head(reader)?;
        let status: u16 = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or(io::ErrorKind::InvalidData)?;
        // Informational responses come before the answer.
        if status >= 200 || status == 101 {
            break (status, headers);
        }
    };
    let mut answer = Answer { status, headers, body: Vec::new() };
    let mut may_keep = !answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let has_body = method != "HEAD" && status >= 200 && status != 204 && status != 304;
    if has_body && answer.header("transfer-encoding").is_some() {
        answer.body = read_chunks(reader)?;
    } else if has_body && let Some(length) = answer.header("content-length") {
        let length: usize = length.parse().map_err(|_| io::ErrorKind::InvalidData)?;
        answer.body.resize(length, 0);
        reader.read_exact(&mut answer.body)?;
    } else if has_body {
        reader.read_to_end(&mut answer.body)?;
        may_keep = false;
    }
    Ok((answer, may_keep))
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(reader)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        let begun = body.len();
        body.resize(begun + size, 0);
        reader.read_exact(&mut body[begun..])?;
        if size == 0 {
            while !read_line(reader)?.is_empty() {}
            return Ok(body);
        }
        read_line(reader)?;
    }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\n") {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.pop();
    if line.ends_with(b"\r") {
        line.pop();
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// An open stream of events (`text/event-stream` in chunks).
#[derive(Debug)]
pub(crate) struct EventStream {
    reader: BufReader<TcpStream>,
}

impl EventStream {
    /// The next event, without the empty line that ends it.
    pub(crate) fn next_event(&mut self) -> io::Result<String> {
        let size = read_line(&mut self.reader)?;
        let size = usize::from_str_radix(&size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut piece = vec![0; size];
        self.reader.read_exact(&mut piece)?;
        read_line(&mut self.reader)?;
        Ok(String::from_utf8_lossy(&piece).trim_end().to_owned())
    }
}
