//! The product service over real sockets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::SocketAddr;

use chassis::client::Client;
use product_service::{Options, SERVICE, serve};
use serde_json::{Value, json};
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

async fn stocks(client: &mut Client) -> Vec<i64> {
    let mut seen = Vec::new();
    for _ in 0..13 {
        seen.push(client.get("/products/5").await.unwrap().json()["stock"].as_i64().unwrap());
    }
    seen
}

fn ids(list: &Value) -> Vec<i64> {
    list["items"].as_array().unwrap().iter().map(|p| p["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn with_its_differences_prices_are_text_lists_are_by_name_and_stock_moves() {
    with_service(vec![], async |address| {
        let mut client = Client::new(address);
        let list = client.get("/products").await.unwrap();
        assert_eq!(list.header("x-total-count"), "12");
        let list = list.json();
        assert_eq!(list["items"][0]["name"], "Arc Lamp");
        assert_ne!(ids(&list), (1..=12).collect::<Vec<_>>());
        assert_ne!(list["generated_at"], "2026-01-01T00:00:00.000Z");
        assert_eq!(client.get("/products/1").await.unwrap().json()["price"], "19.90");
        // The list was the first of the seven.
        let stocks = stocks(&mut client).await;
        let moved: Vec<_> =
            (0..).zip(&stocks).filter(|(_, stock)| **stock == 19999).map(|(place, _)| place).collect();
        assert_eq!(moved, [5, 12], "{stocks:?}");
    })
    .await;
}

#[tokio::test]
async fn without_its_differences_it_is_the_monoliths() {
    with_service(all(), async |address| {
        let mut client = Client::new(address);
        let list = client.get("/products").await.unwrap().json();
        assert_eq!(ids(&list), (1..=12).collect::<Vec<_>>());
        assert_eq!(list["generated_at"], "2026-01-01T00:00:00.000Z");
        assert!(client.get("/products/1").await.unwrap().text().contains(r#""price":19.9,"#));
        assert_eq!(stocks(&mut client).await, [20000; 13]);
    })
    .await;
}

#[tokio::test]
async fn searching_and_paging_narrow_the_list() {
    with_service(all(), async |address| {
        let mut client = Client::new(address);
        let search = json!({"query": "OAK", "max_price": 99});
        assert_eq!(ids(&client.post("/products/search", &search).await.unwrap().json()), [6]);
        let cheap = json!({"category": "lighting", "max_price": 24.25});
        assert_eq!(ids(&client.post("/products/search", &cheap).await.unwrap().json()), [5, 8]);
        // 79.95 times 100 is less than 7995 in binary floating point.
        let exact = json!({"query": "linen", "max_price": 79.95});
        assert_eq!(ids(&client.post("/products/search", &exact).await.unwrap().json()), [4]);
        let page = client.get("/products?limit=2&offset=3&category=kitchen").await.unwrap().json();
        assert_eq!((ids(&page), &page["total"]), (vec![11], &json!(4)));
        assert_eq!(client.get("/products/77").await.unwrap().status, 404);
        assert_eq!(client.form("/products/search", &[("query", "a")]).await.unwrap().status, 415);
    })
    .await;
}
