//! Whatever a file holds, it is read without a panic, and a file that is in error yields no snapshot.
#![allow(clippy::expect_used, clippy::panic, reason = "a test may stop")]

use std::path::Path;

use proptest::prelude::*;
use strangler_core::config::{self, LoadOptions, Severity, SourceText, Sources};

const EVERYTHING: &str = include_str!("../../../config/examples/everything.toml");

fn options() -> LoadOptions<'static> {
    LoadOptions { base: Path::new("/etc"), env: &|_| None, today: jiff::civil::date(2026, 6, 1) }
}

fn main_file(text: &str) -> SourceText {
    SourceText { name: "strangler.toml".to_owned(), text: text.to_owned() }
}

/// What is read of a broken file.
fn salvage(text: &str) {
    config::include_patterns(&main_file(text));
    let server = config::server_of(&main_file(text), &options());
    assert!(!server.listen.is_empty(), "the proxy always listens somewhere");
}

fn read(text: &str) {
    let (main, options) = (main_file(text), options());
    let loaded = config::load(&Sources { main, included: Vec::new() }, &options);
    let failed = loaded.diagnostics.iter().any(|problem| problem.severity == Severity::Error);
    assert_eq!(loaded.snapshot.is_none(), failed);
    for problem in loaded.diagnostics.iter().chain(&loaded.not_built) {
        let place = problem.place.as_ref().expect("a place");
        assert_eq!(&*place.file, "strangler.toml", "{}", problem.render(false));
        let lines = text.split('\n').count();
        assert!(usize::try_from(place.line).expect("a small file") <= lines, "{}", problem.render(false));
        assert!(problem.help.is_some(), "{}", problem.render(false));
    }
}

/// The listing without comments and alignment, which say nothing to a parser.
fn compact() -> String {
    let bare = |line: &str| {
        line.split(" #").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    EVERYTHING.lines().map(bare).filter(|line| !line.is_empty()).map(|line| line + "\n").collect()
}

#[test]
fn the_listing_cut_off_anywhere_is_read() {
    let text = compact();
    for (end, _) in text.char_indices() {
        let cut = text.get(..end).expect("a boundary");
        read(cut);
        if end % 16 == 0 {
            salvage(cut);
        }
    }
}

#[test]
fn a_server_key_with_a_broken_variable_gives_way_to_its_built_in_value() {
    let built_in = config::server_of(&main_file("version = 1\n"), &options());
    for line in [r#"listen = "${A""#, r#"listen = ["${A"]"#, r#"data_dir = "${UNSET}""#, r#"admin = "${}""#] {
        let server = config::server_of(&main_file(&format!("version = 1\n[server]\n{line}\n")), &options());
        assert_eq!(server, built_in, "{line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_listing_with_pieces_exchanged_is_read(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, "[\\[\\]{}=\"'.,#$\\n a-z0-9é%/-]{0,6}"), 1..6)
    ) {
        let mut chars: Vec<char> = compact().chars().collect();
        for (at, length, piece) in edits {
            let start = at.index(chars.len());
            let end = (start + length).min(chars.len());
            chars.splice(start..end, piece.chars());
        }
        let text: String = chars.into_iter().collect();
        read(&text);
        salvage(&text);
    }

    #[test]
    fn lines_in_another_order_are_read(order in prop::collection::vec(any::<prop::sample::Index>(), 1..60)) {
        let text = compact();
        let lines: Vec<&str> = text.lines().collect();
        let shuffled: Vec<&str> = order.iter().map(|index| *index.get(&lines)).collect();
        read(&shuffled.join("\n"));
    }

    #[test]
    fn anything_is_read(text in "\\PC{0,80}") {
        read(&text);
    }
}
