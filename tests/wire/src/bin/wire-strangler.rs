//! The proxy itself, so that this crate's tests can start it as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    strangler::main_from(std::env::args_os())
}
