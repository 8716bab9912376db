//! Secrets that are known by what they look like: payment cards, tokens, addresses, account numbers.
//!
//! All in one pass each, linear in the text. Errs towards finding: a thing that is replaced without need is
//! still equal to itself.

use super::{Class, letters, pseudonym};

/// A stretch of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) class: Class,
}

/// Everything in `text` that looks like a secret: in order, not overlapping.
pub(super) fn secrets(text: &str) -> Vec<Found> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    ibans(bytes, &mut found);
    cards(bytes, &mut found);
    emails(text, &mut found);
    tokens(text, &mut found);
    divided_tokens(text, &mut found);
    merged(found)
}

/// Overlapping stretches made one.
pub(super) fn merged(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|f| (f.start, std::cmp::Reverse(f.end)));
    let mut out: Vec<Found> = Vec::with_capacity(found.len());
    for next in found {
        match out.last_mut() {
            Some(last) if next.start < last.end => last.end = last.end.max(next.end),
            _ => out.push(next),
        }
    }
    out
}

fn emails(text: &str, found: &mut Vec<Found>) {
    let mut floor = 0;
    for (at, _) in text.match_indices('@') {
        let (before, after) =
            (text.get(floor..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
        let is_local = |c: char| c.is_alphanumeric() || "._%+'-!#$&*/=?^`{|}~".contains(c);
        let local: usize = before.chars().rev().take_while(|c| is_local(*c)).map(char::len_utf8).sum();
        // A URL's path or a parameter's name is no part of the address.
        let start_of_local = before.get(before.len() - local..).unwrap_or_default();
        let cut = start_of_local.rfind(['/', '=', '&', '?']).map_or(0, |cut| cut + 1);
        let bare = start_of_local.get(cut..).unwrap_or_default();
        let local = bare.trim_start_matches(['\'', '`', '.', '{']).len();
        let domain: usize =
            after.chars().take_while(|c| c.is_alphanumeric() || ".-".contains(*c)).map(char::len_utf8).sum();
        let domain = after.get(..domain).unwrap_or_default().trim_end_matches(['.', '-']);
        let has_top = domain.rsplit_once('.').is_some_and(|(name, top)| {
            !name.is_empty()
                && top.chars().count() >= 2
                && top.chars().next().is_some_and(char::is_alphabetic)
        });
        if local > 0 && has_top {
            let (start, end) = (at - local, at + 1 + domain.len());
            // Also after `%20`, which may be part of an address.
            let own = text.get(start..end).unwrap_or_default();
            let is_known =
                own.rfind("redacted-").and_then(|at| own.get(at..)).is_some_and(pseudonym::is_pseudonym);
            if !is_known {
                found.push(Found { start, end, class: Class::Email });
            }
            floor = end;
        } else {
            floor = at + 1;
        }
    }
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Shorter texts are not called random.
const TOKEN_BYTES_MIN: usize = 16;

fn tokens(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let (mut at, mut floor) = (0, 0);
    while let Some(start) = bytes.iter().skip(at).position(|b| is_token_byte(*b)).map(|skip| at + skip) {
        let end =
            bytes.iter().skip(start).position(|b| !is_token_byte(*b)).map_or(bytes.len(), |len| start + len);
        at = end;
        let Some(run) = text.get(start..end) else { continue };
        if run.starts_with("eyJ") {
            // RFC 7519: parts joined by dots, the first of which is a JSON object in base64.
            let is_part = |b: &u8| is_token_byte(*b) || *b == b'.';
            let end =
                bytes.iter().skip(start).position(|b| !is_part(b)).map_or(bytes.len(), |len| start + len);
            if end - start >= TOKEN_BYTES_MIN {
                found.push(Found { start, end, class: Class::Token });
                at = end;
                continue;
            }
        }
        if pseudonym::leading(text.get(start..).unwrap_or_default()).is_some() {
            continue;
        }
        if let Some(inner) = run.find("redacted-").filter(|inner| *inner > 0) {
            // A pseudonym after other text, such as `sid_redacted-…`: looked at by itself.
            let inner = start + inner;
            if pseudonym::leading(text.get(inner..).unwrap_or_default()).is_some()
                && !looks_random(text.get(start..inner).unwrap_or_default())
            {
                continue;
            }
        }
        if looks_random(run) {
            let (start, end) = widened(bytes, floor, start, end);
            found.push(Found { start, end, class: Class::Token });
            at = end;
            floor = end;
        }
    }
}

/// Random texts in base64 that `+` and `/` divide into short pieces.
fn divided_tokens(text: &str, found: &mut Vec<Found>) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+/_-=".contains(c);
    let mut at = 0;
    for piece in text.split_inclusive(|c| !is_part(c)) {
        let start = at;
        at += piece.len();
        let run = piece.trim_end_matches(|c| !is_part(c));
        let is_divided = run.contains(['+', '/']) && !run.starts_with('/');
        if !is_divided || run.len() < 24 {
            continue;
        }
        let is_by_chance = letters::usualness(run) <= CHANCE_AT_MOST && !pseudonym::is_hidden(run);
        if !is_by_chance && run.split(['+', '/', '=', '-', '_']).all(is_worded) {
            continue;
        }
        let joined: String = run.chars().filter(char::is_ascii_alphanumeric).collect();
        let has = |kind: fn(&u8) -> bool| joined.as_bytes().iter().any(kind);
        let is_mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit);
        let has_both = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
        if (is_by_chance && has_both) || (is_mixed && looks_random(&joined)) {
            found.push(Found { start, end: start + run.len(), class: Class::Token });
        }
    }
}

/// A random run with its neighbours in base64, where `+` and `/` divide it and `=` ends it.
fn widened(bytes: &[u8], floor: usize, start: usize, end: usize) -> (usize, usize) {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'_' | b'-');
    let mixed = |part: &[u8]| {
        (1..=2).contains(&part.len())
            || (part.iter().any(u8::is_ascii_uppercase)
                && part.iter().any(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
            || (part.iter().any(u8::is_ascii_digit) && part.iter().any(u8::is_ascii_alphabetic))
    };
    let mut new_end = end;
    while let Some(b'+' | b'/') = bytes.get(new_end) {
        let rest = bytes.get(new_end + 1..).unwrap_or_default();
        let len = rest.iter().position(|b| !is_part(b) || matches!(b, b'+' | b'/')).unwrap_or(rest.len());
        let separator_only = len == 0 && bytes.get(new_end) == Some(&b'+');
        if !separator_only && !mixed(rest.get(..len).unwrap_or_default()) {
            break;
        }
        new_end += 1 + len;
    }
    while bytes.get(new_end) == Some(&b'=') {
        new_end += 1;
    }
    let mut new_start = start;
    while let Some(b'+' | b'/') = new_start.checked_sub(1).and_then(|before| bytes.get(before)) {
        let head = bytes.get(floor.min(new_start - 1)..new_start - 1).unwrap_or_default();
        let len =
            head.iter().rev().position(|b| !is_part(b) || matches!(b, b'+' | b'/')).unwrap_or(head.len());
        if !mixed(head.get(head.len() - len..).unwrap_or_default()) {
            break;
        }
        new_start -= 1 + len;
    }
    (new_start, new_end)
}

/// Neighbours in words are more usual than this; of random texts of 20 characters, three in 10,000 have as usual ones.
const CHANCE_AT_MOST: i32 = -3;

/// Whether a run of letters, digits, `-` and `_` looks as if nobody had chosen it.
pub(super) fn looks_random(run: &str) -> bool {
    let bytes = run.as_bytes();
    if bytes.len() < TOKEN_BYTES_MIN || is_uuid(run) {
        return false;
    }
    if letters::usualness(run) <= CHANCE_AT_MOST {
        return true;
    }
    if run.split(['-', '_']).all(is_worded) {
        return false;
    }
    let letters = bytes.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    if letters == 0 {
        return false;
    }
    let is_hex = bytes.iter().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
        || bytes.iter().all(|b| b.is_ascii_digit() || matches!(b, b'A'..=b'F'));
    if is_hex && digits > 0 {
        return true;
    }
    let kinds: Vec<u8> = bytes.iter().filter(|b| b.is_ascii_alphanumeric()).map(|b| kind(*b)).collect();
    let changes = kinds.iter().zip(kinds.iter().skip(1)).filter(|(a, b)| a != b).count();
    if digits > 0 || (letters < bytes.len()) {
        return changes * 5 >= bytes.len();
    }
    // Letters only. Humps of words change once a word, chance every other letter.
    changes * 3 >= bytes.len() || is_unpronounceable(bytes)
}

const fn kind(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        _ => 2,
    }
}

/// Part of a name that a person chose: a word, words with humps, a short number, a word with a number at its end.
fn is_worded(part: &str) -> bool {
    let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = part.len() - letters.len();
    if digits > 8 || letters.bytes().any(|b| !b.is_ascii_alphabetic()) {
        return false;
    }
    let bytes = letters.as_bytes();
    let humps = bytes
        .iter()
        .zip(bytes.iter().skip(1))
        .filter(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase())
        .count();
    (bytes.len() < 14 || !is_unpronounceable(bytes)) && humps * 4 <= bytes.len()
}

/// Letters as chance strings them together: few vowels, or many consonants in a row.
fn is_unpronounceable(bytes: &[u8]) -> bool {
    let is_vowel = |b: &u8| matches!(b.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let vowels = bytes.iter().filter(|b| is_vowel(b)).count();
    let longest = bytes.split(is_vowel).map(<[u8]>::len).max().unwrap_or(0);
    bytes.len() >= TOKEN_BYTES_MIN && (vowels * 5 < bytes.len() || longest >= 6)
}

/// RFC 9562: an id, not a secret; where it is one, its name says so.
pub(super) fn is_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// ISO/IEC 7812: 13 to 19 digits of which the last checks the others, in one piece or in groups.
fn cards(bytes: &[u8], found: &mut Vec<Found>) {
    let mut at = 0;
    while let Some(start) = bytes.iter().skip(at).position(u8::is_ascii_digit).map(|skip| at + skip) {
        let groups = groups(bytes, start);
        let end = groups.last().map_or(start + 1, |(_, end)| *end);
        at = end;
        card_in(bytes, &groups, found);
    }
}

/// Groups of digits that single separators hold together, from `start` on.
fn groups(bytes: &[u8], start: usize) -> Vec<(usize, usize)> {
    let mut groups = Vec::new();
    let mut at = start;
    loop {
        let end = bytes.iter().skip(at).position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |len| at + len);
        groups.push((at, end));
        let separator = match bytes.get(end..) {
            Some([b' ' | b'-' | b'.' | b'_' | b'+' | b'/', next, ..]) if next.is_ascii_digit() => 1,
            // A no-break space.
            Some([0xc2, 0xa0, next, ..]) if next.is_ascii_digit() => 2,
            _ => return groups,
        };
        at = end + separator;
    }
}

fn card_in(bytes: &[u8], groups: &[(usize, usize)], found: &mut Vec<Found>) {
    let mut first = 0;
    while let Some((start, end_of_first)) = groups.get(first).copied() {
        if let Some(long) = bytes.get(start..end_of_first).filter(|run| run.len() > 19) {
            // Zeros before it, or more digits after: looked for inside.
            if long.windows(16).chain(long.windows(15)).any(is_card) {
                found.push(Found { start, end: end_of_first, class: Class::Card });
            }
            first += 1;
            continue;
        }
        let mut digits: Vec<u8> = Vec::with_capacity(19);
        let mut taken = None;
        for (index, (from, to)) in groups.iter().enumerate().skip(first) {
            digits.extend(bytes.get(*from..*to).unwrap_or_default());
            if digits.len() > 19 {
                break;
            }
            if is_card(&digits) {
                taken = Some((index, *to));
            }
        }
        match taken {
            Some((index, end)) => {
                found.push(Found { start, end, class: Class::Card });
                first = index + 1;
            }
            None => first += 1,
        }
    }
}

/// Whether these digits are a card's number.
pub(super) fn is_card(digits: &[u8]) -> bool {
    let digits = digits.iter().position(|b| *b != b'0').and_then(|at| digits.get(at..)).unwrap_or_default();
    if !(13..=19).contains(&digits.len()) || !matches!(digits.first(), Some(b'2'..=b'6')) {
        return false;
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, b)| {
            let digit = u32::from(b.wrapping_sub(b'0'));
            match (at % 2, digit) {
                (0, digit) => digit,
                (_, digit) if digit > 4 => digit * 2 - 9,
                (_, digit) => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 13616: two letters, two digits that check the rest, 11 to 30 letters and digits, in one piece or in fours.
fn ibans(bytes: &[u8], found: &mut Vec<Found>) {
    let mut at = 0;
    while let Some(start) =
        bytes.get(at..).and_then(|rest| rest.windows(4).position(is_iban_head)).map(|skip| at + skip)
    {
        at = start + 1;
        if start.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(u8::is_ascii_alphanumeric) {
            continue;
        }
        let mut letters = Vec::with_capacity(34);
        let mut end = start;
        let mut taken = None;
        while letters.len() < 34 {
            match bytes.get(end) {
                Some(b) if b.is_ascii_digit() || b.is_ascii_uppercase() => letters.push(*b),
                Some(b' ') if letters.len().is_multiple_of(4) => {}
                _ => break,
            }
            end += 1;
            let ends = !bytes.get(end).is_some_and(u8::is_ascii_alphanumeric);
            if ends && letters.len() >= 15 && is_iban(&letters) {
                taken = Some(end);
            }
        }
        if let Some(end) = taken {
            found.push(Found { start, end, class: Class::Iban });
            at = end;
        }
    }
}

fn is_iban_head(window: &[u8]) -> bool {
    matches!(window, [a, b, c, d] if a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_digit() && d.is_ascii_digit())
}

fn is_iban(letters: &[u8]) -> bool {
    let (head, rest) = letters.split_at(letters.len().min(4));
    let remainder = rest.iter().chain(head).fold(0u32, |sum, b| {
        let value = char::from(*b).to_digit(36).unwrap_or(0);
        if value > 9 { (sum * 100 + value) % 97 } else { (sum * 10 + value) % 97 }
    });
    remainder == 1
}
