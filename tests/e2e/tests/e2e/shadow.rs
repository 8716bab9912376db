//! Copies of requests, with the real program: what clients, legacy and the extracted service see of them.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::client::{Client, read_head};
use crate::support::origin::Origin;
use crate::support::proxy::{House, Proxy, SERVER};
use crate::support::wait_for;

/// A monolith, and a slice of it whose reads are copied to `extracted`.
fn house(legacy: &str, extracted: &str, shadow: &str) -> House {
    House::new(&format!(
        "version = 1\nlegacy = {legacy:?}\n{SERVER}\n[slices.products]\nupstream = {extracted:?}\n\
         phase = \"shadow\"\nsync = \"stateless\"\n\
         routes = [\"/products/**\", {{ match = \"POST /products/search\", effect = \"read\" }}, \
         {{ match = \"GET /products/logout\", effect = \"write\" }}]\n[slices.products.shadow]\n{shadow}\n"
    ))
}

/// Accounts of the slice, by account and reason.
fn accounts(proxy: &Proxy) -> BTreeMap<String, u64> {
    let metrics = proxy.admin_get("/metrics").text();
    let lines =
        metrics.lines().filter_map(|line| line.strip_prefix("strangler_shadow_total{slice=\"products\","));
    lines
        .map(|line| {
            let (labels, count) = line.split_once("} ").unwrap();
            let words: Vec<&str> = labels.split('"').collect();
            let name = if words[3].is_empty() { words[1] } else { words[3] };
            (name.to_owned(), count.parse().unwrap())
        })
        .collect()
}

/// Waits until so many requests are accounted for: none less, and none more.
#[track_caller]
fn wait_accounts(proxy: &Proxy, count: u64) -> BTreeMap<String, u64> {
    let found = wait_for(&format!("{count} accounts; {:?}", accounts(proxy)), || {
        let found = accounts(proxy);
        (found.values().sum::<u64>() >= count).then_some(found)
    });
    assert_eq!(found.values().sum::<u64>(), count, "{found:?}");
    found
}

/// An extracted service that does its worst with every connection.
fn misbehaving(act: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let act = act.clone();
            thread::spawn(move || act(stream));
        }
    });
    address
}

fn after_request(stream: &TcpStream) -> bool {
    read_head(&mut BufReader::new(stream)).is_ok()
}

/// The most memory that was ever resident.
fn peak_kib(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Clients ask; the shadow does its worst. Each client keeps its connection and gets legacy's answer.
fn check_worst(name: &str, extracted: &str, requests: u64) {
    let legacy = Origin::start("legacy");
    legacy.stop_remembering();
    let house = house(&legacy.url(), extracted, "timeout = \"1s\"");
    let proxy = house.serve();
    drop(Client::new(proxy.public).get("/elsewhere").unwrap());
    let before = peak_kib(&proxy);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::new(proxy.public);
                for number in 0..requests / 4 {
                    let answer = client.get(&format!("/products/{number}")).unwrap();
                    assert_eq!((answer.status, answer.origin()), (200, "legacy"), "{name}");
                }
                assert_eq!(client.closed, 0, "{name}: clients keep their connections");
            });
        }
    });
    let found = wait_accounts(&proxy, requests);
    assert!(!found.contains_key("match"), "{name}: {found:?}");
    let grown = peak_kib(&proxy).saturating_sub(before);
    assert!(grown < 100 * 1024, "{name}: grew by {grown} KiB");
}

#[test]
fn a_slow_or_dead_mirror_does_not_slow_production() {
    // It never answers: were a client to wait for it, the test would not end.
    let slow = misbehaving(|stream| while after_request(&stream) {});
    check_worst("slow", &format!("http://{slow}"), 2_000);
    let dead = crate::support::nobody();
    check_worst("dead", &format!("http://{dead}"), 2_000);
}

#[test]
fn a_resetting_or_garbled_mirror_changes_nothing() {
    let resetting = misbehaving(|stream| {
        after_request(&stream);
        drop(socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)));
    });
    check_worst("resetting", &format!("http://{resetting}"), 2_000);
    let garbled = misbehaving(|mut stream| {
        after_request(&stream);
        drop(stream.write_all(b"\x00\x01 this is no HTTP\r\n\r\n"));
    });
    check_worst("garbled", &format!("http://{garbled}"), 2_000);
}

