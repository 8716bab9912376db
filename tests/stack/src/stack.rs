//! All processes of the demonstration together.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::node::Executable;
use crate::process::{Process, wait_until_ready};
use crate::role::Role;

/// The repository's `config/strangler.toml`, as it was when this was built.
pub const CONFIGURATION: &str = include_str!("../../../config/strangler.toml");

/// The admin port of the demonstration.
pub const ADMIN_PORT: u16 = 9090;

/// Which ports are listened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// Whatever is free.
    Free,
    /// The ones of the documentation: 8080, 9090, 8000 to 8004.
    Documented,
    /// Seven in a row: the proxy, admin, the monolith, the services.
    From(u16),
}

impl Ports {
    /// The port of a role; 0 for whatever is free.
    #[must_use]
    pub fn of(self, role: Role) -> u16 {
        match self {
            Self::Free => 0,
            Self::Documented => role.port(),
            Self::From(base) => match role {
                Role::Strangler => base,
                Role::LegacyMonolith => base.saturating_add(2),
                Role::UserService => base.saturating_add(3),
                Role::ProductService => base.saturating_add(4),
                Role::OrderService => base.saturating_add(5),
                Role::PaymentService => base.saturating_add(6),
            },
        }
    }

    /// The port of the admin listener; 0 for whatever is free.
    #[must_use]
    pub fn admin(self) -> u16 {
        match self {
            Self::Free => 0,
            Self::Documented => ADMIN_PORT,
            Self::From(base) => base.saturating_add(1),
        }
    }

    /// The ports that somebody else listens on, with what they are wanted for.
    #[must_use]
    pub fn taken(self) -> Vec<(&'static str, u16)> {
        let roles = Role::ALL.iter().map(|role| (role.name(), self.of(*role)));
        roles
            .chain([("admin", self.admin())])
            .filter(|(_, port)| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err())
            .collect()
    }
}

/// What the proxy is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Config {
    /// This text, written to a file of the stack's own. [`CONFIGURATION`] is the usual one.
    Own(String),
    /// A file that somebody edits.
    Live(PathBuf),
}

/// How a stack is started.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// What plays the roles.
    pub executable: Executable,
    /// The ports.
    pub ports: Ports,
    /// The proxy's configuration.
    pub config: Config,
    /// The roles to start; without [`Role::Strangler`] there is no proxy.
    pub roles: Vec<Role>,
    /// Further arguments for some roles.
    pub arguments: Vec<(Role, Vec<OsString>)>,
}

impl StackOptions {
    /// Everything, on free ports, with the repository's configuration.
    #[must_use]
    pub fn new(executable: Executable) -> Self {
        Self {
            executable,
            ports: Ports::Free,
            config: Config::Own(CONFIGURATION.to_owned()),
            roles: Role::ALL.to_vec(),
            arguments: Vec::new(),
        }
    }

    /// Switches every planted difference off, so that both sides answer alike.
    #[must_use]
    pub fn without_differences(mut self) -> Self {
        for role in Role::ALL {
            let off = role.differences().flat_map(|name| ["--without".into(), name.into()]).collect();
            self.arguments.push((role, off));
        }
        self.arguments.push((Role::LegacyMonolith, vec!["--fixed-generated-at".into()]));
        self
    }
}

/// The running system. Dropping it kills every process and removes its data.
#[derive(Debug)]
pub struct Stack {
    options: StackOptions,
    // Processes before the folder: they write into it until they are gone.
    processes: BTreeMap<Role, Process>,
    addresses: BTreeMap<Role, SocketAddr>,
    admin: Option<SocketAddr>,
    config: PathBuf,
    folder: TempDir,
}

