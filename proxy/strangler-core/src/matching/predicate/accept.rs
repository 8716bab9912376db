//! Whether a client prefers one media type (RFC 9110 section 12.5.1).
//!
//! Owns the reading of `Accept`. Refuses negotiation: nothing is chosen here.

/// The weight a client gives a media type, and how closely it named it: 0 by `*/*`, 1 by `type/*`, 2 exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weight {
    /// Thousandths, `0..=1000`.
    quality: u16,
    closeness: u8,
}

/// One member of an `Accept` header.
struct Range<'a> {
    kind: &'a str,
    subkind: &'a str,
    quality: u16,
}

impl Range<'_> {
    /// How closely this range names a media type; `None`: not at all.
    fn closeness(&self, kind: &str, subkind: &str) -> Option<u8> {
        match (self.kind, self.subkind) {
            ("*", "*") => Some(0),
            (range, "*") if range.eq_ignore_ascii_case(kind) => Some(1),
            (range, exact) if range.eq_ignore_ascii_case(kind) && exact.eq_ignore_ascii_case(subkind) => {
                Some(2)
            }
            _ => None,
        }
    }
}

/// Whether an `Accept` value prefers `wanted` over `text/html` and gives nothing else more weight. Where the
/// weights of both are equal, the one that is named more closely is preferred, so that
/// `application/json, */*` prefers JSON and `*/*` prefers nothing.
pub(in crate::matching) fn prefers(accept: &str, wanted: &str) -> bool {
    let Some((kind, subkind)) = wanted.split_once('/') else { return false };
    let ranges: Vec<Range<'_>> = accept.split(',').filter_map(range).collect();
    let own = weight(&ranges, kind, subkind);
    if own.quality == 0 || own.closeness == 0 {
        return false;
    }
    let beaten = |other: Weight| {
        own.quality > other.quality || (own.quality == other.quality && own.closeness > other.closeness)
    };
    let is_html = kind.eq_ignore_ascii_case("text") && subkind.eq_ignore_ascii_case("html");
    (is_html || beaten(weight(&ranges, "text", "html")))
        && ranges.iter().all(|range| range.quality <= own.quality)
}

/// The weight of a media type: of the range that names it most closely.
fn weight(ranges: &[Range<'_>], kind: &str, subkind: &str) -> Weight {
    let mut best: Option<Weight> = None;
    for range in ranges {
        let Some(closeness) = range.closeness(kind, subkind) else { continue };
        if best.is_none_or(|best| closeness > best.closeness) {
            best = Some(Weight { quality: range.quality, closeness });
        }
    }
    best.unwrap_or_default()
}

/// One member; `None` where it is not a media range.
fn range(member: &str) -> Option<Range<'_>> {
    let mut parts = member.split(';').map(str::trim);
    let (kind, subkind) = parts.next()?.split_once('/')?;
    let quality = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(1000, |(_, value)| thousandths(value.trim()));
    Some(Range { kind, subkind, quality })
}

/// A `qvalue` (RFC 9110 section 12.4.2) in thousandths; what is not one counts as 0.
fn thousandths(value: &str) -> u16 {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let fraction = digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match (whole, fraction) {
        ("0", fraction) => fraction,
        ("1", 0) => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_preferred_by_weight_then_by_how_closely_it_is_named() {
        let table = [
            ("application/json", true),
            ("Application/JSON;charset=utf-8", true),
            ("application/json;q=0.5", true),
            ("application/json;q=0", false),
            ("application/json, text/html", false),
            ("application/json, text/html;q=0.9", true),
            ("application/json;q=0.9, text/html", false),
            ("application/json;q=0.9, text/plain", false),
            ("application/json, text/plain, */*", true),
            ("application/*", true),
            ("application/*, text/html", false),
            ("application/*;q=0.8, text/*;q=0.7", true),
            ("*/*", false),
            ("*/*;q=0.1, application/json;q=0.2", true),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false),
            ("", false),
            ("nonsense", false),
            ("application/json;q=2", false),
            ("application/json;q=1.0", true),
            ("application/json;q=0.0001", false),
        ];
        for (accept, wanted) in table {
            assert_eq!(prefers(accept, "application/json"), wanted, "{accept}");
        }
        assert!(prefers("text/html,application/xml;q=0.9,*/*;q=0.8", "text/html"));
        assert!(!prefers("*/*", "text/html"));
    }
}
