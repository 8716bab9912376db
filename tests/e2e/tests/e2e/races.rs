//! A write raced against its upstream's idle close, ours beside nginx: no write runs twice, and how many fail.
//!
//! An upstream closes a connection that was idle for its own time, and may do so in the very moment in which a
//! proxy sends a request on it. Whether the request ran cannot be told then, so a write must not be sent again;
//! what a proxy can do is look before it sends, and prefer a fresh connection. Each race here is one write and
//! one close, between a fifth of a millisecond before it and half a millisecond after it.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener as Port, TcpStream as Probe};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::support::client::Client;
use crate::support::proxy::{House, Proxy, SERVER};
use crate::support::wait_for;

/// Writes that meet a close.
const RACES: u32 = 1000;

/// From the sending of a write to the close, in microseconds; less than nothing: the close comes first.
const OFFSETS: std::ops::Range<i64> = -200..500;

/// An origin that closes its idle connections when it is told to, as one does whose keep-alive time is over: it
/// reads no further then, and whatever has arrived meanwhile is lost.
#[derive(Default)]
struct Origin {
    /// How often each write was read whole, which is when it runs.
    ran: Mutex<HashMap<u32, u32>>,
    open: Mutex<Vec<Arc<Notify>>>,
}

impl Origin {
    fn start() -> (Arc<Origin>, SocketAddr) {
        let origin = Arc::new(Origin::default());
        let (tell, told) = mpsc::channel();
        let serving = Arc::clone(&origin);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let close = Arc::new(Notify::new());
                    serving.open.lock().unwrap().push(Arc::clone(&close));
                    let origin = Arc::clone(&serving);
                    tokio::spawn(async move {
                        drop(origin.serve(stream, &close).await);
                        origin.open.lock().unwrap().retain(|other| !Arc::ptr_eq(other, &close));
                    });
                }
            });
        });
        (origin, told.recv().unwrap())
    }

    /// Serves one connection until its peer closes, or it is idle and told to close.
    async fn serve(&self, mut stream: TcpStream, close: &Notify) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            tokio::select! {
                () = close.notified() => return Ok(()),
                ready = stream.readable() => ready?,
            }
            let mut request = Vec::new();
            let head = loop {
                if stream.read_buf(&mut request).await? == 0 {
                    return Ok(());
                }
                if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
                    break end + 4;
                }
            };
            let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
            let number = |name: &str| {
                text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u32>().ok())
            };
            let length = number("content-length:").unwrap_or(0) as usize;
            while request.len() < head + length {
                if stream.read_buf(&mut request).await? == 0 {
                    return Ok(());
                }
            }
            if let Some(id) = number("x-id:") {
                *self.ran.lock().unwrap().entry(id).or_default() += 1;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?;
        }
    }

    fn close_idle(&self) {
        self.open.lock().unwrap().iter().for_each(|close| close.notify_one());
    }
}

/// What became of a proxy's writes.
#[derive(Debug, Default)]
struct Tally {
    /// Answered with 2xx.
    done: u32,
    /// Answered otherwise, by status.
    others: HashMap<u16, u32>,
    /// Without an answer.
    lost: u32,
    /// Run more than once.
    twice: u32,
    /// Answered with 2xx, and not run.
    invented: u32,
}

impl Tally {
    fn failed(&self) -> u32 {
        self.others.values().sum::<u32>() + self.lost
    }
}

/// One proxy before one origin, whose idle connections a thread of its own closes.
struct Racer {
    origin: Arc<Origin>,
    client: Client,
    at: mpsc::Sender<Instant>,
    closer: thread::JoinHandle<()>,
    answered: Vec<u32>,
    tally: Tally,
}

impl Racer {
    fn new(origin: Arc<Origin>, proxy: SocketAddr) -> Racer {
        let (at, closes) = mpsc::channel::<Instant>();
        let closing = Arc::clone(&origin);
        let closer = thread::spawn(move || {
            for due in closes {
                while Instant::now() < due {
                    std::hint::spin_loop();
                }
                closing.close_idle();
            }
        });
        let client = Client::new(proxy);
        Racer { origin, client, at, closer, answered: Vec::new(), tally: Tally::default() }
    }

