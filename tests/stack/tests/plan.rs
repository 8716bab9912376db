//! `plan` on the demonstration: its counts are those of the same traffic under the edited configuration.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use chassis::client::{Client, Payload};
use http::Method;
use serde_json::{Value, json};
use stack::rules::with_phase;
use stack::stack::CONFIGURATION;
use stack::{Executable, Role, Stack, StackOptions};

/// As many as come in an hour at one a second.
const REQUESTS: usize = 3_600;

/// Visitors among them.
const VISITORS: usize = 700;

fn demo(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.args(["node", "strangler"]).args(arguments).env("NO_COLOR", "1").output().unwrap()
}

/// The demonstration's configuration with a canary of the catalogue of such a share.
fn configuration(share: &str, users: &str) -> String {
    let text = with_phase(CONFIGURATION, "products", "canary").unwrap();
    let canary = format!(
        "phase    = \"canary\"\ncanary = \"{share}\"\ncohort_by = [\"cookie:visitor\", \"header:x-visitor\"]\n"
    );
    let text = text.replacen("phase    = \"canary\"\n", &canary, 1);
    with_phase(&text, "users", users).unwrap()
}

/// Sends the traffic; what is asked depends on the number alone.
async fn drive(stack: &Stack, run: &str) {
    let mut client = Client::new(stack.address(Role::Strangler).unwrap());
    for number in 0..REQUESTS {
        let id = format!("{run}-{number}");
        let visitor = format!("v{}", number % VISITORS);
        let (cookie, header) = (format!("visitor={visitor}"), format!("x{visitor}"));
        let mut lines = vec![("x-request-id", id.as_str()), ("host", "shop.example")];
        // Most have a cookie, some a header, and some no key at all.
        match number % 10 {
            0 => {}
            1 => lines.push(("x-visitor", &header)),
            _ => lines.push(("cookie", &cookie)),
        }
        let path = ["/products", "/products/3", "/users/1", "/orders/1", "/", "/products/5"][number % 6];
        let search = json!({"query": "oak"});
        let answer = match number % 16 {
            7 => client.send(Method::POST, "/products/search", &lines, Payload::Json(&search)).await,
            9 => client.send(Method::HEAD, "/products/2", &lines, Payload::Nothing).await,
            _ => client.send(Method::GET, path, &lines, Payload::Nothing).await,
        };
        assert!(answer.unwrap().status.as_u16() < 500);
    }
}

/// Who answered, by the number of the request.
fn owners(log: &Path, run: &str) -> BTreeMap<usize, String> {
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(log).unwrap();
        let line = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            let number = line["request_id"].as_str()?.strip_prefix(run)?.strip_prefix('-')?.parse().ok()?;
            (line["role"] == "primary").then(|| (number, line["owner"].as_str().unwrap().to_owned()))
        };
        let owners: BTreeMap<usize, String> = text.lines().filter_map(line).collect();
        if owners.len() == REQUESTS {
            return owners;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{} of {REQUESTS} lines", owners.len());
    }
}

/// What a plan says of requests: all of them, those known to go to extracted, to legacy, expected, undecided.
fn told(arguments: &[&str]) -> (u64, u64, u64, f64, u64) {
    let output = demo(&[&["plan", "--json"], arguments].concat());
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let traffic = &report["traffic"];
    assert!(report["restart_required"].as_array().unwrap().is_empty(), "{report}");
    let expected = |side: &str| traffic[side]["expected"].as_f64().unwrap();
    (
        traffic["requests"].as_u64().unwrap(),
        traffic["to_extracted"]["known"].as_u64().unwrap(),
        traffic["to_legacy"]["known"].as_u64().unwrap(),
        expected("to_extracted") + expected("to_legacy"),
        traffic["undecided"].as_u64().unwrap(),
    )
}

#[tokio::test]
async fn counts_of_a_plan_are_those_of_the_same_traffic_under_the_edit() {
    let (old, new) = (configuration("10%", "legacy"), configuration("50%", "extracted"));
    let executable = Executable::with_word(env!("CARGO_BIN_EXE_demo"), "node");
    let config = stack::stack::Config::Own(old.clone());
    let stack = Stack::start(StackOptions { config, ..StackOptions::new(executable) }).unwrap();
    let (before, after) = (stack.folder().join("before.toml"), stack.folder().join("after.toml"));
    fs::write(&before, &old).unwrap();
    fs::write(&after, &new).unwrap();
    let admin = format!("http://{}", stack.admin().unwrap());
    drive(&stack, "before").await;
    let log = stack.log(Role::Strangler);
    let first = owners(&log, "before");
    let recorded = stack.folder().join("hour.log");
    fs::copy(&log, &recorded).unwrap();
    let (before, after) = (before.to_str().unwrap(), after.to_str().unwrap());
    let of_log = told(&[after, "--against", before, "--traffic", recorded.to_str().unwrap()]);
    // The proxy forgets the few that end while it is asked; of the others it knows as much as the log.
    let of_proxy = told(&[after, "--admin", &admin]);
    let forgotten = of_log.0 - of_proxy.0;
    assert!(forgotten < of_log.0 / 20 && of_log.1 - of_proxy.1 <= forgotten, "{of_log:?} {of_proxy:?}");
    assert_eq!((of_proxy.2, of_proxy.3, of_proxy.4), (0, 0.0, 0));
    fs::write(stack.config(), &new).unwrap();
    assert!(demo(&["reload", "--admin", &admin]).status.success());
    drive(&stack, "after").await;
    let second = owners(&log, "after");
    let moved = |from: &str, to: &str| {
        first.iter().filter(|(number, owner)| *owner == from && second[*number] == to).count() as u64
    };
    let counted = (REQUESTS as u64, moved("legacy", "extracted"), moved("extracted", "legacy"), 0.0, 0);
    assert!(counted.1 > 500, "{counted:?}");
    assert_eq!(of_log, counted);
    stack.stop_all().unwrap();
}
