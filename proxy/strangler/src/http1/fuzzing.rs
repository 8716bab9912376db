//! Messages of any bytes: how they are cut into heads and bodies does not depend on how they arrive.

use http::Method;

use super::body::{Framing, Incoming, Piece};
use super::chunked::{self, TrailerLimits};
use super::fields::Fields;
use super::head::{RequestHead, ResponseHead};

const LIMITS: TrailerLimits = TrailerLimits { lines: 16, bytes: 1024 };

const MAX_LINES: usize = 64;

/// The first byte says in pieces of which size the rest arrives, and whether it is a request or a response.
///
/// # Panics
///
/// Where a property does not hold.
pub fn message(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let piece = usize::from(first >> 1) + 1;
    if first & 1 == 0 {
        request(bytes, piece);
    } else {
        response(bytes, piece);
    }
    body(bytes, piece, Framing::Chunked);
}

fn request(bytes: &[u8], piece: usize) {
    let mut head = RequestHead::default();
    let whole = head.parse(bytes, MAX_LINES);
    arrives_alike(bytes, piece, &whole, |part| RequestHead::default().parse(part, MAX_LINES));
    let Ok(Some(length)) = whole else { return };
    let mut out = Vec::new();
    head.write(&mut out);
    let mut again = RequestHead::default();
    assert_eq!(again.parse(&out, MAX_LINES), Ok(Some(out.len())), "what is written can be read");
    assert_eq!((&again.method, &again.target), (&head.method, &head.target));
    same_lines(&head.fields, &again.fields);
    if let Ok(framing) = head.framing() {
        body(bytes.get(length..).unwrap_or_default(), piece, framing);
    }
}

fn response(bytes: &[u8], piece: usize) {
    let mut head = ResponseHead::default();
    let whole = head.parse(bytes, MAX_LINES);
    arrives_alike(bytes, piece, &whole, |part| ResponseHead::default().parse(part, MAX_LINES));
    let Ok(Some(length)) = whole else { return };
    let mut out = Vec::new();
    head.write(&mut out);
    let mut again = ResponseHead::default();
    assert_eq!(again.parse(&out, MAX_LINES), Ok(Some(out.len())), "what is written can be read");
    assert_eq!((again.status, &again.reason), (head.status, &head.reason));
    same_lines(&head.fields, &again.fields);
    if let Ok(framing) = head.framing(&Method::GET) {
        body(bytes.get(length..).unwrap_or_default(), piece, framing);
    }
}

/// A head that comes piece by piece is the head that comes at once, and no earlier.
fn arrives_alike<E: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    piece: usize,
    whole: &Result<Option<usize>, E>,
    parse: impl Fn(&[u8]) -> Result<Option<usize>, E>,
) {
    for end in (0..bytes.len()).step_by(piece) {
        let part = parse(bytes.get(..end).unwrap_or_default());
        match (&part, whole) {
            (Ok(None), _) => {}
            (Ok(Some(length)), Ok(Some(all))) => {
                assert_eq!(length, all);
                return;
            }
            (part, whole) => {
                assert!(part.is_err() && whole.is_err(), "{end} bytes give {part:?}, all {whole:?}");
                return;
            }
        }
    }
}

fn same_lines(left: &Fields, right: &Fields) {
    let lines = |fields: &Fields| -> Vec<(Vec<u8>, Vec<u8>)> {
        fields.iter().map(|line| (line.name.to_vec(), line.value.to_vec())).collect()
    };
    assert_eq!(lines(left), lines(right));
}

/// A body, as it is read from pieces.
#[derive(Debug, PartialEq)]
enum Read {
    Ended { data: Vec<u8>, taken: usize, trailers: Vec<u8> },
    Unfinished { data: Vec<u8> },
    Broken,
}

fn body(bytes: &[u8], piece: usize, framing: Framing) {
    let whole = read(bytes, bytes.len().max(1), framing);
    assert_eq!(read(bytes, piece, framing), whole, "in pieces of {piece}");
    let Read::Ended { data, trailers, .. } = whole else { return };
    if framing != Framing::Chunked {
        return;
    }
    // Framed anew, it is the same body.
    let mut out = Vec::new();
    for chunk in data.chunks(piece) {
        chunked::write_size(chunk.len(), &mut out);
        out.extend_from_slice(chunk);
        out.extend_from_slice(chunked::CHUNK_END);
    }
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(&trailers);
    out.extend_from_slice(b"\r\n");
    let taken = out.len();
    let again = read(&out, piece, framing);
    if trailers.len() <= LIMITS.bytes {
        assert_eq!(again, Read::Ended { data, taken, trailers });
    }
}

fn read(bytes: &[u8], piece: usize, framing: Framing) -> Read {
    let mut body = Incoming::new(framing, LIMITS);
    let mut data = Vec::new();
    let mut at = 0;
    let mut end = piece.min(bytes.len());
    loop {
        let Ok((taken, next)) = body.step(bytes.get(at..end).unwrap_or_default()) else {
            return Read::Broken;
        };
        at += taken;
        match next {
            Piece::Data(count) => {
                data.extend_from_slice(bytes.get(at..at + count).unwrap_or_default());
                at += count;
            }
            Piece::End => {
                let mut trailers = Vec::new();
                match body.finish() {
                    Ok(fields) => fields.write(&mut trailers),
                    Err(_) => return Read::Broken,
                }
                return Read::Ended { data, taken: at, trailers };
            }
            Piece::More if end < bytes.len() => end = (end + piece).min(bytes.len()),
            Piece::More => return Read::Unfinished { data },
        }
    }
}
