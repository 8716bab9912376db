//! The match text of a route: `[METHOD[,METHOD…]] [HOST]/PATH`.
//!
//! Owns its parsed form, whether one path matches it, and the elements it names. Refuses precedence (see
//! [`super::specificity`]) and lookup among many (see `index`).

mod parse;

use super::path::{self, PathRules};

/// A parsed match text.
///
/// ```
/// use strangler_core::matching::{Pattern, path::PathRules};
///
/// let pattern = Pattern::parse("GET shop.example/orders/{id:int}", PathRules::default())?;
/// assert!(pattern.matches_path("/orders/7"));
/// assert_eq!(pattern.param("/orders/7", "id"), Some("7"));
/// # Ok::<(), strangler_core::matching::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// As written.
    pub text: String,
    /// How its slice reads paths.
    pub rules: PathRules,
    methods: Methods,
    host: HostPattern,
    elements: Vec<Element>,
    tail: bool,
}

/// The methods of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Methods {
    /// None was named: any.
    Any,
    /// These, each once, as written; never empty.
    Named(Box<[Box<str>]>),
}

impl Methods {
    /// Whether `method` is named; never where any method is meant.
    pub fn names(&self, method: &str) -> bool {
        match self {
            Methods::Any => false,
            Methods::Named(named) => named.iter().any(|name| **name == *method),
        }
    }

    /// As it would be written; empty: any.
    pub fn as_text(&self) -> String {
        match self {
            Methods::Any => String::new(),
            Methods::Named(named) => named.join(","),
        }
    }

    /// Whether a method is named at all.
    pub const fn is_named(&self) -> bool {
        matches!(self, Methods::Named(_))
    }
}

/// The host of a pattern, in normal form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// None was written: any.
    Any,
    /// `*.SUFFIX`: one or more labels before the suffix kept here.
    Wildcard(Box<str>),
    /// This host.
    Exact(Box<str>),
}

impl HostPattern {
    /// Whether a host in normal form matches.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            HostPattern::Any => true,
            HostPattern::Exact(exact) => **exact == *host,
            HostPattern::Wildcard(suffix) => {
                host.strip_suffix(&**suffix).is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
            }
        }
    }

    /// As it would be written.
    pub fn as_text(&self) -> String {
        match self {
            HostPattern::Any => String::new(),
            HostPattern::Exact(exact) => exact.to_string(),
            HostPattern::Wildcard(suffix) => format!("*.{suffix}"),
        }
    }
}

/// One path element of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// Exactly this, in the normal form its rules compare; may be empty, as in `//`.
    Literal(Box<str>),
    /// `{name}` or `{name:kind}`.
    Param {
        /// Its name, unique in the pattern.
        name: Box<str>,
        /// What it takes.
        kind: ParamKind,
    },
}

/// What a `{name}` takes; never an empty element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParamKind {
    /// Any element.
    Any,
    /// ASCII digits.
    Int,
    /// 8-4-4-4-12 hexadecimal digits of either case.
    Uuid,
}

impl ParamKind {
    /// Whether an element is of this kind.
    pub fn takes(self, element: &str) -> bool {
        match self {
            ParamKind::Any => !element.is_empty(),
            ParamKind::Int => is_int(element),
            ParamKind::Uuid => is_uuid(element),
        }
    }
}

/// One or more ASCII digits.
pub(super) fn is_int(element: &str) -> bool {
    !element.is_empty() && element.bytes().all(|byte| byte.is_ascii_digit())
}

