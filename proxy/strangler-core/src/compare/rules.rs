//! Which rule of the configuration hides a difference: `ignore`, `accept`.
//!
//! Judged by path, kind and signature alone, so that differences recorded under other rules can be judged
//! anew. A recorded path has `[*]` for its indices: a rule that names an index then hides nothing.

use super::{Element, Kind, Path, Signature};
use crate::snapshot::compare::{
    Accept, Accepted, AcceptedPath, BodyPath, Compare, ResponsePath, Select, Step,
};

/// A rule, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// This entry of `ignore`, from 0.
    Ignore(usize),
    /// This entry of `accept`, from 0.
    Accept(usize),
}

/// What the rules say of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// It counts.
    Counts,
    /// It is hidden by this rule; the first of several.
    Hidden(Rule),
    /// It counts: this entry of `accept` hid it until its day.
    Expired(usize),
}

impl Verdict {
    /// Whether it counts.
    pub fn counts(self) -> bool {
        !matches!(self, Verdict::Hidden(_))
    }
}

/// What the rules say of a difference on the day `today`, in UTC.
pub fn verdict(
    rules: &Compare,
    today: jiff::civil::Date,
    path: &Path,
    kind: Kind,
    signature: Signature,
) -> Verdict {
    let ignored = |rule: &ResponsePath| {
        is_at(rule, path) && (!matches!(rule, ResponsePath::Cookie(_)) || kind == Kind::CookieValue)
    };
    if let Some(index) = rules.ignore.iter().position(ignored) {
        return Verdict::Hidden(Rule::Ignore(index));
    }
    let mut expired = None;
    for (index, accept) in rules.accept.iter().enumerate() {
        if !accepts(accept, path, kind, signature) {
            continue;
        }
        if accept.until >= today {
            return Verdict::Hidden(Rule::Accept(index));
        }
        expired = expired.or(Some(index));
    }
    expired.map_or(Verdict::Counts, Verdict::Expired)
}

fn accepts(accept: &Accept, path: &Path, kind: Kind, signature: Signature) -> bool {
    match &accept.what {
        Accepted::Signature(text) => text.parse() == Ok(signature),
        Accepted::Path { path: accepted, kind: name } => {
            let here = match accepted {
                AcceptedPath::Status => *path == Path::Status,
                AcceptedPath::Response(rule) => is_at(rule, path),
            };
            here && name.as_ref().is_none_or(|name| kind.is_called(name))
        }
    }
}

/// Whether a rule's path is that of the difference, or above it.
fn is_at(rule: &ResponsePath, path: &Path) -> bool {
    match (rule, path) {
        (ResponsePath::Body(rule), Path::Body(elements)) => covers(rule, elements),
        (ResponsePath::Header(name), Path::Header(header)) => **name == **header,
        (ResponsePath::Cookie(name), Path::Cookie(cookie)) => **name == **cookie,
        // Each cookie is a line of this header.
        (ResponsePath::Header(name), Path::Cookie(_)) => name == "set-cookie",
        _ => false,
    }
}

/// Whether a path is the place that `rule` selects, or below it.
fn covers(rule: &BodyPath, elements: &[Element]) -> bool {
    let mut progress = Progress::start();
    if progress.is_done(rule) {
        return true;
    }
    elements.iter().any(|element| {
        progress = progress.step(rule, |select| match (select, element) {
            (Select::Any, _) => true,
            (Select::Name(name), Element::Name(member)) => **name == **member,
            (Select::Index(index), Element::Index(at)) => index == at,
            _ => false,
        });
        progress.is_done(rule)
    })
}

/// How far a path has been followed: bit n, that the first n steps have been taken. A rule has at most 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Progress(u128);

impl Progress {
    /// At the root.
    pub(super) fn start() -> Self {
        Progress(1)
    }

    /// One level down, where `selects` says whether a step selects what is there.
    pub(super) fn step(self, rule: &BodyPath, selects: impl Fn(&Select) -> bool) -> Self {
        let mut next = 0;
        for (at, Step { descendant, select }) in rule.steps.iter().enumerate().take(127) {
            if self.0 & (1 << at) == 0 {
                continue;
            }
            if selects(select) {
                next |= 1 << (at + 1);
            }
            if *descendant {
                next |= 1 << at;
            }
        }
        Progress(next)
    }

