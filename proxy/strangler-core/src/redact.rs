//! What may be kept of a request and its replies.
//!
//! Owns the way from what was on the wire to what may be stored, logged or shown: headers by an allow-list,
//! cookies by name, paths, queries, forms, JSON, markup and text by the names beside a value and by what a value
//! looks like, and whatever was found secret in one place everywhere else in the same exchange. A secret is replaced
//! by a pseudonym: equal values have equal pseudonyms under one [`Key`], so that what is kept can still be
//! compared and replayed; without the key nothing can be guessed from them.
//!
//! Refuses to decide what is captured, and to compare: comparison comes before redaction. Errs towards replacing:
//! a body that cannot be read as what it says it is is read as text, and one that is no text is kept as its
//! length and a pseudonym only.

mod detect;
mod exchange;
mod headers;
mod json;
mod letters;
mod markup;
mod multipart;
mod names;
mod pseudonym;
mod rules;
mod spelling;
mod structure;
mod target;
mod text;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;

pub use exchange::{Body, Ended, Exchanged, RawHeader, RawReply, RawRequest, Redacted, Reply, Request};
pub use pseudonym::{Key, Pseudonyms, blank, is_hidden};
pub use structure::structure;
pub use target::{is_plain_path, names_secret};

use crate::matching::Pattern;
use crate::snapshot::Redact;
use rules::Rules;

/// Why something was replaced. The word stands in its pseudonym.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Beside a name such as `password`.
    Password,
    /// Beside a name such as `access_token`, or something that looks like one: a JWT, an opaque random text.
    Token,
    /// A payment card's number, or something beside a name such as `card`.
    Card,
    /// An e-mail address.
    Email,
    /// An international bank account number.
    Iban,
    /// A cookie's value.
    Cookie,
    /// A code that stands for a password: a reset link's, a one-time code.
    Code,
    /// A token against forged forms.
    Csrf,
    /// Beside a name such as `client_secret`.
    Secret,
    /// The value of a header that is not on the list of those kept.
    Header,
    /// Named by `compare.redact`.
    Named,
    /// A body, or part of one, that cannot be read.
    Opaque,
}

impl Class {
    /// Every class.
    pub const ALL: &'static [Class] = &[
        Class::Password,
        Class::Token,
        Class::Card,
        Class::Email,
        Class::Iban,
        Class::Cookie,
        Class::Code,
        Class::Csrf,
        Class::Secret,
        Class::Header,
        Class::Named,
        Class::Opaque,
    ];

    /// The word in a pseudonym, and in the account of what was replaced.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Password => "password",
            Class::Token => "token",
            Class::Card => "card",
            Class::Email => "email",
            Class::Iban => "iban",
            Class::Cookie => "cookie",
            Class::Code => "code",
            Class::Csrf => "csrf",
            Class::Secret => "secret",
            Class::Header => "header",
            Class::Named => "named",
            Class::Opaque => "opaque",
        }
    }
}

/// How many values of each class were replaced.
pub type Findings = BTreeMap<&'static str, u32>;

/// A secret shorter than this is replaced where it was found, but not looked for elsewhere: it would be found in
/// everything.
const ECHO_BYTES_MIN: usize = 6;

/// Secrets of one exchange that are looked for everywhere in it.
const ECHOES_MAX: usize = 64;

/// Replaces what must not be kept, in the messages of one exchange.
///
/// Whatever it has found secret by its name (a password in a form, a cookie) it replaces from then on wherever it
/// meets it, also where no name gives it away. [`Redactor::exchange`] therefore reads everything twice.
#[derive(Debug)]
pub struct Redactor<'a> {
    pseudonyms: &'a Pseudonyms,
    rules: Rules<'a>,
    pattern: Option<&'a Pattern>,
    echoes: RefCell<Vec<(String, Class)>>,
    findings: RefCell<Findings>,
}

impl<'a> Redactor<'a> {
    /// A redactor for one exchange: `rules` are `compare.redact` of its route, `pattern` the route's, whose names
    /// `path:NAME` refers to.
    pub fn new(
        pseudonyms: &'a Pseudonyms,
        rules: &'a [Redact],
        pattern: Option<&'a Pattern>,
    ) -> Redactor<'a> {
        Redactor {
            pseudonyms,
            rules: Rules::new(rules),
            pattern,
            echoes: RefCell::default(),
            findings: RefCell::default(),
        }
    }

    /// What was replaced so far.
    pub fn findings(&self) -> Findings {
        self.findings.borrow().clone()
    }

    /// A text in which nobody says what stands where.
    pub fn text(&self, text: &str) -> String {
        text::redacted(self, text).into_owned()
    }

    /// A path without a query, as in a log line.
    pub fn path(&self, path: &str) -> String {
        target::path(self, path)
    }

    /// A value that a comparison found at `path` (`$.items[3].price`, `header:x`, `cookie:s`, `status`).
    pub fn value_at(&self, path: &str, value: &str) -> String {
        rules::value_at(self, path, value)
    }

    /// The place a comparison names: a JSON member's name may be a secret itself.
    pub fn place(&self, path: &str) -> String {
        text::redacted(self, path).into_owned()
    }

    /// A pseudonym for a text that is secret as a whole.
    fn replace(&self, class: Class, value: &str) -> String {
        if value.is_empty() || pseudonym::is_pseudonym(value) {
            return value.to_owned();
        }
        self.note(class, value);
        self.pseudonyms.of(class, value)
    }

    /// A pseudonym for a number that is secret.
    fn replace_number(&self, class: Class, lexeme: &str) -> String {
        if pseudonym::is_number(lexeme) {
            return lexeme.to_owned();
        }
        self.note(class, lexeme);
        self.pseudonyms.of_number(lexeme)
    }

    fn note(&self, class: Class, value: &str) {
        let mut findings = self.findings.borrow_mut();
        let count = findings.entry(class.as_str()).or_default();
        *count = count.saturating_add(1);
        drop(findings);
        let looked_for = !matches!(class, Class::Header | Class::Opaque | Class::Email);
        if looked_for {
            self.look_for(value, class);
            self.look_for(&spelling::said(value), class);
        }
    }

    /// From now on this is replaced wherever it stands.
    fn look_for(&self, value: &str, class: Class) {
        let mut echoes = self.echoes.borrow_mut();
        let is_new = value.len() >= ECHO_BYTES_MIN && !echoes.iter().any(|(known, _)| known == value);
        if is_new && echoes.len() < ECHOES_MAX {
            echoes.push((value.to_owned(), class));
            // Longer ones first: a secret that contains another is replaced whole.
            echoes.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        }
    }
}
