//! What a route matches, and which of several matching routes wins.
//!
//! Owns the pattern language, the normal form of paths and hosts, predicates, specificity, the element
//! trie, and the detection of ties and of routes that can never win. Refuses ownership: it names routes,
//! not upstreams.

pub mod path;
pub mod pattern;
pub mod predicate;
pub mod table;

pub use pattern::{Pattern, PatternError};
pub use predicate::Predicates;
pub use table::Table;
