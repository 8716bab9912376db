//! Whether what happened is what was wanted, told in sentences.

use crate::case::{Case, End, Outcome, Test, Want, Wholeness};
use crate::client::{Observed, State};
use crate::message::{Ending, Message, values};
use crate::stage::{Log, Side};
use crate::wire::show;

/// What is wrong about a case; empty where nothing is.
#[must_use]
pub fn judge(case: &Case, observed: &Observed, log: &Log) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(garbage) = &observed.garbage {
        wrong.push(format!("the client could not read an answer: {garbage}"));
    }
    wrong.extend(log.violations.iter().cloned());
    if case.outcomes.is_empty() {
        wrong.push("the case wants nothing, so it shows nothing".to_owned());
    }
    let several = case.outcomes.len() > 1;
    let mut missed = Vec::new();
    for (number, outcome) in case.outcomes.iter().enumerate() {
        let found = against(outcome, observed, log);
        if found.is_empty() {
            return wrong;
        }
        let prefix = if several { format!("outcome {}: ", number + 1) } else { String::new() };
        missed.extend(found.into_iter().map(|sentence| format!("{prefix}{sentence}")));
    }
    wrong.extend(missed);
    wrong
}

fn against(outcome: &Outcome, observed: &Observed, log: &Log) -> Vec<String> {
    let mut wrong = Vec::new();
    answers(outcome, observed, &mut wrong);
    match (outcome.end, &observed.state) {
        (End::Any, _) | (End::Kept, State::Kept) | (End::Closed, State::Ended(_)) => {}
        (_, state) if *state == State::GivenUp => {}
        (End::Kept, state) => wrong.push(format!("the client's connection should live on, but: {state:?}")),
        (End::Closed, state) => {
            wrong.push(format!("the client's connection should be closed, but: {state:?}"))
        }
    }
    if !observed.surplus.is_empty() {
        wrong.push(format!("bytes after the last answer: {}", show(&observed.surplus)));
    }
    requests(outcome, log, &mut wrong);
    for (sentence, holds) in &outcome.that {
        if !holds(observed, log) {
            wrong.push(format!("not so: {sentence}"));
        }
    }
    wrong
}

fn answers(outcome: &Outcome, observed: &Observed, wrong: &mut Vec<String>) {
    let got = observed.answers.len();
    let silence =
        outcome.or_silence && got < outcome.answers.len() && matches!(observed.state, State::Ended(_));
    if got != outcome.answers.len() && !silence && observed.state != State::GivenUp {
        let heads: Vec<String> = observed.answers.iter().map(|answer| show(&answer.message.start)).collect();
        wrong.push(format!(
            "the client got {got} answers, not {}: {}",
            outcome.answers.len(),
            heads.join(", ")
        ));
    }
    for (number, (want, answer)) in outcome.answers.iter().zip(&observed.answers).enumerate() {
        let name = format!("answer {}", number + 1);
        let status = answer.message.status();
        if !want.statuses.contains(&status) {
            wrong.push(format!("{name} is {}, not {:?}", show(&answer.message.start), want.statuses));
            continue;
        }
        if let Some(interim) = &want.interim {
            let seen: Vec<u16> = answer.interim.iter().map(Message::status).collect();
            if seen != *interim {
                wrong.push(format!("{name} came after the interim answers {seen:?}, not {interim:?}"));
            }
        }
        message(&name, want, &answer.message, wrong);
    }
}

fn requests(outcome: &Outcome, log: &Log, wrong: &mut Vec<String>) {
    if log.requests.len() != outcome.requests.len() {
        let heads: Vec<String> = log.requests.iter().map(|request| show(&request.message.start)).collect();
        let (seen, wanted) = (log.requests.len(), outcome.requests.len());
        wrong.push(format!("the origins saw {seen} requests, not {wanted}: {}", heads.join(", ")));
    }
    for (number, (want, request)) in outcome.requests.iter().zip(&log.requests).enumerate() {
        let name = format!("request {} at the origin", number + 1);
        if want.side != request.side {
            let (is, not) = (side(request.side), side(want.side));
            wrong.push(format!("{name} arrived at {is}, not at {not}"));
        }
        message(&name, want, &request.message, wrong);
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Legacy => "legacy",
        Side::Extracted => "the extracted service",
    }
}

fn message(name: &str, want: &Want, message: &Message, wrong: &mut Vec<String>) {
    match (want.wholeness, &message.ending) {
        (Wholeness::Any, _) | (Wholeness::Whole, Ending::Whole) | (Wholeness::Cut, Ending::Cut(_)) => {}
        (Wholeness::Whole, Ending::Cut(fault)) => wrong.push(format!("{name} broke off: {fault}")),
        (Wholeness::Whole, Ending::Open) => wrong.push(format!("{name} was not read to its end")),
        (Wholeness::Cut, _) => wrong.push(format!("{name} looks complete, and should be broken off")),
    }
    for test in &want.tests {
        if let Some(sentence) = look(test, message) {
            wrong.push(format!("{name}: {sentence}"));
        }
    }
}

/// What is wrong with a message, if anything.
fn look(test: &Test, message: &Message) -> Option<String> {
    let is = |holds: bool, sentence: &dyn Fn() -> String| if holds { None } else { Some(sentence()) };
    match test {
        Test::Lines(name, wanted) => {
            let held = message.values(name);
            let same = held.len() == wanted.len() && held.iter().zip(wanted).all(|(a, b)| *a == b.as_bytes());
            is(same, &|| format!("{name} is [{}], not {wanted:?}", join(&held)))
        }
        Test::Mentions(name, part) => {
            let held = message.values(name);
            let found = held.iter().any(|value| contains(value, part.as_bytes()));
            is(found, &|| format!("{name} is [{}], without {part:?}", join(&held)))
        }
        Test::Lacks(name) => {
            let held = message.values(name);
            is(held.is_empty(), &|| format!("{name} should not be there: [{}]", join(&held)))
        }
        Test::Raw(bytes) => {
            is(contains(&message.head, bytes), &|| format!("no {} in {}", show(bytes), show(&message.head)))
        }
        Test::NotRaw(bytes) => {
            is(!contains(&message.head, bytes), &|| format!("{} in {}", show(bytes), show(&message.head)))
        }
        Test::Start(line) => {
            is(message.start == *line, &|| format!("begins {}, not {}", show(&message.start), show(line)))
        }
        Test::Target(target) => is(message.target() == target, &|| {
            format!("is for {}, not {}", show(message.target()), show(target))
        }),
        Test::Body(body) => {
            is(message.body == *body, &|| format!("its body is {}, not {}", show(&message.body), show(body)))
        }
        Test::BodyLength(length) => is(message.body.len() == *length, &|| {
            format!("its body has {} bytes, not {length}", message.body.len())
        }),
        Test::Framed(framing) => {
            is(message.framing == *framing, &|| format!("is framed {:?}, not {framing:?}", message.framing))
        }
        Test::Trailer(name, value) => {
            let held = values(&message.trailers, name);
            is(held == [value.as_bytes()], &|| format!("trailer {name} is [{}], not {value:?}", join(&held)))
        }
        Test::NoTrailers => {
            is(message.trailers.is_empty(), &|| format!("has {} trailer lines", message.trailers.len()))
        }
        Test::That(sentence, holds) => {
            is(holds(message), &|| format!("not so: {sentence}; the head is {}", show(&message.head)))
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len().max(1)).any(|window| window == part)
}

fn join(values: &[&[u8]]) -> String {
    values.iter().map(|value| show(value)).collect::<Vec<_>>().join(", ")
}
