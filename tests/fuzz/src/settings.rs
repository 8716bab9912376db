//! Values of one key, set into a sound configuration: paths into responses, conditions.

use std::fmt::Write as _;
use std::path::Path;

use strangler_core::config::{self, LoadOptions, Loaded, SourceText, Sources};
use strangler_core::snapshot::ResponsePath;
use strangler_core::snapshot::compare::{BodyPath, Select};

fn load(text: String) -> Loaded {
    let sources =
        Sources { main: SourceText { name: "strangler.toml".to_owned(), text }, included: Vec::new() };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    config::load(&sources, &options)
}

/// A basic string of TOML, with `$` kept from beginning a variable.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.replace("${", "$${").chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _infallible = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// An entry of `compare.ignore`, such as `$.items[*].id`.
///
/// # Panics
///
/// Where a property does not hold.
pub fn response_path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some(first) = ignored(&text) else { return };
    let ResponsePath::Body(path) = &first else { return };
    assert_eq!(path.text, text, "a path is kept as it was written");
    assert!(path.steps.len() <= 64, "paths are bounded");
    let written = canonical(path);
    let again = ignored(&written);
    let Some(ResponsePath::Body(again)) = &again else {
        unreachable!("{text:?} is read, but not when it is written {written:?}: {again:?}")
    };
    assert_eq!(path.steps, again.steps, "{text:?} and {written:?} are the same path");
}

fn ignored(text: &str) -> Option<ResponsePath> {
    let file = format!(
        "version = 1\nlegacy = \"http://127.0.0.1:1\"\n[slices.a]\nupstream = \"http://127.0.0.1:2\"\n\
         routes = [\"/a\"]\ncompare = {{ ignore = [{}] }}\n",
        quoted(text)
    );
    let loaded = load(file);
    let Some(snapshot) = loaded.snapshot else {
        let codes: Vec<&str> = loaded.diagnostics.iter().map(|problem| problem.code).collect();
        assert!(codes.contains(&"bad-path") || codes.contains(&"bad-header"), "{text:?}: {codes:?}");
        return None;
    };
    let ignore = &snapshot.slices.first()?.policy.compare.ignore;
    assert_eq!(ignore.len(), 1, "{text:?}");
    ignore.first().cloned()
}

/// A path with every name quoted in brackets.
fn canonical(path: &BodyPath) -> String {
    let mut out = String::from("$");
    for step in &path.steps {
        out.push_str(if step.descendant { ".." } else { "" });
        match &step.select {
            Select::Name(name) => {
                let name = name.replace('\\', "\\\\").replace('\'', "\\'");
                let _infallible = write!(out, "['{name}']");
            }
            Select::Index(index) => {
                let _infallible = write!(out, "[{index}]");
            }
            Select::Any => out.push_str("[*]"),
        }
    }
    out
}

/// Two routes with conditions, one per line: a letter for what is looked at (`h`eader, `c`ookie, `q`uery,
/// `a`ccept), a sign for how (`=`, `~`, `+` present, `-` absent, `,` one of), then the value. A line `--` begins
/// the second route.
///
/// # Panics
///
/// Where a property does not hold.
pub fn predicates(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut file = String::from(
        "version = 1\nlegacy = \"http://127.0.0.1:1\"\n[slices.a]\nupstream = \"http://127.0.0.1:2\"\n",
    );
    for (index, route) in text.split("\n--\n").take(2).enumerate() {
        let _infallible = write!(file, "[[routes]]\nid = \"r{index}\"\nmatch = \"GET /a\"\nslice = \"a\"\n");
        for (number, line) in route.lines().take(6).enumerate() {
            let _infallible = writeln!(file, "{}", condition(number / 2, line));
        }
    }
    let Some(snapshot) = load(file).snapshot else { return };
    for route in &snapshot.routes {
        let Some(example) = route.pattern.example().with(&route.when) else { continue };
        assert!(route.when.hold(&example.view()), "{example} is no example of {:?}", route.when);
        assert!(route.when.unmet(&example.view()).is_empty(), "{example}: {:?}", route.when);
        assert!(!route.when.contradict(), "{example} shows that {:?} can hold", route.when);
    }
}

/// One line of `when`.
fn condition(number: usize, line: &str) -> String {
    let mut chars = line.chars();
    let subject = match chars.next() {
        Some('h') => format!("header.x-{number}"),
        Some('c') => format!("cookie.c{number}"),
        Some('q') => format!("query.q{number}"),
        _ => return format!("when.accept = {}", quoted(chars.as_str())),
    };
    let (sign, value) = (chars.next(), chars.as_str());
    let wanted = match sign {
        Some('~') => format!("{{ regex = {} }}", quoted(value)),
        Some('+') => "{ present = true }".to_owned(),
        Some('-') => "{ absent = true }".to_owned(),
        Some(',') => {
            let values: Vec<String> = value.split(',').map(quoted).collect();
            format!("{{ in = [{}] }}", values.join(", "))
        }
        _ => quoted(value),
    };
    format!("when.{subject} = {wanted}")
}
