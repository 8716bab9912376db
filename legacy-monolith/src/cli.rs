//! The command line of the monolith's binary.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chassis::bearer::Key;
use chassis::database::Location;
use clap::Parser;

use crate::{Options, serve};

/// The demonstration's monolith: a shop with a storefront, a JSON API and one database.
#[derive(Debug, Parser)]
#[command(name = "legacy-monolith", version)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: String,
    /// The SQLite file, made and filled when it is missing; `:memory:` keeps nothing
    #[arg(long, default_value = "data/legacy-monolith.sqlite")]
    database: PathBuf,
    /// Milliseconds between two heartbeats of GET /events
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    heartbeat_ms: u64,
    /// Always the same `generated_at`, for comparing answers byte by byte
    #[arg(long)]
    fixed_generated_at: bool,
    /// What customers' tokens are signed with [default: the demonstration's]
    #[arg(long, value_name = "TEXT", env = "SHOP_TOKEN_KEY", hide_env_values = true)]
    token_key: Option<String>,
}

/// Runs the monolith with these arguments (the first is the program's name) until SIGINT or SIGTERM.
///
/// Exit code 0 after a clean stop, 1 when it could not start, 2 for wrong arguments.
pub fn main_from<I: IntoIterator<Item = OsString>>(args: I) -> ExitCode {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody is left to tell when the streams are closed.
            drop(error.print());
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let options = Options {
        database: Location::from_argument(&arguments.database),
        heartbeat: Duration::from_millis(arguments.heartbeat_ms),
        fixed_generated_at: arguments.fixed_generated_at,
        tokens: arguments.token_key.map(Key::new).unwrap_or_default(),
    };
    chassis::process::run("legacy-monolith", &arguments.listen, |listener, stop| {
        serve(listener, options, stop.wait())
    })
}
