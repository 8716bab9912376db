//! Heads of requests and responses: the first line and the header lines.
//!
//! The grammar of header lines and status lines is `httparse`'s: no folded lines, no blank before a colon, no
//! control bytes. What it leaves open is settled here: a target is any bytes but blanks and control bytes, so that
//! what a client sends reaches its server; a head has one framing (RFC 9112, 6.3); and a status is between 100 and
//! 599.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use http::Method;

use super::body::Framing;
use super::fields::Fields;
use super::known::Known;

/// Lines of a request that are parsed at the first go.
const FEW_LINES: usize = 32;

/// Lines of a response that are parsed without allocating.
const USUAL_LINES: usize = 256;

/// The protocol version of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Version {
    Http10,
    #[default]
    Http11,
}

/// Why bytes are not a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadFault {
    /// Not HTTP.
    Malformed,
    /// More lines than allowed.
    TooManyLines,
}

/// What is wrong with a head's framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FramingFault {
    /// A transfer coding other than chunked, or several.
    Coding,
    /// A transfer coding before HTTP/1.1.
    Old,
    /// A length and a transfer coding.
    Both,
    /// A length that is not one number in digits.
    Length,
}

/// A request's head.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    /// As sent.
    pub(crate) target: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) fields: Fields,
}

/// A response's head.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) reason: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) fields: Fields,
}

impl RequestHead {
    /// Reads a head from the beginning of `input`; its length, or `None` where it is not complete yet.
    ///
    /// # Errors
    ///
    /// As soon as no continuation can make it a head.
    pub(crate) fn parse(&mut self, input: &[u8], max_lines: usize) -> Result<Option<usize>, HeadFault> {
        let Some(line) = request_line(input)? else { return Ok(None) };
        let rest = input.get(line.length..).unwrap_or_default();
        // Each line that there is room for costs time, used or not: most heads need little, and few are read again.
        let mut usual = [httparse::EMPTY_HEADER; FEW_LINES];
        let mut many = Vec::new();
        let few = usual.get_mut(..max_lines.min(FEW_LINES)).unwrap_or_default();
        let parsed = match httparse::parse_headers(rest, few) {
            Err(httparse::Error::TooManyHeaders) if max_lines > FEW_LINES => {
                many.resize(max_lines, httparse::EMPTY_HEADER);
                httparse::parse_headers(rest, &mut many)
            }
            parsed => parsed,
        };
        let httparse::Status::Complete((length, lines)) = parsed.map_err(fault)? else { return Ok(None) };
        self.method = Method::from_bytes(line.method).map_err(|_| HeadFault::Malformed)?;
        self.target.clear();
        self.target.extend_from_slice(line.target);
        self.version = line.version;
        take(&mut self.fields, lines);
        Ok(Some(line.length + length))
    }

    /// The target as text: bytes that are not UTF-8 are percent-encoded.
    pub(crate) fn target_text(&self) -> Cow<'_, str> {
        text_of(&self.target)
    }

    /// The framing of the request's body. Equal repetitions of a length are made one line.
    ///
    /// # Errors
    ///
    /// Where two parsers might not agree on it (RFC 9112, 6.3).
    pub(crate) fn framing(&mut self) -> Result<Framing, FramingFault> {
        framing(&mut self.fields, self.version).map(|found| found.unwrap_or(Framing::None))
    }

    /// Writes the head as it goes over the wire, always as HTTP/1.1.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(&self.target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        self.fields.write(out);
        out.extend_from_slice(b"\r\n");
    }
}

impl ResponseHead {
    /// Reads a head from the beginning of `input`; its length, or `None` where it is not complete yet.
    ///
    /// # Errors
    ///
    /// As soon as no continuation can make it a head.
    pub(crate) fn parse(&mut self, input: &[u8], max_lines: usize) -> Result<Option<usize>, HeadFault> {
        with_lines(max_lines, |lines| {
            let mut response = httparse::Response::new(&mut []);
            let config = httparse::ParserConfig::default();
            let status =
                config.parse_response_with_uninit_headers(&mut response, input, lines).map_err(fault)?;
            let httparse::Status::Complete(length) = status else { return Ok(None) };
            let code = response.code.ok_or(HeadFault::Malformed)?;
            if !(100..=599).contains(&code) {
                return Err(HeadFault::Malformed);
            }
            self.status = code;
            self.reason.clear();
            self.reason.extend_from_slice(reason(input));
            self.version = version(response.version);
            take(&mut self.fields, response.headers);
            Ok(Some(length))
        })
    }

    /// The framing of the response's body, for a request of this method. Equal repetitions of a length are made
    /// one line.
    ///
    /// # Errors
    ///
    /// Where two parsers might not agree on it (RFC 9112, 6.3).
    pub(crate) fn framing(&mut self, method: &Method) -> Result<Framing, FramingFault> {
        let found = framing(&mut self.fields, self.version)?;
        if *method == Method::HEAD || self.status < 200 || matches!(self.status, 204 | 304) {
            return Ok(Framing::None);
        }
        Ok(found.unwrap_or(Framing::UntilClose))
    }

