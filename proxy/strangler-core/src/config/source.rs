//! Files as texts, and places in them.
//!
//! Owns spans and the translation of byte offsets into lines and columns, with line starts computed once per
//! file so that ten thousand routes cost ten thousand binary searches and no scans. Refuses reading files.

use std::sync::Arc;

use super::diagnostic::Excerpt;
use super::{SourceText, Sources};
use crate::snapshot::Place;

/// Bytes of one file: a part of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Span {
    /// Which file.
    pub(super) file: FileId,
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
}

impl Span {
    /// Part of a file.
    pub(super) fn new(file: FileId, range: std::ops::Range<usize>) -> Span {
        Span { file, start: range.start, end: range.end.max(range.start) }
    }
}

/// Index into [`Files`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FileId(usize);

/// The text of the built-in defaults; never shown as a place.
pub(super) const BUILT_IN: FileId = FileId(0);
/// The main file.
pub(super) const MAIN: FileId = FileId(1);

struct File<'t> {
    name: Arc<str>,
    text: &'t str,
    line_starts: Vec<usize>,
    /// Then bytes are columns, and a line of ten thousand routes need not be counted ten thousand times.
    is_ascii: bool,
}

/// All texts of one configuration.
pub(super) struct Files<'t>(Vec<File<'t>>);

impl<'t> Files<'t> {
    /// The built-in defaults, the main file and the included files, in this order.
    pub(super) fn new(built_in: &'t str, sources: &'t Sources) -> Files<'t> {
        let named = std::iter::once(&sources.main).chain(&sources.included);
        let mut files =
            vec![File { name: "built-in".into(), text: built_in, line_starts: Vec::new(), is_ascii: true }];
        files.extend(named.map(|SourceText { name, text }| File {
            name: name.as_str().into(),
            text,
            line_starts: std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect(),
            is_ascii: text.is_ascii(),
        }));
        Files(files)
    }

    /// The files a person wrote, the main one first.
    pub(super) fn written(&self) -> impl Iterator<Item = (FileId, &'t str)> + '_ {
        self.0.iter().enumerate().skip(1).map(|(index, file)| (FileId(index), file.text))
    }

    /// The text of a span; empty where it is none.
    pub(super) fn slice(&self, span: Span) -> &'t str {
        self.0.get(span.file.0).and_then(|file| file.text.get(span.start..span.end)).unwrap_or_default()
    }

    /// Where a span starts.
    pub(super) fn place(&self, span: Span) -> Place {
        let Some(file) = self.0.get(span.file.0) else {
            return Place { file: "".into(), line: 1, column: 1 };
        };
        let (line, start) = line_of(file, span.start);
        let before = if file.is_ascii {
            span.start.saturating_sub(start)
        } else {
            file.text.get(start..span.start).unwrap_or_default().chars().count()
        };
        Place { file: Arc::clone(&file.name), line: to_u32(line + 1), column: to_u32(before + 1) }
    }

    /// The source line of a span and how much of it is underlined: up to the line's end. A long line is cut to
    /// what is around the span.
    pub(super) fn excerpt(&self, span: Span) -> Option<Excerpt> {
        let file = self.0.get(span.file.0)?;
        let (_, start) = line_of(file, span.start);
        let rest = file.text.get(start..)?;
        let line = rest.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let end = span.end.min(start + line.len());
        let before = file.text.get(start..span.start)?.chars().count();
        let width =
            file.text.get(span.start..end).map_or(0, |marked| marked.chars().take(LONGEST_LINE).count());
        // Characters are at most as many as bytes.
        let is_long = line.len() > LONGEST_LINE && line.chars().count() > LONGEST_LINE;
        let skipped = if is_long { before.saturating_sub(LONGEST_LINE / 4) } else { 0 };
        let mut rest = line.chars().skip(skipped);
        let shown: String = rest.by_ref().take(LONGEST_LINE).collect();
        let shown_width = width.min(LONGEST_LINE.saturating_sub(before - skipped)).max(1);
        let cut = rest.next().is_some();
        Some(Excerpt { line: shown, skipped: to_u32(skipped), cut, width: to_u32(shown_width) })
    }
}

/// Characters of a source line that are shown.
const LONGEST_LINE: usize = 240;

/// Index and first byte of the line that holds a byte.
fn line_of(file: &File<'_>, at: usize) -> (usize, usize) {
    let line = file.line_starts.partition_point(|start| *start <= at).saturating_sub(1);
    (line, file.line_starts.get(line).copied().unwrap_or(0))
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
