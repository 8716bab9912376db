//! Problems of a configuration, as a person reads them and as a script reads them.

use std::fmt::Write as _;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use unicode_width::UnicodeWidthChar;

use crate::snapshot::Place;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The previous configuration goes on serving.
    Error,
    /// Applied all the same; `check --strict` fails.
    Warning,
    /// Worth knowing; never fails anything.
    Note,
}

impl Severity {
    /// `error`, `warning` or `note`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }

    /// The SGR parameters it is shown with on a terminal.
    const fn color(self) -> &'static str {
        match self {
            Severity::Error => "1;31",
            Severity::Warning => "1;33",
            Severity::Note => "1;36",
        }
    }
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
    /// The line, without its end; of a very long one, what is around the place.
    pub line: String,
    /// Characters of the line left out before that; 0 as a rule.
    pub skipped: u32,
    /// Whether characters are left out after it.
    pub cut: bool,
    /// Characters to underline, at least 1.
    pub width: u32,
}

impl Diagnostic {
    /// The problem as text, several lines, each ended by a newline:
    ///
    /// ```text
    /// error[unknown-key] strangler.toml:7:1 unknown key `phse` in [slices.products]
    /// 7 | phse = "legacy"
    ///   | ^^^^
    /// help: did you mean `phase`?
    /// note: strangler.toml:3:9 …
    /// ```
    ///
    /// `color` adds terminal escapes and changes nothing else. Control characters of the source line are
    /// shown as `�`, so that a file cannot write escapes to the terminal.
    pub fn render(&self, color: bool) -> String {
        let paint = |codes: &str, text: &str| {
            if color { format!("\x1b[{codes}m{text}\x1b[0m") } else { text.to_owned() }
        };
        let tone = self.severity.color();
        let mut out = paint(tone, &format!("{}[{}]", self.severity.as_str(), self.code));
        if let Some(place) = &self.place {
            let _infallible = write!(out, " {}", paint("1", &place.to_string()));
        }
        let _infallible = writeln!(out, " {}", visible(&self.message));
        if let (Some(place), Some(excerpt)) = (&self.place, &self.excerpt) {
            let number = place.line.to_string();
            let (left, right) =
                (if excerpt.skipped > 0 { "…" } else { "" }, if excerpt.cut { "…" } else { "" });
            let column = place.column.saturating_sub(excerpt.skipped);
            let (before, underline) = underline(&excerpt.line, column, excerpt.width);
            let before = " ".repeat(left.chars().count()) + &before;
            let gutter = " ".repeat(number.len());
            let shown = format!("{left}{}{right}", visible(&excerpt.line));
            let shown = shown.trim_end();
            let _infallible = writeln!(out, "{} {shown}", paint("34", &format!("{number} |")));
            let bar = paint("34", &format!("{gutter} |"));
            let _infallible = writeln!(out, "{bar} {before}{}", paint(tone, &underline));
        }
        if let Some(help) = &self.help {
            let _infallible = writeln!(out, "{} {}", paint("1;32", "help:"), visible(help));
        }
        for (place, what) in &self.related {
            let _infallible = writeln!(out, "{} {place} {}", paint("1;36", "note:"), visible(what));
        }
        out
    }
}

/// A text without control characters other than tabs.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// What stands before the underline (tabs kept, everything else blank at its width on a terminal), and it.
fn underline(line: &str, column: u32, width: u32) -> (String, String) {
    let columns = |c: char| if c.is_control() { 1 } else { c.width().unwrap_or(0) };
    let skip = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let mut before = String::new();
    for c in line.chars().take(skip) {
        if c == '\t' { before.push('\t') } else { before.extend(std::iter::repeat_n(' ', columns(c))) }
    }
    let marked = line.chars().skip(skip).take(usize::try_from(width).unwrap_or(usize::MAX));
    let wide: usize = marked.map(columns).sum();
    (before, "^".repeat(wide.max(1)))
}

impl Serialize for Diagnostic {
    /// `severity code file line column message help related`, the places flattened.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Diagnostic { severity, code, place, excerpt: _, message, help, related } = self;
        let related: Vec<Related<'_>> = related.iter().map(|(place, what)| Related { place, what }).collect();
        let mut out = serializer.serialize_struct("Diagnostic", 8)?;
        out.serialize_field("severity", severity.as_str())?;
        out.serialize_field("code", code)?;
        out.serialize_field("file", &place.as_ref().map(|place| &*place.file))?;
        out.serialize_field("line", &place.as_ref().map(|place| place.line))?;
        out.serialize_field("column", &place.as_ref().map(|place| place.column))?;
        out.serialize_field("message", message)?;
        out.serialize_field("help", help)?;
        out.serialize_field("related", &related)?;
        out.end()
    }
}

struct Related<'a> {
    place: &'a Place,
    what: &'a str,
}

impl Serialize for Related<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Related", 4)?;
        out.serialize_field("file", &*self.place.file)?;
        out.serialize_field("line", &self.place.line)?;
        out.serialize_field("column", &self.place.column)?;
        out.serialize_field("message", self.what)?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::{Diagnostic, Excerpt, Severity};
    use crate::snapshot::Place;

    fn at(line: &str, column: u32, width: u32) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: "unknown-key",
            place: Some(Place { file: "a.toml".into(), line: 12, column }),
            excerpt: Some(Excerpt { line: line.to_owned(), skipped: 0, cut: false, width }),
            message: "unknown key".to_owned(),
            help: Some("did you mean `b`?".to_owned()),
            related: vec![(Place { file: "b.toml".into(), line: 3, column: 1 }, "first here".to_owned())],
        }
    }

    #[test]
    fn the_underline_stands_under_what_is_wrong() {
        assert_eq!(
            at("key = 1", 1, 3).render(false),
            "error[unknown-key] a.toml:12:1 unknown key\n12 | key = 1\n   | ^^^\nhelp: did you mean `b`?\n\
             note: b.toml:3:1 first here\n"
        );
    }

    #[test]
    fn tabs_are_kept_and_wide_characters_are_two_columns() {
        let shown = at("\t\"東京\" = 東", 9, 1).render(false);
        assert!(shown.contains("\n   | \t         ^^\n"), "{shown}");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let mut diagnostic = at("bcd", 12, 1);
        diagnostic.excerpt = Some(Excerpt { line: "bcd".to_owned(), skipped: 10, cut: true, width: 1 });
        let shown = diagnostic.render(false);
        assert!(shown.contains("\n12 | …bcd…\n   |   ^\n"), "{shown}");
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let shown = at("a = \"\x1b[31m\"", 1, 1).render(false);
        assert!(!shown.contains('\x1b'), "{shown:?}");
    }

    #[test]
    fn color_changes_nothing_but_escapes() {
        let diagnostic = at("key = 1", 1, 3);
        let mut plain = diagnostic.render(true);
        for codes in ["1;31", "1", "34", "1;32", "1;36", "0"] {
            plain = plain.replace(&format!("\x1b[{codes}m"), "");
        }
        assert_eq!(plain, diagnostic.render(false));
    }

    #[test]
    fn the_serialised_form_is_flat() {
        let json = serde_json::to_value(at("key = 1", 1, 3)).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"severity": "error", "code": "unknown-key", "file": "a.toml", "line": 12,
                "column": 1, "message": "unknown key", "help": "did you mean `b`?",
                "related": [{"file": "b.toml", "line": 3, "column": 1, "message": "first here"}]})
        );
    }
}
