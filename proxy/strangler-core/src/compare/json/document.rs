//! Reading JSON (RFC 8259) into a flat list of values that keep their texts.
//!
//! Owns syntax: number texts are kept, duplicate keys are seen, errors have a position. Reads in one pass, without
//! recursion, in time and memory in proportion to the text; refuses texts nested or divided beyond its bounds.
//! A byte order mark before the text is passed over, as section 8.1 allows.

use std::borrow::Cow;

/// How deeply values may be nested.
pub(super) const MOST_DEPTH: usize = 512;
/// How many values a text may have: what is known of each takes some sixty bytes.
pub(super) const MOST_VALUES: usize = 2_000_000;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Type {
    Null,
    False,
    True,
    Number,
    String,
    Array,
    Object,
}

/// A value by its place in the document, in the order of the text: a container stands before what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(pub(super) u32);

/// A document that was read.
#[derive(Debug)]
pub(super) struct Document<'t> {
    text: &'t [u8],
    values: Vec<Value>,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    what: Type,
    /// Where its text is.
    start: u32,
    end: u32,
    /// Where its key's text is, quotes left out; empty at 0: it has none.
    key_start: u32,
    key_end: u32,
    /// It and everything in it.
    size: u32,
}

/// Why a text is not JSON, or not looked at as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {why}")]
pub(super) struct Unreadable {
    /// Bytes before the place.
    pub(super) at: usize,
    pub(super) why: &'static str,
}

impl<'t> Document<'t> {
    /// Reads a text.
    pub(super) fn read(text: &'t [u8]) -> Result<Self, Unreadable> {
        if let Err(error) = std::str::from_utf8(text) {
            return Err(Unreadable { at: error.valid_up_to(), why: "this is not UTF-8" });
        }
        if u32::try_from(text.len()).is_err() {
            return Err(Unreadable { at: 0, why: "the text is too long" });
        }
        let at = if text.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        let mut reader = Reader { text, at, values: Vec::new(), open: Vec::new() };
        reader.document()?;
        Ok(Document { text, values: reader.values })
    }

    /// The outermost value.
    pub(super) const ROOT: Id = Id(0);

    /// How many values there are, at least 1.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    fn value(&self, id: Id) -> Option<&Value> {
        self.values.get(id.0 as usize)
    }

    /// What a value is.
    pub(super) fn what(&self, id: Id) -> Type {
        self.value(id).map_or(Type::Null, |value| value.what)
    }

    /// A value's text.
    pub(super) fn text(&self, id: Id) -> &'t [u8] {
        self.value(id)
            .and_then(|value| self.text.get(value.start as usize..value.end as usize))
            .unwrap_or_default()
    }

    /// How many values it and all it holds are.
    pub(super) fn size(&self, id: Id) -> usize {
        self.value(id).map_or(1, |value| value.size as usize)
    }

    /// The name of a member; empty where it is none.
    pub(super) fn key(&self, id: Id) -> Cow<'t, [u8]> {
        let key = self
            .value(id)
            .and_then(|value| self.text.get(value.key_start as usize..value.key_end as usize))
            .unwrap_or_default();
        unescaped(key)
    }

    /// What a string says.
    pub(super) fn string(&self, id: Id) -> Cow<'t, [u8]> {
        let text = self.text(id);
        unescaped(text.get(1..text.len().saturating_sub(1)).unwrap_or_default())
    }

    /// A value and all it holds, at any depth.
    pub(super) fn within(&self, id: Id) -> impl Iterator<Item = Id> + use<> {
        let end = id.0.saturating_add(u32::try_from(self.size(id)).unwrap_or(u32::MAX));
        (id.0..end).map(Id)
    }

    /// What a container holds.
    pub(super) fn children(&self, id: Id) -> impl Iterator<Item = Id> + use<'_, 't> {
        let end = id.0 as usize + self.size(id);
        let mut next = id.0 as usize + 1;
        std::iter::from_fn(move || {
            let child = (next < end).then(|| u32::try_from(next).ok().map(Id))??;
            next += self.size(child).max(1);
            Some(child)
        })
    }
}

/// A string's text with its escapes undone. Lone surrogates, which RFC 8259 section 8.2 lets pass, become the
/// three bytes that they would have in UTF-8.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let Some((escape, tail)) = rest.split_first() else { break };
        rest = tail;
        match escape {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let mut unit = hexadecimal(rest);
                rest = rest.get(4..).unwrap_or_default();
                if (0xd800..0xdc00).contains(&unit) && rest.starts_with(b"\\u") {
                    let low = hexadecimal(rest.get(2..).unwrap_or_default());
                    if (0xdc00..0xe000).contains(&low) {
                        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        rest = rest.get(6..).unwrap_or_default();
                    }
                }
                push_unit(&mut out, unit);
            }
            other => out.push(*other),
        }
    }
    Cow::Owned(out)
}

