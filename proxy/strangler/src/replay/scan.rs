//! Where things stand in a JSON text, so that one of them can be changed and every other byte stays.
//!
//! A text that is parsed and written again has other number lexemes and another spacing: differences of its
//! own. Refuses texts that are not JSON and those nested deeper than anybody means.

use std::ops::Range;

/// No deeper.
const DEPTH_MAX: usize = 128;

/// Bytes of a JSON text, by what stands there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sites {
    /// What to cut out to drop one member of an object.
    pub(super) members: Vec<Range<usize>>,
    /// Strings, numbers, booleans and nulls that are values.
    pub(super) scalars: Vec<(Range<usize>, Scalar)>,
    /// Two neighbouring elements of an array that are not written the same.
    pub(super) neighbours: Vec<(Range<usize>, Range<usize>)>,
}

/// What a scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Text,
    Number,
    Boolean,
    Null,
}

/// Finds everything; `None` for what is not JSON.
pub(super) fn scan(text: &[u8]) -> Option<Sites> {
    // What follows relies on the text being valid, and keeps to its bounds all the same.
    serde_json::from_slice::<serde::de::IgnoredAny>(text).ok()?;
    let mut scanner = Scanner { text, at: 0, sites: Sites::default() };
    scanner.value(0)?;
    Some(scanner.sites)
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    sites: Sites,
}

impl Scanner<'_> {
    fn value(&mut self, depth: usize) -> Option<Range<usize>> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.blank();
        let start = self.at;
        let scalar = match self.peek()? {
            b'{' => {
                self.object(depth)?;
                None
            }
            b'[' => {
                self.array(depth)?;
                None
            }
            b'"' => {
                self.string()?;
                Some(Scalar::Text)
            }
            first => {
                self.word();
                Some(match first {
                    b't' | b'f' => Scalar::Boolean,
                    b'n' => Scalar::Null,
                    _ => Scalar::Number,
                })
            }
        };
        let range = start..self.at;
        if let Some(scalar) = scalar {
            self.sites.scalars.push((range.clone(), scalar));
        }
        Some(range)
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        let mut members: Vec<Range<usize>> = Vec::new();
        self.at += 1;
        loop {
            self.blank();
            match self.peek()? {
                b'}' => break,
                b',' => {
                    self.at += 1;
                    continue;
                }
                _ => {}
            }
            let start = self.at;
            self.string()?;
            self.blank();
            self.at += 1;
            let value = self.value(depth + 1)?;
            members.push(start..value.end);
        }
        self.at += 1;
        for (index, member) in members.iter().enumerate() {
            let next = members.get(index + 1).map(|next| member.start..next.start);
            let before = index.checked_sub(1).and_then(|before| members.get(before));
            let last = || before.map_or(member.clone(), |before| before.end..member.end);
            self.sites.members.push(next.unwrap_or_else(last));
        }
        Some(())
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        let mut before: Option<Range<usize>> = None;
        self.at += 1;
        loop {
            self.blank();
            match self.peek()? {
                b']' => break,
                b',' => {
                    self.at += 1;
                    continue;
                }
                _ => {}
            }
            let element = self.value(depth + 1)?;
            if let Some(before) = before.replace(element.clone())
                && self.text.get(before.clone()) != self.text.get(element.clone())
            {
                self.sites.neighbours.push((before, element));
            }
        }
        self.at += 1;
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(())
    }

    fn word(&mut self) {
        while self
            .peek()
            .is_some_and(|byte| !matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t'))
        {
            self.at += 1;
        }
    }

    fn blank(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, range: &Range<usize>) -> String {
        format!("{}{}", &text[..range.start], &text[range.end..])
    }

    #[test]
    fn every_member_can_be_cut_out_and_leaves_json() {
        let text = r#"{ "a": 1.50, "b" : {"c": [true, {"d\"}": null}]}, "e": "x,y" }"#;
        let sites = scan(text.as_bytes()).unwrap();
        let left: Vec<String> = sites.members.iter().map(|range| cut(text, range)).collect();
        assert_eq!(
            left,
            [
                r#"{ "a": 1.50, "b" : {"c": [true, {}]}, "e": "x,y" }"#,
                r#"{ "a": 1.50, "b" : {}, "e": "x,y" }"#,
                r#"{ "b" : {"c": [true, {"d\"}": null}]}, "e": "x,y" }"#,
                r#"{ "a": 1.50, "e": "x,y" }"#,
                r#"{ "a": 1.50, "b" : {"c": [true, {"d\"}": null}]} }"#,
            ]
        );
    }

    #[test]
    fn scalars_are_found_as_they_are_written() {
        let text = r#"[1.50, "1", -2e5, false, null, {"a": "b"}]"#;
        let sites = scan(text.as_bytes()).unwrap();
        let found: Vec<(&str, Scalar)> =
            sites.scalars.iter().map(|(range, scalar)| (&text[range.clone()], *scalar)).collect();
        assert_eq!(
            found,
            [
                ("1.50", Scalar::Number),
                ("\"1\"", Scalar::Text),
                ("-2e5", Scalar::Number),
                ("false", Scalar::Boolean),
                ("null", Scalar::Null),
                ("\"b\"", Scalar::Text),
            ]
        );
    }

    #[test]
    fn equal_neighbours_cannot_change_places() {
        let sites = scan(b"[1, 1, 2]").unwrap();
        assert_eq!(sites.neighbours, [(4..5, 7..8)]);
    }

    #[test]
    fn what_is_not_json_has_no_sites() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for text in ["", "<html>", "{\"a\":", "[1,]", "{} {}", &deep] {
            assert_eq!(scan(text.as_bytes()), None, "{text}");
        }
    }
}
