//! What one eligible request contributes to the evidence.
//!
//! Owns the ledger's input. Refuses concrete paths: differences are known by their general path, so that ten
//! thousand items with one fault are one problem. Whatever text is in it must have been redacted before.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::rule;
use crate::compare::{Compared, Comparison, Finding, Kind, NotCompared, Path, Signature, Verdict, verdict};
use crate::snapshot::Compare;

/// One eligible request, at its end.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The slice's name.
    pub slice: Arc<str>,
    /// The route's id.
    pub route: Arc<str>,
    /// When the request came.
    pub at: Timestamp,
    /// Its shape; see [`super::shape`].
    pub shape: u64,
    /// What the extracted side says its version is (`version_from`).
    pub version: Option<Box<str>>,
    /// The account it ended in, with what is known of it.
    pub outcome: Outcome,
    /// How long both sides took until their answers were complete.
    pub latency: Option<PairedLatency>,
    /// What asking legacy twice showed; `None`: it was asked once. It counts whatever account the request ended
    /// in: asking again must not decide which of these are seen.
    pub repeated: Option<Repeated>,
}

/// Legacy was asked twice beside the extracted service: what differs from legacy's first answer. Paths are
/// general; each place is there once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repeated {
    /// In legacy's second answer.
    pub legacy: Vec<(Path, Kind)>,
    /// In the extracted service's.
    pub extracted: Vec<(Path, Kind)>,
}

impl Repeated {
    /// Of legacy's answers compared with each other, and of the first one compared with the extracted service's
    /// before anything was asked again because of it. `None`: differences were left out of one, which cannot be
    /// held against the other.
    pub fn of(itself: &Comparison, first: &Comparison) -> Option<Repeated> {
        let places = |comparison: &Comparison| {
            // Hidden ones as well: the rules may change.
            let findings = comparison.differences.iter().chain(&comparison.hidden);
            let mut places: Vec<(Path, Kind)> =
                findings.filter_map(known).map(|difference| (difference.path, difference.kind)).collect();
            places.sort_unstable();
            places.dedup();
            places
        };
        let whole = |comparison: &Comparison| comparison.dropped == 0 && comparison.hidden_dropped == 0;
        (whole(itself) && whole(first)).then(|| Repeated { legacy: places(itself), extracted: places(first) })
    }
}

impl<'a> IntoIterator for &'a mut Repeated {
    type Item = &'a mut (Path, Kind);
    type IntoIter =
        std::iter::Chain<std::slice::IterMut<'a, (Path, Kind)>, std::slice::IterMut<'a, (Path, Kind)>>;

    fn into_iter(self) -> Self::IntoIter {
        self.legacy.iter_mut().chain(self.extracted.iter_mut())
    }
}

/// How long each side took for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairedLatency {
    /// Legacy.
    pub legacy: Duration,
    /// The extracted service.
    pub extracted: Duration,
}

/// What became of the request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was not compared.
    NotCompared(NotCompared),
    /// It was compared, and this was found; empty: no difference at all.
    Compared(Vec<Seen>),
    /// It was compared, and asking again gave no stable answer. It is not compared, for this reason, unless all
    /// that was found first is hidden anyway, by rules or as noise: then it is ignored.
    SetAside {
        /// Transient or unstable.
        reason: NotCompared,
        /// What was found first.
        seen: Vec<Seen>,
    },
}

impl Outcome {
    /// What was found before asking again set it aside, under the rules and on the day that it was found with.
    pub fn set_aside(reason: NotCompared, first: &Comparison, rules: &Compare, today: Date) -> Outcome {
        Outcome::SetAside { reason, seen: seen(first, rules, today, |_| None) }
    }

    /// All that was seen, such as to redact it.
    pub fn seen_mut(&mut self) -> &mut [Seen] {
        match self {
            Outcome::NotCompared(_) => &mut [],
            Outcome::Compared(seen) | Outcome::SetAside { seen, .. } => seen,
        }
    }

    /// All that was seen.
    pub fn seen(&self) -> &[Seen] {
        match self {
            Outcome::NotCompared(_) => &[],
            Outcome::Compared(seen) | Outcome::SetAside { seen, .. } => seen,
        }
    }

    /// What a comparison found, under the rules and on the day that it was made with.
    ///
    /// `example` makes a redacted example of a finding, or none.
    pub fn of(
        compared: &Compared,
        rules: &Compare,
        today: Date,
        example: impl FnMut(&Finding) -> Option<Example>,
    ) -> Outcome {
        match compared {
            Compared::NotCompared(reason) => Outcome::NotCompared(*reason),
            Compared::Compared(comparison) => Outcome::Compared(seen(comparison, rules, today, example)),
        }
    }
}

