//! Edits under load: nothing fails, nothing is closed, what was open stays open.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::{Message, WebSocket, client as websocket};

use crate::reload::Site;
use crate::support::client::Client;
use crate::support::proxy::{House, Proxy};
use crate::support::wait_for;

/// Edits while clients send.
const EDITS: u32 = 20;

/// Clients that send all the time; every third one writes.
const CLIENTS: u32 = 6;

#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
    closed: AtomicU64,
}

fn send_all_the_time(proxy: &Proxy, tally: &Arc<Tally>) -> Vec<thread::JoinHandle<()>> {
    let client = |number: u32| {
        let (address, tally) = (proxy.public, Arc::clone(tally));
        thread::spawn(move || {
            let mut client = Client::new(address);
            while !tally.stop.load(Ordering::Relaxed) {
                let answer = match number % 3 {
                    0 => client.post("/products/1", b"price=1"),
                    _ => client.get("/products/1"),
                };
                match answer {
                    Ok(answer) if answer.status == 200 => tally.answered.fetch_add(1, Ordering::Relaxed),
                    failed => {
                        eprintln!("failed: {failed:?}");
                        tally.failed.fetch_add(1, Ordering::Relaxed)
                    }
                };
            }
            tally.closed.fetch_add(u64::from(client.closed), Ordering::Relaxed);
        })
    };
    (0..CLIENTS).map(client).collect()
}

fn open_websocket(proxy: &Proxy) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(proxy.public).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    websocket(format!("ws://{}/socket", proxy.public), stream).unwrap().0
}

#[track_caller]
fn echo(socket: &mut WebSocket<TcpStream>, text: &str) {
    socket.send(Message::text(text)).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text(format!("legacy: {text}")));
}

/// Saves an edit and asks until somebody else answers; how long that took.
fn effect_of(house: &House, probe: &mut Client, from: &str, to: &str, owner: &str) -> Duration {
    let text = house.read().replace(from, to);
    let begun = Instant::now();
    house.write(&text);
    wait_for(&format!("{owner} to answer"), || {
        let reads = probe.get("/products/1").unwrap().origin() == owner;
        let writes = probe.post("/products/1", b"x").unwrap().origin() == owner;
        (reads && writes).then_some(())
    });
    begun.elapsed()
}

#[test]
fn twenty_edits_under_load_fail_nothing_and_close_nothing() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    site.legacy.stop_remembering();
    site.products.stop_remembering();
    let mut socket = open_websocket(&proxy);
    let mut events = Client::new(proxy.public);
    let mut stream = events.stream("/sse").unwrap();
    wait_for("the stream", || (site.legacy.listeners() == 1).then_some(()));
    let tally = Arc::new(Tally::default());
    let clients = send_all_the_time(&proxy, &tally);
    let mut probe = Client::new(proxy.public);
    let legacy = "phase = \"legacy\"\nwriter = \"legacy\"";
    let extracted = "phase = \"extracted\"\nwriter = \"extracted\"";
    let mut took = Vec::new();
    for edit in 0..EDITS {
        took.push(if edit % 2 == 0 {
            effect_of(&house, &mut probe, legacy, extracted, "products")
        } else {
            effect_of(&house, &mut probe, extracted, legacy, "legacy")
        });
        echo(&mut socket, &format!("edit {edit}"));
        site.legacy.tell(&format!("edit {edit}"));
        let event = stream.next_event().unwrap();
        assert_eq!(event, format!("data: edit {edit}"));
    }
    tally.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    took.sort();
    let (answered, failed) = (tally.answered.load(Ordering::Relaxed), tally.failed.load(Ordering::Relaxed));
    let closed = tally.closed.load(Ordering::Relaxed) + u64::from(probe.closed);
    println!(
        "{EDITS} edits, {answered} requests answered, {failed} failed, {closed} connections closed; in effect \
         after {:?} (median), {:?} (most)",
        took[took.len() / 2],
        took[took.len() - 1]
    );
    assert_eq!((failed, closed), (0, 0), "{}", proxy.log());
    assert_eq!(proxy.generation(), u64::from(EDITS) + 1);
    assert!(answered > u64::from(EDITS), "there was load");
}

#[test]
fn an_edit_of_ten_thousand_routes_takes_effect_too() {
    let site = Site::new();
    let routes: String = (0..10_000).map(|n| format!("  \"GET /catalog/{n}/{{id}}\",\n")).collect();
    let many = |phase: &str| {
        site.configuration(phase).replace("[\"/products/**\"]", &format!("[\"/products/**\",\n{routes}]"))
    };
    let house = House::new(&many("legacy"));
    let proxy = house.serve();
    let mut probe = Client::new(proxy.public);
    for (phase, owner) in [("extracted", "products"), ("legacy", "legacy")] {
        let text = many(phase);
        let begun = Instant::now();
        house.write(&text);
        wait_for(&format!("{owner} to answer"), || {
            (probe.get("/catalog/9999/1").unwrap().origin() == owner).then_some(())
        });
        println!("10,000 routes: in effect after {:?}", begun.elapsed());
    }
    assert_eq!(probe.closed, 0);
}
