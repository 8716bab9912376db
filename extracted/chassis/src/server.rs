//! An HTTP/1.1 server over one listener: bounded connections, a drain with an end, and two things an
//! ordinary server does not offer: the header-name case of an old one, and ending a connection in another way
//! than with the handler's answer.
//!
//! It refuses to choose the port or to decide when to stop: the caller owns the listener and the signal.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower_service::Service;

/// Open connections at most; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 2048;
/// How long open requests may take after the stop signal.
const DRAIN: Duration = Duration::from_secs(2);
/// How long a client may take to read [`Ending::Bytes`].
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How header names look on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderCase {
    /// `x-total-count`
    #[default]
    Lower,
    /// `X-Total-Count`
    Title,
}

/// How a connection ends when it does not end with the handler's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// A reset, without a byte of an answer.
    Reset,
    /// These bytes, whatever they are, and then a close.
    Bytes(Bytes),
}

/// In every request's extensions: lets a handler have the connection end instead of being answered.
#[derive(Debug, Clone, Default)]
pub struct ConnectionSwitch(Arc<OnceLock<Ending>>);

impl ConnectionSwitch {
    /// The connection ends so as soon as the handler returns; its response is thrown away. The first
    /// ending that is asked for counts.
    pub fn end(&self, ending: Ending) {
        // A second one comes too late, and that is fine.
        drop(self.0.set(ending));
    }

    fn ending(&self) -> Option<&Ending> {
        self.0.get()
    }
}

/// Serves `app` until `shutdown` resolves; then open requests get two seconds to end.
///
/// `case` is asked at each new connection.
pub async fn serve(listener: TcpListener, app: Router, case: impl Fn() -> HeaderCase, shutdown: impl Future) {
    let (stop, stopping) = watch::channel(false);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let place = tokio::select! {
            _ = &mut shutdown => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let stream = tokio::select! {
            _ = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match stream {
            Ok((stream, _)) => {
                let served = connection(stream, app.clone(), case(), stopping.clone());
                connections.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            // Out of file descriptors or an aborted handshake: neither ends the server.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    stop.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection(stream: TcpStream, app: Router, case: HeaderCase, mut stopping: watch::Receiver<bool>) {
    drop(stream.set_nodelay(true));
    let switch = ConnectionSwitch::default();
    let handle = {
        let switch = switch.clone();
        move |request: Request<Incoming>| Box::pin(answer(app.clone(), request, switch.clone()))
    };
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).title_case_headers(case == HeaderCase::Title);
    let mut connection = builder.serve_connection(TokioIo::new(stream), service_fn(handle));
    let mut draining = false;
    loop {
        tokio::select! {
            _ = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)) => break,
            _ = stopping.changed(), if !draining => {
                draining = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
    let Some(ending) = switch.ending() else { return };
    let mut stream = connection.into_parts().io.into_inner();
    match ending {
        // A zero linger time turns the close into a RST.
        Ending::Reset => drop(stream.set_zero_linger()),
        Ending::Bytes(bytes) => {
            let written = async {
                stream.write_all(bytes).await?;
                stream.shutdown().await
            };
            // A client that went away or does not read has chosen to miss them.
            drop(tokio::time::timeout(LAST_WORDS, written).await);
        }
    }
}

async fn answer(
    mut app: Router,
    mut request: Request<Incoming>,
    switch: ConnectionSwitch,
) -> Result<Response, EndInstead> {
    request.extensions_mut().insert(switch.clone());
    let answered: Result<Response, Infallible> = app.call(request).await;
    match answered {
        Ok(_) if switch.ending().is_some() => Err(EndInstead),
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

/// Tells hyper to close without a byte of an answer.
#[derive(Debug)]
struct EndInstead;

impl fmt::Display for EndInstead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is to end without this answer")
    }
}

impl std::error::Error for EndInstead {}
