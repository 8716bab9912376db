//! Evidence outlives a restart, a kill, and a file that somebody damaged; and nothing in it is secret.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use bytes::Bytes;
use jiff::civil::date;
use strangler_core::compare::{Context, End, Reply, Side, compare};
use strangler_core::config::{LoadOptions, SourceText, Sources, load};
use strangler_core::evidence::{Difference, Example, Limits, Outcome, Report, report};
use strangler_core::inventory::Changes;

use super::database::{Database, Scope};
use super::*;
use crate::telemetry::AccessRecord;

const TEXT: &str = r#"
        version = 1
        legacy = "http://127.0.0.1:1"
        [slices.orders]
        upstream = "http://127.0.0.1:2"
        phase = "shadow"
        routes = ["GET /orders", "GET /orders/{id}"]
    "#;

fn snapshot() -> Arc<Snapshot> {
    load_text(TEXT)
}

fn load_text(text: &str) -> Arc<Snapshot> {
    let main = SourceText { name: "a.toml".into(), text: text.into() };
    let options = LoadOptions { base: Path::new("/"), env: &|_| None, today: date(2026, 1, 1) };
    let loaded = load(&Sources { main, included: Vec::new() }, &options);
    loaded.snapshot.expect("the configuration is valid")
}

fn start(directory: Option<&Path>, snapshot: Arc<Snapshot>) -> Result<Evidence, StoreError> {
    Evidence::start(directory, snapshot, Arc::default())
}

/// What comparing two JSON bodies gives.
fn observation(snapshot: &Snapshot, legacy: &str, extracted: &str, example: &str) -> Observation {
    let reply = |body: &str| Reply {
        end: End::Complete,
        status: 200,
        headers: std::iter::once(("content-type", "application/json")).collect(),
        body: Bytes::from(body.to_owned()),
    };
    let route = snapshot.routes.iter().find(|route| &*route.id == "GET /orders").unwrap();
    let rules = &route.policy.compare;
    let side = Side::default();
    let today = date(2026, 1, 1);
    let context = Context {
        rules,
        route: &route.id,
        method: "GET",
        target: "/orders",
        today,
        legacy: side,
        extracted: side,
    };
    let compared = compare(&context, &reply(legacy), &reply(extracted));
    let at = Timestamp::now();
    let outcome = Outcome::of(&compared, rules, today, |finding| {
        Some(Example {
            request: "r-1".into(),
            at,
            method: "GET".into(),
            target: example.into(),
            path: finding.difference.path.to_string().into(),
            legacy: finding.difference.left_value.clone().map(Into::into),
            extracted: None,
        })
    });
    Observation {
        slice: "orders".into(),
        route: Arc::clone(&route.id),
        at,
        shape: xxh(legacy),
        version: None,
        outcome,
        latency: None,
        repeated: None,
    }
}

/// One difference of its own signature, with an example of this target.
fn differing(snapshot: &Snapshot, number: u32, target: &str) -> Observation {
    let like = observation(snapshot, "{\"a\": 1}", "{\"a\": 2}", target);
    let Outcome::Compared(mut seen) = like.outcome else { panic!("the bodies differ") };
    seen.truncate(1);
    let what = Difference {
        signature: format!("{number:08x}").parse().unwrap(),
        path: format!("$.member{number}").parse().unwrap(),
        ..seen[0].what.clone().unwrap()
    };
    seen[0].what = Some(what);
    Observation { outcome: Outcome::Compared(seen), ..like }
}

fn xxh(text: &str) -> u64 {
    text.bytes().fold(7, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()))
}

/// The report at a fixed moment, so that two of them can be compared.
fn reported(evidence: &Evidence) -> Report {
    let at: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    ask(evidence, move |held| report::build(&held.ledger, &held.snapshot, None, at).unwrap())
}

fn ask<T: Send + 'static>(evidence: &Evidence, question: impl FnOnce(&mut Held) -> T + Send + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(evidence.ask(question)).unwrap()
}

