//! What is compared, to the letter: a table of answers of both sides, with the account and the differences that they
//! must come to, over real sockets through the real program.
//!
//! The table is `letter/cases.txt`: a case is a name and, indented, what it consists of. `answer` is framed by its
//! length; `raw` is sent as it stands; `close`, `reset` and `hang` send what stands there and do that. Header lines
//! are separated by ` | `, a body follows ` || `, and bytes are escaped as in C.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::client::{get, read_head};
use crate::support::proxy::House;
use crate::support::{DEADLINE, nobody, wait_for};

/// One case, as its lines have it.
#[derive(Clone, Debug, Default)]
struct Case {
    name: String,
    legacy: String,
    extracted: String,
    request: String,
    rules: Vec<String>,
    slice: Vec<String>,
    shadow: String,
    wants: String,
}

fn table() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("letter/cases.txt").lines().filter(|line| !line.is_empty()) {
        let Some(part) = line.strip_prefix("  ") else {
            cases.push(Case { name: line.to_owned(), request: "GET".to_owned(), ..Case::default() });
            continue;
        };
        let (key, value) = part.split_once(' ').unwrap();
        let value = value.trim_start().to_owned();
        let case = cases.last_mut().unwrap();
        match key {
            "legacy" => case.legacy = value,
            "extracted" => case.extracted = value,
            "request" => case.request = value,
            "rules" => case.rules.push(value),
            "policy" => case.slice.push(value),
            "phase" | "upstream" => case.slice.push(format!("{key} = \"{value}\"")),
            "routes" => case.slice.push(format!("routes = {value}")),
            "shadow" => case.shadow = value,
            "wants" => case.wants = value,
            other => panic!("{other} in {}", case.name),
        }
    }
    cases
}

/// What stands behind the backslashes of a text.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match rest.next().unwrap() {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    out
}

/// Header lines and a body, with what stands before the first line.
fn parts(text: &str) -> (&str, Vec<&str>, Vec<u8>) {
    let (head, body) = text.split_once(" || ").unwrap_or((text, ""));
    let mut lines = head.split(" | ");
    let first = lines.next().unwrap();
    (first, lines.collect(), bytes(body))
}

/// What is sent, and whether the connection goes on.
fn say(stream: &mut TcpStream, said: &str) -> io::Result<()> {
    let (how, what) = said.split_once(' ').unwrap_or((said, ""));
    if how == "answer" {
        let (status, lines, body) = parts(what);
        let mut message = format!("HTTP/1.1 {status} Said\r\n").into_bytes();
        for line in lines {
            message.extend(bytes(line));
            message.extend(b"\r\n");
        }
        message.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
        message.extend(body);
        return stream.write_all(&message);
    }
    stream.write_all(&bytes(what))?;
    match how {
        "raw" => return Ok(()),
        "hang" => drop(stream.read(&mut [0; 1])),
        "reset" => socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?,
        "close" => {}
        other => panic!("{other}"),
    }
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// A side that answers `/cN` with what case N has for it.
fn side(says: impl Fn(usize) -> String + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let says = Arc::new(says);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let says = Arc::clone(&says);
            thread::spawn(move || drop(converse(stream, &*says)));
        }
    });
    address
}

fn converse(stream: TcpStream, says: &dyn Fn(usize) -> String) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let (line, headers) = read_head(&mut reader)?;
        let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = length.map_or(0, |(_, value)| value.parse().unwrap());
        reader.read_exact(&mut vec![0; length])?;
        let target = line.split(' ').nth(1).unwrap_or_default();
        let number = target.trim_start_matches("/c").parse().map_err(|_| io::ErrorKind::InvalidData)?;
        say(reader.get_mut(), &says(number))?;
    }
}

