//! A case: what the client does, what the origin does, and what either side must then have seen.
//!
//! A case is a value. Where the standard or the design leaves a choice it has several outcomes, of which
//! one must hold on both sides together.

use std::time::Duration;

use crate::client::Observed;
use crate::message::{Framing, Message};
use crate::stage::{Act, Log, Script, Side};
use crate::target::Setup;

/// One thing that the client does.
#[derive(Debug, Clone)]
pub enum Do {
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Writes bytes that depend on what the origins have seen.
    SendFrom(fn(&Log) -> Vec<u8>),
    /// Writes these bytes, so many at a time, at this pace, until the proxy says something.
    Drip(Vec<u8>, usize, Duration),
    /// Reads until these bytes have come, behind those of the last such step.
    Until(Vec<u8>),
    /// Sends FIN and reads on.
    HalfClose,
    /// Closes the connection (FIN both ways); its answers are not looked at.
    Close,
    /// Resets the connection; its answers are not looked at.
    Reset,
    /// Opens a gate of the origin's script.
    Open(&'static str),
    /// Waits until the origins have seen something.
    Await(Until),
    /// Another client sends this on a connection of its own, and is answered 200.
    Other(Vec<u8>),
}

/// What a client may wait for on the other side of the proxy.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// So many requests have arrived.
    Requests(usize),
    /// So many bytes of this request's body have arrived.
    Body(usize, usize),
    /// The proxy has ended this connection.
    ProxyClosed(usize),
}

/// What is looked for in a message.
#[derive(Debug, Clone)]
pub enum Test {
    /// The lines with this name are exactly these values, in this order.
    Lines(String, Vec<String>),
    /// Some line with this name contains this.
    Mentions(String, String),
    /// No line has this name.
    Lacks(String),
    /// The head contains these bytes.
    Raw(Vec<u8>),
    /// The head does not contain these bytes.
    NotRaw(Vec<u8>),
    /// The start line is this.
    Start(Vec<u8>),
    /// The request's target is this.
    Target(Vec<u8>),
    /// The body is this.
    Body(Vec<u8>),
    /// The body is so long.
    BodyLength(usize),
    /// The framing is this.
    Framed(Framing),
    /// The trailers with this name are exactly this value.
    Trailer(String, String),
    /// There are no trailers.
    NoTrailers,
    /// Something else; the sentence says what.
    That(&'static str, fn(&Message) -> bool),
}

/// Whether a message must have come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wholeness {
    /// It must.
    Whole,
    /// It must be visibly broken.
    Cut,
    /// Either.
    Any,
}

/// What one message must be: an answer at the client, or a request at an origin.
#[derive(Debug, Clone)]
pub struct Want {
    /// The statuses an answer may have.
    pub statuses: Vec<u16>,
    /// The interim answers before it; `None`: any.
    pub interim: Option<Vec<u16>>,
    /// Where a request must arrive.
    pub side: Side,
    /// What is looked for.
    pub tests: Vec<Test>,
    /// Whether it must be whole.
    pub wholeness: Wholeness,
}

/// An answer with one of these statuses.
#[must_use]
pub fn answer(statuses: &[u16]) -> Want {
    let (statuses, side) = (statuses.to_vec(), Side::Legacy);
    Want { statuses, interim: Some(Vec::new()), side, tests: Vec::new(), wholeness: Wholeness::Whole }
}

/// A request at the legacy origin.
#[must_use]
pub fn request() -> Want {
    answer(&[])
}

impl Want {
    /// At the extracted origin instead.
    #[must_use]
    pub fn extracted(mut self) -> Self {
        self.side = Side::Extracted;
        self
    }

    /// With these interim answers before it.
    #[must_use]
    pub fn after(mut self, interim: &[u16]) -> Self {
        self.interim = Some(interim.to_vec());
        self
    }

    /// With any interim answers before it.
    #[must_use]
    pub fn after_any(mut self) -> Self {
        self.interim = None;
        self
    }

