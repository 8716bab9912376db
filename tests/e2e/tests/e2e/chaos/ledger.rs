//! What clients asked and got, what reached which origin, and who was the writer when; and the judge.
//!
//! The judge looks only at these records, so that it can be shown records that are wrong.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use super::payload::{Sum, Way, content, sum};

/// A side of the migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Legacy,
    Extracted,
}

/// A part of the site; the first element of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// In no slice.
    Rest,
    /// Reads moved, writes not.
    Kept,
    /// Moved altogether.
    Moved,
    /// Moved there and back all the time.
    Swung,
    /// Tried out: its phase and share change, it retreats and goes on, and legacy stands in.
    Tried,
}

impl Place {
    pub(crate) const ALL: [Place; 5] = [Place::Rest, Place::Kept, Place::Moved, Place::Swung, Place::Tried];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Place::Rest => "rest",
            Place::Kept => "kept",
            Place::Moved => "moved",
            Place::Swung => "swung",
            Place::Tried => "tried",
        }
    }
}

/// One request as its client sees it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) id: u64,
    pub(crate) place: Place,
    pub(crate) is_unsafe: bool,
    pub(crate) upload: Sum,
    /// Bytes that the answer must have.
    pub(crate) want: usize,
    pub(crate) sent: Instant,
    pub(crate) ended: Instant,
    pub(crate) ending: Ending,
}

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// A complete answer.
    Answered { status: u16, id: Option<u64>, declared: Option<u64>, body: Sum, by_proxy: bool },
    /// The answer began and then broke.
    Broken,
    /// The connection ended without a byte of an answer.
    Dropped,
    /// The client left; whether its upload was complete by then.
    Left { uploaded: bool },
    /// Nothing came for longer than any limit.
    Hung,
    /// The request before it on the same connection broke it.
    Orphaned,
}

/// One request as an origin sees it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) id: u64,
    pub(crate) origin: &'static str,
    pub(crate) role: Role,
    pub(crate) at: Instant,
    /// It says that it is a copy.
    pub(crate) copy: bool,
    /// The body, where its framing ended.
    pub(crate) body: Option<Sum>,
}

/// Who answered and who wrote, from the moment at which an edit could take effect to the moment at which the
/// next one certainly had.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reign {
    pub(crate) place: Place,
    /// `None`: either side.
    pub(crate) reader: Option<Role>,
    pub(crate) writer: Role,
    pub(crate) from: Instant,
    pub(crate) until: Option<Instant>,
}

/// All records of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    pub(crate) asked: Vec<Asked>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) reigns: Vec<Reign>,
    /// When all of legacy was well, the last time perhaps still.
    pub(crate) well: Vec<(Instant, Option<Instant>)>,
}

/// Records that many write.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Records>);

impl Ledger {
    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap()
    }

    /// A request's head has reached an origin; returns the number of the record.
    pub(crate) fn arrive(&self, arrival: Arrival) -> usize {
        let mut records = self.records();
        records.arrivals.push(arrival);
        records.arrivals.len() - 1
    }

    /// Its body has come to an end, too.
    pub(crate) fn execute(&self, number: usize, body: Sum) {
        self.records().arrivals[number].body = Some(body);
    }
}

/// Something that must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A client got what belongs to another request.
    MixedUp,
    /// An answer looks complete and is not.
    Cut,
    /// An unsafe request reached applications more than once.
    Doubled,
    /// A request reached a side that was not to answer it.
    WrongOwner,
    /// An upload looks complete to an origin and is not.
    UploadCut,
    /// An answer that neither an origin nor the proxy should give.
    Unexpected,
    /// A request was left without an answer and without an end.
    Unanswered,
    /// An origin got a request that nobody sent.
    Invented,
    /// A request that may have an effect was copied.
    Copied,
    /// A read failed that legacy may answer, and could.
    Failed,
}

/// One violation.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) kind: Kind,
    id: u64,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: request {}: {}", self.kind, self.id, self.what)
    }
}

