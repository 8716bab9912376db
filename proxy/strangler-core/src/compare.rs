//! Comparing two responses to one request: what differs, of which kind, hidden by which rule.
//!
//! Owns the letter of comparing. The legacy response is always *left*, the extracted one *right*, whoever
//! answered the client. Refuses to send, to repeat, to count over time (see the evidence) and to redact:
//! what it returns holds values as they came, bounded in length, and must be redacted before anybody keeps
//! or shows it.
//!
//! | module | owns |
//! |---|---|
//! | `reply` | the order: transport, status, headers, cookies, body |
//! | `json` | JSON bodies, structurally |
//! | `value`, `instant` | single values: texts, numbers, points in time |
//! | `coding`, `charset`, `media` | what a body is, whatever it was packed and written in |
//! | `lines`, `fields`, `headers`, `cookies`, `dates` | header fields, and what means the same |
//! | `body` | as what two bodies are compared |
//! | `markup`, `form`, `text` | HTML and XML by their tree, forms by their pairs, text by line |
//! | `rules` | which `ignore` or `accept` hides a difference |
//! | `findings` | collecting differences within bounds, one per signature |
//! | `path`, `kind`, `class`, `relation`, `signature` | what a difference is made of |

mod body;
mod charset;
mod class;
pub(crate) mod coding;
mod cookies;
mod dates;
mod fields;
mod findings;
#[cfg(test)]
mod fixture;
mod form;
mod headers;
mod instant;
mod json;
mod kind;
mod lines;
mod markup;
mod media;
mod path;
mod relation;
mod reply;
mod rules;
mod signature;
#[cfg(test)]
mod testing;
mod text;
mod value;

use bytes::Bytes;

pub use class::Class;
pub use findings::{Findings, MOST_FINDINGS, MOST_VALUE_BYTES, excerpt};
pub use kind::Kind;
pub use lines::FieldLines;
pub use path::{BadPath, Element, Path};
pub use relation::Relation;
pub use reply::compare;
pub use rules::{Rule, Verdict, verdict};
pub use signature::{BadSignature, Signature};

use crate::snapshot::Compare;

/// A response as one side gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How the response ended.
    pub end: End,
    /// The status code; 0 where there is no head.
    pub status: u16,
    /// Names as they came and values, in the order received.
    pub headers: FieldLines,
    /// The body as received, content codings not undone; what had come where it broke off.
    pub body: Bytes,
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Whole.
    Complete,
    /// The head came, then the body broke off.
    Truncated,
    /// There is no usable head.
    Failed(Transport),
    /// The body is larger than what is compared.
    TooLarge,
}

/// Why there is no usable head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Nobody took the connection.
    Connect,
    /// No head within the time allowed.
    Timeout,
    /// The connection broke.
    Reset,
    /// What came is not HTTP.
    Malformed,
}

impl Transport {
    /// As reports show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Connect => "connect",
            Transport::Timeout => "timeout",
            Transport::Reset => "reset",
            Transport::Malformed => "malformed",
        }
    }
}

/// What a comparison needs to know beside the two replies.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The route's `compare`.
    pub rules: &'a Compare,
    /// The route's id: part of every signature.
    pub route: &'a str,
    /// The request's method: the answer to HEAD has no body.
    pub method: &'a str,
    /// Path and query as the client sent them: what relative Locations are relative to.
    pub target: &'a str,
    /// The day in UTC, for `until` of an accepted difference.
    pub today: jiff::civil::Date,
    /// Of the legacy side.
    pub legacy: Side<'a>,
    /// Of the extracted side.
    pub extracted: Side<'a>,
}

/// What is known of one side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Side<'a> {
    /// Origins (`http://host:port`, lower case, no slash at the end) under which this side may speak of
    /// itself: its upstream's endpoints and the public ones. They are taken out of Locations.
    pub origins: &'a [String],
}

/// What became of a request that was eligible for comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// There was nothing to compare, and why.
    NotCompared(NotCompared),
    /// The replies were compared.
    Compared(Comparison),
}

impl Compared {
    /// The one account in which the request ends.
    pub fn account(&self) -> Account {
        match self {
            Compared::NotCompared(reason) => Account::NotCompared(*reason),
            Compared::Compared(comparison) => comparison.account(),
        }
    }
}

/// The account in which a request ends; each eligible request in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// No difference at all.
    Match,
    /// A difference that counts.
    Mismatch,
    /// Differences, all of them hidden.
    Ignored,
    /// Not compared, and why.
    NotCompared(NotCompared),
}

impl Account {
    /// As metrics and reports show it, without the reason.
    pub fn as_str(self) -> &'static str {
        match self {
            Account::Match => "match",
            Account::Mismatch => "mismatch",
            Account::Ignored => "ignored",
            Account::NotCompared(_) => "not-compared",
        }
    }
}

