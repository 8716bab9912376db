//! Strangler: a reverse proxy that moves a monolith to extracted services one route at a time.
//!
//! | module | owns |
//! |---|---|
//! | [`server`] | listeners, client connections, limits, drain |
//! | [`forward`] | one request end to end |
//! | [`upstream`] | endpoints, per-thread connection pools, balancing |
//! | `http1` | HTTP/1.1 as bytes, for both sides |
//! | [`shadow`] | copies of requests: capture, budget, sending, comparing |
//! | [`guard`] | guardrails: what is judged once a second, and retreats by itself |
//! | [`live`] | the one snapshot everybody reads; watch and reload |
//! | [`telemetry`] | metrics and the access log |
//! | [`corpus`] | redacted exchanges in one file: writing and reading it |
//! | [`store`] | history and the last good configuration on disk |
//! | [`admin`] | the admin listener |
//! | [`edit`] | editing a configuration in place, comments and layout kept |
//! | [`explain`] | where a request would go, and why |
//! | `replay` | a corpus sent to both sides, compared |
//! | [`cli`] | one file per command |

pub mod admin;
pub mod cli;
pub mod corpus;
pub mod edit;
pub mod explain;
pub mod forward;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod guard;
mod http1;
pub mod live;
pub mod plan;
mod replay;
pub mod server;
pub mod shadow;
pub mod store;
pub mod telemetry;
pub mod upstream;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the program with its arguments, the first being its name, and returns its exit code.
pub fn main_from<I: IntoIterator<Item = OsString>>(arguments: I) -> ExitCode {
    cli::main_from(arguments)
}
