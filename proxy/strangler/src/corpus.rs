//! A corpus: redacted exchanges in one file, to be compared again elsewhere and later.
//!
//! Owns the file's format, writing and reading it. Refuses to redact and to send: what is written here must have
//! been redacted ([`strangler_core::redact`]) before, and [`Exchange`] can hold nothing else.
//!
//! The file is JSON lines, compressed with zstd (RFC 8878) in frames of at most a second each, so that what a killed
//! writer leaves can be read up to its last second. An uncompressed file of the same lines is read as well. The first
//! line is the [`Header`]; a [`Bundle`] brings rules and baseline before the exchanges; the last line of a whole file
//! is the [`End`]. Lines of a kind that a reader does not know are passed over.

mod reader;
mod recordings;
mod writer;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use strangler_core::redact::{Reply, Request};

pub use reader::{Ending, Limits, Reader};
pub use recordings::{Recording, Recordings};
pub use writer::Writer;

/// The format's number. A reader refuses a higher one.
pub const VERSION: u32 = 1;

/// One line of a corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Line {
    /// The first line.
    Header(Header),
    /// What a bundle has beside its exchanges.
    Bundle(Box<Bundle>),
    /// One request with its replies.
    Exchange(Box<Exchange>),
    /// The last line of a corpus that was written to its end.
    End(End),
    /// Of a later version.
    #[serde(other)]
    Unknown,
}

/// What a corpus says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The format: [`VERSION`].
    pub strangler_corpus: u32,
    /// When it was begun, RFC 3339 in UTC.
    pub made: String,
    /// The program that wrote it.
    pub by: String,
    /// Which key its pseudonyms were made with: pseudonyms of two corpora are comparable where this is equal.
    pub key: String,
    /// The only slice it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
}

impl Header {
    /// The header of a corpus that is begun now.
    pub fn now(key: String, slice: Option<String>) -> Header {
        Header {
            strangler_corpus: VERSION,
            made: crate::live::report::now(),
            by: concat!("strangler ", env!("CARGO_PKG_VERSION")).to_owned(),
            key,
            slice,
        }
    }
}

/// One request with its replies, redacted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The request's id, as the access log has it.
    pub id: String,
    /// When it came, RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// The slice it belongs to; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub slice: String,
    /// The route that took it; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub route: String,
    /// Who answered the client: `legacy` or `extracted`.
    pub owner: String,
    /// The request.
    pub request: Request,
    /// Legacy's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy: Option<Reply>,
    /// The extracted service's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extracted: Option<Reply>,
    /// Milliseconds until legacy's answer was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_ms: Option<f64>,
    /// Milliseconds until the extracted service's answer was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extracted_ms: Option<f64>,
}

impl Exchange {
    /// Who asked, as far as their credentials tell: equal for equal credentials, and nothing more. `None`: nobody
    /// who said who they are.
    pub fn identity(&self) -> Option<&str> {
        let header = |wanted: &str| {
            let mut lines = self.request.headers.iter();
            lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
        };
        header("authorization").or_else(|| header("cookie"))
    }
}

/// What judges the exchanges of a bundle: enough to compare without the configuration it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// The slice.
    pub slice: String,
    /// A configuration of this slice alone, as it was in effect: routes, `compare` with its accepted differences,
    /// gate. Its upstreams are placeholders.
    pub configuration: String,
    /// SHA-256 of the configuration it was taken from.
    pub hash: String,
    /// Differences that were known when the bundle was made.
    pub baseline: Vec<KnownDifference>,
}

/// One signature of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownDifference {
    /// Its name: 8 hexadecimal digits.
    pub signature: String,
    /// The route it was seen on.
    pub route: String,
    /// Of which kind, in full.
    pub kind: String,
    /// Where; general.
    pub path: String,
    /// In how many requests it was seen.
    pub requests: u64,
}

/// The last line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Exchanges before this line.
    pub exchanges: u64,
    /// Exchanges that were left out because the reader of the recording was too slow.
    #[serde(default)]
    pub dropped: u64,
}

/// Why a corpus cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The disk said no.
    #[error("{error}")]
    Io {
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
    /// The file is something else.
    #[error("this is no corpus: {why}")]
    NotACorpus {
        /// What is there instead.
        why: String,
    },
    /// The file is of a later version of this program.
    #[error("the corpus is of format {format}; this program reads up to {VERSION}")]
    TooNew {
        /// Its format.
        format: u32,
    },
    /// It is larger than what is read.
    #[error("the corpus is too large: {what}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
    },
}

impl CorpusError {
    fn io(error: std::io::Error) -> CorpusError {
        CorpusError::Io { error }
    }
}