    /// Whether the whole path has just been followed.
    pub(super) fn is_done(self, rule: &BodyPath) -> bool {
        self.0 & (1_u128 << rule.steps.len().min(127)) != 0
    }
    /// Whether nothing below can be selected.
    pub(super) fn is_lost(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Rule, Verdict, verdict};
    use crate::compare::fixture::{TODAY, rules};
    use crate::compare::{Kind, Path, Signature};

    /// What a rule says of differences, each a path, a kind and whether it is hidden.
    fn check(text: &str, cases: &[(&str, &str, bool)]) {
        let rules = rules(text);
        let signature: Signature = "00000001".parse().unwrap();
        for (path, kind, hidden) in cases {
            let (path, kind) = (path.parse::<Path>().unwrap(), Kind::named(kind).unwrap());
            let found = verdict(&rules, TODAY, &path, kind, signature);
            assert_eq!(!found.counts(), *hidden, "{text}: {path} {kind}");
        }
    }

    #[test]
    fn ignore_hides_a_header_and_of_a_cookie_only_its_value() {
        check(
            r#"ignore = ["header:X-Runtime", "cookie:session"]"#,
            &[
                ("header:x-runtime", "header.value", true),
                ("header:x-runtime", "header.missing", true),
                ("header:x-runtime", "header.extra", true),
                ("header:x-runtimes", "header.value", false),
                ("cookie:session", "cookie.value", true),
                ("cookie:session", "cookie.attribute", false),
                ("cookie:session", "cookie.missing", false),
                ("cookie:Session", "cookie.value", false),
                ("status", "status", false),
                ("$", "body.value", false),
            ],
        );
        check(
            r#"ignore = ["$"]"#,
            &[
                ("$", "body.value", true),
                ("$", "body.truncated", true),
                ("$.a[3].b", "body.type", true),
                ("status", "status", false),
                ("transport", "transport", false),
            ],
        );
    }

    #[test]
    fn accept_takes_a_path_and_a_kind_in_full_or_its_last_word() {
        let accept = |what: &str| format!("accept = [{{ {what}, why = \"w\", until = 2026-01-15 }}]");
        check(&accept(r#"path = "status""#), &[("status", "status", true), ("$", "body.value", false)]);
        check(
            &accept(r#"path = "header:location", kind = "value""#),
            &[("header:location", "header.value", true), ("header:location", "header.missing", false)],
        );
        check(
            &accept(r#"path = "cookie:session", kind = "attribute""#),
            &[("cookie:session", "cookie.attribute", true), ("cookie:session", "cookie.value", false)],
        );
        check(
            &accept(r#"path = "cookie:session""#),
            &[("cookie:session", "cookie.attribute", true), ("cookie:session", "cookie.missing", true)],
        );
        check(
            &accept(r#"path = "$.items[*].rating", kind = "body.value""#),
            &[
                ("$.items[3].rating", "body.value", true),
                ("$.items[*].rating", "body.value", true),
                ("$.items[3].rating.stars", "body.value", true),
                ("$.items[3].rating", "body.type", false),
                ("$.items[3]", "body.value", false),
            ],
        );
        check(&accept(r#"signature = "00000001""#), &[("$.anything", "body.value", true)]);
        check(&accept(r#"signature = "00000002""#), &[("$.anything", "body.value", false)]);
    }

    #[test]
    fn a_recorded_path_without_indices_is_judged_alike_unless_a_rule_names_an_index() {
        check(
            r#"ignore = ["$.items[*].id", "$..at", "$.rows[0]"]"#,
            &[
                ("$.items[*].id", "body.value", true),
                ("$.items[*].x[*].at", "body.value", true),
                ("$.rows[0]", "body.value", true),
                ("$.rows[*]", "body.value", false),
            ],
        );
    }

    #[test]
    fn of_several_rules_the_first_is_named() {
        let rules = rules(
            r#"ignore = ["$.b", "$.a", "$..a"]
            accept = [{ path = "$.a", why = "w", until = 2027-01-01 }]"#,
        );
        let path = "$.a".parse().unwrap();
        let signature = "00000001".parse().unwrap();
        let found = verdict(&rules, TODAY, &path, Kind::BodyValue, signature);
        assert_eq!(found, Verdict::Hidden(Rule::Ignore(1)));
    }
}
