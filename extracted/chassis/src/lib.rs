//! What every process of the demonstration needs and none of them is about: a database on its own
//! thread, an HTTP/1.1 server that can also misbehave on demand, a small client, JSON requests and failures,
//! idempotency keys, rehearsed writes, bearer tokens, and the life of a process.
//!
//! It refuses anything that belongs to one service: no tables but that of the idempotency keys, no
//! seed data, no routes but `/health` and `/_faults`. It knows nothing of a proxy.

pub mod bearer;
pub mod client;
pub mod database;
pub mod failure;
pub mod faults;
pub mod idempotency;
pub mod process;
pub mod rehearsal;
pub mod request;
pub mod server;
pub mod service;

pub use database::Database;
pub use failure::Failure;
