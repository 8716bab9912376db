//! Pipes: bytes that the kernel moves from socket to socket without a copy in our memory (splice(2)).
//!
//! Invariant: a pipe that is free is empty. One that is dropped with bytes in it takes them along: they belonged to
//! an exchange that is over. Refuses waiting.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// Pipes that one thread has open at most; each is two descriptors, and may hold what is moved at a time.
const OPEN: usize = 32;

/// Pipes that are kept while nobody needs them.
const FREE: usize = 8;

/// Bytes a pipe is made for. The kernel counts in pieces of a page, and a packet may take one for itself.
const ROOM_BYTES: usize = 256 * 1024;

/// A pipe that is lent.
#[derive(Debug)]
pub(super) struct Pipe {
    reading: OwnedFd,
    writing: OwnedFd,
    held: usize,
    /// How many pipes its thread has open.
    open: Rc<Cell<usize>>,
}

impl Pipe {
    fn new(open: &Rc<Cell<usize>>) -> io::Result<Pipe> {
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A user who has many large pipes gets small ones: as good, a little slower.
        fcntl_setpipe_size(&writing, ROOM_BYTES).ok();
        open.set(open.get() + 1);
        Ok(Pipe { reading, writing, held: 0, open: Rc::clone(open) })
    }

    /// Bytes in it.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes up to `most` bytes out of a socket; 0 at its end.
    ///
    /// # Errors
    ///
    /// Those of the socket, `WouldBlock` where it has none.
    pub(super) fn fill(&mut self, source: impl AsFd, most: usize) -> io::Result<usize> {
        let count = splice(source, None, &self.writing, None, most, SpliceFlags::NONBLOCK)?;
        self.held = self.held.saturating_add(count);
        Ok(count)
    }

    /// Gives a socket what it takes.
    ///
    /// # Errors
    ///
    /// Those of the socket, `WouldBlock` where it takes nothing.
    pub(super) fn drain(&mut self, sink: impl AsFd) -> io::Result<usize> {
        let count = splice(&self.reading, None, sink, None, self.held, SpliceFlags::NONBLOCK)?;
        self.held = self.held.saturating_sub(count);
        Ok(count)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.open.set(self.open.get().saturating_sub(1));
    }
}

/// Whom a thread tells that it would have used a pipe and had none.
type Shortage = Box<dyn Fn()>;

/// The pipes of one data thread.
#[derive(Default)]
pub(crate) struct Pipes {
    free: RefCell<Vec<Pipe>>,
    open: Rc<Cell<usize>>,
    /// `None`: there are none, and nothing is counted.
    shortage: Option<Shortage>,
    /// The kernel does not do it, or a sandbox does not let it.
    refused: Cell<bool>,
}

impl std::fmt::Debug for Pipes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pipes").field("open", &self.open).finish_non_exhaustive()
    }
}

impl Pipes {
    /// `shortage` is called where bytes are copied for want of a pipe.
    pub(crate) fn new(shortage: impl Fn() + 'static) -> Pipes {
        Pipes { shortage: Some(Box::new(shortage)), ..Pipes::default() }
    }

    /// An empty pipe, if there is one.
    pub(super) fn take(&self) -> Option<Pipe> {
        let shortage = self.shortage.as_ref().filter(|_| !self.refused.get())?;
        if let Some(pipe) = self.free.borrow_mut().pop() {
            return Some(pipe);
        }
        let pipe = if self.open.get() < OPEN { Pipe::new(&self.open).ok() } else { None };
        if pipe.is_none() {
            shortage();
        }
        pipe
    }

    /// Takes a pipe back; one that is not empty is closed.
    pub(super) fn give(&self, pipe: Pipe) {
        let mut free = self.free.borrow_mut();
        if pipe.held == 0 && free.len() < FREE {
            free.push(pipe);
        }
    }

    /// Whether an error says that splicing is not to be had at all; it is then not tried again.
    pub(super) fn are_refused(&self, error: &io::Error) -> bool {
        let refused = matches!(
            Errno::from_io_error(error),
            Some(Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP)
        );
        self.refused.set(self.refused.get() || refused);
        refused
    }
}
