//! Signatures: one name for all differences of one cause.

use std::fmt;
use std::str::FromStr;

use super::{Class, Difference, Kind, Relation};

/// The class of differences with one cause: a hash of the route, the kind, the path without indices, the
/// classes of both sides and their relation. No value has a part in it. It is the same on every run and
/// platform, and is shown as eight hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signature([u8; 4]);

impl Signature {
    /// The signature of a difference on a route.
    pub fn of(route: &str, difference: &Difference) -> Self {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(96);
        let (left, right) =
            (family(difference.kind, difference.left), family(difference.kind, difference.right));
        let path = difference.path.general();
        // Writing to a string cannot fail.
        let written = write!(text, "{route}\0{}\0{path}\0{left}\0{right}\0", difference.kind);
        debug_assert!(written.is_ok());
        let written = match difference.relation {
            // The same zone is another distance from UTC in summer.
            Some(Relation::TimeOffset { .. }) if difference.kind == Kind::BodyTimeFormat => {
                text.push_str("time zone");
                Ok(())
            }
            Some(relation) => write!(text, "{relation}"),
            None => Ok(()),
        };
        debug_assert!(written.is_ok());
        let [a, b, c, d, ..] = xxhash_rust::xxh3::xxh3_64(text.as_bytes()).to_be_bytes();
        Signature([a, b, c, d])
    }
}

/// What of a class may be part of a signature. Whether a number happens to be whole, and what a string
/// that only one side has looks like, are matters of the value and not of the cause.
fn family(kind: Kind, class: Class) -> &'static str {
    match (kind, class) {
        (_, Class::Integer | Class::Decimal) => "number",
        (Kind::BodyMissing | Kind::BodyExtra, Class::Empty | Class::Uuid | Class::Time | Class::Url) => {
            Class::String.as_str()
        }
        (_, class) => class.as_str(),
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// This text is not a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signature is eight hexadecimal digits, such as 3f9c21ab")]
pub struct BadSignature;

impl FromStr for Signature {
    type Err = BadSignature;

    fn from_str(text: &str) -> Result<Self, BadSignature> {
        if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BadSignature);
        }
        u32::from_str_radix(text, 16).map(|bits| Signature(bits.to_be_bytes())).map_err(|_| BadSignature)
    }
}

impl serde::Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{BadSignature, Signature};
    use crate::compare::{Class, Difference, Kind, Path, Relation};

    fn difference(path: &str, kind: &str, classes: (Class, Class), relation: Option<Relation>) -> Difference {
        let (path, kind) = (path.parse::<Path>().unwrap(), Kind::named(kind).unwrap());
        Difference::new(path, kind, classes.0, classes.1).related(relation)
    }

    fn of(path: &str, kind: &str, classes: (Class, Class), relation: Option<Relation>) -> String {
        difference(path, kind, classes, relation).signature("GET /products").to_string()
    }

    /// These are in configuration files and databases: they must never change.
    #[test]
    fn signatures_stay_what_they_are() {
        let check = |wanted: &str, path: &str, kind: &str, classes: (Class, Class), relation| {
            assert_eq!(of(path, kind, classes, relation), wanted, "{path} {kind}");
        };
        let strings = (Class::String, Class::String);
        check("8780b656", "status", "status", (Class::Status(4), Class::Status(2)), None);
        check("70d7330a", "transport", "transport", (Class::Status(2), Class::Broken), None);
        check("f9f73600", "header:location", "header.value", strings, None);
        check("316fa987", "cookie:session", "cookie.attribute", strings, None);
        let price = (Class::Decimal, Class::String);
        check("ffac4c1e", "$[3].price", "body.type", price, Some(Relation::StringNumber));
        check("907b31c6", "$", "body.order", (Class::Array, Class::Array), Some(Relation::Permutation));
        let numbers = (Class::Decimal, Class::Integer);
        check("6355e61e", "$.total", "body.value", numbers, Some(Relation::Scaled { power: 2 }));
        let times = (Class::Time, Class::Time);
        check("cfce2b7f", "$.at", "body.time_format", times, Some(Relation::TimeOffset { minutes: -60 }));
    }

    #[test]
    fn values_have_no_part_in_a_signature() {
        let same = |one: String, other: String| assert_eq!(one, other);
        let value = "body.value";
        let strings = (Class::String, Class::String);
        same(of("$.items[0].p", value, strings, None), of("$.items[17].p", value, strings, None));
        same(of("$.by.17", value, strings, None), of("$.by.18", value, strings, None));
        let scaled = Some(Relation::Scaled { power: 2 });
        same(
            of("$.p", value, (Class::Decimal, Class::Integer), scaled),
            of("$.p", value, (Class::Integer, Class::Integer), scaled),
        );
        same(
            of("$.p", "body.missing", (Class::Empty, Class::Absent), None),
            of("$.p", "body.missing", (Class::Url, Class::Absent), None),
        );
        // Summer and winter.
        let offset = |minutes| Some(Relation::TimeOffset { minutes });
        let times = (Class::Time, Class::Time);
        same(
            of("$.at", "body.time_format", times, offset(-60)),
            of("$.at", "body.time_format", times, offset(-120)),
        );
        let mut shown = difference("$.p", value, strings, None);
        let plain = shown.signature("r");
        shown = shown.showing(Some(b"secret"), Some(b"other"));
        assert_eq!(shown.signature("r"), plain);
    }

    #[test]
    fn every_other_cause_has_a_signature_of_its_own() {
        let strings = (Class::String, Class::String);
        let base = ("$.p", "body.value", strings, None);
        let offset = |minutes| Some(Relation::TimeOffset { minutes });
        let others = [
            base,
            ("$.q", "body.value", strings, None),
            ("$.p.q", "body.value", strings, None),
            ("$.p[0]", "body.value", strings, None),
            ("$.p", "body.whitespace", strings, None),
            ("$.p", "body.value", (Class::String, Class::Empty), None),
            ("$.p", "body.value", (Class::Empty, Class::String), None),
            ("$.p", "body.value", strings, Some(Relation::Case)),
            ("$.p", "body.value", strings, Some(Relation::Scaled { power: 2 })),
            ("$.p", "body.value", strings, Some(Relation::Scaled { power: -2 })),
            ("$.p", "body.value", strings, offset(60)),
            ("$.p", "body.value", strings, offset(120)),
        ];
        let mut all: Vec<String> = others.into_iter().map(|(p, k, c, r)| of(p, k, c, r)).collect();
        all.push(difference(base.0, base.1, base.2, base.3).signature("GET /other").to_string());
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_signature_is_shown_and_read_again() {
        let signature: Signature = "3f9c21ab".parse().unwrap();
        assert_eq!(signature.to_string(), "3f9c21ab");
        assert_eq!("3F9C21AB".parse(), Ok(signature));
        assert_eq!("00000001".parse::<Signature>().unwrap().to_string(), "00000001");
        assert_eq!(serde_json::to_string(&signature).unwrap(), "\"3f9c21ab\"");
        assert_eq!(serde_json::from_str::<Signature>("\"3f9c21ab\"").unwrap(), signature);
        for text in ["", "3f9c21a", "3f9c21abc", "3f9c21ag", "+f9c21ab", "3f9c 1ab"] {
            assert_eq!(text.parse::<Signature>(), Err(BadSignature), "{text}");
        }
    }
}
