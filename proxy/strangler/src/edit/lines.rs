//! Lines: a text is edited in its plain form, and what is not changed is kept byte by byte.
//!
//! A TOML writer normalises line ends, a byte-order mark and the last line's missing end. Here only the lines
//! that the edit is about take its spelling.

use std::path::Path;

use similar::{Algorithm, ChangeTag, TextDiff};

const MARK: char = '\u{feff}';

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// Edits a text that has plain line ends, and puts the outcome into the original.
pub(super) fn edited<E>(original: &str, edit: impl FnOnce(&str) -> Result<String, E>) -> Result<String, E> {
    let body = original.strip_prefix(MARK).unwrap_or(original);
    let plain = body.replace("\r\n", "\n");
    let after = edit(&plain)?;
    let end = if body.matches("\r\n").count() * 2 > body.matches('\n').count() { "\r\n" } else { "\n" };
    let mut out = String::with_capacity(original.len() + after.len() - plain.len().min(after.len()));
    if original.starts_with(MARK) {
        out.push(MARK);
    }
    let mut kept = body.split_inclusive('\n');
    let diff = TextDiff::configure().algorithm(Algorithm::Patience).diff_lines(&plain, &after);
    let unended = !body.is_empty() && !body.ends_with('\n');
    for change in diff.iter_all_changes() {
        match change.tag() {
            ChangeTag::Equal => out.push_str(kept.next().unwrap_or_default()),
            ChangeTag::Delete => drop(kept.next()),
            ChangeTag::Insert => {
                let line = change.value();
                out.push_str(line.strip_suffix('\n').unwrap_or(line));
                out.push_str(if line.ends_with('\n') { end } else { "" });
            }
        }
    }
    // The writer ends the last line; if that is all it did to it, it is as it was.
    if unended && out.ends_with(end) && ends_as(&out, body) {
        out.truncate(out.len() - end.len());
    }
    Ok(out)
}

/// Whether the last line of a text is, apart from its end, that of the other.
fn ends_as(text: &str, original: &str) -> bool {
    text.trim_end_matches(['\r', '\n']).lines().last() == original.lines().last()
}

/// A unified diff of one file.
pub(super) fn patch(file: &Path, before: &str, after: &str) -> String {
    let name = file.display().to_string();
    let name = name.trim_start_matches('/');
    TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&format!("a/{name}"), &format!("b/{name}"))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends a line as the TOML writer does: everything in plain form, the last line ended.
    fn appended(original: &str) -> String {
        edited(original, |text| {
            let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            Ok::<_, ()>(format!("{text}{end}new = 1\n"))
        })
        .unwrap()
    }

    #[test]
    fn only_changed_lines_take_a_new_spelling() {
        for (original, wanted) in [
            ("a = 1\nb = 2\n", "a = 1\nb = 2\nnew = 1\n"),
            ("a = 1\r\nb = 2\r\n", "a = 1\r\nb = 2\r\nnew = 1\r\n"),
            ("a = 1\r\nb = 2\nc = 3\n", "a = 1\r\nb = 2\nc = 3\nnew = 1\n"),
            ("\u{feff}a = 1\n", "\u{feff}a = 1\nnew = 1\n"),
            ("a = 1", "a = 1\nnew = 1\n"),
            ("a = 1\r\nb = 2", "a = 1\r\nb = 2\r\nnew = 1\r\n"),
            ("", "new = 1\n"),
        ] {
            assert_eq!(appended(original), wanted, "{original:?}");
        }
    }

    #[test]
    fn a_text_that_is_not_changed_is_the_same_text() {
        for original in ["", "a = 1", "a = 1\r\n", "\u{feff}a = 1\r\nb = 2\n\r\n", "# only\n\n\n"] {
            let ended = |text: &str| {
                let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                Ok::<_, ()>(format!("{text}{end}"))
            };
            assert_eq!(edited(original, ended).unwrap(), original, "{original:?}");
        }
    }

    #[test]
    fn a_patch_names_its_file_below_any_folder() {
        let patch = patch(Path::new("/etc/strangler.toml"), "a = 1\n", "a = 1\nb = 2\n");
        assert_eq!(
            patch,
            "--- a/etc/strangler.toml\n+++ b/etc/strangler.toml\n@@ -1 +1,2 @@\n a = 1\n+b = 2\n"
        );
    }
}
