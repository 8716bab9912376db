//! One socket: bytes in and out, a deadline for each wait, and how it ended.
//!
//! Everything received is kept, so that a judge can look at it again. Nothing is interpreted here.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use fastrand::Rng;

/// The most that is read from one socket; a peer that sends more is cut off.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// The longest piece into which long bytes are cut.
const LONGEST_PIECE: usize = 40_000;

/// Why no more bytes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The peer closed its sending side in order (FIN).
    Closed,
    /// The connection was reset (RST), or broke otherwise.
    Reset,
    /// Nothing came within the time that one waits. The connection may still be good.
    Silent,
    /// More came than any case asks for.
    TooMuch,
}

/// Why a message could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The bytes stopped before the message was whole.
    Ended(Ended),
    /// The bytes are not what the grammar allows: a sentence that says where.
    Syntax(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Ended(Ended::Closed) => out.write_str("the connection was closed"),
            Fault::Ended(Ended::Reset) => out.write_str("the connection was reset"),
            Fault::Ended(Ended::Silent) => out.write_str("nothing more came in time"),
            Fault::Ended(Ended::TooMuch) => out.write_str("far too many bytes came"),
            Fault::Syntax(what) => out.write_str(what),
        }
    }
}

/// How bytes are cut into pieces when they are written; where they are cut must never matter to a proxy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cuts {
    /// As much as the socket takes at once.
    #[default]
    Whole,
    /// Into pieces of drawn lengths, each written on its own; the seed says where.
    Drawn(u64),
}

/// A socket with everything that it has received, and a place up to which that has been read.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
    at: usize,
    ended: Option<Ended>,
    patience: Duration,
    draw: Option<Rng>,
}

