//! One request and its replies, as they came and as they may be kept.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::target::{self, Pairs};
use super::{Class, Findings, Redactor, headers, json, multipart, text};
use crate::compare::coding::undo;

/// A header line as it came.
pub type RawHeader<'a> = (&'a str, &'a [u8]);

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct RawRequest<'a> {
    /// As sent.
    pub method: &'a str,
    /// As sent: path and query, or an absolute URL.
    pub target: &'a [u8],
    /// In order, names as they came.
    pub headers: Vec<RawHeader<'a>>,
    /// As it came; content codings are undone here. `None`: not captured.
    pub body: Option<&'a [u8]>,
}

/// A reply as it came.
#[derive(Clone, Debug, Default)]
pub struct RawReply<'a> {
    /// Its code; 0 where it has no usable head.
    pub status: u16,
    /// In order, names as they came.
    pub headers: Vec<RawHeader<'a>>,
    /// As it came; content codings are undone here. `None`: not captured.
    pub body: Option<&'a [u8]>,
    /// Whether it ended as its framing says.
    pub ended: Ended,
}

/// How a reply ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// As its framing says.
    #[default]
    Complete,
    /// Broken off after its head.
    Truncated,
    /// Without a usable head: no connection.
    Connect,
    /// Without a usable head: not in time.
    Timeout,
    /// Without a usable head: the connection broke.
    Reset,
    /// Without a usable head: what came is no HTTP.
    Malformed,
    /// Larger than is captured.
    TooLarge,
}

/// Both sides' answers to one request, as they came.
#[derive(Clone, Debug, Default)]
pub struct Exchanged<'a> {
    /// The request.
    pub request: RawRequest<'a>,
    /// Legacy's answer.
    pub legacy: Option<RawReply<'a>>,
    /// The extracted service's answer.
    pub extracted: Option<RawReply<'a>>,
}

/// A request as it may be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// As sent.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// In order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// What it carried.
    #[serde(default, skip_serializing_if = "Body::is_none")]
    pub body: Body,
}

/// A reply as it may be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Its code; 0 where it had no usable head.
    pub status: u16,
    /// In order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// What it carried.
    #[serde(default, skip_serializing_if = "Body::is_none")]
    pub body: Body,
    /// How it ended.
    #[serde(default)]
    pub ended: Ended,
}

/// A body as it may be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// There was none.
    #[default]
    None,
    /// Its text, secrets replaced.
    Text(String),
    /// No text, or not to be read: how long it was, and a pseudonym that tells equal ones.
    Opaque {
        /// Bytes as they came.
        bytes: u64,
        /// Equal for equal bodies.
        pseudonym: String,
    },
    /// Not captured: too large, or the connection was upgraded.
    Missing,
}

impl Body {
    /// Whether there was none.
    pub fn is_none(&self) -> bool {
        *self == Body::None
    }

    /// The text to send or to compare; empty where none was kept.
    pub fn text(&self) -> &str {
        match self {
            Body::Text(text) => text,
            Body::None | Body::Opaque { .. } | Body::Missing => "",
        }
    }
}

/// An exchange as it may be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redacted {
    /// The request.
    pub request: Request,
    /// Legacy's answer.
    pub legacy: Option<Reply>,
    /// The extracted service's answer.
    pub extracted: Option<Reply>,
    /// How many values were replaced, by class.
    pub findings: Findings,
}