fn configuration(cases: &[Case], legacy: SocketAddr, extracted: SocketAddr) -> String {
    let dead = nobody();
    let mut text = format!(
        "version = 1\nlegacy = \"http://{legacy}\"\n[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
         data_dir = \"memory\"\naccess_log = \"off\"\nlog = \"error\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
         public_url = [\"http://shop.example\", \"https://shop.example:8443\"]\n\
         [upstreams.x]\nendpoints = [\"http://{extracted}\"]\nbreaker = false\nmax_in_flight = 4096\n\
         [upstreams.dead]\nendpoints = [\"http://{dead}\"]\nbreaker = false\n"
    );
    for (number, case) in cases.iter().enumerate() {
        let said = |key: &str| case.slice.iter().any(|line| line.starts_with(key));
        let mut lines = case.slice.clone();
        for (key, usual) in [
            ("upstream", "upstream = \"x\""),
            ("phase", "phase = \"shadow\""),
            ("routes", "routes = [\"/@S@\"]"),
        ] {
            if !said(key) {
                lines.push(usual.to_owned());
            }
        }
        // Only who says nothing at all is given up soon.
        let patience = if case.shadow.contains("timeout") { "" } else { "timeout = \"20s\"\n" };
        let slice = format!(
            "[slices.@S@]\nsync = \"stateless\"\n{}\n[slices.@S@.shadow]\nreverse_sample = \"100%\"\n{patience}{}\n\
             [slices.@S@.compare]\n{}\n",
            lines.join("\n"),
            case.shadow,
            case.rules.join("\n"),
        );
        text.push_str(&slice.replace("@S@", &format!("c{number}")));
    }
    text
}

/// Sends a case's request, and takes whatever comes of it.
fn ask(public: SocketAddr, number: usize, request: &str) {
    let (method, lines, body) = parts(request);
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let head =
        format!("{method} /c{number} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{lines}\r\n");
    let mut stream = TcpStream::connect(public).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(&[head.into_bytes(), body].concat()).unwrap();
    // What the client is told of a broken side is not what is looked at.
    drop(stream.read_to_end(&mut Vec::new()));
}

/// What became of a slice's only request, in the words of the table.
fn came_to(slice: &Value) -> Option<String> {
    let accounts = &slice["accounts"];
    if accounts["eligible"] == 0 {
        return None;
    }
    let problems = slice["problems"].as_array().unwrap();
    let mut told: Vec<String> = problems
        .iter()
        .map(|problem| format!("{} {}", problem["kind"].as_str().unwrap(), problem["path"].as_str().unwrap()))
        .collect();
    told.sort();
    let reasons = accounts["reasons"].as_object().unwrap();
    Some(match ["match", "mismatch", "ignored"].into_iter().find(|account| accounts[*account] == 1) {
        Some("mismatch") => told.join("; "),
        Some(account) => account.to_owned(),
        None => format!("not-compared {}", reasons.keys().cloned().collect::<Vec<_>>().join(",")),
    })
}

#[test]
fn two_answers_come_to_what_the_letter_says() {
    let cases = Arc::new(table());
    let addresses: Arc<OnceLock<[String; 2]>> = Arc::default();
    let of = |what: fn(&Case) -> &String| {
        let (cases, addresses) = (Arc::clone(&cases), Arc::clone(&addresses));
        side(move |number| {
            let [legacy, extracted] = addresses.get().unwrap();
            what(&cases[number]).replace("@LEGACY@", legacy).replace("@EXTRACTED@", extracted)
        })
    };
    let (legacy, extracted) = (of(|case| &case.legacy), of(|case| &case.extracted));
    addresses.set([legacy, extracted].map(|address| address.to_string())).unwrap();
    let house = House::new(&configuration(&cases, legacy, extracted));
    let proxy = house.serve();
    for (number, case) in cases.iter().enumerate() {
        ask(proxy.public, number, &case.request);
    }
    let report = wait_for("an account of every case", || {
        let report = get(proxy.admin, "/api/report").json();
        let all = report["slices"].as_array().unwrap().iter().all(|slice| came_to(slice).is_some());
        all.then_some(report)
    });
    let slices = report["slices"].as_array().unwrap();
    let wrong: Vec<String> = cases
        .iter()
        .enumerate()
        .filter_map(|(number, case)| {
            let slice = slices.iter().find(|slice| slice["slice"] == format!("c{number}")).unwrap();
            let got = came_to(slice).unwrap_or_default();
            (got != case.wants).then(|| format!("{}: wants {}, got {got}", case.name, case.wants))
        })
        .collect();
    assert!(
        cases.len() > 600 && wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}
