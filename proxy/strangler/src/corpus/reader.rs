//! Reading a corpus: line by line within bounds, up to where a killed writer left it.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;

use super::{Bundle, CorpusError, End, Exchange, Header, Line, VERSION};

/// What is read at most: a corpus may come from somewhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line.
    pub line_bytes: u64,
    /// Bytes of all lines.
    pub total_bytes: u64,
}

impl Default for Limits {
    /// 32 MiB a line (two bodies of 1 MiB in escapes have room), 16 GiB in all.
    fn default() -> Limits {
        Limits { line_bytes: 32 << 20, total_bytes: 16 << 30 }
    }
}

/// A window needs its size in memory: 8 MiB is more than this program writes, and what every decoder must support.
const WINDOW_LOG_MAX: u32 = 23;

/// RFC 8878 section 3.1.1.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How a corpus ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its last line.
    Whole(End),
    /// Where its writer was killed: what came before is whole.
    Torn,
}

/// Reads a corpus from its beginning to its end.
pub struct Reader {
    lines: Box<dyn BufRead + Send>,
    header: Header,
    bundle: Option<Box<Bundle>>,
    /// The first exchange, where it was met while looking for a bundle.
    next: Option<Line>,
    ending: Option<Ending>,
    limits: Limits,
    read: u64,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("header", &self.header)
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a file and reads up to its first exchange.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is no corpus.
    pub fn open(path: &Path, limits: Limits) -> Result<Reader, CorpusError> {
        Reader::new(File::open(path).map_err(CorpusError::io)?, limits)
    }

    /// Reads from anywhere.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is no corpus.
    pub fn new(mut source: impl Read + Send + 'static, limits: Limits) -> Result<Reader, CorpusError> {
        let mut magic = Vec::new();
        source.by_ref().take(4).read_to_end(&mut magic).map_err(CorpusError::io)?;
        let compressed = magic == MAGIC;
        let source = Cursor::new(magic).chain(source);
        let lines: Box<dyn BufRead + Send> = if compressed {
            let mut decoder = zstd::stream::read::Decoder::new(source).map_err(CorpusError::io)?;
            decoder.window_log_max(WINDOW_LOG_MAX).map_err(CorpusError::io)?;
            Box::new(BufReader::new(decoder))
        } else {
            Box::new(BufReader::new(source))
        };
        let header = Header {
            strangler_corpus: 0,
            made: String::new(),
            by: String::new(),
            key: String::new(),
            slice: None,
        };
        let mut reader = Reader { lines, header, bundle: None, next: None, ending: None, limits, read: 0 };
        match reader.line()? {
            Some(Line::Header(header)) if header.strangler_corpus > VERSION => {
                return Err(CorpusError::TooNew { format: header.strangler_corpus });
            }
            Some(Line::Header(header)) => reader.header = header,
            _ => return Err(CorpusError::NotACorpus { why: "its first line is no header".to_owned() }),
        }
        match reader.line()? {
            Some(Line::Bundle(bundle)) => reader.bundle = Some(bundle),
            other => reader.next = other,
        }
        Ok(reader)
    }

    /// What the corpus says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Rules and baseline, where it is a bundle.
    pub fn bundle(&self) -> Option<&Bundle> {
        self.bundle.as_deref()
    }

    /// How it ended; `None` before the last exchange was read.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// The next exchange; `None` after the last.
    ///
    /// # Errors
    ///
    /// When a bound is exceeded or the disk says no. A torn end is no error: see [`Reader::ending`].
    pub fn next_exchange(&mut self) -> Result<Option<Exchange>, CorpusError> {
        loop {
            let line = match self.next.take() {
                Some(line) => Some(line),
                None if self.ending.is_some() => return Ok(None),
                None => self.line()?,
            };
            match line {
                Some(Line::Exchange(exchange)) => return Ok(Some(*exchange)),
                Some(Line::End(end)) => self.ending = Some(Ending::Whole(end)),
                Some(Line::Header(_) | Line::Bundle(_) | Line::Unknown) => {}
                None => {
                    self.ending.get_or_insert(Ending::Torn);
                    return Ok(None);
                }
            }
        }
    }

    /// The next line; `None` at the end, or where the file is torn.
    fn line(&mut self) -> Result<Option<Line>, CorpusError> {
        let mut bytes = Vec::new();
        let read = self.lines.by_ref().take(self.limits.line_bytes + 1).read_until(b'\n', &mut bytes);
        match read {
            Ok(_) => {}
            Err(error) if self.read > 0 && is_torn(&error) => return Ok(None),
            Err(error) if is_torn(&error) => return Err(CorpusError::NotACorpus { why: error.to_string() }),
            Err(error) => return Err(CorpusError::io(error)),
        }
        if bytes.len() as u64 > self.limits.line_bytes {
            return Err(CorpusError::TooLarge { what: "a line has more bytes than are read" });
        }
        self.read += bytes.len() as u64;
        if self.read > self.limits.total_bytes {
            return Err(CorpusError::TooLarge { what: "it has more bytes than are read" });
        }
        if bytes.last() != Some(&b'\n') {
            return Ok(None);
        }
        match serde_json::from_slice(&bytes) {
            Ok(line) => Ok(Some(line)),
            Err(error) => Err(CorpusError::NotACorpus { why: format!("a line cannot be read: {error}") }),
        }
    }
}

/// Whether reading ended because the bytes do: a frame without its end, or the beginning of none.
fn is_torn(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::Other | ErrorKind::InvalidData)
}
