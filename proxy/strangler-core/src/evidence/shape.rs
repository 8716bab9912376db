//! Shapes of requests: a thousand requests alike are not a thousand pieces of evidence.
//!
//! Owns what makes two requests alike: route, set of query names, cohort side, status class, request content
//! type, and the structure of legacy's JSON body. No value has a part in it.

use std::collections::BTreeSet;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::compare::{Reply, coding};
use crate::words::Owner;

/// What a request's shape is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// The route's id.
    pub route: &'a str,
    /// The query as it came, without `?`.
    pub query: &'a str,
    /// Who answered the client: which side of the cohort it is on.
    pub cohort: Owner,
    /// Legacy's status code.
    pub status: u16,
    /// The request's `Content-Type`.
    pub content_type: Option<&'a str>,
    /// Structural hash of legacy's JSON body; `None`: it has none.
    pub structure: Option<u64>,
}

impl Shape<'_> {
    /// Its hash, the same on every run and platform.
    pub fn hash(&self) -> u64 {
        let names: BTreeSet<&str> = self
            .query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
            .collect();
        let mut text = Vec::with_capacity(96);
        for part in [self.route, self.cohort.as_str()] {
            text.extend_from_slice(part.as_bytes());
            text.push(0);
        }
        text.extend_from_slice(&(self.status / 100).to_be_bytes());
        text.extend_from_slice(&self.structure.unwrap_or_default().to_be_bytes());
        text.push(u8::from(self.structure.is_some()));
        let essence = self.content_type.map(|media| media.split(';').next().unwrap_or_default().trim());
        text.extend_from_slice(essence.unwrap_or_default().to_ascii_lowercase().as_bytes());
        for name in names {
            text.push(0);
            text.extend_from_slice(name.as_bytes());
        }
        xxh3_64(&text)
    }
}

/// The structural hash of a reply's JSON body, its content codings undone. `None`: it has none that can be read.
pub fn structure_of(reply: &Reply) -> Option<u64> {
    let lines = reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
    let codings: Vec<&str> = lines.filter_map(|(_, value)| std::str::from_utf8(value).ok()).collect();
    structure(&coding::undo(&codings.join(","), &reply.body).ok()?)
}

/// The structural hash of a JSON body: names and types, whatever the order of members and the number of
/// elements; what an array holds is the set of what its elements look like. `None`: it is not JSON.
fn structure(body: &[u8]) -> Option<u64> {
    // Nested too deep is not JSON for the parser, so that recursion is bounded by it.
    serde_json::from_slice::<Value>(body).ok().map(|value| of_value(&value))
}

fn of_value(value: &Value) -> u64 {
    let (mark, parts): (u8, BTreeSet<(&str, u64)>) = match value {
        Value::Null => (b'0', BTreeSet::new()),
        Value::Bool(_) => (b'b', BTreeSet::new()),
        Value::Number(_) => (b'n', BTreeSet::new()),
        Value::String(_) => (b's', BTreeSet::new()),
        Value::Array(elements) => (b'[', elements.iter().map(|element| ("", of_value(element))).collect()),
        Value::Object(members) => {
            (b'{', members.iter().map(|(name, value)| (general(name), of_value(value))).collect())
        }
    };
    let mut text = vec![mark];
    for (name, hash) in parts {
        text.extend_from_slice(name.as_bytes());
        text.push(0);
        text.extend_from_slice(&hash.to_be_bytes());
    }
    xxh3_64(&text)
}

/// A member's name; of a map from ids no more than that it is one.
fn general(name: &str) -> &str {
    let is_id = |text: &str| text.len() >= 16 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let is_number = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    if is_number || is_id(name) { "*" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_is_names_and_types() {
        let one = structure(br#"{"a": 1, "b": [{"c": "x"}, {"c": "y"}], "m": {"17": true}}"#);
        let alike = structure(br#"{"m": {"4": false, "5": true}, "b": [{"c": ""}], "a": 2.5}"#);
        assert!(one.is_some());
        assert_eq!(one, alike);
        for other in [
            r#"{"a": "1", "b": [{"c": "x"}], "m": {"17": true}}"#,
            r#"{"a": 1, "b": [], "m": {"17": true}}"#,
            r#"{"a": 1, "b": [{"c": "x"}]}"#,
            r#"{"a": 1, "b": [{"c": "x"}, {"c": null}], "m": {"17": true}}"#,
            r#"{"a": 1, "b": [{"c": "x"}], "m": {"name": true}}"#,
            "[]",
            "{}",
            "null",
        ] {
            let other_structure = structure(other.as_bytes());
            assert!(other_structure.is_some() && other_structure != one, "{other}");
        }
        let deep = "[".repeat(10_000);
        for other in ["", "<p>", "{", &*deep] {
            assert_eq!(structure(other.as_bytes()), None);
        }
    }

    #[test]
    fn a_compressed_body_has_the_structure_of_what_it_holds() {
        let json = br#"{"a": 1}"#;
        let gzip = {
            use std::io::Write as _;
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(json).unwrap();
            encoder.finish().unwrap()
        };
        let reply = |coding: Option<&str>, body: &[u8]| Reply {
            end: crate::compare::End::Complete,
            status: 200,
            headers: coding
                .iter()
                .map(|coding| ("Content-Encoding".into(), coding.as_bytes().into()))
                .collect(),
            body: body.to_vec().into(),
        };
        assert_eq!(structure_of(&reply(Some("gzip"), &gzip)), structure(json));
        assert_eq!(structure_of(&reply(None, json)), structure(json));
        assert_eq!(structure_of(&reply(Some("gzip"), json)), None);
        assert_eq!(structure_of(&reply(Some("x"), json)), None);
    }

    const SHAPE: Shape<'_> = Shape {
        route: "GET /products",
        query: "page=1&sort=price",
        cohort: Owner::Legacy,
        status: 200,
        content_type: None,
        structure: Some(7),
    };

    #[test]
    fn requests_alike_have_one_shape() {
        let check = |other: Shape<'_>| assert_eq!(other.hash(), SHAPE.hash(), "{other:?}");
        check(Shape { query: "sort=name&page=12", ..SHAPE });
        check(Shape { query: "page=1&page=2&sort", ..SHAPE });
        check(Shape { status: 204, ..SHAPE });
        let json = Shape { content_type: Some("application/json"), ..SHAPE };
        let spelled = Shape { content_type: Some("Application/JSON; charset=utf-8"), ..SHAPE };
        assert_eq!(json.hash(), spelled.hash());
    }

    #[test]
    fn each_part_tells_shapes_apart() {
        let others = [
            SHAPE,
            Shape { route: "GET /orders", ..SHAPE },
            Shape { query: "page=1", ..SHAPE },
            Shape { query: "page=1&sortprice", ..SHAPE },
            Shape { cohort: Owner::Extracted, ..SHAPE },
            Shape { status: 404, ..SHAPE },
            Shape { content_type: Some("text/plain"), ..SHAPE },
            Shape { structure: Some(8), ..SHAPE },
            Shape { structure: None, ..SHAPE },
            Shape { structure: Some(0), ..SHAPE },
        ];
        let hashes: BTreeSet<u64> = others.iter().map(Shape::hash).collect();
        assert_eq!(hashes.len(), others.len());
    }
}
