//! Shadows that are slow, dead, resetting, endless, huge or no HTTP at all: each copy ends, in the right account.

use strangler::shadow::PrimaryEnd;
use strangler_core::compare::{FieldLines, Transport};

use crate::support::{Act, Asked, Kit, Origin, answer, answered, in_shadow, ok, poll};

const BODY: &str = r#"{"price":1}"#;

/// One that ends by itself, or is cut at a bound.
fn check(act: impl Fn(&Asked) -> Act + Send + Sync + 'static, wanted: &str, finding: Option<&str>) {
    check_against(&Origin::new(act).url(), "1m", wanted, finding);
}

/// One that ends only when it is given up.
fn check_slow(act: impl Fn(&Asked) -> Act + Send + Sync + 'static, wanted: &str, finding: Option<&str>) {
    check_against(&Origin::new(act).url(), "300ms", wanted, finding);
}

fn check_against(extracted: &str, timeout: &str, wanted: &str, finding: Option<&str>) {
    let legacy = Origin::new(|_| ok(""));
    let shadow = format!("timeout = {timeout:?}\nbody_max = \"64KiB\"");
    let kit = Kit::new(&in_shadow(&legacy, extracted, &shadow));
    kit.exchange("GET /", &[], BODY);
    assert_eq!(kit.accounts(1), [(wanted.to_owned(), 1)].into());
    let told = kit.told();
    let found = told.findings.first().map(|finding| finding.split(' ').next().unwrap());
    assert_eq!(found, finding, "{told:?}");
    poll(|| (kit.shadows.entry().bytes().0 == 0).then_some(()));
}

#[test]
fn a_slow_one_is_given_up_after_its_timeout() {
    check_slow(|_| Act::Stall, "mismatch", Some("transport"));
}

#[test]
fn a_dead_one_is_a_mismatch() {
    let free = crate::support::nobody();
    check_against(&format!("http://{free}"), "1m", "mismatch", Some("transport"));
}

#[test]
fn a_resetting_one_is_a_mismatch() {
    check(|_| Act::Reset(Vec::new()), "mismatch", Some("transport"));
    check(|_| Act::Reset(b"HTTP/1.1 200 OK\r\nContent-".to_vec()), "mismatch", Some("transport"));
    check(|_| Act::Last(Vec::new()), "mismatch", Some("transport"));
}

#[test]
fn one_that_breaks_off_has_a_truncated_body() {
    let begun =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"pri".to_vec();
    let reset = begun.clone();
    check(move |_| Act::Last(begun.clone()), "mismatch", Some("body.truncated"));
    check(move |_| Act::Reset(reset.clone()), "mismatch", Some("body.truncated"));
    let dribble = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\nxx\r\n".to_vec();
    check_slow(move |_| Act::Answer(dribble.clone()), "mismatch", Some("body.truncated"));
}

#[test]
fn an_endless_body_is_cut_at_the_cap() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    check(move |_| Act::Endless(head.clone(), b"4\r\nabcd\r\n".repeat(1000)), "body-too-large", None);
    check(|_| Act::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 4096]), "body-too-large", None);
}

#[test]
fn an_endless_head_is_no_http() {
    check(
        |_| Act::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-A: b\r\n".repeat(100)),
        "mismatch",
        Some("transport"),
    );
    check(
        |_| Act::Endless(b"HTTP/1.1 200 OK\r\nX-A: ".to_vec(), vec![b'x'; 4096]),
        "mismatch",
        Some("transport"),
    );
    check_slow(
        |_| Act::Endless(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100)),
        "mismatch",
        Some("transport"),
    );
}

#[test]
fn a_huge_body_is_cut_at_the_cap_to_the_byte() {
    const CAP: usize = 64 << 10;
    for (length, wanted) in
        [(CAP - 1, "mismatch"), (CAP, "mismatch"), (CAP + 1, "body-too-large"), (8 << 20, "body-too-large")]
    {
        let body = format!("\"{}\"", "x".repeat(length - 2));
        let extracted = Origin::new(move |_| Act::Answer(answer("200 OK", &[], &body)));
        let kit = Kit::new(&in_shadow(&Origin::new(|_| ok("")), &extracted.url(), "body_max = \"64KiB\""));
        kit.exchange("GET /", &[], BODY);
        assert_eq!(kit.accounts(1), [(wanted.to_owned(), 1)].into(), "{length}");
    }
}

#[test]
fn garbage_and_an_unsolicited_upgrade_are_no_http() {
    check(|_| Act::Last(b"\0\x01\x02 garbage\r\n\r\n".to_vec()), "mismatch", Some("transport"));
    check(
        |_| Act::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx".to_vec()),
        "mismatch",
        Some("transport"),
    );
    let upgrade = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n".to_vec();
    check(move |_| Act::Last(upgrade.clone()), "mismatch", Some("transport"));
}

#[test]
fn a_broken_legacy_answer_is_not_compared_and_not_copied() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| ok(BODY)));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), ""));
    let mut broken = kit.ticket("GET /", &[]).unwrap();
    broken.request_end();
    answered(&mut broken, BODY);
    broken.finish(PrimaryEnd::Broken);
    for transport in [Transport::Connect, Transport::Timeout, Transport::Reset, Transport::Malformed] {
        let mut failed = kit.ticket("GET /", &[]).unwrap();
        failed.request_end();
        failed.finish(PrimaryEnd::Failed(transport));
    }
    assert_eq!(kit.accounts(5), [("legacy-failed".to_owned(), 5)].into());
    assert!(extracted.asked().is_empty());
}

#[test]
fn a_broken_answer_of_the_extracted_service_is_held_against_legacy() {
    let (legacy, extracted) = (Origin::new(|_| ok(BODY)), Origin::new(|_| ok("")));
    let text = in_shadow(&legacy, &extracted.url(), "reverse_sample = \"100%\"")
        .replace("\"shadow\"", "\"extracted\"");
    let kit = Kit::new(&text);
    let mut broken = kit.ticket("GET /a", &[]).unwrap();
    broken.request_end();
    answered(&mut broken, "{");
    broken.finish(PrimaryEnd::Broken);
    let mut failed = kit.ticket("GET /b", &[]).unwrap();
    failed.request_end();
    failed.finish(PrimaryEnd::Failed(Transport::Timeout));
    assert_eq!(kit.accounts(2), [("mismatch".to_owned(), 2)].into());
}

#[test]
fn bodies_of_clients_and_of_legacy_are_held_to_the_cap_to_the_byte() {
    const CAP: usize = 64 << 10;
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| ok("")));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), "body_max = \"64KiB\""));
    for (request, reply) in [(0, CAP + 1), (CAP + 1, 0), (CAP - 1, CAP - 1), (CAP, CAP)] {
        let length = format!("Content-Length: {request}");
        let mut ticket = kit.ticket("POST /search", &[&length]).unwrap();
        for piece in vec![b'q'; request].chunks(10_000) {
            ticket.request_piece(piece);
        }
        ticket.request_end();
        ticket.reply_head(200, &FieldLines::default());
        for piece in vec![b'r'; reply].chunks(10_000) {
            ticket.reply_piece(piece);
        }
        ticket.finish(PrimaryEnd::Complete);
    }
    let wanted = [("body-too-large".to_owned(), 2), ("mismatch".to_owned(), 2)];
    assert_eq!(kit.accounts(4), wanted.into());
    let lengths: std::collections::BTreeSet<usize> =
        extracted.asked().iter().map(|asked| asked.body.len()).collect();
    assert_eq!(lengths, [CAP - 1, CAP].into());
}
