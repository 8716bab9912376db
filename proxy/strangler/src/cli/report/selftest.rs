//! What a replay's test of itself has shown, for people.

use std::fmt::Write as _;

use strangler_core::evidence::verdict::{grouped, percent};

use super::plain::visible;
use crate::replay::SelfTest;

/// The sentence first, then a row for each kind of mistake, then what hid the others.
pub(in crate::cli) fn self_test(self_test: &SelfTest) -> String {
    let (made, caught) = self_test.total();
    let mut text = if made == 0 {
        "Insufficient evidence: no answer could be changed.\n".to_owned()
    } else {
        format!(
            "{} of {} mistakes were noticed ({}), in {} answers (seed {}).\n",
            grouped(caught),
            grouped(made),
            percent(caught as f64 / made as f64),
            grouped(self_test.answers),
            self_test.seed
        )
    };
    let _infallible = writeln!(text, "\n  {:<22} {:>9} {:>9} {:>9}", "MISTAKE", "MADE", "NOTICED", "SHARE");
    for (mutation, count) in &self_test.mutations {
        let share =
            if count.made == 0 { "-".to_owned() } else { percent(count.caught as f64 / count.made as f64) };
        let _infallible = writeln!(
            text,
            "  {:<22} {:>9} {:>9} {share:>9}",
            mutation.as_str(),
            grouped(count.made),
            grouped(count.caught)
        );
        for (rule, hidden) in &count.hidden {
            let _infallible = writeln!(text, "      {} hidden by {}", grouped(*hidden), visible(rule));
        }
        for (count, why) in [
            (count.unnoticed, "are no difference to the comparison"),
            (count.unexplained, "were hidden, and nobody looked by what: there were too many"),
        ] {
            if count > 0 {
                let _infallible = writeln!(text, "      {} {why}", grouped(count));
            }
        }
    }
    text
}
