//! A customer in a real browser: everything the storefront does, through the proxy, while every slice is in
//! phase legacy. `SCREENSHOTS=folder` keeps a picture of each step.

mod browser;

use std::future::Future;
use std::path::PathBuf;

use browser::Browser;
use stack::secrets::code_of_mail;
use stack::stack::CONFIGURATION;
use stack::{Config, Executable, Role, Stack, StackOptions};

use crate::support::client;

/// The customer that the login page suggests.
const EMAIL: &str = legacy_monolith::seed::DEMO_EMAIL;
const PASSWORD: &str = legacy_monolith::seed::DEMO_PASSWORD;

/// A stack, a browser, and the URL under which the shop is public.
async fn with_shop<F: Future<Output = ()>>(test: impl FnOnce(Browser, String) -> F) {
    with_mails(|browser, shop, _| test(browser, shop)).await;
}

/// The same, with the database in which the monolith keeps its e-mails.
async fn with_mails<F: Future<Output = ()>>(test: impl FnOnce(Browser, String, PathBuf) -> F) {
    let stack = Stack::start(StackOptions::new(Executable::new(env!("CARGO_BIN_EXE_e2e-node")))).unwrap();
    let shop = format!("http://{}", stack.address(Role::Strangler).unwrap());
    test(Browser::start().await, shop, stack.database(Role::LegacyMonolith)).await;
    stack.stop_all().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(have_chromium),
    ignore = "needs chromium and chromedriver: apt-get install chromium chromium-driver"
)]
async fn a_customer_logs_in_browses_fills_a_cart_orders_and_pays() {
    with_shop(async |browser, shop| {
        browser.open(&format!("{shop}/")).await;
        browser.picture("1-home").await;

        browser.click("#login-link").await;
        browser.fill("#email", EMAIL).await;
        browser.fill("#password", "wrong").await;
        browser.click("#login").await;
        assert!(browser.text(".problem").await.contains("do not fit together"));
        browser.fill("#email", EMAIL).await;
        browser.fill("#password", PASSWORD).await;
        browser.picture("2-login").await;
        browser.click("#login").await;
        assert_eq!(browser.url().await, format!("{shop}/account"));
        assert_eq!(browser.text("h1").await, "Hello, Ada Lovelace");
        browser.picture("3-account").await;

        browser.open(&format!("{shop}/shop")).await;
        browser.picture("4-shop").await;
        browser.click("a[href='/shop/products/3']").await;
        assert_eq!(browser.text("h1").await, "Arc Lamp");
        browser.picture("5-product").await;
        browser.click("#add-to-cart").await;
        browser.open(&format!("{shop}/shop/products/1")).await;
        browser.fill("#quantity", "4").await;
        browser.click("#add-to-cart").await;
        assert_eq!(browser.url().await, format!("{shop}/cart"));
        assert_eq!(browser.text("#cart-pieces").await, "5");
        // 129.00 and four times 19.90, less 5 % for five pieces.
        assert_eq!(browser.text("#total").await, "€198.17");
        browser.picture("6-cart").await;

        browser.click("#checkout").await;
        browser.picture("7-checkout").await;
        browser.click("#place-order").await;
        browser.fill("#card", "4000 0000 0000 0002").await;
        browser.click("#pay").await;
        assert!(browser.text(".problem").await.contains("declined"));
        browser.fill("#card", "4242 4242 4242 4242").await;
        browser.picture("8-pay").await;
        browser.click("#pay").await;
        // The monolith builds this Location from Host: the customer must stay at the public address.
        assert_eq!(browser.url().await, format!("{shop}/shop/orders/6"));
        assert_eq!(browser.text("#confirmed").await, "Thank you, it is on its way");
        browser.picture("9-confirmation").await;

        browser.click("#logout").await;
        browser.open(&format!("{shop}/account")).await;
        assert_eq!(browser.url().await, format!("{shop}/login?next=/account"));
        browser.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(have_chromium),
    ignore = "needs chromium and chromedriver: apt-get install chromium chromium-driver"
)]
async fn the_storefront_is_usable_on_a_telephone_and_when_nothing_is_found() {
    with_shop(async |browser, shop| {
        browser.resize(390, 844).await;
        for (name, path) in [("a-telephone-home", "/"), ("b-telephone-product", "/shop/products/12")] {
            browser.open(&format!("{shop}{path}")).await;
            assert!(!browser.scrolls_sideways().await, "{path} is wider than a telephone");
            browser.picture(name).await;
        }
        browser.resize(1280, 900).await;
        browser.open(&format!("{shop}/shop?q=nonsense")).await;
        assert!(browser.text(".empty").await.contains("Nothing on this shelf fits"));
        browser.open(&format!("{shop}/shop/products/99")).await;
        assert_eq!(browser.text("h1").await, "We could not find that");
        browser.picture("c-not-found").await;
        browser.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(have_chromium),
    ignore = "needs chromium and chromedriver: apt-get install chromium chromium-driver"
)]
async fn a_customer_who_forgot_the_password_chooses_another() {
    with_mails(async |browser, shop, mails| {
        browser.open(&format!("{shop}/login")).await;
        browser.click("#forgot-link").await;
        browser.fill("#email", EMAIL).await;
        browser.picture("d-forgot").await;
        browser.click("#send-link").await;
        assert!(browser.text("#link-sent").await.contains("a link is on its way"));
        browser.picture("e-link-sent").await;
        let link = format!("{shop}/reset/{}", code_of_mail(&mails, EMAIL).unwrap());
        browser.open(&link).await;
        browser.fill("#password", "a-new-fig").await;
        browser.picture("f-new-password").await;
        browser.click("#change-password").await;
        assert_eq!(browser.url().await, format!("{shop}/login"));
        browser.fill("#email", EMAIL).await;
        browser.fill("#password", "a-new-fig").await;
        browser.click("#login").await;
        assert_eq!(browser.text("h1").await, "Hello, Ada Lovelace");
        browser.open(&link).await;
        assert_eq!(browser.text("h1").await, "This link is not good any more");
        browser.picture("g-link-gone").await;
        browser.close().await;
    })
    .await;
}

/// The demonstration's configuration with payments moved, reads and writes.
fn payments_moved() -> String {
    let (before, slice) = CONFIGURATION.split_once("[slices.payments]").unwrap();
    let moved = slice.replacen("phase    = \"legacy\"", "phase    = \"extracted\"", 1);
    let moved = moved.replacen("writer   = \"legacy\"", "writer   = \"extracted\"", 1);
    assert_eq!(moved.matches("\"extracted\"").count(), slice.matches("\"extracted\"").count() + 2);
    format!("{before}[slices.payments]{moved}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(have_chromium),
    ignore = "needs chromium and chromedriver: apt-get install chromium chromium-driver"
)]
async fn without_the_payment_service_everything_but_paying_goes_on() {
    let mut options = StackOptions::new(Executable::new(env!("CARGO_BIN_EXE_e2e-node")));
    options.config = Config::Own(payments_moved());
    let mut stack = Stack::start(options).unwrap();
    let address = stack.address(Role::Strangler).unwrap();
    let shop = format!("http://{address}");
    let browser = Browser::start().await;
    stack.kill(Role::PaymentService).unwrap();

    browser.open(&format!("{shop}/login")).await;
    browser.fill("#email", EMAIL).await;
    browser.fill("#password", PASSWORD).await;
    browser.click("#login").await;
    assert_eq!(browser.text("h1").await, "Hello, Ada Lovelace");
    browser.open(&format!("{shop}/shop/products/3")).await;
    browser.click("#add-to-cart").await;
    browser.click("#checkout").await;
    browser.click("#place-order").await;
    browser.fill("#card", "4242 4242 4242 4242").await;
    browser.click("#pay").await;
    assert_eq!(browser.text("h1").await, "Payment temporarily unavailable");
    assert!(browser.text("p").await.contains("try again in 30 seconds"));
    browser.picture("h-payment-unavailable").await;

    for path in ["/", "/shop", "/shop/products/1", "/cart"] {
        browser.open(&format!("{shop}{path}")).await;
        assert!(!browser.text("h1").await.contains("unavailable"), "{path}");
        // The shop's own page, not one of the proxy's.
        browser.text("footer.site").await;
    }
    browser.open(&format!("{shop}/account")).await;
    assert_eq!(browser.text("h1").await, "Hello, Ada Lovelace");

    for (method, path) in [("GET", "/payments/1"), ("POST", "/payments")] {
        let answer = client::send(address, method, path, &[("accept", "application/json")]);
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("30")), "{method}");
        assert_eq!(answer.json()["message"], "Payment temporarily unavailable", "{method}");
    }
    for path in ["/products", "/products/1", "/orders/1"] {
        let answer = client::send(address, "GET", path, &[("accept", "application/json")]);
        assert!(answer.status < 500, "{path}: {}", answer.status);
    }

    // The service is back: the order is paid.
    stack.restart(Role::PaymentService).unwrap();
    browser.open(&format!("{shop}/pay?order=6")).await;
    browser.fill("#card", "4242 4242 4242 4242").await;
    crate::support::wait_for("the breaker to close", || {
        let answer = client::send(address, "GET", "/payments/1", &[]);
        (answer.status == 200).then_some(())
    });
    browser.submit("#pay").await;
    let receipt = browser.text("body").await;
    assert!(receipt.contains("Order 6") && receipt.contains("captured"), "{receipt}");
    browser.close().await;
    stack.stop_all().unwrap();
}
