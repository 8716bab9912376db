//! A service that is scaled out and in behind its name, under load.

use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use strangler::upstream::names::NAME_SERVERS;

use crate::support::client::Client;
use crate::support::dns::{Mood, NameServer, loopback};
use crate::support::origin::Origin;
use crate::support::proxy::{House, Proxy, SERVER};
use crate::support::wait_for;

/// The name the service goes by.
const NAME: &str = "products.internal";

/// Instances on addresses of their own and one port, as a headless service has them.
fn instances(count: u8) -> (Vec<Origin>, Vec<IpAddr>, u16) {
    let addresses: Vec<IpAddr> = (2..2 + count).map(loopback).collect();
    wait_for("a port that is free on every address", || {
        let first = TcpListener::bind((addresses[0], 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let rest: Result<Vec<_>, _> =
            addresses[1..].iter().map(|ip| TcpListener::bind((*ip, port))).collect();
        let listeners = std::iter::once(first).chain(rest.ok()?);
        let origins = listeners.enumerate().map(|(at, socket)| Origin::listen(&format!("i{at}"), socket));
        Some((origins.collect(), addresses.clone(), port))
    })
}

fn house(port: u16, keys: &str) -> House {
    House::new(&format!(
        "version = 1\nlegacy = \"products\"\n{SERVER}[upstreams.products]\n\
         endpoints = [\"http://{NAME}:{port}\"]\n{keys}\n"
    ))
}

fn serve(house: &House, server: &NameServer) -> Proxy {
    house.serve_in(&[(NAME_SERVERS, server.address.to_string())])
}

fn asked(origins: &[Origin]) -> Vec<u64> {
    origins.iter().map(Origin::asked).collect()
}

#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
}

fn load(proxy: &Proxy, load: &Arc<Load>) -> Vec<thread::JoinHandle<()>> {
    let client = |number: u32| {
        let (address, load) = (proxy.public, Arc::clone(load));
        thread::spawn(move || {
            let mut client = Client::new(address);
            while !load.stop.load(Ordering::Relaxed) {
                let answer = if number.is_multiple_of(2) { client.get("/") } else { client.post("/", b"x") };
                let counter = if answer.is_ok_and(|answer| answer.status == 200) {
                    &load.answered
                } else {
                    &load.failed
                };
                counter.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    (0..4).map(client).collect()
}

#[test]
fn one_to_ten_instances_and_back_each_get_their_share_and_nothing_fails() {
    let (origins, addresses, port) = instances(10);
    origins.iter().for_each(Origin::stop_remembering);
    let server = NameServer::start();
    server.set(NAME, &addresses[..1], 1);
    let house = house(port, "");
    let proxy = serve(&house, &server);
    let running = Arc::new(Load::default());
    let clients = load(&proxy, &running);
    wait_for("the first instance to be asked", || (origins[0].asked() > 100).then_some(()));
    assert!(asked(&origins[1..]).iter().all(|count| *count == 0));

    server.set(NAME, &addresses, 1);
    wait_for("every instance to be asked", || asked(&origins).iter().all(|count| *count > 0).then_some(()));
    let before = asked(&origins);
    wait_for("enough requests", || {
        let total: u64 = asked(&origins).iter().sum::<u64>() - before.iter().sum::<u64>();
        (total > 5000).then_some(())
    });
    let counts: Vec<f64> =
        asked(&origins).iter().zip(&before).map(|(now, before)| (now - before) as f64).collect();
    let total: f64 = counts.iter().sum();
    for count in &counts {
        // Six standard deviations of drawing at random, which two choices only narrow.
        let expected = total / 10.0;
        let bound = 6.0 * (total * 0.1 * 0.9).sqrt();
        assert!((count - expected).abs() < bound, "{counts:?}: more than {bound} from {expected}");
    }

    server.set(NAME, &addresses[9..], 1);
    let status = || proxy.status()["upstreams"][0]["endpoints"].clone();
    wait_for("one endpoint to be left", || (status().as_array().unwrap().len() == 1).then_some(()));
    assert_eq!(status()[0]["address"], format!("{}:{port}", addresses[9]));
    let then = running.answered.load(Ordering::Relaxed);
    wait_for("requests under way to end", || {
        (running.answered.load(Ordering::Relaxed) > then + 100).then_some(())
    });
    let before = asked(&origins[..9]);
    let last = origins[9].asked();
    wait_for("the last instance to be asked", || (origins[9].asked() > last + 500).then_some(()));
    assert_eq!(asked(&origins[..9]), before, "who is gone is not asked");

    running.stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(running.failed.load(Ordering::Relaxed), 0);
    assert_eq!(proxy.generation(), 1, "without a reload");
}

#[test]
fn a_name_that_cannot_be_resolved_any_more_goes_on_serving() {
    let (origins, addresses, port) = instances(2);
    let server = NameServer::start();
    server.set(NAME, &addresses, 0);
    let house = house(port, "");
    let proxy = serve(&house, &server);
    let mut client = Client::new(proxy.public);
    assert_eq!(client.get("/").unwrap().status, 200);
    for mood in [Mood::Failing, Mood::Answering] {
        server.mood(mood);
        server.set(NAME, &[], 0);
        let before = server.asked(NAME);
        wait_for("two more questions", || (server.asked(NAME) > before + 1).then_some(()));
        for _ in 0..20 {
            assert_eq!(client.get("/").unwrap().status, 200, "{mood:?}");
        }
    }
    proxy.wait_log("what is known goes on serving");
    server.set(NAME, &addresses[1..], 0);
    wait_for("the other instance alone", || {
        let before = origins[0].asked();
        let only = (0..20).all(|_| client.get("/").unwrap().origin() == "i1");
        (only && origins[0].asked() == before).then_some(())
    });
}

#[test]
fn the_first_request_waits_for_a_name_and_a_name_without_address_is_a_502() {
    let (_origins, addresses, port) = instances(1);
    let server = NameServer::start();
    let house = house(port, "timeouts = { connect = \"20s\" }");
    let proxy = serve(&house, &server);
    let unresolved = Client::new(proxy.public).get("/").unwrap();
    assert_eq!(unresolved.status, 502);
    assert_eq!(unresolved.header("proxy-status"), Some("strangler; error=dns_error"));
    assert_eq!(proxy.status()["upstreams"][0]["endpoints"][0]["state"], "unresolved");
    server.set(NAME, &addresses, 1);
    wait_for("an answer", || (Client::new(proxy.public).get("/").unwrap().status == 200).then_some(()));

    server.mood(Mood::Silent);
    proxy.crash();
    let proxy = serve(&house, &server);
    let waiting = thread::spawn(move || Client::new(proxy.public).get("/").map(|answer| answer.status));
    let before = server.asked(NAME);
    wait_for("another question", || (server.asked(NAME) > before).then_some(()));
    server.mood(Mood::Answering);
    assert_eq!(waiting.join().unwrap().unwrap(), 200);
}