fn hexadecimal(text: &[u8]) -> u32 {
    let digit = |b: &u8| char::from(*b).to_digit(16).unwrap_or(0);
    text.iter().take(4).fold(0, |value, b| value * 16 + digit(b))
}

fn push_unit(out: &mut Vec<u8>, unit: u32) {
    match char::from_u32(unit) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            let low = |shift: u32| u8::try_from((unit >> shift) & 0x3f).unwrap_or(0) | 0x80;
            out.extend_from_slice(&[0xed, low(6), low(0)]);
        }
    }
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    values: Vec<Value>,
    /// The containers that are not closed, as places in `values`.
    open: Vec<usize>,
}

/// What may stand next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// The first element or member, or the end.
    First,
    /// A comma or the end.
    Rest,
}

impl Reader<'_> {
    fn fail<T>(&self, why: &'static str) -> Result<T, Unreadable> {
        Err(Unreadable { at: self.at, why })
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn document(&mut self) -> Result<(), Unreadable> {
        let mut next = Next::Value;
        loop {
            self.skip_space();
            let container = self.open.last().and_then(|at| self.values.get(*at)).map(|value| value.what);
            let Some(container) = container else {
                if next != Next::Value {
                    return if self.at == self.text.len() {
                        Ok(())
                    } else {
                        self.fail("there is more after the value")
                    };
                }
                next = self.value((0, 0))?;
                continue;
            };
            let end = if container == Type::Array { b']' } else { b'}' };
            match (next, self.peek()) {
                (Next::First | Next::Rest, Some(b)) if b == end => {
                    self.at += 1;
                    self.close();
                    next = Next::Rest;
                    continue;
                }
                (Next::Rest, Some(b',')) => {
                    self.at += 1;
                    self.skip_space();
                }
                (Next::Rest, _) => return self.fail("here a comma or the end of what is open is due"),
                (Next::First | Next::Value, _) => {}
            }
            let key = if container == Type::Object { self.member_key()? } else { (0, 0) };
            next = self.value(key)?;
        }
    }

    fn close(&mut self) {
        let count = self.values.len();
        let Some(at) = self.open.pop() else { return };
        let end = u32::try_from(self.at).unwrap_or(u32::MAX);
        if let Some(value) = self.values.get_mut(at) {
            value.end = end;
            value.size = u32::try_from(count - at).unwrap_or(u32::MAX);
        }
    }

    fn member_key(&mut self) -> Result<(u32, u32), Unreadable> {
        if self.peek() != Some(b'"') {
            return self.fail("here the name of a member is due, in quotes");
        }
        let start = self.at + 1;
        self.string()?;
        let end = self.at - 1;
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.fail("here a colon is due");
        }
        self.at += 1;
        self.skip_space();
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Ok((place(start), place(end)))
    }

    /// Reads a scalar, or the beginning of a container.
    fn value(&mut self, key: (u32, u32)) -> Result<Next, Unreadable> {
        if self.values.len() == MOST_VALUES {
            return self.fail("there are too many values");
        }
        let start = self.at;
        let (what, next) = match self.peek() {
            Some(b'{') => (Type::Object, Next::First),
            Some(b'[') => (Type::Array, Next::First),
            Some(b'"') => {
                self.string()?;
                (Type::String, Next::Rest)
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                (Type::Number, Next::Rest)
            }
            Some(b't') => (self.literal(b"true", Type::True)?, Next::Rest),
            Some(b'f') => (self.literal(b"false", Type::False)?, Next::Rest),
            Some(b'n') => (self.literal(b"null", Type::Null)?, Next::Rest),
            Some(_) => return self.fail("no value begins like this"),
            None => return self.fail("the text ends where a value is due"),
        };
        if next == Next::First {
            if self.open.len() == MOST_DEPTH {
                return self.fail("values are nested too deeply");
            }
            self.at += 1;
            self.open.push(self.values.len());
        }
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.values.push(Value {
            what,
            start: place(start),
            end: place(self.at),
            key_start: key.0,
            key_end: key.1,
            size: 1,
        });
        Ok(next)
    }

    fn literal(&mut self, word: &[u8], what: Type) -> Result<Type, Unreadable> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return self.fail("no value begins like this");
        }
        self.at += word.len();
        Ok(what)
    }

    fn string(&mut self) -> Result<(), Unreadable> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(0..=0x1f) => return self.fail("a control character stands in a string"),
                Some(_) => self.at += 1,
                None => return self.fail("the text ends within a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Unreadable> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let digits = self.text.get(self.at + 1..self.at + 5).unwrap_or_default();
                if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return self.fail("after \\u four hexadecimal digits are due");
                }
                self.at += 5;
            }
            _ => return self.fail("there is no such escape"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Unreadable> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Unreadable> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.fail("here a digit is due") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Document, Id, MOST_DEPTH, Type, Unreadable};

    #[test]
    fn values_are_kept_as_written() {
        let text = br#" {"a" : [1.50, {"b":"x\ny"}, null], "a": -0e+7, "":true} "#;
        let document = Document::read(text).unwrap();
        let children: Vec<Id> = document.children(Document::ROOT).collect();
        let keys: Vec<String> =
            children.iter().map(|id| String::from_utf8_lossy(&document.key(*id)).into_owned()).collect();
        assert_eq!(keys, ["a", "a", ""]);
        let texts: Vec<String> = (0..u32::try_from(document.len()).unwrap())
            .map(|id| String::from_utf8_lossy(document.text(Id(id))).into_owned())
            .collect();
        assert_eq!(
            texts[1..5],
            ["[1.50, {\"b\":\"x\\ny\"}, null]", "1.50", "{\"b\":\"x\\ny\"}", "\"x\\ny\""]
        );
        assert_eq!(texts[5..], ["null", "-0e+7", "true"]);
        assert_eq!(document.what(children[1]), Type::Number);
        assert_eq!(&*document.string(Id(4)), b"x\ny");
        assert_eq!(document.children(children[0]).count(), 3);
    }

    #[test]
    fn escapes_are_undone() {
        let check = |text: &str, wanted: &[u8]| {
            let document = Document::read(text.as_bytes()).unwrap();
            assert_eq!(&*document.string(Document::ROOT), wanted, "{text}");
        };
        check(r#""""#, b"");
        check(r#""\"\\\/\b\f\n\r\t""#, b"\"\\/\x08\x0c\n\r\t");
        check(r#""\u00e9\u20AC""#, "é€".as_bytes());
        check(r#""\ud83d\ude00!""#, "😀!".as_bytes());
        check(r#""\ud83d\u0041""#, b"\xed\xa0\xbdA");
        check(r#""\ude00""#, b"\xed\xb8\x80");
    }

    #[test]
    fn what_is_not_json_is_refused_where_it_goes_wrong() {
        let check = |text: &[u8], at: usize| {
            let error = Document::read(text).map(|_| ()).unwrap_err();
            assert_eq!(error.at, at, "{} {error}", String::from_utf8_lossy(text));
        };
        check(b"", 0);
        check(b"  ", 2);
        check(b"nul", 0);
        check(b"{", 1);
        check(b"[1,]", 3);
        check(b"[1 2]", 3);
        check(b"[,1]", 1);
        check(b"{\"a\"}", 4);
        check(b"{\"a\":1,}", 7);
        check(b"{a:1}", 1);
        check(b"[1}", 2);
        check(b"1 1", 2);
        check(b"01", 1);
        check(b"+1", 0);
        check(b"1.", 2);
        check(b".5", 0);
        check(b"1e", 2);
        check(b"-", 1);
        check(b"NaN", 0);
        check(b"'a'", 0);
        check(b"\"a", 2);
        check(b"\"\n\"", 1);
        check(b"\"\\x\"", 2);
        check(b"\"\\u12g4\"", 2);
        check(b"\"\\u12", 2);
        check(b"\"a\xff\"", 2);
        check(b"[1]//", 3);
        check(b"]", 0);
        check(b"\x0c1", 0);
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert!(Document::read("\u{feff}[1]".as_bytes()).is_ok());
        assert!(Document::read("[1]\u{feff}".as_bytes()).is_err());
    }

    #[test]
    fn nesting_is_bounded_and_costs_no_stack() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Document::read(nested(MOST_DEPTH).as_bytes()).is_ok());
        let error = |text: &str| Document::read(text.as_bytes()).map(|_| ()).unwrap_err();
        let wanted = Unreadable { at: MOST_DEPTH, why: "values are nested too deeply" };
        assert_eq!(error(&nested(MOST_DEPTH + 1)), wanted);
        assert_eq!(error(&"[".repeat(1 << 20)), wanted);
        assert!(error(&"{\"a\":".repeat(1 << 18)).why.contains("deeply"));
    }
}
