//! One case: a proxy of its own, a client that measures it, and what it held and counted in the end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::worst::{self, Act, Priority};
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
    folder: tempfile::TempDir,
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
        let shadow = worst::start(act, Priority::Lowest)?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("strangler.toml");
        let text = format!(
            "version = 1\nlegacy = \"http://{origin}\"\n[server]\nlisten = \"127.0.0.1:0\"\n\
             admin = \"127.0.0.1:0\"\nworkers = 1\naccess_log = \"off\"\n[slices.s]\n\
             upstream = \"http://{shadow}\"\nphase = \"{phase}\"\nsync = \"stateless\"\nroutes = [\"/**\"]\n\
             [slices.s.shadow]\nconcurrency = {}\n",
            // What is shed is no mismatch.
            if act == Act::OtherProducts { 1000 } else { 64 }
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
        Ok(Case { name, child, address, admin, copying, folder })
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

    fn admin(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.admin)?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Copies that have ended.
    pub(crate) fn ended(&self) -> Result<u64> {
        Ok(self.accounts()?.iter().map(|(_, count)| count).sum())
    }

    /// The report, once so many requests are mismatches in it.
    pub(crate) fn report(&self, mismatches: u64) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let report = self.admin("/api/report")?;
            if report.contains(&format!("\"mismatch\":{mismatches},"))
                || report.contains(&format!("\"mismatch\": {mismatches},"))
            {
                return Ok(report);
            }
            if Instant::now() > deadline {
                bail!("{mismatches} mismatches are not in {report}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The most that was ever resident, and what the data directory takes, once it is written.
    pub(crate) fn held(&self) -> Result<(u64, u64)> {
        // Whatever is not written a second later is not written at all.
        std::thread::sleep(Duration::from_secs(1));
        let mut bytes = 0;
        for entry in std::fs::read_dir(self.folder.path().join("data"))? {
            bytes += entry?.metadata()?.len();
        }
        Ok((self.peak_kib()?, bytes / 1024))
    }

    /// What copies ended in.
    fn accounts(&self) -> Result<Vec<(String, u64)>> {
        let text = self.admin("/metrics")?;
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
    pub(crate) fn peak_kib(&self) -> Result<u64> {
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
            self.get("/products/7")?;
            times.push(begun.elapsed().as_secs_f64() * 1e6);
            std::thread::sleep(pause);
        }
        times.sort_unstable_by(f64::total_cmp);
        Ok(times)
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        self.read_answer()
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
