//! The chunked coding (RFC 9112, 7.1), byte by byte, bounded in everything that is not data.

use super::fields::Fields;

/// Bytes of size lines beyond their digits' value: leading zeros, blanks and extensions, over a whole body.
const MAX_FRAMING_EXTRAS: u32 = 16 * 1024;

/// Trailer lines and bytes that one body may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrailerLimits {
    pub(crate) lines: usize,
    pub(crate) bytes: usize,
}

/// What is wrong with a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkedFault {
    /// Not the chunked coding.
    Malformed,
    /// Trailers beyond their limits.
    TrailersTooLarge,
}

/// Reads a chunked body.
#[derive(Debug)]
pub(crate) struct Decoder {
    state: State,
    extras: u32,
    limits: TrailerLimits,
    /// Trailer lines as far as they have come.
    trailer: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a size, and in it.
    Size {
        value: u64,
        digits: bool,
    },
    /// Blanks behind a size.
    Blank {
        value: u64,
    },
    Extension {
        value: u64,
    },
    SizeLf {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// At the first byte of a trailer line.
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

/// What a look at more bytes gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// All bytes are taken.
    More,
    /// This many bytes of data come next.
    Data(usize),
    /// The body is at its end.
    End,
}

impl Decoder {
    pub(crate) fn new(limits: TrailerLimits) -> Decoder {
        let state = State::Size { value: 0, digits: false };
        Decoder { state, extras: 0, limits, trailer: Vec::new() }
    }

    /// Reads framing up to the next data or the end. Returns how many bytes of framing it took; the data itself
    /// is taken by the caller.
    ///
    /// # Errors
    ///
    /// Where the bytes are not the chunked coding, or its framing is out of proportion.
    pub(crate) fn step(&mut self, input: &[u8]) -> Result<(usize, Step), ChunkedFault> {
        let mut taken = 0;
        while let Some(rest) = input.get(taken..).filter(|rest| !rest.is_empty()) {
            match self.state {
                State::Data { left } => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let left = left - u64::try_from(here).unwrap_or(left);
                    self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                    return Ok((taken, Step::Data(here)));
                }
                State::Done => return Ok((taken, Step::End)),
                state => {
                    let Some(byte) = rest.first() else { break };
                    self.state = self.next(state, *byte)?;
                    taken += 1;
                }
            }
        }
        let step = if self.state == State::Done { Step::End } else { Step::More };
        Ok((taken, step))
    }

    fn next(&mut self, state: State, byte: u8) -> Result<State, ChunkedFault> {
        const WRONG: ChunkedFault = ChunkedFault::Malformed;
        Ok(match (state, byte) {
            (State::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits && value == 0 {
                    self.extra()?;
                }
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                let value = value.checked_mul(16).ok_or(WRONG)? + u64::from(digit);
                State::Size { value, digits: true }
            }
            (State::Size { digits: false, .. }, _) => return Err(WRONG),
            (State::Size { value, .. } | State::Blank { value }, b' ' | b'\t') => {
                self.extra()?;
                State::Blank { value }
            }
            (State::Size { value, .. } | State::Blank { value }, b';') => State::Extension { value },
            (State::Size { value, .. } | State::Blank { value } | State::Extension { value }, b'\r') => {
                State::SizeLf { value }
            }
            (State::Extension { value }, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extra()?;
                State::Extension { value }
            }
            (State::SizeLf { value: 0 }, b'\n') => State::TrailerStart,
            (State::SizeLf { value }, b'\n') => State::Data { left: value },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { value: 0, digits: false },
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::TrailerStart | State::Trailer, _) if byte != b'\r' && byte != b'\n' => {
                self.keep(byte)?;
                State::Trailer
            }
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerLf, b'\n') => {
                self.keep(b'\r')?;
                self.keep(b'\n')?;
                State::TrailerStart
            }
            (State::EndLf, b'\n') => State::Done,
            _ => return Err(WRONG),
        })
    }

    fn extra(&mut self) -> Result<(), ChunkedFault> {
        self.extras += 1;
        if self.extras > MAX_FRAMING_EXTRAS { Err(ChunkedFault::Malformed) } else { Ok(()) }
    }

    fn keep(&mut self, byte: u8) -> Result<(), ChunkedFault> {
        if self.trailer.len() >= self.limits.bytes {
            return Err(ChunkedFault::TrailersTooLarge);
        }
        self.trailer.push(byte);
        Ok(())
    }

    /// The trailers of a body that is at its end.
    ///
    /// # Errors
    ///
    /// Where they are not header lines, or too many.
    pub(crate) fn trailers(&mut self) -> Result<Fields, ChunkedFault> {
        let mut fields = Fields::default();
        if self.trailer.is_empty() {
            return Ok(fields);
        }
        self.trailer.extend_from_slice(b"\r\n");
        let mut lines = vec![httparse::EMPTY_HEADER; self.limits.lines];
        match httparse::parse_headers(&self.trailer, &mut lines) {
            Ok(httparse::Status::Complete((_, lines))) => {
                for line in lines {
                    fields.append(line.name.as_bytes(), line.value);
                }
                Ok(fields)
            }
            Err(httparse::Error::TooManyHeaders) => Err(ChunkedFault::TrailersTooLarge),
            Ok(httparse::Status::Partial) | Err(_) => Err(ChunkedFault::Malformed),
        }
    }
}

