//! Gentle traffic: two customers who mostly look, sometimes order, and pay for what they ordered. Every read
//! of every slice is among it, with changing parameters.
//!
//! Ada has a browser and buys; Grace has a program and a token that ends. What one buys is made to order, and
//! of orders only those are read that nobody adds to: what nothing keeps in step must not look like a
//! difference between the monolith and a service.
//!
//! All of it goes to the proxy, as customers' requests do. It refuses to repeat what failed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chassis::client::{Answer, Client, Payload};
use http::{Method, StatusCode};
use serde_json::{Value, json};

/// The product that is bought: its stock outlasts any demonstration.
const BOUGHT: i64 = 5;
/// Seconds that Grace's token is worth something.
const TOKEN: u64 = 120;
/// What people look for.
const WORDS: [&str; 6] = ["oak", "wool", "summer", "KITCHEN", "a", "unicorn"];
/// The shelves, and one that does not exist.
const CATEGORIES: [&str; 5] = ["kitchen", "lighting", "furniture", "textiles", "toys"];

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Failures by sentence, since they were last taken.
    failures: RefCell<BTreeMap<String, u64>>,
}

impl Counts {
    fn failed(&self, what: String) {
        let mut failures = self.failures.borrow_mut();
        // A handful of different failures is enough to read.
        if failures.len() < 8 || failures.contains_key(&what) {
            *failures.entry(what).or_default() += 1;
        }
    }

    /// The failures since the last call.
    pub(crate) fn take_failures(&self) -> BTreeMap<String, u64> {
        self.failures.take()
    }
}

/// Sends `rate` requests per second until it is dropped.
pub(crate) async fn send(proxy: SocketAddr, rate: u32, counts: &Counts) {
    let mut customers = Customers {
        client: Client::new(proxy),
        logged_in: false,
        orders: 0,
        program: Client::new(proxy),
        token: None,
    };
    let mut pace = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        for step in STEPS {
            pace.tick().await;
            match customers.take(*step).await {
                Ok(answer) if step.is_answered_by(answer.status) => {}
                Ok(answer) => counts.failed(format!("{} for {}", answer.status.as_u16(), step.name())),
                Err(error) => counts.failed(format!("{} for {}", error.root_cause(), step.name())),
            }
        }
    }
}

/// One request, or two that belong together.
#[derive(Debug, Clone, Copy)]
enum Step {
    Catalogue,
    Product,
    Search,
    Users,
    User,
    Me,
    Orders,
    Order,
    UnknownOrder,
    Mine,
    Payment,
    Receipt,
    ReceiptText,
    Page(&'static str),
    /// What is bought, as a program sees it: its stock is the race.
    Bought,
    Account,
    Buy,
}

/// A round, of which one step writes.
const STEPS: &[Step] = &[
    Step::Page("/"),
    Step::Catalogue,
    Step::Product,
    Step::User,
    Step::Search,
    Step::Order,
    Step::Me,
    Step::Page("/shop"),
    Step::Product,
    Step::Account,
    Step::Users,
    Step::Search,
    Step::Orders,
    Step::Payment,
    Step::Catalogue,
    Step::Product,
    Step::UnknownOrder,
    Step::Page("/shop/products/5"),
    Step::Bought,
    Step::User,
    Step::Receipt,
    Step::Mine,
    Step::ReceiptText,
    Step::Buy,
];

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Catalogue => "GET /products",
            Self::Product | Self::Bought => "GET /products/{id}",
            Self::Search => "POST /products/search",
            Self::Users => "GET /users",
            Self::User => "GET /users/{id}",
            Self::Me => "GET /users/me",
            Self::Orders => "GET /orders",
            Self::Order | Self::UnknownOrder => "GET /orders/{id}",
            Self::Mine => "GET /orders/mine",
            Self::Payment => "GET /payments/{id}",
            Self::Receipt => "GET /payments/{id}/receipt",
            Self::ReceiptText => "GET /payments/{id}/receipt.txt",
            Self::Page(path) => path,
            Self::Account => "GET /account",
            Self::Buy => "ordering and paying",
        }
    }

    /// Whether this is an answer that nobody need hear of.
    fn is_answered_by(self, status: StatusCode) -> bool {
        let unknown = matches!(self, Self::UnknownOrder) && status == StatusCode::NOT_FOUND;
        status.is_success() || status.is_redirection() || unknown
    }
}

struct Customers {
    /// Ada's browser.
    client: Client,
    logged_in: bool,
    orders: u64,
    /// Grace's.
    program: Client,
    /// `Bearer …`, and until when it is sent.
    token: Option<(String, Instant)>,
}