impl Wire {
    /// Takes a connected socket. `patience` bounds every single wait for bytes.
    ///
    /// # Errors
    /// When the socket's options cannot be set.
    pub fn new(stream: TcpStream, patience: Duration) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Wire { stream, received: Vec::new(), at: 0, ended: None, patience, draw: None })
    }

    /// Connects to `address`.
    ///
    /// # Errors
    /// When there is nobody, or nobody answers in time.
    pub fn connect(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        Wire::new(TcpStream::connect_timeout(&address, patience)?, patience)
    }

    /// How it cuts what it writes from now on.
    pub fn set_cuts(&mut self, cuts: Cuts) {
        self.draw = match cuts {
            Cuts::Whole => None,
            Cuts::Drawn(seed) => Some(Rng::with_seed(seed)),
        };
    }

    /// Everything received so far.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// What has been received and not read yet.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.received.get(self.at..).unwrap_or_default()
    }

    /// How the connection ended, if it did.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// Waits for more bytes.
    ///
    /// # Errors
    /// When none came. [`Ended::Silent`] is not remembered: the next call waits again.
    pub fn fill(&mut self) -> Result<&[u8], Ended> {
        self.fill_within(self.patience)
    }

    /// As [`Wire::fill`], with a time of its own.
    ///
    /// # Errors
    /// When none came.
    pub fn fill_within(&mut self, patience: Duration) -> Result<&[u8], Ended> {
        if let Some(ended) = self.ended {
            return Err(ended);
        }
        if self.received.len() > MOST_BYTES {
            self.ended = Some(Ended::TooMuch);
            return Err(Ended::TooMuch);
        }
        let before = self.received.len();
        let patience = patience.max(Duration::from_millis(1));
        if self.stream.set_read_timeout(Some(patience)).is_err() {
            return Err(Ended::Reset);
        }
        let mut piece = [0; 16 * 1024];
        loop {
            let ended = match self.stream.read(&mut piece) {
                Ok(0) => Ended::Closed,
                Ok(count) => {
                    self.received.extend_from_slice(piece.get(..count).unwrap_or_default());
                    return Ok(self.received.get(before..).unwrap_or_default());
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => continue,
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(Ended::Silent),
                    _ => Ended::Reset,
                },
            };
            self.ended = Some(ended);
            return Err(ended);
        }
    }

    /// The next line, without its CR LF.
    ///
    /// # Errors
    /// When the bytes stop first, when the line ends in a bare LF, or when it is longer than `most` bytes.
    pub fn line(&mut self, most: usize) -> Result<Vec<u8>, Fault> {
        let mut looked_at = 0;
        loop {
            let unread = self.unread();
            let fresh = unread.get(looked_at..).unwrap_or_default();
            if let Some(place) = fresh.iter().position(|byte| *byte == b'\n') {
                let end = looked_at + place;
                let line = unread.get(..end).unwrap_or_default().to_vec();
                self.at += end + 1;
                return match line.split_last() {
                    Some((b'\r', line)) => Ok(line.to_vec()),
                    _ => Err(Fault::Syntax(format!("a line that ends in a bare LF: {}", show(&line)))),
                };
            }
            looked_at = unread.len();
            if looked_at > most {
                return Err(Fault::Syntax(format!("a line of more than {most} bytes")));
            }
            self.fill().map_err(Fault::Ended)?;
        }
    }

    /// The next `count` bytes, each piece handed to `piece` as it comes.
    ///
    /// # Errors
    /// When the bytes stop first.
    pub fn exact(&mut self, count: u64, piece: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        let mut left = count;
        while left > 0 {
            let unread = self.unread();
            let take = unread.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if take == 0 {
                self.fill().map_err(Fault::Ended)?;
                continue;
            }
            piece(unread.get(..take).unwrap_or_default());
            self.at += take;
            left -= take as u64;
        }
        Ok(())
    }

    /// Everything until the peer ends the connection, each piece handed to `piece` as it comes.
    pub fn rest(&mut self, piece: &mut dyn FnMut(&[u8])) -> Ended {
        loop {
            let unread = self.unread();
            piece(unread);
            self.at += unread.len();
            if let Err(ended) = self.fill() {
                return ended;
            }
        }
    }

    /// Waits until everything received contains `needle` after `from`; returns the place behind it.
    ///
    /// # Errors
    /// When the bytes stop first.
    pub fn until(&mut self, needle: &[u8], from: usize) -> Result<usize, Ended> {
        loop {
            let seen = self.received.get(from..).unwrap_or_default();
            if let Some(place) = seen.windows(needle.len().max(1)).position(|window| window == needle) {
                return Ok(from + place + needle.len());
            }
            self.fill()?;
        }
    }

    /// Counts everything received up to `place` as read.
    pub fn skip_to(&mut self, place: usize) {
        self.at = self.at.max(place.min(self.received.len()));
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// When the peer does not take them.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(draw) = &mut self.draw else {
            return self.stream.write_all(bytes);
        };
        // Many small pieces of what is short, few large ones of what is long: both must end in time.
        let most = match bytes.len() {
            0..500 => draw.choice([1, 3, 17, 200]),
            500..5_000 => draw.choice([31, 700, 4_000]),
            _ => Some(LONGEST_PIECE),
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(draw.usize(1..=most.unwrap_or(1)).min(rest.len()));
            self.stream.write_all(piece)?;
            std::thread::yield_now();
            rest = behind;
        }
        Ok(())
    }

    /// Writes `bytes` one piece each `every`, until all are written or the peer says something.
    ///
    /// # Errors
    /// When the peer does not take them.
    pub fn drip(&mut self, bytes: &[u8], piece: usize, every: Duration) -> io::Result<()> {
        for part in bytes.chunks(piece.max(1)) {
            self.send(part)?;
            let due = Instant::now() + every;
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                match self.fill_within(left) {
                    Err(Ended::Silent) => {}
                    _ => return Ok(()),
                }
            }
        }
        Ok(())
    }

    /// Sends FIN; reading goes on.
    pub fn half_close(&self) {
        // A peer that is gone already has nothing left to be told.
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Ends the connection with RST.
    pub fn reset(self) {
        // Where the option cannot be set the connection ends with FIN, and the case that wanted RST fails.
        drop(socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)));
        drop(self.stream);
    }

    /// Another handle of the same socket, with which it can be shut down from elsewhere.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn handle(&self) -> io::Result<TcpStream> {
        self.stream.try_clone()
    }
}

/// Bytes as a person reads them: escapes for what cannot be seen, cut after 300 bytes.
#[must_use]
pub fn show(bytes: &[u8]) -> String {
    const MOST: usize = 300;
    let head = bytes.get(..MOST).unwrap_or(bytes);
    let rest = if bytes.len() > MOST { format!("… ({} bytes)", bytes.len()) } else { String::new() };
    format!("\"{}\"{rest}", head.escape_ascii())
}
