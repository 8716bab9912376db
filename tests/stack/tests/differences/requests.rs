//! Every read of every slice: all routes, known and unknown ids, pages, filters, wrong requests, and a few
//! hundred combinations drawn from a seed.

use chassis::bearer::Key;
use serde_json::{Value, json};
use stack::Role;

/// Combinations that are drawn.
const DRAWN: usize = 120;
/// What they are drawn from.
const SEED: u64 = 20_261_121;

/// One request, as it goes over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) service: Role,
    pub(crate) route: &'static str,
    pub(crate) bytes: String,
}

impl Request {
    pub(crate) fn get(service: Role, route: &'static str, path: &str) -> Self {
        Self::new(service, route, "GET", path, "")
    }

    pub(crate) fn method(&self) -> &str {
        self.bytes.split(' ').next().unwrap()
    }

    fn new(service: Role, route: &'static str, method: &str, path: &str, rest: &str) -> Self {
        let end = if rest.contains("\r\n\r\n") { "" } else { "\r\n" };
        let bytes =
            format!("{method} {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{rest}{end}");
        Self { service, route, bytes }
    }

    fn search(kind: &str, body: &str) -> Self {
        let rest = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        Self::new(Role::ProductService, "POST /products/search", "POST", "/products/search", &rest)
    }

    pub(crate) fn with_token(service: Role, route: &'static str, path: &str, token: &str) -> Self {
        Self::new(service, route, "GET", path, &format!("Authorization: {token}\r\n"))
    }
}

/// All of them, always the same.
pub(crate) fn all() -> Vec<Request> {
    let mut requests = Vec::new();
    for (service, list, one, path, last) in [
        (Role::UserService, "GET /users", "GET /users/{id}", "/users", 8),
        (Role::ProductService, "GET /products", "GET /products/{id}", "/products", 14),
        (Role::OrderService, "GET /orders", "GET /orders/{id}", "/orders", 8),
    ] {
        for rest in [
            "",
            "?limit=2&offset=1",
            "?limit=0",
            "?offset=99",
            "?limit=1000",
            "?limit=x",
            "?limit=-1",
            "?x=y",
        ] {
            requests.push(Request::get(service, list, &format!("{path}{rest}")));
        }
        let ids = (0..=last).map(|id| id.to_string());
        for id in ids.chain(["-1", "abc", "01", "99999999999999999999", "%31", "1?x=1"].map(str::to_owned)) {
            requests.push(Request::get(service, one, &format!("{path}/{id}")));
        }
        requests.push(Request::new(service, list, "HEAD", path, ""));
        requests.push(Request::new(service, one, "HEAD", &format!("{path}/1"), ""));
        requests.push(Request::new(service, list, "OPTIONS", path, ""));
        requests.push(Request::new(service, one, "DELETE", &format!("{path}/1"), ""));
    }
    // So many in a row that the race shows in one.
    for _ in 0..product_service::RESERVED_EVERY {
        requests.push(Request::get(Role::ProductService, "GET /products/{id}", "/products/5"));
    }
    payments(&mut requests);
    tokens(&mut requests);
    for category in ["kitchen", "lighting", "furniture", "textiles", "toys", ""] {
        let path = format!("/products?category={category}");
        requests.push(Request::get(Role::ProductService, "GET /products", &path));
    }
    for user in ["1", "2", "3", "77", "x", ""] {
        let path = format!("/orders?user_id={user}");
        requests.push(Request::get(Role::OrderService, "GET /orders", &path));
    }
    for body in ["", "{", "{}", "[]", "null", r#"{"max_price":"much"}"#, r#"{"query":7}"#, r#"{"more":1}"#] {
        requests.push(Request::search("application/json", body));
    }
    requests.push(Request::search("text/plain", "{}"));
    // Exactly what something costs: where cents and floats may part.
    for price in ["19.9", "34.5", "129", "79.95", "4.5", "99", "64.9", "24.25", "42.1", "149", "27.3", "389"]
    {
        requests.push(Request::search("application/json", &format!(r#"{{"max_price":{price}}}"#)));
    }
    drawn(&mut requests);
    requests
}

fn payments(requests: &mut Vec<Request>) {
    for id in ["0", "1", "2", "3", "4", "5", "6", "77", "x"] {
        for (route, rest) in [
            ("GET /payments/{id}", ""),
            ("GET /payments/{id}/receipt", "/receipt"),
            ("GET /payments/{id}/receipt.txt", "/receipt.txt"),
        ] {
            requests.push(Request::get(Role::PaymentService, route, &format!("/payments/{id}{rest}")));
        }
    }
    let head = Request::new(Role::PaymentService, "GET /payments/{id}", "HEAD", "/payments/1", "");
    requests.push(head);
}

fn tokens(requests: &mut Vec<Request>) {
    let key = Key::default();
    let good = |customer| format!("Bearer {}", key.sign(customer, u64::MAX).unwrap());
    let expired = format!("Bearer {}", key.sign(1, 1).unwrap());
    for token in [good(1), good(2), good(3), good(6), expired, "Bearer no".into(), "Basic YTpi".into()] {
        requests.push(Request::with_token(Role::UserService, "GET /users/me", "/users/me", &token));
        for path in ["/orders/mine", "/orders/mine?limit=1"] {
            requests.push(Request::with_token(Role::OrderService, "GET /orders/mine", path, &token));
        }
    }
    requests.push(Request::get(Role::UserService, "GET /users/me", "/users/me"));
    requests.push(Request::get(Role::OrderService, "GET /orders/mine", "/orders/mine"));
}

fn drawn(requests: &mut Vec<Request>) {
    let mut random = fastrand::Rng::with_seed(SEED);
    for _ in 0..DRAWN {
        let (limit, offset) = (random.u8(0..14), random.u8(0..14));
        let category = ["", "&category=kitchen", "&category=lighting", "&category=furniture"];
        let category = category[random.usize(..category.len())];
        let path = format!("/products?limit={limit}&offset={offset}{category}");
        requests.push(Request::get(Role::ProductService, "GET /products", &path));

        let mut search = json!({});
        if random.bool() {
            let words = ["oak", "WOOL", "a", "litre", "summer", "ß", "%", "nothing at all"];
            search["query"] = json!(words[random.usize(..words.len())]);
        }
        if random.bool() {
            search["max_price"] = json!(f64::from(random.u32(0..40_000)) / 100.0);
        }
        if random.u8(..4) == 0 {
            search["category"] = Value::Null;
        }
        requests.push(Request::search("application/json", &search.to_string()));

        let path = format!(
            "/orders?user_id={}&limit={}&offset={}",
            random.u8(1..7),
            random.u8(0..4),
            random.u8(0..3)
        );
        requests.push(Request::get(Role::OrderService, "GET /orders", &path));
        let path = format!("/users?limit={}&offset={}", random.u8(0..8), random.u8(0..8));
        requests.push(Request::get(Role::UserService, "GET /users", &path));
    }
}
