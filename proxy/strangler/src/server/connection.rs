//! One client connection: reading heads, their deadlines, and the connection's last bytes.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use strangler_core::snapshot::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::worker::{Place, Worker};
use crate::forward::local::{Client, Session};
use crate::forward::{self, Deadline, Next, Unreadable};
use crate::http1::{HeadFault, RequestHead, Wire};
use crate::telemetry::Limit;

/// How long a client may take to read its last answer and close, where it still sends.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes that are read and thrown away meanwhile.
const LINGER_BYTES: usize = 1024 * 1024;

/// Bytes of a head that no limit counts: the method, the version, blanks.
const HEAD_SLACK: u64 = 4096;

/// An unfinished head up to this size is looked at whenever a byte of it arrives; a larger one only when a line
/// does, so that a client that sends byte by byte costs no more than its bytes.
const EAGER_BYTES: usize = 8 * 1024;

/// What came on a connection that waits for a request.
enum Arrival {
    Request(Box<RequestHead>),
    Unreadable(Unreadable),
    /// The client closed, or was idle for too long, or the thread stops.
    Nothing,
}

/// Serves a connection to its end.
pub(super) async fn serve(worker: &Worker, tcp: TcpStream, peer: SocketAddr, place: &Place) {
    let mut session = std::pin::pin!(run(worker, tcp, peer));
    let mut met = false;
    poll_fn(|cx| {
        if !met {
            met = true;
            place.wake_with(cx.waker());
        }
        // The place's waker is this task's.
        if worker.is_cut() { Poll::Ready(()) } else { session.as_mut().poll(cx) }
    })
    .await;
}

async fn run(worker: &Worker, tcp: TcpStream, peer: SocketAddr) {
    let client = Rc::new(Client::new(Rc::clone(&worker.local), peer));
    let patience = worker.local.pin().snapshot.limits.header_timeout;
    let mut session =
        Session::new(client, Wire::new(tcp, &worker.local.buffers), Deadline::new(Instant::now() + patience));
    let mut served = false;
    loop {
        let pipelined = !session.wire.inbox().is_empty();
        let next = match arrival(worker, &mut session, served).await {
            Arrival::Nothing => return,
            Arrival::Unreadable(why) => Box::pin(forward::refuse(&mut session, why)).await,
            Arrival::Request(mut request) => {
                // Boxed: an idle connection does not hold the room that a request takes.
                let next = Box::pin(forward::serve(&mut session, &mut request, pipelined)).await;
                worker.local.recycle_request(request);
                next
            }
        };
        served = true;
        match next {
            Next::Request => {}
            Next::Close => return,
            // What rarely follows is boxed: its room would be taken by every idle connection.
            Next::Linger => return Box::pin(linger(session.wire)).await,
            Next::Reset => return session.wire.reset_on_close(),
            Next::Tunnel(tunnel) => return Box::pin(tunnel.run(session.wire)).await,
        }
    }
}

/// Waits for a request.
async fn arrival(worker: &Worker, session: &mut Session, served: bool) -> Arrival {
    let pin = worker.local.pin();
    let limits = &pin.snapshot.limits;
    let since = Instant::now();
    let mut arriving = (!session.wire.inbox().is_empty()).then_some(since);
    let mut head: Option<Box<RequestHead>> = None;
    let mut fresh = true;
    poll_fn(|cx| {
        let mut scratch = worker.local.scratch.borrow_mut();
        loop {
            let known = session.wire.inbox().len();
            if known > 0 && std::mem::take(&mut fresh) {
                match read_inbox(worker, session, &mut head, limits) {
                    Ok(true) => return Poll::Ready(given(&mut head)),
                    Ok(false) => {}
                    Err(why) => return Poll::Ready(Arrival::Unreadable(why)),
                }
            }
            if worker.is_draining() && known == 0 {
                return Poll::Ready(Arrival::Nothing);
            }
            match receive(worker, session, cx, &mut scratch, &mut head, limits) {
                Poll::Ready(Received::Ended) => return Poll::Ready(Arrival::Nothing),
                Poll::Ready(Received::Head) => return Poll::Ready(given(&mut head)),
                Poll::Ready(Received::Wrong(why)) => return Poll::Ready(Arrival::Unreadable(why)),
                Poll::Ready(Received::Part) => {
                    arriving.get_or_insert_with(Instant::now);
                    continue;
                }
                Poll::Pending => {}
            }
            let (until, overdue) = match arriving {
                Some(began) => (began + limits.header_timeout, Some(Unreadable::TooLate)),
                // Nothing at all was sent yet: as long as a first head may take.
                None if !served => (since + limits.header_timeout, None),
                None => (since + limits.idle_timeout, None),
            };
            if session.deadline.poll(cx, until).is_pending() {
                return Poll::Pending;
            }
            return Poll::Ready(match overdue {
                Some(why) => Arrival::Unreadable(why),
                None => {
                    worker.local.recorder.limit(Limit::IdleTimeout);
                    Arrival::Nothing
                }
            });
        }
    })
    .await
}

