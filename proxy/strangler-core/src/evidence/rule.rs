//! Rules that hide differences, by their own text.
//!
//! A rule's place in a list changes with every edit; its text says what it hides. Refuses to judge (see
//! [`crate::compare`]).

use jiff::civil::Date;

use crate::compare::Rule;
use crate::snapshot::compare::{Accept, Accepted, AcceptedPath, Compare, ResponsePath};

/// The text of a rule of `rules`: `ignore $.items[0].id`, `accept 3f9c21ab`, `accept $.total value`.
pub fn text(rules: &Compare, rule: Rule) -> Box<str> {
    let text = match rule {
        Rule::Ignore(index) => rules.ignore.get(index).map(of_ignore),
        Rule::Accept(index) => rules.accept.get(index).map(of_accept),
    };
    text.unwrap_or_default()
}

/// The text of an entry of `ignore`.
pub fn of_ignore(path: &ResponsePath) -> Box<str> {
    format!("ignore {}", written(path)).into()
}

/// The text of an entry of `accept`.
pub fn of_accept(accept: &Accept) -> Box<str> {
    match &accept.what {
        Accepted::Signature(signature) => format!("accept {}", signature.to_ascii_lowercase()).into(),
        Accepted::Path { path, kind } => {
            let path = match path {
                AcceptedPath::Status => "status".to_owned(),
                AcceptedPath::Response(path) => written(path),
            };
            match kind {
                Some(kind) => format!("accept {path} {kind}").into(),
                None => format!("accept {path}").into(),
            }
        }
    }
}

/// The texts of all rules of `rules` that hide anything on the day `today`.
pub fn in_force(rules: &Compare, today: Date) -> impl Iterator<Item = Box<str>> {
    let accepts = rules.accept.iter().filter(move |accept| accept.until >= today).map(of_accept);
    rules.ignore.iter().map(of_ignore).chain(accepts)
}

fn written(path: &ResponsePath) -> String {
    match path {
        ResponsePath::Body(path) => path.text.clone(),
        ResponsePath::Header(name) => format!("header:{name}"),
        ResponsePath::Cookie(name) => format!("cookie:{name}"),
    }
}
