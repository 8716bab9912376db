//! `status --watch` on a real terminal: however it ends, the terminal is left as it was.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::reload::Site;
use crate::support::proxy::PROGRAM;
use crate::support::terminal::Terminal;
use crate::support::{nobody, wait_for};

/// A terminal tall enough for everything.
const TALL: u16 = 200;

fn watch(admin: SocketAddr, more: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(["status", "--watch", "--admin", &format!("http://{admin}")])
        .args(more)
        .env("NO_COLOR", "1");
    command
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// What ends it.
#[derive(Clone, Copy, Debug)]
enum End {
    Key(u8),
    Signal(Signal),
}

const ENDS: [End; 7] = [
    End::Key(b'q'),
    End::Key(b'Q'),
    // Ctrl-C, as a terminal sends it.
    End::Key(3),
    End::Signal(Signal::INT),
    End::Signal(Signal::TERM),
    End::Signal(Signal::HUP),
    End::Signal(Signal::QUIT),
];

/// Watches until `is_up`, ends it, and looks at what is left.
#[track_caller]
fn check(admin: SocketAddr, end: End, is_up: impl Fn(&Terminal) -> bool) {
    let mut terminal = Terminal::open(TALL);
    let before = terminal.modes();
    assert!(!before.is_raw());
    let mut child = terminal.spawn(&mut watch(admin, &[]));
    wait_for("watching", || is_up(&terminal).then_some(()));
    assert!(terminal.modes().is_raw(), "keys come one by one meanwhile");
    match end {
        End::Key(key) => terminal.press(&[b'x', key]),
        End::Signal(kind) => signal(&child, kind),
    }
    let status = wait_for("its end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0), "{end:?}: {status}");
    assert_eq!(terminal.modes(), before, "{end:?}");
    let drawn = terminal.drawn();
    assert_eq!(drawn.matches("\x1b[?7l").count(), drawn.matches("\x1b[?7h").count(), "{end:?}: {drawn:?}");
}

#[test]
fn a_key_and_every_signal_that_ends_it_leave_the_terminal_as_it_was() {
    let site = Site::new();
    let (_house, proxy) = site.serve();
    for end in ENDS {
        check(proxy.admin, end, |terminal| terminal.drawn().contains("q: end"));
    }
}

#[test]
fn it_ends_at_once_while_the_proxy_does_not_answer() {
    // Connections are accepted by the system, and nobody ever reads what is asked.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for end in [End::Key(b'q'), End::Signal(Signal::TERM)] {
        check(silent.local_addr().unwrap(), end, |terminal| terminal.modes().is_raw());
    }
}

#[test]
fn a_proxy_that_is_away_is_watched_until_it_is_back_and_a_failure_restores_the_terminal() {
    check(nobody(), End::Key(b'q'), |terminal| terminal.drawn().matches("q: end").count() >= 2);
    let site = Site::new();
    let (_house, proxy) = site.serve();
    let terminal = Terminal::open(TALL);
    let before = terminal.modes();
    let mut child = terminal.spawn(&mut watch(proxy.admin, &["no-such-slice"]));
    let status = wait_for("its end", || child.try_wait().unwrap());
    assert_ne!(status.code(), Some(0));
    assert_eq!(terminal.modes(), before);
    wait_for("the reason", || terminal.drawn().contains("no-such-slice").then_some(()));
}

#[test]
fn the_first_sentence_stays_in_sight_on_a_low_terminal() {
    let site = Site::new();
    let (_house, proxy) = site.serve();
    let mut terminal = Terminal::open(6);
    let mut child = terminal.spawn(&mut watch(proxy.admin, &[]));
    let drawn = wait_for("a second page", || {
        let drawn = terminal.drawn();
        (drawn.matches("q: end").count() >= 2).then_some(drawn)
    });
    let page = drawn.split("\x1b[H").nth(1).unwrap();
    let page = &page[..page.find("\x1b[J").unwrap()];
    assert!(page.starts_with("Legacy answers everything"), "{page:?}");
    assert!(page.contains(" more lines: `strangler status`)"), "{page:?}");
    assert!(page.lines().count() < 6, "{page:?}");
    terminal.press(b"q");
    wait_for("its end", || child.try_wait().unwrap());
}

#[test]
fn it_ends_when_nobody_reads_it_any_more() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    let mut child = watch(proxy.admin, &[]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    assert!(first.contains("generation 1"), "{first}");
    drop(reader);
    house.write(&site.configuration("extracted"));
    let status = wait_for("its end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0), "{status}");
}
