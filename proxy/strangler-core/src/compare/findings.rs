//! Collecting the differences of one comparison: judged by the rules, one per signature, within bounds.
//!
//! A reply of any size and malice makes at most [`MOST_FINDINGS`] that count and as many hidden ones; what
//! does not fit is counted. Hidden ones never take the room of those that count.

use std::collections::BTreeMap;

use super::{Comparison, Context, Difference, Finding, Path, Rule, Signature, Verdict, path, verdict};

/// How many signatures one comparison keeps of those that count, and as many of those hidden.
pub const MOST_FINDINGS: usize = 200;

/// How long a value of an example is, in bytes.
pub const MOST_VALUE_BYTES: usize = 512;

/// Where a difference was counted, so that others of its signature and verdict can be counted at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Counting(usize),
    Hidden(usize),
    Dropped,
    HiddenDropped,
}

/// Collects the differences of one comparison.
#[derive(Debug)]
pub struct Findings<'a> {
    context: &'a Context<'a>,
    comparison: Comparison,
    known: BTreeMap<(Signature, Verdict), Slot>,
}

impl<'a> Findings<'a> {
    /// None yet.
    pub fn new(context: &'a Context<'a>) -> Self {
        Findings { context, comparison: Comparison::default(), known: BTreeMap::new() }
    }

    /// What is being compared, and how.
    pub(super) fn context(&self) -> &'a Context<'a> {
        self.context
    }

    /// Adds a difference: judges it, and counts it where its signature is known already.
    pub fn add(&mut self, difference: Difference) {
        self.place(difference);
    }

    /// Adds a difference, and says where others like it can be counted.
    pub(super) fn place(&mut self, difference: Difference) -> Slot {
        let (rules, today) = (self.context.rules, self.context.today);
        let signature = difference.signature(self.context.route);
        let verdict = verdict(rules, today, &difference.path, difference.kind, signature);
        if let Some(slot) = self.known.get(&(signature, verdict)).copied() {
            self.again(slot);
            return slot;
        }
        let list =
            if verdict.counts() { &mut self.comparison.differences } else { &mut self.comparison.hidden };
        let at = list.len();
        let slot = match (verdict.counts(), at < MOST_FINDINGS) {
            (true, true) => Slot::Counting(at),
            (false, true) => Slot::Hidden(at),
            (true, false) => Slot::Dropped,
            (false, false) => Slot::HiddenDropped,
        };
        if at < MOST_FINDINGS {
            self.known.insert((signature, verdict), slot);
            list.push(Finding { signature, difference, times: 1, verdict });
        } else {
            self.again(slot);
        }
        slot
    }

    /// Adds what was collected apart, after what is here. No signature is in both: they are of different parts
    /// of a reply.
    pub(super) fn append(&mut self, later: Findings<'a>) {
        let Comparison { differences, hidden, dropped, hidden_dropped } = later.comparison;
        for finding in differences.into_iter().chain(hidden) {
            let counts = finding.verdict.counts();
            let comparison = &mut self.comparison;
            let list = if counts { &mut comparison.differences } else { &mut comparison.hidden };
            if list.len() < MOST_FINDINGS {
                list.push(finding);
            } else {
                self.again(if counts { Slot::Dropped } else { Slot::HiddenDropped });
            }
        }
        self.comparison.dropped = self.comparison.dropped.saturating_add(dropped);
        self.comparison.hidden_dropped = self.comparison.hidden_dropped.saturating_add(hidden_dropped);
    }

    /// Counts another difference like one that was added.
    pub(super) fn again(&mut self, slot: Slot) {
        let comparison = &mut self.comparison;
        let finding = match slot {
            Slot::Counting(at) => comparison.differences.get_mut(at),
            Slot::Hidden(at) => comparison.hidden.get_mut(at),
            Slot::Dropped => {
                comparison.dropped = comparison.dropped.saturating_add(1);
                None
            }
            Slot::HiddenDropped => {
                comparison.hidden_dropped = comparison.hidden_dropped.saturating_add(1);
                None
            }
        };
        if let Some(finding) = finding {
            finding.times = finding.times.saturating_add(1);
        }
    }

    /// Where a difference of a sort not met before goes without being looked at: there is no room for another
    /// that counts, or for another that is `ignored`.
    pub(super) fn no_room(&self, ignored: bool) -> Option<Slot> {
        if ignored && self.comparison.hidden.len() >= MOST_FINDINGS {
            Some(Slot::HiddenDropped)
        } else if !ignored && self.comparison.differences.len() >= MOST_FINDINGS {
            Some(Slot::Dropped)
        } else {
            None
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

    /// What was collected, in the order of a response: whatever was looked at first, status before headers
    /// before cookies before the body.
    pub fn finish(mut self) -> Comparison {
        self.comparison.differences.sort_by_key(|finding| part(&finding.difference.path));
        self.comparison.hidden.sort_by_key(|finding| part(&finding.difference.path));
        self.comparison
    }
}

/// Which part of a response comes first.
fn part(path: &Path) -> u8 {
    match path {
        Path::Transport => 0,
        Path::Status => 1,
        Path::Header(_) => 2,
        Path::Cookie(_) => 3,
        Path::Body(_) => 4,
    }
}

/// A value as an example shows it: as text that no terminal obeys, at most [`MOST_VALUE_BYTES`] long, with `…`
/// where it was cut.
pub fn excerpt(value: &[u8]) -> String {
    let head = value.get(..MOST_VALUE_BYTES).unwrap_or(value);
    let mut text = path::harmless(String::from_utf8_lossy(head)).into_owned();
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
    use crate::compare::fixture::{context, rules};
    use crate::compare::{Account, Class, Difference, Element, Findings, Kind, Path};
    use crate::snapshot::Compare;

    fn added(names: impl Iterator<Item = String>, rules: &Compare) -> crate::compare::Comparison {
        let context = context(rules);
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
        let rules = rules("ignore = [\"$.hidden\"]");
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
        check(b"a\x1b[2J\nb", Some("a\u{fffd}[2J\nb"));
        check(&[0x1b; 4000], None);
        check(&[0xff; 4000], None);
        check("é".repeat(4000).as_bytes(), None);
        check("€".repeat(4000).as_bytes(), None);
    }
}
