//! A verdict and the conditions it follows from.
//!
//! Owns the three states and what is said of each condition: measured against demanded, always. Refuses to
//! know where figures come from (see [`super::gate`] and [`super::corpus`]).

use serde::{Deserialize, Serialize};

/// Whether something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is.
    Pass,
    /// There is too little evidence: hold.
    Insufficient,
    /// It is shown not to be so.
    Failed,
}

impl State {
    /// As reports show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Pass => "pass",
            State::Insufficient => "insufficient",
            State::Failed => "failed",
        }
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// Its name: `mismatches`, `coverage`, `age`, `signatures`, `unsettled`, `samples`, `shapes`, `baseline`,
    /// `stale`.
    pub name: String,
    /// Whether it holds.
    pub state: State,
    /// What was measured, for people.
    pub measured: String,
    /// What is demanded, for people.
    pub demanded: String,
    /// Both in a sentence, with what is missing.
    pub sentence: String,
    /// Comparisons that would meet it if none of them is a mismatch; `None`: more of them alone would not.
    pub more_needed: Option<u64>,
}

/// All conditions, and what follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Failed where a condition failed; else insufficient where one is; else pass.
    pub state: State,
    /// Why, in a sentence.
    pub sentence: String,
    /// Where it is insufficient: comparisons that are needed at least, if none of them is a mismatch. 0: more
    /// of them alone would not change it.
    pub more_needed: u64,
    /// Every condition, in the order they are looked at.
    pub conditions: Vec<Condition>,
}

impl Verdict {
    /// What follows from these conditions; from none, nothing: insufficient.
    pub fn of(conditions: Vec<Condition>) -> Verdict {
        let state = conditions.iter().map(|one| one.state).max().unwrap_or(State::Insufficient);
        // What failed does not pass by more of the same.
        let missing = conditions.iter().filter(|_| state == State::Insufficient);
        let more_needed = missing.filter_map(|one| one.more_needed).max().unwrap_or(0);
        let reasons: Vec<&str> = conditions
            .iter()
            .filter(|one| one.state == state && state != State::Pass)
            .map(|one| &*one.sentence)
            .collect();
        let reasons = reasons.join("; ");
        let sentence = match state {
            State::Pass => "pass".to_owned(),
            State::Failed => format!("failed: {reasons}"),
            State::Insufficient if more_needed > 0 => {
                format!("insufficient, {} more needed: {reasons}", grouped(more_needed))
            }
            State::Insufficient => format!("insufficient: {reasons}"),
        };
        Verdict { state, sentence, more_needed, conditions }
    }
}

/// A count with its thousands apart: `12,345`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share for people: as many digits as say something, never 0 % or 100 % for what is not.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if share <= 0.0 {
        "0%".to_owned()
    } else if share >= 1.0 {
        "100%".to_owned()
    } else if percent < 0.001 {
        "<0.001%".to_owned()
    } else if percent > 99.99 {
        ">99.99%".to_owned()
    } else {
        let places = if percent < 0.1 {
            3
        } else if percent < 10.0 {
            2
        } else {
            1
        };
        let text = format!("{percent:.places$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        // 99.96 to one place.
        if text == "100" { "99.9%".to_owned() } else { format!("{text}%") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable_and_never_round_to_all_or_nothing() {
        let check = |share: f64, shown: &str| assert_eq!(percent(share), shown, "{share}");
        check(0.0, "0%");
        check(1.0, "100%");
        check(0.000_001, "<0.001%");
        check(0.000_512, "0.051%");
        check(0.005, "0.5%");
        check(0.012_345, "1.23%");
        check(0.5, "50%");
        check(0.123_45, "12.3%");
        check(0.999_6, "99.9%");
        check(0.999_99, ">99.99%");
        for (count, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(count), shown);
        }
    }

    #[test]
    fn the_worst_condition_decides_and_no_condition_is_no_pass() {
        let condition = |state, more_needed| Condition {
            name: "x".to_owned(),
            state,
            measured: String::new(),
            demanded: String::new(),
            sentence: format!("because {}", state.as_str()),
            more_needed,
        };
        let check = |states: &[State], expected: State, sentence: &str| {
            let verdict = Verdict::of(states.iter().map(|state| condition(*state, None)).collect());
            assert_eq!((verdict.state, &*verdict.sentence), (expected, sentence));
        };
        check(&[], State::Insufficient, "insufficient: ");
        check(&[State::Pass, State::Pass], State::Pass, "pass");
        check(&[State::Pass, State::Insufficient], State::Insufficient, "insufficient: because insufficient");
        check(&[State::Failed, State::Insufficient], State::Failed, "failed: because failed");
        let needed = Verdict::of(vec![
            condition(State::Insufficient, Some(7)),
            condition(State::Insufficient, Some(1_200)),
        ]);
        assert_eq!(needed.more_needed, 1_200);
        assert!(needed.sentence.starts_with("insufficient, 1,200 more needed: "), "{}", needed.sentence);
    }
}
