//! A sequence that fails, made as short as leaving steps out can make it, as text that an engineer can read.

use crate::judge::Invariant;
use crate::sabotage::Sabotage;
use crate::script::{Script, Step};
use crate::world::{Trace, run};

/// The shortest sequence found in which the same invariant does not hold, and what happens in it.
pub(crate) fn shortest(script: &Script, sabotage: Option<Sabotage>) -> String {
    let Some(violation) = run(script, sabotage, Trace::Off).violation else {
        return "no invariant is broken".to_owned();
    };
    let fails = |steps: &[Step]| breaks(script, steps, sabotage, violation.invariant);
    let mut steps = script.steps.clone();
    let mut chunk = steps.len().div_ceil(2);
    while chunk > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + chunk).min(fewer.len()));
            if fails(&fewer) {
                steps = fewer;
            } else {
                at += chunk;
            }
        }
        chunk /= 2;
    }
    let short = Script { first: script.first.clone(), steps };
    let outcome = run(&short, sabotage, Trace::On);
    let what = outcome.violation.map(|violation| violation.what).unwrap_or_default();
    let (all, left) = (script.steps.len(), short.steps.len());
    format!(
        "broken: {}\n{what}\n{left} of {all} steps are left:\n{}\nfirst file:\n{}",
        violation.invariant.says(),
        outcome.trace.join("\n"),
        summary(&short)
    )
}

fn breaks(script: &Script, steps: &[Step], sabotage: Option<Sabotage>, invariant: Invariant) -> bool {
    let shorter = Script { first: script.first.clone(), steps: steps.to_vec() };
    run(&shorter, sabotage, Trace::Off).violation.is_some_and(|violation| violation.invariant == invariant)
}

fn summary(script: &Script) -> String {
    let line = |slice: &crate::file::SliceModel| format!("  {slice:?}");
    script.first.slices.iter().map(line).collect::<Vec<_>>().join("\n")
}
