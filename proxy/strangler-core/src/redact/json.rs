//! JSON (RFC 8259), copied byte for byte but for its secrets: types, numbers' spelling, order, blanks and duplicate
//! names stay as they were.

use super::rules::{Segment, States};
use super::{Class, Redactor, detect, names, text};

/// Deeper documents are read as text.
const LEVELS_MAX: usize = 128;

/// The document with its secrets replaced; `None` where it is no JSON.
pub(super) fn redacted(r: &Redactor<'_>, source: &str, depth: u32) -> Option<String> {
    let out = String::with_capacity(source.len());
    let mut copy = Copy { r, source, at: 0, out, depth, shows: Shows::Values };
    copy.blanks();
    let states = if depth == 0 { r.rules.body() } else { States::default() };
    copy.value(None, &states, 0)?;
    copy.blanks();
    (copy.at == source.len()).then_some(copy.out)
}

/// The document's names and types; `None` where it is no JSON.
pub(super) fn outline(r: &Redactor<'_>, source: &str) -> Option<String> {
    let mut copy = Copy { r, source, at: 0, out: String::new(), depth: 1, shows: Shows::Types };
    copy.blanks();
    copy.value(None, &States::default(), 0)?;
    copy.blanks();
    (copy.at == source.len()).then_some(copy.out)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    Values,
    Types,
}

struct Copy<'a, 'r> {
    r: &'a Redactor<'r>,
    source: &'a str,
    at: usize,
    out: String,
    depth: u32,
    shows: Shows,
}

impl Copy<'_, '_> {
    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    /// Copies one byte that must come next.
    fn sign(&mut self, wanted: u8) -> Option<()> {
        (self.peek() == Some(wanted)).then(|| {
            self.out.push(char::from(wanted));
            if self.shows == Shows::Types && matches!(wanted, b',' | b':') {
                self.out.push(' ');
            }
            self.at += 1;
        })
    }

    fn blanks(&mut self) {
        while let Some(blank @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            if self.shows == Shows::Values {
                self.out.push(char::from(blank));
            }
            self.at += 1;
        }
    }

    fn value(&mut self, class: Option<Class>, states: &States, level: usize) -> Option<Option<String>> {
        let class = class.or_else(|| self.r.rules.covers(states).then_some(Class::Named));
        match self.peek()? {
            b'{' => self.object(class, states, level).map(|()| None),
            b'[' => self.array(class, states, level).map(|()| None),
            b'"' => {
                let (raw, plain) = self.string()?;
                match self.shows {
                    Shows::Values => self.put_string(raw, &plain, class),
                    Shows::Types => {
                        self.out.push_str(if detect::is_uuid(&plain) { "uuid" } else { "string" })
                    }
                }
                Some(Some(plain))
            }
            b'-' | b'0'..=b'9' => self.number(class).map(|()| None),
            _ => self.word().map(|()| None),
        }
    }

    fn object(&mut self, class: Option<Class>, states: &States, level: usize) -> Option<()> {
        if level >= LEVELS_MAX {
            return None;
        }
        self.sign(b'{')?;
        self.blanks();
        if self.sign(b'}').is_some() {
            return Some(());
        }
        // `{"name": "password", "value": "…"}`: one member names the other.
        let mut named: Option<Class> = None;
        loop {
            let (raw, name) = self.string()?;
            self.put_string(raw, &name, None);
            self.blanks();
            self.sign(b':')?;
            self.blanks();
            let holds = matches!(&*name, "value" | "val" | "content" | "data" | "text" | "default");
            let mut of_name = class.or_else(|| names::class(&name)).or(named.filter(|_| holds));
            if of_name == Some(Class::Code) && class.is_none() && self.is_short_scalar() {
                of_name = None;
            }
            let value = self.value(of_name, &self.r.rules.step(states, &Segment::Name(&name)), level + 1)?;
            if matches!(&*name, "name" | "key" | "field" | "id" | "param" | "parameter" | "header" | "label")
                && let Some(value) = value
            {
                named = names::class(&value);
            }
            self.blanks();
            if self.sign(b',').is_none() {
                return self.sign(b'}');
            }
            self.blanks();
        }
    }

    fn array(&mut self, class: Option<Class>, states: &States, level: usize) -> Option<()> {
        if level >= LEVELS_MAX {
            return None;
        }
        self.sign(b'[')?;
        self.blanks();
        if self.sign(b']').is_some() {
            return Some(());
        }
        let mut alike = Alike::default();
        for index in 0.. {
            let from = self.out.len();
            self.value(class, &self.r.rules.step(states, &Segment::Index(index)), level + 1)?;
            if self.shows == Shows::Types {
                alike.element(&mut self.out, from);
            }
            self.blanks();
            if self.sign(b',').is_none() {
                if self.shows == Shows::Types {
                    alike.end(&mut self.out);
                }
                return self.sign(b']');
            }
            self.blanks();
        }
        None
    }

    /// Whether a value too short for a code comes next.
    fn is_short_scalar(&self) -> bool {
        let rest = self.source.get(self.at..).unwrap_or_default();
        let bare = rest.strip_prefix('"').unwrap_or(rest);
        let len = bare.bytes().take_while(|b| !b"\",}] \t\r\n".contains(b)).count();
        !rest.starts_with(['{', '[']) && len < 4
    }

    fn put_string(&mut self, raw: (usize, usize), plain: &str, class: Option<Class>) {
        let redacted = match class {
            Some(class) => std::borrow::Cow::Owned(self.r.replace(class, plain)),
            None => text::nested(self.r, plain, self.depth),
        };
        if *redacted == *plain {
            self.out.push_str(self.source.get(raw.0..raw.1).unwrap_or_default());
        } else {
            quote(&mut self.out, &redacted);
        }
    }

