//! What one case's origins may do next, and what they have seen: scripts, gates and the log.
//!
//! One stage belongs to one lane, and one case at a time is played on it. Everybody waits on the one
//! condition here, so that no case needs a pause of a guessed length.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::message::{Ending, Line, Message};
use crate::wire::{Cuts, Ended};

/// Which of a lane's origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one that the configuration calls legacy.
    Legacy,
    /// The one that a slice names.
    Extracted,
}

/// One thing that an origin does after it has read a request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Reads the rest of the request's body, strictly.
    Body,
    /// Reads at least this many bytes of the request's body, framing not counted, and no further than needed.
    SomeBody(usize),
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Writes these bytes so many times, until the peer takes no more.
    Repeat(Vec<u8>, usize),
    /// Writes these bytes one at a time.
    Dribble(Vec<u8>),
    /// Waits until the gate of this name is opened, or the case is over.
    Gate(&'static str),
    /// Waits until the peer closes, or the case is over.
    Stall,
    /// Sends everything back that comes, until the peer closes; then closes.
    Echo,
    /// Closes in order (FIN).
    Close,
    /// Closes with RST.
    Reset,
}

/// Whether nothing is begun on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rests {
    /// The next request has not begun.
    Yes,
    /// A request is being served.
    No,
}

/// What is to happen on the origins' side during one case.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// What to do with each request, in the order in which their heads arrive at that side. Requests
    /// beyond the end are answered 200.
    pub legacy: VecDeque<Vec<Act>>,
    /// As `legacy`, for the other side.
    pub extracted: VecDeque<Vec<Act>>,
}

impl Script {
    /// Puts the origins' addresses, known only at run time, where their names stand in what is written.
    pub fn fill_in(&mut self, names: &[(&'static str, String)]) {
        for act in self.legacy.iter_mut().chain(&mut self.extracted).flatten() {
            let Act::Send(bytes) = act else { continue };
            for (name, address) in names {
                while let Some(place) = bytes.windows(name.len()).position(|window| window == name.as_bytes())
                {
                    bytes.splice(place..place + name.len(), address.bytes());
                }
            }
        }
    }
}

/// A request that an origin received.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where it arrived.
    pub side: Side,
    /// On which of the case's connections, counted from 0 in the order of their first byte or end.
    pub connection: usize,
    /// The message.
    pub message: Message,
}

/// A connection that an origin accepted.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Who accepted it.
    pub side: Side,
    /// Every byte received.
    pub received: Vec<u8>,
    /// How the proxy ended it, if it did before the origin did.
    pub ended: Option<Ended>,
}

/// What the origins saw during one case.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Their connections.
    pub connections: Vec<Connection>,
    /// Their requests, fences aside, in the order of their heads.
    pub requests: Vec<Request>,
    /// Bytes that no strict origin takes, in sentences.
    pub violations: Vec<String>,
}

#[derive(Debug, Default)]
struct State {
    script: Script,
    cuts: Cuts,
    gates: HashSet<&'static str>,
    over: bool,
    log: Log,
    live: HashMap<usize, TcpStream>,
    /// Those of the live ones on which a request's first byte is waited for.
    resting: HashSet<usize>,
}

/// The meeting place of one case's parties.
#[derive(Debug, Default)]
pub struct Stage {
    state: Mutex<State>,
    changed: Condvar,
}

