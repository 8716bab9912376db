//! The payment service over real sockets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::SocketAddr;

use chassis::client::Client;
use chassis::client::Payload;
use http::Method;
use payment_service::{Options, SERVICE, serve};
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
async fn the_receipt_leads_to_an_internal_host_until_that_is_switched_off() {
    for (without, origin) in [(vec![], payment_service::INTERNAL_ORIGIN), (all(), "http://shop.example")] {
        with_service(without, async |address| {
            let mut client = Client::new(address);
            let host = [("host", "shop.example")];
            let answer =
                client.send(Method::GET, "/payments/1/receipt", &host, Payload::Nothing).await.unwrap();
            assert_eq!(answer.status, 302);
            assert_eq!(answer.header("location"), format!("{origin}/payments/1/receipt.txt"));
            assert!(client.get("/payments/1/receipt.txt").await.unwrap().text().contains("Amount 74.30 EUR"));
        })
        .await;
    }
}

#[tokio::test]
async fn a_pending_payment_is_captured_once() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        let pay =
            json!({"order_id": 5, "amount": 64.9, "method": "card", "card_number": "4242 4242 4242 4242"});
        let key = [("idempotency-key", "k")];
        let paid = client.send(Method::POST, "/payments", &key, Payload::Json(&pay)).await.unwrap();
        assert_eq!((paid.status.as_u16(), paid.header("location")), (201, "/payments/5"));
        assert_eq!(paid.json()["status"], "captured");
        let again = client.send(Method::POST, "/payments", &key, Payload::Json(&pay)).await.unwrap();
        assert_eq!((again.header("idempotency-replayed"), again.json()), ("true", paid.json()));
        assert_eq!(client.post("/payments", &pay).await.unwrap().json()["error"]["code"], "already_paid");
    })
    .await;
}

#[tokio::test]
async fn an_order_nobody_told_us_of_needs_an_amount() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        for (pay, status) in [
            (json!({"order_id": 40, "method": "invoice"}), 400),
            (json!({"order_id": 40, "method": "invoice", "amount": 0}), 400),
            (json!({"order_id": 40, "method": "invoice", "amount": -3}), 400),
            (json!({"order_id": 40, "method": "shells", "amount": 3}), 400),
            (json!({"order_id": 40, "method": "card", "amount": 3, "card_number": "4000000000000002"}), 402),
            (json!({"order_id": 5, "method": "invoice", "amount": 3}), 409),
            (json!({"order_id": 0, "method": "invoice", "amount": 3}), 404),
            (json!({"order_id": 40, "method": "invoice", "amount": 12.34}), 201),
        ] {
            assert_eq!(client.post("/payments", &pay).await.unwrap().status.as_u16(), status, "{pay}");
        }
        assert_eq!(client.get("/payments/6").await.unwrap().json()["amount"], 12.34);
    })
    .await;
}

#[tokio::test]
async fn a_rehearsed_payment_is_answered_in_full_and_leaves_nothing() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        let pay = json!({"order_id": 5, "method": "invoice"});
        let new = json!({"order_id": 40, "method": "invoice", "amount": 12.34});
        let rehearsed = [("x-shadow-mode", "rollback"), ("idempotency-key", "k")];
        for (body, id) in [(&pay, 5), (&new, 6)] {
            // The key is not remembered either: the same one serves for both.
            let answer =
                client.send(Method::POST, "/payments", &rehearsed, Payload::Json(body)).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.header("x-shadow-mode")), (201, "rollback"));
            assert_eq!((&answer.json()["id"], &answer.json()["status"]), (&json!(id), &json!("captured")));
        }
        let open = client.get("/payments/5").await.unwrap().json();
        assert_eq!((&open["status"], &open["method"]), (&json!("pending"), &json!(null)));
        assert_eq!(client.get("/payments/6").await.unwrap().status, 404);
        let paid =
            client.send(Method::POST, "/payments", &rehearsed[1..], Payload::Json(&pay)).await.unwrap();
        assert_eq!((paid.status.as_u16(), paid.header("x-shadow-mode")), (201, ""));
        let refused =
            client.send(Method::POST, "/payments", &rehearsed[..1], Payload::Json(&pay)).await.unwrap();
        assert_eq!((refused.status.as_u16(), refused.header("x-shadow-mode")), (409, "rollback"));
    })
    .await;
}

#[tokio::test]
async fn copies_under_keys_of_their_own_are_kept_beside_the_clients() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        let pay = |order| json!({"order_id": order, "method": "invoice", "amount": 64.9});
        for (key, order, replayed) in [
            ("k", 5, ""),
            ("shadow:0190-1", 41, ""),
            ("shadow:0190-1", 41, "true"),
            ("shadow:0190-2", 42, ""),
        ] {
            let headers = [("idempotency-key", key)];
            let paid =
                client.send(Method::POST, "/payments", &headers, Payload::Json(&pay(order))).await.unwrap();
            assert_eq!((paid.status.as_u16(), paid.header("idempotency-replayed")), (201, replayed), "{key}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_payment_pages_form_is_paid_and_leads_to_the_receipt() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        let form = [
            ("csrf", "x"),
            ("order", "77"),
            ("amount", "12.50"),
            ("method", "card"),
            ("card_number", "4242 4242 4242 4242"),
        ];
        let paid = client.send(Method::POST, "/pay", &[], Payload::Form(&form)).await.unwrap();
        assert_eq!(paid.status, 303);
        let receipt = client.get(paid.header("location")).await.unwrap().text();
        assert!(receipt.contains("Order 77") && receipt.contains("Amount 12.50 EUR"), "{receipt}");
        let again = client.send(Method::POST, "/pay", &[], Payload::Form(&form)).await.unwrap();
        assert_eq!(again.json()["error"]["code"], "already_paid");
        let incomplete = client.send(Method::POST, "/pay", &[], Payload::Form(&form[..2])).await.unwrap();
        assert_eq!(incomplete.status, 400);
    })
    .await;
}
