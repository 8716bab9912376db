//! The normal form of a path, and what is too ambiguous to be routed.

/// Why two parsers may read a path differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// `%00`.
    Nul,
    /// `%` without two hexadecimal digits.
    InvalidEscape,
    /// `\` or `%5c`.
    Backslash,
    /// `.` or `..` as an element, in any spelling.
    DotSegment,
}

/// How a slice reads paths (`paths`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathRules {
    /// `trailing_slash = "same"`.
    pub trailing_slash_same: bool,
    /// `case = "insensitive"`.
    pub case_insensitive: bool,
    /// `matrix = "ignore"`.
    pub matrix_ignored: bool,
}
