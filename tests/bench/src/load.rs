//! The load: requests over a fixed number of keep-alive connections, each answer read to its end.
//!
//! A client connects again when its connection is gone, and every such loss is counted: nothing that failed is
//! tried again, and nothing is hidden by a new connection.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cases::Case;

/// What became of the requests and the connections of a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that were answered 200, to the last byte.
    pub answered: u64,
    /// Requests that were not.
    pub failed: u64,
    /// Of those: requests whose answer broke off after its first byte.
    pub cut: u64,
    /// Connections that ended behind an answer which said so (`Connection: close`); no request was lost.
    pub closed: u64,
}

impl Tally {
    /// The sum of both.
    #[must_use]
    pub fn and(self, other: Tally) -> Tally {
        Tally {
            answered: self.answered + other.answered,
            failed: self.failed + other.failed,
            cut: self.cut + other.cut,
            closed: self.closed + other.closed,
        }
    }
}

/// Sends `requests` requests.
///
/// # Errors
/// When a client's task dies.
pub async fn run(address: SocketAddr, case: &Case, requests: u64) -> Result<Tally> {
    let sent = Rc::new(case.requests());
    run_while(address, &vec![sent; case.connections], case.fresh, counted(requests)).await
}

/// Sends `requests` requests, each client one in `period` at most.
///
/// # Errors
/// When a client's task dies.
pub async fn run_paced(address: SocketAddr, case: &Case, requests: u64, period: Duration) -> Result<Tally> {
    let sent = Rc::new(case.requests());
    let clients = vec![sent; case.connections];
    clients_while(address, &clients, case.fresh, counted(requests), Some(period)).await
}

/// So many times.
fn counted(requests: u64) -> Rc<dyn Fn() -> bool> {
    let left = Cell::new(requests);
    Rc::new(move || {
        let some = left.get();
        left.set(some.saturating_sub(1));
        some > 0
    })
}

/// One client for each of `clients`, which sends its requests in turn, again and again, while `go_on` says so.
///
/// # Errors
/// When a client's task dies.
pub async fn run_while(
    address: SocketAddr,
    clients: &[Rc<Vec<Vec<u8>>>],
    fresh: bool,
    go_on: Rc<dyn Fn() -> bool>,
) -> Result<Tally> {
    clients_while(address, clients, fresh, go_on, None).await
}

async fn clients_while(
    address: SocketAddr,
    clients: &[Rc<Vec<Vec<u8>>>],
    fresh: bool,
    go_on: Rc<dyn Fn() -> bool>,
    period: Option<Duration>,
) -> Result<Tally> {
    let began = tokio::time::Instant::now();
    let tally = Rc::new(Cell::new(Tally::default()));
    let mut tasks = Vec::new();
    for (index, requests) in clients.iter().enumerate() {
        // They do not all ask at once.
        let first = period.map(|period| {
            period * u32::try_from(index).unwrap_or(0) / u32::try_from(clients.len()).unwrap_or(1)
        });
        let (requests, go_on, tally) = (Rc::clone(requests), Rc::clone(&go_on), Rc::clone(&tally));
        tasks.push(tokio::task::spawn_local(async move {
            let mut client = Client::new(address);
            let mut due = began + first.unwrap_or_default();
            // Not all begin with the same one.
            let from = index % requests.len().max(1);
            let mut turns = requests.iter().cycle().skip(from);
            while go_on()
                && let Some(request) = turns.next()
            {
                if let Some(period) = period {
                    tokio::time::sleep_until(due).await;
                    due = (due + period).max(tokio::time::Instant::now());
                }
                client.ask(request, fresh, &tally).await;
            }
        }));
    }
    for task in tasks {
        task.await.context("a client died")?;
    }
    Ok(tally.get())
}

/// How far a request came that was not answered whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    NoConnection,
    BeforeAnswer,
    InAnswer,
}

/// Whether the connection lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Stays,
    Closes,
}

struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    input: Vec<u8>,
}

impl Client {
    fn new(address: SocketAddr) -> Client {
        Client { address, stream: None, input: Vec::with_capacity(64 * 1024) }
    }

