//! The order among routes that match one request: most specific wins.
//!
//! Owns the ordered summary of a route. The trie in `index` walks in this order; explanations and
//! ties compare summaries.

use super::pattern::{Element, HostPattern, ParamKind, Pattern};
use super::predicate::Predicates;

/// How specific one path position is; greater is more specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Position {
    /// `/**`.
    Tail,
    /// The path ends here.
    End,
    /// `{name}`.
    Named,
    /// `{name:int}`, `{name:uuid}`.
    Typed,
    /// A literal element.
    Literal,
}

/// How specific a host is; greater is more specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostRank {
    /// Any host.
    Any,
    /// A wildcard with so many labels after the `*`.
    Wildcard(usize),
    /// One host.
    Exact,
}

/// The specificity of a route, compared field by field; greater wins. Meaningful between routes that match
/// one request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Specificity {
    /// Its host.
    pub host: HostRank,
    /// Its path from the left; the last is always [`Position::End`] or [`Position::Tail`].
    pub path: Vec<Position>,
    /// Whether it names methods.
    pub named_method: bool,
    /// Number of conditions on headers, cookies, query and `Accept`.
    pub conditions: [usize; 4],
    /// `priority`.
    pub priority: i64,
}

impl Specificity {
    /// The summary of a route.
    pub fn of(pattern: &Pattern, when: &Predicates, priority: i64) -> Specificity {
        let end = if pattern.has_tail() { Position::Tail } else { Position::End };
        Specificity {
            host: match pattern.host() {
                HostPattern::Any => HostRank::Any,
                HostPattern::Wildcard(suffix) => HostRank::Wildcard(suffix.split('.').count()),
                HostPattern::Exact(_) => HostRank::Exact,
            },
            path: pattern.elements().iter().map(Position::of).chain([end]).collect(),
            named_method: pattern.methods().is_named(),
            conditions: when.counts(),
            priority,
        }
    }
}

impl Position {
    /// The rank of an element.
    pub const fn of(element: &Element) -> Position {
        match element {
            Element::Literal(_) => Position::Literal,
            Element::Param { kind: ParamKind::Any, .. } => Position::Named,
            Element::Param { kind: ParamKind::Int | ParamKind::Uuid, .. } => Position::Typed,
        }
    }
}
