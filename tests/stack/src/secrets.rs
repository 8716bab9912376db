//! Plants secrets where customers and programs leave them, and says which: for showing that nothing of them is
//! kept.
//!
//! Every place a recording could pick one up from is used at least once: bodies in JSON and forms, addresses
//! with path, query and percent-encoding, headers of requests and answers, cookies, pages. Values are drawn
//! afresh and long enough never to be found by chance. It refuses to go on when the shop does not take one,
//! because then nothing would have been planted.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::client::{Answer, Client, Payload};
use http::{Method, StatusCode};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A payment card's number that passes the Luhn check; with and without separators.
    CardNumber,
    /// A password; also inside HTTP basic credentials.
    Password,
    /// A bearer token, an API key, a JWT.
    Token,
    /// What is in the address by which a forgotten password is replaced.
    ResetCode,
    /// The value of a session cookie.
    SessionCookie,
    /// What a form sends back.
    CsrfToken,
    /// An e-mail address: no secret, but somebody's.
    EmailAddress,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::CardNumber,
        Self::Password,
        Self::Token,
        Self::ResetCode,
        Self::SessionCookie,
        Self::CsrfToken,
        Self::EmailAddress,
    ];
}

/// A string that was sent or received and that must not be kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret {
    /// What it is.
    pub kind: Kind,
    /// How it was typed or received, and for a card's number also the digits alone.
    pub text: String,
}

/// Drives the shop at `shop` (the proxy, or the monolith itself) through everything that has to do with
/// secrets, and returns what must not be found anywhere.
///
/// `mails` is the monolith's database: where the link for a forgotten password is read, as a customer would
/// read it in an e-mail.
///
/// # Errors
/// When the shop cannot be reached, or does not take something as it should.
pub async fn plant(shop: SocketAddr, mails: &Path) -> anyhow::Result<Vec<Secret>> {
    let mut planter = Planter { browser: Client::new(shop), program: Client::new(shop), planted: Vec::new() };
    let email = planter.plant(Kind::EmailAddress, format!("{}@planted.example", letters(12)));
    let password = planter.plant(Kind::Password, format!("pw-{}", letters(20)));
    planter.register(&email, &password).await?;
    planter.use_tokens(&email, &password).await?;
    planter.log_in(&email, &password).await?;
    planter.pay().await?;
    planter.type_cards_anywhere().await?;
    planter.forget_password(&email, mails).await?;
    planter.planted.sort();
    planter.planted.dedup();
    Ok(planter.planted)
}

struct Planter {
    browser: Client,
    program: Client,
    planted: Vec<Secret>,
}

impl Planter {
    fn plant(&mut self, kind: Kind, text: impl Into<String>) -> String {
        let text = text.into();
        self.planted.push(Secret { kind, text: text.clone() });
        text
    }

    async fn ask(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        expected: StatusCode,
    ) -> anyhow::Result<Answer> {
        taken(self.program.send(Method::GET, path, headers, Payload::Nothing).await?, expected, path)
    }

    async fn send(&mut self, path: &str, body: &Value, expected: StatusCode) -> anyhow::Result<Answer> {
        taken(self.program.post(path, body).await?, expected, path)
    }

    /// A page, and the token of its form.
    async fn page(&mut self, path: &str) -> anyhow::Result<String> {
        let page = taken(self.browser.get(path).await?, StatusCode::OK, path)?;
        self.keep_cookie(&page);
        let csrf = page.csrf();
        ensure!(!csrf.is_empty(), "{path} has no form");
        Ok(self.plant(Kind::CsrfToken, csrf))
    }

    async fn fill_in(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        expected: StatusCode,
    ) -> anyhow::Result<Answer> {
        let answer = taken(self.browser.form(path, fields).await?, expected, path)?;
        self.keep_cookie(&answer);
        Ok(answer)
    }

    fn keep_cookie(&mut self, answer: &Answer) {
        let session = answer.header("set-cookie").strip_prefix("session=");
        if let Some((value, _)) = session.and_then(|rest| rest.split_once(';')) {
            self.plant(Kind::SessionCookie, value);
        }
    }

    async fn register(&mut self, email: &str, password: &str) -> anyhow::Result<()> {
        let new = json!({ "name": "Planted Customer", "email": email, "password": password });
        self.send("/users", &new, StatusCode::CREATED).await?;
        // And one that is refused, because somebody typed it wrongly.
        let mistyped = self.plant(Kind::Password, format!("pw-{}", letters(20)));
        let wrong = json!({ "email": email, "password": mistyped });
        self.send("/tokens", &wrong, StatusCode::UNAUTHORIZED).await?;
        Ok(())
    }

