//! Header names that a proxy has to do with, recognised once, when a line is parsed.

use http::HeaderName;

/// A header name that means something to the proxy; every other name is [`Known::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Other,
    Accept,
    Connection,
    ContentLength,
    ContentLocation,
    Expect,
    Forwarded,
    Host,
    KeepAlive,
    Location,
    ProxyAuthorization,
    ProxyConnection,
    Te,
    Traceparent,
    TransferEncoding,
    Upgrade,
    Via,
    XForwardedFor,
    XForwardedHost,
    XForwardedPrefix,
    XForwardedProto,
    /// `x-forwarded-…` of any other kind.
    XForwardedOther,
    XRequestId,
    /// `x-shadow-request`, `x-shadow-mode`.
    XShadow,
    /// A name with underscores that an application behind CGI-like naming reads as one the proxy owns.
    Disguised,
}

impl Known {
    /// Recognises a name in any case.
    pub(crate) fn of(name: &[u8]) -> Known {
        let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
        // By length first: most names are none of these.
        let known = match name.len() {
            2 if is("te") => Known::Te,
            3 if is("via") => Known::Via,
            4 if is("host") => Known::Host,
            6 if is("accept") => Known::Accept,
            6 if is("expect") => Known::Expect,
            7 if is("upgrade") => Known::Upgrade,
            8 if is("location") => Known::Location,
            9 if is("forwarded") => Known::Forwarded,
            10 if is("connection") => Known::Connection,
            10 if is("keep-alive") => Known::KeepAlive,
            11 if is("traceparent") => Known::Traceparent,
            12 if is("x-request-id") => Known::XRequestId,
            13 if is("x-shadow-mode") => Known::XShadow,
            14 if is("content-length") => Known::ContentLength,
            15 if is("x-forwarded-for") => Known::XForwardedFor,
            16 if is("content-location") => Known::ContentLocation,
            16 if is("proxy-connection") => Known::ProxyConnection,
            16 if is("x-forwarded-host") => Known::XForwardedHost,
            16 if is("x-shadow-request") => Known::XShadow,
            17 if is("transfer-encoding") => Known::TransferEncoding,
            17 if is("x-forwarded-proto") => Known::XForwardedProto,
            18 if is("x-forwarded-prefix") => Known::XForwardedPrefix,
            19 if is("proxy-authorization") => Known::ProxyAuthorization,
            _ => Known::Other,
        };
        if known != Known::Other {
            return known;
        }
        // What is left of interest begins with x, or has an underscore.
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        if first == b'x' && name.get(..12).is_some_and(|start| start.eq_ignore_ascii_case(b"x-forwarded-")) {
            return Known::XForwardedOther;
        }
        if matches!(first, b'x' | b'c' | b't' | b'p' | b'k') && name.contains(&b'_') && is_disguised(name) {
            return Known::Disguised;
        }
        Known::Other
    }

    /// The name as the proxy writes it, where it writes the header itself.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Known::Accept => "accept",
            Known::Connection => "connection",
            Known::ContentLength => "content-length",
            Known::ContentLocation => "content-location",
            Known::Expect => "expect",
            Known::Forwarded => "forwarded",
            Known::Host => "host",
            Known::KeepAlive => "keep-alive",
            Known::Location => "location",
            Known::ProxyAuthorization => "proxy-authorization",
            Known::ProxyConnection => "proxy-connection",
            Known::Te => "te",
            Known::Traceparent => "traceparent",
            Known::TransferEncoding => "transfer-encoding",
            Known::Upgrade => "upgrade",
            Known::Via => "via",
            Known::XForwardedFor => "x-forwarded-for",
            Known::XForwardedHost => "x-forwarded-host",
            Known::XForwardedPrefix => "x-forwarded-prefix",
            Known::XForwardedProto => "x-forwarded-proto",
            Known::XRequestId => "x-request-id",
            // Names of several: never written by the proxy.
            Known::Other | Known::XForwardedOther | Known::XShadow | Known::Disguised => "",
        }
    }

    /// Whether the line belongs to one connection and is never passed on (RFC 9110, 7.6.1).
    pub(crate) const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Known::Connection
                | Known::KeepAlive
                | Known::ProxyAuthorization
                | Known::ProxyConnection
                | Known::Te
                | Known::Upgrade
        )
    }

    /// Whether a peer can nominate the header away by naming it in `Connection`: not framing, not the host, and
    /// not what the proxy itself says.
    pub(crate) const fn is_protected(self) -> bool {
        matches!(
            self,
            Known::Host
                | Known::ContentLength
                | Known::TransferEncoding
                | Known::Forwarded
                | Known::Via
                | Known::Expect
                | Known::XRequestId
                | Known::Traceparent
                | Known::XForwardedFor
                | Known::XForwardedHost
                | Known::XForwardedPrefix
                | Known::XForwardedProto
                | Known::XForwardedOther
        )
    }

    /// Whether header operations of a configuration leave the name alone: framing and the connection are not
    /// theirs.
    pub(crate) const fn is_framing(self) -> bool {
        matches!(self, Known::ContentLength | Known::TransferEncoding | Known::Connection | Known::Upgrade)
    }
}

impl From<&HeaderName> for Known {
    fn from(name: &HeaderName) -> Known {
        Known::of(name.as_str().as_bytes())
    }
}

fn is_disguised(name: &[u8]) -> bool {
    let plain: Vec<u8> =
        name.iter().map(|byte| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }).collect();
    plain.starts_with(b"x-forwarded-")
        || [
            "x-request-id",
            "x-shadow-request",
            "x-shadow-mode",
            "content-length",
            "transfer-encoding",
            "proxy-connection",
            "keep-alive",
        ]
        .iter()
        .any(|owned| plain == owned.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::Known;

    #[test]
    fn names_are_recognised_in_any_case() {
        let table: [(&str, Known); 8] = [
            ("Host", Known::Host),
            ("X-FORWARDED-FOR", Known::XForwardedFor),
            ("x-forwarded-anything", Known::XForwardedOther),
            ("x-forwarded", Known::Other),
            ("X-Shadow-Mode", Known::XShadow),
            ("transfer-encodin", Known::Other),
            ("Transfer-Encoding", Known::TransferEncoding),
            ("", Known::Other),
        ];
        for (name, known) in table {
            assert_eq!(Known::of(name.as_bytes()), known, "{name}");
            assert!(known.name().is_empty() || known.name().eq_ignore_ascii_case(name), "{name}");
        }
    }

    #[test]
    fn underscore_variants_of_owned_names_are_recognised() {
        for name in
            ["x_forwarded_for", "X-Forwarded_proto", "x_request-id", "x_shadow_request", "content_length"]
        {
            assert_eq!(Known::of(name.as_bytes()), Known::Disguised, "{name}");
        }
        for name in ["my_header", "x_forward", "x_custom"] {
            assert_eq!(Known::of(name.as_bytes()), Known::Other, "{name}");
        }
    }
}
