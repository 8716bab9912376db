//! A socket, what was read of it but not used yet, and what was written but not taken by it yet.
//!
//! Reads go into memory that the thread's connections share, so that a connection that waits holds none. Refuses
//! threads: it lives on one data thread.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::buffers::Buffers;
use super::pipe::Pipe;

/// Bytes that one read may give at most.
pub(crate) const READ_BYTES: usize = 256 * 1024;

/// Bytes that one read may give at first, and again when the other side has not kept up.
const FIRST_READ_BYTES: usize = 32 * 1024;

/// Bytes that are moved past our memory at a time.
const SPLICE_BYTES: usize = 256 * 1024;

/// Bytes at a time below which that costs more than copying them.
const SPLICE_WORTH: usize = 16 * 1024;

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    tcp: TcpStream,
    inbox: Queue,
    outbox: Queue,
    /// Bytes on their way to the socket that never were in our memory; they go before those of the outbox. `None`
    /// while there are none.
    pipe: Option<Pipe>,
    buffers: Rc<Buffers>,
    received: u64,
    sent: u64,
    /// Bytes that the next read may give: what is read and finds no taker is held, so that more is read at once
    /// only from a connection whose bytes find one.
    window: usize,
    flow: Flow,
}

/// How the last bytes came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// Fewer than could have been taken: more are waited for.
    Dribble,
    /// As many as could be taken, or nearly.
    Bulk,
}

/// What moving bytes past our memory gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spliced {
    /// So many went into the sink's pipe; 0 at the end of the connection.
    Bytes(usize),
    /// No pipe is free, or the kernel refuses: they are to be copied.
    Unable,
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

    /// Takes bytes; an empty queue holds no memory.
    fn take(&mut self, count: usize, buffers: &Buffers) {
        self.taken += count;
        if self.taken >= self.bytes.len() {
            self.taken = 0;
            buffers.give(std::mem::take(&mut self.bytes));
        }
    }

    /// Its bytes, to be added to.
    fn open(&mut self, more: usize, buffers: &Buffers) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = buffers.take(more);
        }
        // What was taken goes before more comes: a queue that is never quite empty must not grow.
        if self.taken > 0 && self.taken >= self.bytes.len() - self.taken {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        &mut self.bytes
    }
}

impl Wire {
    /// `buffers` are those of its thread.
    pub(crate) fn new(tcp: TcpStream, buffers: &Rc<Buffers>) -> Wire {
        let (inbox, outbox) = Default::default();
        Wire {
            tcp,
            inbox,
            outbox,
            pipe: None,
            buffers: Rc::clone(buffers),
            received: 0,
            sent: 0,
            window: FIRST_READ_BYTES,
            flow: Flow::Dribble,
        }
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
        self.inbox.take(count, &self.buffers);
    }

