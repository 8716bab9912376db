//! One slice as a configuration of its own: what judges its comparisons, and nothing else.
//!
//! Owns writing compiled rules back as text, so that another repository can compare under the same rules. Refuses
//! what may hold a secret or means nothing elsewhere: addresses, header values, limits.

use toml::{Table, Value};

use crate::matching::path::PathRules;
use crate::matching::{Condition, Predicates};
use crate::snapshot::compare::{Accepted, AcceptedPath, ArrayRule, CompareMode};
use crate::snapshot::policy::Gate;
use crate::snapshot::{Accept, Compare, Redact, ResponsePath, Rewrite, Route, Snapshot};
use crate::words::SliceId;

/// Where the two sides are is said by whoever compares. RFC 6761 reserves the names.
const LEGACY: &str = "http://legacy.invalid";
const EXTRACTED: &str = "http://extracted.invalid";

/// A configuration that has only this slice: its routes, how their replies are compared, what is accepted, its gate.
/// It can be loaded; its upstreams are placeholders.
pub fn excerpt(snapshot: &Snapshot, id: SliceId) -> String {
    let slice = snapshot.slice(id);
    let own = &slice.policy.compare;
    let (mut listed, mut routes) = (Vec::new(), Vec::new());
    for route in snapshot.routes.iter().filter(|route| route.slice == id) {
        if route.listed {
            listed.push(Value::Table(entry(route)));
        } else {
            let mut table = entry(route);
            table.insert("id".into(), text(&*route.id));
            table.insert("slice".into(), text(&*slice.name));
            put(&mut table, "priority", (route.priority != 0).then_some(Value::Integer(route.priority)));
            put(&mut table, "when", when(&route.when));
            put(&mut table, "rewrite", route.policy.rewrite.as_ref().map(rewrite));
            put(&mut table, "compare", Some(compare(&route.policy.compare, own)));
            routes.push(Value::Table(table));
        }
    }
    let sorted = |mut routes: Vec<Value>| {
        routes.sort_by_key(ToString::to_string);
        Value::Array(routes)
    };
    let mut table = Table::new();
    table.insert("upstream".into(), text(EXTRACTED));
    table.insert("phase".into(), text("shadow"));
    table.insert("routes".into(), sorted(listed));
    let except = slice.except.iter().map(|pattern| text(&*pattern.text)).collect();
    table.insert("except".into(), Value::Array(except));
    table.insert("paths".into(), paths(slice.paths));
    put(&mut table, "rewrite", slice.policy.rewrite.as_ref().map(rewrite));
    table.insert("compare".into(), compare(own, &Compare::default()));
    table.insert("gate".into(), slice.policy.gate.as_ref().map_or(Value::Boolean(false), gate));
    let mut root = Table::new();
    root.insert("version".into(), Value::Integer(1));
    root.insert("legacy".into(), text(LEGACY));
    root.insert(
        "slices".into(),
        Value::Table(Table::from_iter([(slice.name.to_string(), Value::Table(table))])),
    );
    if !routes.is_empty() {
        root.insert("routes".into(), sorted(routes));
    }
    // A table of texts, numbers and lists can always be written.
    escaped(&toml::to_string_pretty(&root).unwrap_or_default())
}

/// `$` begins a variable in a configuration's texts; a text that has one means itself.
fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

fn put(table: &mut Table, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        table.insert(key.to_owned(), value);
    }
}

fn entry(route: &Route) -> Table {
    let mut table = Table::new();
    table.insert("match".into(), text(&*route.pattern.text));
    put(&mut table, "effect", route.effect.map(|effect| text(effect.as_str())));
    table
}

fn paths(rules: PathRules) -> Value {
    let PathRules { trailing_slash_same, case_insensitive, matrix_ignored } = rules;
    let word = |yes: bool, this: &str, other: &str| text(if yes { this } else { other });
    Value::Table(Table::from_iter([
        ("trailing_slash".to_owned(), word(trailing_slash_same, "same", "significant")),
        ("case".to_owned(), word(case_insensitive, "insensitive", "sensitive")),
        ("matrix".to_owned(), word(matrix_ignored, "ignore", "significant")),
    ]))
}

fn rewrite(rewrite: &Rewrite) -> Value {
    let Rewrite { strip_prefix, add_prefix, path, host } = rewrite;
    let parts = [("strip_prefix", strip_prefix), ("add_prefix", add_prefix), ("path", path), ("host", host)];
    let said = parts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), text(value.clone()?))));
    Value::Table(said.collect())
}

