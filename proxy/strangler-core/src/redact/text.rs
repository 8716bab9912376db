//! A text in which nobody says what stands where: everything that can be known of it by looking.

use super::detect::{self, Found};
use super::{Class, Redactor, json, markup, names, spelling, target};
use std::borrow::Cow;

/// Texts within texts (JSON in a string in a query) are followed so deep.
const DEPTH_MAX: u32 = 5;

/// Longer runs of base64 are not looked into: they are replaced as tokens or are no text.
const BASE64_MAX: usize = 16 * 1024;

/// A text with its secrets replaced; borrowed where there was none.
pub(super) fn redacted<'t>(r: &Redactor<'_>, text: &'t str) -> Cow<'t, str> {
    nested(r, text, 0)
}

/// As [`redacted`], of a text found inside another, `depth` levels down.
pub(super) fn nested<'t>(r: &Redactor<'_>, text: &'t str, depth: u32) -> Cow<'t, str> {
    if depth < DEPTH_MAX {
        let trimmed = text.trim_start();
        if trimmed.starts_with(['{', '['])
            && let Some(json) = json::redacted(r, text, depth + 1)
        {
            return if json == text { Cow::Borrowed(text) } else { Cow::Owned(json) };
        }
        if markup::looks_like(text) {
            let out = markup::redacted(r, text, depth + 1);
            return if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) };
        }
        if let Some(decoded) = decoded(text) {
            let plain = nested(r, &decoded, depth + 1);
            if *plain != *decoded {
                return Cow::Owned(encoded(&plain));
            }
        }
        // Markup as text, such as a page in a feed.
        if let Some(page) = markup::unescaped(text).filter(|_| text.contains("&lt;")) {
            let plain = nested(r, &page, depth + 1);
            if *plain != *page {
                let mut out = String::with_capacity(text.len());
                markup::escape(&mut out, &plain);
                return Cow::Owned(out);
            }
        }
    }
    let linked = links(r, text, depth);
    let found = found(r, &linked, depth);
    if found.is_empty() {
        return linked;
    }
    Cow::Owned(replaced(r, &linked, &found))
}

/// A text with what looks like a secret in it, or was found to be one, replaced; nothing in it is read as anything else.
pub(super) fn plain(r: &Redactor<'_>, text: &str) -> String {
    replaced(r, text, &found(r, text, DEPTH_MAX))
}

/// Everything secret in a text, as it stands there and as it is read: `ann%40shop.example` is an address as well.
fn found(r: &Redactor<'_>, text: &str, depth: u32) -> Vec<Found> {
    let mut found = standing(r, text, depth);
    if let Some(reading) = spelling::read(text) {
        let read = standing(r, &reading.text, depth);
        found.extend(read.into_iter().map(|f| Found {
            start: reading.source(f.start),
            end: reading.source(f.end),
            class: f.class,
        }));
    }
    found.retain(|f| !text.get(f.start..f.end).is_some_and(super::pseudonym::is_pseudonym));
    detect::merged(found)
}

/// Everything secret in a text whose characters stand for themselves.
fn standing(r: &Redactor<'_>, text: &str, depth: u32) -> Vec<Found> {
    let mut found = detect::secrets(text);
    // `tiger+paw` in a form.
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    for (echo, class) in r.echoes.borrow().iter() {
        let mut echoes = |text: &str| {
            found.extend(text.match_indices(echo.as_str()).map(|(start, _)| Found {
                start,
                end: start + echo.len(),
                class: *class,
            }));
        };
        echoes(text);
        if echo.contains(' ') {
            echoes(&spaced);
        }
    }
    assignments(r, text, &mut found);
    credentials(text, &mut found);
    spoken(text, &mut found);
    if depth < DEPTH_MAX {
        base64(r, text, depth, &mut found);
    }
    found.retain(|f| !text.get(f.start..f.end).is_some_and(super::pseudonym::is_pseudonym));
    found
}