    /// Keeps bytes that were read for later, behind those that are kept already.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.inbox.open(bytes.len(), &self.buffers).extend_from_slice(bytes);
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
        self.inbox.take(0, &self.buffers);
    }

    /// Reads what has arrived; 0 at the end of the connection.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let room = self.window.min(into.len());
        let mut buffer = ReadBuf::new(into.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut buffer))?;
        let count = buffer.filled().len();
        self.flow = if count >= SPLICE_WORTH { Flow::Bulk } else { Flow::Dribble };
        self.received = self.received.wrapping_add(u64::try_from(count).unwrap_or_default());
        Poll::Ready(Ok(count))
    }

    /// Whether so much comes at a time that moving it past our memory pays.
    pub(crate) fn is_bulk(&self) -> bool {
        self.flow == Flow::Bulk
    }

    /// Moves up to `most` bytes that have arrived into the pipe of a sink that is flushed: what it holds goes
    /// before what is sent later, and after nothing. They count as received here, and wait at the sink.
    pub(crate) fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut Wire,
        most: u64,
    ) -> Poll<io::Result<Spliced>> {
        let lent = if sink.is_flushed() { sink.buffers.pipes.take() } else { None };
        let Some(mut pipe) = lent else { return Poll::Ready(Ok(Spliced::Unable)) };
        let most = usize::try_from(most).unwrap_or(SPLICE_BYTES).min(SPLICE_BYTES);
        let outcome = loop {
            match self.tcp.poll_read_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
            match self.tcp.try_io(Interest::READABLE, || pipe.fill(&self.tcp, most)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => break Poll::Ready(outcome),
            }
        };
        match outcome {
            Poll::Ready(Ok(count)) if count > 0 => {
                self.flow = if count >= SPLICE_WORTH { Flow::Bulk } else { Flow::Dribble };
                // What need not be read is not: the next head is read with little of what follows it.
                self.narrow();
                self.received = self.received.wrapping_add(u64::try_from(count).unwrap_or_default());
                sink.pipe = Some(pipe);
                Poll::Ready(Ok(Spliced::Bytes(count)))
            }
            outcome => {
                sink.buffers.pipes.give(pipe);
                match outcome {
                    Poll::Ready(Err(error)) if sink.buffers.pipes.are_refused(&error) => {
                        Poll::Ready(Ok(Spliced::Unable))
                    }
                    outcome => outcome.map_ok(Spliced::Bytes),
                }
            }
        }
    }

    /// Asks the socket whether there is more than was moved, so that the reactor knows of its silence as it does
    /// after a read that did not fill its room: a connection it has heard of is not used again.
    pub(crate) fn settle(&self) {
        // What it says is what the reactor then knows.
        drop(self.tcp.try_io(Interest::READABLE, || self.peek()));
    }

    fn peek(&self) -> io::Result<usize> {
        SockRef::from(&self.tcp).peek(&mut [MaybeUninit::uninit()])
    }

    /// What was read found a taker at once: if it was as much as may be read, more may be read.
    pub(crate) fn widen(&mut self, read: usize) {
        if read >= self.window {
            self.window = self.window.saturating_mul(2).min(READ_BYTES);
        }
    }

    /// What was read did not find a taker at once.
    pub(crate) fn narrow(&mut self) {
        self.window = FIRST_READ_BYTES;
    }

    /// The bytes that wait to be sent, to be added to.
    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        self.outbox.open(0, &self.buffers)
    }

    /// Bytes that wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.outbox.rest().len() + self.pipe.as_ref().map_or(0, Pipe::held)
    }

    /// Whether nothing waits to be sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.pipe.is_none() && self.outbox.rest().is_empty()
    }

    /// Whether bytes wait that never were in our memory.
    pub(crate) fn is_piping(&self) -> bool {
        self.pipe.is_some()
    }

    /// Sends what waits.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.pipe.is_some() {
            ready!(self.poll_drain(cx))?;
        }
        while !self.outbox.rest().is_empty() {
            let count = ready!(Pin::new(&mut self.tcp).poll_write(cx, self.outbox.rest()))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.note_sent(count);
            self.outbox.take(count, &self.buffers);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what the pipe holds, and gives it back.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(pipe) = self.pipe.as_mut().filter(|pipe| pipe.held() > 0) {
            ready!(self.tcp.poll_write_ready(cx))?;
            match self.tcp.try_io(Interest::WRITABLE, || pipe.drain(&self.tcp)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.note_sent(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if let Some(pipe) = self.pipe.take() {
            self.buffers.pipes.give(pipe);
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
        if !bytes.is_empty() {
            self.outbox.open(bytes.len(), &self.buffers).extend_from_slice(bytes);
        }
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
        match self.peek() {
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

#[cfg(test)]
mod tests {
    use super::{Buffers, Queue};

    #[test]
    fn a_queue_that_is_never_quite_empty_does_not_grow() {
        let buffers = Buffers::default();
        let mut queue = Queue::default();
        let mut bytes = (0..=u8::MAX).cycle();
        let mut expected = (0..=u8::MAX).cycle();
        for _ in 0..2000 {
            queue.open(1000, &buffers).extend(bytes.by_ref().take(1000));
            let sent = queue.rest().len() - 10;
            assert!(
                queue.rest().iter().take(sent).copied().eq(expected.by_ref().take(sent)),
                "in their order"
            );
            queue.take(sent, &buffers);
            assert!(queue.bytes.capacity() < 8 * 1024, "{} bytes held for 10", queue.bytes.capacity());
        }
        queue.take(10, &buffers);
        assert_eq!(queue.bytes.capacity(), 0, "an empty queue holds no memory");
    }
}
