//! The extracted order service: orders, in a database of its own, with its own copy of names, prices
//! and stock.
//!
//! It answers `GET/POST /orders`, `GET /orders/{id}` and `GET /orders/mine` as the monolith does, but for its planted
//! differences. An order is one transaction of its own tables; it refuses to ask another service. It does
//! not know the customers, so it takes any customer's number.
//!
//! | switch | what a client sees while it is on |
//! |---|---|
//! | `rfc3339-times` | `2025-11-03T08:12:45Z` where the monolith says `2025-11-03 09:12:45`, its local time |
//! | `not-found-as-200` | an unknown order is 200 with an `error` where the monolith says 404 |
//! | `exact-rounding` | totals in exact cents where the monolith's floats lose one (order 3 is one) |
//! | `lower-case-headers` | `x-total-count` for `X-Total-Count`: no difference to HTTP |
//!
//! A write with `X-Shadow-Mode: rollback` is rehearsed: see [`chassis::rehearsal`].
//! Switches and faults: `--without NAME`, `GET/POST /_faults`, see [`chassis::faults`].

mod money;
mod routes;
mod store;

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

use chassis::faults::{Difference, LOWER_CASE_HEADERS};
use chassis::service::Service;
use tokio::net::TcpListener;

pub use chassis::service::Options;

/// Times are RFC 3339 in UTC.
pub const RFC3339_TIMES: Difference = Difference {
    name: "rfc3339-times",
    what: "placed_at is RFC 3339 in UTC where the monolith gives its local time",
};
/// An unknown order is answered with 200.
pub const NOT_FOUND_AS_200: Difference =
    Difference { name: "not-found-as-200", what: "an unknown order is 200 with an error, not 404" };
/// Totals are exact.
pub const EXACT_ROUNDING: Difference =
    Difference { name: "exact-rounding", what: "totals are exact where the monolith's floats lose a cent" };

/// What this service is.
pub static SERVICE: Service = Service {
    name: "order-service",
    listen: "127.0.0.1:8003",
    differences: &[RFC3339_TIMES, NOT_FOUND_AS_200, EXACT_ROUNDING, LOWER_CASE_HEADERS],
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
