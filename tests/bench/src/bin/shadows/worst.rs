//! Services, those that do their worst among them, each in a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::causes;

/// What everybody who answers says.
const BODY: &str = r#"{"id":7,"name":"Cup","price":19.90,"tags":["a","b"]}"#;
const OTHER: &str = r#"{"id":7,"name":"Cup","price":19.91,"tags":["a","b"]}"#;

/// Bytes that are written at once.
const PIECE: usize = 64 * 1024;

/// Bytes of a huge answer.
const HUGE: usize = 256 << 20;

/// What a service does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Act {
    Answer,
    Differ,
    /// Answers ten seconds later.
    Wait,
    /// Nobody listens.
    Dead,
    /// Resets the connection instead of answering.
    Reset,
    /// Answers with a body that never ends.
    Endless,
    Huge,
    /// Answers with the product that is asked for.
    Products,
    /// The same, and otherwise for one of several reasons.
    OtherProducts,
}

/// Plays a service until nobody reads what it says, and says its address first.
pub(crate) fn play(act: Act) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever leaves in the middle is no news.
            thread::spawn(move || serve(stream, act).ok());
        }
    });
    // Ends with whoever started it.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// How a service stands to the others on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Clients wait for it.
    Usual,
    /// Nobody does: as if it were on a machine of its own.
    Lowest,
}

/// Starts a service in a process of its own; it ends with this one.
pub(crate) fn start(act: Act, priority: Priority) -> Result<SocketAddr> {
    if act == Act::Dead {
        return super::nobody();
    }
    let name = act.to_possible_value().context("every act has a name")?;
    let mut child = Command::new("nice")
        .args(["-n", if priority == Priority::Lowest { "19" } else { "0" }])
        .arg(std::env::current_exe()?)
        .args(["--act", name.get_name()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("`nice` cannot be started")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
    // Its end is ours, by the pipe that is never closed before.
    std::mem::forget(child.stdin.take());
    Ok(line.trim().parse()?)
}

fn serve(stream: TcpStream, act: Act) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut line) = (String::new(), String::new());
        reader.read_line(&mut first)?;
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        let number = || first.split(['/', ' ']).find_map(|word| word.parse().ok()).unwrap_or_default();
        let stream = reader.get_mut();
        let length = |length: usize| {
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n")
        };
        match act {
            Act::Answer => stream.write_all((length(BODY.len()) + BODY).as_bytes())?,
            Act::Differ => stream.write_all((length(OTHER.len()) + OTHER).as_bytes())?,
            Act::Wait => {
                thread::sleep(Duration::from_secs(10));
                stream.write_all((length(BODY.len()) + BODY).as_bytes())?;
            }
            Act::Dead => return Ok(()),
            Act::Reset => {
                socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?;
                return Ok(());
            }
            Act::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                loop {
                    stream.write_all(&[b'x'; PIECE])?;
                }
            }
            Act::Products | Act::OtherProducts => {
                let body = causes::body(number(), act == Act::OtherProducts);
                stream.write_all((length(body.len()) + &body).as_bytes())?;
            }
            Act::Huge => {
                stream.write_all(length(HUGE).as_bytes())?;
                for _ in 0..HUGE / PIECE {
                    stream.write_all(&[b'x'; PIECE])?;
                }
            }
        }
    }
}
