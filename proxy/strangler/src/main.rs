//! The `strangler` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    strangler::main_from(std::env::args_os())
}
