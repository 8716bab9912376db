//! The stack as processes: started, compared, killed, restarted; and `cargo demo` itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chassis::client::{Answer, Client, Payload};
use http::Method;
use serde_json::{Value, json};
use stack::rules::{in_shadow, with_phase};
use stack::stack::CONFIGURATION;
use stack::{Executable, Role, Stack, StackOptions};

fn executable() -> Executable {
    Executable::with_word(env!("CARGO_BIN_EXE_demo"), "node")
}

fn services() -> StackOptions {
    let roles = Role::ALL.into_iter().filter(|role| *role != Role::Strangler).collect();
    StackOptions { roles, ..StackOptions::new(executable()) }
}

/// The service that took this path over.
fn owner(path: &str) -> Role {
    match path.split(['/', '?']).nth(1) {
        Some("users") => Role::UserService,
        Some("products") => Role::ProductService,
        Some("orders") => Role::OrderService,
        _ => Role::PaymentService,
    }
}

/// Asks the monolith and the service the same, under the same Host.
async fn both(stack: &Stack, method: Method, path: &str, body: Option<&Value>) -> (Answer, Answer) {
    let mut answers = Vec::new();
    for role in [Role::LegacyMonolith, owner(path)] {
        let payload = body.map_or(Payload::Nothing, Payload::Json);
        let mut client = Client::new(stack.address(role).unwrap());
        let host = [("host", "shop.example")];
        answers.push(client.send(method.clone(), path, &host, payload).await.unwrap());
    }
    let service = answers.pop().unwrap();
    (answers.pop().unwrap(), service)
}

/// Without the clock's share of an answer.
fn timeless(mut body: Value) -> Value {
    for key in ["created_at", "placed_at"] {
        if let Some(time) = body.get_mut(key) {
            *time = Value::Null;
        }
    }
    body
}

#[tokio::test]
async fn without_planted_differences_both_sides_write_alike() {
    let stack = Stack::start(services().without_differences()).unwrap();
    let order = |lines: Value| json!({"user_id": 3, "lines": lines});
    let posts = [
        ("/products/search", json!({"query": "oak", "max_price": 99})),
        ("/products/search", json!({"max_price": "much"})),
        ("/users", json!({"name": "Barbara", "email": "barbara@example.com"})),
        ("/users", json!({"name": "Barbara", "email": "Barbara@example.com"})),
        ("/users", json!({"name": "B", "email": "b"})),
        ("/orders", order(json!([{"product_id": 1, "quantity": 3}, {"product_id": 5, "quantity": 2}]))),
        ("/orders", order(json!([{"product_id": 12, "quantity": 2}]))),
        ("/orders", order(json!([{"product_id": 99, "quantity": 1}]))),
        ("/orders", order(json!([{"product_id": 1, "quantity": 0}]))),
        ("/orders", order(json!([{"product_id": 1, "quantity": 1}, {"product_id": 1, "quantity": 1}]))),
        ("/orders", order(json!([]))),
        ("/payments", json!({"order_id": 5, "amount": 3, "method": "invoice"})),
        ("/payments", json!({"order_id": 5, "method": "card", "card_number": "4000000000000002"})),
        ("/payments", json!({"order_id": 5, "method": "card", "card_number": "12"})),
        (
            "/payments",
            json!({"order_id": 5, "amount": 64.9, "method": "card", "card_number": "424242424242"}),
        ),
        ("/payments", json!({"order_id": 5, "amount": 64.9, "method": "invoice"})),
    ];
    for (path, body) in &posts {
        let (legacy, service) = both(&stack, Method::POST, path, Some(body)).await;
        assert_eq!(legacy.status, service.status, "{path} {body}: {}", service.text());
        assert_eq!(timeless(legacy.json()), timeless(service.json()), "{path} {body}");
        assert_eq!(legacy.header("location"), service.header("location"), "{path} {body}");
    }
    stack.stop_all().unwrap();
}

#[tokio::test]
async fn each_service_differs_as_planted_and_not_otherwise() {
    let stack = Stack::start(services()).unwrap();
    let (legacy, service) = both(&stack, Method::GET, "/users/2", None).await;
    let (mut legacy, service) = (legacy.json(), service.json());
    let fields = legacy.as_object_mut().unwrap();
    assert_eq!(fields.remove("loyalty_tier"), Some(json!("silver")));
    assert_eq!(fields.remove("phone"), Some(Value::Null));
    assert_eq!(legacy, service);

    let (legacy, service) = both(&stack, Method::GET, "/products/1", None).await;
    let (legacy, mut service) = (legacy.json(), service.json());
    assert_eq!((&legacy["price"], &service["price"]), (&json!(19.9), &json!("19.90")));
    service["price"] = json!(19.9);
    assert_eq!(legacy, service);

    let (legacy, service) = both(&stack, Method::GET, "/orders/3", None).await;
    let (legacy, service) = (legacy.json(), service.json());
    assert_eq!((&legacy["total"], &service["total"]), (&json!(65.27), &json!(65.26)));
    let times = (&legacy["placed_at"], &service["placed_at"]);
    assert_eq!(times, (&json!("2025-11-15 12:05:30"), &json!("2025-11-15T11:05:30Z")));
    assert_eq!(legacy["lines"], service["lines"]);
    let (legacy, service) = both(&stack, Method::GET, "/orders/77", None).await;
    assert_eq!((legacy.status.as_u16(), service.status.as_u16()), (404, 200));

    let (legacy, service) = both(&stack, Method::GET, "/payments/1/receipt", None).await;
    assert_eq!(legacy.header("location"), "http://shop.example/payments/1/receipt.txt");
    assert!(service.header("location").starts_with("http://payment-service.internal:8004/"));
}

