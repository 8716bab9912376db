//! The extracted payment service: payments, in a database of its own.
//!
//! It answers `POST /payments`, `GET /payments/{id}` and the receipt as the monolith does, but for its
//! planted difference. It refuses to ask another service: of orders it knows what the monolith had told
//! when it was extracted, and for any other it takes the amount from the request, which must then have one.
//!
//! | switch | what a client sees while it is on |
//! |---|---|
//! | `internal-redirect` | `GET /payments/{id}/receipt` leads to `http://payment-service.internal:8004/…` where the monolith uses the Host it was asked under |
//! | `lower-case-headers` | `location` for `Location`: no difference to HTTP |
//!
//! A write with `X-Shadow-Mode: rollback` is rehearsed: see [`chassis::rehearsal`].
//! Switches and faults: `--without NAME`, `GET/POST /_faults`, see [`chassis::faults`].

mod routes;
mod store;

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

use chassis::faults::{Difference, LOWER_CASE_HEADERS};
use chassis::service::Service;
use tokio::net::TcpListener;

pub use chassis::service::Options;

/// A redirect names a host that no client can reach.
pub const INTERNAL_REDIRECT: Difference =
    Difference { name: "internal-redirect", what: "the receipt's Location names an internal host" };

/// The host of [`INTERNAL_REDIRECT`].
pub const INTERNAL_ORIGIN: &str = "http://payment-service.internal:8004";

/// What this service is.
pub static SERVICE: Service = Service {
    name: "payment-service",
    listen: "127.0.0.1:8004",
    differences: &[INTERNAL_REDIRECT, LOWER_CASE_HEADERS],
    prepare: store::prepare,
    routes: routes::routes,
};

/// Serves on `listener` until `shutdown` resolves and open requests have ended (two seconds at most).
///
/// # Errors
/// When a name in `without` is no difference, or the database cannot be opened or filled.
pub async fn serve(listener: TcpListener, options: Options, shutdown: impl Future) -> anyhow::Result<()> {
    chassis::service::serve(&SERVICE, listener, options, shutdown).await
}

/// Runs the service with these arguments (the first is the program's name) until SIGINT or SIGTERM.
///
/// Exit code 0 after a clean stop, 1 when it could not start, 2 for wrong arguments.
pub fn main_from<I: IntoIterator<Item = OsString>>(args: I) -> ExitCode {
    chassis::service::main_from(&SERVICE, args)
}
