//! The real program as a process, in a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

use super::client::{self, Answer};
use super::wait_for;

/// The program, built for these tests.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_e2e-strangler");

/// A folder with a configuration, in which the program can be run again and again.
pub(crate) struct House {
    folder: TempDir,
}

/// What every test's configuration begins with: any free ports, no access log.
pub(crate) const SERVER: &str =
    "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\naccess_log = \"off\"\nworkers = 2\n";

impl House {
    pub(crate) fn new(text: &str) -> House {
        let house = House { folder: tempfile::tempdir().unwrap() };
        house.write(text);
        house
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("strangler.toml")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Saves as most editors do: a new file renamed over the old one.
    pub(crate) fn write(&self, text: &str) {
        replace(&self.file(), text);
    }

    pub(crate) fn read(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// Replaces a word and saves.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = self.read();
        assert!(text.contains(from), "`{from}` is not in:\n{text}");
        self.write(&text.replace(from, to));
    }

    /// Runs a command to its end, in the folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        command(self.folder(), arguments)
    }

    /// Starts serving and waits until it says where.
    pub(crate) fn serve(&self) -> Proxy {
        self.serve_with(&[])
    }

    /// Starts serving with variables in its environment.
    pub(crate) fn serve_in(&self, variables: &[(&str, String)]) -> Proxy {
        Proxy::start_in(self.folder(), &["run", "--config", "strangler.toml"], variables)
    }

    pub(crate) fn serve_with(&self, more: &[&str]) -> Proxy {
        let mut arguments = vec!["run", "--config", "strangler.toml"];
        arguments.extend(more);
        Proxy::start(self.folder(), &arguments)
    }
}

/// Replaces a file as a whole, by a rename.
pub(crate) fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, file).unwrap();
}

/// Runs a command of the program to its end.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).current_dir(folder).args(arguments).env("NO_COLOR", "1").output().unwrap()
}

/// Everything a command printed.
pub(crate) fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Lines that a process has printed so far.
type Lines = Arc<Mutex<Vec<String>>>;

/// A serving process; killed when dropped.
pub(crate) struct Proxy {
    child: Child,
    /// The first public address.
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    out: Lines,
    log: Lines,
    readers: Vec<JoinHandle<()>>,
}

impl Proxy {
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Proxy {
        Proxy::start_in(folder, arguments, &[])
    }

    fn start_in(folder: &Path, arguments: &[&str], variables: &[(&str, String)]) -> Proxy {
        let mut child = Command::new(PROGRAM)
            .current_dir(folder)
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, log) = (Lines::default(), Lines::default());
        let readers = vec![
            collect(child.stdout.take().unwrap(), Arc::clone(&out)),
            collect(child.stderr.take().unwrap(), Arc::clone(&log)),
        ];
        let announced = wait_for("the two addresses", || {
            let lines = out.lock().unwrap().clone();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("ended with {status}:\n{}", log.lock().unwrap().join("\n"));
            }
            (lines.len() >= 2).then_some(lines)
        });
        let address = |line: &str, before: &str| {
            let rest = line.strip_prefix(before).unwrap_or_else(|| panic!("`{before}` expected: {line}"));
            rest.parse().unwrap()
        };
        Proxy {
            child,
            public: address(&announced[0], "listening on http://"),
            admin: address(&announced[1], "admin on http://"),
            out,
            log,
            readers,
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn admin_get(&self, target: &str) -> Answer {
        client::get(self.admin, target)
    }

    /// `/api/status`.
    pub(crate) fn status(&self) -> serde_json::Value {
        self.admin_get("/api/status").json()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.status()["configuration"]["generation"].as_u64().unwrap()
    }

    /// Waits until a configuration of at least this number serves.
    #[track_caller]
    pub(crate) fn wait_generation(&self, generation: u64) {
        wait_for(&format!("generation {generation}; log:\n{}", self.log()), || {
            (self.generation() >= generation).then_some(())
        });
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let text = self.admin_get("/metrics").text();
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    #[track_caller]
    pub(crate) fn wait_stale(&self, stale: bool) {
        let wanted = if stale { 1.0 } else { 0.0 };
        wait_for(&format!("strangler_config_stale {wanted}; log:\n{}", self.log()), || {
            (self.metric("strangler_config_stale") == Some(wanted)).then_some(())
        });
    }

    /// Everything on standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Everything on standard output so far.
    pub(crate) fn out(&self) -> Vec<String> {
        self.out.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn wait_log(&self, text: &str) {
        wait_for(&format!("`{text}` in the log"), || self.log().contains(text).then_some(()));
    }

    /// Sends a signal, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
        assert!(status.success());
    }

    /// Runs another command of the program against this one.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        let admin = format!("http://{}", self.admin);
        let mut all = arguments.to_vec();
        all.extend(["--admin", &admin]);
        command(Path::new("/"), &all)
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until the process has ended by itself, and returns everything it printed.
    pub(crate) fn wait_end(&mut self) -> (ExitStatus, String) {
        let status = wait_for("the end of the process", || self.child.try_wait().unwrap());
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        (status, self.log())
    }

    /// Ends the process as a crash would.
    pub(crate) fn crash(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("--- log of the proxy ---\n{}\n---", self.log());
        }
    }
}

fn collect(stream: impl Read + Send + 'static, lines: Lines) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    })
}
