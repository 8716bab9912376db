//! The extracted user service: customers, in a database of its own.
//!
//! It answers `GET/POST /users`, `GET /users/{id}` and `GET /users/me` as the monolith does, but for its
//! planted differences. It refuses to know passwords, orders or sessions.
//!
//! | switch | what a client sees while it is on |
//! |---|---|
//! | `missing-tier` | no `loyalty_tier`: the field was forgotten in the extraction |
//! | `absent-for-null` | a customer without a telephone has no `phone` where the monolith says `null` |
//! | `lower-case-headers` | `x-total-count` for `X-Total-Count`: no difference to HTTP |
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

/// `loyalty_tier` is left out.
pub const MISSING_TIER: Difference = Difference { name: "missing-tier", what: "loyalty_tier is left out" };
/// `phone` is left out instead of null.
pub const ABSENT_FOR_NULL: Difference =
    Difference { name: "absent-for-null", what: "phone is left out where the monolith says null" };

/// What this service is.
pub static SERVICE: Service = Service {
    name: "user-service",
    listen: "127.0.0.1:8001",
    differences: &[MISSING_TIER, ABSENT_FOR_NULL, LOWER_CASE_HEADERS],
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