#[test]
fn a_restart_changes_nothing_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = snapshot();
    let evidence = start(Some(folder.path()), Arc::clone(&snapshot)).unwrap();
    for n in 0..50 {
        evidence.observe(observation(
            &snapshot,
            &format!("{{\"id\": {n}}}"),
            &format!("{{\"id\": {n}}}"),
            "/orders",
        ));
        evidence.observe(observation(
            &snapshot,
            "{\"total\": 19.9}",
            "{\"total\": \"19.90\"}",
            "/orders?x=1",
        ));
    }
    evidence.not_compared(&"orders".into(), &"GET /orders/{id}".into(), NotCompared::Shed, 7);
    let before = reported(&evidence);
    evidence.release();
    let after = reported(&start(Some(folder.path()), snapshot).unwrap());
    assert_eq!(before.slices[0].accounts.matched, 50);
    assert_eq!(before.slices[0].accounts.mismatch, 50);
    assert_eq!(before.slices[0].accounts.reasons["shed"], 7);
    assert_eq!(before.slices[0].problems[0].examples[0].target, "/orders?x=1".into());
    assert_eq!(before, after);
}

#[test]
fn a_new_epoch_leaves_nothing_of_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = snapshot();
    let evidence = start(Some(folder.path()), Arc::clone(&snapshot)).unwrap();
    evidence.observe(observation(&snapshot, "{\"a\": 1}", "{\"a\": 2}", "/orders"));
    let number = ask(&evidence, |held| held.ledger.restart("orders", "fixed", Timestamp::now())).unwrap();
    assert_eq!(number, 2);
    evidence.release();
    let evidence = start(Some(folder.path()), snapshot).unwrap();
    let report = reported(&evidence);
    assert_eq!((report.slices[0].epoch.number, report.slices[0].accounts.eligible), (2, 0));
    assert_eq!(evidence.losses(), Losses::default());
}

#[test]
fn a_new_configuration_is_followed_before_what_comes_after_it() {
    let snapshot = snapshot();
    let mut other = Arc::into_inner(self::snapshot()).unwrap();
    let evidence = start(None, Arc::clone(&snapshot)).unwrap();
    evidence.observe(observation(&snapshot, "{\"a\": 1}", "{\"a\": 2}", "/orders"));
    other.slices.clear();
    // What was shown before is in the account before the configuration changes.
    assert_eq!(reported(&evidence).slices[0].accounts.mismatch, 1);
    evidence.follow(&Arc::new(other));
    assert_eq!(reported(&evidence).slices.len(), 0);
    evidence.follow(&snapshot);
    assert_eq!(reported(&evidence).slices[0].accounts.mismatch, 1);
}

#[test]
fn a_file_that_is_no_database_is_set_aside_and_evidence_begins_anew() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 4] = [
        ("no database", |bytes| *bytes = b"hello, I am a text".repeat(500)),
        ("cut", |bytes| bytes.truncate(bytes.len() / 2)),
        ("overwritten", |bytes| {
            let len = bytes.len();
            bytes[len / 3..].fill(0xa5);
        }),
        ("of a later version", |bytes| bytes[60..64].copy_from_slice(&99u32.to_be_bytes())),
    ];
    for (name, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = snapshot();
        let evidence = start(Some(folder.path()), Arc::clone(&snapshot)).unwrap();
        for n in 0..200 {
            let (legacy, extracted) = (format!("{{\"a{n}\": 1}}"), format!("{{\"a{n}\": 2}}"));
            evidence.observe(observation(&snapshot, &legacy, &extracted, "/orders"));
        }
        assert_eq!(reported(&evidence).slices[0].accounts.mismatch, 200);
        evidence.release();
        drop(evidence);
        let path = folder.path().join("evidence.sqlite");
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let evidence = start(Some(folder.path()), Arc::clone(&snapshot)).unwrap();
        assert_eq!(reported(&evidence).slices[0].accounts.eligible, 0, "{name}");
        assert!(folder.path().join("evidence.damaged.sqlite").exists(), "{name}");
        evidence.observe(observation(&snapshot, "{\"a\": 1}", "{\"a\": 2}", "/orders"));
        let before = reported(&evidence);
        evidence.release();
        let after = reported(&start(Some(folder.path()), snapshot).unwrap());
        assert_eq!(before, after, "{name}: what comes after is kept");
    }
}

