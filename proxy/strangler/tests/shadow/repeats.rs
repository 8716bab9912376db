//! What legacy is asked beside its clients' requests: only where the file says so.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{Kit, Origin, in_shadow, ok};

const BODY: &str = r#"{"price":1}"#;

#[test]
fn without_repeat_and_recheck_legacy_is_asked_nothing() {
    let (legacy, extracted) = (Origin::new(|_| ok(BODY)), Origin::new(|_| ok("{}")));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), ""));
    for _ in 0..50 {
        kit.exchange("GET /", &[], BODY);
    }
    kit.accounts(50);
    assert!(legacy.asked().is_empty());
}

#[test]
fn a_repeated_read_is_asked_of_legacy_once_more_in_random_order() {
    static ORDER: AtomicU32 = AtomicU32::new(0);
    let noisy = |_: &_| ok(&format!("{{\"price\":1,\"at\":{}}}", ORDER.fetch_add(1, Ordering::SeqCst) % 2));
    let last = std::sync::Arc::new(AtomicU32::new(0));
    let (seen, firsts) = (std::sync::Arc::clone(&last), std::sync::Arc::new(AtomicU32::new(0)));
    let counted = std::sync::Arc::clone(&firsts);
    let legacy = Origin::new(move |asked| {
        last.store(1, Ordering::SeqCst);
        noisy(asked)
    });
    let extracted = Origin::new(move |_| {
        // Whether legacy was asked before it, of this exchange.
        counted.fetch_add(1 - seen.swap(0, Ordering::SeqCst), Ordering::SeqCst);
        ok(r#"{"price":1,"at":7}"#)
    });
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), "repeat = \"100%\""));
    for done in 1..=60 {
        kit.exchange("GET /", &[], r#"{"price":1,"at":0}"#);
        kit.accounts(done);
    }
    assert_eq!((legacy.asked().len(), extracted.asked().len()), (60, 60));
    assert!(legacy.asked().iter().all(|asked| asked.header("x-shadow-request").is_some()));
    let told = kit.all_told();
    let differing =
        told.iter().filter(|told| told.repeated.as_ref().is_some_and(|paths| !paths.is_empty())).count();
    let agreeing = told.iter().filter(|told| told.repeated.as_ref().is_some_and(Vec::is_empty)).count();
    assert_eq!((differing, agreeing), (30, 30), "legacy differs from itself every second time");
    // Swapping happens before an answer: where extracted comes first, it sees what the exchange before left.
    let first = firsts.load(Ordering::SeqCst);
    assert!(first > 5 && first < 55, "{first} of 60");
}

#[test]
fn conditional_requests_are_compared_by_a_stripped_pair_within_the_share_of_repeats() {
    let (legacy, extracted) = (Origin::new(|_| ok(BODY)), Origin::new(|_| ok(BODY)));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), "repeat = \"100%\""));
    kit.exchange("GET /", &["If-None-Match: \"1\"", "Range: bytes=0-0"], "");
    assert_eq!(kit.accounts(1), [("match".to_owned(), 1)].into());
    for origin in [&legacy, &extracted] {
        let asked = &origin.asked()[0];
        assert_eq!((asked.header("if-none-match"), asked.header("range")), (None, None));
        assert_eq!(origin.asked().len(), 1);
    }
}

/// The account of one mismatching read whose sides are asked again.
fn recheck(again_legacy: &'static str, again_extracted: &'static str) -> String {
    let calls = AtomicU32::new(0);
    let extracted = Origin::new(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => ok(r#"{"price":2,"stock":1}"#),
        _ => ok(again_extracted),
    });
    let legacy = Origin::new(move |_| ok(again_legacy));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), "recheck = \"1000/s\""));
    kit.exchange("GET /", &[], r#"{"price":1,"stock":1}"#);
    let accounts = kit.accounts(1);
    assert_eq!((legacy.asked().len(), extracted.asked().len()), (1, 2));
    let account = accounts.into_keys().next().unwrap();
    let set_aside = kit.all_told()[0].set_aside.clone();
    let expected = (account != "mismatch").then(|| vec!["body.value $.price".to_owned()]);
    assert_eq!(set_aside, expected, "what was found first is not lost");
    account
}

#[test]
fn asking_again_tells_a_race_and_a_moving_legacy_from_a_bug() {
    let same = r#"{"price":1,"stock":1}"#;
    for (legacy, extracted, wanted) in [
        (same, same, "transient"),
        (r#"{"price":3,"stock":1}"#, r#"{"price":3,"stock":1}"#, "transient"),
        (r#"{"price":3,"stock":1}"#, r#"{"price":4,"stock":1}"#, "unstable"),
        (same, r#"{"price":2,"stock":1}"#, "mismatch"),
    ] {
        assert_eq!(recheck(legacy, extracted), wanted, "{legacy} {extracted}");
    }
}

#[test]
fn a_mismatch_is_asked_again_at_most_as_often_as_the_file_says() {
    let (legacy, extracted) = (Origin::new(|_| ok(BODY)), Origin::new(|_| ok("{\"price\":2}")));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), "recheck = \"1/h\""));
    for done in 1..=20 {
        kit.exchange("GET /", &[], BODY);
        kit.accounts(done);
    }
    assert_eq!(kit.accounts(20), [("mismatch".to_owned(), 20)].into());
    assert_eq!((legacy.asked().len(), extracted.asked().len()), (1, 21));
}
