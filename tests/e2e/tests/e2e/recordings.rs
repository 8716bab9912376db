//! Recordings with real processes: what is in them, and what a kill leaves of them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use strangler::corpus::{Ending, Exchange, Limits, Reader};

use crate::evidence::{mark, older_than_a_second};
use crate::replay::side::{Side, product};
use crate::support::client::Client;
use crate::support::proxy::{House, PROGRAM, Proxy, SERVER, printed};
use crate::support::{DEADLINE, wait_for};

fn house(phase: &str, legacy: &Side, extracted: &Side, more: &str) -> House {
    House::new(&format!(
        "version = 1\nlegacy = {:?}\n{SERVER}\n[slices.products]\nupstream = {:?}\nphase = {phase:?}\n\
         sync = \"stateless\"\nroutes = [\"/products/**\"]\n{more}\n",
        legacy.url(),
        extracted.url()
    ))
}

/// A running `strangler record`, from when it has begun.
struct Recorder {
    child: Child,
    file: PathBuf,
}

impl Recorder {
    fn start(house: &House, proxy: &Proxy, more: &[&str]) -> Recorder {
        let file = house.folder().join("recorded");
        drop(fs::remove_file(&file));
        let child = Command::new(PROGRAM)
            .args(["record", "--admin", &format!("http://{}", proxy.admin), "--out"])
            .arg(&file)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("the recording", || file.exists().then_some(()));
        Recorder { child, file }
    }

    #[track_caller]
    fn ends(mut self, code: i32) -> Vec<Exchange> {
        let status = wait_for("the end of the recording", || self.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(code));
        read(&self.file).0
    }

    fn kill(mut self) -> PathBuf {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.file
    }
}

/// A recording of the test's own: what has come here has come to every other one.
struct Witness(BufReader<TcpStream>);

impl Witness {
    fn start(proxy: &Proxy) -> Witness {
        let mut stream = TcpStream::connect(proxy.admin).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET /api/record HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut witness = Witness(BufReader::new(stream));
        witness.wait("strangler_corpus");
        witness
    }

    /// Waits for a line with this text.
    fn wait(&mut self, text: &str) -> bool {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the recording ended");
        }
        true
    }

    fn wait_request(&mut self, number: u64) -> bool {
        self.wait(&format!("\"target\":\"/products/{number}\""))
    }
}

fn read(file: &Path) -> (Vec<Exchange>, bool) {
    let mut reader = Reader::open(file, Limits::default()).unwrap();
    let mut exchanges = Vec::new();
    while let Some(exchange) = reader.next_exchange().unwrap() {
        exchanges.push(exchange);
    }
    (exchanges, matches!(reader.ending(), Some(Ending::Whole(_))))
}

