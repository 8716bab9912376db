//! Who answered what, and what comparing showed, as lines every few seconds from the proxy's own figures; and a line
//! at once when another configuration is live or one was refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chassis::client::Client;
use serde_json::Value;

use crate::say;
use crate::traffic::Counts;

/// Answers of one slice so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Answers {
    legacy: u64,
    extracted: u64,
}

/// What comparing one slice has shown so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Compared {
    /// In the order of [`ACCOUNTS`].
    accounts: [u64; ACCOUNTS.len()],
    problems: u64,
}

/// Where a copied request ends, as the report calls it and as it is said.
const ACCOUNTS: [(&str, &str); 4] =
    [("match", "match"), ("mismatch", "mismatch"), ("ignored", "ignored"), ("not_compared", "not-compared")];

/// What the proxy says at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
struct Figures {
    slices: BTreeMap<String, Answers>,
    rest: Answers,
    /// Slices that are compared.
    compared: BTreeMap<String, Compared>,
    generation: u64,
    stale: bool,
}

/// Prints until it is dropped.
pub(crate) async fn tell(admin: SocketAddr, every: Duration, counts: &Counts) {
    let mut client = Client::new(admin);
    let mut before = read(&mut client).await.unwrap_or_default();
    let (mut generation, mut stale) = (before.generation, before.stale);
    let started = Instant::now();
    let mut told = started;
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(now) = read(&mut client).await else { continue };
        if now.generation != generation {
            say(&format!("         configuration {} is live", now.generation));
        }
        if now.stale && !stale {
            say(
                "         the file was refused and the configuration before it stays live: `cargo strangler status` tells why",
            );
        }
        (generation, stale) = (now.generation, now.stale);
        if told.elapsed() >= every {
            say(&format!("{:>6} s  {}", started.elapsed().as_secs(), line(&before, &now, counts)));
            if let Some(line) = compared(&before, &now) {
                say(&format!("          {line}"));
            }
            before = now;
            told = Instant::now();
        }
    }
}

async fn read(client: &mut Client) -> Option<Figures> {
    let status = client.get("/api/status").await.ok()?.json();
    figures(&status)
}

fn figures(status: &Value) -> Option<Figures> {
    let answers = |of: &Value| {
        let count = |side| of.get("traffic").and_then(|t| t.get(side)).and_then(Value::as_u64);
        Some(Answers { legacy: count("legacy")?, extracted: count("extracted")? })
    };
    let compared = |slice: &Value| {
        let evidence = slice.get("evidence").filter(|evidence| !evidence.is_null())?;
        let account = |name| evidence.get("accounts").and_then(|all| all.get(name)).and_then(Value::as_u64);
        let accounts = ACCOUNTS.map(|(name, _)| account(name).unwrap_or_default());
        let problems = evidence.get("problems").and_then(Value::as_u64).unwrap_or_default();
        Some((slice.get("name")?.as_str()?.to_owned(), Compared { accounts, problems }))
    };
    let slices = status.get("slices")?.as_array()?.iter();
    let configuration = status.get("configuration")?;
    Some(Figures {
        slices: slices
            .clone()
            .map(|slice| Some((slice.get("name")?.as_str()?.to_owned(), answers(slice)?)))
            .collect::<Option<_>>()?,
        compared: slices.clone().filter_map(compared).collect(),
        rest: answers(status.get("unmatched")?)?,
        generation: configuration.get("generation")?.as_u64()?,
        stale: configuration.get("stale")?.as_bool()?,
    })
}

/// `products legacy 12, extracted 30 · users legacy 4 · the rest legacy 9`
fn line(before: &Figures, now: &Figures, counts: &Counts) -> String {
    let mut parts: Vec<String> = now
        .slices
        .iter()
        .filter_map(|(name, answers)| {
            answered(name, before.slices.get(name).copied().unwrap_or_default(), *answers)
        })
        .collect();
    parts.extend(answered("the rest", before.rest, now.rest));
    if parts.is_empty() {
        parts.push("no requests".to_owned());
    }
    for (what, times) in counts.take_failures() {
        parts.push(format!("FAILED {times} × {what}"));
    }
    parts.join(" · ")
}