    /// Visibly broken off.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.wholeness = Wholeness::Cut;
        self
    }

    /// Whole or not.
    #[must_use]
    pub fn maybe_cut(mut self) -> Self {
        self.wholeness = Wholeness::Any;
        self
    }

    /// As [`Test`].
    #[must_use]
    pub fn test(mut self, test: Test) -> Self {
        self.tests.push(test);
        self
    }

    /// Exactly one line with this name, and this value.
    #[must_use]
    pub fn has(self, name: &str, value: &str) -> Self {
        self.lines(name, &[value])
    }

    /// Exactly these lines with this name.
    #[must_use]
    pub fn lines(self, name: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.test(Test::Lines(name.to_owned(), values))
    }

    /// Some line with this name contains this.
    #[must_use]
    pub fn mentions(self, name: &str, part: &str) -> Self {
        self.test(Test::Mentions(name.to_owned(), part.to_owned()))
    }

    /// No line with this name.
    #[must_use]
    pub fn lacks(self, name: &str) -> Self {
        self.test(Test::Lacks(name.to_owned()))
    }

    /// These bytes in the head.
    #[must_use]
    pub fn raw(self, bytes: impl AsRef<[u8]>) -> Self {
        self.test(Test::Raw(bytes.as_ref().to_vec()))
    }

    /// Not these bytes in the head.
    #[must_use]
    pub fn not_raw(self, bytes: impl AsRef<[u8]>) -> Self {
        self.test(Test::NotRaw(bytes.as_ref().to_vec()))
    }

    /// This start line.
    #[must_use]
    pub fn start(self, line: impl AsRef<[u8]>) -> Self {
        self.test(Test::Start(line.as_ref().to_vec()))
    }

    /// This target.
    #[must_use]
    pub fn target(self, target: impl AsRef<[u8]>) -> Self {
        self.test(Test::Target(target.as_ref().to_vec()))
    }

    /// This body.
    #[must_use]
    pub fn body(self, body: impl AsRef<[u8]>) -> Self {
        self.test(Test::Body(body.as_ref().to_vec()))
    }

    /// This framing.
    #[must_use]
    pub fn framed(self, framing: Framing) -> Self {
        self.test(Test::Framed(framing))
    }

    /// What the sentence says.
    #[must_use]
    pub fn that(self, sentence: &'static str, holds: fn(&Message) -> bool) -> Self {
        self.test(Test::That(sentence, holds))
    }
}

/// What must have become of the client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Another request on it is answered.
    Kept,
    /// It is closed, with nothing after the answers.
    Closed,
    /// Not looked at.
    Any,
}

/// Whether something holds of all that both sides saw.
pub type Holds = fn(&Observed, &Log) -> bool;

/// What both sides must have seen.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The client's answers, all of them.
    pub answers: Vec<Want>,
    /// Whether answers may be missing (the connection is closed instead).
    pub or_silence: bool,
    /// The client's connection.
    pub end: End,
    /// The origins' requests, all of them.
    pub requests: Vec<Want>,
    /// Something about everything; the sentence says what.
    pub that: Vec<(&'static str, Holds)>,
}

/// An outcome with this answer, with the connection kept.
#[must_use]
pub fn gets(answer: Want) -> Outcome {
    Outcome {
        answers: vec![answer],
        or_silence: false,
        end: End::Kept,
        requests: Vec::new(),
        that: Vec::new(),
    }
}

/// The proxy refuses with one of these statuses and closes, and no origin hears of it.
#[must_use]
pub fn refused(statuses: &[u16]) -> Outcome {
    gets(answer(statuses)).closed()
}

/// The proxy says one of these statuses itself, and no origin hears of it; the connection may live on.
#[must_use]
pub fn declined(statuses: &[u16]) -> Outcome {
    gets(answer(statuses)).any_end()
}

/// The request reaches legacy as described, and its default answer the client.
#[must_use]
pub fn passes(request: Want) -> Outcome {
    gets(answer(&[200]).body("ok")).sees(request)
}

