//! What a text says under its spellings: percent-encoding (RFC 3986 section 2.1), character references of HTML, escapes
//! of JSON and of scripts; also one within the other, and mixed.
//!
//! Owns the reading, and the way back from a place in what was read to the place it was read from. Refuses to write: what
//! stays of a text stays as it was spelt.

use std::borrow::Cow;

use super::pseudonym;

/// Spellings within spellings (`%252D`) are followed so deep.
const ROUNDS: usize = 4;

/// What a text says, and where each byte of it stands in the text it was read from.
pub(super) struct Reading {
    pub(super) text: String,
    /// One per byte, and the end.
    from: Vec<usize>,
}

impl Reading {
    /// Where what is read at `at` begins in the text that was read.
    pub(super) fn source(&self, at: usize) -> usize {
        self.from.get(at).or(self.from.last()).copied().unwrap_or(0)
    }
}

/// What a text says; `None` where every character stands for itself.
pub(super) fn read(source: &str) -> Option<Reading> {
    let mut reading = once(source)?;
    for _ in 1..ROUNDS {
        let Some(next) = once(&reading.text) else { break };
        let from = next.from.iter().map(|at| reading.source(*at)).collect();
        reading = Reading { text: next.text, from };
    }
    Some(reading)
}

/// What a text says, without the places.
pub(super) fn said(source: &str) -> Cow<'_, str> {
    read(source).map_or(Cow::Borrowed(source), |reading| Cow::Owned(reading.text))
}

fn once(source: &str) -> Option<Reading> {
    let mut text = String::new();
    let mut from = Vec::new();
    let mut copied = 0;
    for (at, sign) in source.match_indices(['%', '&', '\\']) {
        if at < copied {
            continue;
        }
        let rest = source.get(at..).unwrap_or_default();
        let spelt = match sign {
            "%" => percent(rest),
            "&" => reference(rest),
            _ => escape(rest),
        };
        let Some((said, len)) = spelt else { continue };
        text.push_str(source.get(copied..at).unwrap_or_default());
        from.extend(copied..at);
        text.push(said);
        from.extend(std::iter::repeat_n(at, said.len_utf8()));
        copied = at + len;
    }
    if copied == 0 {
        return None;
    }
    text.push_str(source.get(copied..).unwrap_or_default());
    from.extend(copied..=source.len());
    Some(Reading { text, from })
}

/// So many hexadecimal digits from `at` on.
fn hex(text: &str, at: usize, digits: usize) -> Option<u32> {
    let lexeme = text.get(at..at + digits)?;
    lexeme.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(lexeme, 16).ok()).flatten()
}

/// The character at the beginning of `text`, and how many bytes spell it: `%2D`, and `%u002D` as old scripts escape.
fn percent(text: &str) -> Option<(char, usize)> {
    if let Some(code) = text.strip_prefix("%u").and_then(|digits| hex(digits, 0, 4)) {
        return Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 6));
    }
    let byte = |index: usize| {
        text.get(3 * index..).filter(|rest| rest.starts_with('%')).and_then(|rest| hex(rest, 1, 2))
    };
    let first = byte(0)?;
    let count = match first {
        0..0x80 => return Some((char::from_u32(first)?, 3)),
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => 1,
    };
    let bytes: Vec<u8> =
        (0..count).filter_map(|index| byte(index).and_then(|b| u8::try_from(b).ok())).collect();
    // RFC 3629; what is none stands for no character.
    let whole = std::str::from_utf8(&bytes).ok().and_then(|utf8| utf8.chars().next());
    Some(whole.map_or((char::REPLACEMENT_CHARACTER, 3), |c| (c, 3 * count)))
}

/// The character at the beginning of `text`, and how many bytes spell it: `\u002d`, `\u{2d}`, `\x2d`, `\/`.
fn escape(text: &str) -> Option<(char, usize)> {
    // A backslash before a pseudonym belongs to what was replaced.
    if text.get(1..).is_some_and(|rest| pseudonym::leading(rest).is_some()) {
        return None;
    }
    match text.as_bytes().get(1)? {
        b'u' if text.get(2..3) == Some("{") => {
            let end = text.bytes().take(10).position(|b| b == b'}')?;
            let code = hex(text, 3, end - 3).filter(|_| end > 3)?;
            Some((char::from_u32(code)?, end + 1))
        }
        b'u' => {
            let unit = hex(text, 2, 4)?;
            let low = text.get(6..8).filter(|lead| *lead == "\\u").and_then(|_| hex(text, 8, 4));
            // RFC 8259 section 7: two halves of a character.
            match low.filter(|low| (0xd800..0xdc00).contains(&unit) && (0xdc00..0xe000).contains(low)) {
                Some(low) => {
                    char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)).map(|c| (c, 12))
                }
                None => Some((char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 6)),
            }
        }
        b'x' => char::from_u32(hex(text, 2, 2)?).map(|c| (c, 4)),
        b'n' => Some(('\n', 2)),
        b'r' => Some(('\r', 2)),
        b't' => Some(('\t', 2)),
        mark if mark.is_ascii_punctuation() => Some((char::from(*mark), 2)),
        _ => None,
    }
}

/// Longer references are none.
const REFERENCE_BYTES: usize = 32;

/// The character at the beginning of `text`, and how many bytes spell it: `&#45;`, `&#x2d;`, `&amp;`, also without the
/// semicolon, as browsers read them.
pub(super) fn reference(text: &str) -> Option<(char, usize)> {
    let rest = text.strip_prefix('&')?;
    let count =
        |text: &str, part: fn(&u8) -> bool| text.bytes().take(REFERENCE_BYTES).take_while(part).count();
    let (said, len) = match rest.strip_prefix('#') {
        Some(number) => {
            let (lead, digits, radix) = match number.strip_prefix(['x', 'X']) {
                Some(digits) => (3, digits, 16),
                None => (2, number, 10),
            };
            let part: fn(&u8) -> bool = if radix == 16 { u8::is_ascii_hexdigit } else { u8::is_ascii_digit };
            let len = count(digits, part);
            let code = u32::from_str_radix(digits.get(..len)?, radix).ok()?;
            (char::from_u32(code)?, lead + len)
        }
        None => {
            let len = count(rest, u8::is_ascii_alphanumeric);
            (named(rest.get(..len)?)?, 1 + len)
        }
    };
    Some((said, len + usize::from(text.as_bytes().get(len) == Some(&b';'))))
}

/// Characters that secrets are written with, and those that markup needs.
fn named(name: &str) -> Option<char> {
    Some(match name {
        "amp" | "AMP" => '&',
        "lt" | "LT" => '<',
        "gt" | "GT" => '>',
        "quot" | "QUOT" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "Tab" => '\t',
        "NewLine" => '\n',
        "commat" => '@',
        "period" => '.',
        "hyphen" | "dash" => '-',
        "lowbar" | "UnderBar" => '_',
        "plus" => '+',
        "sol" => '/',
        "bsol" => '\\',
        "equals" => '=',
        "colon" => ':',
        "semi" => ';',
        "comma" => ',',
        "num" => '#',
        "excl" => '!',
        "quest" => '?',
        "dollar" => '$',
        "percnt" => '%',
        "ast" | "midast" => '*',
        "lpar" => '(',
        "rpar" => ')',
        "lsqb" | "lbrack" => '[',
        "rsqb" | "rbrack" => ']',
        "lcub" | "lbrace" => '{',
        "rcub" | "rbrace" => '}',
        "verbar" | "vert" => '|',
        "Hat" => '^',
        "grave" => '`',
        _ => return None,
    })
}
