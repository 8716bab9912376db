//! What really reaches both sides of the demonstration, counted on the wire: reads are copied and nothing else is, the
//! monolith gets each request once, and a dry run leaves nothing and ends with the first reply that does not say so.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../secrets/wire.rs"]
#[allow(dead_code, reason = "the tests of secrets look at more of it")]
mod wire;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use chassis::client::Client;
use http::StatusCode;
use serde_json::{Value, json};
use stack::rules::in_shadow;
use stack::{Executable, Role, Stack, StackOptions};

use wire::{Heard, listen_in};

const PATIENCE: Duration = Duration::from_secs(60);

const SERVICES: [(Role, &str); 4] = [
    (Role::UserService, "USER_SERVICE"),
    (Role::ProductService, "PRODUCT_SERVICE"),
    (Role::OrderService, "ORDER_SERVICE"),
    (Role::PaymentService, "PAYMENT_SERVICE"),
];

/// The demonstration with every slice in shadow and a listener before each service and the monolith.
struct Overheard {
    stack: Stack,
    monolith: Heard,
    services: Vec<Heard>,
}

impl Overheard {
    /// `rules`: what is made of the configuration with every slice in shadow.
    async fn start(rules: impl Fn(String) -> String) -> Overheard {
        let executable = Executable::with_word(env!("CARGO_BIN_EXE_demo"), "node");
        let stack = Stack::start(StackOptions::new(executable).without_differences()).unwrap();
        let mut text = rules(in_shadow(&["users", "products", "orders", "payments"]).unwrap());
        let mut overhear = |role: Role, name: &str, port: u16| {
            let (address, heard) = listen_in(stack.address(role).unwrap());
            let place = format!("${{{name}:-http://127.0.0.1:{port}}}");
            assert!(text.contains(&place), "{text}");
            text = text.replace(&place, &format!("http://{address}"));
            heard
        };
        let monolith = overhear(Role::LegacyMonolith, "MONOLITH", 8000);
        let services =
            (8001..).zip(SERVICES).map(|(port, (role, name))| overhear(role, name, port)).collect();
        std::fs::write(stack.config(), text).unwrap();
        let mut admin = Client::new(stack.admin().unwrap());
        let reloaded = admin.post("/api/reload", &json!({})).await.unwrap();
        assert_eq!(reloaded.status, StatusCode::OK, "{}", reloaded.text());
        Overheard { stack, monolith, services }
    }

    fn proxy(&self) -> SocketAddr {
        self.stack.address(Role::Strangler).unwrap()
    }

    /// Waits until so many requests are in an account, and says how many were not sent for want of room.
    async fn shed(&self, wanted: u64) -> u64 {
        let mut admin = Client::new(self.stack.admin().unwrap());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let metrics = admin.get("/metrics").await.unwrap().text();
            let lines = metrics.lines().filter(|line| line.starts_with("strangler_shadow_total{"));
            let counts: Vec<(bool, u64)> = lines
                .map(|line| (line.contains("\"shed\""), line.rsplit(' ').next().unwrap().parse().unwrap()))
                .collect();
            let all: u64 = counts.iter().map(|(_, count)| count).sum();
            if all == wanted {
                return counts.iter().filter(|(is_shed, _)| *is_shed).map(|(_, count)| count).sum();
            }
            assert!(all < wanted && Instant::now() < deadline, "{all} of {wanted}:\n{metrics}");
        }
    }
}

/// One request as it was heard.
#[derive(Debug)]
struct Asked {
    /// Method and target.
    line: String,
    id: String,
    is_copy: bool,
    is_rehearsal: bool,
}

