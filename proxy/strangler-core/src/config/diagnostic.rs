//! Problems of a configuration, as a person reads them.

use crate::snapshot::Place;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The previous configuration goes on serving.
    Error,
    /// Applied all the same; `check --strict` fails.
    Warning,
    /// Worth knowing; never fails anything.
    Note,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable short name, such as `unknown-key`.
    pub code: &'static str,
    /// Where; `None` only where there is no text at all.
    pub place: Option<Place>,
    /// The source line and how many characters from `place` on are underlined.
    pub excerpt: Option<Excerpt>,
    /// One sentence.
    pub message: String,
    /// One line that says what to do.
    pub help: Option<String>,
    /// Other places that belong to it, such as the second of two tying routes.
    pub related: Vec<(Place, String)>,
}

/// A source line with an underline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, without its end.
    pub line: String,
    /// Characters to underline, at least 1.
    pub width: u32,
}
