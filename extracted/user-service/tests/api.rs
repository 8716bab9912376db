//! The user service over real sockets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::SocketAddr;

use chassis::client::{Client, Payload};
use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use user_service::{Options, SERVICE, serve};

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
async fn with_its_differences_a_user_lacks_what_was_forgotten() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        let ada = client.get("/users/1").await.unwrap().json();
        assert_eq!((&ada["name"], ada.get("loyalty_tier")), (&json!("Ada Lovelace"), None));
        assert!(ada["phone"].is_string());
        assert_eq!(client.get("/users/2").await.unwrap().json().get("phone"), None);
        let list = client.get("/users?limit=2").await.unwrap();
        assert_eq!((list.header("x-total-count"), list.json()["items"][1].get("phone")), ("6", None));
    })
    .await;
}

#[tokio::test]
async fn without_its_differences_it_is_the_monoliths() {
    with_service(all(), async |address| {
        let grace = Client::new(address).get("/users/2").await.unwrap().json();
        assert_eq!((&grace["loyalty_tier"], grace.get("phone")), (&json!("silver"), Some(&Value::Null)));
    })
    .await;
}

#[tokio::test]
async fn a_new_user_is_there_and_the_address_is_taken() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        let new = json!({"name": "Barbara Liskov", "email": "barbara@example.com"});
        let made = client.post("/users", &new).await.unwrap();
        assert_eq!((made.status.as_u16(), made.header("location")), (201, "/users/7"));
        assert_eq!(client.get("/users/7").await.unwrap().json()["email"], "barbara@example.com");
        assert_eq!(client.post("/users", &new).await.unwrap().status, 409);
        assert_eq!(client.post("/users", &json!({"name": "", "email": "a@b.c"})).await.unwrap().status, 400);
        assert_eq!(client.get("/users/99").await.unwrap().status, 404);
        let rehearsed = json!({"name": "Anita Borg", "email": "anita@example.com"});
        let mode = [("x-shadow-mode", "rollback")];
        let answer = client.send(Method::POST, "/users", &mode, Payload::Json(&rehearsed)).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("location")), (201, "/users/8"));
        assert_eq!(answer.header("x-shadow-mode"), "rollback");
        assert_eq!(client.get("/users").await.unwrap().json()["total"], 7);
    })
    .await;
}

#[tokio::test]
async fn a_token_of_the_monoliths_key_says_who_asks() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        let key = chassis::bearer::Key::default();
        for (token, status) in [
            (key.sign(2, u64::MAX).unwrap(), 200),
            (key.sign(2, 1).unwrap(), 401),
            (key.sign(99, u64::MAX).unwrap(), 404),
            ("nonsense".to_owned(), 401),
        ] {
            let headers = [("authorization", &*format!("Bearer {token}"))];
            let me = client.send(Method::GET, "/users/me", &headers, Payload::Nothing).await.unwrap();
            assert_eq!(me.status.as_u16(), status, "{}", me.text());
            assert!(status != 200 || me.json()["name"] == "Grace Hopper");
        }
    })
    .await;
}
