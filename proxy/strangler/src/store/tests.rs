//! What is kept survives crashes, and belongs to one process.

use std::fs::{self, OpenOptions};
use std::io::Write;

use strangler_core::config::{SourceText, Sources};

use super::{Entry, LastGood, Store, StoreError};
use crate::live::report::{ReloadReport, Trigger};

fn entry(generation: u64) -> Entry {
    let report = ReloadReport::Applied {
        generation,
        hash: "abc".to_owned(),
        changes: vec!["slice products: phase legacy → extracted".to_owned()],
        warnings: Vec::new(),
        restart_required: Vec::new(),
    };
    Entry::of(&report, Trigger::Watch)
}

fn generations(store: &Store, limit: usize) -> Vec<u64> {
    store.history(limit, None).unwrap().iter().map(|entry| entry.generation).collect()
}

fn last_good(text: &str) -> LastGood {
    let main = SourceText { name: "strangler.toml".to_owned(), text: text.to_owned() };
    LastGood {
        at: "2026-01-01T00:00:00Z".to_owned(),
        base: "/etc".into(),
        sources: Sources { main, included: Vec::new() },
    }
}

#[test]
fn history_survives_a_restart_and_keeps_its_order() {
    let folder = tempfile::tempdir().unwrap();
    for run in 0..2 {
        let store = Store::open(folder.path()).unwrap();
        store.append(&entry(run * 2 + 1)).unwrap();
        store.append(&entry(run * 2 + 2)).unwrap();
    }
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(generations(&store, 100), [1, 2, 3, 4]);
    assert_eq!(generations(&store, 3), [2, 3, 4]);
}

#[test]
fn a_line_torn_by_a_crash_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.jsonl");
    Store::open(folder.path()).unwrap().append(&entry(1)).unwrap();
    let whole = fs::read(&history).unwrap();
    for torn in 1..whole.len() {
        fs::write(&history, &whole).unwrap();
        OpenOptions::new().append(true).open(&history).unwrap().write_all(&whole[..torn]).unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.append(&entry(2)).unwrap();
        let known = generations(&store, 100);
        // Without its line end alone, the line is still an entry.
        let wanted: &[u64] = if torn == whole.len() - 1 { &[1, 1, 2] } else { &[1, 2] };
        assert_eq!(known, wanted, "torn after {torn} bytes");
    }
}

#[test]
fn history_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut long = entry(1);
    long.changes = vec!["x".repeat(1024 * 1024)];
    for generation in 1..=20 {
        long.generation = generation;
        store.append(&long).unwrap();
    }
    let size: u64 =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(size < 12 * 1024 * 1024, "{size} bytes");
    let known = generations(&store, 100);
    assert_eq!(known.last(), Some(&20));
    assert!(known.len() >= 4, "{known:?}");
}

#[test]
fn one_directory_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert!(matches!(Store::open(folder.path()), Err(StoreError::InUse { .. })));
    store.release();
    Store::open(folder.path()).unwrap();
}

#[test]
fn the_last_good_configuration_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(LastGood::find(folder.path()).unwrap(), None);
    assert_eq!(LastGood::find(&folder.path().join("missing")).unwrap(), None);
    let store = Store::open(folder.path()).unwrap();
    for text in ["version = 1\n", "version = 1\n# \u{1F600}\n"] {
        store.keep_last_good(&last_good(text)).unwrap();
        assert_eq!(LastGood::find(folder.path()).unwrap(), Some(last_good(text)));
    }
    let leftovers = fs::read_dir(folder.path()).unwrap();
    assert_eq!(leftovers.count(), 3, "history, lock and the last good configuration");
}

#[test]
fn a_damaged_last_good_configuration_is_never_served() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.keep_last_good(&last_good("version = 1\n")).unwrap();
    let path = folder.path().join("last-good.json");
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(LastGood::find(folder.path()), Err(StoreError::Damaged { .. })), "{length} bytes");
    }
    let changed = String::from_utf8(whole).unwrap().replace("version = 1", "version = 2");
    fs::write(&path, changed).unwrap();
    assert!(matches!(LastGood::find(folder.path()), Err(StoreError::Damaged { .. })));
}

#[test]
fn only_the_owner_may_read_what_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let store = Store::open(&directory).unwrap();
    store.keep_last_good(&last_good("version = 1\n")).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&directory.join("last-good.json")), 0o600);
}

#[test]
fn memory_keeps_a_bounded_history_and_nothing_else() {
    let store = Store::memory();
    for generation in 0..1500 {
        store.append(&entry(generation)).unwrap();
    }
    assert_eq!(generations(&store, 2), [1498, 1499]);
    assert_eq!(store.history(usize::MAX, None).unwrap().len(), 1000);
    store.keep_last_good(&last_good("version = 1\n")).unwrap();
    assert_eq!(store.directory(), None);
}
