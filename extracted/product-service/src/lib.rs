//! The extracted product service: the catalogue, in a database of its own.
//!
//! It answers `GET /products`, `GET /products/{id}` and `POST /products/search` (which only reads) as the
//! monolith does, but for its planted differences. It keeps money in whole cents and refuses to sell:
//! nothing here changes the catalogue.
//!
//! | switch | what a client sees while it is on |
//! |---|---|
//! | `price-as-text` | `"19.90"` where the monolith says `19.9`, but for product 5 |
//! | `other-order` | the same products of a list, by name where the monolith sorts by id |
//! | `moving-stock` | product 5 has a piece less every seventh time it is shown, and never twice for the same question: the race |
//! | `generated-at` | `generated_at` is the time of the answer, as the monolith's: noise. Off: always the same |
//! | `lower-case-headers` | `x-total-count` for `X-Total-Count`: no difference to HTTP |
//!
//! Switches and faults: `--without NAME`, `GET/POST /_faults`, see [`chassis::faults`].

mod race;
mod routes;
mod store;

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

use chassis::faults::{Difference, LOWER_CASE_HEADERS};
use chassis::service::Service;
use tokio::net::TcpListener;

pub use chassis::service::Options;

/// Prices are text.
pub const PRICE_AS_TEXT: Difference =
    Difference { name: "price-as-text", what: "prices are \"19.90\" where the monolith says 19.9" };
/// Lists are sorted by name.
pub const OTHER_ORDER: Difference =
    Difference { name: "other-order", what: "a list is by name where the monolith sorts by id" };
/// The stock of [`RESERVED_PRODUCT`] moves from answer to answer.
pub const MOVING_STOCK: Difference =
    Difference { name: "moving-stock", what: "product 5 has a piece less every seventh time" };
/// `generated_at` is the time of the answer.
pub const GENERATED_AT: Difference =
    Difference { name: "generated-at", what: "generated_at is the time of the answer, as the monolith's" };

/// The product whose stock moves: the one that is made to order and bought all the time.
pub const RESERVED_PRODUCT: i64 = 5;

/// Every how many times it does.
pub const RESERVED_EVERY: u64 = 7;

/// What this service is.
pub static SERVICE: Service = Service {
    name: "product-service",
    listen: "127.0.0.1:8002",
    differences: &[PRICE_AS_TEXT, OTHER_ORDER, MOVING_STOCK, GENERATED_AT, LOWER_CASE_HEADERS],
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
