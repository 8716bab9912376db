//! Signatures: one name for all differences of one cause.

use std::fmt;
use std::str::FromStr;

use super::{Class, Difference, Kind};

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
        if let Some(relation) = difference.relation {
            let written = write!(text, "{relation}");
            debug_assert!(written.is_ok());
        }
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
