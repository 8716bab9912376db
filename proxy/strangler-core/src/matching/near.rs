//! Near misses: unmatched requests that are one spelling away from a route.
//!
//! Owns the loosened form in which both are compared, the second table, and what the difference is. Refuses
//! consequences: whether such a request may pass is decided in [`crate::routing`].

use std::borrow::Cow;

use super::index::{Index, Item};
use super::path::{self, PathRules, Seen};
use super::pattern::{Element, Pattern};
use super::request::Reading;

/// How a near miss is spelt differently; the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpellingDifference {
    /// `/payments/` for `/payments`, or the other way round.
    TrailingSlash,
    /// `//payments`.
    DoubleSlash,
    /// `/Payments`.
    Case,
    /// `/payments;x=1`.
    Matrix,
    /// `/payments.json`.
    Extension,
    /// More than one of these.
    Several,
}

impl SpellingDifference {
    /// What differs, as the object of a sentence.
    pub const fn as_str(self) -> &'static str {
        match self {
            SpellingDifference::TrailingSlash => "a trailing slash",
            SpellingDifference::DoubleSlash => "a double slash",
            SpellingDifference::Case => "upper and lower case",
            SpellingDifference::Matrix => "a ; parameter",
            SpellingDifference::Extension => "a file extension",
            SpellingDifference::Several => "several spellings",
        }
    }
}

/// Which differences are overlooked.
#[derive(Clone, Copy, Debug, Default)]
struct Overlook {
    trailing_slash: bool,
    double_slash: bool,
    case: bool,
    matrix: bool,
    extension: bool,
}

impl Overlook {
    const ALL: Overlook =
        Overlook { trailing_slash: true, double_slash: true, case: true, matrix: true, extension: true };

    const SINGLE: [(Overlook, SpellingDifference); 5] = {
        let none = Overlook {
            trailing_slash: false,
            double_slash: false,
            case: false,
            matrix: false,
            extension: false,
        };
        [
            (Overlook { trailing_slash: true, ..none }, SpellingDifference::TrailingSlash),
            (Overlook { double_slash: true, ..none }, SpellingDifference::DoubleSlash),
            (Overlook { case: true, ..none }, SpellingDifference::Case),
            (Overlook { matrix: true, ..none }, SpellingDifference::Matrix),
            (Overlook { extension: true, ..none }, SpellingDifference::Extension),
        ]
    };

    fn rules(self) -> PathRules {
        PathRules { trailing_slash_same: false, case_insensitive: self.case, matrix_ignored: self.matrix }
    }

    /// A normal path without what is overlooked; empty where no element is left.
    fn loosen_path(self, normal: &str) -> String {
        let loosened = path::loosened(normal, self.rules());
        let mut elements: Vec<&str> = path::elements(&loosened).into_iter().flatten().collect();
        self.drop_empty(&mut elements, |element| element.is_empty());
        if self.extension
            && let Some(last) = elements.last_mut()
        {
            *last = without_extension(last);
        }
        elements.into_iter().flat_map(|element| ["/", element]).collect()
    }

    /// A pattern without what is overlooked, read by no further rules. Its extension is kept: `/report.csv` is
    /// not `/report.json`.
    fn loosen_pattern(self, pattern: &Pattern) -> Cow<'_, Pattern> {
        let is_empty = |element: &Element| matches!(element, Element::Literal(text) if text.is_empty());
        let is_loose = |element: &Element| match element {
            Element::Literal(text) => matches!(path::loosened(text, self.rules()), Cow::Borrowed(_)),
            Element::Param { .. } => true,
        };
        let elements = pattern.elements();
        if pattern.rules == PathRules::default()
            && elements.iter().all(|element| is_loose(element) && !is_empty(element))
        {
            return Cow::Borrowed(pattern);
        }
        let mut elements = elements.to_vec();
        for element in &mut elements {
            if let Element::Literal(text) = element {
                *text = path::loosened(text, self.rules()).into();
            }
        }
        self.drop_empty(&mut elements, is_empty);
        Cow::Owned(pattern.with_elements(elements))
    }

    /// Drops empty elements: the last is a trailing slash, every other one a double slash.
    fn drop_empty<T>(self, elements: &mut Vec<T>, is_empty: impl Fn(&T) -> bool) {
        let last = elements.len().saturating_sub(1);
        let mut at = 0;
        elements.retain(|element| {
            let overlooked = if at == last { self.trailing_slash } else { self.double_slash };
            at += 1;
            !(is_empty(element) && overlooked)
        });
        // "/a//" less its inner slash is "/a/", which may end in a slash of its own.
        if self.trailing_slash && self.double_slash {
            while elements.last().is_some_and(&is_empty) {
                elements.pop();
            }
        }
    }
}

/// `payments` of `payments.json`; what has no stem or no alphanumeric extension is left alone.
fn without_extension(element: &str) -> &str {
    match element.rsplit_once('.') {
        Some((stem, extension))
            if !stem.is_empty()
                && !extension.is_empty()
                && extension.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            stem
        }
        _ => element,
    }
}

