//! A socket that its owner can look at while an HTTP codec reads and writes it.
//!
//! Owns counting what arrived and what left, and looking without reading. Refuses threads: it lives on one
//! data thread.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::state::ConnectionPermit;

/// One end of a TCP connection, shared between a codec and whoever watches it.
#[derive(Clone, Debug)]
pub(crate) struct Stream(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    tcp: RefCell<TcpStream>,
    received: Cell<u64>,
    sent: Cell<u64>,
    line: Cell<RequestLine>,
    /// Counted as open until the socket closes.
    _permit: Option<ConnectionPermit>,
}

impl Stream {
    pub(crate) fn new(tcp: TcpStream, permit: Option<ConnectionPermit>) -> Stream {
        Stream(Rc::new(Inner {
            tcp: RefCell::new(tcp),
            received: Cell::new(0),
            sent: Cell::new(0),
            line: Cell::new(RequestLine::Unwatched),
            _permit: permit,
        }))
    }

    /// Bytes that arrived so far.
    pub(crate) fn received(&self) -> u64 {
        self.0.received.get()
    }

    /// Bytes handed to the kernel so far.
    pub(crate) fn sent(&self) -> u64 {
        self.0.sent.get()
    }

    /// Looks for a fragment in the request line that is to arrive next.
    pub(crate) fn expect_request(&self) {
        self.0.line.set(RequestLine::Before);
    }

    /// Whether the request line that arrived last has a fragment.
    pub(crate) fn had_fragment(&self) -> bool {
        self.0.line.get() == RequestLine::Fragment
    }

    /// Whether the peer has neither closed the connection nor sent anything that is still unread.
    pub(crate) fn is_quiet(&self) -> bool {
        let tcp = self.0.tcp.borrow();
        let mut byte = [MaybeUninit::uninit()];
        match SockRef::from(&*tcp).peek(&mut byte) {
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            Ok(_end_or_surplus) => false,
        }
    }

    /// Makes closing the connection a reset, so that the peer cannot take the end for a clean one.
    pub(crate) fn reset_on_close(&self) {
        // A socket that is already gone cannot be reset and need not be.
        drop(SockRef::from(&*self.0.tcp.borrow()).set_linger(Some(Duration::ZERO)));
    }
}

/// What has arrived of a request line, as far as it matters for a fragment: hyper cuts one off (`/a#b` becomes
/// `/a`), where nothing but the original bytes may be forwarded (RFC 9112, 3.2: a target has no fragment).
/// A pipelined request whose line arrived together with the one before is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestLine {
    /// Nobody asks.
    Unwatched,
    /// Nothing, or empty lines.
    Before,
    /// Part of the method.
    Method,
    /// Part of the target.
    Target,
    /// All of the target, without a fragment.
    Over,
    /// A target with a fragment.
    Fragment,
}

impl RequestLine {
    fn after(mut self, bytes: &[u8]) -> RequestLine {
        for byte in bytes {
            self = match (self, byte) {
                (RequestLine::Before, b'\r' | b'\n') => RequestLine::Before,
                (RequestLine::Before, _) => RequestLine::Method,
                (RequestLine::Method, b' ') => RequestLine::Target,
                (RequestLine::Target, b'#') => return RequestLine::Fragment,
                (RequestLine::Target, b' ' | b'\r' | b'\n') => return RequestLine::Over,
                (RequestLine::Method, b'\r' | b'\n') => return RequestLine::Over,
                (line, _) => line,
            };
        }
        self
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut *self.0.tcp.borrow_mut()).poll_read(cx, buf);
        let count = u64::try_from(buf.filled().len() - before).unwrap_or(u64::MAX);
        self.0.received.set(self.0.received.get().wrapping_add(count));
        let line = self.0.line.get();
        if !matches!(line, RequestLine::Unwatched | RequestLine::Over | RequestLine::Fragment) {
            self.0.line.set(line.after(buf.filled().get(before..).unwrap_or_default()));
        }
        outcome
    }
}

impl Stream {
    fn note_sent(&self, outcome: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(count)) = outcome {
            let count = u64::try_from(*count).unwrap_or(u64::MAX);
            self.0.sent.set(self.0.sent.get().wrapping_add(count));
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut *self.0.tcp.borrow_mut()).poll_write(cx, buf);
        self.note_sent(&outcome);
        outcome
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.tcp.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.tcp.borrow_mut()).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut *self.0.tcp.borrow_mut()).poll_write_vectored(cx, bufs);
        self.note_sent(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::RequestLine;

    fn read(pieces: &[&str]) -> RequestLine {
        pieces.iter().fold(RequestLine::Before, |line, piece| match line {
            RequestLine::Over | RequestLine::Fragment => line,
            line => line.after(piece.as_bytes()),
        })
    }

    #[test]
    fn only_a_target_has_a_fragment() {
        assert_eq!(read(&["GET /a#b HTTP/1.1\r\n\r\n"]), RequestLine::Fragment);
        assert_eq!(read(&["\r\nGET /a", "#b HTTP/1.1\r\n\r\n"]), RequestLine::Fragment);
        assert_eq!(read(&["GET /a HTTP/1.1\r\nX-A: #\r\n\r\n"]), RequestLine::Over);
        assert_eq!(read(&["G#T /a", " HTTP/1.1\r\nX-A: #\r\n\r\n"]), RequestLine::Over);
        assert_eq!(read(&["GET\r\n /a#b"]), RequestLine::Over);
        assert_eq!(read(&["\r\n\r\n"]), RequestLine::Before);
    }
}
