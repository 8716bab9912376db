//! Strict reading of requests and responses after RFC 9110 and RFC 9112.
//!
//! Nothing is forgiven: what a lenient peer might read in two ways is a [`Fault`]. That is the point of
//! it: a proxy may be lenient in what it takes, and must be exact in what it writes.

use crate::wire::{Ended, Fault, Wire, show};

/// The longest line that is read.
const LONGEST_LINE: usize = 1024 * 1024;
/// The most header or trailer lines that are read.
const MOST_LINES: usize = 5_000;

/// One header or trailer line: the name as it was written, and the value without surrounding blanks.
pub type Line = (Vec<u8>, Vec<u8>);

/// How the end of a body is known (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// As many bytes as `Content-Length` says.
    Length(u64),
    /// Chunks, up to the last one.
    Chunked,
    /// Whatever comes before the connection ends; responses only.
    UntilClose,
    /// The connection belongs to another protocol from here on (101).
    Tunnel,
}

/// Whether a message was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// To its very last byte.
    Whole,
    /// It is still being read.
    Open,
    /// It stopped, or went wrong, before its end.
    Cut(Fault),
}

/// A request or a response, as it was written.
#[derive(Debug, Clone)]
pub struct Message {
    /// The request line or status line, without CR LF.
    pub start: Vec<u8>,
    /// Every byte of the head, from the start line to the empty line.
    pub head: Vec<u8>,
    /// The header lines in their order.
    pub headers: Vec<Line>,
    /// How the body ends.
    pub framing: Framing,
    /// The body, without chunk framing.
    pub body: Vec<u8>,
    /// The trailer lines in their order.
    pub trailers: Vec<Line>,
    /// Whether it was read to its end.
    pub ending: Ending,
}

impl Message {
    /// The values of every line with this name, in their order.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        values(&self.headers, name)
    }

    /// The `index`th word of the start line, counted from 0.
    #[must_use]
    pub fn word(&self, index: usize) -> &[u8] {
        self.start.splitn(3, |byte| *byte == b' ').nth(index).unwrap_or_default()
    }

    /// A request's method.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        self.word(0)
    }

    /// A request's target, byte for byte.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        self.word(1)
    }

    /// A response's status, or 0 where there is none.
    #[must_use]
    pub fn status(&self) -> u16 {
        std::str::from_utf8(self.word(1)).ok().and_then(|word| word.parse().ok()).unwrap_or(0)
    }
}

/// The values of every line with this name, in their order.
#[must_use]
pub fn values<'l>(lines: &'l [Line], name: &str) -> Vec<&'l [u8]> {
    let named = lines.iter().filter(|(held, _)| held.eq_ignore_ascii_case(name.as_bytes()));
    named.map(|(_, value)| value.as_slice()).collect()
}

/// Reads the head of a request.
///
/// # Errors
/// [`Fault::Ended`] with nothing unread is an idle connection that ended; everything else is wrong.
pub fn request_head(wire: &mut Wire) -> Result<Message, Fault> {
    let mut message = head(wire)?;
    let words: Vec<&[u8]> = message.start.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words.as_slice() else {
        return syntax("a request line that is not three words", &message.start);
    };
    if !is_token(method) {
        return syntax("a method that is no token", method);
    }
    if target.is_empty() || target.iter().any(|byte| *byte < 0x21 || *byte == 0x7f) {
        return syntax("a target with blanks or control bytes", target);
    }
    if *version != b"HTTP/1.1" {
        return syntax("a request of another version than HTTP/1.1", version);
    }
    if message.values("host").len() != 1 {
        return syntax("a request without exactly one Host", &message.head);
    }
    message.framing = match declared(&message)? {
        Framing::UntilClose => Framing::None,
        framing => framing,
    };
    Ok(message)
}

/// Reads the head of a response, interim ones included. `to_head`: it answers a HEAD request.
///
/// # Errors
/// When the bytes stop first or break the grammar.
pub fn response_head(wire: &mut Wire, to_head: bool) -> Result<Message, Fault> {
    let mut message = head(wire)?;
    let version = message.word(0);
    if version != b"HTTP/1.1" && version != b"HTTP/1.0" {
        return syntax("a status line of an unknown version", &message.start);
    }
    let status = message.word(1);
    if status.len() != 3 || !status.iter().all(u8::is_ascii_digit) || !(100..600).contains(&message.status())
    {
        return syntax("a status that is not between 100 and 599", &message.start);
    }
    if message.start.splitn(3, |byte| *byte == b' ').count() != 3 {
        return syntax("a status line without the blank after its status", &message.start);
    }
    let declared = declared(&message)?;
    message.framing = match message.status() {
        101 => Framing::Tunnel,
        100..200 | 204 if declared != Framing::UntilClose => {
            return syntax("a 1xx or 204 with Content-Length or Transfer-Encoding", &message.head);
        }
        100..200 | 204 | 304 => Framing::None,
        _ if to_head => Framing::None,
        _ => declared,
    };
    Ok(message)
}

