//! The proxy under test, started from a configuration, with free ports only.

use std::fmt::Debug;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// The addresses that a configuration is written with.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// The legacy origin.
    pub legacy: SocketAddr,
    /// The extracted service's origin.
    pub extracted: SocketAddr,
    /// Where nobody listens, and nobody will.
    pub dead: SocketAddr,
}

/// A configuration that cases share.
#[derive(Debug)]
pub struct Setup {
    /// Its name; unique.
    pub name: &'static str,
    /// What is added to the configuration of a first day: everything behind `version` and `[server]`.
    pub toml: fn(&Places) -> String,
    /// The same for a peer; `None` where the peer has no such thing.
    pub peer: Option<Peer>,
    /// Whether fences are answered by an origin (else by the proxy, whatever it says).
    pub fenced: bool,
    /// Whether its cases wait for time-outs.
    pub slow: bool,
}

/// What a peer's configuration must be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Everything to legacy.
    Plain,
    /// Small limits.
    Limits,
    /// An upstream that is not there.
    Dead,
    /// Short time-outs towards the upstream.
    Times,
}

/// Starts proxies.
pub trait Launch: Debug + Sync {
    /// Starts one; `None` where this proxy has nothing that corresponds.
    ///
    /// # Errors
    /// When it does not come up.
    fn launch(&self, setup: &Setup, places: &Places) -> io::Result<Option<Box<dyn Running>>>;

    /// How long anybody waits for anything that it should do.
    fn patience(&self) -> Duration {
        Duration::from_secs(5)
    }
}

/// A proxy that runs until it is dropped.
pub trait Running: Debug + Send {
    /// Where clients reach it.
    fn address(&self) -> SocketAddr;
}

/// A port on which nobody listens as long as this is held: connecting to it is refused at once.
#[derive(Debug)]
pub struct Vacant {
    socket: Socket,
    address: SocketAddr,
}

impl Vacant {
    /// Reserves one.
    ///
    /// # Errors
    /// When there is none left.
    pub fn reserve() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let address = socket.local_addr()?.as_socket().ok_or(ErrorKind::AddrNotAvailable)?;
        Ok(Vacant { socket, address })
    }

    /// Where nobody listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the reservation up.
    pub fn release(self) {
        drop(self.socket);
    }
}

/// Starts this project's proxy as a process of its own.
#[derive(Debug, Clone)]
pub struct Strangler {
    /// The program.
    pub program: PathBuf,
}

impl Launch for Strangler {
    fn launch(&self, setup: &Setup, places: &Places) -> io::Result<Option<Box<dyn Running>>> {
        let folder = TempDir::new()?;
        let file = folder.path().join("strangler.toml");
        std::fs::write(&file, (setup.toml)(places))?;
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut child = Command::new(&self.program)
            .arg("run")
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let output = child.stdout.take().ok_or(ErrorKind::BrokenPipe)?;
        let mut process = Process { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), folder };
        let mut output = BufReader::new(output);
        let mut line = String::new();
        loop {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                let said = std::fs::read_to_string(process.folder.path().join("log")).unwrap_or_default();
                return Err(io::Error::other(format!("it ended before it listened: {said}")));
            }
            if let Some(address) = line.trim().strip_prefix("listening on http://") {
                process.address = address.parse().map_err(io::Error::other)?;
                break;
            }
        }
        // Whatever else it says is taken, so that it never waits for a reader.
        std::thread::spawn(move || drop(io::copy(&mut output.by_ref(), &mut io::sink())));
        Ok(Some(Box::new(process)))
    }
}

#[derive(Debug)]
struct Process {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Running for Process {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which the cases have noticed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// nginx or HAProxy, where installed, set up as their users would for the same purpose.
#[derive(Debug, Clone, Copy)]
pub enum Rival {
    /// The program `nginx`.
    Nginx,
    /// The program `haproxy`.
    Haproxy,
}

impl Rival {
    /// By its program's name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "nginx" => Some(Rival::Nginx),
            "haproxy" => Some(Rival::Haproxy),
            _ => None,
        }
    }
}

impl Launch for Rival {
    fn launch(&self, setup: &Setup, places: &Places) -> io::Result<Option<Box<dyn Running>>> {
        let Some(peer) = setup.peer else {
            return Ok(None);
        };
        let folder = TempDir::new()?;
        let root = folder.path().display().to_string();
        // A peer cannot be asked for a free port: take one, give it up, and name it at once.
        let vacant = Vacant::reserve()?;
        let address = vacant.address();
        let upstream = if peer == Peer::Dead { places.dead } else { places.legacy };
        let (text, mut command) = match self {
            Rival::Nginx => {
                let mut command = Command::new("nginx");
                command.args(["-p", &root, "-c", "peer.conf"]);
                (nginx(peer, address, upstream), command)
            }
            Rival::Haproxy => {
                let mut command = Command::new("haproxy");
                command.args(["-db", "-f"]).arg(folder.path().join("peer.conf"));
                (haproxy(peer, address, upstream), command)
            }
        };
        std::fs::write(folder.path().join("peer.conf"), text)?;
        vacant.release();
        let log = std::fs::File::create(folder.path().join("log"))?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        let mut process = Process { child, address, folder };
        loop {
            match std::net::TcpStream::connect(address) {
                Ok(_) => return Ok(Some(Box::new(process))),
                Err(_) if process.child.try_wait()?.is_none() => std::thread::yield_now(),
                Err(_) => {
                    let said = std::fs::read_to_string(process.folder.path().join("log")).unwrap_or_default();
                    return Err(io::Error::other(format!("it ended before it listened: {said}")));
                }
            }
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(2)
    }
}

fn nginx(peer: Peer, address: SocketAddr, upstream: SocketAddr) -> String {
    let extra = match peer {
        Peer::Limits => {
            "large_client_header_buffers 2 4k; client_max_body_size 8k; client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s;"
        }
        Peer::Times => "proxy_read_timeout 1s; client_max_body_size 0;",
        Peer::Plain | Peer::Dead => "client_max_body_size 0;",
    };
    format!(
        "daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  upstream legacy {{ server {upstream}; keepalive 16; }}
  map $http_upgrade $up {{ default upgrade; '' ''; }}
  server {{
    listen {address}; {extra}
    ignore_invalid_headers off; underscores_in_headers on; merge_slashes off;
    location / {{
      proxy_pass http://legacy; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off;
      proxy_set_header Host $http_host; proxy_set_header Connection $up; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;
    }}
  }}
}}
"
    )
}

fn haproxy(peer: Peer, address: SocketAddr, upstream: SocketAddr) -> String {
    let (client, server) = match peer {
        Peer::Limits => ("1s", "60s"),
        Peer::Times => ("60s", "1s"),
        Peer::Plain | Peer::Dead => ("60s", "60s"),
    };
    format!(
        "global
  nbthread 1
defaults
  mode http
  timeout connect 2s
  timeout client {client}
  timeout server {server}
  timeout http-request {client}
  option forwardfor
  http-reuse safe
frontend in
  bind {address}
  default_backend legacy
backend legacy
  server legacy {upstream}
"
    )
}
