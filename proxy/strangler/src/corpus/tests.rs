//! What is written is read, whole or torn; what is no corpus is refused.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use strangler_core::redact::Body;

use super::*;

fn header() -> Header {
    Header::now("0123abcd".to_owned(), Some("orders".to_owned()))
}

fn exchange(number: u64) -> Exchange {
    let request = Request { method: "GET".into(), target: format!("/orders/{number}"), ..Request::default() };
    let body = Body::Text(format!("{{\"id\": {number}}}"));
    Exchange {
        id: number.to_string(),
        request,
        legacy: Some(Reply { status: 200, body, ..Reply::default() }),
        ..Exchange::default()
    }
}

/// A corpus whose frames have `per_frame` exchanges each, with its end.
fn corpus(frames: u64, per_frame: u64) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), header()).unwrap();
    for frame in 0..frames {
        for at in 0..per_frame {
            writer.line(&Line::Exchange(Box::new(exchange(frame * per_frame + at)))).unwrap();
        }
        writer.flush().unwrap();
    }
    writer.end(3).unwrap()
}

fn read(bytes: &[u8]) -> Result<(u64, Ending), CorpusError> {
    let mut reader = Reader::new(std::io::Cursor::new(bytes.to_vec()), Limits::default())?;
    assert_eq!(reader.header().slice.as_deref(), Some("orders"));
    let mut count = 0;
    while let Some(exchange) = reader.next_exchange()? {
        assert_eq!(exchange, self::exchange(count));
        count += 1;
    }
    Ok((count, reader.ending().cloned().unwrap()))
}

#[test]
fn what_was_written_is_read() {
    assert_eq!(read(&corpus(3, 40)).unwrap(), (120, Ending::Whole(End { exchanges: 120, dropped: 3 })));
}

#[test]
fn a_corpus_cut_anywhere_is_read_up_to_its_last_whole_frame() {
    let whole = corpus(5, 10);
    let header_end = corpus(0, 0).len();
    let mut most = 0;
    for cut in header_end..whole.len() {
        let (count, ending) = read(&whole[..cut]).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert!(ending == Ending::Torn || cut > whole.len() - 40, "cut at {cut}");
        assert!(count >= most && (count % 10 == 0 || count < 50), "cut at {cut}: {count}");
        most = most.max(count);
    }
    assert_eq!(most, 50);
}

#[test]
fn garbage_after_the_last_frame_is_a_torn_end() {
    let mut bytes = corpus(2, 10);
    bytes.truncate(bytes.len() - 30);
    bytes.extend([0; 64]);
    let (count, ending) = read(&bytes).unwrap();
    assert_eq!((count, ending), (20, Ending::Torn));
}

#[test]
fn text_of_the_same_lines_is_read() {
    let mut text = Vec::new();
    zstd::stream::read::Decoder::new(&*corpus(2, 3)).unwrap().read_to_end(&mut text).unwrap();
    assert_eq!(read(&text).unwrap().0, 6);
}

#[test]
fn lines_of_a_later_kind_are_passed_over() {
    let mut text = serde_json::to_string(&Line::Header(header())).unwrap();
    text.push_str("\n{\"kind\":\"weather\",\"wind\":3}\n");
    text.push_str(&serde_json::to_string(&Line::Exchange(Box::new(exchange(0)))).unwrap());
    text.push('\n');
    assert_eq!(read(text.as_bytes()).unwrap(), (1, Ending::Torn));
}

#[test]
fn what_is_no_corpus_is_refused() {
    let refused = |bytes: &[u8]| {
        Reader::new(std::io::Cursor::new(bytes.to_vec()), Limits::default()).unwrap_err().to_string()
    };
    for bytes in [&b""[..], b"hello", b"{\"a\":1}\n", b"\x28\xb5\x2f\xfdgarbage", b"\x28\xb5\x2f\xfd"] {
        assert!(refused(bytes).starts_with("this is no corpus"), "{bytes:?}: {}", refused(bytes));
    }
    let later = Line::Header(Header { strangler_corpus: 2, ..header() });
    let text = serde_json::to_string(&later).unwrap() + "\n";
    assert_eq!(refused(text.as_bytes()), "the corpus is of format 2; this program reads up to 1");
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let mut writer = Writer::new(Vec::new(), header()).unwrap();
    let mut large = exchange(0);
    large.request.body = Body::Text("x".repeat(1 << 20));
    writer.line(&Line::Exchange(Box::new(large))).unwrap();
    let bytes = writer.end(0).unwrap();
    let read = |limits: Limits| {
        let mut reader = Reader::new(std::io::Cursor::new(bytes.clone()), limits)?;
        while reader.next_exchange()?.is_some() {}
        Ok::<_, CorpusError>(())
    };
    assert!(bytes.len() < 4096);
    assert!(matches!(
        read(Limits { line_bytes: 1 << 20, ..Limits::default() }),
        Err(CorpusError::TooLarge { .. })
    ));
    assert!(matches!(
        read(Limits { total_bytes: 1 << 20, ..Limits::default() }),
        Err(CorpusError::TooLarge { .. })
    ));
    assert!(read(Limits::default()).is_ok());
}

#[test]
fn whoever_asked_is_known_by_pseudonym_only() {
    let mut exchange = exchange(0);
    assert_eq!(exchange.identity(), None);
    exchange.request.headers.push(("Cookie".into(), "sid=redacted-cookie-0".into()));
    assert_eq!(exchange.identity(), Some("sid=redacted-cookie-0"));
    exchange.request.headers.push(("Authorization".into(), "Bearer redacted-token-0".into()));
    assert_eq!(exchange.identity(), Some("Bearer redacted-token-0"));
}

const CHILD: &str = "STRANGLER_TEST_CORPUS_CHILD";

/// Not a test of its own: the process that the next test kills. Says how many exchanges have been flushed.
#[test]
fn child_that_records_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let mut writer = Writer::create(Path::new(&path), header()).unwrap();
    for number in 0u64.. {
        writer.line(&Line::Exchange(Box::new(exchange(number)))).unwrap();
        if number % 7 == 6 {
            writer.flush().unwrap();
            println!("\nflushed {}", number + 1);
        }
    }
}

#[test]
fn what_a_killed_recording_has_flushed_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl.zst");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "corpus::tests::child_that_records_until_it_is_killed", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut flushed = 0;
    while flushed < 700 {
        let line = lines.next().expect("the child goes on").unwrap();
        if let Some(count) = line.strip_prefix("flushed ") {
            flushed = count.parse().unwrap();
        }
    }
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    let (count, ending) = read(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(ending, Ending::Torn);
    assert!(count >= flushed, "{count} read of {flushed} that were flushed");
}
