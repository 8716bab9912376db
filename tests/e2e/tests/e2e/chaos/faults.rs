//! One fault at a time, and what a client sees of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::ledger::{Ledger, Role};
use super::origin::{Fault, FaultyOrigin, Weather};
use crate::support::DEADLINE;
use crate::support::client::{Answer, Client};
use crate::support::proxy::{House, Proxy, SERVER};

/// One origin behind the proxy, with short limits.
struct Scene {
    runtime: Runtime,
    ledger: Arc<Ledger>,
    origin: FaultyOrigin,
    _house: House,
    proxy: Proxy,
}

/// `timeouts.response` and `timeouts.idle` of the scene.
const LIMIT: Duration = Duration::from_millis(300);

impl Scene {
    fn new() -> Scene {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let ledger = Arc::new(Ledger::default());
        let origin = {
            let _inside = runtime.enter();
            FaultyOrigin::start("legacy", Role::Legacy, 1, &ledger)
        };
        let house = House::new(&format!(
            "version = 1\nlegacy = \"monolith\"\n{SERVER}\n[upstreams.monolith]\nendpoints = [\"http://{}\"]\n\
             timeouts = {{ connect = \"2s\", response = \"300ms\", idle = \"300ms\" }}\n",
            origin.address
        ));
        let proxy = house.serve();
        Scene { runtime, ledger, origin, _house: house, proxy }
    }

    fn always(fault: Fault) -> Scene {
        let scene = Scene::new();
        scene.origin.set(Weather { percent: 100, fault: Some(fault), plant: None });
        scene
    }

    fn ask(&self, method: &str, id: u64, client: &mut Client) -> std::io::Result<Answer> {
        let id = id.to_string();
        client.send(method, "/x", &[("x-id", &id), ("x-want", "2000")], b"")
    }

    fn ask_once(&self, method: &str, id: u64) -> std::io::Result<Answer> {
        self.ask(method, id, &mut Client::new(self.proxy.public))
    }
}

#[test]
fn an_answer_that_its_upstream_breaks_is_broken_for_the_client_too() {
    for fault in [Fault::Cut, Fault::ResetInside, Fault::StallInside] {
        let scene = Scene::always(fault);
        // Enough for every framing: with length, chunked, to the end of the connection.
        for id in 1..=20 {
            let answer = scene.ask_once("GET", id);
            let broken = match &answer {
                // Broken before a byte of the answer was passed on.
                Ok(answer) => answer.status == 502 || answer.status == 504,
                Err(_) => true,
            };
            assert!(broken, "{fault:?}: {answer:?}");
        }
    }
}

/// The real program as an upstream that is a process, so that it can be killed.
#[test]
fn killing_the_upstreams_process_inside_an_answer_breaks_it() {
    let far = Scene::always(Fault::StallInside);
    let near = House::new(&format!("version = 1\nlegacy = \"http://{}\"\n{SERVER}", far.proxy.public));
    let near = near.serve();
    let mut stream = TcpStream::connect(near.public).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-id: 1\r\nx-want: 2000\r\n\r\n").unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200") || line.starts_with("HTTP/1.1 103"), "{line}");
    far.proxy.crash();
    let mut rest = Vec::new();
    let ended = reader.read_to_end(&mut rest);
    let text = String::from_utf8_lossy(&rest);
    let (_, body) = text.rsplit_once("\r\n\r\n").unwrap_or_default();
    assert!(ended.is_err() || (body.len() < 2000 && !text.ends_with("\r\n0\r\n\r\n")), "it looks complete");
}

#[test]
fn a_silent_upstream_is_a_504_at_the_limit() {
    let scene = Scene::always(Fault::Stall);
    let begun = Instant::now();
    let answer = scene.ask_once("POST", 1).unwrap();
    assert_eq!(answer.status, 504);
    assert!(answer.header("proxy-status").is_some_and(|status| status.contains("http_response_timeout")));
    assert!(begun.elapsed() >= LIMIT);
    assert!(begun.elapsed() < DEADLINE / 2, "{:?}", begun.elapsed());
}

#[test]
fn an_upstream_that_is_away_is_said_so_at_once_and_found_when_it_is_back() {
    let scene = Scene::new();
    assert_eq!(scene.ask_once("GET", 1).unwrap().status, 200);
    scene.origin.kill();
    crate::support::wait_for("refusal", || TcpStream::connect(scene.origin.address).is_err().then_some(()));
    let begun = Instant::now();
    for id in 2..40 {
        let answer = scene.ask_once(if id % 2 == 0 { "GET" } else { "POST" }, id).unwrap();
        assert!(matches!(answer.status, 502 | 503), "{answer:?}");
    }
    // The connect limit of a single one would be two seconds.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let _inside = scene.runtime.enter();
    scene.origin.rise();
    let back = Instant::now();
    while scene.ask_once("POST", 50).unwrap().status != 200 {
        assert!(back.elapsed() < Duration::from_secs(2), "not found again");
    }
}

#[test]
fn surplus_bytes_of_an_answer_reach_no_other_request() {
    let scene = Scene::always(Fault::Surplus);
    let mut client = Client::new(scene.proxy.public);
    for id in 2..200 {
        let answer = scene.ask("GET", id, &mut client).unwrap();
        assert_eq!(answer.header("x-id"), Some(id.to_string().as_str()));
        assert_eq!(answer.body.len(), 2000);
    }
}

/// How often a write meets the closing of the connection it is given.
const RACES: u64 = 200;

#[test]
fn a_write_raced_against_an_idle_close_is_executed_at_most_once() {
    for fault in [Fault::CloseIdle, Fault::ResetIdle] {
        let scene = Scene::always(fault);
        let failed = race(&scene, scene.proxy.public);
        let mut ids: Vec<u64> = scene.ledger.records().arrivals.iter().map(|arrival| arrival.id).collect();
        let arrived = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), arrived, "{fault:?}: a write arrived twice");
        println!("{fault:?}: {RACES} writes, {arrived} arrived, {failed} not answered with 200");
        // A reset may overtake the answer before it; a close may not.
        assert!(failed * 10 <= RACES || fault == Fault::ResetIdle, "{failed} of {RACES} failed");
    }
}

fn race(scene: &Scene, address: SocketAddr) -> u64 {
    let mut client = Client::new(address);
    let mut answers = (1..=RACES).map(|id| scene.ask("POST", id, &mut client));
    let mut failed = 0;
    for answer in &mut answers {
        failed += u64::from(!answer.is_ok_and(|answer| answer.status == 200));
    }
    failed
}