/// What distinguishes a path from a pattern that it nearly matches.
pub fn difference(pattern: &Pattern, normal: &str) -> SpellingDifference {
    let own = Overlook {
        trailing_slash: pattern.rules.trailing_slash_same,
        case: pattern.rules.case_insensitive,
        matrix: pattern.rules.matrix_ignored,
        ..Overlook::default()
    };
    Overlook::SINGLE
        .into_iter()
        .find(|(single, _)| {
            let overlook = Overlook {
                trailing_slash: own.trailing_slash || single.trailing_slash,
                double_slash: own.double_slash || single.double_slash,
                case: own.case || single.case,
                matrix: own.matrix || single.matrix,
                extension: single.extension,
            };
            overlook.loosen_pattern(pattern).matches_elements_of(&overlook.loosen_path(normal))
        })
        .map_or(SpellingDifference::Several, |(_, difference)| difference)
}

/// Whether a path matches a pattern but for its spelling.
pub fn resembles(pattern: &Pattern, normal: &str) -> bool {
    let loosened = Overlook::ALL.loosen_pattern(pattern);
    let with_extension = Overlook { extension: false, ..Overlook::ALL };
    loosened.matches_elements_of(&with_extension.loosen_path(normal))
        || loosened.matches_elements_of(&Overlook::ALL.loosen_path(normal))
}

/// Loosened patterns, looked up only for unmatched requests.
#[derive(Debug, Default)]
pub(super) struct NearIndex {
    /// `None`: every pattern is written in the loosened form, so that the index of the patterns themselves will
    /// do, and a path that is in that form too is near nothing.
    own: Option<Index>,
}

impl NearIndex {
    /// Compiles the loosened form of patterns.
    pub(super) fn build(items: &[Item<'_>]) -> NearIndex {
        let loosened: Vec<Cow<'_, Pattern>> =
            items.iter().map(|item| Overlook::ALL.loosen_pattern(item.pattern)).collect();
        if loosened.iter().all(|pattern| matches!(pattern, Cow::Borrowed(_))) {
            return NearIndex { own: None };
        }
        let items = items.iter().zip(&loosened);
        NearIndex { own: Some(Index::build(items.map(|(item, pattern)| Item { pattern, ..item.clone() }))) }
    }

    /// The pattern that an unmatched request nearly matches: first with its extension, then without. `written`
    /// is the index of the patterns as they are written.
    pub(super) fn find(&self, written: &Index, reading: &Reading<'_>) -> Option<u32> {
        if self.own.is_none() && !is_unusual(&reading.path) {
            return None;
        }
        let index = self.own.as_ref().unwrap_or(written);
        let path = Overlook { extension: false, ..Overlook::ALL }.loosen_path(&reading.path);
        index.find(&path, reading).or_else(|| {
            let shorter = Overlook::ALL.loosen_path(&reading.path);
            if shorter == path { None } else { index.find(&shorter, reading) }
        })
    }
}

/// Whether loosening may change a path.
fn is_unusual(path: &str) -> bool {
    let bytes = path.as_bytes();
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    let doubled = pairs.fold(false, |seen, (first, second)| seen | ((*first == b'/') & (*second == b'/')));
    doubled || path.ends_with('/') || Seen::in_path(path).is_unusual()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, path: &str, wanted: SpellingDifference) {
        let parsed = Pattern::parse(pattern, PathRules::default()).unwrap();
        assert!(!parsed.matches_path(path), "{path} does not match {pattern} as it is");
        assert_eq!(difference(&parsed, path), wanted, "{path} against {pattern}");
    }

    #[test]
    fn a_difference_in_spelling_is_named() {
        check("/payments", "/payments/", SpellingDifference::TrailingSlash);
        check("/payments/", "/payments", SpellingDifference::TrailingSlash);
        check("/payments", "//payments", SpellingDifference::DoubleSlash);
        check("/a//payments", "/a/payments", SpellingDifference::DoubleSlash);
        check("/payments", "/Payments", SpellingDifference::Case);
        check("/Payments/{id}", "/payments/7", SpellingDifference::Case);
        check("/payments", "/payments;x=1", SpellingDifference::Matrix);
        check("/payments", "/payments.json", SpellingDifference::Extension);
        check("/payments/{id:int}", "/payments/7.json", SpellingDifference::Extension);
        check("/payments/**", "/Payments/x/", SpellingDifference::Case);
        check("/payments", "//Payments", SpellingDifference::Several);
        check("/payments", "/payments//", SpellingDifference::Several);
        check("/payments", "/other", SpellingDifference::Several);
    }

    #[test]
    fn extensions_are_letters_and_digits_after_a_stem() {
        for (element, wanted) in [
            ("a.json", "a"),
            ("a.b.c", "a.b"),
            (".json", ".json"),
            ("a.", "a."),
            ("a.b-c", "a.b-c"),
            ("a", "a"),
        ] {
            assert_eq!(without_extension(element), wanted);
        }
    }
}