    fn race(&mut self, id: u32) {
        // Leaves an idle connection to the origin, which the write will find.
        drop(self.client.get("/warm"));
        // A step that shares no divisor with the width visits every offset once before any twice.
        let width = OFFSETS.end - OFFSETS.start;
        let offset = OFFSETS.start + (i64::from(id) * 367) % width;
        let begun = Instant::now() + Duration::from_micros(300);
        let shift = Duration::from_micros(offset.unsigned_abs());
        self.at.send(if offset < 0 { begun - shift } else { begun + shift }).unwrap();
        while Instant::now() < begun {
            std::hint::spin_loop();
        }
        match self.client.send("POST", "/orders", &[("x-id", &id.to_string())], b"one order") {
            Ok(answer) if (200..300).contains(&answer.status) => self.answered.push(id),
            Ok(answer) => *self.tally.others.entry(answer.status).or_default() += 1,
            Err(_) => self.tally.lost += 1,
        }
    }

    fn tally(self) -> Tally {
        let Racer { origin, at, closer, answered, mut tally, .. } = self;
        drop(at);
        closer.join().unwrap();
        let ran = origin.ran.lock().unwrap();
        tally.done = u32::try_from(answered.len()).unwrap();
        tally.twice = u32::try_from(ran.values().filter(|times| **times > 1).count()).unwrap();
        tally.invented = u32::try_from(answered.iter().filter(|id| !ran.contains_key(id)).count()).unwrap();
        tally
    }
}

/// Races them side by side: whatever else this machine does meets all of them alike.
fn race<const N: usize>(mut racers: [Racer; N]) -> [Tally; N] {
    for id in 0..RACES {
        for racer in &mut racers {
            racer.race(id);
        }
    }
    racers.map(Racer::tally)
}

fn strangler(upstream: SocketAddr) -> (House, Proxy) {
    let house = House::new(&format!("version = 1\nlegacy = \"http://{upstream}\"\n{SERVER}"));
    let proxy = house.serve();
    (house, proxy)
}

/// nginx with a pool of upstream connections, as its documentation sets one up.
struct Nginx {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Nginx {
    fn start(upstream: SocketAddr) -> Nginx {
        let folder = tempfile::tempdir().unwrap();
        // It cannot be asked for a free port: one is taken, given up, and named at once.
        let address = Port::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = format!(
            "daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log crit;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f;\n\
             uwsgi_temp_path u; scgi_temp_path s; keepalive_requests 1000000;\n\
             upstream origin {{ server {upstream}; keepalive 16; }}\n\
             server {{ listen {address}; location / {{ proxy_pass http://origin; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_set_header Host $http_host; }} }} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), text).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).args(["-e", "error.log", "-c", "nginx.conf"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut nginx = Nginx { child, address, _folder: folder };
        wait_for("nginx", || {
            assert!(nginx.child.try_wait().unwrap().is_none(), "nginx ended");
            Probe::connect(address).ok()
        });
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[track_caller]
fn assert_at_most_once(name: &str, tally: &Tally) {
    println!("{name}: {RACES} writes against an idle close: {tally:?}");
    assert_eq!((tally.twice, tally.invented), (0, 0), "{name}");
    assert_eq!(tally.done + tally.failed(), RACES, "{name}");
}

#[test]
fn a_write_that_meets_an_idle_close_runs_at_most_once() {
    let (origin, address) = Origin::start();
    let (_house, proxy) = strangler(address);
    let [ours] = race([Racer::new(origin, proxy.public)]);
    assert_at_most_once("strangler", &ours);
    assert_eq!(ours.lost, 0, "every client is told");
    assert!(ours.others.keys().all(|status| *status == 502), "{ours:?}");
}

#[test]
#[cfg_attr(not(have_nginx), ignore = "needs nginx: apt-get install nginx-light")]
fn hardly_more_writes_fail_at_an_idle_close_than_with_nginx() {
    let (ours, theirs) = (Origin::start(), Origin::start());
    let (_house, proxy) = strangler(ours.1);
    let nginx = Nginx::start(theirs.1);
    let racers = [Racer::new(ours.0, proxy.public), Racer::new(theirs.0, nginx.address)];
    let [ours, theirs] = race(racers);
    assert_at_most_once("strangler", &ours);
    assert_at_most_once("nginx", &theirs);
    assert!(ours.failed() <= theirs.failed() + RACES / 10, "ours {ours:?}, nginx {theirs:?}");
}
