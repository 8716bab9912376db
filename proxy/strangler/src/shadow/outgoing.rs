//! A copy as it goes over the wire.
//!
//! Owns its bytes. Refuses to write what would be another request than was captured: a line break in a value, a blank in
//! a target.

use bytes::Bytes;
use http::Method;
use strangler_core::routing::shadow::CopyHead;

use crate::http1::{Fields, chunked};
use crate::upstream::EndpointState;

/// Bytes of a head beside its target and lines: the method, the version, Host and framing, each with its line end.
const ROOM: usize = 192;

/// A copy that is to be sent.
pub(super) struct Outgoing<'a> {
    pub(super) method: &'a Method,
    pub(super) head: CopyHead<'a>,
    pub(super) body: Bytes,
    pub(super) framing: Framing,
    pub(super) repeatable: Repeatable,
}

/// How a body is delimited, as its client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// As its length says.
    Length,
    /// In chunks.
    Chunked,
}

/// Whether a copy may be sent again on another connection where a used one turns out to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeatable {
    /// It only reads.
    Yes,
    /// It gets a fresh connection, once.
    No,
}

impl Outgoing<'_> {
    /// Writes the request as it goes over the wire; `None` where it cannot be written.
    pub(super) fn write(&self, endpoint: &EndpointState, out: &mut Vec<u8>) -> Option<()> {
        let target = self.head.target.as_bytes();
        if target.iter().any(|byte| *byte <= b' ' || *byte == 0x7f || *byte == b'#') {
            return None;
        }
        let lines: usize = self.head.lines.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        out.reserve(target.len() + lines + ROOM);
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        for (name, value) in &self.head.lines {
            if memchr::memchr3(b'\r', b'\n', 0, value).is_some() {
                return None;
            }
            write_line(name, value, out);
        }
        if self.head.host().is_none() {
            write_line(b"host", endpoint.authority.as_bytes(), out);
        }
        match self.framing {
            Framing::None => out.extend_from_slice(b"\r\n"),
            Framing::Length => {
                write_line(b"content-length", self.body.len().to_string().as_bytes(), out);
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(&self.body);
            }
            Framing::Chunked => {
                out.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
                if !self.body.is_empty() {
                    chunked::write_size(self.body.len(), out);
                    out.extend_from_slice(&self.body);
                    out.extend_from_slice(chunked::CHUNK_END);
                }
                chunked::write_end(&Fields::default(), out);
            }
        }
        Some(())
    }
}

fn write_line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
