//! One client connection: its codec, its deadlines, and its last bytes.

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::StatusCode;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use strangler_core::snapshot::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::worker::{Place, Worker};
use crate::forward::local::Client;
use crate::forward::{self, Tunnel};
use crate::telemetry::Limit;
use crate::upstream::stream::Stream;

/// Bytes that hyper may buffer per connection and direction, beyond what a request's head may take.
const MAX_BUFFER: u64 = 128 * 1024;

/// Header lines up to which hyper parses without allocating.
const USUAL_HEADERS: u32 = 100;

/// How long a client may take to read its last answer and close, where it still sends.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes that are read and thrown away meanwhile.
const LINGER_BYTES: usize = 1024 * 1024;

/// What a client hears whose request's head took too long.
const TOO_LATE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nproxy-status: strangler; error=http_request_error\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// What a client hears whose request's head goes on beyond the limits.
const TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nproxy-status: strangler; error=http_request_error\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// Bytes of a head that no limit counts: the method, the version, blanks.
const HEAD_SLACK: u64 = 4096;

/// How a connection's codec ended.
enum Ended {
    Codec(hyper::Result<()>),
    /// No request came in time.
    Idle,
    /// A request's head did not come in time.
    HeadTimeout,
    /// A request's head is beyond the limits before it is whole.
    HeadTooLarge,
    /// The process stops.
    Cut,
}

