//! The binary: arguments in, exit code out; everything else is the library's.

use std::process::ExitCode;

fn main() -> ExitCode {
    order_service::main_from(std::env::args_os())
}