#[test]
fn a_slice_is_recorded_before_it_is_first_shadowed_and_the_recording_is_replayed() {
    let (legacy, extracted) = (Side::good(), Side::good());
    for phase in ["legacy", "extracted"] {
        let house = house(phase, &legacy, &extracted, "shadow = { reverse_sample = \"0%\" }");
        let proxy = house.serve();
        let recorder = Recorder::start(&house, &proxy, &["--slice", "products", "--max", "3"]);
        let (legacy_before, extracted_before) = (legacy.seen().len(), extracted.seen().len());
        let mut client = Client::new(proxy.public);
        // Whatever is of no slice is not recorded.
        client.get("/elsewhere").unwrap();
        client.send("GET", "/products/1?password=hunter2", &[("x-request-id", "one")], b"").unwrap();
        let json = [("content-type", "application/json"), ("x-request-id", "two")];
        client.send("POST", "/products", &json, b"{\"card\": \"4111 1111 1111 1111\", \"n\": 5}").unwrap();
        client
            .send("GET", "/products/2", &[("if-none-match", "\"a\""), ("x-request-id", "no")], b"")
            .unwrap();
        client.send("GET", "/products/3", &[("x-request-id", "three")], b"").unwrap();
        let exchanges = recorder.ends(0);
        let told: Vec<(&str, &str, &str)> =
            exchanges.iter().map(|one| (&*one.id, &*one.request.method, &*one.owner)).collect();
        assert_eq!(told, [("one", "GET", phase), ("two", "POST", "legacy"), ("three", "GET", phase)]);
        for one in &exchanges {
            let (answered, other) = if one.owner == "legacy" {
                (&one.legacy, &one.extracted)
            } else {
                (&one.extracted, &one.legacy)
            };
            assert_eq!((answered.as_ref().map(|reply| reply.status), other), (Some(200), &None));
        }
        let kept = serde_json::to_string(&exchanges).unwrap();
        assert!(!kept.contains("hunter2") && !kept.contains("4111"), "{kept}");
        assert!(exchanges[1].request.body.text().contains("\"n\": 5"), "{kept}");
        // Nobody was asked anything for it, and it is in no account.
        let asked = (legacy.seen().len() - legacy_before, extracted.seen().len() - extracted_before);
        assert_eq!(asked, if phase == "legacy" { (5, 0) } else { (2, 3) });
        let metrics = proxy.admin_get("/metrics").text();
        assert!(!metrics.contains("strangler_shadow_total{"), "{metrics}");
    }
    let house = house("legacy", &legacy, &extracted, "");
    let proxy = house.serve();
    let recorder = Recorder::start(&house, &proxy, &["--max", "2"]);
    let mut client = Client::new(proxy.public);
    client.get("/products/1").unwrap();
    client.post("/products", b"{}").unwrap();
    recorder.ends(0);
    let wrong = Side::start(|seen, _| (200, product(&seen.target, "19.91")));
    for (candidate, code, part) in [(&extracted, 0, "match 1"), (&wrong, 1, "mismatch 1")] {
        let arguments = ["replay", "recorded", "--primary", legacy.url(), "--candidate", candidate.url()];
        let output = house.command(&[&arguments[..], &["--config", "strangler.toml"]].concat());
        assert_eq!(output.status.code(), Some(code), "{}", printed(&output));
        assert!(printed(&output).contains(part), "{}", printed(&output));
    }
}

#[test]
fn a_recording_that_is_killed_loses_nothing_older_than_a_second() {
    let (legacy, extracted) = (Side::good(), Side::good());
    for phase in ["legacy", "shadow"] {
        let house = house(phase, &legacy, &extracted, "");
        let proxy = house.serve();
        let recorder = Recorder::start(&house, &proxy, &[]);
        let mut witness = Witness::start(&proxy);
        let (marks, at) = mark(&proxy, Duration::from_millis(2500), |number| witness.wait_request(number));
        let file = recorder.kill();
        let (exchanges, is_whole) = read(&file);
        let (kept, older) = (exchanges.len() as u64, older_than_a_second(&marks, at));
        assert!(!is_whole && (older..=marks.len() as u64).contains(&kept), "{phase}: {kept} kept of {older}");
        for (number, one) in (1..).zip(&exchanges) {
            assert_eq!(one.request.target, format!("/products/{number}"), "{phase}: none is missing between");
            assert_eq!(one.legacy.as_ref().map(|reply| reply.status), Some(200));
        }
    }
}

#[test]
fn of_a_proxy_that_is_killed_the_recording_is_kept_and_told_apart() {
    let (legacy, extracted) = (Side::good(), Side::good());
    let house = house("shadow", &legacy, &extracted, "");
    let proxy = house.serve();
    let recorder = Recorder::start(&house, &proxy, &[]);
    let mut witness = Witness::start(&proxy);
    let (marks, at) = mark(&proxy, Duration::from_millis(1500), |number| witness.wait_request(number));
    proxy.crash();
    let exchanges = recorder.ends(3);
    let (kept, older) = (exchanges.len() as u64, older_than_a_second(&marks, at));
    assert!((older..=marks.len() as u64).contains(&kept), "{kept} kept of {older}");
}