/// Every violation in the records.
pub(crate) fn judge(records: &Records) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut by_id: HashMap<u64, Vec<&Arrival>> = HashMap::new();
    for arrival in &records.arrivals {
        by_id.entry(arrival.id).or_default().push(arrival);
    }
    for asked in &records.asked {
        let arrivals = by_id.remove(&asked.id).unwrap_or_default();
        let mut report = |kind, what: String| found.push(Violation { kind, id: asked.id, what });
        judge_answer(asked, &mut report);
        judge_failure(asked, &records.well, &mut report);
        let (copies, arrivals): (Vec<&Arrival>, _) = arrivals.into_iter().partition(|arrival| arrival.copy);
        if let Some(copy) = copies.first().filter(|_| asked.is_unsafe) {
            report(Kind::Copied, format!("{} got a copy of it", copy.origin));
        }
        if asked.is_unsafe && arrivals.len() > 1 {
            let origins: Vec<&str> = arrivals.iter().map(|arrival| arrival.origin).collect();
            report(Kind::Doubled, format!("it reached {origins:?}"));
        }
        for arrival in arrivals {
            judge_arrival(asked, arrival, &records.reigns, &mut report);
        }
    }
    for (id, arrivals) in by_id {
        found.push(Violation { kind: Kind::Invented, id, what: format!("{arrivals:?}") });
    }
    found
}

fn judge_answer(asked: &Asked, report: &mut impl FnMut(Kind, String)) {
    let (status, id, declared, body, by_proxy) = match asked.ending {
        Ending::Answered { status, id, declared, body, by_proxy } => (status, id, declared, body, by_proxy),
        Ending::Hung => return report(Kind::Unanswered, "neither answer nor end".to_owned()),
        Ending::Dropped => return report(Kind::Unanswered, "the connection ended without a word".to_owned()),
        Ending::Broken | Ending::Left { .. } | Ending::Orphaned => return,
    };
    let Some(id) = id else {
        if !(by_proxy && matches!(status, 502..=504)) {
            report(Kind::Unexpected, format!("status {status}, said by the proxy: {by_proxy}"));
        }
        return;
    };
    let right = sum(&content(asked.id, Way::Down, asked.want));
    if id != asked.id {
        report(Kind::MixedUp, format!("the answer is {id}'s"));
    } else if status != 200 || by_proxy {
        report(Kind::Unexpected, format!("status {status}, said by the proxy: {by_proxy}"));
    } else if body.size < right.size {
        report(Kind::Cut, format!("{} of {} bytes, ended cleanly", body.size, right.size));
    } else if body != right || declared != Some(right.hash) {
        report(Kind::MixedUp, format!("the body is not its own: {body:?}, not {right:?}"));
    }
}

/// Where legacy stands in, a read fails only with legacy.
fn judge_failure(asked: &Asked, well: &[(Instant, Option<Instant>)], report: &mut impl FnMut(Kind, String)) {
    let Ending::Answered { status: status @ 500.., by_proxy: true, .. } = asked.ending else { return };
    let stands_in = asked.place == Place::Tried && !asked.is_unsafe;
    let could = |(from, until): &(Instant, Option<Instant>)| {
        *from <= asked.sent && until.is_none_or(|until| asked.ended <= until)
    };
    if stands_in && well.iter().any(could) {
        report(Kind::Failed, format!("status {status}, while all of legacy was well"));
    }
}

fn judge_arrival(asked: &Asked, arrival: &Arrival, reigns: &[Reign], report: &mut impl FnMut(Kind, String)) {
    let mut possible = reigns.iter().filter(|reign| {
        let begun = reign.from <= arrival.at;
        let ended = reign.until.is_some_and(|until| until < asked.sent);
        reign.place == asked.place && begun && !ended
    });
    let may = |reign: &Reign| {
        if asked.is_unsafe {
            reign.writer == arrival.role
        } else {
            reign.reader.is_none_or(|reader| reader == arrival.role)
        }
    };
    if !possible.any(may) {
        let what = if asked.is_unsafe { "a write" } else { "a read" };
        report(Kind::WrongOwner, format!("{what} of {:?} reached {}", asked.place, arrival.origin));
    }
    match arrival.body {
        Some(_) if matches!(asked.ending, Ending::Left { uploaded: false }) => {
            report(Kind::UploadCut, format!("its client left, but {} took it for whole", arrival.origin));
        }
        Some(body) if body != asked.upload => {
            report(Kind::UploadCut, format!("{} got {body:?} of {:?}", arrival.origin, asked.upload));
        }
        _ => {}
    }
}
