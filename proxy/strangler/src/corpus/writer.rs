//! Writing a corpus: a frame at a time, each whole by itself.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::{CorpusError, End, Header, Line};

/// A frame is ended at so many bytes of text, whether or not anybody asks for it.
const FRAME_BYTES: usize = 4 * 1024 * 1024;

/// Quick, and a fifth of the size of the text.
const LEVEL: i32 = 3;

/// Writes a corpus. What has been flushed survives the end of the process, however it ends.
#[derive(Debug)]
pub struct Writer<W: Write = File> {
    out: W,
    /// Lines of the frame that is being filled.
    frame: Vec<u8>,
    exchanges: u64,
}

impl Writer<File> {
    /// Begins a file that only its owner may read, in place of one that is there.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn create(path: &Path, header: Header) -> Result<Writer<File>, CorpusError> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(CorpusError::io)?;
        Writer::new(file, header)
    }
}

impl<W: Write> Writer<W> {
    /// Begins a corpus with its header, which is written at once.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn new(out: W, header: Header) -> Result<Writer<W>, CorpusError> {
        let mut writer = Writer { out, frame: Vec::new(), exchanges: 0 };
        writer.line(&Line::Header(header))?;
        writer.flush()?;
        Ok(writer)
    }

    /// Appends a line to the frame that is being filled.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn line(&mut self, line: &Line) -> Result<(), CorpusError> {
        let before = self.frame.len();
        if let Err(error) = serde_json::to_writer(&mut self.frame, line) {
            self.frame.truncate(before);
            return Err(CorpusError::io(error.into()));
        }
        self.frame.push(b'\n');
        self.exchanges += u64::from(matches!(line, Line::Exchange(_)));
        if self.frame.len() >= FRAME_BYTES { self.flush() } else { Ok(()) }
    }

    /// Ends the frame and writes it. Call it each second.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn flush(&mut self) -> Result<(), CorpusError> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let compressed = zstd::bulk::compress(&self.frame, LEVEL).map_err(CorpusError::io)?;
        self.frame.clear();
        self.out.write_all(&compressed).and_then(|()| self.out.flush()).map_err(CorpusError::io)
    }

    /// Exchanges written.
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Ends the corpus: `dropped` exchanges were left out. Returns what was written to.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn end(mut self, dropped: u64) -> Result<W, CorpusError> {
        let end = End { exchanges: self.exchanges, dropped };
        self.line(&Line::End(end))?;
        self.flush()?;
        Ok(self.out)
    }
}
