//! The demonstration's monolith: one process, one SQLite database, a storefront and a JSON API.
//!
//! It is what a shop looks like after some years: everything shares one transaction, money is a float
//! (see [`money`]), some redirects are relative and some are built from `Host`. It knows nothing of a
//! proxy and refuses to learn.
//!
//! | path | what |
//! |---|---|
//! | `/` `/shop` `/shop/products/{id}` `/login` `/logout` `/forgot` `/reset/{code}` `/cart` `/checkout` `/pay` `/shop/orders/{id}` `/account` | the storefront |
//! | `/users` `/products` `/orders` `/payments` `/account` | the JSON API; `/account` by `Accept` |
//! | `/tokens` `/users/me` `/orders/mine` | a token for a password, and what wants one |
//! | `/events` | server-sent events: heartbeats and orders |
//! | `/legacy/export.csv` | asked for by nobody since the warehouse got its own system |
//! | `/health` | for whoever watches |

mod api;
mod cli;
mod events;
pub mod money;
mod pages;
pub mod seed;
mod store;

use std::future::Future;
use std::time::Duration;

use axum::Router;
use chassis::Database;
use chassis::bearer::Key;
use chassis::database::Location;
use chassis::server::HeaderCase;
use tokio::net::TcpListener;

pub use cli::main_from;
use events::Events;

/// How the monolith is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the data is.
    pub database: Location,
    /// Time between two heartbeats of `/events`.
    pub heartbeat: Duration,
    /// `generated_at` is the same in every answer, so that answers can be compared byte by byte.
    pub fixed_generated_at: bool,
    /// What customers' tokens are signed with.
    pub tokens: Key,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            database: Location::Memory,
            heartbeat: Duration::from_secs(1),
            fixed_generated_at: false,
            tokens: Key::default(),
        }
    }
}

/// What every handler shares.
#[derive(Debug, Clone)]
struct Shop {
    database: Database,
    events: Events,
    heartbeat: Duration,
    fixed_generated_at: bool,
    tokens: Key,
}

/// Serves the shop on `listener` until `shutdown` resolves and open requests have ended (two seconds at
/// most; event streams end at once).
///
/// # Errors
/// When the database cannot be opened or filled.
pub async fn serve(listener: TcpListener, options: Options, shutdown: impl Future) -> anyhow::Result<()> {
    let Options { database, heartbeat, fixed_generated_at, tokens } = options;
    let database = Database::open(&database, store::prepare)?;
    let events = Events::new();
    let shop = Shop { database, events: events.clone(), heartbeat, fixed_generated_at, tokens };
    let app = Router::new().merge(pages::routes()).merge(api::routes()).with_state(shop);
    let stop = async {
        shutdown.await;
        events.close();
    };
    // An old server: header names in title case.
    chassis::server::serve(listener, app, || HeaderCase::Title, stop).await;
    Ok(())
}
