//! How commands end: six exit codes, and which one wins where several hold.
//!
//! Owns the numbers and their order. Refuses to decide anything: who judges says which codes hold, and
//! [`Exit::first`] picks the one that is told.

use std::process::ExitCode;

/// How a command ended; the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Pass.
    Pass,
    /// The thing asked about failed or was refused.
    Failed,
    /// Usage, or an invalid configuration.
    Invalid,
    /// A target or the proxy could not be reached.
    Unreachable,
    /// There is too little evidence to say.
    Insufficient,
    /// An accepted difference has expired (`--strict`).
    Expired,
}

impl Exit {
    /// Which is told where several hold: what makes all else meaningless first, a pass last.
    const ORDER: [Exit; 6] =
        [Exit::Invalid, Exit::Unreachable, Exit::Failed, Exit::Insufficient, Exit::Expired, Exit::Pass];

    /// The number that a shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Failed => 1,
            Exit::Invalid => 2,
            Exit::Unreachable => 3,
            Exit::Insufficient => 4,
            Exit::Expired => 5,
        }
    }

    /// The exit that a number stands for; `None` where it stands for none.
    pub fn from_code(code: u8) -> Option<Exit> {
        Exit::ORDER.into_iter().find(|exit| exit.code() == code)
    }

    /// The one that is told where all of these hold; a pass where there are none.
    pub fn first(exits: impl IntoIterator<Item = Exit>) -> Exit {
        let rank = |exit: &Exit| Exit::ORDER.iter().position(|known| known == exit);
        exits.into_iter().min_by_key(rank).unwrap_or(Exit::Pass)
    }

    /// In a few words, for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Exit::Pass => "pass",
            Exit::Failed => "failed",
            Exit::Invalid => "usage or invalid configuration",
            Exit::Unreachable => "not reachable",
            Exit::Insufficient => "insufficient evidence",
            Exit::Expired => "an accepted difference has expired",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn of_several_the_first_in_the_order_2_3_1_4_5_is_told() {
        let order = [2, 3, 1, 4, 5, 0].map(|code| Exit::from_code(code).unwrap());
        for (index, first) in order.iter().enumerate() {
            for second in &order[index..] {
                assert_eq!(Exit::first([*first, *second]), *first, "{first:?} and {second:?}");
                assert_eq!(Exit::first([*second, *first]), *first, "{second:?} and {first:?}");
            }
        }
        assert_eq!(Exit::first(order), Exit::Invalid);
        assert_eq!(Exit::first([]), Exit::Pass);
    }

    #[test]
    fn every_code_stands_for_one_end() {
        for code in 0..=5 {
            assert_eq!(Exit::from_code(code).map(Exit::code), Some(code));
        }
        assert_eq!(Exit::from_code(6), None);
    }
}