fn given(head: &mut Option<Box<RequestHead>>) -> Arrival {
    head.take().map_or(Arrival::Nothing, Arrival::Request)
}

/// What one look at the socket gave.
enum Received {
    /// A whole head.
    Head,
    /// Some bytes of one.
    Part,
    Wrong(Unreadable),
    Ended,
}

fn receive(
    worker: &Worker,
    session: &mut Session,
    cx: &mut Context<'_>,
    scratch: &mut [u8],
    head: &mut Option<Box<RequestHead>>,
    limits: &Limits,
) -> Poll<Received> {
    let count = match session.wire.poll_receive(cx, scratch) {
        Poll::Ready(Ok(count)) if count > 0 => count,
        Poll::Ready(_ended) => return Poll::Ready(Received::Ended),
        Poll::Pending => return Poll::Pending,
    };
    let bytes = scratch.get(..count).unwrap_or_default();
    // Nearly always a whole head, which is read where it lies.
    if session.wire.inbox().is_empty() {
        let parsed = parse(head.get_or_insert_with(|| worker.local.request_head()), bytes, limits);
        return Poll::Ready(match parsed {
            Ok(Some(length)) => {
                session.wire.keep(bytes.get(length..).unwrap_or_default());
                Received::Head
            }
            Ok(None) => {
                session.wire.keep(bytes);
                Received::Part
            }
            Err(why) => Received::Wrong(why),
        });
    }
    session.wire.keep(bytes);
    let small = session.wire.inbox().len() <= EAGER_BYTES;
    if !small && !bytes.contains(&b'\n') && !is_beyond(session.wire.inbox(), limits) {
        return Poll::Ready(Received::Part);
    }
    Poll::Ready(match read_inbox(worker, session, head, limits) {
        Ok(true) => Received::Head,
        Ok(false) => Received::Part,
        Err(why) => Received::Wrong(why),
    })
}

/// Reads a head from what was kept; whether there is a whole one.
fn read_inbox(
    worker: &Worker,
    session: &mut Session,
    head: &mut Option<Box<RequestHead>>,
    limits: &Limits,
) -> Result<bool, Unreadable> {
    let head = head.get_or_insert_with(|| worker.local.request_head());
    match parse(head, session.wire.inbox(), limits)? {
        Some(length) => {
            session.wire.consume(length);
            Ok(true)
        }
        None => Ok(false),
    }
}

fn parse(head: &mut RequestHead, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Unreadable> {
    let lines = usize::try_from(limits.headers).unwrap_or(usize::MAX).min(usize::from(u16::MAX));
    match head.parse(bytes, lines) {
        Ok(None) if is_beyond(bytes, limits) => {
            Err(if bytes.contains(&b'\n') { Unreadable::HeadTooLarge } else { Unreadable::TargetTooLong })
        }
        Ok(found) => Ok(found),
        Err(HeadFault::Malformed) => Err(Unreadable::Malformed),
        Err(HeadFault::TooManyLines) => Err(Unreadable::TooManyLines),
    }
}

/// Whether an unfinished head has more bytes than a whole one may have.
fn is_beyond(bytes: &[u8], limits: &Limits) -> bool {
    let most = limits.header_bytes.saturating_add(limits.target_bytes).saturating_add(HEAD_SLACK);
    let line = limits.target_bytes.saturating_add(HEAD_SLACK);
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    length > most || (length > line && !bytes.contains(&b'\n'))
}

/// Lets a client that is still sending read its answer: closing with unread bytes would reset the connection
/// and may destroy the answer on its way (RFC 9112, 9.6).
async fn linger(wire: Wire) {
    let (mut tcp, _, _) = wire.into_parts();
    let drain = async {
        if tcp.shutdown().await.is_err() {
            return;
        }
        let mut left = LINGER_BYTES;
        let mut buffer = [0; 4096];
        while left > 0 {
            match tcp.read(&mut buffer).await {
                Ok(read) if read > 0 => left = left.saturating_sub(read),
                _ => return,
            }
        }
    };
    // Whatever is left after that is the client's loss.
    drop(tokio::time::timeout(LINGER, drain).await);
}
