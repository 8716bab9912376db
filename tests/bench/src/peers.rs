//! The proxies under test: each one worker, pinned, in front of the same origin, set up as its users would for
//! the same purpose.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::{Process, free_address, pinned};

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This project's.
    Strangler,
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
}

impl Kind {
    /// Its name in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Strangler => "strangler",
            Kind::Nginx => "nginx",
            Kind::Haproxy => "haproxy",
        }
    }

    /// Its program, where it is installed; ours is where the run says.
    fn program<'p>(self, strangler: &'p Path) -> Option<&'p Path> {
        let candidates: &[&'p str] = match self {
            Kind::Strangler => return Some(strangler),
            Kind::Nginx => &["/usr/sbin/nginx", "/usr/bin/nginx"],
            Kind::Haproxy => &["/usr/sbin/haproxy", "/usr/bin/haproxy"],
        };
        candidates.iter().map(|path| Path::new(*path)).find(|path| path.exists())
    }
}

/// Whether a proxy's configuration is to change while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edits {
    /// It is not: nginx runs as a single process.
    None,
    /// It is, so often already: every answer carries the number in `x-edit`. nginx and HAProxy run as a master
    /// and its workers.
    Number(u32),
}

/// Whether each request is copied to a second upstream, which is the same origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// None, and no slice stands before its move: the row is about a moved slice.
    None,
    /// None, but all is set up so that a word would switch them on.
    Off,
    /// Each: ours is compared too, nginx's `mirror` throws its answer away.
    All,
    /// The same, but nginx opens a connection for each request and each copy: what it does unless it is told to keep
    /// them.
    AllFresh,
}

/// What every proxy of a row is set up with.
#[derive(Clone, Debug)]
pub struct Setup<'s> {
    /// Our release binary.
    pub strangler: &'s Path,
    /// The core that proxies run on.
    pub core: usize,
    /// Where requests go.
    pub origin: SocketAddr,
    /// Where configurations and temporary files are written.
    pub folder: &'s Path,
    /// Distinguishes files of rows.
    pub row: &'s str,
    /// Routes in our configuration.
    pub routes: usize,
    /// Whether the configuration is to change.
    pub edits: Edits,
    /// Whether requests are copied.
    pub copies: Copies,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    /// Which one.
    pub kind: Kind,
    /// Where it listens.
    pub address: SocketAddr,
    /// The process, or the master of several.
    pub process: Process,
    /// Where our admin listener is.
    pub admin: SocketAddr,
    file: PathBuf,
}

impl Proxy {
    /// Its name in the report.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// Puts another configuration in its place, the way that its users do: ours by saving the file, nginx by
    /// `HUP` (`nginx -s reload`), HAProxy by `USR2` to its master (`systemctl reload`).
    ///
    /// # Errors
    /// When the file cannot be written, or the process is gone.
    pub async fn edit(&self, setup: &Setup<'_>, number: u32) -> Result<()> {
        let setup = Setup { edits: Edits::Number(number), ..setup.clone() };
        let next = self.file.with_extension("next");
        std::fs::write(&next, text(self.kind, &setup, (self.address, self.admin)))?;
        std::fs::rename(&next, &self.file)?;
        match self.kind {
            Kind::Strangler => Ok(()),
            Kind::Nginx => self.process.signal("HUP").await,
            Kind::Haproxy => self.process.signal("USR2").await,
        }
    }
}

/// Starts every proxy that is installed, ours first.
///
/// # Errors
/// When one does not come up.
pub async fn start(setup: &Setup<'_>) -> Result<Vec<Proxy>> {
    let mut proxies = Vec::new();
    for kind in [Kind::Strangler, Kind::Nginx, Kind::Haproxy] {
        proxies.extend(start_one(kind, setup).await?);
    }
    Ok(proxies)
}

/// Starts one proxy; `None` where it is not installed.
///
/// # Errors
/// When it does not come up.
pub async fn start_one(kind: Kind, setup: &Setup<'_>) -> Result<Option<Proxy>> {
    let Some(program) = kind.program(setup.strangler) else { return Ok(None) };
    let (address, admin) = (free_address()?, free_address()?);
    let folder = setup.folder.join(format!("{}-{}", kind.name(), setup.row));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("proxy.conf");
    std::fs::write(&file, text(kind, setup, (address, admin)))?;
    let mut command = pinned(setup.core, program);
    match (kind, setup.edits) {
        (Kind::Strangler, _) => command.arg("run").arg("--config").arg(&file),
        (Kind::Nginx, _) => command.arg("-p").arg(&folder).arg("-c").arg(&file),
        (Kind::Haproxy, Edits::None) => command.arg("-db").arg("-f").arg(&file),
        (Kind::Haproxy, Edits::Number(_)) => command.arg("-W").arg("-db").arg("-f").arg(&file),
    };
    let process = Process::start(command, address, Duration::from_secs(10)).await;
    let process = process.with_context(|| kind.name().to_owned())?;
    Ok(Some(Proxy { kind, address, process, admin, file }))
}