impl Customers {
    async fn take(&mut self, step: Step) -> anyhow::Result<Answer> {
        let any = |last| fastrand::u8(1..=last);
        let path = match step {
            Step::Search => return self.search().await,
            Step::Account => return self.account().await,
            Step::Me => return self.with_token("/users/me").await,
            Step::Mine => return self.with_token("/orders/mine").await,
            Step::Buy => return self.buy().await,
            Step::Catalogue => catalogue(),
            Step::Product => format!("/products/{}", any(12)),
            Step::Bought => format!("/products/{BOUGHT}"),
            Step::Users => format!("/users?limit={}&offset={}", any(6), any(4) - 1),
            Step::User => format!("/users/{}", any(6)),
            // The first customer is the one who buys.
            Step::Orders => format!("/orders?user_id={}&limit={}", any(5) + 1, any(5)),
            Step::Order => format!("/orders/{}", any(5)),
            Step::UnknownOrder => format!("/orders/{}", 1_000_000 + u32::from(any(200))),
            Step::Payment => format!("/payments/{}", any(5)),
            Step::Receipt => format!("/payments/{}/receipt", any(5)),
            Step::ReceiptText => format!("/payments/{}/receipt.txt", any(5)),
            Step::Page(path) => path.to_owned(),
        };
        self.client.get(&path).await
    }

    async fn search(&mut self) -> anyhow::Result<Answer> {
        let mut wanted = json!({ "query": fastrand::choice(WORDS) });
        if let (true, Some(wanted)) = (fastrand::bool(), wanted.as_object_mut()) {
            wanted.insert("max_price".to_owned(), json!(fastrand::u16(5..400)));
        }
        self.client.post("/products/search", &wanted).await
    }

    /// Something of Grace's own; gets a token first when there is none that lasts.
    async fn with_token(&mut self, path: &str) -> anyhow::Result<Answer> {
        use legacy_monolith::seed::DEMO_PASSWORD;
        let kept = self.token.take().filter(|(_, until)| Instant::now() < *until);
        let (bearer, until) = match kept {
            Some(kept) => kept,
            None => {
                let credentials =
                    json!({"email": "grace@example.com", "password": DEMO_PASSWORD, "expires_in": TOKEN});
                let answer = self.program.post("/tokens", &credentials).await?;
                let body = answer.json();
                let Some(token) = body.get("token").and_then(Value::as_str) else { return Ok(answer) };
                (format!("Bearer {token}"), Instant::now() + Duration::from_secs(TOKEN / 2))
            }
        };
        let headers = [("authorization", bearer.as_str())];
        let answer = self.program.send(Method::GET, path, &headers, Payload::Nothing).await?;
        // One that is refused is not sent again.
        if answer.status != StatusCode::UNAUTHORIZED {
            self.token = Some((bearer, until));
        }
        Ok(answer)
    }

    /// The customer's own page; logs in on the first visit.
    async fn account(&mut self) -> anyhow::Result<Answer> {
        if !self.logged_in {
            use legacy_monolith::seed::{DEMO_EMAIL, DEMO_PASSWORD};
            let token = self.client.get("/login").await?.csrf();
            let form = [("csrf", &*token), ("email", DEMO_EMAIL), ("password", DEMO_PASSWORD)];
            let answer = self.client.form("/login", &form).await?;
            self.logged_in = answer.status.is_redirection();
        }
        let json = [("accept", "application/json")];
        let answer = self.client.send(Method::GET, "/account", &json, Payload::Nothing).await?;
        self.logged_in &= answer.status.is_success();
        Ok(answer)
    }

    /// An order and its payment, each under a key of its own.
    async fn buy(&mut self) -> anyhow::Result<Answer> {
        self.orders += 1;
        let key = format!("demo-{}-{}", std::process::id(), self.orders);
        let key = [("idempotency-key", key.as_str())];
        let order = json!({"user_id": 1, "lines": [{"product_id": BOUGHT, "quantity": fastrand::u8(1..=3)}]});
        let answer = self.client.send(Method::POST, "/orders", &key, Payload::Json(&order)).await?;
        if !answer.status.is_success() {
            return Ok(answer);
        }
        let placed = answer.json();
        let amount = placed.get("total").unwrap_or(&Value::Null);
        let payment = json!({"order_id": placed.get("id"), "amount": amount, "method": "invoice"});
        self.client.send(Method::POST, "/payments", &key, Payload::Json(&payment)).await
    }
}

/// The whole catalogue, a page of it, or a shelf.
fn catalogue() -> String {
    match fastrand::u8(..3) {
        0 => "/products".to_owned(),
        1 => format!("/products?limit={}&offset={}", fastrand::u8(1..=12), fastrand::u8(..8)),
        _ => format!("/products?category={}", fastrand::choice(CATEGORIES).unwrap_or_default()),
    }
}