/// Why an eligible request was not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NotCompared {
    /// No room: queue, concurrency or the byte budget.
    Shed,
    /// A body is larger than `body_max`.
    BodyTooLarge,
    /// The legacy answer is broken: nothing to hold the other against.
    LegacyFailed,
    /// A conditional request.
    Conditional,
    /// A range request.
    Range,
    /// A protocol upgrade.
    Upgrade,
    /// Asked again, the sides agreed.
    Transient,
    /// Asked again, legacy differed from itself.
    Unstable,
    /// A recorded exchange that no longer holds.
    Stale,
    /// The data was not in step.
    Lag,
    /// The client left before the answer was whole.
    ClientLeft,
    /// The proxy was shutting down.
    Drain,
    /// The shadow side is taken out: open breaker, or no endpoint.
    Paused,
    /// A dry run that the service did not confirm.
    Unconfirmed,
    /// The extracted side failed the client's request, and legacy answered: there are no two answers to compare.
    Fallback,
    /// No copy could be made: the request was not whole when its answer was, or cannot be written again.
    NotSent,
}

impl NotCompared {
    /// Every reason.
    pub const ALL: [NotCompared; 16] = [
        NotCompared::Shed,
        NotCompared::BodyTooLarge,
        NotCompared::LegacyFailed,
        NotCompared::Conditional,
        NotCompared::Range,
        NotCompared::Upgrade,
        NotCompared::Transient,
        NotCompared::Unstable,
        NotCompared::Stale,
        NotCompared::Lag,
        NotCompared::ClientLeft,
        NotCompared::Drain,
        NotCompared::Paused,
        NotCompared::Unconfirmed,
        NotCompared::Fallback,
        NotCompared::NotSent,
    ];

    /// As metrics and reports show it.
    pub fn as_str(self) -> &'static str {
        match self {
            NotCompared::Shed => "shed",
            NotCompared::BodyTooLarge => "body-too-large",
            NotCompared::LegacyFailed => "legacy-failed",
            NotCompared::Conditional => "conditional",
            NotCompared::Range => "range",
            NotCompared::Upgrade => "upgrade",
            NotCompared::Transient => "transient",
            NotCompared::Unstable => "unstable",
            NotCompared::Stale => "stale",
            NotCompared::Lag => "lag",
            NotCompared::ClientLeft => "client-left",
            NotCompared::Drain => "drain",
            NotCompared::Paused => "paused",
            NotCompared::Unconfirmed => "unconfirmed",
            NotCompared::Fallback => "fallback",
            NotCompared::NotSent => "not-sent",
        }
    }
}

/// What two replies differ in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Those that count, one per signature, in the order found.
    pub differences: Vec<Finding>,
    /// Those that a rule hides, one per signature and rule, in the order found.
    pub hidden: Vec<Finding>,
    /// How many further differences, of signatures that did not fit into `differences`.
    pub dropped: u64,
    /// How many did not fit into `hidden`.
    pub hidden_dropped: u64,
}

impl Comparison {
    /// The account in which the request ends.
    pub fn account(&self) -> Account {
        if !self.differences.is_empty() {
            Account::Mismatch
        } else if !self.hidden.is_empty() {
            Account::Ignored
        } else {
            Account::Match
        }
    }
}

/// Differences of one signature in one comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The class it belongs to.
    pub signature: Signature,
    /// The first of them.
    pub difference: Difference,
    /// How many there are of this signature in this comparison; at least 1.
    pub times: u32,
    /// What a rule has to do with it.
    pub verdict: Verdict,
}

/// One difference between two replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: Path,
    /// Of which kind.
    pub kind: Kind,
    /// What legacy has there.
    pub left: Class,
    /// What extracted has there.
    pub right: Class,
    /// What makes one of the other, where something does.
    pub relation: Option<Relation>,
    /// Legacy's value for an example, at most [`MOST_VALUE_BYTES`] long; **not redacted**.
    pub left_value: Option<String>,
    /// The extracted side's.
    pub right_value: Option<String>,
}

impl Difference {
    /// A difference of which no more is known.
    pub fn new(path: Path, kind: Kind, left: Class, right: Class) -> Self {
        Difference { path, kind, left, right, relation: None, left_value: None, right_value: None }
    }

    /// With what makes one of the other.
    #[must_use]
    pub fn related(mut self, relation: Option<Relation>) -> Self {
        self.relation = relation;
        self
    }

    /// With both sides' values, cut to their bound.
    #[must_use]
    pub fn showing(mut self, left: Option<&[u8]>, right: Option<&[u8]>) -> Self {
        self.left_value = left.map(excerpt);
        self.right_value = right.map(excerpt);
        self
    }

    /// The class of differences with one cause to which it belongs on this route.
    pub fn signature(&self, route: &str) -> Signature {
        Signature::of(route, self)
    }

    /// How long an example of it is, in bytes: of several, reports show the shortest.
    pub fn weight(&self) -> usize {
        let length = |value: &Option<String>| value.as_ref().map_or(0, String::len);
        length(&self.left_value) + length(&self.right_value)
    }
}