/// The content codings of a body; `None`: it comes as it is.
fn coding(lines: &[RawHeader<'_>]) -> Option<String> {
    let values = lines.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
    let all: Vec<_> = values.map(|(_, value)| String::from_utf8_lossy(value)).collect();
    let all = all.join(", ");
    (!all.trim().is_empty() && !all.trim().eq_ignore_ascii_case("identity")).then_some(all)
}

impl Redactor<'_> {
    /// An exchange as it may be kept: what one message shows to be a secret is replaced in all of them.
    pub fn exchange(&self, raw: &Exchanged<'_>) -> Redacted {
        // Once to learn: a cookie set by the answer may stand in a link of the request.
        drop(self.pass(raw));
        self.findings.borrow_mut().clear();
        let mut redacted = self.pass(raw);
        redacted.findings = self.findings();
        redacted
    }

    fn pass(&self, raw: &Exchanged<'_>) -> Redacted {
        Redacted {
            request: self.request(&raw.request),
            legacy: raw.legacy.as_ref().map(|reply| self.reply(reply)),
            extracted: raw.extracted.as_ref().map(|reply| self.reply(reply)),
            findings: Findings::new(),
        }
    }

    fn request(&self, raw: &RawRequest<'_>) -> Request {
        Request {
            method: text::redacted(self, raw.method).into_owned(),
            target: target::url(self, &String::from_utf8_lossy(raw.target), 0),
            headers: self.lines(&raw.headers),
            body: self.body(&raw.headers, raw.body),
        }
    }

    fn reply(&self, raw: &RawReply<'_>) -> Reply {
        Reply {
            status: raw.status,
            headers: self.lines(&raw.headers),
            body: self.body(&raw.headers, raw.body),
            ended: raw.ended,
        }
    }

    /// Header lines; without those on the body's packing, which is not kept.
    fn lines(&self, lines: &[RawHeader<'_>]) -> Vec<(String, String)> {
        let is_packed = coding(lines).is_some();
        let is_packing = |name: &str| {
            name.eq_ignore_ascii_case("content-encoding") || name.eq_ignore_ascii_case("content-length")
        };
        let kept = lines.iter().filter(|(name, _)| !(is_packed && is_packing(name)));
        kept.map(|(name, value)| headers::line(self, name, value)).collect()
    }

    fn body(&self, lines: &[RawHeader<'_>], bytes: Option<&[u8]>) -> Body {
        let Some(bytes) = bytes else { return Body::Missing };
        if bytes.is_empty() {
            return Body::None;
        }
        let header = |wanted: &str| {
            let line = lines.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            line.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
        };
        let opaque = || Body::Opaque {
            bytes: bytes.len() as u64,
            pseudonym: self.replace(Class::Opaque, &String::from_utf8_lossy(bytes)),
        };
        let unpacked = coding(lines).map(|coding| undo(&coding, &Bytes::copy_from_slice(bytes)));
        let bytes = match &unpacked {
            None => bytes,
            Some(Ok(unpacked)) => unpacked,
            Some(Err(_)) => return opaque(),
        };
        let Ok(plain) = std::str::from_utf8(bytes) else { return opaque() };
        if plain.chars().any(|c| c.is_control() && !c.is_whitespace()) {
            return opaque();
        }
        self.readable(plain, &header("content-type")).map_or_else(opaque, Body::Text)
    }

    /// A body that is text; `None` where it is not what it says and a rule wants to look into it.
    fn readable(&self, plain: &str, content_type: &str) -> Option<String> {
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_json = media.ends_with("/json") || media.ends_with("+json");
        let bare = plain.trim_start_matches('\u{feff}').trim_start();
        if is_json || bare.starts_with(['{', '[']) {
            let lead = plain.len() - plain.trim_start_matches('\u{feff}').len();
            let json = plain.get(lead..).and_then(|json| json::redacted(self, json, 0));
            if json.is_some() {
                return json;
            }
            if self.rules.look_into_bodies() {
                return None;
            }
        }
        if media == "multipart/form-data"
            && let Some(parts) = multipart::redacted(self, plain, content_type)
        {
            return Some(parts);
        }
        let is_form = media == "application/x-www-form-urlencoded"
            || (media.is_empty() && plain.contains('=') && !plain.contains(['<', '{', ' ', '\n']));
        Some(if is_form {
            target::pairs(self, plain, Pairs::Form, 0)
        } else {
            text::redacted(self, plain).into_owned()
        })
    }
}