    /// Writes the head as it goes over the wire, always as HTTP/1.1.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        write_status(self.status, out);
        out.push(b' ');
        out.extend_from_slice(&self.reason);
        out.extend_from_slice(b"\r\n");
        self.fields.write(out);
        out.extend_from_slice(b"\r\n");
    }
}

/// A request line (RFC 9112, 3).
struct RequestLine<'a> {
    method: &'a [u8],
    target: &'a [u8],
    version: Version,
    /// Bytes up to the first header line, empty lines before the request line included.
    length: usize,
}

/// Reads the request line; `None` where it is not complete yet.
fn request_line(input: &[u8]) -> Result<Option<RequestLine<'_>>, HeadFault> {
    let start = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(input.len());
    let line = input.get(start..).unwrap_or_default();
    let Some((method, line)) = word(line, is_token)? else { return Ok(None) };
    let Some((target, line)) = word(line, |byte| byte > b' ' && byte != 0x7f)? else { return Ok(None) };
    const VERSION: &[u8] = b"HTTP/1.";
    let here = line.len().min(VERSION.len());
    if line.get(..here) != VERSION.get(..here) {
        return Err(HeadFault::Malformed);
    }
    let (version, line) = match line.get(VERSION.len()..).and_then(<[u8]>::split_first) {
        None => return Ok(None),
        Some((b'0', line)) => (Version::Http10, line),
        Some((b'1', line)) => (Version::Http11, line),
        Some(_) => return Err(HeadFault::Malformed),
    };
    let rest = match line {
        [] | [b'\r'] => return Ok(None),
        [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => rest,
        _ => return Err(HeadFault::Malformed),
    };
    Ok(Some(RequestLine { method, target, version, length: input.len() - rest.len() }))
}

/// A word of the request line, and what follows the blank behind it.
type Word<'a> = (&'a [u8], &'a [u8]);

/// The bytes up to a blank, at least one; `None` where the blank has not come yet.
fn word(line: &[u8], allowed: impl Fn(u8) -> bool) -> Result<Option<Word<'_>>, HeadFault> {
    let Some(end) = line.iter().position(|byte| !allowed(*byte)) else { return Ok(None) };
    match (line.split_at(end), line.get(end)) {
        ((word, [_, rest @ ..]), Some(b' ')) if !word.is_empty() => Ok(Some((word, rest))),
        _ => Err(HeadFault::Malformed),
    }
}

/// A character of a token (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Bytes as text, what is not UTF-8 percent-encoded.
pub(crate) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(text)
}

fn write_status(status: u16, out: &mut Vec<u8>) {
    let digit = |value: u16| b'0' + u8::try_from(value % 10).unwrap_or_default();
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status)]);
}

/// What stands between the status code and the end of its line.
fn reason(input: &[u8]) -> &[u8] {
    let start = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or_default();
    let line = input.get(start..).unwrap_or_default();
    let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
    // `HTTP/1.1 200 `
    line.get(13..end).unwrap_or_default().trim_ascii_end()
}

fn with_lines<'b, R>(most: usize, parse: impl FnOnce(&mut [MaybeUninit<httparse::Header<'b>>]) -> R) -> R {
    let mut usual = [const { MaybeUninit::uninit() }; USUAL_LINES];
    let mut many = Vec::new();
    match usual.get_mut(..most) {
        Some(lines) => parse(lines),
        None => {
            many.resize_with(most, MaybeUninit::uninit);
            parse(&mut many)
        }
    }
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) { Version::Http10 } else { Version::Http11 }
}

fn take(fields: &mut Fields, lines: &[httparse::Header<'_>]) {
    fields.clear();
    for line in lines {
        fields.append(line.name.as_bytes(), line.value);
    }
}

fn fault(error: httparse::Error) -> HeadFault {
    match error {
        httparse::Error::TooManyHeaders => HeadFault::TooManyLines,
        _ => HeadFault::Malformed,
    }
}

/// The framing that the lines give; `None` where they say nothing.
fn framing(fields: &mut Fields, version: Version) -> Result<Option<Framing>, FramingFault> {
    if let Some(coding) = fields.get(Known::TransferEncoding) {
        let only = fields.all(Known::TransferEncoding).nth(1).is_none();
        if !only || !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(FramingFault::Coding);
        }
        if version == Version::Http10 {
            return Err(FramingFault::Old);
        }
        if fields.contains(Known::ContentLength) {
            return Err(FramingFault::Both);
        }
        return Ok(Some(Framing::Chunked));
    }
    let Some(first) = fields.get(Known::ContentLength) else { return Ok(None) };
    let length = number(first).ok_or(FramingFault::Length)?;
    if fields.all(Known::ContentLength).any(|other| other != first) {
        return Err(FramingFault::Length);
    }
    if fields.all(Known::ContentLength).nth(1).is_some() {
        let once = first.to_vec();
        fields.set(Known::ContentLength, &once);
    }
    Ok(Some(Framing::Length(length)))
}

/// A number in decimal digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        if !byte.is_ascii_digit() {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests;
