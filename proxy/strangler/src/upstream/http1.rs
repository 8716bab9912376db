//! The HTTP/1.1 codec towards upstreams, behind one small interface: [`Connection`].
//!
//! Everything that knows hyper's client is in this file, so that another codec can take its place.

use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use super::stream::Stream;
use super::upload::RequestBody;

/// Bytes of an upstream's response head, and of what is buffered per connection.
const MAX_BUFFER: usize = 128 * 1024;

/// Header lines of an upstream's response.
const MAX_HEADERS: usize = 256;

/// A connection that carries one request at a time. Dropping it closes the socket at once, whatever state
/// the exchange is in.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<RequestBody>,
    stream: Stream,
    /// Ends with what was read beyond an upgrade's response head.
    driver: Option<JoinHandle<Bytes>>,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) struct SendError {
    /// What went wrong.
    pub(crate) kind: SendErrorKind,
    /// The request, where not a byte of it was written.
    pub(crate) unsent: Option<Box<Request<RequestBody>>>,
    /// Whether any byte of a response had arrived.
    pub(crate) answered: bool,
}

/// Kinds of [`SendError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendErrorKind {
    /// The response is not HTTP.
    Malformed,
    /// The response's head is too large.
    TooLarge,
    /// The connection ended before the response's head did.
    Closed,
    /// The request's body ended with an error.
    Body,
}

impl Connection {
    /// Takes a fresh socket into service.
    pub(crate) async fn start(stream: Stream) -> Result<Connection, hyper::Error> {
        let mut builder = Builder::new();
        builder.preserve_header_case(true).max_headers(MAX_HEADERS).max_buf_size(MAX_BUFFER);
        let (sender, mut connection) = builder.handshake(TokioIo::new(stream.clone())).await?;
        let driver = tokio::task::spawn_local(async move {
            match std::future::poll_fn(|cx| Pin::new(&mut connection).poll(cx)).await {
                Ok(()) => connection.into_parts().read_buf,
                // Whoever waits for a response was told; an idle connection has nobody to tell.
                Err(_told) => Bytes::new(),
            }
        });
        Ok(Connection { sender, stream, driver: Some(driver) })
    }

    /// Whether a request can be sent at once.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready() && !self.sender.is_closed()
    }

    /// Whether the upstream has closed the connection, as far as is known without asking the socket.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether the socket itself shows neither an end nor unread bytes: one system call.
    pub(crate) fn is_quiet(&self) -> bool {
        self.stream.is_quiet()
    }

    /// Sends a request. Dropping the future, and the connection, cancels it.
    pub(crate) fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> + use<> {
        let stream = self.stream.clone();
        let before = stream.received();
        let sending = self.sender.try_send_request(request);
        async move {
            sending.await.map_err(|mut error| SendError {
                unsent: error.take_message().map(Box::new),
                kind: kind_of(&error.into_error()),
                answered: stream.received() != before,
            })
        }
    }

    /// After a 101: the socket, and what was read of it beyond the response.
    pub(crate) async fn into_upgraded(mut self) -> (Stream, Bytes) {
        let stream = self.stream.clone();
        let surplus = match self.driver.take() {
            Some(driver) => driver.await.unwrap_or_default(),
            None => Bytes::new(),
        };
        (stream, surplus)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

fn kind_of(error: &hyper::Error) -> SendErrorKind {
    if error.is_parse_too_large() {
        SendErrorKind::TooLarge
    } else if error.is_parse() || error.is_parse_status() {
        SendErrorKind::Malformed
    } else if error.is_user() {
        SendErrorKind::Body
    } else {
        SendErrorKind::Closed
    }
}
