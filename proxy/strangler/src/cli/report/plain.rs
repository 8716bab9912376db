//! Texts from elsewhere, made harmless for where they are shown.
//!
//! Paths, targets and examples come from the services: they must neither write escapes to a terminal nor take
//! apart the markup around them.

/// Characters of one value that a report shows; the model has all of it.
const VALUE_MAX: usize = 200;

/// A text on one line that a terminal shows as it is: control characters and those that change the direction of
/// writing are shown as `�`.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if is_unruly(c) { '\u{fffd}' } else { c }).collect()
}

fn is_unruly(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// As [`visible`], and not longer than a line can bear.
pub(super) fn short(text: &str) -> String {
    let shown = visible(text);
    if shown.chars().count() <= VALUE_MAX {
        return shown;
    }
    let head: String = shown.chars().take(VALUE_MAX).collect();
    format!("{head}…")
}

/// A word of a shell's command line, whatever is in it.
pub(super) fn shell(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", visible(text).replace('\'', "'\\''"))
}

/// Content of an XML element or attribute (XML 1.0 section 2.2: not every character may be there at all).
pub(super) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if is_unruly(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Words within Markdown, on one line: nothing in them is markup, a link, a mention or the end of a table's cell.
pub(super) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A mention would write to somebody, a number link somewhere.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // What looks like an address becomes a link by itself.
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

/// Words within an HTML element of a Markdown page, on one line: neither an HTML reader nor a Markdown one, whichever
/// looks at that line, takes any of it for markup.
pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in visible(text).chars() {
        if c.is_ascii_punctuation() && !".,;()%-".contains(c) {
            out.push_str(&format!("&#{};", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out.replace("www.", "www&#46;")
}

/// Code within Markdown, also in a cell of a table: literal text in HTML, because a backtick or a bar in a span of
/// code cannot be escaped everywhere.
pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", markdown(text))
}

/// The message of a workflow command (`::error …::message`).
pub(super) fn command_message(text: &str) -> String {
    text.chars().map(|c| if is_unruly(c) && c != '\n' { '\u{fffd}' } else { c }).fold(
        String::with_capacity(text.len()),
        |mut out, c| {
            match c {
                '%' => out.push_str("%25"),
                '\r' => out.push_str("%0D"),
                '\n' => out.push_str("%0A"),
                c => out.push(c),
            }
            out
        },
    )
}

/// A property of a workflow command (`::error title=…::`).
pub(super) fn command_property(text: &str) -> String {
    command_message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_but_text() {
        assert_eq!(visible("a\x1b[31mb\r\nc\u{202e}d"), "a\u{fffd}[31mb\u{fffd}\u{fffd}c\u{fffd}d");
        assert_eq!(short(&"x".repeat(300)).chars().count(), VALUE_MAX + 1);
    }

    #[test]
    fn a_shell_takes_it_for_one_word() {
        for (text, wanted) in [
            ("http://127.0.0.1:8000/a", "http://127.0.0.1:8000/a"),
            ("/a?b=c&d", "'/a?b=c&d'"),
            ("it's $(rm)", "'it'\\''s $(rm)'"),
            ("", "''"),
        ] {
            assert_eq!(shell(text), wanted);
        }
    }

    #[test]
    fn markup_stays_text() {
        assert_eq!(xml("<a b=\"'&\x01\n"), "&lt;a b=&quot;&apos;&amp;\u{fffd}&#10;");
        assert_eq!(markdown("a|b `c` @me <x> http://h"), "a\\|b \\`c\\` &#64;me &lt;x&gt; http&#58;//h");
        assert_eq!(html("a_b $.c[*]: 5% <x>"), "a&#95;b &#36;.c&#91;&#42;&#93;&#58; 5% &#60;x&#62;");
        assert_eq!(code("$.a[*]"), "<code>\\$.a\\[\\*\\]</code>");
    }

    #[test]
    fn a_message_cannot_begin_another_command() {
        assert_eq!(command_message("100%\n::error::x"), "100%25%0A::error::x");
        assert_eq!(command_property("a: b, c\n"), "a%3A b%2C c%0A");
    }
}
