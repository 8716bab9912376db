//! A child process: started, watched, stopped, killed; its output in a file.
//!
//! Its standard input is a pipe that only ends with us. It refuses to outlive its handle.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::node::{EXIT_WITH_PARENT, Executable};
use crate::role::Role;

/// How long a process may take to say where it listens, to answer, or to stop.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running node.
#[derive(Debug)]
pub struct Process {
    role: Role,
    child: Child,
    /// The first lines of standard output; disconnected when that ends, which is when the process does.
    lines: Receiver<String>,
    log: PathBuf,
}

impl Process {
    /// Starts `role` with these arguments and variables; its output is appended to `log`.
    ///
    /// # Errors
    /// When the program cannot be run or the log cannot be written.
    pub fn start(
        executable: &Executable,
        role: Role,
        arguments: &[OsString],
        variables: &[(&str, String)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = Command::new(&executable.path)
            .args(&executable.arguments)
            .arg(role.name())
            .arg(EXIT_WITH_PARENT)
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file.try_clone()?)
            // A group of its own: Ctrl-C is for us, and we stop the children in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run {}", executable.path.display()))?;
        let stdout = child.stdout.take().context("a child without standard output")?;
        let (sender, lines) = sync_channel(8);
        thread::spawn(move || copy(stdout, file, &sender));
        Ok(Self { role, child, lines, log: log.to_owned() })
    }

    /// Waits for a line of standard output that begins with `prefix` and returns the rest.
    ///
    /// # Errors
    /// When the process ends before, with the end of its log, or says nothing of the kind in time.
    pub fn announced(&mut self, prefix: &str) -> anyhow::Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(rest) = line.strip_prefix(prefix) {
                        return Ok(rest.to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("{} never said `{prefix}…`", self.role.name()),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{} ended at its start:\n{}", self.role.name(), last_lines(&self.log))
                }
            }
        }
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// SIGTERM, and waits until it has ended; SIGKILL when that takes longer than [`PATIENCE`].
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(self.child.wait()?),
                Err(RecvTimeoutError::Timeout) => {
                    self.kill();
                    bail!("{} did not stop within {PATIENCE:?} and was killed", self.role.name());
                }
            }
        }
    }

    /// Sends a signal to a process that has not been waited for.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        // Not waited for, so the id is still its own.
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", self.role.name()))
    }

    /// Whether it is still there.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Copies lines into the log, and the first ones to whoever waits for an announcement.
fn copy(stdout: ChildStdout, mut log: File, first: &SyncSender<String>) {
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { return };
        // A full disk must not stop the process; a full channel has had the announcement.
        drop(writeln!(log, "{line}"));
        drop(first.try_send(line));
    }
}

fn last_lines(log: &Path) -> String {
    let mut last = VecDeque::with_capacity(12);
    for line in std::fs::read_to_string(log).unwrap_or_default().lines() {
        if last.len() == 12 {
            last.pop_front();
        }
        last.push_back(line.to_owned());
    }
    last.into_iter().map(|line| format!("    {line}\n")).collect()
}

/// Waits until `path` is answered with 200.
///
/// # Errors
/// When it is not within [`PATIENCE`], with the last answer.
pub fn wait_until_ready(address: SocketAddr, path: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = status_line(address, path);
        match answer {
            Ok(line) if line.contains(" 200") => return Ok(()),
            other if Instant::now() > deadline => bail!("http://{address}{path} is not ready: {other:?}"),
            _ => thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn status_line(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut line = String::new();
    BufReader::new(stream.take(1024)).read_line(&mut line)?;
    Ok(line)
}
