//! The product's vocabulary: one type per concept, named as the user's guide names it.
//!
//! Owns ids and the small enums that everything else is described with. Refuses behaviour: who answers
//! what is decided in [`crate::routing`].

use std::fmt;

/// Index of a route in one snapshot; meaningless in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u32);

/// Index of a slice in one snapshot; meaningless in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SliceId(pub u32);

/// Index of an upstream in one snapshot; meaningless in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamId(pub u32);

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word as it is written in a configuration file.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// The value for a word of a configuration file.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($text => Some($name::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

words! {
    /// How far a slice has been moved. Ordered: a retreat goes to a lower one.
    Phase {
        /// Legacy answers.
        Legacy = "legacy",
        /// Legacy answers; reads are copied to the extracted service and compared.
        Shadow = "shadow",
        /// A cohort is answered by the extracted service.
        Canary = "canary",
        /// The extracted service answers.
        Extracted = "extracted",
        /// The extracted service answers and legacy is never contacted.
        Retired = "retired",
    }
}

words! {
    /// Who answers a request.
    Owner {
        /// The monolith.
        Legacy = "legacy",
        /// The extracted service.
        Extracted = "extracted",
    }
}

words! {
    /// Who owns the data, and therefore takes every unsafe request.
    Writer {
        /// The monolith.
        Legacy = "legacy",
        /// The extracted service.
        Extracted = "extracted",
        /// Unsafe requests follow the client's reads.
        ByCohort = "by-cohort",
    }
}

words! {
    /// How the two sides' data are kept in step.
    Sync {
        /// There is nothing to keep in step.
        Stateless = "stateless",
        /// Both sides use one store.
        Shared = "shared",
        /// Changes in legacy reach the extracted service.
        ToExtracted = "to-extracted",
        /// Changes in the extracted service reach legacy.
        ToLegacy = "to-legacy",
        /// Both directions.
        Both = "both",
    }
}

words! {
    /// Why a slice was taken back (the `cause` label of `strangler_retreats_total`).
    Cause {
        /// A person asked for it.
        Manual = "manual",
        /// A guardrail was broken.
        Guardrail = "guardrail",
        /// What had been latched could not be read.
        Unreadable = "unreadable",
    }
}

words! {
    /// What a request does, as far as copying and ownership are concerned.
    Effect {
        /// Only reads: may follow the phase.
        Read = "read",
        /// May change something: goes to the writer.
        Write = "write",
    }
}

words! {
    /// What happens to a path that two parsers may read differently (`limits.strictness`).
    Strictness {
        /// 400.
        Refuse = "refuse",
        /// Counted, and passed to legacy.
        Report = "report",
    }
}

words! {
    /// What happens to a request that no route takes (`unmatched`).
    Unmatched {
        /// The monolith answers.
        Legacy = "legacy",
        /// 404.
        Reject = "reject",
    }
}

/// A share of requests or clients in hundredths of a percent: `0..=10_000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// Nobody.
    pub const NONE: Share = Share(0);
    /// Everybody.
    pub const ALL: Share = Share(10_000);

    /// A share from hundredths of a percent; `None` above 10,000.
    pub const fn from_basis_points(points: u16) -> Option<Share> {
        if points <= 10_000 { Some(Share(points)) } else { None }
    }

    /// Hundredths of a percent, `0..=10_000`.
    pub const fn basis_points(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        match (rest, rest % 10) {
            (0, _) => write!(f, "{whole}%"),
            (_, 0) => write!(f, "{whole}.{}%", rest / 10),
            _ => write!(f, "{whole}.{rest:02}%"),
        }
    }
}
