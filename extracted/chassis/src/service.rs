//! An extracted service as a whole: its name, tables, routes and planted differences, and how it is run.
//!
//! Every service is one [`Service`] value; it refuses to differ from the others in arguments, health
//! checks or faults.

use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use axum::Router;
use clap::{Args, Command, FromArgMatches as _};
use rusqlite::Connection;
use tokio::net::TcpListener;

use crate::bearer::Key;
use crate::database::Location;
use crate::faults::{Difference, Switches};
use crate::{Database, process, server};

/// What makes a service this service.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Its name, as in `product-service`.
    pub name: &'static str,
    /// Where it listens when nobody says otherwise.
    pub listen: &'static str,
    /// Its planted differences, all on when nobody says otherwise.
    pub differences: &'static [Difference],
    /// Creates and fills its tables where they are missing.
    pub prepare: fn(&Connection) -> rusqlite::Result<()>,
    /// Its routes, besides `/health` and `/_faults`.
    pub routes: fn(Context) -> Router,
}

/// What the handlers of a service share.
#[derive(Debug, Clone)]
pub struct Context {
    /// The service's own database.
    pub database: Database,
    /// Its differences and faults.
    pub switches: Switches,
    /// What customers' tokens are signed with.
    pub tokens: Key,
}

/// How a service is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the data is.
    pub database: Location,
    /// Names of the differences that are off from the start.
    pub without: Vec<String>,
    /// What customers' tokens are signed with: the monolith's key.
    pub tokens: Key,
}

impl Default for Options {
    fn default() -> Self {
        Self { database: Location::Memory, without: Vec::new(), tokens: Key::default() }
    }
}

#[derive(Debug, Args)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long)]
    listen: Option<String>,
    /// The SQLite file, made and filled when it is missing; `:memory:` keeps nothing [default: data/NAME.sqlite]
    #[arg(long)]
    database: Option<PathBuf>,
    /// Switch a planted difference off; may be repeated
    #[arg(long, value_name = "NAME")]
    without: Vec<String>,
    /// What customers' tokens are signed with: the monolith's key [default: the demonstration's]
    #[arg(long, value_name = "TEXT", env = "SHOP_TOKEN_KEY", hide_env_values = true)]
    token_key: Option<String>,
}

/// Serves on `listener` until `shutdown` resolves and open requests have ended (two seconds at most).
///
/// # Errors
/// When a name in `without` is no difference, or the database cannot be opened or filled.
pub async fn serve(
    service: &Service,
    listener: TcpListener,
    options: Options,
    shutdown: impl Future,
) -> anyhow::Result<()> {
    let switches = Switches::new(service.differences, &options.without)
        .map_err(|refused| anyhow::anyhow!("{}", refused.message()))?;
    let database = Database::open(&options.database, service.prepare)?;
    let routes = (service.routes)(Context { database, switches: switches.clone(), tokens: options.tokens });
    let app = switches.surround(service.name, routes);
    server::serve(listener, app, || switches.header_case(), shutdown).await;
    Ok(())
}

/// Runs a service with these arguments (the first is the program's name) until SIGINT or SIGTERM.
///
/// Exit code 0 after a clean stop, 1 when it could not start, 2 for wrong arguments.
pub fn main_from<I: IntoIterator<Item = OsString>>(service: &'static Service, args: I) -> ExitCode {
    let arguments = command(service).try_get_matches_from(args).and_then(|matches| {
        let arguments = Arguments::from_arg_matches(&matches)?;
        Switches::new(service.differences, &arguments.without).map_err(|refused| {
            command(service).error(clap::error::ErrorKind::InvalidValue, refused.message())
        })?;
        Ok(arguments)
    });
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody is left to tell when the streams are closed.
            drop(error.print());
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let database =
        arguments.database.unwrap_or_else(|| PathBuf::from(format!("data/{}.sqlite", service.name)));
    let options = Options {
        database: Location::from_argument(&database),
        without: arguments.without,
        tokens: arguments.token_key.map(Key::new).unwrap_or_default(),
    };
    let listen = arguments.listen.unwrap_or_else(|| service.listen.to_owned());
    process::run(service.name, &listen, |listener, stop| serve(service, listener, options, stop.wait()))
}

fn command(service: &Service) -> Command {
    let differences: Vec<_> =
        service.differences.iter().map(|d| format!("  {:<20} {}", d.name, d.what)).collect();
    let command = Command::new(service.name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("An extracted service of the demonstration, with planted differences and a fault switch")
        .after_help(format!(
            "Listens on {} by default.\n\nPlanted differences:\n{}",
            service.listen,
            differences.join("\n")
        ));
    Arguments::augment_args(command)
}
