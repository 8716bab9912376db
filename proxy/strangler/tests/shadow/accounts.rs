//! Every eligible request ends in exactly one account, whatever happens; and nothing takes more than it is given.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use strangler::shadow::PrimaryEnd;
use strangler_core::compare::{FieldLines, Transport};

use crate::support::{Act, Kit, Origin, answered, in_shadow, ok, poll};

const BODY: &str = r#"{"price":1}"#;

fn sum(accounts: &BTreeMap<String, u64>) -> u64 {
    accounts.values().sum()
}

#[test]
fn of_ten_thousand_mixed_requests_only_the_drawn_reads_reach_the_shadow_and_nothing_reaches_legacy() {
    let (legacy, extracted) = (Origin::new(|_| ok(BODY)), Origin::new(|_| ok(BODY)));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), "sample = \"50%\"\nconcurrency = 1000"));
    let kinds: [(&str, &[&str], bool); 12] = [
        ("GET /p", &[], true),
        ("HEAD /p", &[], true),
        ("OPTIONS /p", &[], true),
        ("POST /search", &[], true),
        ("POST /p", &[], false),
        ("PUT /p", &[], false),
        ("PATCH /p", &[], false),
        ("DELETE /p", &[], false),
        ("GET /logout", &[], false),
        ("GET /p", &["If-None-Match: \"1\""], false),
        ("GET /p", &["Range: bytes=0-1"], false),
        ("GET /p", &["Upgrade: websocket"], false),
    ];
    let mut chance = fastrand::Rng::with_seed(7);
    let (mut tickets, mut reads) = (0, 0);
    for _ in 0..10_000 {
        let (request, headers, copied) = kinds[chance.usize(..kinds.len())];
        if kit.exchange(request, headers, BODY) {
            tickets += 1;
            reads += u64::from(copied);
        }
        // No more at once than there is room for: here nothing is to be shed.
        poll(|| (sum(&kit.counted()) + 500 > tickets).then_some(()));
    }
    let accounts = kit.accounts(tickets);
    assert_eq!(kit.counted(), accounts);
    let compared = accounts.get("match").copied().unwrap_or_default()
        + accounts.get("mismatch").copied().unwrap_or_default();
    assert_eq!(compared, reads, "{accounts:?}");
    let asked = extracted.asked();
    assert_eq!(asked.len() as u64, reads);
    for asked in &asked {
        let line = asked.line.strip_suffix(" HTTP/1.1").unwrap();
        assert!(["GET /p", "HEAD /p", "OPTIONS /p", "POST /search"].contains(&line), "{line}");
        assert_eq!((asked.header("range"), asked.header("if-none-match")), (None, None));
    }
    // Seven of twelve kinds may be copied or counted; half of them are drawn.
    assert!((2_500..3_400).contains(&tickets), "{tickets}");
    assert!(legacy.asked().is_empty());
}

#[test]
fn whatever_happens_to_a_request_its_ticket_ends_in_one_account_and_gives_its_bytes_back() {
    let seed = fastrand::u64(..);
    let mut chance = fastrand::Rng::with_seed(seed);
    let turns = AtomicU32::new(0);
    let extracted = Origin::new(move |_| match turns.fetch_add(1, Ordering::Relaxed) % 7 {
        0 => Act::Reset(Vec::new()),
        1 => Act::Last(b"garbage".to_vec()),
        2 => Act::Stall,
        3 => Act::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![0; 10_000]),
        _ => ok(BODY),
    });
    let legacy = Origin::new(|_| ok(BODY));
    let shadow =
        "timeout = \"50ms\"\nbody_max = \"100KiB\"\nconcurrency = 8\nrepeat = \"20%\"\nrecheck = \"1000/s\"";
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), shadow));
    let entry = kit.shadows.entry();
    let big = vec![1; 20_000];
    let mut open = Vec::new();
    for _ in 0..5_000 {
        let header = *chance.choice(&["A: b", "If-Match: *", "Range: x", "Upgrade: y"]).unwrap();
        let headers: &[&str] = if chance.u8(..) < 64 { &[header] } else { &[] };
        let mut ticket = kit.ticket("POST /search", headers).unwrap();
        for _ in 0..chance.usize(..9) {
            match chance.u8(..7) {
                0 | 1 => ticket.request_piece(&big),
                2 => ticket.request_piece(&big[..chance.usize(..20_000)]),
                3 => ticket.request_end(),
                4 => answered(&mut ticket, BODY),
                5 => ticket.reply_piece(&big),
                _ => ticket.reply_piece(&big[..100]),
            }
        }
        match chance.u8(..10) {
            0 => drop(ticket),
            1 => ticket.finish(PrimaryEnd::ClientLeft),
            2 => ticket.finish(PrimaryEnd::Broken),
            3 => ticket.finish(PrimaryEnd::Failed(Transport::Reset)),
            4 => open.push(ticket),
            _ => {
                ticket.request_end();
                answered(&mut ticket, BODY);
                ticket.finish(PrimaryEnd::Complete);
            }
        }
    }
    open.clear();
    let accounts = kit.accounts(5_000);
    assert_eq!(kit.counted(), accounts, "seed {seed}");
    for reason in
        ["client-left", "legacy-failed", "not-sent", "body-too-large", "conditional", "range", "upgrade"]
    {
        assert!(accounts.contains_key(reason), "{reason} in {accounts:?}, seed {seed}");
    }
    poll(|| (entry.bytes().0 == 0).then_some(()));
    assert!(entry.bytes().1 <= 64 << 20);
}

