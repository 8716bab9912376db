//! Gentle traffic: a few customers who mostly look, sometimes order, and pay for what they ordered.
//!
//! All of it goes to the proxy, as customers' requests do. It refuses to repeat what failed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use chassis::client::{Answer, Client, Payload};
use http::Method;
use serde_json::{Value, json};

/// The product that is bought: its stock outlasts any demonstration.
const BOUGHT: i64 = 5;

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
    let mut customer = Customer { client: Client::new(proxy), logged_in: false, orders: 0 };
    let mut pace = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        for step in STEPS {
            pace.tick().await;
            match customer.take(*step).await {
                Ok(answer) if answer.status.is_success() || answer.status.is_redirection() => {}
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
    Orders,
    Order,
    Page(&'static str),
    Account,
    Buy,
}

/// A round: twenty requests of which two write.
const STEPS: &[Step] = &[
    Step::Page("/"),
    Step::Catalogue,
    Step::Product,
    Step::User,
    Step::Product,
    Step::Order,
    Step::Search,
    Step::Page("/shop"),
    Step::Product,
    Step::Account,
    Step::Users,
    Step::Product,
    Step::Orders,
    Step::Catalogue,
    Step::Product,
    Step::Page("/shop/products/5"),
    Step::User,
    Step::Buy,
];

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Catalogue => "GET /products",
            Self::Product => "GET /products/{id}",
            Self::Search => "POST /products/search",
            Self::Users => "GET /users",
            Self::User => "GET /users/{id}",
            Self::Orders => "GET /orders",
            Self::Order => "GET /orders/{id}",
            Self::Page(path) => path,
            Self::Account => "GET /account",
            Self::Buy => "ordering and paying",
        }
    }
}

struct Customer {
    client: Client,
    logged_in: bool,
    orders: u64,
}

impl Customer {
    async fn take(&mut self, step: Step) -> anyhow::Result<Answer> {
        let client = &mut self.client;
        match step {
            Step::Catalogue => client.get("/products").await,
            Step::Product => client.get(&format!("/products/{}", fastrand::u8(1..=12))).await,
            Step::Search => client.post("/products/search", &json!({"query": "oak"})).await,
            Step::Users => client.get("/users").await,
            Step::User => client.get(&format!("/users/{}", fastrand::u8(1..=6))).await,
            Step::Orders => client.get("/orders?limit=5").await,
            Step::Order => client.get(&format!("/orders/{}", fastrand::u8(1..=5))).await,
            Step::Page(path) => client.get(path).await,
            Step::Account => self.account().await,
            Step::Buy => self.buy().await,
        }
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