#[test]
fn a_database_that_somebody_has_open_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(Database::open(folder.path()).unwrap());
    let other = rusqlite::Connection::open(folder.path().join("evidence.sqlite")).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM evidence;").unwrap();
    assert!(Database::open(folder.path()).is_none());
    assert!(!folder.path().join("evidence.damaged.sqlite").exists());
    other.execute_batch("COMMIT").unwrap();
}

#[test]
fn a_database_that_is_damaged_while_it_serves_is_written_anew_from_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (mut database, _) = Database::open(folder.path()).unwrap();
    let snapshot = snapshot();
    let mut ledger = Ledger::new(Limits::DEFAULT);
    ledger.follow(&snapshot, Timestamp::now());
    ledger.observe(&observation(&snapshot, "{\"a\": 1}", "{\"a\": 2}", "/orders"));
    database.apply(ledger.take_changes(), &NOTHING, Scope::Changes).unwrap();
    // The file is gone from under the connection, as after a careless clean-up.
    for entry in fs::read_dir(folder.path()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    drop(database);
    let (mut database, rows) = Database::open(folder.path()).unwrap();
    assert!(rows.evidence.is_empty());
    ledger.mark_all_changed();
    database.apply(ledger.take_changes(), &NOTHING, Scope::Everything).unwrap();
    drop(database);
    let (restored, lost) =
        Ledger::restore(Database::open(folder.path()).unwrap().1.evidence, Limits::DEFAULT);
    assert_eq!((restored.size(), lost), (ledger.size(), 0));
}

#[test]
fn a_full_database_gives_up_its_examples_first() {
    let folder = tempfile::tempdir().unwrap();
    let (mut database, _) = Database::open(folder.path()).unwrap();
    let snapshot = snapshot();
    let mut ledger = Ledger::new(Limits::DEFAULT);
    ledger.follow(&snapshot, Timestamp::now());
    let mut pruned = 0;
    // Two MiB instead of 224, which the same code would reach a hundred times later.
    database.bound_for_test(512);
    for n in 0..250 {
        for size in [3000, 3500, 3900] {
            let target = format!("/orders?x={}", "y ".repeat(size / 2));
            ledger.observe(&differing(&snapshot, n, &target));
        }
        pruned += database.apply(ledger.take_changes(), &NOTHING, Scope::Changes).unwrap();
    }
    assert!(pruned > 0);
    drop(database);
    let (restored, lost) =
        Ledger::restore(Database::open(folder.path()).unwrap().1.evidence, Limits::DEFAULT);
    assert_eq!(lost, 0);
    assert_eq!(restored.size().signatures, ledger.size().signatures);
    let bytes: u64 =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 12 << 20, "{bytes}");
}

/// Holds the thread by a question until what is returned is dropped, so that nothing is taken out meanwhile.
fn hold(evidence: &Evidence) -> SyncSender<()> {
    let (go, wait) = sync_channel::<()>(0);
    let (begun, begins) = sync_channel::<()>(0);
    let asking = evidence.clone();
    std::thread::spawn(move || {
        ask(&asking, move |_| {
            begun.send(()).unwrap();
            assert!(wait.recv().is_err());
        });
    });
    begins.recv().unwrap();
    go
}