/// Reads the body that `framing` announces; returns the trailers.
///
/// # Errors
/// When the bytes stop before the end that the framing announced, or break its grammar.
pub fn body(wire: &mut Wire, framing: Framing, piece: &mut dyn FnMut(&[u8])) -> Result<Vec<Line>, Fault> {
    match framing {
        Framing::None => Ok(Vec::new()),
        Framing::Length(length) => wire.exact(length, piece).map(|()| Vec::new()),
        Framing::UntilClose | Framing::Tunnel => match wire.rest(piece) {
            Ended::Closed => Ok(Vec::new()),
            ended => Err(Fault::Ended(ended)),
        },
        Framing::Chunked => loop {
            let line = wire.line(LONGEST_LINE)?;
            let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
            if size.is_empty() || size.len() > 16 || !size.iter().all(u8::is_ascii_hexdigit) {
                return syntax("a chunk size that is no hexadecimal number", &line);
            }
            let size = std::str::from_utf8(size).ok().and_then(|size| u64::from_str_radix(size, 16).ok());
            let Some(size) = size else {
                return syntax("a chunk size beyond 64 bits", &line);
            };
            if size == 0 {
                return lines(wire, &mut Vec::new());
            }
            wire.exact(size, piece)?;
            let mut end = Vec::new();
            wire.exact(2, &mut |bytes| end.extend_from_slice(bytes))?;
            if end != b"\r\n" {
                return syntax("a chunk that is not followed by CR LF", &end);
            }
        },
    }
}

fn head(wire: &mut Wire) -> Result<Message, Fault> {
    let start = wire.line(LONGEST_LINE)?;
    if start.iter().any(|byte| is_control(*byte)) {
        return syntax("a control byte in the start line", &start);
    }
    let mut head = start.clone();
    head.extend_from_slice(b"\r\n");
    let headers = lines(wire, &mut head)?;
    let ending = Ending::Open;
    Ok(Message {
        start,
        head,
        headers,
        framing: Framing::None,
        body: Vec::new(),
        trailers: Vec::new(),
        ending,
    })
}

/// Header or trailer lines up to the empty line, which is taken too.
fn lines(wire: &mut Wire, raw: &mut Vec<u8>) -> Result<Vec<Line>, Fault> {
    let mut lines = Vec::new();
    loop {
        let line = wire.line(LONGEST_LINE)?;
        raw.extend_from_slice(&line);
        raw.extend_from_slice(b"\r\n");
        if line.is_empty() {
            return Ok(lines);
        }
        if lines.len() == MOST_LINES {
            return syntax("thousands of header lines, the last being", &line);
        }
        if line.iter().any(|byte| is_control(*byte)) {
            return syntax("a control byte in a header line", &line);
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return syntax("a header line without a colon", &line);
        };
        let (name, value) = line.split_at(colon);
        if !is_token(name) {
            return syntax("a header name that is no token", &line);
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        lines.push((name.to_vec(), value.to_vec()));
    }
}

/// The framing that the header lines declare; [`Framing::UntilClose`] where they declare none.
fn declared(message: &Message) -> Result<Framing, Fault> {
    let lengths = message.values("content-length");
    let encodings = message.values("transfer-encoding");
    match (lengths.as_slice(), encodings.as_slice()) {
        ([], []) => Ok(Framing::UntilClose),
        ([], [encoding]) if encoding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        ([length], []) => {
            let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(length).ok().and_then(|length| length.parse().ok());
            match number.filter(|_| digits) {
                Some(number) => Ok(Framing::Length(number)),
                None => syntax("a Content-Length that is no number", length),
            }
        }
        ([], _) => syntax("a Transfer-Encoding other than chunked", &message.head),
        (_, []) => syntax("more than one Content-Length", &message.head),
        _ => syntax("Content-Length together with Transfer-Encoding", &message.head),
    }
}

fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// RFC 9110 section 5.6.2.
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

fn syntax<T>(what: &str, bytes: &[u8]) -> Result<T, Fault> {
    Err(Fault::Syntax(format!("{what}: {}", show(bytes))))
}
