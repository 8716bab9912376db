//! The collector of problems: nothing stops at the first one, and none is said twice.

use std::cell::RefCell;
use std::collections::HashSet;

use super::LoadOptions;
use super::code::{self, Code};
use super::diagnostic::Diagnostic;
use super::source::{Files, Span};

/// At most so many problems are kept; a broken file of ten thousand routes need not name each.
const MOST_PROBLEMS: usize = 1000;

/// One problem, before its place is worked out.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) code: Code,
    pub(super) span: Span,
    message: String,
    help: Option<String>,
    related: Vec<(Span, String)>,
}

impl Problem {
    pub(super) fn new(code: Code, span: Span, message: impl Into<String>) -> Problem {
        Problem { code, span, message: message.into(), help: None, related: Vec::new() }
    }

    /// One line that says what to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// The same, where there is something to say.
    pub(super) fn maybe_help(mut self, help: Option<String>) -> Problem {
        self.help = help.or(self.help);
        self
    }

    /// Another place that belongs to it.
    pub(super) fn related(mut self, span: Span, what: impl Into<String>) -> Problem {
        self.related.push((span, what.into()));
        self
    }

    pub(super) fn diagnostic(self, files: &Files<'_>) -> Diagnostic {
        let Problem { code, span, message, help, related } = self;
        Diagnostic {
            severity: code.severity,
            code: code.name,
            place: Some(files.place(span)),
            excerpt: files.excerpt(span),
            message,
            help,
            related: related.into_iter().map(|(span, what)| (files.place(span), what)).collect(),
        }
    }
}

/// What every reader of the language has at hand.
pub(super) struct Context<'t, 'o> {
    pub(super) files: Files<'t>,
    pub(super) options: LoadOptions<'o>,
    problems: RefCell<Vec<Problem>>,
    seen: RefCell<HashSet<(Span, &'static str, String)>>,
    unexpanded: RefCell<HashSet<Span>>,
}

impl<'t, 'o> Context<'t, 'o> {
    pub(super) fn new(files: Files<'t>, options: LoadOptions<'o>) -> Context<'t, 'o> {
        Context {
            files,
            options,
            problems: RefCell::default(),
            seen: RefCell::default(),
            unexpanded: RefCell::default(),
        }
    }

    /// Remembers a value whose variables could not all be replaced: what else is wrong with it follows from that.
    pub(super) fn distrust(&self, value: Span) {
        self.unexpanded.borrow_mut().insert(value);
    }

    /// Whether a value's variables could not all be replaced.
    pub(super) fn is_distrusted(&self, value: Span) -> bool {
        self.unexpanded.borrow().contains(&value)
    }

    /// Takes a problem down; a problem of a shared default that is met once per slice is one problem.
    pub(super) fn report(&self, problem: Problem) {
        let about_variables = [code::UNSET_VARIABLE, code::BAD_PLACEHOLDER].contains(&problem.code);
        if !about_variables && self.unexpanded.borrow().contains(&problem.span) {
            return;
        }
        let mut problems = self.problems.borrow_mut();
        let key = (problem.span, problem.code.name, problem.message.clone());
        if problems.len() < MOST_PROBLEMS && self.seen.borrow_mut().insert(key) {
            problems.push(problem);
        }
    }

    /// Whether further problems are not kept, so that nobody need work them out.
    pub(super) fn is_full(&self) -> bool {
        self.count() >= MOST_PROBLEMS
    }

    /// How many problems there are.
    pub(super) fn count(&self) -> usize {
        self.problems.borrow().len()
    }

    /// Whether a problem taken down after the first so many is of a kind.
    pub(super) fn any_since(&self, count: usize, of_kind: impl Fn(&Problem) -> bool) -> bool {
        self.problems.borrow().iter().skip(count).any(of_kind)
    }

    /// Drops the problems that a test does not trust.
    pub(super) fn retain(&self, trusted: impl Fn(&Problem) -> bool) {
        self.problems.borrow_mut().retain(trusted);
    }

    /// All problems, by place.
    pub(super) fn finish(&self) -> Vec<Diagnostic> {
        let mut problems = self.problems.take();
        problems.sort_by_key(|problem| (problem.span, problem.code.severity));
        problems.into_iter().map(|problem| problem.diagnostic(&self.files)).collect()
    }
}
