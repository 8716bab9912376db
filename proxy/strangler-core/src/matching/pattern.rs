//! The match text of a route: `[METHOD[,METHOD…]] [HOST]/PATH`.

use super::path::PathRules;

/// A parsed match text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// As written.
    pub text: String,
    /// How its slice reads paths.
    pub rules: PathRules,
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
        Ok(Pattern { text: text.to_owned(), rules })
    }
}
