//! Shapes of requests: a thousand requests alike are not a thousand pieces of evidence.
//!
//! Owns what makes two requests alike: route, set of query names, cohort side, status class, request content
//! type, and the structure of legacy's JSON body. No value has a part in it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

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
    let lines = reply.headers.all("content-encoding");
    let codings: Vec<&str> = lines.filter_map(|value| std::str::from_utf8(value).ok()).collect();
    structure(&coding::undo(&codings.join(","), &reply.body).ok()?)
}

/// Structures of bodies that were read lately. The same few bodies are most of many sites' traffic, and reading one
/// costs a hundred times what finding it again does.
#[derive(Debug)]
pub struct Structures(Box<[Known]>);

/// A body's hash, and its structure. A body takes the place of another one by its hash.
type Known = (u128, Option<u64>);

/// Bodies that are remembered; 48 bytes each.
const REMEMBERED: usize = 512;

impl Default for Structures {
    fn default() -> Structures {
        Structures(vec![(0, None); REMEMBERED].into())
    }
}

impl Structures {
    /// What [`structure_of`] says.
    pub fn of(&mut self, reply: &Reply) -> Option<u64> {
        if reply.headers.first("content-encoding").is_some() || reply.body.is_empty() {
            return structure_of(reply);
        }
        let hash = xxh3_128(&reply.body);
        let slot = usize::try_from(hash % REMEMBERED as u128).unwrap_or_default();
        let Some(known) = self.0.get_mut(slot) else { return structure_of(reply) };
        if known.0 != hash {
            *known = (hash, structure(&reply.body));
        }
        known.1
    }
}

/// The structural hash of a JSON body: names and types, whatever the order of members and the number of
/// elements; what an array holds is the set of what its elements look like. Of members of one name the last counts.
/// `None`: it is not JSON.
fn structure(body: &[u8]) -> Option<u64> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    // Nested too deep is not JSON for the parser, so that recursion is bounded by it.
    let hash = Structure(&mut Scratch::default()).deserialize(&mut reader).ok()?;
    reader.end().ok().map(|()| hash)
}

/// Memory that all levels of one body share: each takes what it put there away again.
#[derive(Default)]
struct Scratch<'de> {
    /// Members of the objects that are being read, with the hashes of their values.
    members: Vec<(Cow<'de, str>, u64)>,
    /// Hashes of the elements of the arrays that are being read.
    elements: Vec<u64>,
    text: Vec<u8>,
}

impl<'de> Scratch<'de> {
    /// The hash of an array whose elements are the last from `first` on.
    fn array(&mut self, first: usize) -> u64 {
        let elements = self.elements.get_mut(first..).unwrap_or_default();
        elements.sort_unstable();
        self.text.clear();
        self.text.push(b'[');
        let mut before = None;
        for hash in elements.iter().filter(|hash| before.replace(**hash) != Some(**hash)) {
            self.text.push(0);
            self.text.extend_from_slice(&hash.to_be_bytes());
        }
        self.elements.truncate(first);
        xxh3_64(&self.text)
    }

    /// The hash of an object whose members are the last from `first` on.
    fn object(&mut self, first: usize) -> u64 {
        // In the order in which they came, so that the last of a name is found.
        let mut members = self.members.split_off(first);
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        let last =
            |at: usize| members.get(at + 1).map(|(name, _)| name) != members.get(at).map(|(name, _)| name);
        let mut named: Vec<(&str, u64)> = members
            .iter()
            .enumerate()
            .filter(|(at, _)| last(*at))
            .map(|(_, (name, hash))| (general(name), *hash))
            .collect();
        named.sort_unstable();
        named.dedup();
        self.text.clear();
        self.text.push(b'{');
        for (name, hash) in named {
            self.text.extend_from_slice(name.as_bytes());
            self.text.push(0);
            self.text.extend_from_slice(&hash.to_be_bytes());
        }
        xxh3_64(&self.text)
    }
}

/// Reads one value to its structural hash.
struct Structure<'s, 'de>(&'s mut Scratch<'de>);

