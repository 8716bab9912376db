//! Who a request is: its id, its trace, and the proxies it passed.

use http::header::VIA;
use http::{HeaderMap, HeaderName, HeaderValue};

/// `x-request-id`.
pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `traceparent` (W3C Trace Context).
pub(crate) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A longer `x-request-id` is replaced.
const MAX_ID_BYTES: usize = 128;

/// Keeps the request's id, or gives it one where `make` says so. What was sent is passed on untouched when
/// ids are not made.
pub(crate) fn request_id(headers: &mut HeaderMap, make: bool) -> Option<HeaderValue> {
    let mut lines = headers.get_all(&X_REQUEST_ID).iter();
    let sent = lines.next().filter(|value| is_id(value)).cloned();
    let single = lines.next().is_none();
    if !make || (sent.is_some() && single) {
        return sent;
    }
    let id = sent.unwrap_or_else(new_id);
    headers.insert(X_REQUEST_ID.clone(), id.clone());
    Some(id)
}

/// Continues the request's trace (this proxy makes no span of its own, so the parent stays), or starts one.
pub(crate) fn trace(headers: &mut HeaderMap, make: bool) {
    if !make || headers.get(&TRACEPARENT).is_some_and(is_traceparent) {
        return;
    }
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
    if let Some(trace) = text.get_mut(3..35) {
        write_hex(trace, fastrand::u128(1..));
    }
    if let Some(parent) = text.get_mut(36..52) {
        write_hex(parent, fastrand::u64(1..).into());
    }
    if let Ok(value) = HeaderValue::from_bytes(&text) {
        headers.insert(TRACEPARENT.clone(), value);
    }
}

/// A request that was never answered with an id of its own gets this, for the proxy's own answers.
pub(crate) fn new_id() -> HeaderValue {
    let mut text = [0u8; 32];
    write_hex(&mut text, fastrand::u128(..));
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// Fills `text` with the low digits of a number: a tenth of what `format!` costs, once or twice per request.
fn write_hex(text: &mut [u8], mut number: u128) {
    for digit in text.iter_mut().rev() {
        let nibble = number.to_le_bytes().first().map_or(0, |byte| byte & 0xf);
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        number >>= 4;
    }
}

fn is_id(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=MAX_ID_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, neither id all zero; later versions may be longer.
fn is_traceparent(value: &HeaderValue) -> bool {
    let mut parts = value.as_bytes().split(|byte| *byte == b'-');
    let mut hex = |length: usize| {
        parts.next().filter(|part| {
            part.len() == length && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let (Some(version), Some(trace), Some(parent), Some(_flags)) = (hex(2), hex(32), hex(16), hex(2)) else {
        return false;
    };
    let nonzero = |id: &[u8]| id.iter().any(|byte| *byte != b'0');
    version != b"ff" && nonzero(trace) && nonzero(parent) && (version != b"00" || parts.next().is_none())
}

/// Whether the request passed through this process at least twice. `own` is what it appends to `Via`.
pub(crate) fn is_looping(headers: &HeaderMap, own: &HeaderValue) -> bool {
    let own = own.as_bytes();
    headers
        .get_all(VIA)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter(|entry| entry.trim_ascii() == own)
        .nth(1)
        .is_some()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{TRACEPARENT, X_REQUEST_ID, is_looping, request_id, trace};

    #[test]
    fn a_valid_request_id_is_kept_and_an_invalid_one_replaced() {
        let check = |sent: &[&str], kept: bool| {
            let mut headers = HeaderMap::new();
            for id in sent {
                headers.append(X_REQUEST_ID.clone(), HeaderValue::from_str(id).unwrap());
            }
            let id = request_id(&mut headers, true).unwrap();
            assert_eq!(id == sent.first().copied().unwrap_or_default(), kept, "{sent:?}");
            assert_eq!(headers.get_all(&X_REQUEST_ID).iter().collect::<Vec<_>>(), [&id]);
        };
        check(&["abc-1"], true);
        check(&["abc", "def"], true);
        check(&[], false);
        check(&["two words"], false);
        check(&[&"x".repeat(129)], false);
    }

    #[test]
    fn without_request_id_nothing_is_made_and_what_came_is_passed_on() {
        let mut headers = HeaderMap::new();
        assert_eq!(request_id(&mut headers, false), None);
        trace(&mut headers, false);
        assert!(headers.is_empty());
    }

    #[test]
    fn a_valid_trace_is_continued_and_an_invalid_one_started_anew() {
        let check = |sent: &str, kept: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT.clone(), HeaderValue::from_str(sent).unwrap());
            trace(&mut headers, true);
            assert_eq!(headers.get(&TRACEPARENT).unwrap() == sent, kept, "{sent}");
        };
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", false);
        check("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", true);
        check("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false);
        check("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false);
        check("nonsense", false);
        let mut headers = HeaderMap::new();
        trace(&mut headers, true);
        assert!(super::is_traceparent(headers.get(&TRACEPARENT).unwrap()));
    }

    #[test]
    fn numbers_are_written_as_hexadecimal_digits() {
        let mut text = [0; 6];
        super::write_hex(&mut text, 0x12_c0ff_ee09);
        assert_eq!(&text, b"ffee09");
    }

    #[test]
    fn the_third_passage_is_a_loop() {
        let own = HeaderValue::from_static("1.1 strangler-1");
        let mut headers = HeaderMap::new();
        let mut passes = || {
            let looping = is_looping(&headers, &own);
            headers.append("via", own.clone());
            looping
        };
        assert_eq!([passes(), passes(), passes()], [false, false, true]);
        headers.insert("via", HeaderValue::from_static("1.0 a, 1.1 strangler-1,1.1 strangler-1"));
        assert!(is_looping(&headers, &own));
    }
}
