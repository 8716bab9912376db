//! The monolith over real sockets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod api;
mod identity;
mod storefront;

use std::future::Future;
use std::net::SocketAddr;

use legacy_monolith::{Options, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Runs `test` against a fresh monolith, then checks that the monolith stops cleanly.
async fn with_shop<F: Future<Output = ()>>(test: impl FnOnce(SocketAddr) -> F) {
    with_options(Options::default(), test).await;
}

async fn with_options<F: Future<Output = ()>>(options: Options, test: impl FnOnce(SocketAddr) -> F) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve(listener, options, stopped));
    test(address).await;
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
}
