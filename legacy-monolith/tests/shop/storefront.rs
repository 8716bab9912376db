//! The storefront, as a browser without scripts sees it.

use chassis::client::{Client, Payload};
use http::{Method, StatusCode};
use legacy_monolith::seed::{DEMO_EMAIL, DEMO_PASSWORD};

use crate::with_shop;

async fn log_in(client: &mut Client, next: &str) -> String {
    let token = client.get("/login").await.unwrap().csrf();
    let form = [("csrf", &*token), ("email", DEMO_EMAIL), ("password", DEMO_PASSWORD), ("next", next)];
    let entered = client.form("/login", &form).await.unwrap();
    assert_eq!(entered.status, StatusCode::SEE_OTHER, "{}", entered.text());
    entered.header("location").to_owned()
}

#[tokio::test]
async fn a_customer_browses_orders_and_pays() {
    with_shop(async |address| {
        let mut client = Client::new(address);
        for page in ["/", "/shop", "/shop?category=kitchen&q=mug", "/assets/shop.css", "/favicon.ico"] {
            assert_eq!(client.get(page).await.unwrap().status, StatusCode::OK, "{page}");
        }
        let product = client.get("/shop/products/12").await.unwrap();
        assert!(product.text().contains("Rocking Chair") && product.text().contains("€389.00"));
        let add = [("csrf", &*product.csrf()), ("product_id", "12"), ("quantity", "1"), ("action", "add")];
        assert_eq!(client.form("/cart", &add).await.unwrap().header("location"), "/cart");

        let checkout = client.get("/checkout").await.unwrap();
        assert_eq!(checkout.header("location"), "/login?next=/checkout");
        assert_eq!(log_in(&mut client, "/checkout").await, "/checkout");
        let checkout = client.get("/checkout").await.unwrap();
        assert!(checkout.text().contains("1 × Rocking Chair"), "the cart followed through the login");
        let placed = client.form("/checkout", &[("csrf", &checkout.csrf())]).await.unwrap();
        assert_eq!(placed.header("location"), "/pay?order=6");

        let pay = client.get("/pay?order=6").await.unwrap();
        let declined =
            [("csrf", &*pay.csrf()), ("order", "6"), ("method", "card"), ("card_number", "4000000000000002")];
        let answer = client.form("/pay", &declined).await.unwrap();
        assert!(answer.status == StatusCode::PAYMENT_REQUIRED && answer.text().contains("declined"));
        let good = [
            ("csrf", &*pay.csrf()),
            ("order", "6"),
            ("method", "card"),
            ("card_number", "4242 4242 4242 4242"),
        ];
        let paid = client.form("/pay", &good).await.unwrap();
        assert_eq!(paid.header("location"), format!("http://{address}/shop/orders/6"), "absolute, from Host");
        let done = client.get("/shop/orders/6").await.unwrap();
        assert!(done.text().contains("Thank you"));
        assert!(client.get("/shop/products/12").await.unwrap().text().contains("Sold out"));
    })
    .await;
}

#[tokio::test]
async fn a_form_without_the_sessions_token_is_refused() {
    with_shop(async |address| {
        let (mut client, mut other) = (Client::new(address), Client::new(address));
        log_in(&mut client, "/").await;
        let foreign = other.get("/login").await.unwrap().csrf();
        for token in ["", "guess", &foreign] {
            for (path, rest) in [
                ("/cart", vec![("product_id", "1"), ("quantity", "1"), ("action", "add")]),
                ("/checkout", vec![]),
                ("/pay", vec![("order", "5"), ("method", "invoice")]),
                ("/login", vec![("email", DEMO_EMAIL), ("password", DEMO_PASSWORD)]),
                ("/logout", vec![]),
            ] {
                let fields: Vec<_> = rest.into_iter().chain([("csrf", token)]).collect();
                let answer = client.form(path, &fields).await.unwrap();
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} with `{token}`");
            }
        }
        assert_eq!(client.get("/payments/5").await.unwrap().json()["status"], "pending");
        assert!(client.get("/account").await.unwrap().text().contains("Ada Lovelace"), "still logged in");
    })
    .await;
}

#[tokio::test]
async fn logging_in_changes_the_session_and_logging_out_ends_it() {
    with_shop(async |address| {
        let mut client = Client::new(address);
        let before = client.get("/login").await.unwrap().header("set-cookie").to_owned();
        assert!(before.contains("HttpOnly") && before.contains("SameSite=Lax"), "{before}");
        log_in(&mut client, "/").await;
        // Whoever planted the first id has a stranger's session.
        let old = before.split(';').next().unwrap();
        let planted =
            Client::new(address).send(Method::GET, "/account", &[("cookie", old)], Payload::Nothing).await;
        assert_eq!(planted.unwrap().header("location"), "/login?next=/account");

        let token = client.get("/account").await.unwrap().csrf();
        assert_eq!(client.form("/logout", &[("csrf", &token)]).await.unwrap().header("location"), "/");
        assert_eq!(client.get("/account").await.unwrap().status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test]
async fn the_account_is_a_page_or_json_by_accept() {
    with_shop(async |address| {
        let mut client = Client::new(address);
        let json = [("accept", "application/json")];
        let stranger = client.send(Method::GET, "/account", &json, Payload::Nothing).await.unwrap();
        assert_eq!((stranger.status, stranger.header("vary")), (StatusCode::UNAUTHORIZED, "Accept, Cookie"));
        log_in(&mut client, "/").await;
        let own = client.send(Method::GET, "/account", &json, Payload::Nothing).await.unwrap().json();
        assert_eq!((&own["user"]["name"], &own["orders_total"]), (&"Ada Lovelace".into(), &2.into()));
        assert!(client.get("/account").await.unwrap().text().contains("<h1>Hello, Ada Lovelace</h1>"));
        // Somebody else's order does not exist.
        assert_eq!(client.get("/shop/orders/2").await.unwrap().status, StatusCode::NOT_FOUND);
        assert_eq!(client.get("/pay?order=2").await.unwrap().status, StatusCode::NOT_FOUND);
    })
    .await;
}

#[tokio::test]
async fn what_a_visitor_types_is_never_markup() {
    with_shop(async |address| {
        let page = Client::new(address).get("/shop?q=%22%3E%3Cscript%3E").await.unwrap().text();
        assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"), "{page}");
    })
    .await;
}
