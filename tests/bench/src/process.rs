//! A process under test: started on one core, and what it and its children have used and hold so far.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

/// A process that listens, and its children.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: u32,
}

/// Memory of a process and its children, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident pages of every kind.
    pub resident_kib: u64,
    /// Resident pages that no file backs: heap, stacks, data. The part that grows with connections.
    pub anonymous_kib: u64,
}

impl Process {
    /// Starts `command` and waits until somebody listens on `address`.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not listen within `patience`.
    pub async fn start(mut command: Command, address: SocketAddr, patience: Duration) -> Result<Process> {
        let mut child = command.spawn().context("cannot be started")?;
        let pid = child.id().context("no process id")?;
        let deadline = Instant::now() + patience;
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("ended at its start: {status}");
            }
            if Instant::now() > deadline {
                bail!("does not listen on {address}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Process { child, pid })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// CPU time so far, in nanoseconds, from the scheduler's own account.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu_ns(&self) -> Result<u64> {
        let mut total = 0;
        for pid in family(self.pid)? {
            for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
                let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
                total += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Ok(total)
    }

    /// Whether none of its threads runs or wants to.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn sleeps(&self) -> Result<bool> {
        for task in std::fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let status = std::fs::read_to_string(task?.path().join("status"))?;
            if !status.lines().any(|line| line.starts_with("State:\tS")) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What it holds now.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn memory(&self) -> Result<Memory> {
        let mut memory = Memory::default();
        for pid in family(self.pid)? {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
            let kib = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
            };
            memory.resident_kib += kib("VmRSS:");
            memory.anonymous_kib += kib("RssAnon:");
        }
        Ok(memory)
    }

    /// Its open descriptors.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn descriptors(&self) -> Result<usize> {
        let mut total = 0;
        for pid in family(self.pid)? {
            total += std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        }
        Ok(total)
    }

    /// Sends the process, not its children, a signal (`HUP`, `USR2`, …).
    ///
    /// # Errors
    /// When it is gone.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill").arg("-s").arg(name).arg(self.pid.to_string()).status().await?;
        if !status.success() {
            bail!("no signal {name} to {}", self.pid);
        }
        Ok(())
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Asks the process and its children to end, and waits for it; one that does not end in ten seconds is
    /// killed.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn stop(mut self) -> Result<()> {
        for pid in family(self.pid).unwrap_or_default().into_iter().rev() {
            Command::new("kill").arg(pid.to_string()).stderr(Stdio::null()).status().await?;
        }
        if tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

/// A process and all that it started.
fn family(pid: u32) -> Result<Vec<u32>> {
    let mut pids = vec![pid];
    let mut next = 0;
    while let Some(parent) = pids.get(next).copied() {
        next += 1;
        let tasks = match std::fs::read_dir(format!("/proc/{parent}/task")) {
            Ok(tasks) => tasks,
            // A child may end while its family is counted.
            Err(_) if parent != pid => continue,
            Err(error) => return Err(error).with_context(|| format!("process {pid} is gone")),
        };
        for task in tasks.flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    Ok(pids)
}

/// `program`, pinned to one core, without input and output, and killed with this process.
#[must_use]
pub fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(program);
    command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Pins this process to one core.
///
/// # Errors
/// When there is no such core, or no `taskset`.
pub fn pin_self(core: usize) -> Result<()> {
    let status = std::process::Command::new("taskset")
        .args(["-a", "-c", "-p", &core.to_string(), &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status()
        .context("taskset cannot be started")?;
    if !status.success() {
        bail!("core {core} cannot be had");
    }
    Ok(())
}

/// A free port. Another process could take it before the proxy does; then the proxy says so and the run ends.
///
/// # Errors
/// When there is none.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