#[test]
fn the_bytes_of_all_copies_together_are_bounded_and_what_has_no_room_is_counted() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| Act::Stall));
    let shadow = "timeout = \"1s\"\nbody_max = \"8MiB\"\nconcurrency = 10000";
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), shadow));
    let entry = kit.shadows.entry();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        let mut ticket = kit.ticket("GET /", &[]).unwrap();
        ticket.request_end();
        ticket.reply_head(200, &FieldLines::default());
        for _ in 0..4 {
            ticket.reply_piece(&piece);
        }
        ticket.finish(PrimaryEnd::Complete);
        assert!(entry.bytes().0 <= 64 << 20);
    }
    let accounts = kit.accounts(100);
    let shed = accounts.get("shed").copied().unwrap_or_default();
    assert!(shed >= 100 - 16, "{accounts:?}");
    assert!(entry.bytes().1 <= 64 << 20 && entry.bytes().1 > 56 << 20, "{:?}", entry.bytes());
    poll(|| (entry.bytes().0 == 0).then_some(()));
}

#[test]
fn a_slow_shadow_fills_its_places_and_the_rest_is_shed() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| Act::Stall));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), "timeout = \"500ms\"\nconcurrency = 3"));
    let began = std::time::Instant::now();
    for _ in 0..20_000 {
        assert!(kit.exchange("GET /", &[], BODY));
    }
    let offered = began.elapsed();
    let accounts = kit.accounts(20_000);
    let (sent, shed) = (accounts["mismatch"], accounts["shed"]);
    assert_eq!(extracted.asked().len() as u64, sent);
    assert!(shed > 15_000, "{accounts:?} in {offered:?}");
}

#[test]
fn copies_pause_while_their_target_is_busy_with_clients() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| ok(BODY)));
    let text = in_shadow(&legacy, "extracted", "")
        + &format!("[upstreams.extracted]\nendpoints = [{:?}]\nmax_in_flight = 10\n", extracted.url());
    let kit = Kit::new(&text);
    let running = kit.live.pin();
    let slice = &running.snapshot.slices[0];
    let upstream = running.upstream(slice.upstream);
    (0..5).for_each(|_| assert!(upstream.enter(10)));
    kit.exchange("GET /", &[], BODY);
    assert_eq!(kit.accounts(1), [("paused".to_owned(), 1)].into());
    upstream.exit();
    kit.exchange("GET /", &[], BODY);
    assert_eq!(kit.accounts(2)["match"], 1);
    assert_eq!(upstream.in_flight(), 4, "copies are not counted as clients' requests");
}

#[test]
fn a_request_whose_answer_came_before_it_was_whole_is_not_copied() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| ok(BODY)));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), ""));
    let mut ticket = kit.ticket("POST /search", &["Content-Length: 100"]).unwrap();
    ticket.request_piece(b"begun");
    answered(&mut ticket, BODY);
    ticket.finish(PrimaryEnd::Complete);
    assert_eq!(kit.accounts(1), [("not-sent".to_owned(), 1)].into());
    assert!(extracted.asked().is_empty());
}

#[test]
fn a_drain_ends_what_waits_and_what_is_under_way_and_loses_no_account() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| Act::Stall));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), "timeout = \"10m\"\nconcurrency = 5"));
    let left = kit.ticket("GET /", &[]).unwrap();
    for _ in 0..10 {
        kit.exchange("GET /", &[], BODY);
    }
    poll(|| (extracted.asked().len() == 5).then_some(()));
    // The others have met the limit before the drain begins.
    assert_eq!(kit.accounts(5), [("shed".to_owned(), 5)].into());
    let telemetry = std::sync::Arc::clone(&kit.telemetry);
    let entry = kit.shadows.entry();
    let lane = kit.lane.clone();
    let keeper = kit.drain(Duration::from_millis(100));
    // Clients that were cut off by the end of the process did not leave.
    drop(left);
    drop((lane, keeper));
    let mut accounts = BTreeMap::new();
    for ((_, account), count) in telemetry.accounts() {
        *accounts.entry(format!("{account:?}")).or_default() += count;
    }
    assert_eq!(accounts, [("NotCompared(Drain)".to_owned(), 6), ("NotCompared(Shed)".to_owned(), 5)].into());
    assert_eq!(entry.bytes().0, 0);
}

#[test]
fn copies_under_way_finish_within_the_grace_of_a_drain() {
    let gate = std::sync::Arc::new(std::sync::Barrier::new(2));
    let passed = std::sync::Arc::clone(&gate);
    let (legacy, extracted) = (
        Origin::new(|_| ok("")),
        Origin::new(move |_| {
            passed.wait();
            ok(BODY)
        }),
    );
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), ""));
    kit.exchange("GET /", &[], BODY);
    poll(|| (extracted.asked().len() == 1).then_some(()));
    let telemetry = std::sync::Arc::clone(&kit.telemetry);
    let open = std::thread::spawn(move || gate.wait());
    kit.drain(Duration::from_secs(20));
    open.join().unwrap();
    let accounts: Vec<_> = telemetry.accounts().into_iter().collect();
    assert_eq!(accounts.len(), 1);
    assert_eq!((accounts[0].0.1.as_str(), accounts[0].1), ("match", 1));
}
