//! Configuration files: any text is read without a panic, told in full, and never half applied.

use std::path::Path;

use strangler_core::config::{self, LoadOptions, Loaded, Severity, SourceText, Sources};
use strangler_core::routing;

/// What every variable holds.
const SECRET: &str = "hunter2-kept-secret";

/// Separates the main file from an included one.
const NEXT_FILE: &str = "\n### include\n";

/// The main file and, after `### include` on a line of its own, included files.
///
/// # Panics
///
/// Where a property does not hold.
pub fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let sources = sources(&text);
    let env = |name: &str| (!name.starts_with("UNSET")).then(|| SECRET.to_owned());
    let options = LoadOptions { base: Path::new("/etc"), env: &env, today: jiff::civil::date(2026, 6, 1) };

    config::include_patterns(&sources.main);
    config::include_patterns_with(&sources.main, &env);
    let server = config::server_of(&sources.main, &options);
    assert!(!server.listen.is_empty(), "the proxy always listens somewhere");

    let loaded = config::load(&sources, &options);
    told(&sources, &loaded, text.contains(SECRET));
    let failed = loaded.diagnostics.iter().any(|problem| problem.severity == Severity::Error);
    assert_eq!(loaded.snapshot.is_none(), failed, "an error keeps the previous configuration, whole");
    let resolved = config::resolve(&sources, &options);
    assert_eq!(resolved.is_none(), failed, "what is resolved is what is loaded");
    if let Some(resolved) = resolved {
        let shown = resolved.render_text();
        assert!(text.contains(SECRET) || !shown.contains(SECRET), "a variable's value is shown: {shown}");
    }
    if let Some(snapshot) = &loaded.snapshot {
        assert!(!snapshot.server.listen.is_empty());
        assert!(routing::diff(snapshot, snapshot).is_empty(), "nothing differs from itself");
        assert!(routing::lost_writers(snapshot, snapshot).is_empty(), "nothing is lost to itself");
    }
}

/// Every problem has its place, its help, and neither control characters nor the environment's values.
fn told(sources: &Sources, loaded: &Loaded, secret_is_written: bool) {
    for problem in loaded.diagnostics.iter().chain(&loaded.not_built) {
        let shown = problem.render(false);
        let place = problem.place.as_ref();
        let lines = place.and_then(|place| {
            let mut files = std::iter::once(&sources.main).chain(&sources.included);
            files.find(|file| file.name == *place.file).map(|file| file.text.split('\n').count())
        });
        let within = place.zip(lines).is_some_and(|(place, lines)| {
            place.column >= 1 && (1..=lines).contains(&usize::try_from(place.line).unwrap_or(usize::MAX))
        });
        assert!(within, "no place in the text: {shown}");
        assert!(problem.help.is_some(), "no help: {shown}");
        let control = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!shown.contains(control), "control characters reach the terminal: {shown:?}");
        assert!(secret_is_written || !shown.contains(SECRET), "a variable's value is told: {shown}");
    }
}

fn sources(text: &str) -> Sources {
    let mut files = text.split(NEXT_FILE);
    let main = files.next().unwrap_or_default();
    let included = (1..).zip(files.take(3)).map(|(number, text)| file(format!("routes/{number}.toml"), text));
    Sources { included: included.collect(), main: file("strangler.toml".to_owned(), main) }
}

fn file(name: String, text: &str) -> SourceText {
    SourceText { name, text: text.to_owned() }
}
