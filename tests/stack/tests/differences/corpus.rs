//! The corpus of the demonstration that is kept in the repository: reads of every slice with the monolith's
//! answers, redacted.
//!
//! `CORPUS=write cargo test -p stack corpus` records it anew from a monolith of its own. Otherwise the tests
//! hold the file to what the shop answers today.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chassis::client::{Answer, Client, Payload};
use http::Method;
use serde_json::{Value, json};
use stack::Role;
use strangler::corpus::{Ending, Exchange, Header, Limits, Line, Reader, Writer};
use strangler_core::redact::{Exchanged, Key, Pseudonyms, RawReply, RawRequest, Redactor};
use strangler_core::snapshot::compare::{BodyPath, Redact, Select, Step};

use crate::differ::{Raw, ask};
use crate::requests::{Request, all as all_requests};
use crate::stack;

/// How often somebody asks who they are: often enough for a replay to notice that nobody is any more.
const SELF: usize = 12;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/demonstration.jsonl.zst")
}

fn slice(service: Role) -> &'static str {
    match service {
        Role::UserService => "users",
        Role::ProductService => "products",
        Role::OrderService => "orders",
        _ => "payments",
    }
}

/// Every read that finds or does not find something, and what Grace asks about herself.
fn recorded(token: &str) -> Vec<Request> {
    let mut seen = BTreeSet::new();
    let mut requests: Vec<_> = all_requests()
        .into_iter()
        .filter(|request| ["GET", "HEAD", "POST"].contains(&request.method()))
        .filter(|request| !request.bytes.contains("Authorization") && seen.insert(request.bytes.clone()))
        .filter(|request| !request.route.ends_with("/me") && !request.route.ends_with("/mine"))
        .collect();
    for number in 0..SELF {
        let path = format!("/users/me?x={number}");
        requests.push(Request::with_token(Role::UserService, "GET /users/me", &path, token));
        let path = format!("/orders/mine?limit={number}");
        requests.push(Request::with_token(Role::OrderService, "GET /orders/mine", &path, token));
    }
    requests
}

fn exchange(number: usize, request: &Request, answer: &Raw, pseudonyms: &Pseudonyms) -> Exchange {
    let (head, body) = request.bytes.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let target = lines.next().unwrap().split(' ').nth(1).unwrap();
    let lines: Vec<_> = lines.map(|line| line.split_once(": ").unwrap()).collect();
    // What `compare.redact = ["$..phone"]` says.
    let phone = BodyPath {
        text: "$..phone".to_owned(),
        steps: vec![Step { descendant: true, select: Select::Name("phone".to_owned()) }],
    };
    let redacted = Redactor::new(pseudonyms, &[Redact::Body(phone)], None).exchange(&Exchanged {
        request: RawRequest {
            method: request.method(),
            target: target.as_bytes(),
            headers: lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect(),
            body: Some(body.as_bytes()),
        },
        legacy: Some(RawReply {
            status: answer.status,
            headers: answer.headers.iter().map(|(name, value)| (&**name, value.as_bytes())).collect(),
            body: Some(&answer.body),
            ..RawReply::default()
        }),
        extracted: None,
    });
    Exchange {
        id: format!("demonstration-{number}"),
        at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        slice: slice(request.service).to_owned(),
        route: request.route.to_owned(),
        owner: "legacy".to_owned(),
        request: redacted.request,
        legacy: redacted.legacy,
        ..Exchange::default()
    }
}

async fn token(client: &mut Client) -> String {
    let credentials = json!({"email": "grace@example.com", "password": legacy_monolith::seed::DEMO_PASSWORD});
    let made = client.post("/tokens", &credentials).await.unwrap().json();
    format!("Bearer {}", made["token"].as_str().unwrap())
}

async fn write(path: &Path) {
    let stack = stack(false);
    let monolith = stack.address(Role::LegacyMonolith).unwrap();
    let token = token(&mut Client::new(monolith)).await;
    let mut random = fastrand::Rng::new();
    let key = Key::new(std::array::from_fn(|_| random.u8(..)));
    let mut writer = Writer::create(path, Header::now(key.id(), None)).unwrap();
    let pseudonyms = Pseudonyms::Keyed(key);
    for (number, request) in recorded(&token).iter().enumerate() {
        let exchange = exchange(number, request, &ask(monolith, request), &pseudonyms);
        writer.line(&Line::Exchange(Box::new(exchange))).unwrap();
    }
    writer.end(0).unwrap();
    stack.stop_all().unwrap();
}