    /// Reads a string: where it stands, and what it says.
    fn string(&mut self) -> Option<((usize, usize), String)> {
        let start = self.at;
        let mut chars = self.source.get(start..)?.char_indices();
        if chars.next()?.1 != '"' {
            return None;
        }
        let mut plain = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + at + 1;
                    return Some(((start, self.at), plain));
                }
                '\\' => match chars.next()?.1 {
                    'n' => plain.push('\n'),
                    't' => plain.push('\t'),
                    'r' => plain.push('\r'),
                    'b' => plain.push('\u{8}'),
                    'f' => plain.push('\u{c}'),
                    c @ ('"' | '\\' | '/') => plain.push(c),
                    'u' => {
                        let unit = hex4(&mut chars)?;
                        plain.push(self.scalar(unit, &mut chars)?);
                    }
                    _ => return None,
                },
                c if u32::from(c) < 0x20 => return None,
                c => plain.push(c),
            }
        }
        None
    }

    /// The character of an escape, which may need a second one (RFC 8259 section 7). A lone half is no character.
    #[expect(clippy::unused_self, reason = "reads beside `string`")]
    fn scalar(&self, unit: u32, chars: &mut std::str::CharIndices<'_>) -> Option<char> {
        if !(0xd800..0xdc00).contains(&unit) {
            return Some(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let mut ahead = chars.clone();
        if let (Some((_, '\\')), Some((_, 'u'))) = (ahead.next(), ahead.next())
            && let Some(low) = hex4(&mut ahead).filter(|low| (0xdc00..0xe000).contains(low))
        {
            *chars = ahead;
            return char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
        }
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn number(&mut self, class: Option<Class>) -> Option<()> {
        let rest = self.source.get(self.at..)?;
        let len = rest.bytes().take_while(|b| b.is_ascii_digit() || b"+-.eE".contains(b)).count();
        let lexeme = rest.get(..len)?;
        if !is_number(lexeme) {
            return None;
        }
        self.at += len;
        if self.shows == Shows::Types {
            let is_integer = lexeme.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            self.out.push_str(if is_integer { "integer" } else { "decimal" });
            return Some(());
        }
        let is_echo = self.r.echoes.borrow().iter().any(|(echo, _)| echo == lexeme);
        let class = class.or(is_card(lexeme).then_some(Class::Card)).or(is_echo.then_some(Class::Secret));
        match class {
            Some(class) => self.out.push_str(&self.r.replace_number(class, lexeme)),
            None => self.out.push_str(lexeme),
        }
        Some(())
    }

    fn word(&mut self) -> Option<()> {
        let rest = self.source.get(self.at..)?;
        let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word))?;
        self.out.push_str(if self.shows == Shows::Types && word != "null" { "boolean" } else { word });
        self.at += word.len();
        Some(())
    }
}

/// Elements of one structure in a row, shown once.
#[derive(Debug, Default)]
struct Alike {
    shown: String,
    count: usize,
}

impl Alike {
    /// Takes the element that was written from `from` on.
    fn element(&mut self, out: &mut String, from: usize) {
        let element = out.get(from..).unwrap_or_default().to_owned();
        if self.count > 0 && element == self.shown {
            self.count += 1;
            // Without it, and the sign before it.
            out.truncate(out.get(..from).unwrap_or_default().trim_end_matches([',', ' ']).len());
            return;
        }
        if self.count > 1 {
            out.truncate(out.get(..from).unwrap_or_default().trim_end_matches([',', ' ']).len());
            self.end(out);
            out.push_str(", ");
            out.push_str(&element);
        }
        (self.shown, self.count) = (element, 1);
    }

    fn end(&mut self, out: &mut String) {
        if self.count > 1 {
            let count = self.count;
            out.push_str(&format!(" ×{count}"));
        }
        self.count = 0;
    }
}

fn hex4(chars: &mut std::str::CharIndices<'_>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit << 4 | chars.next()?.1.to_digit(16)?))
}

/// Whether this is a number as RFC 8259 writes one.
fn is_number(lexeme: &str) -> bool {
    let rest = lexeme.strip_prefix('-').unwrap_or(lexeme);
    let (mantissa, exponent) = rest.split_once(['e', 'E']).map_or((rest, None), |(m, e)| (m, Some(e)));
    let (whole, part) = mantissa.split_once('.').map_or((mantissa, None), |(w, p)| (w, Some(p)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && part.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

/// Whether a number, however it is spelt, is a card's: `4.111e15` is one.
fn is_card(lexeme: &str) -> bool {
    let (mantissa, exponent) = lexeme.split_once(['e', 'E']).unwrap_or((lexeme, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let Ok(exponent) = exponent.parse::<i32>() else { return false };
    let part = part.trim_end_matches('0');
    let shift = usize::try_from(exponent).ok().and_then(|exponent| exponent.checked_sub(part.len()));
    let Some(zeros) = shift.filter(|zeros| *zeros <= 19) else { return false };
    let digits: Vec<u8> = whole
        .bytes()
        .chain(part.bytes())
        .chain(std::iter::repeat_n(b'0', zeros))
        .filter(u8::is_ascii_digit)
        .collect();
    detect::is_card(&digits)
}

/// Writes a JSON string.
pub(super) fn quote(out: &mut String, plain: &str) {
    out.push('"');
    for c in plain.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