fn when(when: &Predicates) -> Option<Value> {
    let Predicates { headers, cookies, query, accept } = when;
    let mut table = Table::new();
    let named = |all: Vec<(String, &Condition)>| {
        let table: Table =
            all.into_iter().map(|(name, condition)| (name, self::condition(condition))).collect();
        (!table.is_empty()).then_some(Value::Table(table))
    };
    put(&mut table, "header", named(headers.iter().map(|(name, c)| (name.to_string(), c)).collect()));
    put(&mut table, "cookie", named(cookies.iter().map(|(name, c)| (name.clone(), c)).collect()));
    put(&mut table, "query", named(query.iter().map(|(name, c)| (name.clone(), c)).collect()));
    put(&mut table, "accept", accept.clone().map(text));
    (!table.is_empty()).then_some(Value::Table(table))
}

fn condition(condition: &Condition) -> Value {
    let one = |key: &str, value: Value| Value::Table(Table::from_iter([(key.to_owned(), value)]));
    match condition {
        Condition::Equals(value) => text(value.clone()),
        Condition::In(values) => one("in", Value::Array(values.iter().cloned().map(text).collect())),
        Condition::Present => one("present", Value::Boolean(true)),
        Condition::Absent => one("absent", Value::Boolean(true)),
        Condition::Regex(regex) => one("regex", text(regex.as_str())),
    }
}

/// The rules that are not those of `above`, which they are added to.
fn compare(rules: &Compare, above: &Compare) -> Value {
    let Compare { ignore, arrays, numbers, mode, redact, accept } = rules;
    let mut table = Table::new();
    let list = |values: Vec<Value>| (!values.is_empty()).then_some(Value::Array(values));
    put(
        &mut table,
        "ignore",
        list(
            ignore
                .iter()
                .filter(|rule| !above.ignore.contains(rule))
                .map(|rule| text(response(rule)))
                .collect(),
        ),
    );
    put(
        &mut table,
        "redact",
        list(
            redact
                .iter()
                .filter(|rule| !above.redact.contains(rule))
                .map(|rule| text(redacted(rule)))
                .collect(),
        ),
    );
    put(
        &mut table,
        "accept",
        list(accept.iter().filter(|rule| !above.accept.contains(rule)).map(accepted).collect()),
    );
    let arrays: Table = arrays.iter().map(|(path, rule)| (path.text.clone(), text(array(rule)))).collect();
    put(&mut table, "arrays", (!arrays.is_empty()).then_some(Value::Table(arrays)));
    let numbers: Table =
        numbers.iter().map(|(path, tolerance)| (path.text.clone(), number(&tolerance.to_string()))).collect();
    put(&mut table, "numbers", (!numbers.is_empty()).then_some(Value::Table(numbers)));
    let mode = match mode {
        CompareMode::Full => "full",
        CompareMode::Shape => "shape",
    };
    table.insert("mode".into(), text(mode));
    Value::Table(table)
}

/// A tolerance as a TOML number; nobody writes one that has more digits than a binary fraction keeps.
fn number(lexeme: &str) -> Value {
    lexeme.parse().map_or_else(|_| text(lexeme), Value::Float)
}

fn response(path: &ResponsePath) -> String {
    match path {
        ResponsePath::Body(path) => path.text.clone(),
        ResponsePath::Header(name) => format!("header:{name}"),
        ResponsePath::Cookie(name) => format!("cookie:{name}"),
    }
}

fn redacted(rule: &Redact) -> String {
    match rule {
        Redact::Body(path) => path.text.clone(),
        Redact::Header(name) => format!("header:{name}"),
        Redact::Cookie(name) => format!("cookie:{name}"),
        Redact::Query(name) => format!("query:{name}"),
        Redact::Form(name) => format!("form:{name}"),
        Redact::Path(name) => format!("path:{name}"),
    }
}

fn array(rule: &ArrayRule) -> String {
    match rule {
        ArrayRule::Ordered => "ordered".to_owned(),
        ArrayRule::Unordered => "unordered".to_owned(),
        ArrayRule::By(key) => format!("by:{key}"),
    }
}

fn accepted(accept: &Accept) -> Value {
    let Accept { what, why, until } = accept;
    let mut table = Table::new();
    match what {
        Accepted::Signature(signature) => {
            table.insert("signature".into(), text(signature.clone()));
        }
        Accepted::Path { path, kind } => {
            let path = match path {
                AcceptedPath::Status => "status".to_owned(),
                AcceptedPath::Response(path) => response(path),
            };
            table.insert("path".into(), text(path));
            put(&mut table, "kind", kind.clone().map(text));
        }
    }
    table.insert("why".into(), text(why.clone()));
    // A date of the calendar is one of TOML.
    put(&mut table, "until", until.to_string().parse().ok().map(Value::Datetime));
    Value::Table(table)
}