#[test]
fn mirroring_never_runs_out_of_memory() {
    let endless = misbehaving(|mut stream| {
        after_request(&stream);
        let head = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while head.is_ok() && stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
    });
    check_worst("endless", &format!("http://{endless}"), 400);
    let huge = misbehaving(|mut stream| {
        while after_request(&stream) {
            let length = 256 << 20;
            if write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").is_err() {
                return;
            }
            for _ in 0..length / (64 * 1024) {
                if stream.write_all(&[b'x'; 64 * 1024]).is_err() {
                    return;
                }
            }
        }
    });
    check_worst("huge", &format!("http://{huge}"), 400);
}

#[test]
fn large_bodies_are_counted_with_a_reason_when_they_are_not_mirrored() {
    let (legacy, extracted) = (Origin::start("legacy"), Origin::start("extracted"));
    let house = house(&legacy.url(), &extracted.url(), "body_max = \"1KiB\"");
    let proxy = house.serve();
    let mut client = Client::new(proxy.public);
    for (length, total) in [(1023, 1), (1024, 2), (1025, 3), (100_000, 4)] {
        let answer = client.post("/products/search", &vec![b'x'; length]).unwrap();
        assert_eq!((answer.status, answer.origin()), (200, "legacy"), "{length}");
        wait_accounts(&proxy, total);
    }
    assert_eq!(accounts(&proxy)["body-too-large"], 2);
    let lengths: Vec<usize> = extracted.seen().iter().map(|seen| seen.body.len()).collect();
    assert_eq!(lengths, [1023, 1024]);
}

#[test]
fn the_public_host_is_kept_and_clients_cannot_pose_as_copies() {
    let (legacy, extracted) = (Origin::start("legacy"), Origin::start("extracted"));
    let house = house(&legacy.url(), &extracted.url(), "");
    let proxy = house.serve();
    let headers = [("X-Shadow-Request", "mine"), ("X-Shadow-Mode", "rollback"), ("X-Mixed-Case", "1")];
    Client::new(proxy.public).send("GET", "/products/1?a=%20b", &headers, b"").unwrap();
    wait_accounts(&proxy, 1);
    let (primary, copy) = (&legacy.seen()[0], &extracted.seen()[0]);
    assert_eq!((primary.header("x-shadow-request"), primary.header("x-shadow-mode")), (None, None));
    assert_eq!(copy.header("x-shadow-mode"), None);
    assert_eq!(copy.header("x-shadow-request").map(str::len), Some(16));
    // But for its mark, the copy is the request: same line, same header lines, same order, same spelling.
    let unmarked: Vec<_> = copy.headers.iter().filter(|(name, _)| name != "x-shadow-request").collect();
    assert_eq!((&copy.method, &copy.target), (&primary.method, &primary.target));
    assert_eq!(unmarked, primary.headers.iter().collect::<Vec<_>>());
}

