//! Every kind of problem a configuration can have: a stable short name, how bad it is, what it means.
//!
//! A code is what scripts, tests and `config/rejected/` refer to; a message may be reworded, a code may not.

use super::diagnostic::Severity;

/// One kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code {
    /// Stable short name, such as `unknown-key`.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it means, in half a sentence.
    pub meaning: &'static str,
}

const fn error(name: &'static str, meaning: &'static str) -> Code {
    Code { name, severity: Severity::Error, meaning }
}

const fn warning(name: &'static str, meaning: &'static str) -> Code {
    Code { name, severity: Severity::Warning, meaning }
}

macro_rules! codes {
    ($($name:ident = $make:ident($text:literal, $meaning:literal);)+) => {
        $(pub(super) const $name: Code = $make($text, $meaning);)+

        /// Every code there is.
        pub const ALL: &[Code] = &[$($name),+];
    };
}

codes! {
    // The text.
    SYNTAX = error("syntax", "the text is not TOML");
    UNSET_VARIABLE = error("unset-variable", "an environment variable without default is not set");
    BAD_PLACEHOLDER = error("bad-placeholder", "`${` is not followed by a name and `}`");
    // Shape.
    UNKNOWN_KEY = error("unknown-key", "a key that means nothing here");
    MISSING_KEY = error("missing-key", "a required key is not there");
    WRONG_TYPE = error("wrong-type", "a value of another type is wanted");
    MISSING_UNIT = error("missing-unit", "a bare number where a unit is needed");
    BAD_DURATION = error("bad-duration", "not a duration");
    BAD_SIZE = error("bad-size", "not a size");
    BAD_SHARE = error("bad-share", "not a share");
    BAD_RATE = error("bad-rate", "not a rate");
    BAD_NUMBER = error("bad-number", "a number out of range");
    BAD_VALUE = error("bad-value", "a text that cannot be used here");
    UNKNOWN_WORD = error("unknown-word", "not one of the words that a key takes");
    UNKNOWN_PHASE = error("unknown-phase", "not a phase");
    EMPTY_LIST = error("empty-list", "a list that needs an entry has none");
    UNSUPPORTED_VERSION = error("unsupported-version", "a version of the language that this program does not know");
    // Included files.
    NOT_IN_INCLUDED = error("not-in-included", "a key that only the main file may hold");
    DUPLICATE_DEFINITION = error("duplicate-definition", "one name defined in two files");
    // Addresses.
    BAD_URL = error("bad-url", "not the URL of a server");
    BAD_ADDRESS = error("bad-address", "not an address to listen on");
    BAD_NETWORK = error("bad-network", "not a network");
    DUPLICATE_ENDPOINT = error("duplicate-endpoint", "an endpoint listed twice");
    DUPLICATE_LISTENER = error("duplicate-listener", "an address listened on twice");
    OWN_LISTENER = error("own-listener", "an upstream that is this proxy itself");
    PUBLIC_ADMIN = error("public-admin", "an admin listener open to the network without a token");
    INSECURE_PUBLIC_URL = error("insecure-public-url", "an https site without anything that speaks TLS");
    // Names.
    UNKNOWN_UPSTREAM = error("unknown-upstream", "no upstream of that name");
    UNKNOWN_SLICE = error("unknown-slice", "no slice of that name");
    DUPLICATE_ID = error("duplicate-id", "two routes with one id");
    // Routes.
    BAD_MATCH = error("bad-match", "a match text that cannot be read");
    BAD_REGEX = error("bad-regex", "a regular expression that does not compile");
    TIE = error("tie", "two routes that are equally specific and can match one request");
    UNKNOWN_PATH_NAME = error("unknown-path-name", "a named path element that no pattern has");
    // Headers.
    BAD_HEADER = error("bad-header", "not a header name or value");
    FORBIDDEN_HEADER = error("forbidden-header", "a header that belongs to the proxy");
    // Phases and data.
    CANARY_WITHOUT_SHARE = error("canary-without-share", "phase canary without a share");
    CANARY_WITHOUT_KEY = error("canary-without-key", "phase canary without a cohort key");
    RETIRED_WRITER = error("retired-writer", "a retired slice whose data legacy still owns");
    UNREACHED_READS = error("unreached-reads", "reads answered from a side that the data does not reach");
    BY_COHORT_SYNC = error("by-cohort-sync", "writes on both sides without data in step on both sides");
    FALLBACK_WITHOUT_READS = error("fallback-without-reads", "an explicit fallback list on a route without reads");
    COPIED_WRITES = error("copied-writes", "writes copied while legacy does not own the data");
    // Comparison.
    UNKNOWN_COHORT_SOURCE = error("unknown-cohort-source", "a cohort key from nowhere");
    BAD_PATH = error("bad-path", "not the path of something in a response");
    // What a later version builds.
    NOT_BUILT = error("not-built", "part of the language that this version does not build yet");
    // Warnings.
    UNSYNCED_SHADOW = warning("unsynced-shadow", "copies go to a side that the data does not reach");
    EXPIRED_ACCEPT = warning("expired-accept", "an accepted difference whose time is over");
    OVERDUE_REVIEW = warning("overdue-review", "a slice past its `review_by`");
    UNUSED_UPSTREAM = warning("unused-upstream", "an upstream that nothing refers to");
    UNUSED_SLICE = warning("unused-slice", "a slice without routes");
    NEVER_WINS = warning("never-wins", "a route that another one always hides");
    EFFECT_NAME = warning("effect-name", "a GET route named like something that has an effect");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::ALL;

    #[test]
    fn names_are_unique_and_meanings_given() {
        let names: HashSet<_> = ALL.iter().map(|code| code.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|code| !code.meaning.is_empty()));
    }
}