fn gate(gate: &Gate) -> Value {
    let Gate { mismatch_below, confidence, min_per_route, min_age, coverage } = gate;
    Value::Table(Table::from_iter([
        ("mismatch_below".to_owned(), text(mismatch_below.to_string())),
        ("confidence".to_owned(), text(confidence.to_string())),
        ("min_per_route".to_owned(), Value::Integer(i64::from(*min_per_route))),
        ("min_age".to_owned(), text(format!("{}s", min_age.as_secs()))),
        ("coverage".to_owned(), text(coverage.to_string())),
    ]))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::config::{LoadOptions, SourceText, Sources, load};

    fn loaded(text: &str) -> Arc<Snapshot> {
        let main = SourceText { name: "a.toml".into(), text: text.into() };
        let env = |name: &str| (name == "WHY").then(|| "because ${x}".to_owned());
        let options = LoadOptions { base: Path::new("/"), env: &env, today: jiff::civil::date(2026, 1, 1) };
        let loaded = load(&Sources { main, included: Vec::new() }, &options);
        loaded.snapshot.unwrap_or_else(|| panic!("{text}\n{:#?}", loaded.diagnostics))
    }

    #[test]
    fn an_excerpt_compares_as_the_whole_did_and_says_nothing_else() {
        let whole = loaded(
            r#"
            version = 1
            legacy = "http://10.0.0.1:8000"
            [upstreams.shop]
            endpoints = ["http://10.0.0.2:8000"]
            [slices."my orders"]
            upstream = "shop"
            phase = "canary"
            canary = "10%"
            cohort_by = ["cookie:who"]
            sync = "both"
            routes = ["/orders/**", { match = "GET /orders/{id}/callback", effect = "write" }]
            except = ["GET /orders/{id:int}"]
            paths = { trailing_slash = "same", case = "insensitive", matrix = "ignore" }
            request_headers = { set = { "x-key" = "hunter2" } }
            rewrite = { strip_prefix = "/orders" }
            [slices."my orders".compare]
            ignore = ["$.generated_at", "$..request_id", "header:x-runtime", "cookie:session", "$['a b'][0]"]
            arrays = { "$.items" = "by:id", "$.tags" = "unordered" }
            numbers = { "$.count" = 2, "$.total" = 0.01 }
            redact = ["$..iban", "query:token", "form:pin", "path:id", "header:x-a", "cookie:b"]
            [[slices."my orders".compare.accept]]
            signature = "3f9c21ab"
            why = "${WHY}"
            until = 2027-02-01
            [[slices."my orders".compare.accept]]
            path = "$.items[*].rating"
            kind = "value"
            why = "rounding"
            until = 2027-02-01
            [slices."my orders".gate]
            mismatch_below = "0.25%"
            min_per_route = 7
            min_age = "2h"
            [[routes]]
            id = "search"
            match = "POST *.shop.example/orders/search"
            slice = "my orders"
            effect = "read"
            priority = 3
            when = { header = { "x-beta" = "1" }, query = { v = { in = ["2", "3"] } }, cookie = { b = { present = true }, c = { regex = "^x" }, d = { absent = true } }, accept = "application/json" }
            compare = { ignore = ["$.took"], mode = "shape" }
            [slices.other]
            upstream = "http://10.0.0.3:8000"
            routes = ["/other"]
            "#,
        );
        let id = (0..).map(SliceId).find(|id| &*whole.slice(*id).name == "my orders").unwrap();
        let text = excerpt(&whole, id);
        for leaked in ["10.0.0", "hunter2", "other"] {
            assert!(!text.contains(leaked), "{leaked}: {text}");
        }
        let part = loaded(&text);
        let slice = part.slice(SliceId(0));
        assert_eq!(slice.name, whole.slice(id).name);
        assert_eq!(slice.policy.compare, whole.slice(id).policy.compare, "{text}");
        assert_eq!(slice.policy.gate, whole.slice(id).policy.gate);
        assert_eq!((&slice.except, slice.paths), (&whole.slice(id).except, whole.slice(id).paths));
        for route in whole.routes.iter().filter(|route| route.slice == id) {
            let same = part
                .routes
                .iter()
                .find(|other| other.id == route.id)
                .unwrap_or_else(|| panic!("{}\n{text}", route.id));
            assert_eq!(same.policy.compare, route.policy.compare, "{}\n{text}", route.id);
            assert_eq!(same.policy.rewrite, route.policy.rewrite);
            assert_eq!(
                (&same.pattern, &same.when, same.effect, same.priority),
                (&route.pattern, &route.when, route.effect, route.priority)
            );
        }
        assert_eq!(part.routes.len(), 3);
        assert_eq!(excerpt(&part, SliceId(0)), text, "an excerpt of an excerpt is itself");
    }

    #[test]
    fn a_slice_without_a_gate_has_none() {
        let whole = loaded(
            "version = 1\nlegacy = \"http://127.0.0.1:1\"\n[slices.a]\nupstream = \"http://127.0.0.1:2\"\nroutes = [\"/a\"]\ngate = false\n",
        );
        assert_eq!(loaded(&excerpt(&whole, SliceId(0))).slice(SliceId(0)).policy.gate, None);
    }
}