fn replaced(r: &Redactor<'_>, text: &str, found: &[Found]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for f in found {
        out.push_str(text.get(at..f.start).unwrap_or_default());
        out.push_str(&r.replace(f.class, &spelling::said(text.get(f.start..f.end).unwrap_or_default())));
        at = f.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// URLs and paths among the words of a text: what stands where in them is known.
fn links<'t>(r: &Redactor<'_>, text: &'t str, depth: u32) -> Cow<'t, str> {
    if depth >= DEPTH_MAX || !text.contains('/') {
        return Cow::Borrowed(text);
    }
    let ends_word = |c: char| c.is_whitespace() || "\"'<>()[]{}|`,".contains(c);
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    for word in text.split_inclusive(ends_word) {
        let bare = word.trim_end_matches(ends_word);
        // `next=/path`: the path begins after the name.
        let begin = if bare.starts_with('/') {
            Some(0)
        } else {
            bare.find("://").map(|_| 0).or_else(|| bare.find("=/").map(|eq| eq + 1))
        };
        if let Some(link) = begin.and_then(|begin| bare.get(begin..)).filter(|link| link.len() > 1) {
            let start = at + bare.len() - link.len();
            let redacted = target::url(r, link, depth + 1);
            if redacted != link {
                out.push_str(text.get(copied..start).unwrap_or_default());
                out.push_str(&redacted);
                copied = start + link.len();
            }
        }
        at += word.len();
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// Bytes before `=` or `:` in which a name is looked for.
const NAME_BYTES: usize = 48;

/// `name=value`, `name: value`, `"name": "value"`, also escaped.
fn assignments(r: &Redactor<'_>, text: &str, found: &mut Vec<Found>) {
    let mut floor = 0;
    for (at, sign) in text.match_indices(['=', ':']) {
        if at < floor {
            continue;
        }
        let Some(name) = name_before(text, at).filter(|name| !ends_in_pseudonym(name)) else { continue };
        let Some((start, end)) = value_after(text, at + sign.len(), name) else { continue };
        let value = text.get(start..end).unwrap_or_default();
        let is_word = matches!(value, "true" | "false" | "null" | "none" | "undefined");
        let class =
            names::class_of(name, value).or_else(|| r.rules.names_member(name).then_some(Class::Named));
        if let Some(class) = class.filter(|_| !is_word) {
            found.push(Found { start, end, class });
            floor = end;
        }
    }
}

/// A keyed pseudonym names nothing, though it has a word such as `token` in it.
fn ends_in_pseudonym(name: &str) -> bool {
    let last = name.rfind("redacted-").and_then(|at| name.get(at..)).unwrap_or_default();
    super::pseudonym::is_pseudonym(last) && last.rsplit('-').next().is_some_and(|hex| hex.len() == 16)
}

fn name_before(text: &str, at: usize) -> Option<&str> {
    let mut floor = at.saturating_sub(NAME_BYTES);
    while !text.is_char_boundary(floor) {
        floor += 1;
    }
    let before = text.get(floor..at)?.trim_end().trim_end_matches(['"', '\'', '\\']);
    let is_part = |c: char| c.is_alphanumeric() || "_.-[]%$@ ".contains(c);
    let len: usize = before.chars().rev().take_while(|c| is_part(*c)).map(char::len_utf8).sum();
    let name = before.get(before.len() - len..)?;
    // The last three words of a sentence.
    let cut = name.rmatch_indices(' ').nth(2).map_or(0, |(cut, _)| cut + 1);
    name.get(cut..).filter(|name| !name.is_empty())
}

fn value_after(text: &str, from: usize, name: &str) -> Option<(usize, usize)> {
    let rest = text.get(from..)?;
    let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\\']).len();
    let rest = rest.get(blank..)?;
    let start = from + blank;
    if let Some(quote) = rest.chars().next().filter(|c| "\"'`".contains(*c)) {
        let inner = rest.get(1..)?;
        let len = inner.find([quote, '\n']).unwrap_or(inner.len());
        let len = inner.get(..len).map_or(len, |inner| inner.trim_end_matches('\\').len());
        return (len > 0).then_some((start + 1, start + 1 + len));
    }
    let lower = name.to_lowercase();
    let is_line = lower.contains("authorization") || lower.contains("cookie");
    let ends = |c: char| {
        if is_line { c == '\n' || c == '\r' } else { c.is_whitespace() || "&;,<>\"'`)}]|".contains(c) }
    };
    let len = rest.find(ends).unwrap_or(rest.len());
    (len > 0).then_some((start, start + len))
}

/// `Bearer …`, `Basic …`, and user names with passwords in URLs (RFC 3986 section 3.2.1).
fn credentials(text: &str, found: &mut Vec<Found>) {
    for (at, _) in text.match_indices(' ') {
        let before = text.get(..at).unwrap_or_default();
        let starts = before
            .rfind(|c: char| !c.is_ascii_alphabetic())
            .map_or(0, |i| i + before.get(i..).and_then(|s| s.chars().next()).map_or(1, char::len_utf8));
        let scheme = before.get(starts..).unwrap_or_default();
        if !["bearer", "basic", "digest", "negotiate"].contains(&scheme.to_ascii_lowercase().as_str()) {
            continue;
        }
        let rest = text.get(at + 1..).unwrap_or_default();
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        let len = rest.bytes().take_while(|b| is_part(*b)).count();
        let value = rest.get(..len).unwrap_or_default();
        let is_random = value.bytes().any(|b| !b.is_ascii_lowercase());
        if len >= 8 && is_random {
            found.push(Found { start: at + 1, end: at + 1 + len, class: Class::Token });
        }
    }
    for (at, _) in text.match_indices("://") {
        let rest = text.get(at + 3..).unwrap_or_default();
        let end = rest.find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c)).unwrap_or(rest.len());
        if let Some(user) =
            rest.get(..end).and_then(|authority| authority.rfind('@')).filter(|user| *user > 0)
        {
            found.push(Found { start: at + 3, end: at + 3 + user, class: Class::Secret });
        }
    }
}

/// `your code is 4711`, `password hunter2`: a word with a digit after the name of a secret.
fn spoken(text: &str, found: &mut Vec<Found>) {
    let mut class: Option<Class> = None;
    let mut at = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let start = at;
        at += word.len();
        let is_mark = |c: char| !c.is_alphanumeric();
        let lead = word.len() - word.trim_start_matches(is_mark).len();
        let bare = word.trim_matches(is_mark);
        if bare.is_empty() || matches!(bare, "is" | "was" | "are" | "number" | "no") {
            continue;
        }
        // The digits of a pseudonym are nobody's secret.
        let own = bare
            .find("redacted-")
            .filter(|at| bare.get(*at..).is_some_and(|rest| super::pseudonym::leading(rest).is_some()))
            .and_then(|at| bare.get(..at))
            .map_or(bare, |own| own.trim_matches(is_mark));
        if let Some(class) = class.filter(|_| own.len() >= 4 && own.bytes().any(|b| b.is_ascii_digit())) {
            found.push(Found { start: start + lead, end: start + lead + bare.len(), class });
        }
        class = if bare.len() <= 32 { names::class(bare) } else { None };
    }
}