impl Stage {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    fn wait(&self, patience: Duration, done: impl Fn(&State) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            if done(&state) {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How the origins cut what they write.
    pub(crate) fn cuts(&self) -> Cuts {
        self.lock().cuts
    }

    /// Begins a case. The one before must be over.
    pub fn begin(&self, script: Script, cuts: Cuts) {
        self.change(|state| {
            state.script = script;
            state.cuts = cuts;
            state.gates.clear();
            state.over = false;
            state.log = Log::default();
        });
    }

    /// Ends a case: opens every gate, closes every connection and waits until the proxy has closed them
    /// too, so that nothing of this case can be met by the next. Returns what was seen.
    pub fn end(&self, patience: Duration) -> Log {
        self.change(|state| {
            state.over = true;
            for (connection, stream) in &state.live {
                // Reading goes on up to the proxy's own end: what it had already sent must be seen. Where it
                // has begun nothing, nothing will come: a proxy need not notice at once that it was closed.
                let resting = state.resting.contains(connection);
                drop(stream.shutdown(if resting { Shutdown::Both } else { Shutdown::Write }));
            }
        });
        if !self.wait(patience, |state| state.live.is_empty()) {
            self.change(|state| {
                for stream in state.live.values() {
                    drop(stream.shutdown(Shutdown::Both));
                }
            });
            self.wait(patience, |state| state.live.is_empty());
        }
        std::mem::take(&mut self.lock().log)
    }

    /// Opens a gate.
    pub fn open(&self, gate: &'static str) {
        self.change(|state| state.gates.insert(gate));
    }

    /// Waits until a gate is open or the case is over.
    pub fn pass(&self, gate: &'static str, patience: Duration) -> bool {
        self.wait(patience, |state| state.over || state.gates.contains(gate))
    }

    /// Whether the case is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.lock().over
    }

    /// Waits until the log satisfies `done`.
    pub fn wait_log(&self, patience: Duration, done: impl Fn(&Log) -> bool) -> bool {
        self.wait(patience, |state| done(&state.log))
    }

    /// What has been seen so far.
    #[must_use]
    pub fn seen(&self) -> Log {
        self.lock().log.clone()
    }

    /// A connection was accepted; returns its number.
    pub(crate) fn accepted(&self, side: Side, stream: TcpStream) -> usize {
        self.change(|state| {
            let number = state.log.connections.len();
            state.log.connections.push(Connection { side, received: Vec::new(), ended: None });
            if state.over {
                drop(stream.shutdown(Shutdown::Write));
            }
            state.live.insert(number, stream);
            number
        })
    }

    /// A request's first byte is waited for on a connection, or has come.
    pub(crate) fn rests(&self, connection: usize, rests: Rests) {
        self.change(|state| match rests {
            Rests::Yes => state.resting.insert(connection),
            Rests::No => state.resting.remove(&connection),
        });
    }

    /// A connection is done with.
    pub(crate) fn gone(&self, connection: usize, received: &[u8], ended: Option<Ended>) {
        self.change(|state| {
            state.live.remove(&connection);
            state.resting.remove(&connection);
            if let Some(held) = state.log.connections.get_mut(connection) {
                received.clone_into(&mut held.received);
                held.ended = ended;
            }
        });
    }

    /// The proxy has ended a connection that the origin still holds.
    pub(crate) fn ended(&self, connection: usize, ended: Ended) {
        self.change(|state| {
            if let Some(held) = state.log.connections.get_mut(connection) {
                held.ended = Some(ended);
            }
        });
    }

    /// A request's head arrived; returns its number and what to do with it.
    pub(crate) fn arrived(
        &self,
        side: Side,
        connection: usize,
        message: Message,
    ) -> (usize, Option<Vec<Act>>) {
        self.change(|state| {
            state.log.requests.push(Request { side, connection, message });
            let acts = match side {
                Side::Legacy => state.script.legacy.pop_front(),
                Side::Extracted => state.script.extracted.pop_front(),
            };
            (state.log.requests.len() - 1, acts)
        })
    }

    /// A piece of a request's body arrived.
    pub(crate) fn piece(&self, request: usize, bytes: &[u8]) {
        self.change(|state| {
            if let Some(held) = state.log.requests.get_mut(request) {
                held.message.body.extend_from_slice(bytes);
            }
        });
    }

    /// A request's body came to its end, one way or another.
    pub(crate) fn finished(&self, request: usize, trailers: Vec<Line>, ending: Ending) {
        self.change(|state| {
            if let Some(held) = state.log.requests.get_mut(request) {
                held.message.trailers = trailers;
                held.message.ending = ending;
            }
        });
    }

    /// Bytes arrived that no strict origin takes.
    pub(crate) fn violation(&self, what: String) {
        self.change(|state| state.log.violations.push(what));
    }
}
