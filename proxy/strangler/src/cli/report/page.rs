//! Lines of a report at a certain width.

use unicode_width::UnicodeWidthStr;

/// Nobody reads narrower than this, nor wider.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=240;

/// Where nobody says how wide.
const WIDTH_DEFAULT: usize = 80;

/// A text that grows line by line, none wider than the page unless one word is.
#[derive(Debug)]
pub(in crate::cli) struct Page {
    width: usize,
    text: String,
}

impl Page {
    pub(in crate::cli) fn new(width: usize) -> Page {
        Page { width: width.clamp(*WIDTHS.start(), *WIDTHS.end()), text: String::new() }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(in crate::cli) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// One line as it is, already laid out.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Words, wrapped; the first line begins with `lead`, the others below its end.
    pub(in crate::cli) fn words(&mut self, lead: &str, words: &str) {
        self.painted(lead, words, str::to_owned);
    }

    /// As [`Page::words`], every line of words painted.
    pub(super) fn painted(&mut self, lead: &str, words: &str, paint: impl Fn(&str) -> String) {
        let indent = lead.width();
        let mut lead = lead.to_owned();
        for line in wrapped(words, self.width.saturating_sub(indent)) {
            self.text.push_str(&lead);
            self.text.push_str(&paint(&line));
            self.text.push('\n');
            lead = " ".repeat(indent);
        }
    }
}

/// Lines of at most `width` columns, but for words that are longer.
fn wrapped(words: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// A text that is exactly `width` columns wide; of a longer one the beginning.
pub(super) fn cell(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let is_cut = text.width() > width;
    let room = if is_cut { width.saturating_sub(1) } else { width };
    for c in text.chars() {
        let columns = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used + columns > room {
            break;
        }
        out.push(c);
        used += columns;
    }
    if is_cut && width > 0 {
        out.push('…');
        used += 1;
    }
    out.push_str(&" ".repeat(width.saturating_sub(used)));
    out
}

/// How wide the page is: `COLUMNS`, else the terminal, else 80.
pub(super) fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let columns = columns.filter(|columns| *columns > 0).or_else(|| {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    });
    columns.unwrap_or(WIDTH_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_below_their_beginning() {
        let mut page = Page::new(40);
        page.words("  * ", "one two three four five six seven eight nine ten");
        assert_eq!(page.into_text(), "  * one two three four five six seven\n    eight nine ten\n");
    }

    #[test]
    fn a_cell_is_as_wide_as_its_column() {
        for (text, width, wanted) in
            [("abc", 5, "abc  "), ("abcdef", 4, "abc…"), ("東京都", 5, "東京…"), ("", 2, "  "), ("ab", 0, "")]
        {
            assert_eq!(cell(text, width), wanted);
        }
    }
}