#[test]
fn of_ten_thousand_mixed_requests_no_unsafe_one_is_copied_and_legacy_gets_each_once() {
    const CLIENTS: u64 = 4;
    const REQUESTS: u64 = 2_500;
    let (legacy, extracted) = (Origin::start("legacy"), Origin::start("extracted"));
    let house = house(&legacy.url(), &extracted.url(), "");
    let proxy = house.serve();
    let kinds: [(&str, &str, bool); 9] = [
        ("GET", "/products/1", true),
        ("HEAD", "/products/1", true),
        ("OPTIONS", "/products/1", true),
        ("POST", "/products/search", true),
        ("POST", "/products", false),
        ("PUT", "/products/1", false),
        ("DELETE", "/products/1", false),
        ("GET", "/products/logout", false),
        ("GET", "/elsewhere", false),
    ];
    let copied = Mutex::new(0);
    thread::scope(|scope| {
        for name in 0..CLIENTS {
            let (copied, proxy) = (&copied, &proxy);
            scope.spawn(move || {
                let mut chance = fastrand::Rng::with_seed(name);
                let mut client = Client::new(proxy.public);
                for number in 0..REQUESTS {
                    let (method, target, is_copied) = kinds[chance.usize(..kinds.len())];
                    let id = format!("{name}-{number}");
                    let body: &[u8] = if matches!(method, "POST" | "PUT") { b"{}" } else { b"" };
                    let answer = client.send(method, target, &[("x-id", &id)], body).unwrap();
                    assert_eq!(answer.status, 200);
                    *copied.lock().unwrap() += u64::from(is_copied);
                }
            });
        }
    });
    let found = wait_accounts(&proxy, *copied.lock().unwrap());
    let mut ids: Vec<String> =
        legacy.seen().iter().map(|seen| seen.header("x-id").unwrap().to_owned()).collect();
    assert_eq!(ids.len() as u64, CLIENTS * REQUESTS, "legacy gets what clients sent, nothing more");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len() as u64, CLIENTS * REQUESTS, "each once");
    assert!(legacy.seen().iter().all(|seen| seen.header("x-shadow-request").is_none()));
    let shed = found.get("shed").copied().unwrap_or_default();
    let seen = extracted.seen();
    assert_eq!(seen.len() as u64 + shed, *copied.lock().unwrap(), "{found:?}");
    for seen in &seen {
        let asked = (seen.method.as_str(), seen.target.as_str());
        assert!(
            kinds.iter().any(|(method, target, copied)| *copied && asked == (*method, *target)),
            "{asked:?}"
        );
    }
}

#[test]
fn a_dry_run_stops_at_the_first_reply_that_does_not_say_so_and_status_shows_it() {
    let (legacy, extracted) = (Origin::start("legacy"), Origin::start("extracted"));
    let house = house(&legacy.url(), &extracted.url(), "writes = \"dry-run\"");
    let proxy = house.serve();
    let barrier = Arc::new(std::sync::Barrier::new(8));
    thread::scope(|scope| {
        for _ in 0..8 {
            let (barrier, proxy) = (Arc::clone(&barrier), &proxy);
            scope.spawn(move || {
                let mut client = Client::new(proxy.public);
                barrier.wait();
                for _ in 0..50 {
                    assert_eq!(client.post("/products/1", b"{}").unwrap().origin(), "legacy");
                }
            });
        }
    });
    wait_accounts(&proxy, 400);
    let seen = extracted.seen();
    assert_eq!(seen.len(), 1, "a service that knows nothing of dry runs gets one");
    assert_eq!(seen[0].header("x-shadow-mode"), Some("rollback"));
    let stopped = wait_for("the stop to show", || {
        let stopped = proxy.status()["copying_stopped"].clone();
        stopped.as_array().is_some_and(|stopped| !stopped.is_empty()).then_some(stopped)
    });
    assert_eq!((&stopped[0]["slice"], &stopped[0]["route"]), (&"products".into(), &"/products/**".into()));
    let shown = String::from_utf8(proxy.ask(&["status"]).stdout).unwrap();
    assert!(shown.contains("copying stopped since") && shown.contains("X-Shadow-Mode: rollback"), "{shown}");
}

#[test]
fn a_copy_and_its_request_are_linked_in_the_access_log() {
    let (legacy, extracted) = (Origin::start("legacy"), Origin::start("extracted"));
    let house = house(&legacy.url(), &extracted.url(), "");
    house.edit("access_log = \"off\"", "access_log = \"access.log\"");
    let proxy = house.serve();
    Client::new(proxy.public).get("/products/1?token=secret").unwrap();
    wait_accounts(&proxy, 1);
    let path = house.folder().join("access.log");
    let lines: Vec<serde_json::Value> = wait_for("two lines", || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<_> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (lines.len() == 2).then_some(lines)
    });
    let of = |role: &str| lines.iter().find(|line| line["role"] == role).unwrap();
    assert_eq!(of("primary")["shadow_id"], of("shadow")["shadow_id"]);
    assert_eq!(of("primary")["request_id"], of("shadow")["request_id"]);
    assert_eq!((&of("primary")["owner"], &of("shadow")["owner"]), (&"legacy".into(), &"extracted".into()));
    let copy = &extracted.seen()[0];
    assert_eq!(of("shadow")["shadow_id"], copy.header("x-shadow-request").unwrap());
    assert!(!std::fs::read_to_string(&path).unwrap().contains("secret"));
}
