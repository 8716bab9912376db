//! The normal form of a path, and what is too ambiguous to be routed.
//!
//! Owns splitting a target, the normal form in which elements are compared, looser forms for `paths` and
//! near misses, and the detection of spellings that two parsers may read differently. Refuses to change
//! what is forwarded: everything here is for comparing.

use std::borrow::Cow;

/// Why two parsers may read a path differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ambiguity {
    /// `%00`.
    Nul,
    /// `%` without two hexadecimal digits.
    InvalidEscape,
    /// `\` or `%5c`.
    Backslash,
    /// `.` or `..` as an element, in any spelling.
    DotSegment,
}

impl Ambiguity {
    /// What is in the path, as the object of a sentence.
    pub const fn as_str(self) -> &'static str {
        match self {
            Ambiguity::Nul => "an escaped NUL (%00)",
            Ambiguity::InvalidEscape => "an invalid percent escape",
            Ambiguity::Backslash => "a backslash",
            Ambiguity::DotSegment => "a dot segment",
        }
    }
}

impl std::fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a slice reads paths (`paths`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathRules {
    /// `trailing_slash = "same"`.
    pub trailing_slash_same: bool,
    /// `case = "insensitive"`.
    pub case_insensitive: bool,
    /// `matrix = "ignore"`.
    pub matrix_ignored: bool,
}

/// Splits an origin-form target into the path and what follows the first `?`.
pub fn split_target(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

/// The elements of a path without its leading `/`: `/a//b/` has `a`, nothing, `b` and nothing. `None` where
/// the path does not begin with `/`.
pub fn elements(path: &str) -> Option<std::str::Split<'_, char>> {
    path.strip_prefix('/').map(|rest| rest.split('/'))
}

/// Which bytes that need attention a path has. Most paths have none, and every request is looked at: one table
/// look-up for each byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen(u8);

impl Seen {
    const PERCENT: u8 = 1;
    const BACKSLASH: u8 = 2;
    const DOT: u8 = 4;
    const SEMICOLON: u8 = 8;
    const UPPER: u8 = 16;
    const NOT_ASCII: u8 = 32;

    /// What each byte is; at its index.
    #[expect(
        clippy::indexing_slicing,
        reason = "computed while compiling; a byte is an index of 256 classes"
    )]
    const CLASSES: [u8; 256] = {
        let mut classes = [0; 256];
        let mut byte = 0_u8;
        loop {
            let class = match byte {
                b'%' => Seen::PERCENT,
                b'\\' => Seen::BACKSLASH,
                b'.' => Seen::DOT,
                b';' => Seen::SEMICOLON,
                b'A'..=b'Z' => Seen::UPPER,
                0x80.. => Seen::NOT_ASCII,
                _ => 0,
            };
            classes[byte as usize] = class;
            if byte == u8::MAX {
                break classes;
            }
            byte += 1;
        }
    };

    pub(super) fn in_path(path: &str) -> Seen {
        let class = |byte: u8| Seen::CLASSES.get(usize::from(byte)).copied().unwrap_or_default();
        Seen(path.bytes().fold(0, |seen, byte| seen | class(byte)))
    }

    const fn any(self, of: u8) -> bool {
        self.0 & of != 0
    }

    /// Whether loosening may change a path with these bytes, slashes aside.
    pub(super) const fn is_unusual(self) -> bool {
        self.any(Seen::DOT | Seen::SEMICOLON | Seen::UPPER)
    }
}

/// The first thing in a path that two parsers may read differently.
pub fn ambiguity(path: &str) -> Option<Ambiguity> {
    ambiguity_seen(path, Seen::in_path(path))
}

/// [`ambiguity`] of a path with these bytes.
pub(super) fn ambiguity_seen(path: &str, seen: Seen) -> Option<Ambiguity> {
    if !seen.any(Seen::PERCENT | Seen::BACKSLASH | Seen::DOT) {
        return None;
    }
    if seen.any(Seen::PERCENT)
        && let Some(found) = bad_escape(path)
    {
        return Some(found);
    }
    if seen.any(Seen::BACKSLASH) {
        return Some(Ambiguity::Backslash);
    }
    has_dot_segment(path.as_bytes()).then_some(Ambiguity::DotSegment)
}

/// The first escape that is invalid, NUL or a backslash.
fn bad_escape(path: &str) -> Option<Ambiguity> {
    path.split('%').skip(1).find_map(|after| match escaped_byte(after.as_bytes()) {
        None => Some(Ambiguity::InvalidEscape),
        Some(0) => Some(Ambiguity::Nul),
        Some(b'\\') => Some(Ambiguity::Backslash),
        Some(_) => None,
    })
}

/// Whether `.` or `..` stands between separators, where `/` and `%2f` separate, dots may be escaped, and
/// `;` or `%3b` ends what a parser that knows path parameters would compare.
fn has_dot_segment(path: &[u8]) -> bool {
    let mut rest = path;
    loop {
        let (dots, after) = leading_dots(rest);
        if (1..=2).contains(&dots) && ends_segment(after) {
            return true;
        }
        match after_separator(after) {
            Some(next) => rest = next,
            None => return false,
        }
    }
}

