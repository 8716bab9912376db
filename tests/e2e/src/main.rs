//! A node of the system for the end-to-end tests: any role, in a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    stack::node_main(std::env::args_os())
}
