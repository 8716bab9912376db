//! Raw answers and what they differ in. Deliberately simple: sequences are paired by position, or by `id`
//! when they hold the same ids in another order.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::requests::Request;

/// One way in which two answers differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) route: String,
    pub(crate) place: String,
    pub(crate) kind: String,
}

impl Finding {
    pub(crate) fn new(route: &str, place: &str, kind: &str) -> Self {
        Self { route: route.to_owned(), place: place.to_owned(), kind: kind.to_owned() }
    }
}

/// An answer as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    pub(crate) status: u16,
    /// As they were spelt, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What is made of `Content-Length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lengths {
    /// It is a header as any other.
    Compared,
    /// It says what the bodies say, and the answer to HEAD has none to look at.
    FollowBodies,
}

/// Sends the request on a connection of its own and reads until the end.
#[track_caller]
pub(crate) fn ask(address: SocketAddr, request: &Request) -> Raw {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.bytes.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Raw { status, headers, body: bytes[end + 4..].to_vec() }
}

/// Everything: status, headers with their spelling, body.
pub(crate) fn findings(route: &str, left: &Raw, right: &Raw, lengths: Lengths) -> BTreeSet<Finding> {
    let mut found = body_findings(route, left, right);
    if left.status == right.status {
        headers(route, left, right, lengths, &mut found);
    }
    let spelt =
        |raw: &Raw| -> BTreeSet<String> { raw.headers.iter().map(|(name, _)| name.clone()).collect() };
    let lower = |names: BTreeSet<String>| -> BTreeSet<String> {
        names.iter().map(|name| name.to_ascii_lowercase()).collect()
    };
    let (one, other) = (spelt(left), spelt(right));
    if one != other && lower(one) == lower(other) {
        found.insert(Finding::new("*", "headers", "spelling"));
    }
    found
}

/// Status and body only. Another status hides the body.
pub(crate) fn body_findings(route: &str, left: &Raw, right: &Raw) -> BTreeSet<Finding> {
    let mut found = BTreeSet::new();
    if left.status != right.status {
        found.insert(Finding::new(route, "status", &format!("{} {}", left.status, right.status)));
        return found;
    }
    match (serde_json::from_slice(&left.body), serde_json::from_slice(&right.body)) {
        (Ok(left), Ok(right)) => values(route, "$", &left, &right, &mut found),
        _ if left.body != right.body => drop(found.insert(Finding::new(route, "$", "value"))),
        _ => {}
    }
    // What the tree does not show: spaces, escapes, the order of keys.
    if found.is_empty() && left.body != right.body {
        found.insert(Finding::new(route, "$", "bytes"));
    }
    found
}

fn headers(route: &str, left: &Raw, right: &Raw, lengths: Lengths, found: &mut BTreeSet<Finding>) {
    let by_name = |raw: &Raw| {
        let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &raw.headers {
            let name = name.to_ascii_lowercase();
            if name != "date" && (name != "content-length" || lengths == Lengths::Compared) {
                lines.entry(name).or_default().push(value.clone());
            }
        }
        lines
    };
    let (left, right) = (by_name(left), by_name(right));
    for name in left.keys().chain(right.keys()) {
        let kind = match (left.get(name), right.get(name)) {
            (Some(one), Some(other)) if one == other => continue,
            (Some(_), Some(_)) => "value",
            (Some(_), None) => "missing",
            _ => "extra",
        };
        found.insert(Finding::new(route, &format!("header:{name}"), kind));
    }
}

fn values(route: &str, place: &str, left: &Value, right: &Value, found: &mut BTreeSet<Finding>) {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            for (key, value) in left {
                let place = format!("{place}.{key}");
                match right.get(key) {
                    Some(other) => values(route, &place, value, other, found),
                    None => drop(found.insert(Finding::new(route, &place, "missing"))),
                }
            }
            for key in right.keys().filter(|key| !left.contains_key(*key)) {
                found.insert(Finding::new(route, &format!("{place}.{key}"), "extra"));
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            let pairs = if reordered(left, right) {
                found.insert(Finding::new(route, place, "order"));
                let find = |id| right.iter().find(|other| other.get("id") == id);
                left.iter().filter_map(|one| Some((one, find(one.get("id"))?))).collect()
            } else {
                if left.len() != right.len() {
                    found.insert(Finding::new(route, place, "length"));
                }
                left.iter().zip(right).collect::<Vec<_>>()
            };
            for (one, other) in pairs {
                values(route, &format!("{place}[*]"), one, other, found);
            }
        }
        (left, right) if left == right => {}
        (left, right) => {
            let same = std::mem::discriminant(left) == std::mem::discriminant(right);
            found.insert(Finding::new(route, place, if same { "value" } else { "type" }));
        }
    }
}

/// Whether these are the same ids in another order.
fn reordered(left: &[Value], right: &[Value]) -> bool {
    let ids = |list: &[Value]| -> Vec<String> {
        list.iter().filter_map(|value| Some(value.get("id")?.to_string())).collect()
    };
    let (mut one, mut other) = (ids(left), ids(right));
    if one == other || one.len() != left.len() || other.len() != right.len() {
        return false;
    }
    one.sort_unstable();
    other.sort_unstable();
    one == other
}
