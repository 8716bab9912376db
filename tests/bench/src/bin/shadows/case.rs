//! One case: a proxy of its own, a client that measures it, and what it held and counted in the end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::worst::{self, Act};
use super::{Copying, Summary};

/// How long the last copies may take to be in an account: longer than a copy may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy in front of the origin and of one shadow.
pub(crate) struct Case {
    name: &'static str,
    child: Child,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    copying: Copying,
    /// Kept as long as the proxy that reads it.
    _folder: tempfile::TempDir,
}

impl Case {
    pub(crate) fn start(
        program: &Path,
        name: &'static str,
        act: Act,
        copying: Copying,
        origin: SocketAddr,
    ) -> Result<Case> {
        let phase = if copying == Copying::On { "shadow" } else { "legacy" };
        let shadow = worst::start(act)?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("strangler.toml");
        let text = format!(
            "version = 1\nlegacy = \"http://{origin}\"\n[server]\nlisten = \"127.0.0.1:0\"\n\
             admin = \"127.0.0.1:0\"\nworkers = 1\naccess_log = \"off\"\n[slices.s]\n\
             upstream = \"http://{shadow}\"\nphase = \"{phase}\"\nsync = \"stateless\"\nroutes = [\"/**\"]\n"
        );
        std::fs::write(&file, text)?;
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(&file).stdin(Stdio::null());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut said = BufReader::new(child.stdout.take().context("no output")?).lines();
        let mut address = |before: &str| -> Result<SocketAddr> {
            let line = said.next().context("the proxy ended at its start")??;
            let rest = line.strip_prefix(before).with_context(|| format!("not an address: {line}"))?;
            Ok(rest.parse()?)
        };
        let (address, admin) = (address("listening on http://")?, address("admin on http://")?);
        Ok(Case { name, child, address, admin, copying, _folder: folder })
    }

    /// The row of the table, once every copy is in an account.
    pub(crate) fn row(&self, summary: &Summary, asked: usize) -> Result<String> {
        let wanted = if self.copying == Copying::On { asked as u64 } else { 0 };
        let deadline = Instant::now() + PATIENCE;
        let accounts = loop {
            let accounts = self.accounts()?;
            if accounts.iter().map(|(_, count)| count).sum::<u64>() == wanted {
                break accounts;
            }
            if Instant::now() > deadline {
                bail!("{}: {accounts:?} are not the {wanted} requests", self.name);
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let accounts: Vec<String> = accounts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let ratio = |[median, low, high]: [f64; 3]| format!("{median:.3} ({low:.3}–{high:.3})");
        Ok(format!(
            "| {} | {:.1} | {} | {} | {:.1} | {} | {} |\n",
            self.name,
            summary.median_us,
            ratio(summary.median),
            ratio(summary.most_of_hundred),
            summary.slowest_ms,
            self.peak_kib()?,
            accounts.join(", ")
        ))
    }

    /// What copies ended in.
    fn accounts(&self) -> Result<Vec<(String, u64)>> {
        let mut stream = TcpStream::connect(self.admin)?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let lines = text.lines().filter_map(|line| line.strip_prefix("strangler_shadow_total{slice=\"s\","));
        lines
            .map(|line| {
                let (labels, count) = line.split_once("} ").context("a count")?;
                let mut words = labels.split('"').skip(1).step_by(2);
                let (account, reason) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                let name = if reason.is_empty() { account } else { reason };
                Ok((name.to_owned(), count.parse()?))
            })
            .collect()
    }

    /// The most that was ever resident.
    fn peak_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).context("no peak")
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A client that keeps its connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Client(BufReader::new(stream)))
    }

    /// Asks so many times and says how long each took, in microseconds, ascending.
    pub(crate) fn ask(&mut self, requests: usize, pause: Duration) -> Result<Vec<f64>> {
        let mut times = Vec::with_capacity(requests);
        for _ in 0..requests {
            let begun = Instant::now();
            self.0.get_mut().write_all(b"GET /products/7 HTTP/1.1\r\nhost: shop.example\r\n\r\n")?;
            self.read_answer()?;
            times.push(begun.elapsed().as_secs_f64() * 1e6);
            std::thread::sleep(pause);
        }
        times.sort_unstable_by(f64::total_cmp);
        Ok(times)
    }

    fn read_answer(&mut self) -> Result<()> {
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                bail!("the connection was closed");
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        Ok(self.0.read_exact(&mut body)?)
    }
}
