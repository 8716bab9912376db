//! The test of the comparison itself: mistakes are put into good answers, and the rules should notice.
//!
//! Owns counting which kinds of mistake are noticed, and by which rule the others are hidden: the one without
//! which the mistake would be noticed. Refuses to judge how many should be.

use std::collections::BTreeMap;

use serde::Serialize;
use strangler_core::compare::{Compared, Comparison, Context, Reply, Signature, compare};
use strangler_core::snapshot::Compare;
use strangler_core::snapshot::compare::{Accepted, AcceptedPath, ArrayRule, CompareMode, ResponsePath};

use super::mutate::{Mutation, mutants};

/// Mistakes of one kind that are put into one answer, at most.
const PER_ANSWER_MAX: usize = 8;

/// Mistakes of one kind for which the rule that hides them is looked for, at most.
const ATTRIBUTED_MAX: u64 = 2000;

/// Rules that are told apart, per kind of mistake.
const RULES_MAX: usize = 200;

/// What became of the mistakes.
#[derive(Debug, Default, Serialize)]
pub(crate) struct SelfTest {
    /// Where the draws began.
    pub(crate) seed: u64,
    /// Answers into which mistakes were put.
    pub(crate) answers: u64,
    /// By kind of mistake.
    pub(crate) mutations: BTreeMap<Mutation, MutationCount>,
}

/// What became of the mistakes of one kind.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct MutationCount {
    /// How many were made.
    pub(crate) made: u64,
    /// How many were noticed.
    pub(crate) caught: u64,
    /// How many were hidden, by the rule that hid them.
    pub(crate) hidden: BTreeMap<String, u64>,
    /// How many no rule hides and the comparison does not notice.
    pub(crate) unnoticed: u64,
    /// How many were not noticed, and nobody looked why: there were too many.
    pub(crate) unexplained: u64,
}

impl SelfTest {
    /// How many mistakes were made, and how many of them noticed.
    pub(crate) fn total(&self) -> (u64, u64) {
        self.mutations
            .values()
            .fold((0, 0), |(made, caught), count| (made + count.made, caught + count.caught))
    }

    /// Puts mistakes into an answer that has been compared with legacy's; into legacy's own where that one is wrong
    /// already.
    pub(crate) fn add(
        &mut self,
        context: &Context<'_>,
        legacy: &Reply,
        extracted: &Reply,
        draw: &mut dyn FnMut(usize) -> usize,
    ) {
        let Some(base) = comparison(context, legacy, extracted) else { return };
        self.answers += 1;
        // In an answer that is wrong already, one more mistake of the same kind would go unnoticed.
        let good = if base.differences.is_empty() { extracted } else { legacy };
        let Some(base) = comparison(context, legacy, good) else { return };
        for mutation in Mutation::ALL {
            let count = self.mutations.entry(mutation).or_default();
            for mutant in mutants(mutation, good, PER_ANSWER_MAX, draw) {
                count.made += 1;
                if is_noticed(context, legacy, &mutant, &base) {
                    count.caught += 1;
                } else {
                    count.explain(context, legacy, good, &mutant);
                }
            }
        }
    }
}

impl MutationCount {
    fn explain(&mut self, context: &Context<'_>, legacy: &Reply, good: &Reply, mutant: &Reply) {
        if self.made - self.caught > ATTRIBUTED_MAX {
            self.unexplained += 1;
            return;
        }
        let is_noticed_under = |rules: &Compare| {
            let context = Context { rules, ..*context };
            comparison(&context, legacy, good).is_some_and(|base| is_noticed(&context, legacy, mutant, &base))
        };
        let hiding = without_each(context.rules).find(|(_, rules)| is_noticed_under(rules));
        let hiding = hiding.map(|(text, _)| text).or_else(|| {
            is_noticed_under(&Compare::default()).then(|| "several rules, each by itself".to_owned())
        });
        match hiding {
            None => self.unnoticed += 1,
            Some(text) if self.hidden.len() < RULES_MAX || self.hidden.contains_key(&text) => {
                *self.hidden.entry(text).or_default() += 1;
            }
            Some(_) => self.unexplained += 1,
        }
    }
}

fn comparison(context: &Context<'_>, legacy: &Reply, extracted: &Reply) -> Option<Comparison> {
    match compare(context, legacy, extracted) {
        Compared::Compared(comparison) => Some(comparison),
        Compared::NotCompared(_) => None,
    }
}

/// Whether something counts that did not count without the mistake.
fn is_noticed(context: &Context<'_>, legacy: &Reply, mutant: &Reply, base: &Comparison) -> bool {
    let Some(with) = comparison(context, legacy, mutant) else { return false };
    let counts = |comparison: &Comparison| -> BTreeMap<Signature, u32> {
        comparison.differences.iter().map(|finding| (finding.signature, finding.times)).collect()
    };
    let before = counts(base);
    counts(&with).iter().any(|(signature, times)| *times > before.get(signature).copied().unwrap_or_default())
}

/// The rules without one of them, each in turn, with the text of the one that is missing.
fn without_each(rules: &Compare) -> impl Iterator<Item = (String, Compare)> + '_ {
    let ignore = rules.ignore.iter().enumerate().map(|(index, path)| {
        let mut less = rules.clone();
        less.ignore.remove(index);
        (format!("ignore \"{}\"", response_text(path)), less)
    });
    let accept = rules.accept.iter().enumerate().map(|(index, accept)| {
        let mut less = rules.clone();
        less.accept.remove(index);
        let what = match &accept.what {
            Accepted::Signature(signature) => signature.clone(),
            Accepted::Path { path: AcceptedPath::Status, .. } => "\"status\"".to_owned(),
            Accepted::Path { path: AcceptedPath::Response(path), .. } => {
                format!("\"{}\"", response_text(path))
            }
        };
        (format!("accept {what}"), less)
    });
    let arrays = rules.arrays.iter().enumerate().map(|(index, (path, rule))| {
        let mut less = rules.clone();
        less.arrays.remove(index);
        let rule = match rule {
            ArrayRule::Ordered => "ordered".to_owned(),
            ArrayRule::Unordered => "unordered".to_owned(),
            ArrayRule::By(key) => format!("by:{key}"),
        };
        (format!("arrays \"{}\" = \"{rule}\"", path.text), less)
    });
    let numbers = rules.numbers.iter().enumerate().map(|(index, (path, _))| {
        let mut less = rules.clone();
        less.numbers.remove(index);
        (format!("numbers \"{}\"", path.text), less)
    });
    let mode = (rules.mode != CompareMode::Full)
        .then(|| ("mode = \"shape\"".to_owned(), Compare { mode: CompareMode::Full, ..rules.clone() }));
    ignore.chain(accept).chain(arrays).chain(numbers).chain(mode)
}

fn response_text(path: &ResponsePath) -> String {
    match path {
        ResponsePath::Body(path) => path.text.clone(),
        ResponsePath::Header(name) => format!("header:{name}"),
        ResponsePath::Cookie(name) => format!("cookie:{name}"),
    }
}
