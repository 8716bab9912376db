//! Whether a request that got no answer is sent again.
//!
//! Invariant: an unsafe request is never sent again once a byte of it may have reached an application. Only two
//! things lead to another try: not a byte had been written, or a connection that had carried other requests was
//! found closed before any byte of the answer to a request that can be sent again as it is. (A connection that was
//! never made is a third one: nothing can have been sent on it.)

/// What is known of a request that was given to a connection, and got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// A byte of it was written.
    pub written: bool,
    /// The connection had carried other requests before.
    pub reused: bool,
    /// The connection ended before any byte of an answer.
    pub silent: bool,
}

/// Whether it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It is not.
    Never,
    /// It is, if a try is left.
    ForATry,
    /// It is: this says nothing about the upstream, and costs no try.
    Free,
}

/// Whether a request is sent again. `replayable`: it is safe, and has no body.
pub const fn repeat(replayable: bool, Unanswered { written, reused, silent }: Unanswered) -> Repeat {
    match (written, reused) {
        // An idle connection that was closed meanwhile.
        (false, true) => Repeat::Free,
        (false, false) => Repeat::ForATry,
        (true, true) if silent && replayable => Repeat::Free,
        (true, _) => Repeat::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::{Repeat, Unanswered, repeat};

    #[test]
    fn what_may_have_had_an_effect_is_never_repeated() {
        for silent in [false, true] {
            for reused in [false, true] {
                let how = Unanswered { written: true, reused, silent };
                assert_eq!(repeat(false, how), Repeat::Never, "{how:?}");
            }
        }
    }

    #[test]
    fn a_safe_request_is_repeated_where_its_connection_was_just_being_closed() {
        let check = |silent, reused, expected| {
            let how = Unanswered { written: true, reused, silent };
            assert_eq!(repeat(true, how), expected, "{how:?}");
        };
        check(true, true, Repeat::Free);
        check(true, false, Repeat::Never);
        check(false, true, Repeat::Never);
        check(false, false, Repeat::Never);
    }

    #[test]
    fn what_was_not_written_is_repeated_and_costs_a_try_on_a_fresh_connection() {
        for replayable in [false, true] {
            for silent in [false, true] {
                let how = |reused| Unanswered { written: false, reused, silent };
                assert_eq!(repeat(replayable, how(true)), Repeat::Free);
                assert_eq!(repeat(replayable, how(false)), Repeat::ForATry);
            }
        }
    }
}
