//! The end of a process: requests in flight finish, and nobody has to guess.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

use crate::reload::Site;
use crate::replay::side::{Side, product};
use crate::support::client::{get, read_head};
use crate::support::proxy::{House, Proxy, SERVER};
use crate::support::wait_for;

fn serve(site: &Site, keys: &str) -> (House, Proxy) {
    let text = site.configuration("legacy").replace("[server]\n", &format!("[server]\n{keys}\n"));
    let house = House::new(&text);
    let proxy = house.serve();
    (house, proxy)
}

/// Opens a stream of events through the proxy, which ends only when somebody ends it.
fn open_stream(site: &Site, proxy: &Proxy) -> BufReader<TcpStream> {
    let before = site.legacy.listeners();
    let mut stream = TcpStream::connect(proxy.public).unwrap();
    stream.write_all(b"GET /sse HTTP/1.1\r\nhost: shop.example\r\n\r\n").unwrap();
    let mut reader = BufReader::new(stream);
    let (line, _) = read_head(&mut reader).unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK");
    wait_for("the stream", || (site.legacy.listeners() > before).then_some(()));
    reader
}

#[test]
fn an_idle_process_ends_at_once_with_zero() {
    let site = Site::new();
    for signal in ["TERM", "INT"] {
        let (_house, mut proxy) = serve(&site, "");
        get(proxy.public, "/");
        proxy.signal(signal);
        let (status, log) = proxy.wait_end();
        assert_eq!(status.code(), Some(0), "{log}");
    }
}

#[test]
fn readiness_goes_first_and_traffic_is_served_during_the_delay() {
    let site = Site::new();
    let (_house, mut proxy) = serve(&site, "drain_delay = \"2s\"");
    proxy.signal("TERM");
    wait_for("503 of /readyz", || (proxy.admin_get("/readyz").status == 503).then_some(()));
    assert_eq!(proxy.admin_get("/healthz").status, 200);
    assert_eq!(get(proxy.public, "/").origin(), "legacy");
    assert!(proxy.status()["sentence"].as_str().unwrap().contains("Shutting down"));
    let (status, log) = proxy.wait_end();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn a_request_in_flight_finishes() {
    let site = Site::new();
    let (_house, mut proxy) = serve(&site, "");
    let mut stream = open_stream(&site, &proxy);
    proxy.signal("TERM");
    proxy.wait_log("shutting down");
    wait_for("closed listeners", || TcpStream::connect(proxy.public).is_err().then_some(()));
    site.legacy.tell("still here");
    let mut piece = [0; 64];
    let read = stream.read(&mut piece).unwrap();
    assert!(String::from_utf8_lossy(&piece[..read]).contains("data: still here"));
    assert!(!proxy.has_ended());
    drop(stream);
    // The origin's side ends when the proxy notices that nobody listens.
    let (status, log) = proxy.wait_end();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn what_does_not_finish_within_the_grace_is_cut() {
    let site = Site::new();
    let (_house, mut proxy) = serve(&site, "shutdown_grace = \"200ms\"");
    let mut stream = open_stream(&site, &proxy);
    proxy.signal("TERM");
    let (status, log) = proxy.wait_end();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("connections_cut=1"), "{log}");
    let mut rest = Vec::new();
    // Cut, or ended without its last chunk: never a clean end.
    drop(stream.read_to_end(&mut rest));
    assert!(!String::from_utf8_lossy(&rest).ends_with("0\r\n\r\n"));
}

#[test]
fn a_second_signal_ends_at_once() {
    let site = Site::new();
    let (_house, mut proxy) = serve(&site, "");
    let _stream = open_stream(&site, &proxy);
    proxy.signal("TERM");
    proxy.wait_log("shutting down");
    assert!(!proxy.has_ended());
    proxy.signal("TERM");
    let (status, log) = proxy.wait_end();
    assert_ne!(status.code(), Some(0), "{log}");
    assert!(log.contains("second signal"), "{log}");
}

#[test]
fn the_data_directory_is_free_for_the_next_process_while_this_one_drains() {
    let site = Site::new();
    let (house, mut proxy) = serve(&site, "");
    let stream = open_stream(&site, &proxy);
    proxy.signal("TERM");
    proxy.wait_log("shutting down");
    let next = house.serve();
    assert_eq!(get(next.public, "/").origin(), "legacy");
    drop(stream);
    assert_eq!(proxy.wait_end().0.code(), Some(0));
}

#[test]
fn what_a_copy_under_way_finds_while_the_process_ends_is_kept() {
    let legacy = Side::good();
    // It answers when the proxy has been told to end.
    let (go, wait) = sync_channel::<()>(0);
    let (wait, asked) = (Mutex::new(wait), Arc::new(AtomicBool::new(false)));
    let seen = Arc::clone(&asked);
    let extracted = Side::start(move |request, _| {
        seen.store(true, Ordering::Relaxed);
        assert!(wait.lock().unwrap().recv().is_err());
        (200, product(&request.target, "19.91"))
    });
    let house = House::new(&format!(
        "version = 1\nlegacy = {:?}\n{SERVER}\n[slices.products]\nupstream = {:?}\nphase = \"shadow\"\n\
         sync = \"stateless\"\nroutes = [\"/products/**\"]\n",
        legacy.url(),
        extracted.url()
    ));
    let mut proxy = house.serve();
    get(proxy.public, "/products/1");
    wait_for("the copy", || asked.load(Ordering::Relaxed).then_some(()));
    proxy.signal("TERM");
    proxy.wait_log("shutting down");
    drop(go);
    assert_eq!(proxy.wait_end().0.code(), Some(0));
    let next = house.serve();
    let report = next.admin_get("/api/report").json();
    assert_eq!(report["slices"][0]["accounts"]["mismatch"], 1, "{report}");
}

#[test]
fn the_access_log_is_reopened_when_it_was_moved_away() {
    let site = Site::new();
    let text = site.configuration("legacy").replace("access_log = \"off\"", "access_log = \"access.log\"");
    let house = House::new(&text);
    let proxy = house.serve();
    let (log, moved) = (house.folder().join("access.log"), house.folder().join("access.log.1"));
    let lines = |path: &std::path::Path| fs::read_to_string(path).unwrap_or_default().lines().count();
    get(proxy.public, "/one");
    wait_for("the first line", || (lines(&log) == 1).then_some(()));
    fs::rename(&log, &moved).unwrap();
    proxy.signal("USR1");
    wait_for("a new file with the second line", || {
        if !log.exists() {
            get(proxy.public, "/two");
        }
        (lines(&log) >= 1).then_some(())
    });
    assert!(fs::read_to_string(&moved).unwrap().contains("/one"));
    // The end writes what is left.
    for _ in 0..10 {
        get(proxy.public, "/three");
    }
    let mut proxy = proxy;
    proxy.signal("TERM");
    proxy.wait_end();
    assert_eq!(fs::read_to_string(&log).unwrap().matches("/three").count(), 10);
}
