//! What the language has and this version does not build yet.
//!
//! One table; whoever builds a key deletes its line. Nothing may be accepted and ignored: `run` and reload
//! refuse a file that sets such a key to anything but what happens without it. Beside the table: endpoints
//! whose scheme is https.

use super::code;
use super::document::{Entry, Kind, Table, Value};
use super::parts::Parts;
use super::problems::Problem;

/// Which tables a key is looked for in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// `[server]`.
    Server,
    /// `[upstreams.*]`.
    Upstream,
    /// `[defaults]`, `[slices.*]` and every route's table.
    Policy,
}

/// Which of its values are not built.
enum Values {
    /// All of them.
    All,
    /// All but this text: what happens anyway.
    AllBut(&'static str),
}

/// One key that is not built, and what is not done because of it.
struct Unbuilt(Scope, &'static str, Values, &'static str);

/// What this version does not build.
const UNBUILT: [Unbuilt; 3] = [
    Unbuilt(Scope::Server, "tls", Values::All, "the public listener speaks plain HTTP"),
    Unbuilt(Scope::Upstream, "tls", Values::All, "upstreams are spoken to in plain HTTP"),
    Unbuilt(Scope::Upstream, "protocol", Values::AllBut("http1"), "upstreams are spoken to in HTTP/1.1"),
];

/// Every key of a configuration that is not built.
pub(super) fn unbuilt(parts: &Parts<'_, '_>) -> Vec<Problem> {
    let mut found = Vec::new();
    if let Some(table) = parts.server {
        look(&mut found, &[Scope::Server], "[server]", table);
    }
    if let Some(table) = parts.defaults {
        look(&mut found, &[Scope::Policy], "[defaults]", table);
    }
    if let Some(item) = parts.legacy {
        https(&mut found, item.value);
    }
    for (entry, table) in &parts.upstreams {
        look(&mut found, &[Scope::Upstream], &format!("[upstreams.{}]", entry.key), table);
        if let Some(endpoints) = table.get("endpoints") {
            endpoint_values(&endpoints.value).for_each(|value| https(&mut found, value));
        }
    }
    for (entry, table) in &parts.slices {
        look(&mut found, &[Scope::Policy], &format!("[slices.{}]", entry.key), table);
        if let Some(upstream) = table.get("upstream") {
            https(&mut found, &upstream.value);
        }
        if let Some(url) = table.get("sync_lag").and_then(|lag| lag.value.as_table()?.get("url")) {
            https(&mut found, &url.value);
        }
        if let Some(Entry { value: Value { kind: Kind::List(routes), .. }, .. }) = table.get("routes") {
            routes.iter().for_each(|route| in_route(&mut found, route));
        }
    }
    parts.routes.iter().for_each(|route| in_route(&mut found, route));
    found
}

fn in_route(found: &mut Vec<Problem>, route: &Value<'_>) {
    if let Some(table) = route.as_table() {
        look(found, &[Scope::Policy], "a route", table);
    }
}

fn look(found: &mut Vec<Problem>, scopes: &[Scope], place: &str, table: &Table<'_>) {
    for entry in &table.entries {
        let line = UNBUILT.iter().find(|Unbuilt(scope, key, ..)| scopes.contains(scope) && entry.key == *key);
        let Some(Unbuilt(_, key, values, instead)) = line else { continue };
        let text = entry.value.as_text().map(|text| &*text.value);
        let whole_key = match values {
            Values::All => true,
            Values::AllBut(word) => text != Some(word),
        };
        if whole_key {
            let value =
                entry.value.as_text().map(|text| format!(" = \"{}\"", text.written())).unwrap_or_default();
            let message = format!("`{key}{value}` in {place} is not built yet: {instead}");
            found.push(Problem::new(code::NOT_BUILT, entry.key_span, message).help(HELP));
        }
    }
}

const HELP: &str = "this version checks it, but cannot do it: leave it out";

fn endpoint_values<'v, 't>(endpoints: &'v Value<'t>) -> impl Iterator<Item = &'v Value<'t>> {
    let list = if let Kind::List(list) = &endpoints.kind {
        list.as_slice()
    } else {
        std::slice::from_ref(endpoints)
    };
    list.iter().map(|value| match value.as_table().and_then(|table| table.get("url")) {
        Some(url) => &url.value,
        None => value,
    })
}

fn https(found: &mut Vec<Problem>, value: &Value<'_>) {
    let is_https = |text: &str| text.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    let Some(text) = value.as_text().filter(|text| is_https(&text.value)) else { return };
    let message =
        format!("the endpoint `{}` is not built yet: upstreams are spoken to in plain HTTP", text.written());
    found.push(Problem::new(code::NOT_BUILT, value.span, message).help("give an http:// address"));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{LoadOptions, SourceText, Sources, load};

    fn not_built(text: &str) -> Vec<String> {
        let main = SourceText { name: "f".to_owned(), text: format!("version = 1\n{text}") };
        let sources = Sources { main, included: Vec::new() };
        let options =
            LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
        let loaded = load(&sources, &options);
        let shown = |list: &[super::super::Diagnostic]| -> Vec<String> {
            list.iter()
                .map(|one| one.message.split(" is not").next().unwrap_or_default().to_owned())
                .collect()
        };
        assert!(loaded.snapshot.is_some(), "{:?}", shown(&loaded.diagnostics));
        shown(&loaded.not_built)
    }

    #[test]
    fn what_is_built_is_not_listed() {
        let text = r#"
legacy = "monolith"
unmatched = "reject"
[server]
trusted_proxies = ["private"]
public_url = "http://shop.example"
[limits]
body = "1MiB"
[upstreams.monolith]
endpoints = [{ url = "http://127.0.0.1:8000", weight = 2 }]
protocol = "http1"
balance = "round-robin"
host = "endpoint"
timeouts = { connect = "1s" }
pool_idle = "1s"
max_connections = 1
max_in_flight = 1
retries = { attempts = 0 }
breaker = { open = "2s" }
health = {}
[defaults]
fallback = "never"
guardrails = { window = "1m" }
gate = false
read_your_writes = "0s"
timeouts = { response = "1s" }
[slices.a]
upstream = "http://127.0.0.1:8001"
phase = "extracted"
writer = "extracted"
sync = "both"
routes = ["/a/**", { match = "/b", effect = "read", priority = 1, phase = "legacy", id = "b" }]
except = ["/a/x"]
paths = { case = "insensitive" }
team = "t"
review_by = 2027-01-01
rewrite = { strip_prefix = "/a" }
request_headers = { set = { x-a = "1" } }
response_headers = { remove = ["x-b"] }
version_from = "header:x-version"
[slices.a.shadow]
sample = "1%"
writes = "never"
[slices.a.compare]
mode = "shape"
[slices.a.gate]
min_age = "2d"
[slices.b]
upstream = "http://127.0.0.1:8001"
phase = "retired"
writer = "extracted"
routes = ["/c"]
[slices.c]
upstream = "http://127.0.0.1:8001"
phase = "shadow"
sync = "stateless"
routes = [{ match = "/d", phase = "shadow" }]
[slices.d]
upstream = "http://127.0.0.1:8001"
phase = "canary"
canary = "10%"
cohort = "x"
cohort_by = ["client-ip", "cookie:x"]
cohort_cookie = { name = "x" }
fallback = ["5xx", "connect-error"]
fallback_after = "1s"
unavailable = { status = 503 }
writer = "by-cohort"
sync = "shared"
sync_lag = { url = "http://127.0.0.1:1/lag", max = "1s" }
read_your_writes = "10s"
routes = [{ match = "/e", phase = "canary", canary = "1%" }]
"#;
        assert_eq!(not_built(text), [""; 0]);
    }

    #[test]
    fn everything_else_is_named_where_it_is_set() {
        let text = r#"
legacy = "https://127.0.0.1:8000"
[server]
tls = { cert = "a", key = "b" }
[upstreams.u]
endpoints = ["http://127.0.0.1:8001", { url = "https://127.0.0.1:8002" }]
protocol = "auto"
tls = {}
[defaults]
cohort_by = "client-ip"
unavailable = { status = 503 }
shadow = {}
[slices.a]
upstream = "u"
phase = "canary"
canary = "10%"
writer = "by-cohort"
sync = "both"
sync_lag = { url = "https://127.0.0.1:1/lag", max = "1s" }
version_from = "header:x-version"
read_your_writes = "10s"
routes = ["/a", { match = "GET /b", phase = "shadow", fallback = ["5xx"] }]
fallback_after = "1s"
shadow = { sample = "1%", timeout = "1s" }
compare = { mode = "shape" }
[[routes]]
match = "/c"
slice = "a"
cohort = "x"
gate = { min_age = "2d" }
cohort_cookie = { name = "x" }
"#;
        assert_eq!(
            not_built(text),
            [
                "the endpoint `https://127.0.0.1:8000`",
                "`tls` in [server]",
                "the endpoint `https://127.0.0.1:8002`",
                "`protocol = \"auto\"` in [upstreams.u]",
                "`tls` in [upstreams.u]",
                "the endpoint `https://127.0.0.1:1/lag`",
            ]
        );
    }
}