/// Serves a connection to its end.
pub(super) async fn serve(worker: &Worker, tcp: TcpStream, peer: SocketAddr, place: &Place) {
    let stream = Stream::new(tcp, None);
    let client = Rc::new(Client::new(Rc::clone(&worker.local), stream.clone(), peer, Instant::now()));
    let limits = worker.local.pin().snapshot.limits.clone();
    let service = {
        let client = Rc::clone(&client);
        service_fn(move |request| forward::serve(Rc::clone(&client), request))
    };
    let mut codec = builder(&limits).serve_connection(TokioIo::new(stream.clone()), service);
    let mut watch = Watch::new(&client, &limits);
    let mut met = false;
    let mut told = false;
    let ended = std::future::poll_fn(|cx| {
        if !met {
            met = true;
            place.wake_with(cx.waker());
        }
        if worker.is_cut() {
            return Poll::Ready(Ended::Cut);
        }
        if worker.is_draining() && !told {
            told = true;
            Pin::new(&mut codec).graceful_shutdown();
        }
        loop {
            if let Poll::Ready(outcome) = Pin::new(&mut codec).poll(cx) {
                return Poll::Ready(Ended::Codec(outcome));
            }
            match ready!(watch.poll(cx, &client, &stream)) {
                Overdue::Answer => client.expired.set(true),
                Overdue::Head => return Poll::Ready(Ended::HeadTimeout),
                Overdue::End => return Poll::Ready(Ended::HeadTooLarge),
                Overdue::Request => return Poll::Ready(Ended::Idle),
            }
        }
    })
    .await;
    let surplus = codec.into_parts().read_buf;
    // What rarely follows is boxed: its room would be taken by every idle connection.
    match ended {
        Ended::Codec(Ok(())) => match client.tunnel.take() {
            Some(tunnel) => Box::pin(run_tunnel(worker, tunnel, stream, surplus)).await,
            None if client.unread.get() => Box::pin(linger(stream)).await,
            None => {}
        },
        Ended::Codec(Err(error)) => {
            if error.is_parse_too_large() {
                client.local.recorder.limit(Limit::HeaderBytes);
            }
            if let Some(status) = status_of(&error) {
                forward::refused_by_codec(&client, status);
            }
            if client.broken.get() {
                stream.reset_on_close();
            } else if error.is_parse() || client.unread.get() {
                Box::pin(linger(stream)).await;
            }
        }
        Ended::HeadTimeout => {
            client.local.recorder.limit(Limit::HeaderTimeout);
            forward::refused_by_codec(&client, StatusCode::REQUEST_TIMEOUT);
            Box::pin(refuse(stream, TOO_LATE)).await;
        }
        Ended::HeadTooLarge => {
            client.local.recorder.limit(Limit::HeaderBytes);
            forward::refused_by_codec(&client, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
            Box::pin(refuse(stream, TOO_LARGE)).await;
        }
        Ended::Idle => client.local.recorder.limit(Limit::IdleTimeout),
        Ended::Cut => {}
    }
}

/// What hyper answers to a head it cannot read; `None` where it says nothing.
fn status_of(error: &hyper::Error) -> Option<StatusCode> {
    if error.is_parse_too_large() {
        // hyper says 414 for a target beyond its own limit, and does not tell the two apart.
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else {
        error.is_parse().then_some(StatusCode::BAD_REQUEST)
    }
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    // Room for a head that is over a limit, so that it can be refused with the right status.
    let head = limits.header_bytes.saturating_add(limits.target_bytes).saturating_add(MAX_BUFFER);
    let head = usize::try_from(head).unwrap_or(usize::MAX);
    builder.preserve_header_case(true).auto_date_header(false).max_header_size(head).max_buf_size(head);
    if limits.headers != USUAL_HEADERS {
        builder.max_headers(usize::try_from(limits.headers).unwrap_or(usize::MAX));
    }
    builder
}

/// What did not come in time.
enum Overdue {
    /// The upstream's answer.
    Answer,
    /// The rest of a request's head.
    Head,
    /// The end of a request's head, after more bytes than it may have.
    End,
    /// A request.
    Request,
}

/// A connection's deadlines, with one timer that is moved only when it fires too early.
struct Watch {
    timer: Pin<Box<Sleep>>,
    header: Duration,
    idle: Duration,
    /// Bytes received when the connection was last idle.
    seen: u64,
    /// Requests ended when this was last looked at.
    served: u64,
    /// Since when a head has been arriving.
    arriving: Option<Instant>,
    /// Bytes beyond which a head is too large, whatever may still come.
    most: u64,
}

impl Watch {
    fn new(client: &Client, limits: &Limits) -> Watch {
        let first = client.since.get() + limits.header_timeout;
        Watch {
            timer: Box::pin(tokio::time::sleep_until(first.into())),
            header: limits.header_timeout,
            idle: limits.idle_timeout,
            seen: 0,
            served: 0,
            arriving: None,
            most: limits.header_bytes.saturating_add(limits.target_bytes).saturating_add(HEAD_SLACK),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, client: &Client, stream: &Stream) -> Poll<Overdue> {
        let (deadline, overdue) = if client.busy.get() {
            self.arriving = None;
            match client.deadline.get() {
                Some(deadline) => (deadline, Overdue::Answer),
                None => return Poll::Pending,
            }
        } else {
            let due = self.idle_deadline(client, stream);
            // What the codec has not made a request of is one unfinished head.
            if stream.received().wrapping_sub(self.seen) > self.most {
                return Poll::Ready(Overdue::End);
            }
            due
        };
        let deadline = tokio::time::Instant::from_std(deadline);
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if tokio::time::Instant::now() >= deadline {
                client.deadline.set(None);
                return Poll::Ready(overdue);
            }
            self.timer.as_mut().reset(deadline);
        }
    }

    fn idle_deadline(&mut self, client: &Client, stream: &Stream) -> (Instant, Overdue) {
        let served = client.served.get();
        if self.served != served {
            self.served = served;
            self.seen = client.seen.get();
            self.arriving = None;
        }
        if self.arriving.is_none() && stream.received() != self.seen {
            self.arriving = Some(Instant::now());
        }
        match self.arriving {
            Some(since) => (since + self.header, Overdue::Head),
            // Nothing at all was sent yet: as long as a first head may take.
            None if served == 0 => (client.since.get() + self.header, Overdue::Request),
            None => (client.since.get() + self.idle, Overdue::Request),
        }
    }
}

async fn run_tunnel(worker: &Worker, tunnel: Tunnel, stream: Stream, surplus: bytes::Bytes) {
    let mut tunnel = std::pin::pin!(tunnel.run(stream, surplus));
    std::future::poll_fn(|cx| {
        // The place's waker is this task's.
        if worker.is_cut() { Poll::Ready(()) } else { tunnel.as_mut().poll(cx) }
    })
    .await;
}

async fn refuse(mut stream: Stream, answer: &[u8]) {
    // A client that does not even read this has nothing more to hear.
    if let Ok(Ok(())) = tokio::time::timeout(LINGER, stream.write_all(answer)).await {
        linger(stream).await;
    }
}

/// Lets a client that is still sending read its answer: closing with unread bytes would reset the connection
/// and may destroy the answer on its way (RFC 9112, 9.6).
async fn linger(mut stream: Stream) {
    let drain = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut left = LINGER_BYTES;
        let mut buffer = [0; 4096];
        while left > 0 {
            match stream.read(&mut buffer).await {
                Ok(read) if read > 0 => left = left.saturating_sub(read),
                _ => return,
            }
        }
    };
    // Whatever is left after that is the client's loss.
    drop(tokio::time::timeout(LINGER, drain).await);
}
