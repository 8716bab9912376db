//! Bodies over real sockets: what comes through our memory, what does not, and that nobody can tell.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Moved, Onlooker, Outgoing, Passing, Sight, advance};
use crate::http1::chunked::TrailerLimits;
use crate::http1::pipe::Pipes;
use crate::http1::{Buffers, Framing, Incoming, Wire};

/// A megabyte and an odd byte.
const LENGTH: usize = 1024 * 1024 + 1;

/// Counts what passes, by how it passed.
struct Counting {
    sight: Sight,
    bytes: u64,
    unseen: u64,
}

impl Onlooker for Counting {
    fn sight(&self) -> Sight {
        self.sight
    }

    fn see(&mut self, piece: Passing<'_>) -> bool {
        match piece {
            Passing::Bytes(_) => self.bytes += piece.len(),
            Passing::Unseen(_) => self.unseen += piece.len(),
        }
        true
    }
}

/// How a body is passed on.
struct Way {
    framing: Framing,
    outgoing: Outgoing,
    sight: Sight,
    buffers: Rc<Buffers>,
}

impl Way {
    /// The one on which nothing need be copied. `short` counts the times a pipe was wanted and not had.
    fn open(short: &Rc<Cell<u32>>) -> Way {
        let short = Rc::clone(short);
        let pipes = Pipes::new(move || short.set(short.get() + 1));
        Way {
            framing: Framing::Length(LENGTH as u64),
            outgoing: Outgoing::Plain,
            sight: Sight::Count,
            buffers: Rc::new(Buffers::with_pipes(pipes)),
        }
    }
}

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

fn body(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..length).map(|_| random.u8(..)).collect()
}

/// What passing a whole body on gave.
struct Passed {
    counts: Counting,
    received: Vec<u8>,
    source: Wire,
}

/// Passes a body on; `surplus` comes behind it.
async fn pass(way: &Way, surplus: &[u8]) -> Passed {
    let ((mut origin, near), (far, mut client)) = (pair().await, pair().await);
    let (mut source, mut sink) = (Wire::new(near, &way.buffers), Wire::new(far, &way.buffers));
    let mut bytes = body(LENGTH);
    bytes.extend_from_slice(surplus);
    let framing = way.framing;
    let sending = async move {
        origin.write_all(&bytes).await.unwrap();
        // Its end is the body's only where nothing else is.
        (framing != Framing::UntilClose).then_some(origin)
    };
    let mut counts = Counting { sight: way.sight, bytes: 0, unseen: 0 };
    let moving = async {
        let mut incoming = Incoming::new(way.framing, TrailerLimits { lines: 1, bytes: 1 });
        let mut scratch = vec![0; super::super::wire::READ_BYTES];
        poll_fn(|cx| {
            let (from, to) = ((&mut source, &mut incoming), (&mut sink, way.outgoing));
            match advance(cx, from, to, &mut scratch, &mut counts).unwrap() {
                Moved::Done => Poll::Ready(()),
                Moved::Starved | Moved::Blocked => Poll::Pending,
            }
        })
        .await;
        drop(sink);
    };
    let mut received = Vec::new();
    let (_origin, (), _) = tokio::join!(sending, moving, client.read_to_end(&mut received));
    Passed { counts, received, source }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_large_body_that_nobody_looks_at_hardly_comes_through_our_memory() {
    for framing in [Framing::Length(LENGTH as u64), Framing::UntilClose] {
        let short = Rc::default();
        let passed = run(pass(&Way { framing, ..Way::open(&short) }, b""));
        assert!(passed.received == body(LENGTH), "{framing:?}: the same bytes");
        let Counting { bytes, unseen, .. } = passed.counts;
        assert_eq!(bytes + unseen, LENGTH as u64);
        assert!(
            unseen > LENGTH as u64 / 2,
            "{framing:?}: {unseen} of {LENGTH} bytes were moved by the kernel"
        );
        assert_eq!(passed.source.received(), LENGTH as u64);
        assert_eq!(short.get(), 0);
    }
}

#[test]
fn what_follows_a_body_is_not_moved_with_it() {
    let passed = run(async {
        let mut passed = pass(&Way::open(&Rc::default()), b"surplus").await;
        let mut scratch = [0; 64];
        let mut more = passed.source.inbox().to_vec();
        while more.len() < 7 {
            let count = poll_fn(|cx| passed.source.poll_receive(cx, &mut scratch)).await.unwrap();
            more.extend_from_slice(&scratch[..count]);
        }
        assert_eq!(more, b"surplus");
        passed
    });
    assert!(passed.received == body(LENGTH), "the body, and nothing else");
}

#[test]
fn a_body_that_somebody_looks_at_or_that_is_framed_anew_is_read() {
    let open = || Way::open(&Rc::default());
    for (what, way) in [
        ("looked at", Way { sight: Sight::Bytes, ..open() }),
        ("framed anew", Way { framing: Framing::UntilClose, outgoing: Outgoing::Chunked, ..open() }),
        ("no pipes", Way { buffers: Rc::default(), ..open() }),
    ] {
        let passed = run(pass(&way, b""));
        assert_eq!((passed.counts.bytes, passed.counts.unseen), (LENGTH as u64, 0), "{what}");
        if way.outgoing == Outgoing::Plain {
            assert!(passed.received == body(LENGTH), "{what}: the same bytes");
        }
    }
}

#[test]
fn without_a_free_pipe_bytes_are_copied_and_that_is_counted() {
    let short = Rc::default();
    let way = Way::open(&short);
    let lent: Vec<_> = std::iter::from_fn(|| way.buffers.pipes.take()).collect();
    assert!(!lent.is_empty());
    assert_eq!(short.get(), 1, "the bound");
    let passed = run(pass(&way, b""));
    assert!(passed.received == body(LENGTH), "the same bytes");
    assert_eq!(passed.counts.unseen, 0);
    assert!(short.get() > 1);
    drop(lent);
    let passed = run(pass(&way, b""));
    assert!(passed.counts.unseen > 0, "closed pipes make room for others");
}

#[test]
fn a_pipe_with_bytes_in_it_is_not_lent_again() {
    let way = Way::open(&Rc::default());
    let received = run(async {
        let ((mut origin, near), (mut far, client)) = (pair().await, pair().await);
        let mut pipe = way.buffers.pipes.take().unwrap();
        origin.write_all(b"theirs").await.unwrap();
        near.readable().await.unwrap();
        assert_eq!(pipe.fill(&near, 100).unwrap(), 6);
        way.buffers.pipes.give(pipe);
        let mut again = way.buffers.pipes.take().unwrap();
        origin.write_all(b"ours").await.unwrap();
        near.readable().await.unwrap();
        assert_eq!(again.fill(&near, 100).unwrap(), 4);
        client.writable().await.unwrap();
        assert_eq!(again.drain(&client).unwrap(), 4);
        drop(client);
        let mut received = Vec::new();
        far.read_to_end(&mut received).await.unwrap();
        received
    });
    assert_eq!(received, b"ours");
}
