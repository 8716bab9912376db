//! Copied writes: asked to roll back, stopped at the first reply that does not say so, or in a store of their own.

use strangler::shadow::PrimaryEnd;

use crate::support::{Act, Kit, Origin, answer, answered, in_shadow, ok, poll};

const BODY: &str = r#"{"id":1}"#;

fn write(kit: &Kit, request: &str) -> bool {
    let Some(mut ticket) =
        kit.ticket(request, &["Content-Length: 2", "Idempotency-Key: abc", "If-None-Match: x"][..2])
    else {
        return false;
    };
    ticket.request_piece(b"{}");
    ticket.request_end();
    answered(&mut ticket, BODY);
    ticket.finish(PrimaryEnd::Complete);
    true
}

fn count(kit: &Kit, account: &str, total: u64) -> u64 {
    kit.accounts(total).get(account).copied().unwrap_or_default()
}

#[test]
fn by_default_no_write_is_copied() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| ok(BODY)));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), ""));
    for request in ["POST /p", "PUT /p", "PATCH /p", "DELETE /p", "PURGE /p", "GET /logout"] {
        assert!(!write(&kit, request), "{request}");
    }
}

#[test]
fn a_service_that_rolls_back_is_compared() {
    let script = |_: &_| Act::Answer(answer("200 OK", &["X-Shadow-Mode: rollback"], BODY));
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(script));
    let kit = Kit::new(&in_shadow(
        &legacy,
        &extracted.url(),
        "writes = \"dry-run\"\nrepeat = \"100%\"\nrecheck = \"100/s\"",
    ));
    for done in 1..=20 {
        assert!(write(&kit, "POST /p"));
        kit.accounts(done);
    }
    assert_eq!(kit.accounts(20), [("match".to_owned(), 20)].into(), "the echo itself is no difference");
    let asked = extracted.asked();
    assert_eq!(asked.len(), 20);
    for asked in &asked {
        assert_eq!(asked.header("x-shadow-mode"), Some("rollback"));
        assert_eq!(asked.header("idempotency-key"), Some("abc"));
        assert_eq!(&asked.body, b"{}");
    }
    assert_eq!(
        extracted.connections(),
        20,
        "a write never takes a connection that its service may be closing"
    );
    assert!(legacy.asked().is_empty(), "writes are never repeated");
}

#[test]
fn the_first_reply_without_the_echo_stops_the_route_and_that_is_shown() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| ok(BODY)));
    let text = in_shadow(&legacy, &extracted.url(), "writes = \"dry-run\"");
    let kit = Kit::new(&text);
    // All at once: a service that knows nothing of dry runs commits one of them.
    for _ in 0..200 {
        assert!(write(&kit, "POST /p"));
    }
    kit.accounts(200);
    assert_eq!(extracted.asked().len(), 1);
    let stopped = poll(|| Some(kit.telemetry.stopped()).filter(|stopped| !stopped.is_empty()));
    assert_eq!((&*stopped[0].slice, &*stopped[0].route, stopped[0].status), ("s", "/**", 200));
    let metrics = kit.telemetry.render_prometheus(&kit.live.pin());
    assert!(metrics.contains("strangler_shadow_stopped{slice=\"s\",route=\"/**\"} 1\n"), "{metrics}");
    // It latches, for reads of the route as well: its data may no longer be legacy's.
    write(&kit, "POST /p");
    kit.exchange("GET /p", &[], BODY);
    let before = count(&kit, "unconfirmed", 202);
    assert!(before >= 3, "{before}");
    // Other routes go on.
    kit.exchange("POST /search", &[], BODY);
    assert_eq!(count(&kit, "match", 203), 1);
    assert_eq!(extracted.asked().len(), 2);
    // An edit of the route's policy lifts it.
    kit.publish(&text.replace("dry-run", "never"));
    poll(|| kit.telemetry.stopped().is_empty().then_some(()));
    kit.exchange("GET /p", &[], BODY);
    assert_eq!(count(&kit, "match", 204), 2);
}

#[test]
fn a_service_that_stops_rolling_back_is_found_out() {
    let script = |asked: &crate::support::Asked| match asked.line.contains("/bad") {
        true => ok(BODY),
        false => Act::Answer(answer("200 OK", &["x-shadow-mode: Rollback"], BODY)),
    };
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(script));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), "writes = \"dry-run\""));
    for (done, request) in [(1, "POST /p"), (2, "POST /bad"), (3, "POST /p")] {
        write(&kit, request);
        kit.accounts(done);
    }
    assert_eq!(kit.accounts(3), [("match".to_owned(), 1), ("unconfirmed".to_owned(), 2)].into());
    assert_eq!(extracted.asked().len(), 2);
}

#[test]
fn no_reply_at_all_proves_nothing_and_stops_nothing() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| Act::Reset(Vec::new())));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), "writes = \"dry-run\""));
    for done in 1..=3 {
        write(&kit, "POST /p");
        kit.accounts(done);
    }
    assert_eq!(kit.accounts(3), [("mismatch".to_owned(), 3)].into());
    assert_eq!(extracted.asked().len(), 3, "each was sent once");
    assert!(kit.telemetry.stopped().is_empty());
}

#[test]
fn a_store_of_its_own_gets_keys_of_its_own() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| ok(BODY)));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), "writes = \"isolated\""));
    write(&kit, "POST /p");
    assert_eq!(kit.accounts(1), [("match".to_owned(), 1)].into());
    let asked = &extracted.asked()[0];
    let id = asked.header("x-shadow-request").unwrap();
    assert_eq!(asked.header("idempotency-key"), Some(&*format!("shadow:{id}")));
    assert_eq!(asked.header("x-shadow-mode"), None);
}
