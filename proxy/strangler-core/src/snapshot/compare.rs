//! How two responses are compared: `compare`, compiled.

use std::collections::BTreeMap;

use crate::decimal::Decimal;

/// `compare` of a policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compare {
    /// What is not looked at.
    pub ignore: Vec<ResponsePath>,
    /// How arrays are compared; those not named are ordered.
    pub arrays: Vec<(BodyPath, ArrayRule)>,
    /// Absolute tolerances, not negative: numbers that are no further apart are equal.
    pub numbers: Vec<(BodyPath, Decimal)>,
    /// How much of a body counts.
    pub mode: CompareMode,
    /// What is never stored, logged or shown, beside the built-in list.
    pub redact: Vec<Redact>,
    /// Known differences.
    pub accept: Vec<Accept>,
}

/// `compare.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompareMode {
    /// Values, types and presence.
    #[default]
    Full,
    /// Presence and types only.
    Shape,
}

/// `compare.arrays`: how the elements of an array find their counterparts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrayRule {
    /// In order.
    Ordered,
    /// In any order.
    Unordered,
    /// By the value of this member.
    By(String),
}

/// What an entry of `ignore` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponsePath {
    /// Part of a JSON body, and all below it.
    Body(BodyPath),
    /// A header; the name in lower case.
    Header(String),
    /// A cookie's value.
    Cookie(String),
}

/// A path into a JSON body: `$.items[*].id`, `$..request_id`, `$['a b'][0]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyPath {
    /// As written.
    pub text: String,
    /// From the root; empty: the root itself.
    pub steps: Vec<Step>,
}

/// One step of a [`BodyPath`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whether it may be any number of levels down (`..`).
    pub descendant: bool,
    /// What it selects there.
    pub select: Select,
}

/// What one step of a path selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    /// The member of this name.
    Name(String),
    /// The element of this index, from 0.
    Index(u32),
    /// Every member or element.
    Any,
}

/// What an entry of `redact` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redact {
    /// Part of a JSON body.
    Body(BodyPath),
    /// A header; the name in lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A query parameter.
    Query(String),
    /// A field of a form.
    Form(String),
    /// A named element of the route's pattern.
    Path(String),
}

/// One entry of `accept`: a difference that is known, for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// Which differences.
    pub what: Accepted,
    /// Why, for whoever reads it later.
    pub why: String,
    /// The last day on which it hides anything, in UTC.
    pub until: jiff::civil::Date,
}

/// Which differences an `accept` hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Those of this signature, in lower-case hexadecimal.
    Signature(String),
    /// Those of this path and kind.
    Path {
        /// Where.
        path: AcceptedPath,
        /// A kind in full (`body.value`), or its last word; `None`: any.
        kind: Option<String>,
    },
}

/// Where an `accept` applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptedPath {
    /// The status.
    Status,
    /// As in `ignore`.
    Response(ResponsePath),
}

/// Kinds of differences, in full, by the part of the response they are in.
pub const KINDS: &[(&str, &[&str])] = &[
    ("status", &[]),
    ("transport", &[]),
    ("header", &["missing", "extra", "value"]),
    ("cookie", &["missing", "extra", "attribute", "value"]),
    (
        "body",
        &[
            "missing",
            "extra",
            "null_vs_absent",
            "type",
            "value",
            "order",
            "duplicate",
            "number_precision",
            "time_format",
            "uuid",
            "whitespace",
            "encoding",
            "parse",
            "truncated",
        ],
    ),
];

/// Every kind in full, and every last word, each with the kinds it stands for.
pub fn kinds() -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (part, words) in KINDS {
        if words.is_empty() {
            all.entry((*part).to_owned()).or_default().push((*part).to_owned());
        }
        for word in *words {
            let full = format!("{part}.{word}");
            all.entry((*word).to_owned()).or_default().push(full.clone());
            all.entry(full.clone()).or_default().push(full);
        }
    }
    all
}