/// Every request that one side got. Bodies are `{}` or an order, without line ends.
fn asked(heard: &Heard) -> Vec<Asked> {
    let mut requests: Vec<Asked> = Vec::new();
    for said in heard.bytes() {
        let text = String::from_utf8_lossy(&said).into_owned();
        if text.starts_with("HTTP/1.1 ") {
            continue;
        }
        for line in text.split("\r\n") {
            if let Some(line) = line.strip_suffix(" HTTP/1.1") {
                let line = line.rsplit_once('}').map_or(line, |(_body, line)| line).to_owned();
                let id = String::new();
                requests.push(Asked { line, id, is_copy: false, is_rehearsal: false });
            } else if let (Some((name, value)), Some(last)) = (line.split_once(": "), requests.last_mut()) {
                match name.to_ascii_lowercase().as_str() {
                    "x-id" => last.id = value.to_owned(),
                    "x-shadow-request" => last.is_copy = true,
                    "x-shadow-mode" => last.is_rehearsal = value == "rollback",
                    _ => {}
                }
            }
        }
    }
    requests
}

/// What is asked, and whether it is a read of a slice.
const KINDS: [(&str, bool); 16] = [
    ("GET /products", true),
    ("GET /products/3", true),
    ("HEAD /products/4", true),
    ("OPTIONS /products/4", false),
    ("POST /products/search", true),
    ("GET /users", true),
    ("GET /users/2", true),
    ("GET /orders/3", true),
    ("GET /payments/1", true),
    ("POST /orders", false),
    ("POST /payments", false),
    ("POST /users", false),
    ("PUT /products/1", false),
    ("DELETE /users/1", false),
    ("GET /", false),
    ("GET /unknown", false),
];

/// Sends so many requests on one connection; answers which of them are reads of a slice.
fn send(proxy: SocketAddr, client: u64, count: u64) -> Vec<(String, bool)> {
    let mut chance = fastrand::Rng::with_seed(client);
    let stream = TcpStream::connect(proxy).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    let mut sent = Vec::new();
    for number in 0..count {
        let (line, is_copied) = KINDS[chance.usize(..KINDS.len())];
        let id = format!("{client}-{number}");
        let has_body = line.starts_with('P');
        let length = if has_body { "content-type: application/json\r\ncontent-length: 2\r\n" } else { "" };
        let body = if has_body { "{}" } else { "" };
        let request = format!("{line} HTTP/1.1\r\nhost: shop.example\r\nx-id: {id}\r\n{length}\r\n{body}");
        reader.get_mut().write_all(request.as_bytes()).unwrap();
        read_answer(&mut reader, line.starts_with("HEAD"));
        sent.push((id, is_copied));
    }
    sent
}

fn read_answer(reader: &mut BufReader<TcpStream>, is_head: bool) {
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "the connection was closed");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    reader.read_exact(&mut vec![0; if is_head { 0 } else { length }]).unwrap();
}

#[tokio::test]
async fn of_ten_thousand_mixed_requests_each_service_gets_copies_of_reads_and_the_monolith_each_once() {
    const CLIENTS: u64 = 4;
    const REQUESTS: u64 = 2_500;
    // As the language has it: nobody is asked again.
    let defaults = |text: String| {
        let lines = text.lines().filter(|line| !line.starts_with("repeat ") && !line.starts_with("recheck "));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let overheard = Overheard::start(defaults).await;
    let proxy = overheard.proxy();
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| thread::spawn(move || send(proxy, client, REQUESTS))).collect();
    let sent: Vec<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    let ids: BTreeSet<String> = sent.iter().map(|(id, _)| id.clone()).collect();
    let copied: BTreeSet<String> =
        sent.iter().filter(|(_, is_copied)| *is_copied).map(|(id, _)| id.clone()).collect();
    let shed = overheard.shed(copied.len() as u64).await;

    let monolith = asked(&overheard.monolith);
    assert_eq!(monolith.len() as u64, CLIENTS * REQUESTS, "what clients sent, nothing more");
    assert_eq!(monolith.iter().map(|one| one.id.clone()).collect::<BTreeSet<_>>(), ids, "each once");
    assert!(!monolith.iter().any(|one| one.is_copy));

    let services: Vec<_> = overheard.services.iter().flat_map(asked).collect();
    assert_eq!(services.len() as u64 + shed, copied.len() as u64);
    for one in &services {
        assert!(one.is_copy && !one.is_rehearsal && copied.contains(&one.id), "{one:?}");
        assert!(KINDS.contains(&(one.line.as_str(), true)), "{one:?}");
    }
    assert!(overheard.services.iter().all(|heard| !asked(heard).is_empty()), "each has its share");
    let once: BTreeSet<_> = services.iter().map(|one| one.id.clone()).collect();
    assert_eq!(once.len(), services.len(), "each once");
    println!(
        "{} requests: the monolith got {}, the services {} copies of {} reads; {shed} shed",
        sent.len(),
        monolith.len(),
        services.len(),
        copied.len()
    );
    overheard.stack.stop_all().unwrap();
}