/// Writes the size line of a chunk. The data and [`CHUNK_END`] follow.
pub(crate) fn write_size(size: usize, out: &mut Vec<u8>) {
    let mut digits = [0u8; 16];
    let mut at = digits.len();
    let mut left = size;
    for digit in digits.iter_mut().rev() {
        let nibble = u8::try_from(left & 0xf).unwrap_or_default();
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        at -= 1;
        left >>= 4;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
    out.extend_from_slice(b"\r\n");
}

/// What follows a chunk's data.
pub(crate) const CHUNK_END: &[u8] = b"\r\n";

/// Writes a whole chunk; `data` is not empty, or it would be the last one.
pub(crate) fn write_chunk(data: &[u8], out: &mut Vec<u8>) {
    write_size(data.len(), out);
    out.extend_from_slice(data);
    out.extend_from_slice(CHUNK_END);
}

/// Writes the end of a chunked body.
pub(crate) fn write_end(trailers: &Fields, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    trailers.write(out);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::{ChunkedFault, Decoder, Step, TrailerLimits, write_end, write_size};

    const LIMITS: TrailerLimits = TrailerLimits { lines: 3, bytes: 64 };

    /// The data, and what is left behind the end; `None` where the body is not at its end.
    fn decode(text: &[u8], piece: usize) -> Result<Option<(Vec<u8>, usize, String)>, ChunkedFault> {
        let mut decoder = Decoder::new(LIMITS);
        let mut data = Vec::new();
        let mut at = 0;
        for end in (0..=text.len()).step_by(piece).chain([text.len()]) {
            while at < end {
                let (taken, step) = decoder.step(&text[at..end])?;
                at += taken;
                match step {
                    Step::Data(count) => {
                        data.extend_from_slice(&text[at..at + count]);
                        at += count;
                    }
                    Step::More => {}
                    Step::End => {
                        let mut trailers = Vec::new();
                        decoder.trailers()?.write(&mut trailers);
                        return Ok(Some((data, text.len() - at, String::from_utf8(trailers).unwrap())));
                    }
                }
            }
        }
        Ok(None)
    }

    fn check(text: &str, expected: Result<Option<(&str, usize, &str)>, ChunkedFault>) {
        for piece in [1, 2, 7, 1000] {
            let expected = expected
                .map(|found| found.map(|(data, left, end)| (data.as_bytes().to_vec(), left, end.to_owned())));
            let found = decode(text.as_bytes(), piece).map(|found| {
                // What lies behind the end depends on how much was there when it was seen.
                found.map(|(data, _, trailers)| {
                    (data, expected.as_ref().unwrap().as_ref().unwrap().1, trailers)
                })
            });
            assert_eq!(found, expected, "{text:?} in pieces of {piece}");
        }
    }

    #[test]
    fn chunks_are_joined_and_the_end_is_found() {
        check("0\r\n\r\n", Ok(Some(("", 0, ""))));
        check("3\r\nabc\r\n0\r\n\r\n", Ok(Some(("abc", 0, ""))));
        check("3;a=\"b\"\r\nabc\r\nA ;x\r\n0123456789\r\n000\r\n\r\nGET", Ok(Some(("abc0123456789", 3, ""))));
        check("1\r\na\r\n0\r\nX-A: 1\r\nx-b:2\r\n\r\n", Ok(Some(("a", 0, "X-A: 1\r\nx-b: 2\r\n"))));
        check("3\r\nabc\r\n", Ok(None));
        check("3\r\nabc\r\n0\r\n", Ok(None));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "+1\r\na\r\n",
            "0x1\r\n",
            " 1\r\n",
            "1\na",
            "1\r\nab",
            "1\r\na\n",
            "1\r\na\rb",
            "1;\n",
            "1;a\x00\r\n",
            "1\ra",
            "0\r\n\n",
            "0\r\nA: b\n\r\n",
            "0\r\n b\r\n\r\n",
            "0\r\nA b\r\n\r\n",
            "10000000000000000\r\n",
            "ffffffffffffffff0\r\n",
            "1 1\r\n",
            "0\r\n\r\r",
        ] {
            check(text, Err(ChunkedFault::Malformed));
        }
    }

    #[test]
    fn framing_is_bounded() {
        let zeros = format!("{}1\r\na\r\n0\r\n\r\n", "0".repeat(17 * 1024));
        check(&zeros, Err(ChunkedFault::Malformed));
        let extension = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(17 * 1024));
        check(&extension, Err(ChunkedFault::Malformed));
        let many = "1;xxxxxxx\r\na\r\n".repeat(3 * 1024);
        check(&many, Err(ChunkedFault::Malformed));
        check(&format!("0\r\nA: {}\r\n\r\n", "b".repeat(64)), Err(ChunkedFault::TrailersTooLarge));
        check("0\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n\r\n", Err(ChunkedFault::TrailersTooLarge));
    }

    #[test]
    fn what_is_written_can_be_read() {
        for size in [1, 15, 16, 255, 4096, 65_537] {
            let mut out = Vec::new();
            write_size(size, &mut out);
            out.extend_from_slice(&vec![b'x'; size]);
            out.extend_from_slice(super::CHUNK_END);
            write_end(&super::Fields::default(), &mut out);
            assert_eq!(decode(&out, 1000).unwrap().unwrap().0.len(), size);
        }
    }

    #[test]
    fn a_step_says_how_much_data_is_here() {
        let mut decoder = Decoder::new(LIMITS);
        assert_eq!(decoder.step(b"5\r\nabc"), Ok((3, Step::Data(3))));
        assert_eq!(decoder.step(b""), Ok((0, Step::More)));
        assert_eq!(decoder.step(b"de\r\n0\r\n\r\nX"), Ok((0, Step::Data(2))));
        assert_eq!(decoder.step(b"\r\n0\r\n\r\nX"), Ok((7, Step::End)));
    }
}