    async fn use_tokens(&mut self, email: &str, password: &str) -> anyhow::Result<()> {
        let credentials = json!({ "email": email, "password": password });
        let answer = self.send("/tokens", &credentials, StatusCode::CREATED).await?.json();
        let token = answer.get("token").and_then(Value::as_str).context("no token came")?;
        let token = self.plant(Kind::Token, token);
        let bearer = format!("Bearer {token}");
        for path in ["/users/me", "/orders/mine"] {
            self.ask(path, &[("authorization", &bearer)], StatusCode::OK).await?;
        }
        self.ask(&format!("/products?token={token}"), &[], StatusCode::OK).await?;
        let made_up = self.plant(Kind::Token, format!("v1.1.9999999999.{}", hex(64)));
        let refused = format!("Bearer {made_up}");
        self.ask("/users/me", &[("authorization", &refused)], StatusCode::UNAUTHORIZED).await?;
        let jwt = self.plant(Kind::Token, format!("eyJhbGciOiJIUzI1NiJ9.eyJ{}.{}", letters(40), letters(43)));
        let path = format!("/products/1?access_token={jwt}");
        self.ask(&path, &[("cookie", &format!("id_token={jwt}"))], StatusCode::OK).await?;
        let key = self.plant(Kind::Token, format!("sk_live_{}", letters(32)));
        let headers = [("x-api-key", &*key), ("proxy-authorization", &bearer)];
        self.ask("/users/1", &headers, StatusCode::OK).await?;
        // Basic credentials hide a password from whoever looks for its letters only.
        let basic = STANDARD.encode(format!("{email}:{password}"));
        let basic = self.plant(Kind::Password, basic);
        self.ask("/products/2", &[("authorization", &format!("Basic {basic}"))], StatusCode::OK).await?;
        Ok(())
    }

    async fn log_in(&mut self, email: &str, password: &str) -> anyhow::Result<()> {
        let csrf = self.page("/login").await?;
        let fields = [("csrf", &*csrf), ("email", email), ("password", password)];
        self.fill_in("/login", &fields, StatusCode::SEE_OTHER).await?;
        self.page("/account").await?;
        Ok(())
    }

    /// Orders, and pays by card: once in a form and once as a program.
    async fn pay(&mut self) -> anyhow::Result<()> {
        let csrf = self.page("/shop/products/5").await?;
        let add = [("csrf", &*csrf), ("product_id", "5"), ("quantity", "1"), ("action", "add")];
        self.fill_in("/cart", &add, StatusCode::SEE_OTHER).await?;
        let csrf = self.page("/checkout").await?;
        let placed = self.fill_in("/checkout", &[("csrf", &csrf)], StatusCode::SEE_OTHER).await?;
        let pay = placed.header("location").to_owned();
        let order = pay.rsplit('=').next().unwrap_or_default().to_owned();
        let csrf = self.page(&pay).await?;
        let card = card();
        let spaced = self.card(&card, ' ');
        let paid = [("csrf", &*csrf), ("order", &*order), ("method", "card"), ("card_number", &*spaced)];
        self.fill_in("/pay", &paid, StatusCode::SEE_OTHER).await?;

        let wanted = json!({ "user_id": 1, "lines": [{ "product_id": 5, "quantity": 1 }] });
        let order = self.send("/orders", &wanted, StatusCode::CREATED).await?.json();
        let declined = self.plant(Kind::CardNumber, card_ending("0002"));
        for (number, expected) in
            [(declined, StatusCode::PAYMENT_REQUIRED), (self.plain_card(), StatusCode::CREATED)]
        {
            let payment = json!({ "order_id": order.get("id"), "method": "card", "card_number": number });
            self.send("/payments", &payment, expected).await?;
        }
        Ok(())
    }

    /// Where no card number belongs: customers type anything anywhere.
    async fn type_cards_anywhere(&mut self) -> anyhow::Result<()> {
        let number = card();
        let dashed = self.card(&number, '-');
        self.send("/products/search", &json!({ "query": dashed }), StatusCode::OK).await?;
        let number = self.plain_card();
        self.send("/products/search", &json!({ "query": "mug", "note": { "to": [number] } }), StatusCode::OK)
            .await?;
        let number = self.plain_card();
        self.ask(&format!("/products?category={number}"), &[], StatusCode::OK).await?;
        let number = card();
        let spaced = self.card(&number, ' ').replace(' ', "%20");
        let spaced = self.plant(Kind::CardNumber, spaced);
        let path = format!("/shop?q={spaced}");
        self.ask(&path, &[("user-agent", "planter")], StatusCode::OK).await?;
        let number = self.plain_card();
        // One escape is enough to hide it from whoever does not decode.
        let (first, rest) = number.split_at(1);
        let escaped = self.plant(Kind::CardNumber, format!("%3{first}{rest}"));
        self.ask(&format!("/products?category={escaped}"), &[], StatusCode::OK).await?;
        let number = self.plain_card();
        self.ask(&format!("/orders/{number}"), &[], StatusCode::NOT_FOUND).await?;
        Ok(())
    }