#[test]
fn what_was_handed_over_before_a_new_configuration_is_counted_under_the_old_one() {
    let snapshot = snapshot();
    let other = load_text(&TEXT.replace("127.0.0.1:2", "127.0.0.1:3"));
    let told = |evidence: &Evidence| {
        let report = reported(evidence);
        (report.slices[0].epoch.number, report.slices[0].accounts.mismatch, report.slices[0].late)
    };
    let one = || observation(&snapshot, "{\"a\": 1}", "{\"a\": 2}", "/orders");
    let evidence = start(None, Arc::clone(&snapshot)).unwrap();
    let go = hold(&evidence);
    evidence.observe(one());
    evidence.follow(&other);
    evidence.observe(one());
    drop(go);
    assert_eq!(told(&evidence), (2, 1, 0), "the first is no latecomer of the new epoch");
    // Where there is no room to say it in order, it is followed all the same, and before what waits.
    let evidence = start(None, Arc::clone(&snapshot)).unwrap();
    let go = hold(&evidence);
    evidence.observe(one());
    let nobody: Arc<str> = "".into();
    for _ in 1..WAITING_MAX + QUESTIONS_MAX {
        evidence.not_compared(&nobody, &nobody, NotCompared::Shed, 1);
    }
    assert_eq!(evidence.losses().dropped, 0);
    evidence.follow(&other);
    drop(go);
    let report = wait_for_report(&evidence);
    assert_eq!((report.slices[0].epoch.number, report.slices[0].late), (2, 1));
}

/// The report, as soon as there is room for the question.
fn wait_for_report(evidence: &Evidence) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let at: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    loop {
        let question = move |held: &mut Held| report::build(&held.ledger, &held.snapshot, None, at).unwrap();
        if let Ok(report) = runtime.block_on(evidence.ask(question)) {
            return report;
        }
    }
}

#[test]
fn what_waits_is_bounded_and_what_does_not_fit_is_counted() {
    let snapshot = snapshot();
    let evidence = start(None, Arc::clone(&snapshot)).unwrap();
    let go = hold(&evidence);
    let one = observation(&snapshot, "{\"a\": 1}", "{\"a\": 2}", &"x".repeat(4000));
    for _ in 0..20_000 {
        evidence.observe(one.clone());
    }
    assert!(evidence.shared.waiting.load(Ordering::Relaxed) <= WAITING_MAX);
    assert!(evidence.shared.waiting_bytes.load(Ordering::Relaxed) <= WAITING_BYTES_MAX);
    let dropped = evidence.losses().dropped;
    assert!(dropped >= 20_000 - WAITING_MAX as u64, "{dropped}");
    drop(go);
    assert_eq!(reported(&evidence).slices[0].accounts.mismatch + dropped, 20_000);
}

#[test]
fn no_secret_reaches_the_disk_even_if_nobody_redacted_it() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = snapshot();
    let evidence = start(Some(folder.path()), Arc::clone(&snapshot)).unwrap();
    let secrets = ["4111111111111111", "ann.lee@mail.example.com", "sk9fJ2kLq83NvXz71QwEr5Ty", "tiger-paw"];
    let [card, mail, token, password] = secrets;
    let legacy = format!("{{\"{mail}\": 1, \"a\": {{\"{token}\": 1}}, \"memo\": \"card {card}\"}}");
    let target = format!("/orders?token={token}&q={mail}&password={password}");
    evidence.observe(observation(&snapshot, &legacy, "{}", &target));
    assert_eq!(reported(&evidence).slices[0].accounts.mismatch, 1);
    let shown = serde_json::to_string(&reported(&evidence)).unwrap();
    evidence.release();
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret} is shown: {shown}");
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {}", path.display());
        }
    }
}

#[test]
fn the_id_of_an_example_is_found_in_the_log_again() {
    let snapshot = snapshot();
    let evidence = start(None, Arc::clone(&snapshot)).unwrap();
    for (id, is_kept) in [
        ("9f86d081884c7d659a2feaa0c55ad015", true),
        ("9f86d081-884c-7d65-9a2f-eaa0c55ad015", true),
        ("4111111111111111", false),
        ("ann.lee@mail.example.com", false),
    ] {
        let mut observed = observation(&snapshot, "{\"a\": 1}", &format!("{{\"a\": \"{id}\"}}"), "/orders");
        let Outcome::Compared(seen) = &mut observed.outcome else { panic!("the bodies differ") };
        for example in seen.iter_mut().filter_map(|seen| seen.example.as_mut()) {
            example.request = id.into();
        }
        evidence.observe(observed);
        let shown = serde_json::to_string(&reported(&evidence)).unwrap();
        assert_eq!(shown.contains(&format!("\"request\":\"{id}\"")), is_kept, "{shown}");
    }
}

