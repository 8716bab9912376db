//! TOML texts as trees of values that know where they stand.
//!
//! Owns reading a text (all syntax errors at once), expanding `${NAME}` in its strings, and what of a broken
//! text can still be trusted. Refuses meaning: keys and types are judged by their readers.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::code;
use super::expand::{ExpandError, expand};
use super::problems::{Context, Problem};
use super::source::{FileId, Span};

/// At most so many syntax errors are told per file; the rest follow from them as a rule.
const MOST_SYNTAX_ERRORS: usize = 20;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Value<'t> {
    pub(super) kind: Kind<'t>,
    pub(super) span: Span,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Kind<'t> {
    Text(Text<'t>),
    /// `None`: beyond 64 bits.
    Integer(Option<i64>),
    /// As written, without `_` and `+`.
    Float(Box<str>),
    Bool(bool),
    Date(toml::value::Datetime),
    List(Vec<Value<'t>>),
    Table(Table<'t>),
}

/// A string value.
#[derive(Clone, Debug)]
pub(super) struct Text<'t> {
    /// With variables replaced: never to be shown to anyone.
    pub(super) value: Cow<'t, str>,
    written: Option<Box<str>>,
}

impl Text<'_> {
    /// As it stands in the file, with variables unexpanded: what messages may show.
    pub(super) fn written(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.value)
    }

    /// Whether `value` holds something from the environment.
    pub(super) fn is_expanded(&self) -> bool {
        self.written.is_some()
    }
}

/// A table, in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Table<'t> {
    pub(super) entries: Vec<Entry<'t>>,
}

/// One key of a table and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) key_span: Span,
    pub(super) value: Value<'t>,
}

impl<'t> Table<'t> {
    /// The entry of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Entry<'t>> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl<'t> Value<'t> {
    /// The value as a table, if it is one.
    pub(super) fn as_table(&self) -> Option<&Table<'t>> {
        if let Kind::Table(table) = &self.kind { Some(table) } else { None }
    }

    /// The value as a text, if it is one.
    pub(super) fn as_text(&self) -> Option<&Text<'t>> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }

    /// What it is, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Text(_) => "a string",
            Kind::Integer(_) | Kind::Float(_) => "a number",
            Kind::Bool(_) => "a boolean",
            Kind::Date(_) => "a date",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
        }
    }
}

/// A text read as far as it goes.
pub(super) struct Document<'t> {
    pub(super) root: Table<'t>,
    pub(super) file: FileId,
    /// Whether the text is TOML throughout.
    pub(super) whole: bool,
    untrusted: Untrusted,
}

impl Document<'_> {
    /// Whether a problem is one of its own right, not only a consequence of a syntax error of this file.
    pub(super) fn trusts(&self, problem: &Problem) -> bool {
        self.whole
            || problem.code == code::SYNTAX
            || problem.span.file != self.file
            || self.untrusted.trusts(problem.span.start)
    }
}

/// Reads one file, reporting syntax errors and variables that cannot be expanded.
pub(super) fn read<'t>(context: &Context<'t, '_>, file: FileId, text: &'t str) -> Document<'t> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let whole = errors.is_empty();
    let mut errors: Vec<(Range<usize>, &str)> = errors
        .iter()
        .map(|error| (on_boundaries(text, error.span().unwrap_or(0..0)), error.message()))
        .collect();
    errors.sort_by_key(|(range, _)| range.start);
    let mut untrusted = Untrusted(Vec::new());
    for (index, (range, message)) in errors.iter().enumerate() {
        if untrusted.0.len() == MOST_SYNTAX_ERRORS || !untrusted.trusts(range.start) {
            continue;
        }
        let span = Span::new(file, range.clone());
        context.report(
            Problem::new(code::SYNTAX, span, sentence(message)).help(syntax_help(text, span, message)),
        );
        // A list or table that is never closed swallows all that follows.
        let unclosed = |(_, later): &(_, &str)| later.starts_with("unclosed");
        let swallows = is_in_brackets(message) && errors.iter().skip(index).any(unclosed);
        untrusted.0.push(match *message {
            _ if swallows => range.start..usize::MAX,
            "duplicate key" => range.clone(),
            _ => follows(text, range.start),
        });
    }
    let root = Builder { context, file }.table(root.into_inner());
    Document { root, file, whole, untrusted }
}

/// Whether a syntax error is about a list or an inline table, which may go on over many lines.
fn is_in_brackets(message: &str) -> bool {
    message.contains("array") || message.contains("inline table")
}

fn sentence(message: &str) -> String {
    format!("this is not TOML: {}", message.replace('\n', " "))
}