fn text(kind: Kind, setup: &Setup<'_>, (address, admin): (SocketAddr, SocketAddr)) -> String {
    match kind {
        Kind::Strangler if setup.copies != Copies::None => copying(setup, address, admin),
        Kind::Strangler => {
            let more = match setup.edits {
                Edits::None => String::new(),
                Edits::Number(number) => {
                    format!("[slices.bench.response_headers]\nset = {{ \"x-edit\" = \"{number}\" }}\n")
                }
            };
            strangler(address, setup.origin, setup.routes, "", &more)
        }
        Kind::Nginx => nginx(setup, address),
        Kind::Haproxy => haproxy(setup, address),
    }
}

/// Our configuration: one slice that is moved, with so many routes; `server` and `more` are added.
#[must_use]
pub fn strangler(address: SocketAddr, origin: SocketAddr, routes: usize, server: &str, more: &str) -> String {
    let mut text = format!(
        "version = 1\nlegacy = \"http://{origin}\"\n[server]\nlisten = \"{address}\"\nadmin = \"127.0.0.1:0\"\n\
         data_dir = \"memory\"\nworkers = 1\naccess_log = \"off\"\n{server}[slices.bench]\nupstream = \"bench\"\n\
         phase = \"extracted\"\nwriter = \"extracted\"\nsync = \"stateless\"\n\
         shadow = {{ reverse_sample = \"0%\" }}\nroutes = [\"/b/{{size}}\""
    );
    for route in 1..routes {
        let service = route % 97;
        // Writing to a text does not fail.
        write!(text, ", \"/service-{service}/resource-{route}/{{id}}\"").ok();
    }
    text.push_str("]\n");
    text.push_str(more);
    let upstream = format!("[upstreams.bench]\nendpoints = [\"http://{origin}\"]\nmax_in_flight = 100000\n");
    text + &upstream
}

/// Our configuration: one slice that legacy answers, shadowed or not.
fn copying(setup: &Setup<'_>, address: SocketAddr, admin: SocketAddr) -> String {
    let origin = setup.origin;
    let phase = if matches!(setup.copies, Copies::All | Copies::AllFresh) { "shadow" } else { "legacy" };
    format!(
        "version = 1\nlegacy = \"monolith\"\n[server]\nlisten = \"{address}\"\nadmin = \"{admin}\"\n\
         data_dir = \"memory\"\nworkers = 1\naccess_log = \"off\"\n\
         [upstreams.monolith]\nendpoints = [\"http://{origin}\"]\nmax_in_flight = 100000\n\
         [upstreams.bench]\nendpoints = [\"http://{origin}\"]\nmax_in_flight = 100000\n\
         [slices.bench]\nupstream = \"bench\"\nphase = \"{phase}\"\nwriter = \"legacy\"\nsync = \"stateless\"\n\
         routes = [\"/b/{{size}}\"]\n[slices.bench.shadow]\nsample = \"100%\"\nconcurrency = 1024\n"
    )
}

fn nginx(setup: &Setup<'_>, address: SocketAddr) -> String {
    let origin = setup.origin;
    let (mirror, mirrored) = match setup.copies {
        Copies::All | Copies::AllFresh => (
            "mirror /mirrored;",
            "location = /mirrored { internal; proxy_pass http://origin$request_uri; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_set_header Host $http_host; }",
        ),
        Copies::None | Copies::Off => ("", ""),
    };
    let kept =
        if setup.copies == Copies::AllFresh { "" } else { "keepalive 128; keepalive_requests 100000000;" };
    let (master, edit) = match setup.edits {
        Edits::None => ("master_process off;", String::new()),
        Edits::Number(number) => ("user root;", format!("add_header x-edit {number};")),
    };
    format!(
        "daemon off; {master} worker_processes 1; pid nginx.pid; error_log stderr crit;\n\
         events {{ worker_connections 16384; }}\n\
         http {{ access_log off; keepalive_requests 100000000; client_body_buffer_size 64k;\n\
         client_body_temp_path nginx-body; proxy_temp_path nginx-proxy;\n\
         fastcgi_temp_path nginx-f; uwsgi_temp_path nginx-u; scgi_temp_path nginx-s;\n\
         upstream origin {{ server {origin}; {kept} }}\n\
         server {{ listen {address} reuseport backlog=4096; {edit} {mirrored} location / {{ {mirror} proxy_pass http://origin; proxy_http_version 1.1;\n\
         proxy_set_header Connection \"\"; proxy_set_header Host $http_host; proxy_buffering off;\n\
         proxy_request_buffering off; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
         proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;\n\
         proxy_set_header X-Request-Id $request_id; }} }} }}\n"
    )
}

fn haproxy(setup: &Setup<'_>, address: SocketAddr) -> String {
    let origin = setup.origin;
    let edit = match setup.edits {
        Edits::None => String::new(),
        Edits::Number(number) => format!("  http-response set-header x-edit {number}\n"),
    };
    format!(
        "global\n  nbthread 1\n  maxconn 8000\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 75s\n  \
         timeout server 60s\n  http-reuse always\n  option forwardfor\n  unique-id-format %{{+X}}o%ci%cp%rt\n  \
         unique-id-header x-request-id\nfrontend f\n  bind {address}\n  http-request set-header X-Forwarded-Proto http\n  \
         http-request set-header X-Forwarded-Host %[req.hdr(host)]\n{edit}  default_backend b\nbackend b\n  server o {origin}\n"
    )
}
