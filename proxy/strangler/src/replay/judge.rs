//! What a pair of answers is worth: evidence, or none.
//!
//! Invariant: an answer that says nothing about the data (refused credentials, a primary that no longer answers
//! as it did) is never a match.

use strangler_core::compare::{End, Reply};

use super::item::Item;

/// What is known about a pair beside the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Against {
    /// The primary was asked now.
    Live,
    /// The recorded answer; whether the candidate was sent credentials that it can know.
    Recorded {
        /// Fresh ones, from the identities command or the headers given.
        fresh: bool,
    },
}

/// Whether the pair is no evidence because one side answers as if it were another time, or another client.
pub(super) fn is_stale(item: &Item, primary: &Reply, candidate: &Reply, against: Against) -> bool {
    let (primary_status, candidate_status) = (status(primary), status(candidate));
    let bears_credentials = item.identity.is_some();
    match against {
        Against::Live => {
            let agrees = match (item.recorded_status, primary_status) {
                (Some(recorded), Some(now)) => class(recorded) == class(now),
                // A primary that fails now is a failure of legacy, not of the corpus.
                _ => true,
            };
            // Both refuse: whatever was asked for was not looked at. An anonymous request that was refused when
            // it was recorded is refused for good reason.
            let refused = primary_status == Some(401) && candidate_status == Some(401);
            let always = item.recorded_status == Some(401) && !bears_credentials;
            !agrees || (refused && !always)
        }
        Against::Recorded { fresh } => {
            let refuses = matches!(candidate_status, Some(401 | 403));
            let refused = matches!(primary_status, Some(401 | 403));
            bears_credentials && !fresh && refuses && (!refused || primary_status == Some(401))
        }
    }
}

fn status(reply: &Reply) -> Option<u16> {
    (!matches!(reply.end, End::Failed(_))).then_some(reply.status)
}

const fn class(status: u16) -> u16 {
    status / 100
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use strangler_core::compare::{FieldLines, Transport};
    use strangler_core::words::RouteId;

    use super::*;

    fn reply(status: u16) -> Reply {
        Reply { end: End::Complete, status, headers: FieldLines::default(), body: Bytes::new() }
    }

    fn item(recorded: Option<u16>, identity: Option<&str>) -> Item {
        Item {
            number: 1,
            id: String::new(),
            at: jiff::Timestamp::UNIX_EPOCH,
            route: RouteId(0),
            slice: "a".into(),
            method: "GET".to_owned(),
            target: "/".to_owned(),
            lines: Vec::new(),
            body: Bytes::new(),
            identity: identity.map(str::to_owned),
            recorded: None,
            recorded_status: recorded,
            incomplete: None,
        }
    }

    #[test]
    fn a_primary_of_another_status_class_is_stale() {
        for (recorded, primary, candidate, wanted) in [
            (Some(200), 200, 500, false),
            (Some(200), 204, 200, false),
            (Some(200), 404, 404, true),
            (Some(404), 200, 200, true),
            (Some(302), 200, 200, true),
            (None, 404, 404, false),
        ] {
            let stale = is_stale(&item(recorded, None), &reply(primary), &reply(candidate), Against::Live);
            assert_eq!(stale, wanted, "{recorded:?}, {primary}, {candidate}");
        }
        let failed = Reply { end: End::Failed(Transport::Reset), ..reply(0) };
        assert!(!is_stale(&item(Some(200), None), &failed, &reply(200), Against::Live));
    }

    #[test]
    fn two_refusals_of_credentials_are_no_evidence() {
        for (recorded, identity, primary, candidate, wanted) in [
            (Some(200), Some("i"), 401, 401, true),
            (Some(401), Some("i"), 401, 401, true),
            (Some(403), Some("i"), 401, 401, true),
            // Nobody was logged in, then as now: that the service refuses, too, is worth knowing.
            (Some(401), None, 401, 401, false),
            (Some(401), Some("i"), 401, 200, false),
            (None, None, 401, 401, true),
        ] {
            let item = item(recorded, identity);
            let stale = is_stale(&item, &reply(primary), &reply(candidate), Against::Live);
            assert_eq!(stale, wanted, "{recorded:?}, {identity:?}, {primary}, {candidate}");
        }
    }

    #[test]
    fn against_a_recording_a_refusal_of_recorded_credentials_says_nothing() {
        for (identity, fresh, recorded, candidate, wanted) in [
            (Some("i"), false, 200, 401, true),
            (Some("i"), false, 200, 403, true),
            (Some("i"), false, 401, 401, true),
            (Some("i"), true, 200, 401, false),
            (None, false, 200, 401, false),
            (Some("i"), false, 200, 500, false),
        ] {
            let item = item(Some(recorded), identity);
            let against = Against::Recorded { fresh };
            let stale = is_stale(&item, &reply(recorded), &reply(candidate), against);
            assert_eq!(stale, wanted, "{identity:?}, {fresh}, {recorded}, {candidate}");
        }
    }
}