/// The likely cause of a syntax error, from its line.
fn syntax_help(text: &str, span: Span, message: &str) -> String {
    let start = text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let value = line.split_once('=').map(|(_, value)| value.trim()).unwrap_or_default();
    let bare = value.starts_with(|c: char| c.is_alphabetic()) && value != "true" && value != "false";
    if message == "duplicate key" {
        "a key or table stands once: remove one, or merge them".to_owned()
    } else if is_in_brackets(message) {
        "entries are separated by `,`; a list ends with `]`, a table in braces with `}`".to_owned()
    } else if line.trim_start().starts_with('[') && !line.contains(']') {
        "close the table's name with `]`".to_owned()
    } else if bare {
        "put quotes around a text: \"…\"".to_owned()
    } else if value.matches('"').count() % 2 == 1 {
        "close the text with `\"`".to_owned()
    } else if value.starts_with(|c: char| c.is_ascii_digit()) && value.ends_with(char::is_alphabetic) {
        "a number with a unit is a text: put it in quotes".to_owned()
    } else {
        "a line is `key = value`, `[table]` or `[[list of tables]]`".to_owned()
    }
}

/// The smallest range of whole characters around a range of bytes, inside the text.
fn on_boundaries(text: &str, range: Range<usize>) -> Range<usize> {
    let mut start = range.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = range.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// Turns the parser's tree into ours.
struct Builder<'c, 't, 'o> {
    context: &'c Context<'t, 'o>,
    file: FileId,
}

impl<'t> Builder<'_, 't, '_> {
    fn table(&self, table: DeTable<'t>) -> Table<'t> {
        let mut entries: Vec<Entry<'t>> = table
            .into_iter()
            .map(|(key, value)| Entry {
                key_span: Span::new(self.file, key.span()),
                key: key.into_inner(),
                value: self.value(value),
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_span);
        Table { entries }
    }

    fn value(&self, value: Spanned<DeValue<'t>>) -> Value<'t> {
        let span = Span::new(self.file, value.span());
        let kind = match value.into_inner() {
            DeValue::String(text) => Kind::Text(self.text(text, span)),
            DeValue::Integer(number) => {
                Kind::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Float(number) => {
                Kind::Float(number.as_str().trim_start_matches('+').replace('_', "").into())
            }
            DeValue::Boolean(value) => Kind::Bool(value),
            DeValue::Datetime(value) => Kind::Date(value),
            DeValue::Array(values) => Kind::List(values.into_iter().map(|value| self.value(value)).collect()),
            DeValue::Table(table) => Kind::Table(self.table(table)),
        };
        Value { kind, span }
    }

    fn text(&self, text: DeString<'t>, span: Span) -> Text<'t> {
        let mut fail = |error: ExpandError| {
            self.context.report(self.problem(&error, span));
            self.context.distrust(span);
        };
        match expand(&text, self.context.options.env, &mut fail) {
            Some(value) => Text { value: value.into(), written: Some(text.into()) },
            None => Text { value: text, written: None },
        }
    }

    fn problem(&self, error: &ExpandError, span: Span) -> Problem {
        let (needle, code, message, help) = match error {
            ExpandError::Unset { name } => (
                format!("${{{name}}}"),
                code::UNSET_VARIABLE,
                format!("the environment variable `{name}` is not set"),
                format!("set it, or give a default: `${{{name}:-…}}`"),
            ),
            ExpandError::Malformed { written } => (
                written.clone(),
                code::BAD_PLACEHOLDER,
                "`${` must be followed by a variable's name and `}`".to_owned(),
                "write `${NAME}`, `${NAME:-default}`, or `$${` for the characters themselves".to_owned(),
            ),
        };
        // The text as the file spells it may hold escapes; then the whole value is marked.
        let source = self.context.files.slice(span);
        let span = source.find(&needle).map_or(span, |at| {
            let start = span.start + at;
            Span::new(self.file, start..start + needle.len())
        });
        Problem::new(code, span, message).help(help)
    }
}

/// Where in a text with syntax errors a further problem may only be a consequence of them.
struct Untrusted(Vec<Range<usize>>);

impl Untrusted {
    fn trusts(&self, at: usize) -> bool {
        !self.0.iter().any(|range| range.contains(&at))
    }
}

/// What may be misread because of a syntax error: all up to the next table header, as keys may have gone to
/// another table; where the error is confined to one `key = value` line, that line.
fn follows(text: &str, error: usize) -> Range<usize> {
    let start = text.get(..error).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let mut lines = text.get(start..).unwrap_or_default().split_inclusive('\n');
    let line = lines.next().unwrap_or_default();
    let mut end = start + line.len();
    if !is_one_line_value(line) {
        end += lines.take_while(|line| !line.trim_start().starts_with('[')).map(str::len).sum::<usize>();
    }
    start..end.max(error + 1)
}

fn is_one_line_value(line: &str) -> bool {
    line.split_once('=').is_some_and(|(key, value)| {
        let key = key.trim();
        !key.is_empty()
            && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
            && !value.contains(['[', '{', '}', ']', '"', '\''])
    })
}
