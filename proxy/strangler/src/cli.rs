//! The command line.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command.
pub fn main_from<I: IntoIterator<Item = OsString>>(arguments: I) -> ExitCode {
    drop(arguments.into_iter());
    ExitCode::from(2)
}
