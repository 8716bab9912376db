//! What is planted is really on the wire, and nothing of it is left after redaction.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod kept;
mod wire;

use stack::secrets::{Kind, Secret, plant};
use stack::{Executable, Role, Stack, StackOptions};
use strangler_core::redact::{Exchanged, Key, Pseudonyms, RawReply, RawRequest, Redactor};

use wire::{Message, listen_in};

fn stack(roles: &[Role]) -> Stack {
    let executable = Executable::with_word(env!("CARGO_BIN_EXE_demo"), "node");
    Stack::start(StackOptions { roles: roles.to_vec(), ..StackOptions::new(executable) }).unwrap()
}

/// As it was sent; a card's number also when only its digits were, whatever was between them.
fn is_in(heard: &[Vec<u8>], secret: &Secret) -> bool {
    let contains = |bytes: &str, text: &str| !text.is_empty() && bytes.contains(text);
    heard.iter().any(|bytes| {
        let bytes = String::from_utf8_lossy(bytes);
        let digits = || contains(&joined(&bytes), &joined(&secret.text));
        contains(&bytes, &secret.text) || secret.kind == Kind::CardNumber && digits()
    })
}

fn joined(text: &str) -> String {
    text.replace("%20", "").replace([' ', '-'], "")
}

#[tokio::test]
async fn every_planted_secret_was_on_the_wire() {
    let stack = stack(&[Role::LegacyMonolith]);
    let (shop, heard) = listen_in(stack.address(Role::LegacyMonolith).unwrap());
    let mails = stack.database(Role::LegacyMonolith);
    let planted = plant(shop, &mails).await.unwrap();
    let heard = heard.bytes();
    for kind in Kind::ALL {
        assert!(planted.iter().any(|secret| secret.kind == kind), "no {kind:?} was planted");
    }
    for secret in &planted {
        assert!(secret.text.len() >= 16, "{secret:?} might be found by chance");
        assert!(is_in(&heard, secret), "{secret:?} was never sent");
    }
    // Nothing is found of what was not planted: the search itself can fail.
    let other = plant(stack.address(Role::LegacyMonolith).unwrap(), &mails).await.unwrap();
    assert!(!other.iter().any(|secret| is_in(&heard, secret)));
    stack.stop_all().unwrap();
}

#[tokio::test]
async fn secrets_are_planted_through_the_proxy_as_well() {
    let stack = stack(&Role::ALL);
    let mails = stack.database(Role::LegacyMonolith);
    let planted = plant(stack.address(Role::Strangler).unwrap(), &mails).await.unwrap();
    assert!(planted.len() > 30, "{}", planted.len());
    stack.stop_all().unwrap();
}

fn headers(message: &Message) -> Vec<(&str, &[u8])> {
    message.headers.iter().map(|(name, value)| (&**name, &**value)).collect()
}

#[tokio::test]
async fn redaction_leaves_nothing_of_what_was_planted() {
    let stack = stack(&[Role::LegacyMonolith]);
    let (shop, heard) = listen_in(stack.address(Role::LegacyMonolith).unwrap());
    let planted = plant(shop, &stack.database(Role::LegacyMonolith)).await.unwrap();
    let pseudonyms = Pseudonyms::Keyed(Key::new([7; 32]));
    let exchanges = heard.exchanges();
    assert!(exchanges.len() > 30, "{}", exchanges.len());
    for (request, answer) in &exchanges {
        let redacted = Redactor::new(&pseudonyms, &[], None).exchange(&Exchanged {
            request: RawRequest {
                method: &request.first[0],
                target: request.first[1].as_bytes(),
                headers: headers(request),
                body: Some(&request.body),
            },
            legacy: Some(RawReply {
                status: answer.first[1].parse().unwrap(),
                headers: headers(answer),
                body: Some(&answer.body),
                ..RawReply::default()
            }),
            extracted: None,
        });
        let kept = vec![format!("{redacted:?}").into_bytes()];
        let left: Vec<_> = planted.iter().filter(|secret| is_in(&kept, secret)).collect();
        assert!(left.is_empty(), "{left:?} is left of {:?}:\n{redacted:#?}", request.first);
    }
    stack.stop_all().unwrap();
}
