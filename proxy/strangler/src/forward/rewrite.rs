//! Changing the target on the extracted side, as the codec takes it; the text of it is core's.

use http::Uri;
use strangler_core::matching::Pattern;
use strangler_core::routing;
use strangler_core::snapshot::Rewrite;

/// A rewritten target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) target: Uri,
    /// The prefix that was removed.
    pub(crate) stripped: Option<String>,
}

/// The target that the extracted side is asked for. `None` where the result is not a target.
pub(crate) fn rewrite(target: &Uri, rule: &Rewrite, pattern: &Pattern) -> Option<Rewritten> {
    let rewritten = routing::rewrite(target.path(), target.query(), rule, pattern);
    Some(Rewritten { target: Uri::try_from(rewritten.target).ok()?, stripped: rewritten.stripped })
}
