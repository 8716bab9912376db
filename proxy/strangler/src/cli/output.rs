//! Printing: text or JSON, with colour only where somebody looks and has not said no (`NO_COLOR`).

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use strangler_core::config::{Diagnostic, Severity};

use super::{Exit, Failure};
use crate::edit::EditError;

/// How a command prints.
#[derive(Debug)]
pub(crate) struct Output {
    /// JSON instead of text.
    pub(crate) json: bool,
    color: bool,
    /// Why something that was printed is nowhere, such as a full disk.
    lost: RefCell<Option<io::Error>>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Output {
        // https://no-color.org: any value but the empty one.
        let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = !json && !is_refused && io::stdout().is_terminal();
        Output { json, color, lost: RefCell::default() }
    }

    /// Prints text. A reader that has gone away is no failure of the command.
    pub(crate) fn text(&self, text: &str) {
        if let Err(error) = self.try_text(text)
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.lost.borrow_mut().get_or_insert(error);
        }
    }

    /// How a command ends that ends with `exit`: not as a pass where what it had to say could not be written.
    pub(super) fn end(&self, exit: Exit) -> Exit {
        match self.lost.take() {
            Some(error) if exit == Exit::Pass => {
                self.failure(&format!("what there is to say cannot be written: {error}"));
                Exit::Failed
            }
            _ => exit,
        }
    }

    /// Prints text, for commands that go on until nobody reads any more.
    ///
    /// # Errors
    ///
    /// The reader has gone away.
    pub(crate) fn try_text(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    }

    /// Prints one line of text.
    pub(crate) fn line(&self, line: &str) {
        self.text(&format!("{line}\n"));
    }

    /// Prints one JSON document.
    pub(crate) fn json(&self, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.line(&text),
            Err(error) => self.failure(&error.to_string()),
        }
    }

    /// An edit that was not made, as the end of the command: what is wrong with the file is printed.
    pub(crate) fn edit_failure(&self, error: &EditError) -> Failure {
        if !self.json {
            self.diagnostics(error.diagnostics());
        }
        let exit = match error {
            EditError::Changed { .. } => Exit::Failed,
            _ => Exit::Invalid,
        };
        Failure::new(exit, error.to_string())
    }

    /// Prints diagnostics as text.
    pub(crate) fn diagnostics(&self, diagnostics: &[Diagnostic]) {
        for diagnostic in diagnostics {
            self.text(&diagnostic.render(self.color));
        }
    }

    /// Says on standard error why a command failed.
    pub(crate) fn failure(&self, message: &str) {
        let text = if self.json {
            serde_json::json!({ "error": message }).to_string()
        } else {
            format!("strangler: {message}")
        };
        drop(writeln!(io::stderr(), "{text}"));
    }

    /// Says something on standard error that is no failure.
    pub(crate) fn note(&self, message: &str) {
        drop(writeln!(io::stderr(), "strangler: {message}"));
    }

    /// Text in bold, where colour is welcome.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.painted("1", text)
    }

    /// Text in a colour that warns, where colour is welcome.
    pub(crate) fn alarming(&self, text: &str) -> String {
        self.painted("1;31", text)
    }

    /// A patch with what goes and what comes in colours, where colour is welcome.
    pub(crate) fn patch(&self, patch: &str) -> String {
        let line = |line: &str| {
            let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
            let code = match text.as_bytes().first() {
                _ if text.starts_with("---") || text.starts_with("+++") => "1",
                Some(b'+') => "32",
                Some(b'-') => "31",
                Some(b'@') => "36",
                _ => return line.to_owned(),
            };
            format!("{}{end}", self.painted(code, text))
        };
        patch.split_inclusive('\n').map(line).collect()
    }

    /// Whether somebody looks at a terminal that can be redrawn.
    pub(crate) fn is_terminal(&self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// How many errors, warnings and notes there are, such as `2 errors, 1 warning`.
pub(crate) fn counted(diagnostics: &[Diagnostic]) -> String {
    let of = |severity: Severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let named =
        [(of(Severity::Error), "error"), (of(Severity::Warning), "warning"), (of(Severity::Note), "note")];
    let parts: Vec<String> =
        named.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| plural(count, word)).collect();
    if parts.is_empty() { "no problems".to_owned() } else { parts.join(", ") }
}

/// `1 error`, `2 errors`.
pub(crate) fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