/// Words in base64 (RFC 4648) behind which there is a text with a secret.
fn base64(r: &Redactor<'_>, text: &str, depth: u32, found: &mut Vec<Found>) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+/_-".contains(c);
    let mut at = 0;
    for piece in text.split_inclusive(|c| !is_part(c)) {
        let start = at;
        at += piece.len();
        let run = piece.trim_end_matches(|c| !is_part(c));
        let end = start + run.len();
        // RFC 4648 section 4: two at most.
        let padding = text.get(end..).unwrap_or_default().bytes().take(2).take_while(|b| *b == b'=').count();
        if hides(r, run, depth) {
            found.push(Found { start, end: end + padding, class: Class::Token });
            continue;
        }
        // The words of `/a/BASE64` and of `sid_BASE64`.
        let mut at = start;
        for part in run.split_inclusive(['/', '_', '-', '+']) {
            let bare = part.trim_end_matches(['/', '_', '-', '+']);
            if bare.len() < run.len() && hides(r, bare, depth) {
                let padding = if at + bare.len() == end { padding } else { 0 };
                found.push(Found { start: at, end: at + bare.len() + padding, class: Class::Token });
            }
            at += part.len();
        }
    }
}

/// Both alphabets, with and without padding, and whatever the last bits are.
const LENIENT: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    base64::engine::GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// Whether a word is base64 behind which there is a text with a secret.
fn hides(r: &Redactor<'_>, word: &str, depth: u32) -> bool {
    use base64::Engine;
    let has_capital = word.bytes().any(|b| b.is_ascii_uppercase());
    if !(12..=BASE64_MAX).contains(&word.len()) || !has_capital || super::pseudonym::is_pseudonym(word) {
        return false;
    }
    let decoded = LENIENT.decode(word.replace('-', "+").replace('_', "/")).ok();
    let Some(plain) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) else { return false };
    !plain.chars().any(|c| c.is_control() && !c.is_whitespace()) && *nested(r, &plain, depth + 2) != *plain
}

/// What a percent-encoded text says; `None` where nothing in it is encoded.
pub(super) fn decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = |at: usize| {
            bytes.get(at).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok())
        };
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            (byte, _, _) => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    (out.len() != bytes.len()).then(|| String::from_utf8_lossy(&out).into_owned())
}

/// A text as part of a URL or a form.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@:/,!$'()*=".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
