//! From a path to its template: elements that are ids, dates, codes become names in braces.

use crate::matching::Pattern;
use std::borrow::Cow;

use crate::matching::path::elements;
use crate::matching::pattern::Element;
use crate::redact::{Pseudonyms, Redactor, is_plain_path};

/// Longer paths are told by their beginning.
const ELEMENTS_MAX: usize = 16;

/// Longer elements are texts, not names.
const ELEMENT_BYTES_MAX: usize = 40;

/// What stands for the rest of a path.
pub(super) const REST: &str = "{…}";

/// The elements of a path's template.
pub(super) fn of(path: &str, pattern: Option<&Pattern>) -> Vec<String> {
    let blank = Pseudonyms::Blank;
    let redactor = Redactor::new(&blank, &[], pattern);
    let mut out = Vec::new();
    // Secrets are replaced within elements, never across them.
    let redacted = if is_plain_path(path) { Cow::Borrowed(path) } else { Cow::Owned(redactor.path(path)) };
    let mut kept = redacted.split('/').skip(usize::from(redacted.starts_with('/')));
    let named = pattern.filter(|_| elements(path).is_some()).map(Pattern::elements).unwrap_or_default();
    for index in 0.. {
        let Some(element) = kept.next() else { break };
        if index == ELEMENTS_MAX {
            out.push(REST.to_owned());
            break;
        }
        out.push(match named.get(index) {
            Some(Element::Param { name, .. }) => format!("{{{name}}}"),
            Some(Element::Literal(literal)) => literal.to_string(),
            None => learned(element),
        });
    }
    out
}

/// An element that no pattern speaks of.
fn learned(element: &str) -> String {
    let bare = element.split(';').next().unwrap_or_default();
    let kind = if let Some(class) = bare.strip_prefix("redacted-") {
        class.split('@').next().unwrap_or(class)
    } else if is_uuid(bare) {
        "uuid"
    } else if is_date(bare) {
        "date"
    } else if is_id(bare) {
        "id"
    } else if bare.len() > ELEMENT_BYTES_MAX || !bare.is_ascii() || bare.contains(['%', '{', '}']) {
        "text"
    } else {
        return bare.to_owned();
    };
    format!("{{{kind}}}")
}

/// A number, or letters with a number after them such as `ORD-2024-0017`, or long hexadecimal digits.
fn is_id(element: &str) -> bool {
    let digits = element.bytes().filter(u8::is_ascii_digit).count();
    let is_plain = element.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let is_number = digits > 0 && digits == element.len();
    let is_hex = element.len() >= 8 && digits > 0 && element.bytes().all(|b| b.is_ascii_hexdigit());
    is_number || is_hex || (is_plain && digits >= 3 && digits * 2 >= element.len())
}

fn is_uuid(element: &str) -> bool {
    element.len() == 36
        && element
            .bytes()
            .enumerate()
            .all(|(at, b)| if matches!(at, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}

fn is_date(element: &str) -> bool {
    element.len() == 10 && element.parse::<jiff::civil::Date>().is_ok()
}
