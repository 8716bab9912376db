//! Collecting the differences of one comparison: judged by the rules, one per signature, within bounds.
//!
//! A reply of any size and malice makes at most [`MOST_FINDINGS`] that count and as many hidden ones; what
//! does not fit is counted. Hidden ones never take the room of those that count.

use std::collections::BTreeMap;

use super::{Comparison, Context, Difference, Finding, Rule, Signature, Verdict, verdict};

/// How many signatures one comparison keeps of those that count, and as many of those hidden.
pub const MOST_FINDINGS: usize = 200;

/// How long a value of an example is, in bytes.
pub const MOST_VALUE_BYTES: usize = 512;

/// Collects the differences of one comparison.
#[derive(Debug)]
pub struct Findings<'a> {
    context: &'a Context<'a>,
    comparison: Comparison,
    known: BTreeMap<(Signature, Verdict), usize>,
}

impl<'a> Findings<'a> {
    /// None yet.
    pub fn new(context: &'a Context<'a>) -> Self {
        Findings { context, comparison: Comparison::default(), known: BTreeMap::new() }
    }

    /// Adds a difference: judges it, and counts it where its signature is known already.
    pub fn add(&mut self, difference: Difference) {
        let signature = difference.signature(self.context.route);
        let verdict =
            verdict(self.context.rules, self.context.today, &difference.path, difference.kind, signature);
        let (list, dropped) = match verdict {
            Verdict::Hidden(_) => (&mut self.comparison.hidden, &mut self.comparison.hidden_dropped),
            Verdict::Counts | Verdict::Expired(_) => {
                (&mut self.comparison.differences, &mut self.comparison.dropped)
            }
        };
        if let Some(finding) = self.known.get(&(signature, verdict)).and_then(|at| list.get_mut(*at)) {
            finding.times = finding.times.saturating_add(1);
        } else if list.len() < MOST_FINDINGS {
            self.known.insert((signature, verdict), list.len());
            list.push(Finding { signature, difference, times: 1, verdict });
        } else {
            *dropped = dropped.saturating_add(1);
        }
    }

    /// Whether a difference that counts has been added.
    pub fn any_counts(&self) -> bool {
        !self.comparison.differences.is_empty()
    }

    /// Whether any difference has been added, hidden or not.
    pub fn any(&self) -> bool {
        self.any_counts() || !self.comparison.hidden.is_empty()
    }

    /// What was collected.
    pub fn finish(self) -> Comparison {
        self.comparison
    }
}

/// A value as an example shows it: as text, at most [`MOST_VALUE_BYTES`] long, with `…` where it was cut.
pub fn excerpt(value: &[u8]) -> String {
    let head = value.get(..MOST_VALUE_BYTES).unwrap_or(value);
    let mut text = String::from_utf8_lossy(head).into_owned();
    if head.len() < value.len() || text.len() > MOST_VALUE_BYTES {
        // A character that the cut went through is gone; the mark has room as well.
        let mut end = MOST_VALUE_BYTES - '…'.len_utf8();
        while !text.is_char_boundary(end.min(text.len())) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

impl Rule {
    /// Its place in `ignore` or `accept`, from 0.
    pub fn index(self) -> usize {
        match self {
            Rule::Ignore(index) | Rule::Accept(index) => index,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_FINDINGS, MOST_VALUE_BYTES, excerpt};
    use crate::compare::{Account, Class, Context, Difference, Element, Findings, Kind, Path, Side};
    use crate::snapshot::Compare;
    use crate::snapshot::compare::{BodyPath, ResponsePath, Select, Step};

    fn added(names: impl Iterator<Item = String>, rules: &Compare) -> crate::compare::Comparison {
        let context = Context {
            rules,
            route: "r",
            method: "GET",
            today: jiff::civil::date(2026, 1, 1),
            legacy: Side::default(),
            extracted: Side::default(),
        };
        let mut findings = Findings::new(&context);
        for name in names {
            let path = Path::Body(vec![Element::Name(name.into())]);
            findings.add(Difference::new(path, Kind::BodyValue, Class::String, Class::String));
        }
        findings.finish()
    }

    #[test]
    fn a_signature_is_kept_once_and_counted() {
        let found = added(["a", "b", "a", "a"].iter().map(|name| (*name).to_owned()), &Compare::default());
        let times: Vec<u32> = found.differences.iter().map(|finding| finding.times).collect();
        assert_eq!(times, [3, 1]);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let names = (0..MOST_FINDINGS + 7).map(|n| format!("n{n}x"));
        let found = added(names, &Compare::default());
        assert_eq!((found.differences.len(), found.dropped), (MOST_FINDINGS, 7));
    }

    #[test]
    fn hidden_differences_leave_room_for_those_that_count() {
        let mut rules = Compare::default();
        let step = Step { descendant: false, select: Select::Name("hidden".into()) };
        rules.ignore.push(ResponsePath::Body(BodyPath { text: "$.hidden".into(), steps: vec![step] }));
        let names = std::iter::repeat_n("hidden".to_owned(), 5000).chain(["a".to_owned()]);
        let found = added(names, &rules);
        assert_eq!((found.hidden.len(), found.differences.len()), (1, 1));
        assert_eq!(found.account(), Account::Mismatch);
    }

    #[test]
    fn an_excerpt_is_bounded_whatever_the_bytes() {
        let check = |value: &[u8], wanted: Option<&str>| {
            let text = excerpt(value);
            assert!(text.len() <= MOST_VALUE_BYTES, "{}", text.len());
            if let Some(wanted) = wanted {
                assert_eq!(text, wanted);
            }
        };
        check(b"", Some(""));
        check("é".as_bytes(), Some("é"));
        check(&[b'a'; MOST_VALUE_BYTES], Some(&"a".repeat(MOST_VALUE_BYTES)));
        check(&[b'a'; MOST_VALUE_BYTES + 1], Some(&format!("{}…", "a".repeat(MOST_VALUE_BYTES - 3))));
        check(&[0xff; 4000], None);
        check("é".repeat(4000).as_bytes(), None);
        check("€".repeat(4000).as_bytes(), None);
    }
}
