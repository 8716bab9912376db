//! The real program, built for these tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    strangler::main_from(std::env::args_os())
}
