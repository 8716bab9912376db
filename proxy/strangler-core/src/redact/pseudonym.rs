//! What stands in place of a secret: `redacted-CLASS-HEX`, the same for the same value under the same key.
//!
//! HMAC-SHA256 (RFC 2104, FIPS 198-1), cut to 64 bits: enough that two values of one corpus do not meet, and no way
//! back without the key, which is why the key never stands beside what it made.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Class;

const PREFIX: &str = "redacted-";
const HEX: usize = 16;
/// What an address needs to stay an address. RFC 2606 reserves the name.
const EMAIL_TAIL: &str = "@example.invalid";
/// Numbers that stand for numbers: 15 digits, so that every JSON reader keeps them exactly; no payment card begins so.
const NUMBER_PREFIX: &str = "90719";
const NUMBER_DIGITS: usize = 15;

/// The key of pseudonyms: made once for a data directory, and never written into what is kept.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// A key of these bytes, which must come from a source of randomness.
    pub const fn new(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// Tells keys apart without giving anything away of them: 8 hexadecimal digits.
    pub fn id(&self) -> String {
        self.hex("strangler key id", 8)
    }

    fn hex(&self, value: &str, digits: usize) -> String {
        let digest = self.digest(value);
        digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|n| char::from_digit(n.into(), 16))
            .take(digits)
            .collect()
    }

    fn digest(&self, value: &str) -> [u8; 32] {
        // A key of any length is a key.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return [0; 32] };
        mac.update(value.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// How secrets are replaced.
#[derive(Clone, Debug)]
pub enum Pseudonyms {
    /// Equal values by equal pseudonyms.
    Keyed(Key),
    /// Every value of a class by the same word: what is left when the key is not at hand.
    Blank,
}

impl Pseudonyms {
    pub(super) fn of(&self, class: Class, value: &str) -> String {
        let tail = if class == Class::Email { EMAIL_TAIL } else { "" };
        match self {
            Pseudonyms::Keyed(key) => format!("{PREFIX}{}-{}{tail}", class.as_str(), key.hex(value, HEX)),
            Pseudonyms::Blank => format!("{PREFIX}{}{tail}", class.as_str()),
        }
    }

    pub(super) fn of_number(&self, lexeme: &str) -> String {
        let rest = NUMBER_DIGITS - NUMBER_PREFIX.len();
        let number = match self {
            Pseudonyms::Keyed(key) => {
                let bytes = key.digest(lexeme);
                bytes.iter().take(8).fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte)) % 10u64.pow(10)
            }
            Pseudonyms::Blank => 0,
        };
        format!("{NUMBER_PREFIX}{number:0rest$}")
    }
}

/// Bytes of the pseudonym at the beginning of `text`, with the digits that make it that of one value.
fn prefix_of(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix(PREFIX)?;
    let class =
        Class::ALL.iter().find_map(|class| rest.strip_prefix(class.as_str()).map(|rest| (*class, rest)));
    let (class, rest) = class?;
    let word = PREFIX.len() + class.as_str().len();
    let keyed =
        rest.strip_prefix('-').and_then(|rest| rest.get(..HEX)).is_some_and(|hex| hex.bytes().all(is_hex));
    let end = if keyed { word + 1 + HEX } else { word };
    let after = text.get(end..).unwrap_or_default();
    let tail = if class == Class::Email && after.starts_with(EMAIL_TAIL) { EMAIL_TAIL.len() } else { 0 };
    let follows = text.get(end + tail..).unwrap_or_default().bytes().next();
    // `redacted-passwords` is no pseudonym.
    if follows.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return None;
    }
    Some((class.as_str(), end + tail))
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// Bytes of the pseudonym that `text` begins with.
pub(super) fn leading(text: &str) -> Option<usize> {
    prefix_of(text).map(|(_, end)| end)
}

/// Whether a text is a pseudonym and nothing else: it is left as it is, so that redacting twice changes nothing.
pub(super) fn is_pseudonym(text: &str) -> bool {
    leading(text) == Some(text.len())
}

/// Whether a text holds a pseudonym: what it was cannot be told from it.
pub fn is_hidden(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(PREFIX) {
        let found = rest.get(at..).unwrap_or_default();
        if leading(found).is_some() {
            return true;
        }
        rest = found.get(PREFIX.len()..).unwrap_or_default();
    }
    false
}

/// Whether a number stands for a secret number.
pub(super) fn is_number(lexeme: &str) -> bool {
    lexeme.len() == NUMBER_DIGITS
        && lexeme.starts_with(NUMBER_PREFIX)
        && lexeme.bytes().all(|byte| byte.is_ascii_digit())
}

/// A text with its keyed pseudonyms made blank: what was recorded under one key and what was redacted under another
/// are then equal where both hide a value of one class.
pub fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(PREFIX).into_iter().chain(rest.find(NUMBER_PREFIX)).min() {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let ends_word = !before.bytes().next_back().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let digits = found.bytes().take_while(u8::is_ascii_digit).count();
        let taken = match prefix_of(found) {
            Some((class, end)) => {
                let is_email = class == Class::Email.as_str()
                    && found.get(..end).is_some_and(|s| s.ends_with(EMAIL_TAIL));
                out.push_str(PREFIX);
                out.push_str(class);
                out.push_str(if is_email { EMAIL_TAIL } else { "" });
                end
            }
            None if ends_word && digits == NUMBER_DIGITS => {
                out.push_str(&Pseudonyms::Blank.of_number(""));
                NUMBER_DIGITS
            }
            None => {
                let step = found.chars().next().map_or(1, char::len_utf8);
                out.push_str(found.get(..step).unwrap_or_default());
                step
            }
        };
        rest = found.get(taken..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}
