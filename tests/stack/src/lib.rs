//! Starts the whole demonstration as separate processes, for `cargo demo` and for the end-to-end tests.
//!
//! | module | owns |
//! |---|---|
//! | [`role`] | which processes there are |
//! | [`node`] | one process playing one role: any binary can re-execute itself as any of them |
//! | [`process`] | a child: started, watched, stopped, killed, its output in a file |
//! | [`rules`] | the repository's configuration with some slices moved |
//! | [`secrets`] | what customers leave behind and nobody may keep: planted, and named |
//! | [`stack`] | all children together, their addresses and the proxy's configuration |
//!
//! It refuses to look for binaries: whoever starts a stack says which executable plays the roles.

pub mod node;
pub mod process;
pub mod role;
pub mod rules;
pub mod secrets;
pub mod stack;

pub use node::{Executable, node_main};
pub use role::Role;
pub use stack::{Config, Ports, Stack, StackOptions};