    async fn forget_password(&mut self, email: &str, mails: &Path) -> anyhow::Result<()> {
        let csrf = self.page("/forgot").await?;
        self.fill_in("/forgot", &[("csrf", &csrf), ("email", email)], StatusCode::OK).await?;
        let code = code_of_mail(mails, email)?;
        let code = self.plant(Kind::ResetCode, code);
        let path = format!("/reset?code={code}");
        taken(self.browser.get(&path).await?, StatusCode::SEE_OTHER, &path)?;
        let path = format!("/reset/{code}");
        let csrf = self.page(&path).await?;
        // What a browser does that never heard of Referrer-Policy.
        let referer = format!("http://shop.example{path}");
        self.ask("/products/3", &[("referer", &referer)], StatusCode::OK).await?;
        let password = self.plant(Kind::Password, format!("pw-{}", letters(20)));
        self.fill_in(&path, &[("csrf", &csrf), ("password", &password)], StatusCode::SEE_OTHER).await?;
        self.log_in(email, &password).await
    }

    fn plain_card(&mut self) -> String {
        self.plant(Kind::CardNumber, card())
    }

    /// The number in groups of four; as it is written and without the separators it must not be kept.
    fn card(&mut self, number: &str, separator: char) -> String {
        self.plant(Kind::CardNumber, number);
        let mut grouped = String::new();
        for (place, digit) in number.chars().enumerate() {
            if place > 0 && place % 4 == 0 {
                grouped.push(separator);
            }
            grouped.push(digit);
        }
        self.plant(Kind::CardNumber, grouped)
    }
}

fn taken(answer: Answer, expected: StatusCode, path: &str) -> anyhow::Result<Answer> {
    ensure!(answer.status == expected, "{} instead of {expected} for {path}", answer.status);
    Ok(answer)
}

/// The code of the last link that was sent to this address, from the monolith's database.
///
/// # Errors
/// When there is no such e-mail.
pub fn code_of_mail(mails: &Path, email: &str) -> anyhow::Result<String> {
    let database = Connection::open_with_flags(mails, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| format!("cannot read {}", mails.display()))?;
    let body: String = database
        .query_row("SELECT body FROM emails WHERE recipient = ?1 ORDER BY id DESC", [email], |row| row.get(0))
        .context("no e-mail was sent")?;
    let (_, link) = body.split_once("/reset/").context("the e-mail has no link")?;
    Ok(link.chars().take_while(char::is_ascii_alphanumeric).collect())
}

/// Sixteen digits that pass the Luhn check, of which these are the last.
fn card_ending(end: &str) -> String {
    loop {
        let digits = (end.len()..15).map(|_| fastrand::digit(10));
        let number: String = std::iter::once('4').chain(digits).chain(end.chars()).collect();
        if passes_luhn(&number) {
            return number;
        }
    }
}

/// A number that the shop does not decline.
fn card() -> String {
    let number = card_ending("");
    if number.ends_with("0002") { card() } else { number }
}

/// ISO/IEC 7812-1: every second digit from the right is doubled, and the sum of all digits is a multiple of ten.
fn passes_luhn(number: &str) -> bool {
    let digits = number.chars().rev().filter_map(|digit| digit.to_digit(10));
    let sum: u32 =
        digits.enumerate().map(|(i, d)| if i % 2 == 0 { d } else { d * 2 / 10 + d * 2 % 10 }).sum();
    sum.is_multiple_of(10)
}

fn letters(count: usize) -> String {
    (0..count).map(|_| fastrand::alphanumeric()).collect()
}

fn hex(count: usize) -> String {
    (0..count).map(|_| fastrand::digit(16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_pass_the_luhn_check() {
        for (number, passes) in [
            ("4242424242424242", true),
            ("378282246310005", true),
            ("4242424242424241", false),
            ("79927398713", true),
        ] {
            assert_eq!(passes_luhn(number), passes, "{number}");
        }
        assert_eq!((card().len(), card_ending("0002").len()), (16, 16));
        assert!(passes_luhn(&card()) && card_ending("0002").ends_with("0002"));
    }
}
