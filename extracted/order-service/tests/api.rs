//! The order service over real sockets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::SocketAddr;

use chassis::client::Client;
use chassis::client::Payload;
use http::Method;
use order_service::{Options, SERVICE, serve};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Runs `test` against a fresh service, then checks that it stops cleanly.
async fn with_service<F: Future<Output = ()>>(without: Vec<String>, test: impl FnOnce(SocketAddr) -> F) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve(listener, Options { without, ..Options::default() }, stopped));
    test(address).await;
    drop(stop);
    served.await.unwrap().unwrap();
}

/// The name of every planted difference.
fn all() -> Vec<String> {
    SERVICE.differences.iter().map(|difference| difference.name.to_owned()).collect()
}

#[tokio::test]
async fn with_its_differences_times_are_utc_totals_exact_and_nothing_is_never_404() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        let order = client.get("/orders/3").await.unwrap().json();
        assert_eq!((&order["placed_at"], &order["total"]), (&json!("2025-11-15T11:05:30Z"), &json!(65.26)));
        let unknown = client.get("/orders/99").await.unwrap();
        assert_eq!((unknown.status.as_u16(), &unknown.json()["error"]["code"]), (200, &json!("not_found")));
    })
    .await;
}

#[tokio::test]
async fn without_its_differences_it_is_the_monoliths() {
    with_service(all(), async |address| {
        let mut client = Client::new(address);
        let order = client.get("/orders/3").await.unwrap().json();
        assert_eq!((&order["placed_at"], &order["total"]), (&json!("2025-11-15 12:05:30"), &json!(65.27)));
        assert_eq!(client.get("/orders/99").await.unwrap().status, 404);
        assert_eq!(client.get("/orders?user_id=1").await.unwrap().json()["total"], 2);
    })
    .await;
}

#[tokio::test]
async fn an_order_that_fails_on_its_last_line_leaves_nothing() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        let lines = json!([{"product_id": 12, "quantity": 1}, {"product_id": 6, "quantity": 10}]);
        let refused = client.post("/orders", &json!({"user_id": 1, "lines": lines})).await.unwrap();
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["error"]["code"]),
            (409, &json!("out_of_stock"))
        );
        assert_eq!(client.get("/orders").await.unwrap().json()["total"], 5);
        // The last chair of the refused order is still to be had.
        let last = json!({"user_id": 1, "lines": [{"product_id": 12, "quantity": 1}]});
        assert_eq!(client.post("/orders", &last).await.unwrap().status, 201);
        assert_eq!(client.post("/orders", &last).await.unwrap().status, 409);
    })
    .await;
}

#[tokio::test]
async fn the_same_key_orders_once() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        let order = json!({"user_id": 2, "lines": [{"product_id": 12, "quantity": 1}]});
        let headers = [("idempotency-key", "k"), ("host", "shop.example")];
        let first = client.send(Method::POST, "/orders", &headers, Payload::Json(&order)).await.unwrap();
        let again = client.send(Method::POST, "/orders", &headers, Payload::Json(&order)).await.unwrap();
        assert_eq!((first.status.as_u16(), first.header("location")), (201, "http://shop.example/orders/6"));
        assert_eq!((again.status, again.json()), (first.status, first.json()));
        let other = json!({"user_id": 2, "lines": [{"product_id": 1, "quantity": 1}]});
        let reused = client.send(Method::POST, "/orders", &headers, Payload::Json(&other)).await.unwrap();
        assert_eq!(reused.status, 409);
    })
    .await;
}

#[tokio::test]
async fn a_rehearsed_order_is_answered_in_full_and_leaves_nothing() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        let order = json!({"user_id": 2, "lines": [{"product_id": 12, "quantity": 1}]});
        let rehearsed = [("x-shadow-mode", "rollback"), ("idempotency-key", "k")];
        for _ in 0..2 {
            let answer =
                client.send(Method::POST, "/orders", &rehearsed, Payload::Json(&order)).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.header("x-shadow-mode")), (201, "rollback"));
            assert_eq!((&answer.json()["id"], answer.header("idempotency-replayed")), (&json!(6), ""));
        }
        assert_eq!(client.get("/orders").await.unwrap().json()["total"], 5);
        assert_eq!(client.get("/orders/6").await.unwrap().json()["error"]["code"], "not_found");
        // The number, the last chair and the key are all still to be had.
        let other = json!({"user_id": 3, "lines": [{"product_id": 12, "quantity": 1}]});
        let real =
            client.send(Method::POST, "/orders", &rehearsed[1..], Payload::Json(&other)).await.unwrap();
        assert_eq!(
            (real.status.as_u16(), &real.json()["id"], real.header("x-shadow-mode")),
            (201, &json!(6), "")
        );
        // Nothing is left to rehearse with, and a refusal is an echo too; so is what has no effect at all.
        let refused =
            client.send(Method::POST, "/orders", &rehearsed[..1], Payload::Json(&order)).await.unwrap();
        assert_eq!((refused.status.as_u16(), refused.header("x-shadow-mode")), (409, "rollback"));
        for (method, path) in
            [(Method::GET, "/orders/1"), (Method::PUT, "/orders"), (Method::POST, "/nothing")]
        {
            let answer = client.send(method, path, &rehearsed[..1], Payload::Nothing).await.unwrap();
            assert_eq!(answer.header("x-shadow-mode"), "rollback", "{path}: {}", answer.status);
        }
    })
    .await;
}

#[tokio::test]
async fn a_mode_that_is_not_understood_is_not_executed() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        let order = json!({"user_id": 2, "lines": [{"product_id": 1, "quantity": 1}]});
        for mode in [vec!["commit"], vec![""], vec!["Rollback"], vec!["rollback", "rollback"]] {
            let headers: Vec<_> = mode.iter().map(|mode| ("x-shadow-mode", *mode)).collect();
            let answer = client.send(Method::POST, "/orders", &headers, Payload::Json(&order)).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.header("x-shadow-mode")), (400, ""), "{mode:?}");
        }
        assert_eq!(client.get("/orders").await.unwrap().json()["total"], 5);
    })
    .await;
}

#[tokio::test]
async fn a_fault_in_front_of_the_service_does_not_echo() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        client.post("/_faults", &json!({"mode": "error"})).await.unwrap();
        let order = json!({"user_id": 2, "lines": [{"product_id": 1, "quantity": 1}]});
        let headers = [("x-shadow-mode", "rollback")];
        let answer = client.send(Method::POST, "/orders", &headers, Payload::Json(&order)).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("x-shadow-mode")), (500, ""));
    })
    .await;
}
