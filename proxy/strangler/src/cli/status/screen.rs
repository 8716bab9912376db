//! A page on a terminal, drawn over the one before: the first sentence stays in sight, however low the window is.

use std::fmt::Write as _;

use rustix::termios::tcgetwinsize;

/// Lines of a terminal that does not say how many it has.
const LINES_DEFAULT: usize = 24;

#[derive(Debug)]
pub(super) struct Screen {
    is_first: bool,
}

impl Screen {
    pub(super) fn new() -> Screen {
        Screen { is_first: true }
    }

    /// What to write so that the text is seen.
    pub(super) fn draw(&mut self, text: &str) -> String {
        let lines = tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_row));
        let lines = if lines == 0 { LINES_DEFAULT } else { lines };
        page(text, lines, std::mem::take(&mut self.is_first))
    }
}

/// The first page clears the screen. The others go over it line by line, which does not flicker. Lines are cut at the
/// right edge meanwhile, since a wrapped one would push the first off the top.
fn page(text: &str, lines: usize, is_first: bool) -> String {
    let mut page = if is_first { "\x1b[2J".to_owned() } else { String::new() };
    page.push_str("\x1b[?7l\x1b[H");
    let all = text.lines().count();
    // One for what ends it, one for the cursor.
    let room = lines.saturating_sub(2).max(1);
    for line in text.lines().take(room) {
        let _infallible = writeln!(page, "{line}\x1b[K");
    }
    // What is cut may be painted.
    page.push_str("\x1b[0m");
    let more = match all.saturating_sub(room) {
        0 => String::new(),
        more => format!(" ({more} more lines: `strangler status`)"),
    };
    let _infallible = writeln!(page, "q: end{more}\x1b[K\x1b[J\x1b[?7h");
    page
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn the_first_lines_are_seen_and_what_is_not_is_counted() {
        let text = "sentence\n\nrow 1\nrow 2\n";
        assert_eq!(
            page(text, 24, true),
            "\x1b[2J\x1b[?7l\x1b[Hsentence\x1b[K\n\x1b[K\nrow 1\x1b[K\nrow 2\x1b[K\n\x1b[0mq: end\x1b[K\x1b[J\x1b[?7h\n"
        );
        assert_eq!(
            page(text, 4, false),
            "\x1b[?7l\x1b[Hsentence\x1b[K\n\x1b[K\n\x1b[0mq: end (2 more lines: `strangler status`)\x1b[K\x1b[J\x1b[?7h\n"
        );
        assert!(page(text, 1, false).contains("sentence"), "whatever there is room for");
    }
}
