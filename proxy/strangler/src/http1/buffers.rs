//! Memory for bytes that wait, shared by the connections of one thread.
//!
//! Most bytes never wait. Those that do need memory for a moment, and the allocator would give large pieces back to
//! the system each time: a page fault per page is dearer than the copy.

use std::cell::RefCell;

use super::pipe::Pipes;

/// What is longer counts as large.
const SMALL_BYTES: usize = 16 * 1024;

/// Buffers kept of either size.
const SMALL: usize = 64;
const LARGE: usize = 8;

/// What is longer is not kept.
const MAX_BYTES: usize = 1024 * 1024;

/// Empty buffers of one data thread: at most eight MiB. And its pipes, for bytes that need none.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    small: RefCell<Vec<Vec<u8>>>,
    large: RefCell<Vec<Vec<u8>>>,
    pub(super) pipes: Pipes,
}

impl Buffers {
    /// With pipes; without, every byte is copied.
    pub(crate) fn with_pipes(pipes: Pipes) -> Buffers {
        Buffers { pipes, ..Buffers::default() }
    }

    /// An empty buffer for about so many bytes.
    pub(crate) fn take(&self, bytes: usize) -> Vec<u8> {
        let shelf = if bytes > SMALL_BYTES { &self.large } else { &self.small };
        shelf.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a buffer for the next that needs one.
    pub(crate) fn give(&self, mut buffer: Vec<u8>) {
        let (shelf, most) =
            if buffer.capacity() > SMALL_BYTES { (&self.large, LARGE) } else { (&self.small, SMALL) };
        if buffer.capacity() == 0 || buffer.capacity() > MAX_BYTES {
            return;
        }
        let mut shelf = shelf.borrow_mut();
        if shelf.len() < most {
            buffer.clear();
            shelf.push(buffer);
        }
    }
}
