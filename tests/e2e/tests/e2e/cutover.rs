//! A whole cut-over under load, one step at a time, and back: nobody notices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::support::client::Client;
use crate::support::proxy::{House, Proxy, SERVER, printed};
use crate::support::shop::Shop;

/// Clients that the share is counted over.
const CLIENTS: usize = 2_000;

/// Threads that read and write all the time.
const THREADS: usize = 3;

/// What the clients of one thread have seen.
#[derive(Default)]
struct Seen {
    requests: u64,
    writes: u64,
    /// Not 200, or not what the client itself had put into its cart.
    failed: Vec<String>,
    /// By client: who answered its reads, each change once.
    owners: BTreeMap<usize, Vec<String>>,
}

/// Clients that read and write until told to stop; each has a cart of its own.
fn traffic(address: SocketAddr, thread: usize, stop: Arc<AtomicBool>) -> JoinHandle<Seen> {
    thread::spawn(move || {
        let (mut seen, mut client) = (Seen::default(), Client::new(address));
        let mut things = BTreeMap::<usize, u64>::new();
        let mut number = 0_usize;
        while !stop.load(Ordering::Relaxed) {
            let id = 10_000 * (thread + 1) + number % 199;
            let (key, path) = (format!("c{id}"), format!("/cart/{id}"));
            let is_write = number.is_multiple_of(5);
            number += 1;
            let held = things.entry(id).or_default();
            let (method, body): (&str, &[u8]) = if is_write { ("POST", b"x") } else { ("GET", b"") };
            *held += u64::from(is_write);
            seen.requests += 1;
            seen.writes += u64::from(is_write);
            match client.send(method, &path, &[("x-client", &key)], body) {
                Ok(answer) => {
                    let wanted = format!("{{\"things\": {held}}}");
                    if answer.status != 200 || answer.text() != wanted {
                        seen.failed.push(format!("{method} {path}: {} {}", answer.status, answer.text()));
                    }
                    let owners = seen.owners.entry(id).or_default();
                    if !is_write && owners.last().is_none_or(|last| last != answer.origin()) {
                        owners.push(answer.origin().to_owned());
                    }
                }
                Err(error) => seen.failed.push(format!("{method} {path}: {error}")),
            }
        }
        seen
    })
}

/// Clients that the extracted side answers now.
fn moved(address: SocketAddr) -> BTreeSet<usize> {
    let mut client = Client::new(address);
    let is_moved = |id: &usize| {
        let answer = client.send("GET", &format!("/cart/{id}"), &[("x-client", &format!("c{id}"))], b"");
        answer.unwrap().origin() == "extracted"
    };
    (0..CLIENTS).filter(is_moved).collect()
}

/// Whether so many of all clients are what a share lets expect: within four standard deviations.
#[track_caller]
fn assert_share(moved: usize, share: f64) {
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let (moved, all) = (moved as f64, CLIENTS as f64);
    let deviation = (share * (1.0 - share) / all).sqrt();
    assert!((moved / all - share).abs() <= 4.0 * deviation, "{moved} of {all} for {share}");
}

#[track_caller]
fn passes(output: &Output, part: &str) {
    assert_eq!(output.status.code(), Some(0), "{}", printed(output));
    assert!(printed(output).contains(part), "{part} is missing:\n{}", printed(output));
}

fn promote(house: &House, proxy: &Proxy, more: &[&str]) -> Output {
    let admin = format!("http://{}", proxy.admin);
    let arguments = [&["promote", "cart", "--config", "strangler.toml", "--admin", &admin], more].concat();
    house.command(&arguments)
}

