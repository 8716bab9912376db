//! Who answered what, as a line every few seconds, from the proxy's own figures; and a line at once when
//! another configuration is live or one was refused.

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

/// What the proxy says at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
struct Figures {
    slices: BTreeMap<String, Answers>,
    rest: Answers,
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
    let slices = status.get("slices")?.as_array()?.iter();
    let configuration = status.get("configuration")?;
    Some(Figures {
        slices: slices
            .map(|slice| Some((slice.get("name")?.as_str()?.to_owned(), answers(slice)?)))
            .collect::<Option<_>>()?,
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
}
