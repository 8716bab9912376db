//! Steps, skips and ways back.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use super::*;
use crate::routing::fixture::{self, canary};
use crate::snapshot::Canary;

fn share(percent: &str) -> Share {
    config::parse_share(percent).unwrap()
}

/// A place such as `canary 5%`.
fn place(text: &str) -> Station {
    let (phase, rest) = text.split_once(' ').unwrap_or((text, ""));
    let share = (!rest.is_empty()).then(|| share(rest));
    Station { phase: Phase::from_word(phase).unwrap(), share }
}

/// A slice that stands there; in other phases than canary its file keeps the share `kept`.
fn slice(at: &str, kept: Option<&str>, steps: &[&str], writer: Writer) -> Slice {
    let at = place(at);
    let mut fixture = fixture::slice("a", at.phase, writer, &["/a"]);
    fixture.canary = at.share.or(kept.map(share)).map(|share| Canary {
        steps: steps.iter().map(|step| self::share(step)).collect(),
        share,
        ..canary(0)
    });
    fixture::snapshot(&[fixture]).slices.first().map(|slice| (**slice).clone()).unwrap()
}

/// A wish such as `canary`, `5%` or `canary 5%`; empty: one step.
fn wish(text: &str) -> Wish {
    let mut wish = Wish::default();
    for word in text.split_whitespace() {
        match Phase::from_word(word) {
            Some(phase) => wish.phase = Some(phase),
            None => wish.share = Some(share(word)),
        }
    }
    wish
}

#[test]
fn one_step_at_a_time_leads_from_legacy_to_retired() {
    let mut at = "legacy".to_owned();
    let mut way = vec![at.clone()];
    while let Ok(step) = promotion(&slice(&at, None, &[], Writer::Extracted), Wish::default()) {
        assert_eq!(step.direction, Direction::Step);
        assert_eq!(step.from, place(&at));
        at = step.to.to_string();
        way.push(at.clone());
    }
    assert_eq!(
        way,
        [
            "legacy",
            "shadow",
            "canary 1%",
            "canary 5%",
            "canary 25%",
            "canary 50%",
            "canary 100%",
            "extracted",
            "retired"
        ]
    );
}

#[test]
fn every_wish_leads_where_it_says() {
    let check = |at: &str, kept: Option<&str>, steps: &[&str], asked: &str, wanted: &str, way: Direction| {
        let found = promotion(&slice(at, kept, steps, Writer::Extracted), wish(asked)).unwrap();
        assert_eq!((found.to, found.direction), (place(wanted), way), "{at} {kept:?} {steps:?} {asked}");
        let forward = matches!(way, Direction::Step | Direction::Skip);
        assert_eq!(found.demands_evidence(), forward && wanted != "shadow", "{at} {asked}");
    };
    let few = ["10%", "40%"];
    // Steps of its own; shares in between are fine.
    check("shadow", None, &few, "", "canary 1%", Direction::Step);
    check("shadow", Some("40%"), &few, "", "canary 10%", Direction::Step);
    check("canary 7%", None, &few, "", "canary 10%", Direction::Step);
    check("canary 40%", None, &few, "", "extracted", Direction::Step);
    check("canary 60%", None, &few, "", "extracted", Direction::Step);
    check("canary 10%", None, &few, "12.5%", "canary 12.5%", Direction::Step);
    check("canary 0%", None, &few, "", "canary 10%", Direction::Step);
    // Over steps.
    check("legacy", None, &[], "canary", "canary 1%", Direction::Skip);
    check("legacy", None, &[], "extracted", "extracted", Direction::Skip);
    check("shadow", None, &[], "2%", "canary 2%", Direction::Skip);
    check("canary 1%", None, &[], "canary 25%", "canary 25%", Direction::Skip);
    check("canary 50%", None, &[], "extracted", "extracted", Direction::Skip);
    check("canary 100%", None, &[], "retired", "retired", Direction::Skip);
    // Back, anywhere.
    check("canary 50%", None, &[], "0.5%", "canary 0.5%", Direction::Back);
    check("canary 50%", None, &[], "shadow", "shadow", Direction::Back);
    check("retired", None, &[], "legacy", "legacy", Direction::Back);
    check("extracted", Some("100%"), &[], "canary", "canary 100%", Direction::Back);
    check("extracted", None, &[], "canary", "canary 1%", Direction::Back);
    // Where it is.
    check("shadow", Some("5%"), &[], "shadow", "shadow", Direction::Nowhere);
    check("canary 5%", None, &[], "5%", "canary 5%", Direction::Nowhere);
}

#[test]
fn what_cannot_be_says_why() {
    let check = |at: &str, writer, asked: &str, wanted| {
        assert_eq!(promotion(&slice(at, None, &[], writer), wish(asked)), Err(wanted), "{at} {asked}");
    };
    check("retired", Writer::Extracted, "", Impossible::AtTheEnd);
    check("shadow", Writer::Legacy, "shadow 5%", Impossible::ShareOutsideCanary);
    check("canary 5%", Writer::Legacy, "canary", Impossible::CanaryWithoutShare);
    check("extracted", Writer::Legacy, "", Impossible::WriterNotExtracted(Writer::Legacy));
    check("canary 5%", Writer::ByCohort, "retired", Impossible::WriterNotExtracted(Writer::ByCohort));
}
