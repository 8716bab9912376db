//! The sentence, and requests from files.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::sync::Arc;

use strangler_core::config::{SourceText, Sources};
use strangler_core::plan::Impact;

use super::*;

fn compiled(phase: &str) -> Compiled {
    let text = format!(
        "version = 1\nlegacy = \"http://127.0.0.1:8000\"\n[slices.a]\nupstream = \"http://127.0.0.1:8001\"\n\
         {phase}\nsync = \"stateless\"\nroutes = [\"/a/**\"]\n"
    );
    let main = SourceText { name: "a.toml".to_owned(), text };
    compile::compile(&Sources { main, included: Vec::new() }, Path::new("")).unwrap()
}

fn counted(
    before: &Compiled,
    after: &Compiled,
    file: &str,
) -> Result<TrafficReport, recorded::RecordedError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traffic");
    std::fs::write(&path, file).unwrap();
    let half = |one: &Compiled| Arc::clone(&one.snapshot);
    let (before, after) = (half(before), half(after));
    recorded::count(&path, Impact::new((&before, Facts::NONE), (&after, Facts::NONE)))
}

const LOG: &str = r#"{"role":"primary","time":"2026-01-01T00:00:01.000Z","client":"10.0.0.1","method":"GET","host":"shop.example","path":"/a/1","status":200,"owner":"legacy","effect":"read","generation":1}
{"role":"shadow","time":"2026-01-01T00:00:01.000Z","client":null,"method":"GET","host":"shop.example","path":"/a/1","status":200,"owner":"extracted","effect":"read","generation":1}
{"role":"primary","time":"2026-01-01T00:00:02.000Z","client":"10.0.0.1","method":"POST","host":"shop.example","path":"/a/1","status":200,"owner":"legacy","effect":"write","generation":1}
{"role":"primary","time":"2026-01-01T01:00:00.000Z","client":"10.0.0.1","method":"GET","host":"shop.example","path":"/b","status":200,"owner":"legacy","effect":"read","generation":1}
{"role":"primary","time":"2026-01-01T01:00:0
"#;

#[test]
fn requests_of_a_log_and_of_a_recording_are_decided() {
    let (shadow, extracted) = (compiled("phase = \"shadow\""), compiled("phase = \"extracted\""));
    let log = counted(&shadow, &extracted, LOG).unwrap();
    assert_eq!((log.impact.all.requests, log.impact.all.to_extracted.known), (3, 1));
    assert_eq!(log.first.as_deref(), Some("2026-01-01T00:00:01.000Z"));
    assert_eq!(log.last.as_deref(), Some("2026-01-01T01:00:00.000Z"));
    let exchange = |target: &str| {
        format!(
            "{{\"kind\":\"exchange\",\"id\":\"1\",\"at\":\"2026-01-01T00:00:00.000Z\",\"owner\":\"legacy\",\
             \"request\":{{\"method\":\"GET\",\"target\":\"{target}\",\"headers\":[[\"host\",\"shop.example\"]]}}}}\n"
        )
    };
    let corpus = format!(
        "{{\"kind\":\"header\",\"strangler_corpus\":1,\"made\":\"\",\"by\":\"\",\"key\":\"\"}}\n{}{}{}",
        exchange("/a/1?x=1"),
        exchange("http://shop.example/a/2"),
        exchange("/c")
    );
    let found = counted(&shadow, &extracted, &corpus).unwrap();
    assert_eq!((found.impact.all.requests, found.impact.all.to_extracted.known), (3, 2));
    for other in ["", "hello\n", "{\"a\":1}\n"] {
        let error = counted(&shadow, &extracted, other).unwrap_err();
        assert!(matches!(error, recorded::RecordedError::Neither), "{other}: {error}");
    }
}

#[test]
fn the_sentence_says_what_changes_and_for_how_many() {
    let (shadow, extracted) = (compiled("phase = \"shadow\""), compiled("phase = \"extracted\""));
    let of = |before: &Compiled, after: &Compiled| {
        compare((&before.snapshot, Facts::NONE), (after, Facts::NONE), "before")
    };
    assert_eq!(of(&shadow, &shadow).sentence, "Nothing changes.");
    let report = of(&shadow, &extracted);
    assert_eq!(report.sentence, "1 route stands elsewhere.");
    assert_eq!(
        report.with_traffic(counted(&shadow, &extracted, LOG).unwrap()).sentence,
        "1 route stands elsewhere; 1 of 3 remembered requests change sides: 1 legacy → extracted."
    );
    let back = of(&compiled("phase = \"extracted\"\nwriter = \"extracted\""), &shadow);
    assert!(back.sentence.starts_with("A reload would refuse this"), "{}", back.sentence);
    assert_eq!(back.refused.len(), 1);
}