impl Stack {
    /// Starts everything and waits until it answers.
    ///
    /// # Errors
    /// When a process cannot be started or does not answer; the others are killed.
    pub fn start(options: StackOptions) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("strangler-stack-").tempdir()?;
        let config = match &options.config {
            Config::Live(path) => std::path::absolute(path)?,
            Config::Own(text) => {
                let folder = folder.path().join("config");
                std::fs::create_dir(&folder)?;
                let path = folder.join("strangler.toml");
                std::fs::write(&path, text)?;
                path
            }
        };
        let mut stack = Self {
            options,
            processes: BTreeMap::new(),
            addresses: BTreeMap::new(),
            admin: None,
            config,
            folder,
        };
        let mut roles = stack.options.roles.clone();
        // The proxy last, whatever the order of the list: it has to be told where the others are.
        roles.sort_unstable();
        for role in roles {
            stack.launch(role)?;
        }
        Ok(stack)
    }

    /// Where a role listens.
    ///
    /// # Errors
    /// When it was not started.
    pub fn address(&self, role: Role) -> anyhow::Result<SocketAddr> {
        self.addresses.get(&role).copied().with_context(|| format!("{} was not started", role.name()))
    }

    /// Where the proxy's admin listener is.
    ///
    /// # Errors
    /// When the proxy was not started.
    pub fn admin(&self) -> anyhow::Result<SocketAddr> {
        self.admin.context("the proxy was not started")
    }

    /// The configuration file that the proxy watches.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Where databases, logs and the proxy's data are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file with a role's output.
    #[must_use]
    pub fn log(&self, role: Role) -> PathBuf {
        self.folder.path().join(format!("{}.log", role.name()))
    }

    /// The file with a role's data. The proxy's is a folder.
    #[must_use]
    pub fn database(&self, role: Role) -> PathBuf {
        let folder = self.folder.path();
        match role {
            Role::Strangler => folder.join(role.name()),
            _ => folder.join(format!("{}.sqlite", role.name())),
        }
    }

    /// The process id of a role that is running.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pid(&mut self, role: Role) -> anyhow::Result<u32> {
        Ok(self.process(role)?.id())
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it was not started.
    pub fn kill(&mut self, role: Role) -> anyhow::Result<()> {
        self.process(role)?.kill();
        Ok(())
    }

    /// SIGTERM, and waits for the end; `true` for exit code 0.
    ///
    /// # Errors
    /// When it was not started, or had to be killed.
    pub fn stop(&mut self, role: Role) -> anyhow::Result<bool> {
        Ok(self.process(role)?.stop()?.success())
    }

    /// Starts a role again, on the port and with the data it had; kills it first if it runs.
    ///
    /// # Errors
    /// When it was not started before, or does not start now.
    pub fn restart(&mut self, role: Role) -> anyhow::Result<()> {
        self.kill(role)?;
        self.launch(role)
    }

    /// Stops everything in order, the proxy first; names what did not stop by itself.
    ///
    /// # Errors
    /// When something had to be killed or ended with another code than 0.
    pub fn stop_all(mut self) -> anyhow::Result<()> {
        let mut trouble = Vec::new();
        while let Some((role, mut process)) = self.processes.pop_last() {
            match process.stop() {
                Ok(status) if status.success() => {}
                Ok(status) => trouble.push(format!("{} ended with {status}", role.name())),
                Err(error) => trouble.push(format!("{error:#}")),
            }
        }
        if trouble.is_empty() { Ok(()) } else { bail!("{}", trouble.join("; ")) }
    }

    /// The first role that is no longer running.
    pub fn ended(&mut self) -> Option<Role> {
        let mut processes = self.processes.iter_mut();
        processes.find_map(|(role, process)| (!process.is_running()).then_some(*role))
    }

    fn process(&mut self, role: Role) -> anyhow::Result<&mut Process> {
        self.processes.get_mut(&role).with_context(|| format!("{} was not started", role.name()))
    }

    fn launch(&mut self, role: Role) -> anyhow::Result<()> {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listen = self.addresses.get(&role).copied().unwrap_or_else(|| local(self.options.ports.of(role)));
        let admin = self.admin.unwrap_or_else(|| local(self.options.ports.admin()));
        let mut variables = Vec::new();
        let mut arguments: Vec<OsString> = if role == Role::Strangler {
            variables.push(("STRANGLER_LISTEN", listen.to_string()));
            variables.push(("STRANGLER_ADMIN", admin.to_string()));
            let known = self.addresses.iter();
            variables.extend(known.filter_map(|(role, at)| Some((role.variable()?, format!("http://{at}")))));
            let data = self.database(role);
            vec![
                "run".into(),
                "--config".into(),
                self.config.clone().into(),
                "--data-dir".into(),
                data.into(),
            ]
        } else {
            let database = self.database(role);
            vec!["--listen".into(), listen.to_string().into(), "--database".into(), database.into()]
        };
        let further = self.options.arguments.iter().filter(|(whose, _)| *whose == role);
        arguments.extend(further.flat_map(|(_, arguments)| arguments.iter().cloned()));
        let mut process =
            Process::start(&self.options.executable, role, &arguments, &variables, &self.log(role))?;
        let address = parsed(&process.announced("listening on http://")?)?;
        if role == Role::Strangler {
            let admin = parsed(&process.announced("admin on http://")?)?;
            wait_until_ready(admin, "/readyz")?;
            self.admin = Some(admin);
        } else {
            wait_until_ready(address, "/health")?;
        }
        self.addresses.insert(role, address);
        self.processes.insert(role, process);
        Ok(())
    }
}

fn parsed(address: &str) -> anyhow::Result<SocketAddr> {
    address.trim().parse().with_context(|| format!("`{address}` is no address"))
}
