//! Who a customer is to programs (tokens), and what a customer does who forgot the password.

use chassis::bearer::Key;
use chassis::client::{Answer, Client, Payload};
use chassis::database::Location;
use http::{Method, StatusCode};
use legacy_monolith::Options;
use legacy_monolith::seed::{DEMO_EMAIL, DEMO_PASSWORD};
use rusqlite::Connection;
use serde_json::json;

use crate::{with_options, with_shop};

async fn with_token(client: &mut Client, path: &str, authorization: &str) -> Answer {
    let headers = [("authorization", authorization)];
    client.send(Method::GET, path, &headers, Payload::Nothing).await.unwrap()
}

#[tokio::test]
async fn a_token_says_who_asks() {
    with_shop(async |address| {
        let mut client = Client::new(address);
        let credentials = json!({"email": "grace@example.com", "password": DEMO_PASSWORD});
        let made = client.post("/tokens", &credentials).await.unwrap();
        assert_eq!((made.status, made.header("cache-control")), (StatusCode::CREATED, "no-store"));
        let made = made.json();
        assert_eq!((&made["expires_in"], &made["user_id"]), (&json!(900), &json!(2)));
        let bearer = format!("bearer {}", made["token"].as_str().unwrap());
        let me = with_token(&mut client, "/users/me", &bearer).await;
        assert_eq!(me.json(), client.get("/users/2").await.unwrap().json());
        let mine = with_token(&mut client, "/orders/mine", &bearer).await.json();
        assert_eq!((&mine["total"], &mine["items"][0]["user_id"]), (&json!(1), &json!(2)));
        // Elsewhere it does nothing.
        assert_eq!(with_token(&mut client, "/orders", "Bearer nonsense").await.json()["total"], 5);
    })
    .await;
}

#[tokio::test]
async fn without_a_good_token_it_is_401_with_the_reason() {
    with_shop(async |address| {
        let mut client = Client::new(address);
        let expired = format!("Bearer {}", Key::default().sign(1, 1).unwrap());
        let foreign = format!("Bearer {}", Key::new("foreign").sign(1, u64::MAX).unwrap());
        for path in ["/users/me", "/orders/mine"] {
            assert_eq!(client.get(path).await.unwrap().json()["error"]["code"], "token_missing");
            for (authorization, code) in [
                (&*expired, "token_expired"),
                (&*foreign, "token_invalid"),
                ("Bearer v1.1", "token_invalid"),
                ("Basic YTpi", "token_missing"),
            ] {
                let refused = with_token(&mut client, path, authorization).await;
                assert_eq!((refused.status.as_u16(), refused.header("www-authenticate")), (401, "Bearer"));
                assert_eq!(refused.json()["error"]["code"], code, "{path} with {authorization}");
            }
        }
        for (credentials, status) in [
            (json!({"email": DEMO_EMAIL, "password": "wrong"}), 401),
            (json!({"email": "nobody@example.com", "password": DEMO_PASSWORD}), 401),
            (json!({"email": DEMO_EMAIL, "password": DEMO_PASSWORD, "expires_in": 0}), 400),
            (json!({"email": DEMO_EMAIL, "password": DEMO_PASSWORD, "expires_in": 86_401}), 400),
            (json!({"email": DEMO_EMAIL}), 400),
        ] {
            let answer = client.post("/tokens", &credentials).await.unwrap();
            assert_eq!(answer.status.as_u16(), status, "{credentials}");
        }
    })
    .await;
}

async fn ask_for_a_link(client: &mut Client, email: &str) {
    let csrf = client.get("/forgot").await.unwrap().csrf();
    let sent = client.form("/forgot", &[("csrf", &csrf), ("email", email)]).await.unwrap();
    assert!(sent.status == StatusCode::OK && sent.text().contains("If we know this address"));
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_once_by_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.sqlite");
    let options = Options { database: Location::File(file.clone()), ..Options::default() };
    with_options(options, async |address| {
        let post = || -> Vec<(String, String)> {
            let database = Connection::open(&file).unwrap();
            let mut query = database.prepare("SELECT recipient, body FROM emails ORDER BY id").unwrap();
            let mails = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            mails.map(Result::unwrap).collect()
        };
        let mut client = Client::new(address);
        ask_for_a_link(&mut client, "nobody@example.com").await;
        assert!(post().is_empty(), "nobody has no post");
        ask_for_a_link(&mut client, DEMO_EMAIL).await;
        ask_for_a_link(&mut client, "ADA@example.com").await;
        let links: Vec<String> = post()
            .into_iter()
            .map(|(recipient, body)| {
                assert_eq!(recipient, DEMO_EMAIL);
                let (_, link) = body.split_once(&format!("http://{address}")).unwrap();
                link.split(' ').next().unwrap().to_owned()
            })
            .collect();
        let [first, link] = &*links else { panic!("{links:?}") };
        let gone = client.get(first).await.unwrap();
        assert_eq!((gone.status, gone.header("referrer-policy")), (StatusCode::GONE, "no-referrer"));

        let code = link.strip_prefix("/reset/").unwrap();
        let old = client.get(&format!("/reset?code={code}")).await.unwrap();
        assert_eq!((old.status, old.header("location")), (StatusCode::SEE_OTHER, &**link));
        assert!(client.get("/reset?code=%2F%2Fevil").await.unwrap().header("location") == "/reset/evil");

        let page = client.get(link).await.unwrap();
        assert_eq!((page.status, page.header("referrer-policy")), (StatusCode::OK, "no-referrer"));
        let csrf = page.csrf();
        let choose = |password: &'static str| [("csrf", csrf.clone()), ("password", password.to_owned())];
        for (password, status) in [("short", 400), ("a long new one", 303), ("another one", 410)] {
            let fields = choose(password);
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
            assert_eq!(client.form(link, &fields).await.unwrap().status.as_u16(), status, "{password}");
        }
        for (password, status) in [(DEMO_PASSWORD, 401), ("a long new one", 201)] {
            let credentials = json!({"email": DEMO_EMAIL, "password": password});
            assert_eq!(client.post("/tokens", &credentials).await.unwrap().status.as_u16(), status);
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_without_the_sessions_token_sends_links_or_chooses() {
    with_shop(async |address| {
        let mut client = Client::new(address);
        client.get("/forgot").await.unwrap();
        let sent = client.form("/forgot", &[("csrf", "guess"), ("email", DEMO_EMAIL)]).await.unwrap();
        let chosen =
            client.form("/reset/abc", &[("csrf", "guess"), ("password", "long enough")]).await.unwrap();
        assert_eq!((sent.status, chosen.status), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN));
    })
    .await;
}