impl<'de> DeserializeSeed<'de> for Structure<'_, 'de> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<u64, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Structure<'_, 'de> {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(xxh3_64(b"0"))
    }

    fn visit_bool<E>(self, _value: bool) -> Result<u64, E> {
        Ok(xxh3_64(b"b"))
    }

    fn visit_u64<E>(self, _value: u64) -> Result<u64, E> {
        Ok(xxh3_64(b"n"))
    }

    fn visit_i64<E>(self, _value: i64) -> Result<u64, E> {
        Ok(xxh3_64(b"n"))
    }

    fn visit_f64<E>(self, _value: f64) -> Result<u64, E> {
        Ok(xxh3_64(b"n"))
    }

    fn visit_str<E>(self, _value: &str) -> Result<u64, E> {
        Ok(xxh3_64(b"s"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<u64, A::Error> {
        let first = self.0.elements.len();
        while let Some(hash) = array.next_element_seed(Structure(self.0))? {
            self.0.elements.push(hash);
        }
        Ok(self.0.array(first))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<u64, A::Error> {
        let first = self.0.members.len();
        while let Some(name) = object.next_key_seed(Name)? {
            let hash = object.next_value_seed(Structure(self.0))?;
            self.0.members.push((name, hash));
        }
        Ok(self.0.object(first))
    }
}

/// Reads a member's name, where it stands if it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Cow<'de, str>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// A member's name; of a map from ids no more than that it is one.
fn general(name: &str) -> &str {
    let is_id = |text: &str| text.len() >= 16 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let is_number = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    if is_number || is_id(name) { "*" } else { name }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

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

    /// What a structure is, told without a thought of its cost.
    fn of_value(value: &Value) -> u64 {
        let (mark, parts): (u8, BTreeSet<(&str, u64)>) = match value {
            Value::Null => (b'0', BTreeSet::new()),
            Value::Bool(_) => (b'b', BTreeSet::new()),
            Value::Number(_) => (b'n', BTreeSet::new()),
            Value::String(_) => (b's', BTreeSet::new()),
            Value::Array(elements) => {
                (b'[', elements.iter().map(|element| ("", of_value(element))).collect())
            }
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

    fn check_meaning(body: &str) {
        let meant = serde_json::from_str::<Value>(body).ok().map(|value| of_value(&value));
        assert_eq!(structure(body.as_bytes()), meant, "{body}");
    }

    #[test]
    fn a_structure_means_the_same_as_ever() {
        for body in [
            r#"{"a": 1, "a": "x"}"#,
            r#"{"a": "x", "b": 0, "a": 1}"#,
            r#"{"17": 1, "18": "x", "19": 2, "17": "y"}"#,
            r#"{"\u0061": 1, "a": "x", "\n": [1, 2, [3, [4, "x"]], []]}"#,
            r#"[{"a": [1, "b", 1]}, {"a": ["b", 1]}, {}, [], null, true, 1.5e3, -2]"#,
            r#"{"a": {"b": {"c": [{"d": 1}, {"d": 2}, {"e": 1}]}}, "z": [[1], ["x"], [1]]}"#,
            r#"{"": {"": ""}}"#,
            "1e999",
            "18446744073709551616",
            "\"\\ud800\"",
            "{} x",
            "[1,]",
            "  null  ",
        ] {
            check_meaning(body);
        }
    }

    /// A text of pieces of JSON, which often is JSON.
    fn any_json(random: &mut fastrand::Rng, depth: u32) -> String {
        let name = |random: &mut fastrand::Rng| {
            let names = ["a", "b", "\\u0061", "12", "0123456789abcdef", ""];
            format!("\"{}\"", names[random.usize(..names.len())])
        };
        let many = random.usize(..5);
        match random.u8(..if depth == 0 { 5 } else { 7 }) {
            0 => "null".to_owned(),
            1 => "true".to_owned(),
            2 => random.i64(..).to_string(),
            3 => random.f64().to_string(),
            4 => name(random),
            5 => {
                let elements: Vec<String> = (0..many).map(|_| any_json(random, depth - 1)).collect();
                format!("[{}]", elements.join(","))
            }
            _ => {
                let members: Vec<String> =
                    (0..many).map(|_| format!("{}:{}", name(random), any_json(random, depth - 1))).collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }

    #[test]
    fn any_body_has_the_structure_that_is_meant() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..5_000 {
            let body = any_json(&mut random, 4);
            check_meaning(&body);
            let cut = random.usize(..=body.len());
            if body.is_char_boundary(cut) {
                check_meaning(&body[..cut]);
            }
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
            headers: coding.iter().map(|coding| ("Content-Encoding", coding)).collect(),
            body: body.to_vec().into(),
        };
        assert_eq!(structure_of(&reply(Some("gzip"), &gzip)), structure(json));
        assert_eq!(structure_of(&reply(None, json)), structure(json));
        assert_eq!(structure_of(&reply(Some("gzip"), json)), None);
        assert_eq!(structure_of(&reply(Some("x"), json)), None);
    }

    #[test]
    fn what_is_remembered_is_what_was_read() {
        let mut structures = Structures::default();
        let reply = |body: String| Reply {
            end: crate::compare::End::Complete,
            status: 200,
            headers: crate::compare::FieldLines::default(),
            body: body.into(),
        };
        // More bodies than are remembered, each twice in a row and again later.
        for _ in 0..2 {
            for number in 0..2 * REMEMBERED {
                let names: Vec<String> = (0..number % 7).map(|at| format!("\"m{at}\": {number}")).collect();
                let reply = reply(format!("{{{}}}", names.join(", ")));
                assert!(structure_of(&reply).is_some());
                assert_eq!(structures.of(&reply), structure_of(&reply));
                assert_eq!(structures.of(&reply), structure_of(&reply));
            }
        }
        for body in ["", "<p>", "null", "{"] {
            let reply = reply(body.to_owned());
            assert_eq!(
                (structures.of(&reply), structures.of(&reply)),
                (structure_of(&reply), structure_of(&reply))
            );
        }
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
