//! Faults and planted differences over real sockets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use chassis::client::Client;
use chassis::faults::{Difference, LOWER_CASE_HEADERS};
use chassis::service::{Context, Options, Service, serve};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

const SHOUT: Difference = Difference { name: "shout", what: "louder" };

static SERVICE: Service = Service {
    name: "test-service",
    listen: "127.0.0.1:0",
    differences: &[SHOUT, LOWER_CASE_HEADERS],
    prepare: |_| Ok(()),
    routes,
};

fn routes(context: Context) -> Router {
    let loud = move || async move {
        let answer = if context.switches.is_on(SHOUT.name) { "HELLO" } else { "hello" };
        ([("x-total-count", "1")], answer)
    };
    Router::new().route("/hello", get(loud))
}

async fn with_service<F: Future<Output = ()>>(without: &[&str], test: impl FnOnce(SocketAddr) -> F) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let without = without.iter().map(|name| (*name).to_owned()).collect();
    let options = Options { without, ..Options::default() };
    let served = tokio::spawn(serve(&SERVICE, listener, options, stopped));
    test(address).await;
    drop(stop);
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_difference_is_on_until_it_is_switched_off_and_comes_back() {
    with_service(&[], async |address| {
        let mut client = Client::new(address);
        assert_eq!(client.get("/hello").await.unwrap().text(), "HELLO");
        let off = client.post("/_faults", &json!({"without": ["shout"]})).await.unwrap().json();
        assert_eq!(off["differences"], json!({"shout": false, "lower-case-headers": true}));
        assert_eq!(client.get("/hello").await.unwrap().text(), "hello");
        client.post("/_faults", &json!({"with": ["shout"]})).await.unwrap();
        assert_eq!(client.get("/hello").await.unwrap().text(), "HELLO");
    })
    .await;
    with_service(&["shout"], async |address| {
        assert_eq!(Client::new(address).get("/hello").await.unwrap().text(), "hello");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_difference_stops_the_start_and_is_refused_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options { without: vec!["whisper".to_owned()], ..Options::default() };
    let refused = serve(&SERVICE, listener, options, std::future::pending::<()>()).await.unwrap_err();
    assert!(refused.to_string().contains("there are: shout, lower-case-headers"), "{refused}");
    with_service(&[], async |address| {
        let mut client = Client::new(address);
        for change in [
            json!({"without": ["whisper"]}),
            json!({"mode": "explode"}),
            json!({"mode": "error", "error_rate": 2}),
            json!({"latency": 3}),
            json!({"latency_ms": 3}),
            json!({"bytes": 100}),
            json!({"mode": "endless", "bytes": 100}),
            json!({"mode": "huge", "bytes": 1}),
        ] {
            assert_eq!(client.post("/_faults", &change).await.unwrap().status, 400, "{change}");
        }
        assert_eq!(client.get("/_faults").await.unwrap().json()["mode"], "ok");
    })
    .await;
}

#[tokio::test]
async fn errors_come_at_their_rate_and_spare_the_health_check() {
    with_service(&[], async |address| {
        let mut client = Client::new(address);
        client.post("/_faults", &json!({"mode": "error", "error_rate": 0.25})).await.unwrap();
        let mut failed = 0;
        for _ in 0..20 {
            failed += usize::from(client.get("/hello").await.unwrap().status == 500);
            assert_eq!(client.get("/health").await.unwrap().status, 200);
        }
        assert_eq!(failed, 5);
        client.post("/_faults", &json!({"mode": "ok"})).await.unwrap();
        assert_eq!(client.get("/hello").await.unwrap().status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_slow_service_answers_late() {
    with_service(&[], async |address| {
        let mut client = Client::new(address);
        client.post("/_faults", &json!({"mode": "slow", "latency_ms": 60})).await.unwrap();
        let started = Instant::now();
        assert_eq!(client.get("/hello").await.unwrap().text(), "HELLO");
        assert!(started.elapsed() >= Duration::from_millis(60), "{:?}", started.elapsed());
    })
    .await;
}

#[tokio::test]
async fn a_hanging_service_answers_once_the_mode_changes() {
    with_service(&[], async |address| {
        let mut control = Client::new(address);
        control.post("/_faults", &json!({"mode": "hang"})).await.unwrap();
        let mut waiting = tokio::spawn(async move { Client::new(address).get("/hello").await });
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err());
        control.post("/_faults", &json!({"mode": "ok"})).await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap().text(), "HELLO");
    })
    .await;
}

#[tokio::test]
async fn a_reset_is_a_reset_and_down_takes_the_health_check_along() {
    with_service(&[], async |address| {
        let mut control = Client::new(address);
        for (mode, health) in [("reset", true), ("down", false)] {
            control.post("/_faults", &json!({ "mode": mode })).await.unwrap();
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            let broken = stream.read_to_end(&mut answer).await.unwrap_err();
            assert_eq!((broken.kind(), answer.len()), (std::io::ErrorKind::ConnectionReset, 0));
            assert_eq!(Client::new(address).get("/health").await.is_ok(), health, "{mode}");
        }
        control.post("/_faults", &json!({"mode": "ok"})).await.unwrap();
        assert_eq!(control.get("/hello").await.unwrap().status, 200);
    })
    .await;
}

/// What the socket gives to a request, until the service closes it.
async fn raw(address: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn broken_answers_are_broken_as_their_mode_says() {
    const GET: &str = "GET /hello HTTP/1.1\r\nhost: a\r\n\r\n";
    const POST: &str = "POST /hello HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";
    with_service(&[], async |address| {
        let mut control = Client::new(address);
        for (mode, head, body) in
            [("truncated", "content-length: 16", "HE"), ("wrong-length", "content-length: 0", "HELLO")]
        {
            control.post("/_faults", &json!({ "mode": mode })).await.unwrap();
            let answer = String::from_utf8(raw(address, GET).await).unwrap();
            let (lines, rest) = answer.split_once("\r\n\r\n").unwrap();
            assert!(
                lines.starts_with("HTTP/1.1 200 OK\r\n") && lines.contains("x-total-count: 1"),
                "{lines}"
            );
            assert_eq!((lines.contains(head), rest), (true, body), "{mode}: {lines}");
            let headless = raw(address, "HEAD /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
            assert!(headless.starts_with(b"HTTP/1.1 200 OK\r\n") && headless.ends_with(b"\r\n\r\n"));
        }
        control.post("/_faults", &json!({"mode": "garbage"})).await.unwrap();
        for request in [GET, POST] {
            assert!(raw(address, request).await.starts_with(b"\x00\xff\x16\x03"));
        }
        assert_eq!(control.get("/health").await.unwrap().status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_huge_answer_is_a_document_of_exactly_its_size() {
    with_service(&[], async |address| {
        let mut client = Client::new(address);
        for bytes in [64, 65_535, 65_536, 65_537, 3 * 1024 * 1024] {
            client.post("/_faults", &json!({"mode": "huge", "bytes": bytes})).await.unwrap();
            let answer = client.get("/hello").await.unwrap();
            assert_eq!((answer.body.len(), answer.header("content-length")), (bytes, &*bytes.to_string()));
            assert!(answer.json()["planted"].is_string());
        }
        client.post("/_faults", &json!({"mode": "huge"})).await.unwrap();
        assert_eq!(client.get("/_faults").await.unwrap().json()["bytes"], 64 * 1024 * 1024);
    })
    .await;
}

#[tokio::test]
async fn an_endless_answer_goes_on_and_leaves_with_its_client() {
    with_service(&[], async |address| {
        Client::new(address).post("/_faults", &json!({"mode": "endless"})).await.unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut some = vec![0; 1024 * 1024];
        stream.read_exact(&mut some).await.unwrap();
        assert!(some.starts_with(b"HTTP/1.1 200 OK\r\n") && some.windows(4).any(|w| w == b"0,0,"));
        drop(stream);
    })
    .await;
}

#[tokio::test]
async fn header_names_follow_their_switch_at_the_next_connection() {
    async fn head(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
    with_service(&[], async |address| {
        assert!(head(address).await.contains("\r\nx-total-count: 1\r\n"));
        Client::new(address).post("/_faults", &json!({"without": ["lower-case-headers"]})).await.unwrap();
        assert!(head(address).await.contains("\r\nX-Total-Count: 1\r\n"));
    })
    .await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_json() {
    with_service(&[], async |address| {
        let mut client = Client::new(address);
        assert_eq!(client.get("/nothing").await.unwrap().json()["error"]["code"], "not_found");
        assert_eq!(
            client.post("/hello", &json!({})).await.unwrap().json()["error"]["code"],
            "method_not_allowed"
        );
    })
    .await;
}
