//! A socket, what was read of it but not used yet, and what was written but not taken by it yet.
//!
//! Reads go into memory that the thread's connections share, so that a connection that waits holds none. Refuses
//! threads: it lives on one data thread.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that one read may give.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// A buffer that has grown beyond this gives its memory back when it is empty.
const KEPT_BYTES: usize = 2 * 1024;

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    tcp: TcpStream,
    inbox: Queue,
    outbox: Queue,
    received: u64,
    sent: u64,
}

/// Bytes in order, taken from the front.
#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    taken: usize,
}

impl Queue {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken >= self.bytes.len() {
            self.taken = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT_BYTES {
                self.bytes = Vec::new();
            }
        }
    }
}

impl Wire {
    pub(crate) fn new(tcp: TcpStream) -> Wire {
        Wire { tcp, inbox: Queue::default(), outbox: Queue::default(), received: 0, sent: 0 }
    }

    /// Bytes that arrived so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Bytes handed to the kernel so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes that were read and not used.
    pub(crate) fn inbox(&self) -> &[u8] {
        self.inbox.rest()
    }

    /// Marks bytes of the inbox as used.
    pub(crate) fn consume(&mut self, count: usize) {
        self.inbox.take(count);
    }

    /// Keeps bytes that were read for later, behind those that are kept already.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.inbox.bytes.extend_from_slice(bytes);
        }
    }

    /// Takes the whole inbox out, for as long as its bytes are looked at. What is not used is kept again.
    pub(crate) fn take_inbox(&mut self) -> (Vec<u8>, usize) {
        let Queue { bytes, taken } = std::mem::take(&mut self.inbox);
        (bytes, taken)
    }

    /// Puts an inbox back that was taken out, used up to `taken`.
    pub(crate) fn put_inbox(&mut self, bytes: Vec<u8>, taken: usize) {
        self.inbox = Queue { bytes, taken };
        self.inbox.take(0);
    }

    /// Reads what has arrived; 0 at the end of the connection.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(into);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut buffer))?;
        let count = buffer.filled().len();
        self.received = self.received.wrapping_add(u64::try_from(count).unwrap_or_default());
        Poll::Ready(Ok(count))
    }

    /// The bytes that wait to be sent, to be added to.
    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox.bytes
    }

    /// Whether nothing waits to be sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.outbox.rest().is_empty()
    }

    /// Sends what waits.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbox.rest().is_empty() {
            let count = ready!(Pin::new(&mut self.tcp).poll_write(cx, self.outbox.rest()))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.note_sent(count);
            self.outbox.take(count);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends bytes, as far as the socket takes them at once; the rest waits.
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    pub(crate) fn send(&mut self, cx: &mut Context<'_>, mut bytes: &[u8]) -> io::Result<()> {
        if self.is_flushed() {
            while !bytes.is_empty() {
                match Pin::new(&mut self.tcp).poll_write(cx, bytes)? {
                    Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(count) => {
                        self.note_sent(count);
                        bytes = bytes.get(count..).unwrap_or_default();
                    }
                    Poll::Pending => break,
                }
            }
        }
        self.outbox.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn note_sent(&mut self, count: usize) {
        self.sent = self.sent.wrapping_add(u64::try_from(count).unwrap_or_default());
    }

    /// Whether the reactor has seen bytes or an end that nobody has read. Costs no system call.
    pub(crate) fn is_stirred(&self, cx: &mut Context<'_>) -> bool {
        self.tcp.poll_read_ready(cx).is_ready()
    }

    /// Whether the socket itself shows neither an end nor unread bytes: one system call.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        match SockRef::from(&self.tcp).peek(&mut byte) {
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            Ok(_end_or_surplus) => false,
        }
    }

    /// Makes closing the connection a reset, so that the peer cannot take the end for a clean one.
    pub(crate) fn reset_on_close(&self) {
        // A socket that is already gone cannot be reset and need not be.
        drop(SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO)));
    }

    /// The socket, what was read of it and not used, and how many bytes were sent.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>, u64) {
        let Queue { mut bytes, taken } = self.inbox;
        bytes.drain(..taken.min(bytes.len()));
        (self.tcp, bytes, self.sent)
    }
}