#[tokio::test]
async fn a_killed_process_comes_back_on_its_port_with_its_data() {
    let options = StackOptions { roles: vec![Role::OrderService], ..services() };
    let mut stack = Stack::start(options).unwrap();
    let address = stack.address(Role::OrderService).unwrap();
    let order = json!({"user_id": 1, "lines": [{"product_id": 1, "quantity": 1}]});
    assert_eq!(Client::new(address).post("/orders", &order).await.unwrap().status, 201);
    let first = stack.pid(Role::OrderService).unwrap();
    stack.kill(Role::OrderService).unwrap();
    assert_eq!(stack.ended(), Some(Role::OrderService));
    assert!(Client::new(address).get("/orders/6").await.is_err());
    stack.restart(Role::OrderService).unwrap();
    assert_ne!(stack.pid(Role::OrderService).unwrap(), first);
    assert_eq!(stack.address(Role::OrderService).unwrap(), address);
    assert_eq!(Client::new(address).get("/orders/6").await.unwrap().json()["id"], 6);
    assert!(stack.stop(Role::OrderService).unwrap(), "a clean stop is exit code 0");
}

#[test]
fn a_process_that_cannot_start_is_named_with_its_last_words() {
    let mut options = StackOptions { roles: vec![Role::UserService], ..services() };
    options.arguments.push((Role::UserService, vec!["--without".into(), "sense".into()]));
    let error = format!("{:#}", Stack::start(options).unwrap_err());
    assert!(error.contains("user-service ended at its start") && error.contains("missing-tier"), "{error}");
}

#[test]
fn a_node_ends_when_its_parent_is_gone() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(["node", "user-service", "--exit-with-parent", "--listen", "127.0.0.1:0"])
        .args(["--database", ":memory:"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; 10];
    stdout.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"listening ");
    // What the operating system does to our end of the pipe when we are killed.
    drop(child.stdin.take());
    // Standard output ends with the process.
    stdout.read_to_end(&mut Vec::new()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn the_proxy_moves_a_slice_when_the_file_is_edited() {
    let stack = Stack::start(StackOptions::new(executable())).unwrap();
    let mut client = Client::new(stack.address(Role::Strangler).unwrap());
    assert_eq!(client.get("/products/1").await.unwrap().json()["price"], 19.9);
    let edited = with_phase(CONFIGURATION, "products", "extracted").unwrap();
    std::fs::write(stack.config(), edited).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while client.get("/products/1").await.unwrap().json()["price"] != "19.90" {
        assert!(Instant::now() < deadline, "the edit never took effect");
    }
    assert!(client.get("/users/1").await.unwrap().json()["loyalty_tier"].is_string(), "the others stay");
    stack.stop_all().unwrap();
}

#[test]
fn what_the_comments_of_the_rules_propose_is_a_valid_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("strangler.toml");
    let all = in_shadow(&["products", "users", "orders", "payments"]).unwrap();
    for (text, warnings) in [(CONFIGURATION, false), (&*all, true)] {
        std::fs::write(&file, text).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_demo"));
        let output = check.args(["node", "strangler", "check"]).arg(&file).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert_eq!(said.contains("warning["), warnings, "{said}");
    }
}

#[test]
fn the_demonstration_says_where_it_is_and_what_to_try_and_stops_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("strangler.toml");
    std::fs::write(&config, CONFIGURATION).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(["--port-base", "0", "--seconds", "2", "--every", "1", "--rate", "50", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let trouble = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}{trouble}");
    assert!(text.contains("Three things to try") && text.contains("products legacy "), "{text}{trouble}");
    assert!(text.contains("copied ") && text.contains("differences so far: products "), "{text}{trouble}");
    assert!(!text.contains("FAILED"), "{text}");
    for line in ["Storefront   http://", "Admin        http://"] {
        let (_, rest) = text.split_once(line).unwrap();
        let address: SocketAddr = rest.lines().next().unwrap().parse().unwrap();
        assert!(TcpStream::connect(address).is_err(), "{address} is still listened on");
    }
}

#[test]
fn a_taken_port_is_named_with_the_way_to_choose_others() {
    // Somebody sits on the third of seven ports.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().port();
    let base = (taken - 2).min(u16::MAX - 7);
    let output =
        Command::new(env!("CARGO_BIN_EXE_demo")).args(["--port-base", &base.to_string()]).output().unwrap();
    let trouble = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(trouble.contains(&format!("{taken} (")) && trouble.contains("--port-base"), "{trouble}");
}
