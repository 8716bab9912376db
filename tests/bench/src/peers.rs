//! The proxies under test: each one worker, pinned, in front of the same origin.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use crate::Arguments;
use crate::cases::Case;

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
    pid: u32,
}

impl Proxy {
    /// CPU time of the process and its children so far, in nanoseconds, from the scheduler's own account.
    pub(crate) fn cpu_ns(&self) -> Result<u64> {
        let mut total = 0;
        for pid in family(self.pid)? {
            for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
                let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
                total += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Ok(total)
    }

    /// Resident memory of the process and its children, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        let mut total = 0;
        for pid in family(self.pid)? {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
            total += status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))
                .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
                .unwrap_or(0);
        }
        Ok(total)
    }

    /// Ends the process that was started.
    pub(crate) async fn stop(mut self) -> Result<()> {
        for pid in family(self.pid)?.into_iter().rev() {
            Command::new("kill").arg(pid.to_string()).status().await?;
        }
        self.child.wait().await?;
        Ok(())
    }
}

/// A process and its direct children.
fn family(pid: u32) -> Result<Vec<u32>> {
    let mut pids = vec![pid];
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let children = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        pids.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Ok(pids)
}

/// Pins this process to one core.
pub(crate) fn pin_self(core: usize) -> Result<()> {
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

/// Starts every proxy that is installed.
pub(crate) async fn start(
    arguments: &Arguments,
    case: &Case,
    origin: SocketAddr,
    folder: &Path,
) -> Result<Vec<Proxy>> {
    let mut proxies = vec![strangler(arguments, case, origin, folder).await?];
    if let Some(proxy) = nginx(arguments, origin, folder).await? {
        proxies.push(proxy);
    }
    if let Some(proxy) = haproxy(arguments, origin, folder).await? {
        proxies.push(proxy);
    }
    Ok(proxies)
}

async fn strangler(arguments: &Arguments, case: &Case, origin: SocketAddr, folder: &Path) -> Result<Proxy> {
    let address = free_address()?;
    let admin = free_address()?;
    let mut text = format!(
        "version = 1\nlegacy = \"http://{origin}\"\n[server]\nlisten = \"{address}\"\nadmin = \"{admin}\"\n\
         data_dir = \"memory\"\nworkers = 1\naccess_log = \"off\"\n[slices.bench]\nupstream = \"bench\"\n\
         phase = \"extracted\"\nwriter = \"extracted\"\nsync = \"stateless\"\nroutes = [\"/b/{{size}}\""
    );
    for route in 1..case.routes {
        write!(text, ", \"/service-{}/resource-{route}/{{id}}\"", route % 97)?;
    }
    write!(text, "]\n[upstreams.bench]\nendpoints = [\"http://{origin}\"]\nmax_in_flight = 100000\n")?;
    let file = folder.join(format!("strangler-{}.toml", case.name));
    std::fs::write(&file, text)?;
    let mut command = pinned(arguments, &arguments.strangler);
    command.arg("run").arg("--config").arg(&file);
    spawn("strangler", address, command).await
}

async fn nginx(arguments: &Arguments, origin: SocketAddr, folder: &Path) -> Result<Option<Proxy>> {
    let Some(program) = installed("nginx") else { return Ok(None) };
    let address = free_address()?;
    let prefix = folder.display();
    let text = format!(
        "daemon off; master_process off; worker_processes 1; pid {prefix}/nginx.pid; error_log stderr crit;\n\
         events {{ worker_connections 16384; }}\n\
         http {{ access_log off; keepalive_requests 100000000; client_body_buffer_size 64k;\n\
         client_body_temp_path {prefix}/nginx-body; proxy_temp_path {prefix}/nginx-proxy;\n\
         fastcgi_temp_path {prefix}/nginx-f; uwsgi_temp_path {prefix}/nginx-u; scgi_temp_path {prefix}/nginx-s;\n\
         upstream origin {{ server {origin}; keepalive 128; keepalive_requests 100000000; }}\n\
         server {{ listen {address} reuseport backlog=4096; location / {{ proxy_pass http://origin; proxy_http_version 1.1;\n\
         proxy_set_header Connection \"\"; proxy_set_header Host $http_host; proxy_buffering off;\n\
         proxy_request_buffering off; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
         proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;\n\
         proxy_set_header X-Request-Id $request_id; }} }} }}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text)?;
    let mut command = pinned(arguments, Path::new(program));
    command.arg("-p").arg(folder).arg("-c").arg(&file);
    spawn("nginx", address, command).await.map(Some)
}

async fn haproxy(arguments: &Arguments, origin: SocketAddr, folder: &Path) -> Result<Option<Proxy>> {
    let Some(program) = installed("haproxy") else { return Ok(None) };
    let address = free_address()?;
    let text = format!(
        "global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 75s\n  \
         timeout server 60s\n  http-reuse always\n  option forwardfor\n  unique-id-format %{{+X}}o%ci%cp%rt\n  \
         unique-id-header x-request-id\nfrontend f\n  bind {address}\n  http-request set-header X-Forwarded-Proto http\n  \
         http-request set-header X-Forwarded-Host %[req.hdr(host)]\n  default_backend b\nbackend b\n  server o {origin}\n"
    );
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, text)?;
    let mut command = pinned(arguments, Path::new(program));
    command.arg("-db").arg("-f").arg(&file);
    spawn("haproxy", address, command).await.map(Some)
}

fn pinned(arguments: &Arguments, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(arguments.proxy_core.to_string()).arg(program);
    command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn installed(program: &str) -> Option<&'static str> {
    let candidates: &[&str] = match program {
        "nginx" => &["/usr/sbin/nginx", "/usr/bin/nginx"],
        _ => &["/usr/sbin/haproxy", "/usr/bin/haproxy"],
    };
    candidates.iter().find(|path| Path::new(path).exists()).copied()
}

async fn spawn(name: &'static str, address: SocketAddr, mut command: Command) -> Result<Proxy> {
    let mut child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
    let pid = child.id().context("no process id")?;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while tokio::net::TcpStream::connect(address).await.is_err() {
        if let Some(status) = child.try_wait()? {
            bail!("{name} ended at its start: {status}");
        }
        if std::time::Instant::now() > deadline {
            bail!("{name} does not listen on {address}");
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    Ok(Proxy { name, address, child, pid })
}

/// A free port. Another process could take it before the proxy does; then the proxy says so and the run ends.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