fn read() -> Vec<Exchange> {
    let mut reader = Reader::open(&file(), Limits::default()).unwrap();
    let mut exchanges = Vec::new();
    while let Some(exchange) = reader.next_exchange().unwrap() {
        exchanges.push(exchange);
    }
    assert!(matches!(reader.ending(), Some(Ending::Whole(_))), "{:?}", reader.ending());
    exchanges
}

/// Sends what was recorded, with `token` instead of the recorded one.
async fn replayed(client: &mut Client, exchange: &Exchange, token: Option<&str>) -> Answer {
    let headers: Vec<(&str, &str)> = exchange
        .request
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .map(|(name, value)| match token {
            Some(token) if name.eq_ignore_ascii_case("authorization") => (name, token),
            _ => (name, value),
        })
        .filter(|(name, _)| {
            !["connection", "content-type", "content-length"].contains(&&*name.to_ascii_lowercase())
        })
        .collect();
    let method: Method = exchange.request.method.parse().unwrap();
    let body = serde_json::from_str(exchange.request.body.text());
    let payload = body.as_ref().map_or(Payload::Nothing, Payload::Json);
    client.send(method, &exchange.request.target, &headers, payload).await.unwrap()
}

#[tokio::test]
async fn the_corpus_reads_every_route_and_holds_today() {
    if std::env::var_os("CORPUS").is_some_and(|wish| wish == "write") {
        write(&file()).await;
    }
    let exchanges = read();
    let routes: BTreeSet<_> = exchanges.iter().map(|exchange| &*exchange.route).collect();
    let expected: BTreeSet<_> = all_requests().iter().map(|request| request.route).collect();
    assert_eq!(routes, expected);
    let stack = stack(false);
    let mut client = Client::new(stack.address(Role::LegacyMonolith).unwrap());
    let token = token(&mut client).await;
    for exchange in &exchanges {
        let answer = replayed(&mut client, exchange, Some(&token)).await;
        let legacy = exchange.legacy.as_ref().unwrap();
        let wanted = (legacy.status, &exchange.request.method, &exchange.request.target);
        // What is no JSON, or does not say that it is, cannot be sent again by this client.
        let says = |wanted: &str| exchange.request.headers.iter().any(|(_, value)| value == wanted);
        let is_json = serde_json::from_str::<Value>(exchange.request.body.text()).is_ok();
        if exchange.request.method != "POST" || is_json && says("application/json") {
            assert_eq!(answer.status.as_u16(), legacy.status, "{wanted:?}");
        }
    }
    stack.stop_all().unwrap();
}

#[tokio::test]
async fn the_recorded_tokens_are_401_on_both_sides() {
    let exchanges = read();
    let stack = stack(false);
    for (slice, service) in [("users", Role::UserService), ("orders", Role::OrderService)] {
        let own: Vec<_> = exchanges.iter().filter(|exchange| exchange.slice == slice).collect();
        let with_token: Vec<_> = own.iter().filter(|exchange| exchange.identity().is_some()).collect();
        assert_eq!(with_token.len(), SELF);
        assert!(with_token.len() * 20 > own.len(), "more than 5 % of {}", own.len());
        for side in [Role::LegacyMonolith, service] {
            let mut client = Client::new(stack.address(side).unwrap());
            for exchange in &with_token {
                assert_eq!(exchange.legacy.as_ref().unwrap().status, 200);
                assert_eq!(replayed(&mut client, exchange, None).await.status, 401, "{exchange:?}");
            }
        }
    }
    stack.stop_all().unwrap();
}

#[test]
fn nothing_in_the_corpus_is_anybodys() {
    for exchange in read() {
        let kept = serde_json::to_string(&exchange).unwrap();
        for secret in ["@example.com", "Bearer v1", "+44 20", "+43 1", legacy_monolith::seed::DEMO_PASSWORD] {
            assert!(!kept.contains(secret), "{secret} in {kept}");
        }
    }
}
