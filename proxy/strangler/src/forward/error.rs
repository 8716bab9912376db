//! Why a request is answered by the proxy itself.

use http::StatusCode;
use strangler_core::routing::Refusal;
use strangler_core::routing::fallback::Trouble;

use super::upload::UploadFault;
use crate::telemetry::Limit;
use crate::upstream::connect::ConnectError;
use crate::upstream::connection::AnswerFault;

/// Seconds after which a client may ask a busy upstream again.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Upstream,
    Proxy,
}

/// Whether the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// No byte can have reached an application.
    Harmless,
    /// An application may have seen the request.
    Never,
}

/// Why a request has no answer from an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardError {
    /// The request is not one this proxy can route; the sentence says what is wrong.
    BadRequest(&'static str),
    /// CONNECT and TRACE.
    MethodNotAllowed,
    /// Over `limits.target_bytes`.
    TargetTooLong,
    /// Over `limits.header_bytes` or `limits.headers`.
    HeadersTooLarge(Limit),
    /// Over `limits.header_timeout`.
    HeadTimeout,
    /// The client's body broke a rule or a limit, or ended early.
    Upload(UploadFault),
    /// The client left.
    ClientGone,
    /// The request passed through this proxy twice before.
    Loop,
    /// Routing refuses it.
    Refused(Refusal),
    /// Nobody listens at the endpoint.
    ConnectRefused,
    /// No connection within `timeouts.connect`.
    ConnectTimeout,
    /// No route to the endpoint.
    Unreachable,
    /// The endpoint's name has no address.
    Unresolved,
    /// Connecting failed for another reason.
    ConnectFailed,
    /// This process cannot open another socket.
    NoSocket,
    /// `max_in_flight` reached.
    Busy,
    /// No endpoint of the upstream is well enough to be asked.
    NoEndpoint,
    /// The upstream fails so often that it is left alone; in how many seconds it may be asked again.
    BreakerOpen(u32),
    /// `max_connections` reached, and none came free in time.
    NoConnection,
    /// No response within `timeouts.response`.
    ResponseTimeout,
    /// The upstream's answer is not HTTP, or breaks its rules.
    Malformed,
    /// The upstream's response head is too large.
    HeadTooLarge,
    /// A protocol switch that was not asked for.
    UnsolicitedUpgrade,
    /// The upstream closed the connection before its response head was complete.
    Terminated,
    /// The proxy cannot do what its configuration says.
    Internal,
}

impl ForwardError {
    /// Whose fault it is.
    pub(crate) fn side(self) -> Side {
        match self {
            ForwardError::BadRequest(_)
            | ForwardError::MethodNotAllowed
            | ForwardError::TargetTooLong
            | ForwardError::HeadersTooLarge(_)
            | ForwardError::HeadTimeout
            | ForwardError::Upload(_)
            | ForwardError::ClientGone
            | ForwardError::Refused(_) => Side::Client,
            ForwardError::Loop
            | ForwardError::Internal
            | ForwardError::Busy
            | ForwardError::NoSocket
            | ForwardError::NoEndpoint
            | ForwardError::BreakerOpen(_)
            | ForwardError::NoConnection => Side::Proxy,
            _ => Side::Upstream,
        }
    }

    /// Whether the same request may be sent again.
    pub(crate) fn retry(self) -> Retry {
        match self {
            ForwardError::ConnectRefused
            | ForwardError::ConnectTimeout
            | ForwardError::Unreachable
            | ForwardError::ConnectFailed => Retry::Harmless,
            _ => Retry::Never,
        }
    }

