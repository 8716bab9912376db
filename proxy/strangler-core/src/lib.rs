//! The pure heart of strangler: what a configuration means and where a request goes.
//!
//! Owns the configuration language, matching, decisions and their explanations, and comparing. Refuses every kind of
//! input and output: no sockets, clock, randomness, threads, async or files; `now`, draws, environment
//! values and file texts are arguments.
//!
//! Layers, each importing only those above it:
//!
//! | module | owns |
//! |---|---|
//! | [`words`] | the product's vocabulary: phases, owners, ids, shares |
//! | [`decimal`] | exact decimal numbers |
//! | [`matching`] | patterns, predicates, the element trie, precedence, ties |
//! | [`snapshot`] | one compiled, immutable configuration |
//! | [`config`] | TOML text → snapshot, with every problem at once |
//! | [`compare`] | what two replies differ in, of which kind, hidden by which rule |
//! | [`evidence`] | accounts, tests for noise and for a rate, gate, report |
//! | [`routing`] | lookup, `decide`, `explain`, differences between snapshots |
//! | [`retreat`] | what a retreat has latched, and what lifts it |
//! | [`guardrail`] | the live limit that causes a retreat: windows, bounds, verdicts |
//! | [`upstreams`] | when an upstream or one of its endpoints is left alone |
//! | [`promotion`] | the way of a slice forward, one step at a time |
//! | [`plan`] | what an edit does: to routes, and to requests that are remembered |
//! | [`lints`] | what goes wrong at the seam, learned from traffic |
//! | [`inventory`] | the monolith's routes, learned from traffic |
//! | [`redact`] | what may be kept of a request and its replies |

pub mod compare;
pub mod config;
pub mod decimal;
pub mod evidence;
pub mod guardrail;
pub mod inventory;
pub mod lints;
pub mod matching;
pub mod plan;
pub mod promotion;
pub mod redact;
pub mod retreat;
pub mod routing;
pub mod snapshot;
pub mod upstreams;
pub mod words;