/// How many orders a side has.
async fn orders(of: SocketAddr) -> u64 {
    Client::new(of).get("/orders").await.unwrap().json()["total"].as_u64().unwrap()
}

#[tokio::test]
async fn a_dry_run_leaves_nothing_and_stops_at_the_first_reply_that_does_not_say_so() {
    let dry_run = |text: String| {
        text.replace("[slices.orders.shadow]\n", "[slices.orders.shadow]\nwrites = \"dry-run\"\n")
    };
    let overheard = Overheard::start(dry_run).await;
    let stack = &overheard.stack;
    let service = stack.address(Role::OrderService).unwrap();
    let monolith = stack.address(Role::LegacyMonolith).unwrap();
    let before = (orders(monolith).await, orders(service).await);
    let mut client = Client::new(overheard.proxy());
    let wanted = json!({ "user_id": 1, "lines": [{ "product_id": 5, "quantity": 1 }] });
    let mut place = async |accounted: u64| {
        let placed = client.post("/orders", &wanted).await.unwrap();
        assert_eq!(placed.status, StatusCode::CREATED, "{}", placed.text());
        overheard.shed(accounted).await;
    };
    let rehearsed = || {
        let asked = asked(&overheard.services[2]);
        assert!(asked.iter().all(|one| one.line == "POST /orders" && one.is_copy && one.is_rehearsal));
        asked.len()
    };
    for number in 1..=5 {
        place(number).await;
    }
    assert_eq!(rehearsed(), 5, "each write is rehearsed once");
    assert_eq!((orders(monolith).await, orders(service).await), (before.0 + 5, before.1));

    // From now on replies come from something that knows nothing of rehearsals.
    let broken = Client::new(service).post("/_faults", &json!({ "mode": "error" })).await.unwrap();
    assert_eq!(broken.status, StatusCode::OK);
    for number in 6..=10 {
        place(number).await;
    }
    assert_eq!(rehearsed(), 6, "the first such reply is the last");
    let mended = Client::new(service).post("/_faults", &json!({ "mode": "ok" })).await.unwrap();
    assert_eq!(mended.status, StatusCode::OK);
    for number in 11..=15 {
        place(number).await;
    }
    assert_eq!(rehearsed(), 6, "and it stays so");
    assert_eq!((orders(monolith).await, orders(service).await), (before.0 + 15, before.1));
    let mut admin = Client::new(stack.admin().unwrap());
    let deadline = Instant::now() + PATIENCE;
    let stopped: Vec<Value> = loop {
        let status = admin.get("/api/status").await.unwrap().json();
        match status["copying_stopped"].as_array() {
            Some(stopped) if !stopped.is_empty() => break stopped.clone(),
            _ => assert!(Instant::now() < deadline, "{status:#}"),
        }
    };
    assert_eq!((stopped.len(), &stopped[0]["route"]), (1, &Value::from("POST /orders")), "{stopped:#?}");
    overheard.stack.stop_all().unwrap();
}
