//! One recorded exchange, ready to be sent again.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use strangler_core::compare::Reply;
use strangler_core::words::RouteId;

/// A header line: name as it came, value.
pub(crate) type Line = (String, Vec<u8>);

/// One recorded exchange whose route is configured.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Its place in the corpus, from 1.
    pub(crate) number: u64,
    /// The recorded request's id.
    pub(crate) id: String,
    /// When it was recorded.
    pub(crate) at: Timestamp,
    /// The route that takes it.
    pub(crate) route: RouteId,
    /// The route's slice.
    pub(crate) slice: Arc<str>,
    /// The method.
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// The request's header lines, without framing.
    pub(crate) lines: Vec<Line>,
    /// The request's body.
    pub(crate) body: Bytes,
    /// Under which pseudonym the corpus knows the client; `None`: the request bore no credentials.
    pub(crate) identity: Option<String>,
    /// What legacy answered then; `None`: that was not recorded whole.
    pub(crate) recorded: Option<Reply>,
    /// The status it answered; `None`: it gave no usable answer.
    pub(crate) recorded_status: Option<u16>,
    /// The request cannot be sent as it was: what of it was not kept.
    pub(crate) incomplete: Option<&'static str>,
}