    /// What it means of the extracted side; `None` where the request itself was at fault.
    pub(crate) fn trouble(self) -> Option<Trouble> {
        Some(match self {
            ForwardError::ConnectRefused
            | ForwardError::Unreachable
            | ForwardError::Unresolved
            | ForwardError::ConnectFailed => Trouble::Connect,
            ForwardError::ConnectTimeout => Trouble::ConnectTimeout,
            ForwardError::ResponseTimeout => Trouble::Timeout,
            ForwardError::Malformed
            | ForwardError::HeadTooLarge
            | ForwardError::UnsolicitedUpgrade
            | ForwardError::Terminated => Trouble::Broken,
            ForwardError::NoEndpoint => Trouble::NoEndpoint,
            ForwardError::BreakerOpen(_) => Trouble::BreakerOpen,
            ForwardError::Busy | ForwardError::NoConnection | ForwardError::NoSocket => Trouble::Shed,
            ForwardError::BadRequest(_)
            | ForwardError::MethodNotAllowed
            | ForwardError::TargetTooLong
            | ForwardError::HeadersTooLarge(_)
            | ForwardError::HeadTimeout
            | ForwardError::Upload(_)
            | ForwardError::ClientGone
            | ForwardError::Loop
            | ForwardError::Refused(_)
            | ForwardError::Internal => return None,
        })
    }

