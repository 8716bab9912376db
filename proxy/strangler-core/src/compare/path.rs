//! Where in a response a difference is.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::config::response_path;
use crate::snapshot::compare::Select;

/// Where in a response a difference is. Shown as `status`, `transport`, `header:x-runtime`, `cookie:session`,
/// `$.items[3].price`; what is shown is read again by [`str::parse`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Path {
    /// The exchange itself.
    Transport,
    /// The status code.
    Status,
    /// A header; the name in lower case.
    Header(Box<str>),
    /// A cookie that is set, by its name.
    Cookie(Box<str>),
    /// In the body; empty: the body as a whole.
    Body(Vec<Element>),
}

/// One step of a path into a JSON body.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Element {
    /// The member of this name.
    Name(Box<str>),
    /// The element of this index, from 0: in the left array, or in the right one where only that has it.
    Index(u32),
    /// Some element or member, no matter which.
    Each,
}

impl Path {
    /// The body as a whole: `$`.
    pub const BODY: Path = Path::Body(Vec::new());

    /// The path with `[*]` for every index, and for every member's name that is a number, a UUID or a hash:
    /// such an object is a map, and its keys are values.
    #[must_use]
    pub fn general(&self) -> Path {
        let general = |element: &Element| match element {
            Element::Name(name) if !is_key_of_map(name) => element.clone(),
            _ => Element::Each,
        };
        match self {
            Path::Body(elements) => Path::Body(elements.iter().map(general).collect()),
            other => other.clone(),
        }
    }
}

/// The longest name that a path shows, in bytes.
const MOST_NAME_BYTES: usize = 120;

/// A member's name as a path shows it: as text that no terminal obeys, and a long one as its beginning and a hash
/// of the whole.
pub(super) fn name_of(key: &[u8]) -> Cow<'_, str> {
    if key.len() <= MOST_NAME_BYTES {
        return one_line(harmless(String::from_utf8_lossy(key)));
    }
    let head = one_line(harmless(String::from_utf8_lossy(key.get(..MOST_NAME_BYTES).unwrap_or(key))));
    Cow::Owned(format!("{head}…{:016x}", xxhash_rust::xxh3::xxh3_64(key)))
}

fn one_line(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(['\n', '\t']) { Cow::Owned(text.replace(['\n', '\t'], "\u{fffd}")) } else { text }
}

/// A text without characters that make a terminal do something or turn the direction of writing; line ends and tabs
/// stay.
pub(super) fn harmless(text: Cow<'_, str>) -> Cow<'_, str> {
    let obeyed = |c: char| {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        turns || (c.is_control() && c != '\n' && c != '\t')
    };
    if text.contains(obeyed) { Cow::Owned(text.replace(obeyed, "\u{fffd}")) } else { text }
}

/// Whether a member's name is an id rather than a name.
pub(super) fn is_key_of_map(name: &str) -> bool {
    let hexadecimal = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let digits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    let uuid = name.len() == 36
        && name
            .bytes()
            .enumerate()
            .all(|(at, b)| if matches!(at, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() });
    let hash = name.len() >= 16 && hexadecimal(name) && name.bytes().any(|b| b.is_ascii_digit());
    digits || uuid || hash
}

/// Whether a name needs no quotes in a path.
fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '@' | '$'))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Transport => f.write_str("transport"),
            Path::Status => f.write_str("status"),
            Path::Header(name) => write!(f, "header:{name}"),
            Path::Cookie(name) => write!(f, "cookie:{name}"),
            Path::Body(elements) => {
                f.write_str("$")?;
                elements.iter().try_for_each(|element| fmt::Display::fmt(element, f))
            }
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Name(name) if is_bare(name) => write!(f, ".{name}"),
            Element::Name(name) => write!(f, "['{}']", name.replace('\\', "\\\\").replace('\'', "\\'")),
            Element::Index(index) => write!(f, "[{index}]"),
            Element::Each => f.write_str("[*]"),
        }
    }
}

/// This text is not a path of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a path of a difference: {0}")]
pub struct BadPath(&'static str);

impl FromStr for Path {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<Self, BadPath> {
        match text.split_once(':') {
            _ if text == "status" => return Ok(Path::Status),
            _ if text == "transport" => return Ok(Path::Transport),
            Some(("header", name)) => return Ok(Path::Header(name.into())),
            Some(("cookie", name)) => return Ok(Path::Cookie(name.into())),
            _ => {}
        }
        let path = response_path::body_of(text, usize::MAX).map_err(BadPath)?;
        let element = |step: crate::snapshot::compare::Step| match (step.descendant, step.select) {
            (true, _) => Err(BadPath("`..` names many")),
            (false, Select::Name(name)) => Ok(Element::Name(name.into())),
            (false, Select::Index(index)) => Ok(Element::Index(index)),
            (false, Select::Any) => Ok(Element::Each),
        };
        path.steps.into_iter().map(element).collect::<Result<_, _>>().map(Path::Body)
    }
}

#[cfg(test)]
mod tests {
    use super::{Element, Path};

    #[test]
    fn a_path_is_shown_and_read_again() {
        let check = |path: Path, shown: &str, general: &str| {
            assert_eq!(path.to_string(), shown);
            assert_eq!(shown.parse(), Ok(path.clone()));
            assert_eq!(path.general().to_string(), general);
            assert_eq!(general.parse(), Ok(path.general()));
        };
        let body = |elements: &[Element]| Path::Body(elements.to_vec());
        let name = |name: &str| Element::Name(name.into());
        check(Path::Status, "status", "status");
        check(Path::Transport, "transport", "transport");
        check(Path::Header("x-a".into()), "header:x-a", "header:x-a");
        check(Path::Cookie("a.b".into()), "cookie:a.b", "cookie:a.b");
        check(Path::BODY, "$", "$");
        check(body(&[name("items"), Element::Index(3), name("é_1")]), "$.items[3].é_1", "$.items[*].é_1");
        check(body(&[name("a b"), name("it's\\")]), "$['a b']['it\\'s\\\\']", "$['a b']['it\\'s\\\\']");
        check(body(&[name(""), Element::Each]), "$[''][*]", "$[''][*]");
        check(body(&[name("17"), name("a17")]), "$.17.a17", "$[*].a17");
        check(
            body(&[name("0190b5a4-6f2e-7c3a-9d7e-0123456789ab")]),
            "$.0190b5a4-6f2e-7c3a-9d7e-0123456789ab",
            "$[*]",
        );
        check(body(&[name("d41d8cd98f00b204")]), "$.d41d8cd98f00b204", "$[*]");
        check(body(&[name("defaceddefaceded")]), "$.defaceddefaceded", "$.defaceddefaceded");
        check(
            Path::Body(vec![name("a"); 300]),
            &format!("${}", ".a".repeat(300)),
            &format!("${}", ".a".repeat(300)),
        );
    }

    #[test]
    fn no_name_makes_a_terminal_do_anything() {
        let check = |key: &[u8], name: &str| assert_eq!(super::name_of(key), name);
        check(b"plain", "plain");
        check(b"\x1b[31mred\x07", "\u{fffd}[31mred\u{fffd}");
        check("\u{9b}31m\u{202e}".as_bytes(), "\u{fffd}31m\u{fffd}");
        check(b"a\nb", "a\u{fffd}b");
        check(b"\xff", "\u{fffd}");
    }

    #[test]
    fn what_names_many_places_is_no_path_of_a_difference() {
        for text in ["", "x", "$..a", "$.", "$[", "body"] {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
    }
}