#[test]
fn the_inventory_learns_from_what_has_ended_and_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let telemetry = crate::telemetry::Telemetry::new();
    let evidence = Evidence::start(Some(folder.path()), snapshot(), Arc::clone(&telemetry.feed)).unwrap();
    let recorder = telemetry.recorder();
    for n in 0..3000 {
        let path = format!("/orders/{n}");
        let record = AccessRecord {
            time: Timestamp::now(),
            method: "GET",
            path: &path,
            status: 200,
            route: Some("GET /orders/{id}"),
            slice: Some("orders"),
            owner: "legacy",
            effect: "read",
            ..AccessRecord::default()
        };
        recorder.log(&record);
    }
    let write = AccessRecord {
        method: "POST",
        path: "/reset/XK42-99",
        status: 302,
        owner: "legacy",
        effect: "write",
        ..AccessRecord::default()
    };
    recorder.log(&write);
    let before = ask(&evidence, |held| held.inventory.report());
    assert_eq!(before.requests, 3001);
    let told: Vec<(&str, Option<&str>)> =
        before.templates.iter().map(|t| (&*t.path, t.slice.as_deref())).collect();
    assert_eq!(told, [("/orders/{id}", Some("orders")), ("/reset/{code}", None)]);
    evidence.release();
    let evidence = start(Some(folder.path()), snapshot()).unwrap();
    assert_eq!(ask(&evidence, |held| held.inventory.report()), before);
}

#[test]
fn a_directory_keeps_its_key_and_shows_it_to_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let first = start(Some(folder.path()), snapshot()).unwrap();
    first.release();
    let second = start(Some(folder.path()), snapshot()).unwrap();
    second.release();
    assert_eq!(first.key_id(), second.key_id());
    let path = folder.path().join("redaction.key");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&path, b"short").unwrap();
    let third = start(Some(folder.path()), snapshot()).unwrap();
    assert_ne!(first.key_id(), third.key_id());
    assert_ne!(start(None, snapshot()).unwrap().key_id(), third.key_id());
}

const NOTHING: Changes = Changes::Rows(Vec::new());

const CHILD: &str = "STRANGLER_TEST_EVIDENCE_CHILD";

/// Not a test of its own: the process that the next test kills. Says how many it has handed over, and when.
#[test]
fn child_that_observes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let snapshot = snapshot();
    let evidence = start(Some(Path::new(&folder)), Arc::clone(&snapshot)).unwrap();
    let started = Instant::now();
    let same = observation(&snapshot, "{\"a\": 1}", "{\"a\": 1}", "/orders");
    for handed_over in 1u64.. {
        evidence.observe(Observation { at: Timestamp::now(), shape: handed_over, ..same.clone() });
        // One at a time: what the channel would drop is not what this is about.
        ask(&evidence, |_| ());
        println!("\nhanded over {handed_over} {}", started.elapsed().as_millis());
    }
}

#[test]
fn a_killed_process_loses_nothing_older_than_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::evidence::tests::child_that_observes_until_it_is_killed", "--nocapture"])
        .env(CHILD, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen: Vec<(u64, u64)> = Vec::new();
    while seen.last().is_none_or(|(_, millis)| *millis < 2500) {
        let line = lines.next().expect("the child goes on").unwrap();
        if let Some(rest) = line.strip_prefix("handed over ") {
            let (count, millis) = rest.split_once(' ').unwrap();
            seen.push((count.parse().unwrap(), millis.parse().unwrap()));
        }
    }
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = seen.last().unwrap().1;
    let older = seen.iter().rev().find(|(_, millis)| millis + 1000 <= killed).unwrap().0;
    let report = reported(&start(Some(folder.path()), snapshot()).unwrap());
    let kept = report.slices[0].accounts.compared;
    assert!(kept >= older, "{kept} kept of {older} that were older than a second");
}