    /// One request, and what became of it.
    async fn ask(&mut self, request: &[u8], fresh: bool, tally: &Cell<Tally>) {
        self.input.clear();
        let outcome = self.exchange(request).await;
        let refused = outcome == Err(Lost::NoConnection);
        let mut sum = tally.get();
        match outcome {
            Ok(after) => {
                sum.answered += 1;
                if fresh || after == After::Closes {
                    self.stream = None;
                    sum.closed += u64::from(!fresh);
                }
            }
            Err(lost) => {
                sum.failed += 1;
                sum.cut += u64::from(lost == Lost::InAnswer);
                self.stream = None;
            }
        }
        tally.set(sum);
        if refused {
            // Who asks a closed port as fast as it can counts its own speed.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<After, Lost> {
        let before = |_| Lost::BeforeAnswer;
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(self.address).await.map_err(|_| Lost::NoConnection)?;
                stream.set_nodelay(true).map_err(before)?;
                none.insert(stream)
            }
        };
        stream.write_all(request).await.map_err(before)?;
        let input = &mut self.input;
        let head = read_head(stream, input).await;
        let Ok(Some((head, _, body))) = head else {
            return Err(if input.is_empty() { Lost::BeforeAnswer } else { Lost::InAnswer });
        };
        let bytes = input.get(..head).unwrap_or_default();
        let good = bytes.starts_with(b"HTTP/1.1 200");
        let after = if contains(bytes, b"\r\nconnection: close\r\n") { After::Closes } else { After::Stays };
        if contains(bytes, b"\r\ntransfer-encoding: chunked\r\n") {
            until_last_chunk(stream, input, head).await.map_err(|_| Lost::InAnswer)?;
        } else {
            let mut body = body.saturating_sub(input.len() - head);
            while body > 0 {
                input.clear();
                let read = stream.read_buf(input).await.map_err(|_| Lost::InAnswer)?;
                if read == 0 {
                    return Err(Lost::InAnswer);
                }
                body = body.saturating_sub(read);
            }
        }
        if good { Ok(after) } else { Err(Lost::BeforeAnswer) }
    }
}

/// Reads until the last chunk's empty line; the origin's bodies never hold those bytes.
async fn until_last_chunk(stream: &mut TcpStream, input: &mut Vec<u8>, head: usize) -> Result<()> {
    while !input.get(head..).is_some_and(|body| body.ends_with(b"0\r\n\r\n")) {
        if stream.read_buf(input).await? == 0 {
            bail!("cut");
        }
    }
    Ok(())
}

/// Reads until a whole head is in `input`: its length, the number that ends its target, and its body's length.
/// `None` where the peer closed between two messages.
///
/// # Errors
/// When the peer closed inside a head, or reset.
pub async fn read_head(stream: &mut TcpStream, input: &mut Vec<u8>) -> Result<Option<(usize, usize, usize)>> {
    let mut scanned = 0;
    loop {
        if let Some(end) =
            input.get(scanned..).and_then(|rest| rest.windows(4).position(|w| w == b"\r\n\r\n"))
        {
            let head = scanned + end + 4;
            let bytes = input.get(..head).unwrap_or_default();
            return Ok(Some((head, number_after(bytes, b"/b/"), number_after(bytes, b"content-length: "))));
        }
        scanned = input.len().saturating_sub(3);
        if stream.read_buf(input).await? == 0 {
            if input.is_empty() {
                return Ok(None);
            }
            bail!("closed inside a head");
        }
    }
}

/// Whether `bytes` hold `part`, in any case of letters.
#[must_use]
pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

fn number_after(head: &[u8], needle: &[u8]) -> usize {
    head.windows(needle.len())
        .position(|window| window.eq_ignore_ascii_case(needle))
        .map_or(0, |at| digits(head.get(at + needle.len()..).unwrap_or_default()))
}

fn digits(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |value, byte| value.saturating_mul(10).saturating_add(usize::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Answers each connection's first request with the next of `answers`, and closes.
    async fn load(answers: Vec<&'static str>, requests: u64) -> Tally {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::task::LocalSet::new()
            .run_until(async move {
                tokio::task::spawn_local(async move {
                    for answer in answers {
                        let (mut stream, _) = listener.accept().await.unwrap();
                        let mut input = Vec::new();
                        read_head(&mut stream, &mut input).await.unwrap();
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
                let case = Case { connections: 1, ..Case::small() };
                run(address, &case, requests).await.unwrap()
            })
            .await
    }

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

    #[tokio::test]
    async fn a_connection_that_says_that_it_closes_fails_nothing() {
        assert_eq!(load(vec![LAST, LAST], 2).await, Tally { answered: 2, closed: 2, ..Tally::default() });
    }

    #[tokio::test]
    async fn a_request_on_a_connection_that_closes_unsaid_is_a_failure_although_the_client_connects_again() {
        let expected = Tally { answered: 2, failed: 1, closed: 1, cut: 0 };
        assert_eq!(load(vec![OK, LAST], 3).await, expected);
    }

    #[tokio::test]
    async fn what_is_cut_or_not_200_is_a_failure() {
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok";
        let half = "HTTP/1.1 200 OK\r\nConte";
        let bad = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
        let open = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
        assert_eq!(
            load(vec![cut, half, open, bad], 4).await,
            Tally { failed: 4, cut: 3, ..Tally::default() }
        );
        let refused = Tally { failed: 1, ..Tally::default() };
        assert_eq!(load(vec![], 1).await, refused);
    }
}