impl Outcome {
    /// Another answer follows.
    #[must_use]
    pub fn then(mut self, answer: Want) -> Self {
        self.answers.push(answer);
        self
    }

    /// An origin sees this request too.
    #[must_use]
    pub fn sees(mut self, request: Want) -> Self {
        self.requests.push(request);
        self
    }

    /// The client's connection is closed.
    #[must_use]
    pub fn closed(mut self) -> Self {
        self.end = End::Closed;
        self
    }

    /// What becomes of the client's connection is not looked at.
    #[must_use]
    pub fn any_end(mut self) -> Self {
        self.end = End::Any;
        self
    }

    /// The client may be left without an answer, the connection being closed.
    #[must_use]
    pub fn or_silence(mut self) -> Self {
        self.or_silence = true;
        self
    }

    /// What the sentence says.
    #[must_use]
    pub fn that(mut self, sentence: &'static str, holds: Holds) -> Self {
        self.that.push((sentence, holds));
        self
    }
}

/// Whether a case is about what comes in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segments {
    /// It holds wherever its bytes are cut.
    Any,
    /// It holds for the bytes as its steps and acts write them.
    AsWritten,
}

/// A case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Which configuration it is played against.
    pub setup: &'static Setup,
    /// What it is about: a behaviour. Unique.
    pub name: String,
    /// What the client does.
    pub steps: Vec<Do>,
    /// What the origins do.
    pub script: Script,
    /// Which of the answers, counted from 0, answer a HEAD request.
    pub heads: Vec<usize>,
    /// What must come of it: any one of these.
    pub outcomes: Vec<Outcome>,
    /// Whether its bytes may be cut elsewhere.
    pub segments: Segments,
}

impl Case {
    /// A case that does nothing yet.
    #[must_use]
    pub fn new(setup: &'static Setup, name: impl Into<String>) -> Self {
        let (steps, heads, outcomes) = (Vec::new(), Vec::new(), Vec::new());
        let segments = Segments::Any;
        Case { setup, name: name.into(), steps, script: Script::default(), heads, outcomes, segments }
    }

    /// Its bytes are not to be cut elsewhere.
    #[must_use]
    pub fn as_written(mut self) -> Self {
        self.segments = Segments::AsWritten;
        self
    }

    /// The client writes this.
    #[must_use]
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.does(Do::Send(bytes.as_ref().to_vec()))
    }

    /// The client does this.
    #[must_use]
    pub fn does(mut self, step: Do) -> Self {
        self.steps.push(step);
        self
    }

    /// The client reads up to this.
    #[must_use]
    pub fn until(self, bytes: impl AsRef<[u8]>) -> Self {
        self.does(Do::Until(bytes.as_ref().to_vec()))
    }

    /// The first answer answers a HEAD request.
    #[must_use]
    pub fn to_head(mut self) -> Self {
        self.heads.push(self.heads.len());
        self
    }

    /// Legacy does this with its next request.
    #[must_use]
    pub fn legacy(mut self, acts: Vec<Act>) -> Self {
        self.script.legacy.push_back(acts);
        self
    }

    /// The extracted service does this with its next request.
    #[must_use]
    pub fn extracted(mut self, acts: Vec<Act>) -> Self {
        self.script.extracted.push_back(acts);
        self
    }

    /// Legacy reads the request whole and writes this.
    #[must_use]
    pub fn replies(self, bytes: impl AsRef<[u8]>) -> Self {
        self.legacy(vec![Act::Body, Act::Send(bytes.as_ref().to_vec())])
    }

    /// Legacy reads the request whole, writes this and closes.
    #[must_use]
    pub fn replies_and_closes(self, bytes: impl AsRef<[u8]>) -> Self {
        self.legacy(vec![Act::Body, Act::Send(bytes.as_ref().to_vec()), Act::Close])
    }

    /// This must come of it, or one of the others named so.
    #[must_use]
    pub fn want(mut self, outcome: Outcome) -> Self {
        self.outcomes.push(outcome);
        self
    }
}
