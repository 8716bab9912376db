//! A fault-scripted origin on a port of its own: it reads strictly, records every byte, and answers by script.
//!
//! It answers fences (requests whose target begins with [`FENCE`]) at any time, outside the script and
//! the log: by them a lane learns that nothing is left of a case, and that the proxy still serves others.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::message::{self, Ending, Framing};
use crate::stage::{Act, Rests, Side, Stage};
use crate::wire::{Ended, Fault, Wire, show};

/// How the target of a fence begins.
pub const FENCE: &str = "/-fence-";

/// The answer to every request that has no script.
pub const DEFAULT_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// How long an origin waits for a byte or a gate. No case takes this long unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// An origin; it stops when dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Origin {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(stage: Arc<Stage>, side: Side) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let acceptor = std::thread::Builder::new().name("origin".into()).spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::Acquire) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let stage = Arc::clone(&stage);
                let Ok(wire) = Wire::new(stream, PATIENCE) else { continue };
                let Ok(handle) = wire.handle() else { continue };
                // Here and not in its thread, so that connections count in the order in which they came.
                let connection = stage.accepted(side, handle);
                let serving = Arc::clone(&stage);
                let serve = move || serve(wire, &serving, side, connection);
                if std::thread::Builder::new().spawn(serve).is_err() {
                    stage.gone(connection, &[], None);
                }
            }
        })?;
        Ok(Origin { address, stop, acceptor: Some(acceptor) })
    }

    /// Waits until every connection that was made before has been taken from the listener's queue.
    ///
    /// # Errors
    /// When it does not answer any more.
    pub fn settle(&self) -> Result<(), String> {
        crate::client::fence(self.address, PATIENCE, true)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // The acceptor looks at the flag when somebody knocks.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

/// What remains of a connection after a request.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Request,
    Close,
    Reset,
}

fn serve(mut wire: Wire, stage: &Stage, side: Side, connection: usize) {
    let mut next = Next::Request;
    while next == Next::Request {
        next = one_request(&mut wire, stage, side, connection);
    }
    if next == Next::Close {
        // Closing with bytes unread would reset the connection, and the end would not be told from a reset.
        wire.half_close();
        loop {
            match wire.fill_within(Duration::from_millis(20)) {
                Err(Ended::Silent) if !stage.is_over() => {}
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
    let received = wire.received().to_vec();
    let ended = wire.ended();
    if next == Next::Reset {
        wire.reset()
    } else {
        drop(wire)
    }
    stage.gone(connection, &received, ended);
}

fn one_request(wire: &mut Wire, stage: &Stage, side: Side, connection: usize) -> Next {
    stage.rests(connection, if wire.unread().is_empty() { Rests::Yes } else { Rests::No });
    let message = match message::request_head(wire) {
        Ok(message) => message,
        Err(Fault::Ended(_)) if wire.unread().is_empty() => return Next::Close,
        Err(fault) => {
            stage.violation(format!(
                "{side:?} origin, between requests: {fault}, after {}",
                show(wire.unread())
            ));
            return Next::Close;
        }
    };
    stage.rests(connection, Rests::No);
    let framing = message.framing;
    if message.target().starts_with(FENCE.as_bytes()) {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", message.target().len());
        let sent = wire.send(answer.as_bytes()).and_then(|()| wire.send(message.target()));
        return if sent.is_ok() { Next::Request } else { Next::Close };
    }
    let upgrading = !message.values("upgrade").is_empty();
    let (request, acts) = stage.arrived(side, connection, message);
    wire.set_cuts(stage.cuts());
    let mut play = Play { wire, stage, connection, request, framing, body_done: false };
    if framing == Framing::None {
        play.finish_body();
    }
    let acts = acts.unwrap_or_else(|| vec![Act::Body, Act::Send(DEFAULT_ANSWER.to_vec())]);
    for act in acts {
        if let Some(end) = play.act(act) {
            return end;
        }
    }
    if !play.body_done && !upgrading {
        play.finish_body();
    }
    Next::Request
}

/// One request being served.
struct Play<'p> {
    wire: &'p mut Wire,
    stage: &'p Stage,
    connection: usize,
    request: usize,
    framing: Framing,
    body_done: bool,
}

impl Play<'_> {
    fn act(&mut self, act: Act) -> Option<Next> {
        let sent = match act {
            Act::Body => {
                self.finish_body();
                Ok(())
            }
            Act::SomeBody(count) => {
                self.some_body(count);
                Ok(())
            }
            Act::Send(bytes) => self.wire.send(&bytes),
            Act::Repeat(bytes, times) => (0..times).try_for_each(|_| self.wire.send(&bytes)),
            Act::Dribble(bytes) => bytes.chunks(1).try_for_each(|byte| self.wire.send(byte)),
            Act::Gate(gate) => {
                self.stage.pass(gate, PATIENCE);
                Ok(())
            }
            Act::Stall => {
                self.stall();
                return Some(Next::Close);
            }
            Act::Echo => {
                self.echo();
                return Some(Next::Close);
            }
            Act::Close => return Some(Next::Close),
            Act::Reset => return Some(Next::Reset),
        };
        sent.is_err().then_some(Next::Close)
    }

    fn finish_body(&mut self) {
        if self.body_done {
            return;
        }
        self.body_done = true;
        let (stage, request) = (self.stage, self.request);
        match message::body(self.wire, self.framing, &mut |bytes| stage.piece(request, bytes)) {
            Ok(trailers) => stage.finished(request, trailers, Ending::Whole),
            Err(fault) => {
                if let Fault::Syntax(what) = &fault {
                    stage.violation(format!("in a request's body: {what}"));
                }
                stage.finished(request, Vec::new(), Ending::Cut(fault));
            }
        }
    }

    /// Reads a body of known length in part; the rest is read later by [`Play::finish_body`].
    fn some_body(&mut self, count: usize) {
        let (stage, request) = (self.stage, self.request);
        let take = count as u64;
        if let Framing::Length(length) = self.framing {
            let take = take.min(length);
            if self.wire.exact(take, &mut |bytes| stage.piece(request, bytes)).is_ok() {
                self.framing = Framing::Length(length - take);
            }
        } else {
            // Inside chunks there is no telling where to stop: wait until so much has come at all.
            while self.wire.unread().len() < count && self.wire.fill().is_ok() {}
        }
    }

    /// Waits for the peer's end or the case's, whatever comes meanwhile.
    fn stall(&mut self) {
        loop {
            match self.wire.fill_within(Duration::from_millis(20)) {
                Err(Ended::Silent) if self.stage.is_over() => return,
                Err(Ended::Silent) | Ok(_) => {}
                Err(ended) => {
                    self.stage.ended(self.connection, ended);
                    if !self.body_done {
                        self.finish_body();
                    }
                    return;
                }
            }
        }
    }

    fn echo(&mut self) {
        loop {
            let bytes = self.wire.unread().to_vec();
            self.wire.skip_to(self.wire.received().len());
            if !bytes.is_empty() && self.wire.send(&bytes).is_err() {
                return;
            }
            if let Err(ended) = self.wire.fill() {
                self.stage.ended(self.connection, ended);
                return;
            }
        }
    }
}
