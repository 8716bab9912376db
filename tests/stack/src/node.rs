//! One process playing one role.
//!
//! Any binary can become any node of the system by handing its arguments to [`node_main`], so nobody has to
//! know where cargo puts binaries. A node started with `--exit-with-parent` ends when its standard input
//! does: that is when whoever started it is gone, however it went.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use crate::role::Role;

/// Ends the node together with its parent. Only looked for right after the role.
pub const EXIT_WITH_PARENT: &str = "--exit-with-parent";

/// How to start a node: a program, and the arguments that come before the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executable {
    /// The program.
    pub path: PathBuf,
    /// What it wants to hear before the role.
    pub arguments: Vec<OsString>,
}

impl Executable {
    /// A program whose `main` is [`node_main`].
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), arguments: Vec::new() }
    }

    /// A program that becomes a node after this word.
    #[must_use]
    pub fn with_word(path: impl Into<PathBuf>, word: &str) -> Self {
        Self { path: path.into(), arguments: vec![word.into()] }
    }
}

/// Plays one role until it ends: `PROGRAM ROLE [--exit-with-parent] ARGUMENTS…`.
///
/// Exit code 2 for a role that does not exist, else the role's own.
pub fn node_main<I: IntoIterator<Item = OsString>>(arguments: I) -> ExitCode {
    let mut arguments = arguments.into_iter().skip(1).peekable();
    let role = arguments.next().unwrap_or_default();
    let Some(role) = role.to_str().and_then(Role::of_name) else {
        let names: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
        // Nobody is left to tell when standard error is closed.
        drop(writeln!(std::io::stderr(), "there is no role {role:?}; there are: {}", names.join(", ")));
        return ExitCode::from(2);
    };
    if arguments.next_if(|argument| argument == EXIT_WITH_PARENT).is_some() {
        thread::spawn(exit_with_parent);
    }
    role.play(std::iter::once(role.name().into()).chain(arguments).collect())
}

/// Waits for the end of standard input, and then ends this process at once: nobody is left to wait for.
#[expect(clippy::exit, reason = "the parent is gone and took its log files and its patience along")]
fn exit_with_parent() {
    let mut buffer = [0; 64];
    while !matches!(std::io::stdin().read(&mut buffer), Ok(0) | Err(_)) {}
    std::process::exit(0);
}