#[test]
fn a_cut_over_step_by_step_and_back_is_noticed_by_nobody() {
    let shop = Shop::start();
    let house = House::new(&format!(
        "version = 1\nlegacy = \"{}\"\n{SERVER}\n[slices.cart]     # moved in June\nupstream = \"{}\"\n\
         phase = \"legacy\"   # who answers reads\nsync = \"shared\"    # one store\ncohort_by = \"header:x-client\"\n\
         gate = false\nguardrails = false\nroutes = [\"/cart/{{id}}\"]\n",
        shop.legacy.url(),
        shop.extracted.url()
    ));
    let before = house.read();
    let proxy = house.serve();
    let stop = Arc::new(AtomicBool::new(false));
    let up: Vec<_> = (0..THREADS).map(|thread| traffic(proxy.public, thread, Arc::clone(&stop))).collect();
    let mut last = moved(proxy.public);
    for (place, share) in [
        ("shadow", 0.0),
        ("canary 1%", 0.01),
        ("canary 5%", 0.05),
        ("canary 25%", 0.25),
        ("canary 50%", 0.5),
        ("canary 100%", 1.0),
        ("extracted", 1.0),
    ] {
        passes(&promote(&house, &proxy, &[]), &format!(" → {place}."));
        let now = moved(proxy.public);
        assert_share(now.len(), share);
        assert!(now.is_superset(&last), "nobody is moved back on the way up to {place}");
        last = now;
    }
    stop.store(true, Ordering::Relaxed);
    let (mut requests, mut writes) = (0, 0);
    for thread in up {
        let seen = thread.join().unwrap();
        assert!(seen.failed.is_empty(), "{:?}", seen.failed);
        for (client, owners) in seen.owners {
            assert!(["legacy extracted", "extracted"].contains(&&*owners.join(" ")), "{client}: {owners:?}");
        }
        requests += seen.requests;
        writes += seen.writes;
    }
    assert!(requests > 1_000, "{requests}");
    back(&house, &proxy, &before, &mut writes);
    // Whatever the phase was: every write went to the writer, once.
    assert_eq!((shop.legacy.writes(), shop.extracted.writes()), (writes, 0));
    assert!(shop.legacy.reads() > 0 && shop.extracted.reads() > 0);
    let history = String::from_utf8(proxy.ask(&["history", "--json"]).stdout).unwrap();
    for told in ["canary 50% → canary 100%", "retreated", "resumed", "drill", "it was a rehearsal"] {
        assert!(history.contains(told), "{told} is missing: {history}");
    }
}

/// The way back under the same load: by a retreat, which is lifted, and by an edit.
fn back(house: &House, proxy: &Proxy, before: &str, writes: &mut u64) {
    let stop = Arc::new(AtomicBool::new(false));
    let down: Vec<_> =
        (THREADS..2 * THREADS).map(|thread| traffic(proxy.public, thread, Arc::clone(&stop))).collect();
    passes(&proxy.ask(&["retreat", "cart", "--to", "shadow", "--reason", "drill"]), "");
    assert!(moved(proxy.public).is_empty(), "a retreat is in force when its command ends");
    // Above the latch an edit is made, and says that it has no effect.
    let held = promote(house, proxy, &["--to", "canary", "--share", "50%"]);
    passes(&held, "no effect until `strangler resume cart`");
    assert!(moved(proxy.public).is_empty());
    passes(&proxy.ask(&["resume", "cart"]), "");
    assert_share(moved(proxy.public).len(), 0.5);
    passes(
        &promote(house, proxy, &["--to", "legacy", "--reason", "it was a rehearsal"]),
        "canary 50% → legacy.",
    );
    assert!(moved(proxy.public).is_empty());
    stop.store(true, Ordering::Relaxed);
    for thread in down {
        let seen = thread.join().unwrap();
        assert!(seen.failed.is_empty(), "{:?}", seen.failed);
        *writes += seen.writes;
    }
    // What a person wrote is all there; one line more keeps the share.
    let after: Vec<String> = house.read().lines().map(str::to_owned).collect();
    let kept: Vec<&str> =
        after.iter().map(String::as_str).filter(|line| *line != "canary = \"50%\"").collect();
    assert_eq!(kept.join("\n"), before.trim_end());
}
