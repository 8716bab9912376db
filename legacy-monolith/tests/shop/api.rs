//! The JSON API.

use chassis::client::{Client, Payload};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::with_shop;

#[tokio::test]
async fn lists_and_single_things_have_the_seeded_data() {
    with_shop(async |address| {
        let mut client = Client::new(address);
        let products = client.get("/products").await.unwrap();
        assert_eq!((products.status, products.header("x-total-count")), (StatusCode::OK, "12"));
        let list = products.json();
        assert!(list["generated_at"].is_string());
        let ids: Vec<_> =
            list["items"].as_array().unwrap().iter().map(|p| p["id"].as_i64().unwrap()).collect();
        assert_eq!(ids, (1..=12).collect::<Vec<_>>());
        assert!(products.text().contains(r#""price":19.9,"#), "a price is a number as short as it gets");

        let user = client.get("/users/2").await.unwrap().json();
        assert_eq!((&user["loyalty_tier"], &user["phone"]), (&json!("silver"), &Value::Null));
        let order = client.get("/orders/1").await.unwrap().json();
        assert_eq!((&order["placed_at"], &order["total"]), (&json!("2025-11-03 09:12:45"), &json!(74.3)));
        assert_eq!(client.get("/payments/5").await.unwrap().json()["status"], "pending");
        let page = client.get("/users?limit=2&offset=4").await.unwrap().json();
        assert_eq!((&page["items"][0]["id"], page["items"].as_array().unwrap().len()), (&json!(5), 2));
        let search =
            client.post("/products/search", &json!({"query": "OAK", "max_price": 100})).await.unwrap();
        assert_eq!(search.json()["items"][0]["name"], "Oak Stool");
        assert_eq!(client.get("/legacy/export.csv").await.unwrap().text().lines().count(), 6);
        assert_eq!(client.get("/health").await.unwrap().json()["status"], "ok");
    })
    .await;
}

#[tokio::test]
async fn refusals_are_json_with_the_right_status() {
    with_shop(async |address| {
        let mut client = Client::new(address);
        for path in ["/users/999", "/products/0", "/products/abc", "/orders/99", "/payments/99", "/nothing"] {
            let answer = client.get(path).await.unwrap();
            assert_eq!(
                (answer.status, &answer.json()["error"]["code"]),
                (StatusCode::NOT_FOUND, &json!("not_found")),
                "{path}"
            );
        }
        assert_eq!(client.get("/users?limit=many").await.unwrap().status, StatusCode::BAD_REQUEST);
        let text = client.form("/orders", &[("user_id", "1")]).await.unwrap();
        assert_eq!(text.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        for (path, body, status) in [
            ("/orders", json!({"user_id": 1}), 400),
            ("/orders", json!({"user_id": 1, "lines": []}), 400),
            ("/orders", json!({"user_id": 77, "lines": [{"product_id": 1, "quantity": 1}]}), 400),
            ("/orders", json!({"user_id": 1, "lines": [{"product_id": 77, "quantity": 1}]}), 400),
            ("/orders", json!({"user_id": 1, "lines": [{"product_id": 1, "quantity": 0}]}), 400),
            ("/users", json!({"name": "A", "email": "nowhere"}), 400),
            ("/users", json!({"name": "A", "email": "ADA@example.com"}), 409),
            ("/payments", json!({"order_id": 99, "method": "invoice"}), 404),
            ("/payments", json!({"order_id": 1, "method": "invoice"}), 409),
            ("/payments", json!({"order_id": 5, "method": "invoice", "amount": 1}), 409),
            ("/payments", json!({"order_id": 5, "method": "shells"}), 400),
            (
                "/payments",
                json!({"order_id": 5, "method": "card", "card_number": "4000 0000 0000 0002"}),
                402,
            ),
        ] {
            let answer = client.post(path, &body).await.unwrap();
            assert_eq!(answer.status.as_u16(), status, "{path} {body}: {}", answer.text());
            assert!(answer.json()["error"]["message"].is_string(), "{path} {body}");
        }
        let delete = client.send(Method::DELETE, "/products/1", &[], Payload::Nothing).await.unwrap();
        assert_eq!(delete.status, StatusCode::METHOD_NOT_ALLOWED);
        assert!(delete.header("allow").contains("GET"), "{:?}", delete.headers);
    })
    .await;
}

#[tokio::test]
async fn an_order_that_fails_on_its_last_line_leaves_nothing() {
    with_shop(async |address| {
        let mut client = Client::new(address);
        let lines = json!([{"product_id": 1, "quantity": 2}, {"product_id": 12, "quantity": 2}]);
        let refused = client.post("/orders", &json!({"user_id": 1, "lines": lines})).await.unwrap();
        assert_eq!(
            (refused.status, &refused.json()["error"]["code"]),
            (StatusCode::CONFLICT, &json!("out_of_stock"))
        );
        assert_eq!(
            client.get("/products/1").await.unwrap().json()["stock"],
            120,
            "stock of the first line came back"
        );
        assert_eq!(client.get("/orders").await.unwrap().json()["total"], 5);
        assert_eq!(client.get("/payments/6").await.unwrap().status, StatusCode::NOT_FOUND);

        let last = json!({"user_id": 1, "lines": [{"product_id": 12, "quantity": 1}]});
        assert_eq!(client.post("/orders", &last).await.unwrap().status, StatusCode::CREATED);
        assert_eq!(client.get("/products/12").await.unwrap().json()["stock"], 0);
    })
    .await;
}

#[tokio::test]
async fn one_order_opens_one_payment_and_paying_marks_it_paid() {
    with_shop(async |address| {
        let mut client = Client::new(address);
        let wanted = json!({"user_id": 3, "lines": [{"product_id": 1, "quantity": 3}, {"product_id": 5, "quantity": 2}]});
        let host = [("host", "shop.example")];
        let order = client.send(Method::POST, "/orders", &host, Payload::Json(&wanted)).await.unwrap();
        assert_eq!(order.header("location"), "http://shop.example/orders/6", "built from Host");
        // 68.70 less 5 % is 65.265: 65.26 in exact cents with the discount rounded half up.
        assert_eq!(order.json()["total"], 65.27, "the rounding bug is gone");
        let paid = client.post("/payments", &json!({"order_id": 6, "amount": 65.27, "method": "invoice"})).await.unwrap();
        assert_eq!((paid.status, paid.header("location")), (StatusCode::CREATED, "/payments/6"), "relative");
        assert_eq!(client.get("/orders/6").await.unwrap().json()["status"], "paid");
        let receipt = client.send(Method::GET, "/payments/6/receipt", &host, Payload::Nothing).await.unwrap();
        assert_eq!(receipt.status, StatusCode::FOUND);
        assert_eq!(receipt.header("location"), "http://shop.example/payments/6/receipt.txt");
        assert!(client.get("/payments/6/receipt.txt").await.unwrap().text().contains("65.27 EUR"));
    })
    .await;
}

#[tokio::test]
async fn the_same_key_orders_once_and_another_request_under_it_is_refused() {
    with_shop(async |address| {
        let mut client = Client::new(address);
        let order = json!({"user_id": 1, "lines": [{"product_id": 2, "quantity": 1}]});
        let key = [("idempotency-key", "k-1")];
        let first = client.send(Method::POST, "/orders", &key, Payload::Json(&order)).await.unwrap();
        let again = client.send(Method::POST, "/orders", &key, Payload::Json(&order)).await.unwrap();
        assert_eq!((first.status, first.json()), (again.status, again.json()));
        assert_eq!(
            (first.header("idempotency-replayed"), again.header("idempotency-replayed")),
            ("", "true")
        );
        assert_eq!(client.get("/products/2").await.unwrap().json()["stock"], 39);
        let other = json!({"user_id": 1, "lines": [{"product_id": 2, "quantity": 2}]});
        let reused = client.send(Method::POST, "/orders", &key, Payload::Json(&other)).await.unwrap();
        assert_eq!(reused.status, StatusCode::CONFLICT);
        // The same key for a payment is another thing.
        let pay = json!({"order_id": 6, "method": "invoice"});
        let paid = client.send(Method::POST, "/payments", &key, Payload::Json(&pay)).await.unwrap();
        let twice = client.send(Method::POST, "/payments", &key, Payload::Json(&pay)).await.unwrap();
        assert_eq!((paid.status, paid.json()), (StatusCode::CREATED, twice.json()));
        // A refusal is not remembered.
        let empty = [("idempotency-key", "k-2")];
        let nothing = json!({"user_id": 1, "lines": []});
        let refused = client.send(Method::POST, "/orders", &empty, Payload::Json(&nothing)).await.unwrap();
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(
            client.send(Method::POST, "/orders", &empty, Payload::Json(&order)).await.unwrap().status,
            201
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_made_to_order_stays_in_stock() {
    with_shop(async |address| {
        let mut client = Client::new(address);
        let order = json!({"user_id": 1, "lines": [{"product_id": 5, "quantity": 9}, {"product_id": 1, "quantity": 9}]});
        assert_eq!(client.post("/orders", &order).await.unwrap().status, 201);
        let stock = async |client: &mut Client, id| {
            client.get(&format!("/products/{id}")).await.unwrap().json()["stock"].clone()
        };
        assert_eq!((stock(&mut client, 5).await, stock(&mut client, 1).await), (json!(20000), json!(111)));
    })
    .await;
}

#[tokio::test]
async fn events_greet_at_once_and_tell_of_orders() {
    with_shop(async |address| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        while lines.next_line().await.unwrap().unwrap() != ": connected" {}
        let order = json!({"user_id": 1, "lines": [{"product_id": 5, "quantity": 1}]});
        assert_eq!(Client::new(address).post("/orders", &order).await.unwrap().status, 201);
        while lines.next_line().await.unwrap().unwrap() != "event: order" {}
        assert!(lines.next_line().await.unwrap().unwrap().contains(r#""id":6"#));
        // And a heartbeat when nothing happens.
        while lines.next_line().await.unwrap().unwrap() != ": heartbeat" {}
    })
    .await;
}

#[tokio::test]
async fn header_names_are_in_title_case_on_the_wire() {
    with_shop(async |address| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /users HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("\r\nX-Total-Count: 6\r\n"), "{answer}");
    })
    .await;
}
