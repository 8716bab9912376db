//! A service of the demonstration as a process, to be killed, stopped and started again.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use stack::process::Process;
use stack::{Executable, Role};

/// A product service as a process, on this port or (0) on any, and where it listens. Its log is in the folder.
pub(crate) fn product_service(folder: &Path, port: u16) -> (Process, SocketAddr) {
    let arguments =
        ["--listen".to_owned(), format!("127.0.0.1:{port}"), "--database".to_owned(), ":memory:".to_owned()];
    let arguments: Vec<OsString> = arguments.into_iter().map(OsString::from).collect();
    let executable = Executable::new(env!("CARGO_BIN_EXE_e2e-node"));
    let log = folder.join("service.log");
    let mut process = Process::start(&executable, Role::ProductService, &arguments, &[], &log).unwrap();
    let address = process.announced("listening on http://").unwrap().parse().unwrap();
    (process, address)
}