/// `copied 40: match 22, mismatch 16, not-compared 2 · differences so far: products 5, users 6`; nothing where no
/// copy has ended since.
fn compared(before: &Figures, now: &Figures) -> Option<String> {
    let mut since = [0_u64; ACCOUNTS.len()];
    for (name, one) in &now.compared {
        let earlier = before.compared.get(name).copied().unwrap_or_default();
        for (sum, (now, earlier)) in since.iter_mut().zip(one.accounts.iter().zip(earlier.accounts)) {
            // Evidence that began anew begins at zero.
            *sum += now.saturating_sub(earlier);
        }
    }
    let all: u64 = since.iter().sum();
    if all == 0 {
        return None;
    }
    let named = ACCOUNTS.iter().zip(since).filter(|(_, count)| *count > 0);
    let accounts: Vec<_> = named.map(|((_, said), count)| format!("{said} {count}")).collect();
    let problems: Vec<_> = now
        .compared
        .iter()
        .filter(|(_, one)| one.problems > 0)
        .map(|(name, one)| format!("{name} {}", one.problems))
        .collect();
    let problems = if problems.is_empty() { "none".to_owned() } else { problems.join(", ") };
    Some(format!("copied {all}: {} · differences so far: {problems}", accounts.join(", ")))
}

fn answered(name: &str, before: Answers, now: Answers) -> Option<String> {
    // A slice that was renamed, or a proxy that was restarted, begins at zero.
    let legacy = now.legacy.saturating_sub(before.legacy);
    let extracted = now.extracted.saturating_sub(before.extracted);
    match (legacy, extracted) {
        (0, 0) => None,
        (legacy, 0) => Some(format!("{name} legacy {legacy}")),
        (0, extracted) => Some(format!("{name} extracted {extracted}")),
        (legacy, extracted) => Some(format!("{name} legacy {legacy}, extracted {extracted}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_names_who_answered_since_the_line_before() {
        let status = |legacy, extracted| {
            figures(&json!({
                "slices": [
                    {"name": "products", "traffic": {"legacy": legacy, "extracted": extracted}},
                    {"name": "users", "traffic": {"legacy": 3, "extracted": 0}},
                ],
                "unmatched": {"traffic": {"legacy": legacy, "extracted": 0}},
                "configuration": {"generation": 2, "stale": false},
            }))
            .unwrap()
        };
        let counts = Counts::default();
        let text = line(&status(10, 0), &status(22, 30), &counts);
        assert_eq!(text, "products legacy 12, extracted 30 · the rest legacy 12");
        assert_eq!(line(&status(1, 1), &status(1, 1), &counts), "no requests");
        assert_eq!(figures(&json!({"slices": []})), None);
    }

    #[test]
    fn a_second_line_says_what_comparing_showed_since_the_line_before() {
        let status = |matched, mismatch, problems| {
            let accounts = json!({"match": matched, "mismatch": mismatch, "ignored": 0, "not_compared": 1});
            figures(&json!({
                "slices": [
                    {"name": "orders", "traffic": {"legacy": 1, "extracted": 0}},
                    {"name": "products", "traffic": {"legacy": 1, "extracted": 0},
                     "evidence": {"accounts": accounts, "problems": problems}},
                ],
                "unmatched": {"traffic": {"legacy": 0, "extracted": 0}},
                "configuration": {"generation": 2, "stale": false},
            }))
            .unwrap()
        };
        let said = |before, now| compared(&before, &now);
        assert_eq!(
            said(status(1, 2, 1), status(4, 9, 5)).unwrap(),
            "copied 10: match 3, mismatch 7 · differences so far: products 5"
        );
        assert_eq!(
            said(status(9, 9, 1), status(10, 0, 0)).unwrap(),
            "copied 1: match 1 · differences so far: none"
        );
        assert_eq!(said(status(1, 2, 1), status(1, 2, 1)), None);
    }
}