/// Differences of one signature in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which ones; `None`: of signatures that nobody kept apart.
    pub what: Option<Difference>,
    /// How many; at least 1.
    pub times: u32,
    /// The rule that hid them.
    pub hidden: Option<HidingRule>,
    /// What it looked like.
    pub example: Option<Example>,
}

/// The rule that hid differences when they were seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HidingRule {
    /// Its text; see [`rule::text`].
    pub text: Box<str>,
    /// How it can be known later whether it still does.
    pub recount: Recount,
}

/// How it can be known under other rules whether a difference counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recount {
    /// By its signature, kind and general path.
    ByPath,
    /// By whether a rule of the same text is there: it names an index or a member that the general path no
    /// longer has, or the difference itself was not kept.
    ByText,
}

/// A class of differences, without any value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub signature: Signature,
    /// Where; general.
    pub path: Path,
    /// Of which kind.
    pub kind: Kind,
    /// What legacy has there, in a word.
    pub left: Box<str>,
    /// What the extracted service has there, in a word.
    pub right: Box<str>,
    /// What makes one of the other, in words.
    pub relation: Option<Box<str>>,
}

/// One difference as it was seen, redacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The request's id.
    pub request: Box<str>,
    /// When.
    pub at: Timestamp,
    /// The method.
    pub method: Box<str>,
    /// The target, redacted.
    pub target: Box<str>,
    /// Where exactly, such as `$.items[3].price`.
    pub path: Box<str>,
    /// What legacy has, redacted or its structure only.
    pub legacy: Option<Box<str>>,
    /// What the extracted service has.
    pub extracted: Option<Box<str>>,
}

impl Example {
    /// Its length in bytes: of several, the shortest are kept.
    pub fn weight(&self) -> usize {
        let optional = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        self.request.len()
            + self.method.len()
            + self.target.len()
            + self.path.len()
            + optional(&self.legacy)
            + optional(&self.extracted)
    }
}

/// Longer paths are not kept; a name in a body may be as long as the body.
const MOST_PATH_BYTES: usize = 1_024;

fn seen(
    comparison: &Comparison,
    rules: &Compare,
    today: Date,
    mut example: impl FnMut(&Finding) -> Option<Example>,
) -> Vec<Seen> {
    let mut all: Vec<Seen> = Vec::with_capacity(comparison.differences.len() + comparison.hidden.len());
    let mut hiding: Vec<Box<str>> = Vec::new();
    for finding in comparison.differences.iter().chain(&comparison.hidden) {
        let what = known(finding);
        let hidden = if let Verdict::Hidden(which) = finding.verdict {
            let text = rule::text(rules, which);
            if !hiding.contains(&text) {
                hiding.push(text.clone());
            }
            let by_path = what.as_ref().is_some_and(|difference| {
                !verdict(rules, today, &difference.path, difference.kind, difference.signature).counts()
            });
            Some(HidingRule { text, recount: if by_path { Recount::ByPath } else { Recount::ByText } })
        } else {
            None
        };
        all.push(Seen { what, times: finding.times, hidden, example: example(finding) });
    }
    let unknown = |count: u64, rule: Option<Box<str>>| Seen {
        what: None,
        times: u32::try_from(count).unwrap_or(u32::MAX),
        hidden: rule.map(|text| HidingRule { text, recount: Recount::ByText }),
        example: None,
    };
    if comparison.dropped > 0 {
        all.push(unknown(comparison.dropped, None));
    }
    if comparison.hidden_dropped > 0 {
        // Nobody knows which rule hid which: taking away any of them must bring the request back.
        all.extend(hiding.into_iter().map(|text| unknown(comparison.hidden_dropped, Some(text))));
    }
    all
}

/// What is kept of a finding beside its values; `None`: its path is too long.
fn known(finding: &Finding) -> Option<Difference> {
    let difference = &finding.difference;
    let path = difference.path.general();
    (path.to_string().len() <= MOST_PATH_BYTES).then(|| Difference {
        signature: finding.signature,
        path,
        kind: difference.kind,
        left: difference.left.as_str().into(),
        right: difference.right.as_str().into(),
        relation: difference.relation.map(|relation| relation.to_string().into()),
    })
}