    /// Status of the answer.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            ForwardError::BadRequest(_)
            | ForwardError::Upload(UploadFault::Malformed)
            | ForwardError::ClientGone
            | ForwardError::Upload(UploadFault::Gone)
            | ForwardError::Refused(Refusal::AmbiguousPath(_) | Refusal::NearMissWrite) => {
                StatusCode::BAD_REQUEST
            }
            ForwardError::Refused(Refusal::Unmatched) => StatusCode::NOT_FOUND,
            ForwardError::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ForwardError::TargetTooLong => StatusCode::URI_TOO_LONG,
            ForwardError::HeadersTooLarge(_) | ForwardError::Upload(UploadFault::TrailersTooLarge) => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            ForwardError::Upload(UploadFault::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            ForwardError::HeadTimeout | ForwardError::Upload(UploadFault::Stalled | UploadFault::TooSlow) => {
                StatusCode::REQUEST_TIMEOUT
            }
            ForwardError::Loop => StatusCode::LOOP_DETECTED,
            ForwardError::Busy
            | ForwardError::NoConnection
            | ForwardError::NoSocket
            | ForwardError::NoEndpoint
            | ForwardError::BreakerOpen(_) => StatusCode::SERVICE_UNAVAILABLE,
            ForwardError::ConnectTimeout | ForwardError::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
            ForwardError::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ForwardError::ConnectRefused
            | ForwardError::Unreachable
            | ForwardError::Unresolved
            | ForwardError::ConnectFailed
            | ForwardError::Malformed
            | ForwardError::HeadTooLarge
            | ForwardError::UnsolicitedUpgrade
            | ForwardError::Terminated => StatusCode::BAD_GATEWAY,
        }
    }

    /// The error type of `Proxy-Status` (RFC 9209, 2.3).
    pub(crate) fn proxy_status(self) -> &'static str {
        match self {
            ForwardError::Refused(_) => "http_request_denied",
            ForwardError::BadRequest(_)
            | ForwardError::MethodNotAllowed
            | ForwardError::TargetTooLong
            | ForwardError::HeadersTooLarge(_)
            | ForwardError::HeadTimeout
            | ForwardError::Upload(_)
            | ForwardError::ClientGone => "http_request_error",
            ForwardError::Loop => "proxy_loop_detected",
            ForwardError::ConnectRefused => "connection_refused",
            ForwardError::ConnectTimeout => "connection_timeout",
            ForwardError::Unreachable => "destination_ip_unroutable",
            ForwardError::Unresolved => "dns_error",
            ForwardError::ConnectFailed | ForwardError::NoEndpoint | ForwardError::BreakerOpen(_) => {
                "destination_unavailable"
            }
            ForwardError::Busy | ForwardError::NoConnection | ForwardError::NoSocket => {
                "connection_limit_reached"
            }
            ForwardError::ResponseTimeout => "http_response_timeout",
            ForwardError::Malformed => "http_protocol_error",
            ForwardError::HeadTooLarge => "http_response_header_section_size",
            ForwardError::UnsolicitedUpgrade => "http_upgrade_failed",
            ForwardError::Terminated => "connection_terminated",
            ForwardError::Internal => "proxy_internal_error",
        }
    }

    /// One sentence for the client: no names or addresses from inside.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            ForwardError::BadRequest(sentence) => sentence,
            ForwardError::MethodNotAllowed => "This method is not served here.",
            ForwardError::TargetTooLong => "The address is too long.",
            ForwardError::HeadersTooLarge(_) => "The request's headers are too large.",
            ForwardError::HeadTimeout => "The request took too long to arrive.",
            ForwardError::Upload(UploadFault::TooLarge) => "The request's body is too large.",
            ForwardError::Upload(UploadFault::TrailersTooLarge) => "The request's trailers are too large.",
            ForwardError::Upload(UploadFault::Stalled | UploadFault::TooSlow) => {
                "The request's body took too long to arrive."
            }
            ForwardError::Upload(_) | ForwardError::ClientGone => "The request's body is broken.",
            ForwardError::Loop => "The request came back to this proxy in a loop.",
            ForwardError::Refused(Refusal::AmbiguousPath(_)) => "The path of this address is ambiguous.",
            ForwardError::Refused(Refusal::NearMissWrite) => {
                "The address is spelt almost, but not quite, like a known one; a write is not accepted there."
            }
            ForwardError::Refused(Refusal::Unmatched) => "There is nothing at this address.",
            ForwardError::Busy | ForwardError::NoConnection | ForwardError::NoSocket => {
                "The service is busy. Please try again in a moment."
            }
            ForwardError::NoEndpoint | ForwardError::BreakerOpen(_) => {
                "The service is not available at the moment. Please try again soon."
            }
            ForwardError::ConnectTimeout | ForwardError::ResponseTimeout => {
                "The service took too long to answer."
            }
            ForwardError::Malformed
            | ForwardError::HeadTooLarge
            | ForwardError::UnsolicitedUpgrade
            | ForwardError::Terminated => "The service gave an answer that cannot be passed on.",
            ForwardError::ConnectRefused
            | ForwardError::Unreachable
            | ForwardError::Unresolved
            | ForwardError::ConnectFailed => "The service cannot be reached.",
            ForwardError::Internal => "The proxy is not able to pass this request on.",
        }
    }

    /// The limit that was hit, for counting.
    pub(crate) fn limit(self) -> Option<Limit> {
        match self {
            ForwardError::TargetTooLong => Some(Limit::TargetBytes),
            ForwardError::HeadersTooLarge(limit) => Some(limit),
            ForwardError::HeadTimeout => Some(Limit::HeaderTimeout),
            ForwardError::Upload(UploadFault::TooLarge) => Some(Limit::Body),
            ForwardError::Upload(UploadFault::TrailersTooLarge) => Some(Limit::HeaderBytes),
            ForwardError::Upload(UploadFault::Stalled) => Some(Limit::BodyTimeout),
            ForwardError::Upload(UploadFault::TooSlow) => Some(Limit::BodyRate),
            ForwardError::Busy => Some(Limit::MaxInFlight),
            ForwardError::NoConnection => Some(Limit::MaxConnections),
            ForwardError::NoSocket => Some(Limit::Descriptors),
            _ => None,
        }
    }

    /// Seconds after which a client that asks again may be answered, where that is likely.
    pub(crate) fn retry_after(self) -> Option<u32> {
        match self {
            ForwardError::BreakerOpen(seconds) => Some(seconds.max(1)),
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_AFTER_SECONDS),
            _ => None,
        }
    }
}

impl From<ConnectError> for ForwardError {
    fn from(error: ConnectError) -> ForwardError {
        match error {
            ConnectError::Refused => ForwardError::ConnectRefused,
            ConnectError::TimedOut => ForwardError::ConnectTimeout,
            ConnectError::Unreachable => ForwardError::Unreachable,
            ConnectError::NotBuilt => ForwardError::Internal,
            ConnectError::Exhausted(_) => ForwardError::NoSocket,
            ConnectError::Failed(_) => ForwardError::ConnectFailed,
        }
    }
}

impl From<AnswerFault> for ForwardError {
    fn from(fault: AnswerFault) -> ForwardError {
        match fault {
            AnswerFault::Malformed => ForwardError::Malformed,
            AnswerFault::TooLarge => ForwardError::HeadTooLarge,
            AnswerFault::Silent | AnswerFault::Cut => ForwardError::Terminated,
        }
    }
}

impl From<UploadFault> for ForwardError {
    fn from(fault: UploadFault) -> ForwardError {
        match fault {
            UploadFault::Gone => ForwardError::ClientGone,
            fault => ForwardError::Upload(fault),
        }
    }
}
