//! Every kind of problem has a file in `config/rejected/` that has it, and a golden text that shows how it is
//! told. `UPDATE_GOLDEN=1` rewrites the texts.
#![allow(clippy::expect_used, clippy::panic, reason = "a test may stop")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use strangler_core::config::{self, Diagnostic, LoadOptions, Severity, SourceText, Sources, code};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/rejected")
}

/// Files of a folder that end in `.toml`, sorted.
fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

fn source(path: &Path) -> SourceText {
    let name = path.strip_prefix(folder()).expect("below the folder").to_string_lossy().replace('\\', "/");
    SourceText { name, text: fs::read_to_string(path).expect("a text") }
}

/// All problems of a file; what is not built counts.
fn problems(path: &Path) -> Vec<Diagnostic> {
    let main = source(path);
    let below = folder().join(path.file_stem().expect("a name"));
    let includes = !config::include_patterns(&main).is_empty();
    let included =
        if includes { toml_files(&below).iter().map(|path| source(path)).collect() } else { Vec::new() };
    let env = |name: &str| (name == "SECRET").then(|| "hunter2".to_owned());
    let options = LoadOptions { base: Path::new(""), env: &env, today: jiff::civil::date(2026, 6, 1) };
    let loaded = config::load(&Sources { main, included }, &options);
    let failed = loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    assert_eq!(loaded.snapshot.is_none(), failed, "{}", path.display());
    loaded.diagnostics.into_iter().chain(loaded.not_built).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a name").to_string_lossy().into_owned()
}

#[test]
fn each_rejected_file_is_told_as_its_golden_text_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut differing = Vec::new();
    for path in toml_files(&folder()) {
        let shown: Vec<String> = problems(&path).iter().map(|problem| problem.render(false)).collect();
        let shown = shown.join("\n");
        let golden = path.with_extension("txt");
        if update {
            fs::write(&golden, &shown).expect("to write the golden text");
        }
        if fs::read_to_string(&golden).unwrap_or_default() != shown {
            differing.push(format!("{}:\n{shown}", golden.display()));
        }
    }
    assert!(differing.is_empty(), "these differ:\n{}", differing.join("\n"));
}

#[test]
fn each_kind_of_problem_has_a_rejected_file() {
    let files = toml_files(&folder());
    let named: BTreeSet<String> = files.iter().map(|path| stem(path)).collect();
    for code in code::ALL {
        assert!(named.contains(code.name), "config/rejected/{}.toml is missing", code.name);
    }
    for path in files.iter().filter(|path| code::ALL.iter().any(|code| code.name == stem(path))) {
        let told: Vec<&str> = problems(path).iter().map(|problem| problem.code).collect();
        assert!(told.contains(&stem(path).as_str()), "{} has {told:?}", path.display());
    }
}

#[test]
fn values_of_the_environment_are_never_told() {
    for path in toml_files(&folder()) {
        for problem in problems(&path) {
            assert!(!problem.render(false).contains("hunter2"), "{}", path.display());
        }
    }
}