/// Number of leading dots, escaped or not, and what follows them.
fn leading_dots(mut rest: &[u8]) -> (usize, &[u8]) {
    let mut dots = 0;
    loop {
        rest = match rest {
            [b'.', after @ ..] | [b'%', b'2', b'e' | b'E', after @ ..] => after,
            _ => return (dots, rest),
        };
        dots += 1;
    }
}

/// Whether a segment can be read as ending here.
fn ends_segment(rest: &[u8]) -> bool {
    matches!(rest, [] | [b'/' | b';', ..] | [b'%', b'2', b'f' | b'F', ..] | [b'%', b'3', b'b' | b'B', ..])
}

/// What follows the next `/` or `%2f`.
fn after_separator(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'/', after @ ..] | [b'%', b'2', b'f' | b'F', after @ ..] => return Some(after),
            [_, after @ ..] => after,
        };
    }
}

/// The byte that two leading hexadecimal digits stand for.
fn escaped_byte(digits: &[u8]) -> Option<u8> {
    match digits {
        [high, low, ..] => Some((hex_value(*high)? << 4) | hex_value(*low)?),
        _ => None,
    }
}

/// The value of one hexadecimal digit.
const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Unreserved characters (RFC 3986 section 2.3): an escape of one means the character itself.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Appends `%XX`.
fn push_escape(to: &mut String, byte: u8) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    to.push('%');
    for nibble in [byte >> 4, byte & 15] {
        to.push(DIGITS.get(usize::from(nibble)).copied().unwrap_or('0'));
    }
}

/// The form in which paths are compared: escapes of unreserved characters decoded, other escapes in upper
/// case, bytes outside ASCII escaped; a path with an invalid escape keeps all of its escapes. The normal form of a
/// normal form is itself. Never joins or splits elements, since `%2F` stays. Borrows where the
/// path has neither `%` nor a byte outside ASCII.
pub fn normal(path: &str) -> Cow<'_, str> {
    normal_seen(path, Seen::in_path(path))
}

/// [`normal`] of a path with these bytes.
pub(super) fn normal_seen(path: &str, seen: Seen) -> Cow<'_, str> {
    if !seen.any(Seen::PERCENT | Seen::NOT_ASCII) {
        return Cow::Borrowed(path);
    }
    // Beside an invalid escape nothing is decoded: `%%34%31` would become `%41`, and then `A`.
    let decodes = path.split('%').skip(1).all(|after| escaped_byte(after.as_bytes()).is_some());
    let mut to = String::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, escaped_byte(after)) {
            (b'%', Some(escaped)) if decodes => {
                if is_unreserved(escaped) {
                    to.push(char::from(escaped));
                } else {
                    push_escape(&mut to, escaped);
                }
                rest = after.get(2..).unwrap_or_default();
            }
            (0x80.., _) => push_escape(&mut to, *byte),
            _ => to.push(char::from(*byte)),
        }
    }
    Cow::Owned(to)
}

/// A normal path as `rules` compare it: in lower case where case does not matter, without `;` parameters where
/// they do not. The trailing slash is left alone.
pub fn loosened(normal: &str, rules: PathRules) -> Cow<'_, str> {
    if !(rules.matrix_ignored || rules.case_insensitive) {
        return Cow::Borrowed(normal);
    }
    let seen = Seen::in_path(normal);
    let matrix = rules.matrix_ignored && seen.any(Seen::SEMICOLON);
    let case = rules.case_insensitive && seen.any(Seen::UPPER);
    let mut path = Cow::Borrowed(normal);
    if matrix {
        let kept: Vec<&str> = normal.split('/').map(without_matrix).collect();
        path = Cow::Owned(kept.join("/"));
    }
    if case {
        path.to_mut().make_ascii_lowercase();
    }
    path
}

/// An element without its `;` parameters.
pub fn without_matrix(element: &str) -> &str {
    element.split_once(';').map_or(element, |(before, _)| before)
}

