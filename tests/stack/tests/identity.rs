//! Credentials that end, and the program that gets others.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use chassis::client::{Client, Payload};
use http::Method;
use stack::{Executable, Role, Stack, StackOptions};

fn stack(roles: &[Role]) -> Stack {
    let executable = Executable::with_word(env!("CARGO_BIN_EXE_demo"), "node");
    Stack::start(StackOptions { roles: roles.to_vec(), ..StackOptions::new(executable) }).unwrap()
}

fn identity(shop: SocketAddr, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_identity"));
    command.env_remove("SHOP_URL").args(["--shop", &format!("http://{shop}")]).args(arguments);
    command.output().unwrap()
}

/// The headers it prints.
fn headers(shop: SocketAddr, arguments: &[&str]) -> Vec<(String, String)> {
    let output = identity(shop, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.into(), v.into())).collect()
}

async fn ask(address: SocketAddr, path: &str, headers: &[(String, String)]) -> (u16, serde_json::Value) {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let answer = Client::new(address).send(Method::GET, path, &headers, Payload::Nothing).await.unwrap();
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn whoever_logs_in_is_known_on_both_sides() {
    let stack = stack(&[Role::LegacyMonolith, Role::UserService, Role::OrderService]);
    let monolith = stack.address(Role::LegacyMonolith).unwrap();
    for (arguments, id) in [(vec![], 2), (vec!["--email", "alan@example.com"], 3)] {
        let mut shown = headers(monolith, &arguments);
        assert_eq!(shown.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["authorization", "cookie"]);
        shown.push(("accept".into(), "application/json".into()));
        for role in [Role::LegacyMonolith, Role::UserService] {
            let (status, user) = ask(stack.address(role).unwrap(), "/users/me", &shown).await;
            assert_eq!((status, &user["id"]), (200, &id.into()));
        }
        for role in [Role::LegacyMonolith, Role::OrderService] {
            let (status, orders) = ask(stack.address(role).unwrap(), "/orders/mine", &shown).await;
            assert_eq!((status, &orders["items"][0]["user_id"]), (200, &id.into()));
        }
        let (status, account) = ask(monolith, "/account", &shown).await;
        assert_eq!((status, &account["user"]["id"]), (200, &id.into()));
    }
    stack.stop_all().unwrap();
}

#[tokio::test]
async fn a_token_that_has_ended_is_401_on_both_sides_and_a_fresh_one_is_not() {
    let stack = stack(&[Role::LegacyMonolith, Role::UserService]);
    let sides = [Role::LegacyMonolith, Role::UserService].map(|role| stack.address(role).unwrap());
    let recorded = headers(sides[0], &["--expires-in", "1"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    for side in sides {
        while ask(side, "/users/me", &recorded).await.0 != 401 {
            assert!(Instant::now() < deadline, "the token never ended");
        }
        assert_eq!(ask(side, "/users/me", &recorded).await.1["error"]["code"], "token_expired");
    }
    let fresh = headers(sides[0], &[]);
    for side in sides {
        assert_eq!(ask(side, "/users/me", &fresh).await.0, 200);
    }
    stack.stop_all().unwrap();
}

#[tokio::test]
async fn who_cannot_log_in_prints_nothing() {
    let stack = stack(&[Role::LegacyMonolith]);
    let monolith = stack.address(Role::LegacyMonolith).unwrap();
    let refused = identity(monolith, &["--password", "wrong"]);
    assert_eq!((refused.status.code(), &*refused.stdout), (Some(1), &b""[..]));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("401"));
    stack.stop_all().unwrap();
    assert_eq!(identity(monolith, &[]).status.code(), Some(1));
}
