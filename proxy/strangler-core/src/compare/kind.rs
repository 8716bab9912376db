//! Kinds of differences.
//!
//! Their names are those of the configuration (`snapshot::compare::KINDS`); a test holds the two together.

use std::fmt;

/// What kind of difference it is; the most specific that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the documentation's, each said in `as_str`")]
pub enum Kind {
    Status,
    Transport,
    HeaderMissing,
    HeaderExtra,
    HeaderValue,
    CookieMissing,
    CookieExtra,
    CookieAttribute,
    CookieValue,
    BodyMissing,
    BodyExtra,
    BodyNullVsAbsent,
    BodyType,
    BodyValue,
    BodyOrder,
    BodyDuplicate,
    BodyNumberPrecision,
    BodyTimeFormat,
    BodyUuid,
    BodyWhitespace,
    BodyEncoding,
    BodyParse,
    BodyTruncated,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Kind; 23] = [
        Kind::Status,
        Kind::Transport,
        Kind::HeaderMissing,
        Kind::HeaderExtra,
        Kind::HeaderValue,
        Kind::CookieMissing,
        Kind::CookieExtra,
        Kind::CookieAttribute,
        Kind::CookieValue,
        Kind::BodyMissing,
        Kind::BodyExtra,
        Kind::BodyNullVsAbsent,
        Kind::BodyType,
        Kind::BodyValue,
        Kind::BodyOrder,
        Kind::BodyDuplicate,
        Kind::BodyNumberPrecision,
        Kind::BodyTimeFormat,
        Kind::BodyUuid,
        Kind::BodyWhitespace,
        Kind::BodyEncoding,
        Kind::BodyParse,
        Kind::BodyTruncated,
    ];

    /// In full: `body.number_precision`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Status => "status",
            Kind::Transport => "transport",
            Kind::HeaderMissing => "header.missing",
            Kind::HeaderExtra => "header.extra",
            Kind::HeaderValue => "header.value",
            Kind::CookieMissing => "cookie.missing",
            Kind::CookieExtra => "cookie.extra",
            Kind::CookieAttribute => "cookie.attribute",
            Kind::CookieValue => "cookie.value",
            Kind::BodyMissing => "body.missing",
            Kind::BodyExtra => "body.extra",
            Kind::BodyNullVsAbsent => "body.null_vs_absent",
            Kind::BodyType => "body.type",
            Kind::BodyValue => "body.value",
            Kind::BodyOrder => "body.order",
            Kind::BodyDuplicate => "body.duplicate",
            Kind::BodyNumberPrecision => "body.number_precision",
            Kind::BodyTimeFormat => "body.time_format",
            Kind::BodyUuid => "body.uuid",
            Kind::BodyWhitespace => "body.whitespace",
            Kind::BodyEncoding => "body.encoding",
            Kind::BodyParse => "body.parse",
            Kind::BodyTruncated => "body.truncated",
        }
    }

    /// The last word: `number_precision`.
    pub fn word(self) -> &'static str {
        let full = self.as_str();
        full.rsplit_once('.').map_or(full, |(_, word)| word)
    }

    /// The kind of this full name.
    pub fn named(full: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == full)
    }

    /// Whether a configuration that says `name`, in full or the last word, means this kind.
    pub fn is_called(self, name: &str) -> bool {
        name == self.as_str() || name == self.word()
    }

    /// Whether it is about a value alone, so that noise may hide it; presence, type, format and order are not.
    pub fn is_value(self) -> bool {
        matches!(self, Kind::BodyValue | Kind::BodyUuid | Kind::HeaderValue | Kind::CookieValue)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;
    use crate::snapshot::compare::kinds;

    #[test]
    fn kinds_are_those_of_the_configuration() {
        let configured = kinds();
        for kind in Kind::ALL {
            assert!(configured[kind.as_str()].contains(&kind.as_str().to_owned()), "{kind}");
            assert!(configured[kind.word()].contains(&kind.as_str().to_owned()), "{kind}");
            assert_eq!(Kind::named(kind.as_str()), Some(kind));
        }
        for (name, meant) in configured {
            let called: Vec<&str> =
                Kind::ALL.into_iter().filter(|kind| kind.is_called(&name)).map(Kind::as_str).collect();
            assert_eq!(called, meant, "{name}");
        }
    }
}