/// Decodes every valid escape; bytes that are not UTF-8 become U+FFFD. Borrows where there is no `%`.
pub fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, escaped_byte(after)) {
            (b'%', Some(escaped)) => {
                bytes.push(escaped);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => bytes.push(*byte),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Escapes what cannot stand in a name or value of a query.
pub(crate) fn query_encoded(text: &str) -> String {
    let mut to = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_unreserved(byte) { to.push(char::from(byte)) } else { push_escape(&mut to, byte) }
    }
    to
}

/// The first invalid escape: its byte offset.
pub(super) fn invalid_escape(text: &str) -> Option<usize> {
    text.match_indices('%')
        .map(|(at, _)| at)
        .find(|at| escaped_byte(text.as_bytes().get(at + 1..).unwrap_or_default()).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_ambiguous_path_is_recognised() {
        let table: &[(&str, Option<Ambiguity>)] = &[
            ("/", None),
            ("/a/b", None),
            ("//a", None),
            ("/a%2Fb", None),
            ("/a.b/..c/c../.well-known/...", None),
            ("/a;x=../b", None),
            ("/a%252e%252e/b", None),
            ("/a%2f", None),
            ("/%00", Some(Ambiguity::Nul)),
            ("/a%00.png", Some(Ambiguity::Nul)),
            ("/a%", Some(Ambiguity::InvalidEscape)),
            ("/a%2", Some(Ambiguity::InvalidEscape)),
            ("/a%zz", Some(Ambiguity::InvalidEscape)),
            ("/a%é", Some(Ambiguity::InvalidEscape)),
            ("/a\\b", Some(Ambiguity::Backslash)),
            ("/a%5cb", Some(Ambiguity::Backslash)),
            ("/a%5Cb", Some(Ambiguity::Backslash)),
            ("/..\\..", Some(Ambiguity::Backslash)),
            ("/..", Some(Ambiguity::DotSegment)),
            ("/.", Some(Ambiguity::DotSegment)),
            ("/./a", Some(Ambiguity::DotSegment)),
            ("/a/../b", Some(Ambiguity::DotSegment)),
            ("/a/..;/b", Some(Ambiguity::DotSegment)),
            ("/a/..;x=1", Some(Ambiguity::DotSegment)),
            ("/a/..%3bx=1", Some(Ambiguity::DotSegment)),
            ("/a/.;x/b", Some(Ambiguity::DotSegment)),
            ("/%2e%2e/b", Some(Ambiguity::DotSegment)),
            ("/%2E./b", Some(Ambiguity::DotSegment)),
            ("/.%2e", Some(Ambiguity::DotSegment)),
            ("/%2e", Some(Ambiguity::DotSegment)),
            ("/..%2fb", Some(Ambiguity::DotSegment)),
            ("/a%2f..", Some(Ambiguity::DotSegment)),
            ("/a%2F%2e%2E%2fb", Some(Ambiguity::DotSegment)),
        ];
        for (path, wanted) in table {
            assert_eq!(ambiguity(path), *wanted, "{path}");
        }
    }

    #[test]
    fn the_normal_form_decodes_only_unreserved_characters() {
        let table = [
            ("/a/b", "/a/b"),
            ("/%61%2d%2E%5f%7e%30", "/a-._~0"),
            ("/a%2fb", "/a%2Fb"),
            ("/%c3%a9", "/%C3%A9"),
            ("/é", "/%C3%A9"),
            ("/a%3bb", "/a%3Bb"),
            ("/a@b", "/a@b"),
            ("/a%40b", "/a%40b"),
            ("/%zz%", "/%zz%"),
            ("/%%34%31", "/%%34%31"),
            ("/%2561", "/%2561"),
        ];
        for (path, wanted) in table {
            assert_eq!(normal(path), wanted, "{path}");
            assert_eq!(normal(&normal(path)), wanted, "normal twice: {path}");
        }
        assert!(matches!(normal("/plain/ascii;x=1"), Cow::Borrowed(_)), "an ordinary path is not copied");
    }

    #[test]
    fn loosening_follows_the_rules_given() {
        let rules = |case_insensitive, matrix_ignored| PathRules {
            case_insensitive,
            matrix_ignored,
            ..PathRules::default()
        };
        assert_eq!(loosened("/A;x=1/B;y", rules(false, false)), "/A;x=1/B;y");
        assert_eq!(loosened("/A;x=1/B;y", rules(true, false)), "/a;x=1/b;y");
        assert_eq!(loosened("/A;x=1/B;y", rules(false, true)), "/A/B");
        assert_eq!(loosened("/A;x=1/B;y", rules(true, true)), "/a/b");
        assert_eq!(loosened("/;x", rules(false, true)), "/");
    }

    #[test]
    fn a_target_is_split_at_the_first_question_mark() {
        assert_eq!(split_target("/a?b?c"), ("/a", Some("b?c")));
        assert_eq!(split_target("/a?"), ("/a", Some("")));
        assert_eq!(split_target("/a"), ("/a", None));
    }

    #[test]
    fn percent_decoding_keeps_what_is_not_an_escape() {
        assert_eq!(percent_decoded("a%20b+c%2"), "a b+c%2");
        assert_eq!(percent_decoded("%C3%A9"), "é");
        assert_eq!(percent_decoded("%ff"), "\u{fffd}");
    }

    proptest::proptest! {
        #[test]
        fn no_path_panics_and_the_normal_form_is_stable(path in "(/|[a-zA-Z.;%é\\\\ ]|%[0-9a-fA-F]{2}|.){0,24}") {
            let once = normal(&path).into_owned();
            assert_eq!(normal(&once), once.as_str(), "{path:?}");
            assert_eq!(once.matches('/').count(), path.matches('/').count(), "elements stay apart: {path:?}");
            let loosest =
                PathRules { trailing_slash_same: true, case_insensitive: true, matrix_ignored: true };
            let loosened_once = loosened(&once, loosest).into_owned();
            assert_eq!(loosened(&loosened_once, loosest), loosened_once.as_str(), "{path:?}");
            // What is decoded for comparing never hides what makes a path ambiguous.
            assert_eq!(ambiguity(&path).is_some(), ambiguity(&once).is_some(), "{path:?}");
        }
    }
}
