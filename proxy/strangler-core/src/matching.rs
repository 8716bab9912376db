//! What a route matches, and which of several matching routes wins.
//!
//! Owns the pattern language, the normal form of paths and hosts, predicates, specificity, the element
//! trie, and the detection of ties and of routes that can never win. Refuses ownership: it names routes,
//! not upstreams.

mod conflict;
pub mod example;
mod index;
pub mod near;
pub mod path;
pub mod pattern;
pub mod predicate;
pub mod request;
pub mod specificity;
pub mod table;

pub use example::Example;
pub use near::SpellingDifference;
pub use pattern::{Pattern, PatternError};
pub use predicate::{Condition, Predicates};
pub use request::{Reading, RequestView};
pub use specificity::Specificity;
pub use table::Table;