/// A UUID in its usual form (RFC 9562 section 4), hexadecimal digits of either case.
pub(super) fn is_uuid(element: &str) -> bool {
    element.len() == 36
        && element.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Why a match text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PatternError {
    /// One sentence.
    pub message: String,
    /// Byte offsets into the match text of what is wrong.
    pub span: std::ops::Range<usize>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Pattern {
    /// Parses a match text.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn parse(text: &str, rules: PathRules) -> Result<Pattern, PatternError> {
        parse::parse(text, rules)
    }

    /// Its methods.
    pub const fn methods(&self) -> &Methods {
        &self.methods
    }

    /// Its host.
    pub const fn host(&self) -> &HostPattern {
        &self.host
    }

    /// Its path elements, without a last `**`. Under `trailing_slash = "same"` without a last empty one.
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// Whether it ends in `/**`.
    pub const fn has_tail(&self) -> bool {
        self.tail
    }

    /// Whether one slash may follow: under `trailing_slash = "same"`, unless the path ends in an empty element
    /// anyway (`/`, `/a//`).
    pub fn allows_extra_slash(&self) -> bool {
        self.rules.trailing_slash_same
            && !self
                .elements
                .last()
                .is_none_or(|last| matches!(last, Element::Literal(text) if text.is_empty()))
    }

    /// The names of its elements, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.elements.iter().filter_map(|element| match element {
            Element::Param { name, .. } => Some(&**name),
            Element::Literal(_) => None,
        })
    }

    /// The same pattern with other elements, compared as they are.
    pub(super) fn with_elements(&self, elements: Vec<Element>) -> Pattern {
        Pattern { rules: PathRules::default(), elements, ..self.clone() }
    }

    /// Whether a path in normal form matches, under the pattern's own rules.
    pub fn matches_path(&self, normal: &str) -> bool {
        normal.starts_with('/') && self.matches_elements_of(&path::loosened(normal, self.rules))
    }

    /// Whether the elements of a path match as they are; an empty path has none.
    pub(super) fn matches_elements_of(&self, path: &str) -> bool {
        let mut rest = path::elements(path).into_iter().flatten();
        for element in &self.elements {
            let Some(sent) = rest.next() else { return false };
            let taken = match element {
                Element::Literal(literal) => **literal == *sent,
                Element::Param { kind, .. } => kind.takes(sent),
            };
            if !taken {
                return false;
            }
        }
        match (rest.next(), rest.next()) {
            (None, _) => true,
            (Some(""), None) if self.allows_extra_slash() => true,
            _ => self.tail,
        }
    }

    /// The named elements of a matching path, each with its bytes as they stand in `path` (`;` parameters
    /// included). Meaningless where the path does not match.
    pub fn params<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let sent = path::elements(path).into_iter().flatten();
        self.elements.iter().zip(sent).filter_map(|(element, sent)| match element {
            Element::Param { name, .. } => Some((&**name, sent)),
            Element::Literal(_) => None,
        })
    }

    /// One named element of a matching path, with its bytes as they stand in `path`.
    pub fn param<'a>(&'a self, path: &'a str, name: &str) -> Option<&'a str> {
        self.params(path).find(|(candidate, _)| *candidate == name).map(|(_, sent)| sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::path::normal;

    const SAME: PathRules =
        PathRules { trailing_slash_same: true, case_insensitive: false, matrix_ignored: false };
    const INSENSITIVE: PathRules =
        PathRules { trailing_slash_same: false, case_insensitive: true, matrix_ignored: false };
    const MATRIX: PathRules =
        PathRules { trailing_slash_same: false, case_insensitive: false, matrix_ignored: true };

    fn check(pattern: &str, rules: PathRules, takes: &[&str], leaves: &[&str]) {
        let parsed = Pattern::parse(pattern, rules).unwrap();
        for path in takes {
            assert!(parsed.matches_path(&normal(path)), "{pattern} takes {path} under {rules:?}");
        }
        for path in leaves {
            assert!(!parsed.matches_path(&normal(path)), "{pattern} leaves {path} under {rules:?}");
        }
    }

    #[test]
    fn literals_are_compared_by_element_and_case() {
        check(
            "/a/b",
            PathRules::default(),
            &["/a/b"],
            &["/a/b/", "/a", "/A/b", "/a//b", "//a/b", "/a/b/c", "/a/bc"],
        );
        check("/", PathRules::default(), &["/"], &["//", "/a"]);
        check("//", PathRules::default(), &["//"], &["/", "///"]);
        check("/a//b", PathRules::default(), &["/a//b"], &["/a/b"]);
        check("/a/", PathRules::default(), &["/a/"], &["/a", "/a//"]);
    }

    #[test]
    fn escapes_and_utf8_are_one_spelling() {
        for pattern in ["/café", "/caf%C3%A9", "/caf%c3%a9", "/%63af%c3%A9"] {
            check(pattern, PathRules::default(), &["/café", "/caf%c3%a9", "/c%61f%C3%a9"], &["/cafe"]);
        }
        check("/a%2fb", PathRules::default(), &["/a%2Fb", "/%61%2fb"], &["/a/b"]);
        check("/{x}", PathRules::default(), &["/a%2Fb"], &["/a/b"]);
        check("/a/b", PathRules::default(), &[], &["/a%2Fb"]);
        check("/a@b", PathRules::default(), &["/a@b"], &["/a%40b"]);
    }

    #[test]
    fn a_name_takes_exactly_one_element_that_is_not_empty() {
        check(
            "/a/{id}",
            PathRules::default(),
            &["/a/1", "/a/x;y=1", "/a/%20"],
            &["/a", "/a/", "/a//", "/a/1/", "/a/1/2"],
        );
        check("/{a}/x", PathRules::default(), &["/1/x"], &["//x", "/x"]);
    }

    #[test]
    fn typed_names_take_only_their_kind() {
        check(
            "/a/{id:int}",
            PathRules::default(),
            &["/a/0", "/a/007", "/a/%30"],
            &["/a/-1", "/a/1x", "/a/", "/a/1;v=2", "/a/٣", "/a/+1"],
        );
        check(
            "/a/{id:uuid}",
            PathRules::default(),
            &["/a/123e4567-e89b-12d3-a456-426614174000", "/a/123E4567-E89B-12D3-A456-426614174000"],
            &["/a/123e4567e89b12d3a456426614174000", "/a/123e4567-e89b-12d3-a456-42661417400g", "/a/1"],
        );
    }

    #[test]
    fn a_tail_takes_the_prefix_itself_and_everything_below() {
        check(
            "/a/**",
            PathRules::default(),
            &["/a", "/a/", "/a/b", "/a/b/c/", "/a//"],
            &["/ab", "/", "/A", "/a;x"],
        );
        check("/**", PathRules::default(), &["/", "/a", "//", "/a/b/c"], &[]);
        check("/{id:int}/**", PathRules::default(), &["/1", "/1/", "/1/b"], &["/x/b", "//b"]);
    }

    #[test]
    fn a_trailing_slash_is_significant_unless_the_rules_say_same() {
        check("/a", PathRules::default(), &["/a"], &["/a/"]);
        for pattern in ["/a", "/a/"] {
            check(pattern, SAME, &["/a", "/a/"], &["/a//", "/", "/a/b"]);
        }
        check("/a//", SAME, &["/a//"], &["/a/", "/a", "/a///"]);
        check("/a/{id}", SAME, &["/a/1", "/a/1/"], &["/a/", "/a"]);
        check("/", SAME, &["/"], &["//"]);
    }

    #[test]
    fn case_and_matrix_follow_the_rules() {
        check("/Pay/Café", INSENSITIVE, &["/pay/café", "/PAY/cAF%c3%a9"], &["/pay"]);
        check("/a/{id}", INSENSITIVE, &["/A/x"], &[]);
        check("/a/b", MATRIX, &["/a;x=1/b;y", "/a/b"], &["/a%3Bx/b", "/A/b"]);
        check("/a/{id:int}", MATRIX, &["/a/1;v=2"], &["/a/;v=2", "/a/x;v"]);
        check("/a;v=1/b", PathRules::default(), &["/a;v=1/b"], &["/a/b"]);
        check("/a;v=1/b", MATRIX, &["/a/b", "/a;v=2/b"], &[]);
    }

    #[test]
    fn wildcard_hosts_take_one_or_more_labels() {
        let wildcard = HostPattern::Wildcard("shop.example".into());
        for (host, wanted) in [
            ("a.shop.example", true),
            ("a.b.shop.example", true),
            ("shop.example", false),
            (".shop.example", false),
            ("ashop.example", false),
        ] {
            assert_eq!(wildcard.matches(host), wanted, "{host}");
        }
    }

    #[test]
    fn named_elements_keep_the_bytes_that_were_sent() {
        let pattern = Pattern::parse("/a/{id}/b/{rest}/**", PathRules::default()).unwrap();
        let params: Vec<_> = pattern.params("/a/%61%2Fx;v=1/b/Y/z").collect();
        assert_eq!(params, [("id", "%61%2Fx;v=1"), ("rest", "Y")]);
        assert_eq!(pattern.param("/a/1/b/2", "rest"), Some("2"));
        assert_eq!(pattern.param("/a/1/b/2", "none"), None);
    }
}
