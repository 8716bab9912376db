//! What asking again says about a mismatch.
//!
//! Owns the verdict: it converged, legacy differs from itself, or it persists. A place where legacy differs from
//! itself excuses that place only: a price that is wrong every time stays wrong beside a timestamp that never is
//! the same.

use strangler_core::compare::{Compared, Comparison, Finding, NotCompared};

/// The finding of `first`, after both sides were asked again.
///
/// `second` compares the new answers with each other, `itself` legacy's first answer with its second.
pub(crate) fn judge(first: Comparison, second: &Compared, itself: &Compared) -> Compared {
    let (Compared::Compared(second), Compared::Compared(itself)) = (second, itself) else {
        // Legacy broke off, or an answer grew beyond what is compared: nobody knows more than before.
        return Compared::Compared(first);
    };
    let among = |finding: &Finding, all: &[Finding]| all.iter().any(|other| is_same_place(finding, other));
    let mut left = first;
    left.differences.retain(|finding| among(finding, &second.differences));
    if left.differences.is_empty() {
        return Compared::NotCompared(NotCompared::Transient);
    }
    left.differences.retain(|finding| !among(finding, &itself.differences));
    if left.differences.is_empty() {
        return Compared::NotCompared(NotCompared::Unstable);
    }
    Compared::Compared(left)
}

fn is_same_place(one: &Finding, other: &Finding) -> bool {
    one.difference.kind == other.difference.kind
        && one.difference.path.general() == other.difference.path.general()
}

#[cfg(test)]
mod tests {
    use strangler_core::compare::{Account, Class, Difference, Kind, Path, Signature, Verdict};

    use super::*;

    /// A comparison in which these headers differ.
    fn differing(names: &[&str]) -> Comparison {
        let one = |name: &&str| {
            let path = Path::Header((*name).into());
            let difference = Difference::new(path, Kind::HeaderValue, Class::String, Class::String);
            let signature = Signature::of("r", &difference);
            Finding { signature, difference, times: 1, verdict: Verdict::Counts }
        };
        Comparison { differences: names.iter().map(one).collect(), ..Comparison::default() }
    }

    fn check(first: &[&str], second: &[&str], itself: &[&str], wanted: Result<&[&str], NotCompared>) {
        let judged = judge(
            differing(first),
            &Compared::Compared(differing(second)),
            &Compared::Compared(differing(itself)),
        );
        let wanted = match wanted {
            Ok(left) => Compared::Compared(differing(left)),
            Err(reason) => Compared::NotCompared(reason),
        };
        assert_eq!(judged, wanted, "{first:?} {second:?} {itself:?}");
    }

    #[test]
    fn what_persists_is_what_differs_again_where_legacy_agrees_with_itself() {
        check(&["a"], &[], &[], Err(NotCompared::Transient));
        check(&["a"], &[], &["a"], Err(NotCompared::Transient));
        check(&["a"], &["a"], &[], Ok(&["a"]));
        check(&["a"], &["a"], &["a"], Err(NotCompared::Unstable));
        check(&["a"], &["b"], &[], Err(NotCompared::Transient));
        check(&["a"], &["a", "b"], &["a"], Err(NotCompared::Unstable));
        check(&["a", "b"], &["a", "b"], &["b"], Ok(&["a"]));
        check(&["a", "b"], &["a"], &[], Ok(&["a"]));
        check(&["a"], &["a"], &["b"], Ok(&["a"]));
    }

    #[test]
    fn where_legacy_breaks_off_the_first_finding_stands() {
        let broken = Compared::NotCompared(NotCompared::LegacyFailed);
        let judged = judge(differing(&["a"]), &broken, &Compared::Compared(differing(&[])));
        assert_eq!(judged.account(), Account::Mismatch);
    }
}
